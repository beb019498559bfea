"""What a balanced bank draws from: classes of rooms and places in turn, so that every attribute's words come up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes.attributes import DIRECTION, DISTANCE, ELEVATION, REVERBERATION, ROOM_SIZE
from open_elsa.scenes.rooms import RoomRanges, draw_position
from open_elsa.scenes.scene import Room
from open_elsa.scenes.vocabulary import Attribute

Pair = tuple[float, float]


def room_ranges(ranges: RoomRanges, index: int) -> RoomRanges:
    """Ranges of room `index`: its size and reverberation classes go round in turn, within `ranges` where they overlap.

    A little inside the table's limits, as the measured T30 strays from the wanted one.
    """
    whole = RoomRanges()
    small, middle, large = _limits(ROOM_SIZE)
    dry, wet = _limits(REVERBERATION)
    area = (
        (whole.floor_area_m2[0], _off(small[1], -2)),
        (_off(middle[0], 2), _off(middle[1], -2)),
        (_off(large[0], 4), whole.floor_area_m2[1]),
    )[index % 3]
    t30 = (
        (whole.t30_s[0], _off(dry[1], -0.02)),
        (_off(dry[1], 0.04), _off(wet[0], -0.1)),
        (_off(wet[0], 0.1), whole.t30_s[1]),
    )[index // 3 % 3]
    tall = (2.6, 6.0) if index // 9 % 2 else (3.2, 6.0)
    return replace(
        ranges,
        floor_area_m2=_within(area, ranges.floor_area_m2),
        t30_s=_within(t30, ranges.t30_s),
        height_m=_within(tall, ranges.height_m),
        array_height_m=_within((1.3, 2.0), ranges.array_height_m),
        # every direction needs room for a near source: an array at a wall has none on that side
        array_to_wall_m=max(ranges.array_to_wall_m, _off(whole.distance_m[0] + whole.source_to_wall_m, 0.05)),
        near_wall_share=0.0,
    )


def place_ranges(ranges: RoomRanges, room: Room, seed: int, index: int) -> list[RoomRanges]:
    """Ranges of the place of response `index`, the wanted first, then what to try where the room has no such place.

    A shuffled deck of the 4 x 3 x 3 classes for every 36 responses, so that no class follows the room's; two thirds are
    far, as a third of those has no room above or below and becomes near.
    """
    deck = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, index // 36))).permutation(36)
    card = int(deck[index % 36])
    whole = RoomRanges()
    up, down = _limits(ELEVATION)
    near, far = _limits(DISTANCE)
    near_m, far_m = (whole.distance_m[0], _off(near[1], -0.02)), (_off(far[0], 0.05), whole.distance_m[1])
    elevation = (
        (_off(up[0], 1), whole.elevation_deg[1]),
        (whole.elevation_deg[0], _off(down[1], -1)),
        (_off(down[1], 5), _off(up[0], -5)),
    )[card % 12 // 4]
    wanted = replace(
        ranges,
        azimuth_deg=_sectors()[card % 4],
        elevation_deg=_within(elevation, ranges.elevation_deg),
        distance_m=near_m if card < 12 else far_m,
    )
    tried = (wanted, replace(wanted, distance_m=near_m), replace(wanted, distance_m=ranges.distance_m))
    anywhere = replace(wanted, distance_m=ranges.distance_m, elevation_deg=ranges.elevation_deg)
    # an array close to a wall has no place at all on that side
    return [*(t for t in tried if _has_place(room, t)), anywhere, replace(anywhere, azimuth_deg=ranges.azimuth_deg)]


def _sectors() -> Sequence[Pair]:
    """The four directions a degree inside their limits; what lies behind goes through 180."""
    out = []
    for word in DIRECTION.words:
        low = word.bins[0].low
        high = word.bins[-1].high + (360.0 if len(word.bins) > 1 else 0.0)
        out.append((_off(low, 1), _off(high, -1)))
    return out


def _limits(attribute: Attribute) -> list[Pair]:
    return [(word.bins[0].low, word.bins[0].high) for word in attribute.words]


def _off(limit: float, by: float) -> float:
    return round(limit + by, 6)


def _within(part: Pair, whole: Pair) -> Pair:
    """The overlap of two ranges, or the whole where they do not overlap."""
    low, high = max(part[0], whole[0]), min(part[1], whole[1])
    return (low, high) if low <= high else whole


def _has_place(room: Room, ranges: RoomRanges) -> bool:
    rng = np.random.default_rng(0)
    try:
        for _ in range(3):
            draw_position(rng, room, ranges)
    except DataError:
        return False
    return True
