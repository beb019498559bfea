"""Drawing rooms and source places: sizes, reverberation and materials that go together, and clear places in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes.attributes import REVERBERATION
from open_elsa.scenes.directivity import DIRECTIVITIES
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.scenes.wall_materials import draw_absorption
from open_elsa.sound.foa import unit_vector

#: How much the odds of a dampened, a middle and a highly reverberant room change with the floor area, as its power:
#: halls ring more often than bedrooms, though every size of room comes with every reverberation.
_SHARE_POWERS = (-0.2, 0.0, 0.2)
#: Floor area in square metres at which the odds are as `RoomRanges.t30_shares` says: the middle of the draw.
_MIDDLE_AREA_M2 = 60.0
#: An array near a wall is at most this far from it.
_NEAR_WALL_M = 1.0


@dataclass(frozen=True)
class RoomRanges:
    """What rooms and places are drawn from; (low, high) pairs. Raises ConfigError for a pair that is out of order.

    The paper's are the floor area and T30; its elevations, -47.5 to 48.7 degrees, are the core of ours, and its
    distances are 0.5 to 4 m. Heights grow with the area between the two limits. t30_shares: how often a dampened,
    a middle and a highly reverberant room is wanted. scattering: at 1 kHz; soft, furnished rooms get the higher values.
    near_wall_share: of the arrays, stands within a metre of a wall, `array_to_wall_m` at the least.
    directivity_shares: of the sources, omnidirectional, cardioid-like, and speech; (1, 0, 0) for the first alone.
    facing_share: of the directive ones, turned towards the array, more or less; the others face anywhere.
    """

    floor_area_m2: tuple[float, float] = (13.0, 277.0)
    height_m: tuple[float, float] = (2.2, 6.0)
    aspect: tuple[float, float] = (1.0, 2.5)
    t30_s: tuple[float, float] = (0.14, 2.7)
    t30_shares: tuple[float, float, float] = (0.2, 0.48, 0.32)
    absorption: tuple[float, float] = (0.01, 0.95)
    # 0.05: bare painted walls; 0.6: full shelves and seats. Single walls reach 0 and 1, whole rooms don't
    scattering: tuple[float, float] = (0.05, 0.6)
    array_height_m: tuple[float, float] = (0.8, 2.0)
    array_to_wall_m: float = 0.3
    # recorders and telephones lie on shelves and tables along walls about as often as that
    near_wall_share: float = 0.2
    source_to_wall_m: float = 0.2
    azimuth_deg: tuple[float, float] = (-180.0, 180.0)
    elevation_deg: tuple[float, float] = (-60.0, 65.0)
    distance_m: tuple[float, float] = (0.5, 5.0)
    # half of the sources stay omnidirectional: most things that sound are small, or known from no one side
    directivity_shares: tuple[float, float, float] = (0.5, 0.25, 0.25)
    facing_share: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not name.endswith("_shares") and isinstance(value, tuple) and not value[0] <= value[1]:
                raise ConfigError(f"RoomRanges.{name} must be (low, high), got {value}; swap them")
        if min(self.floor_area_m2[0], self.height_m[0], self.t30_s[0], self.distance_m[0], self.aspect[0]) <= 0:
            raise ConfigError("RoomRanges: areas, heights, aspects, T30 and distances must be above zero")
        unit = (*self.scattering, self.near_wall_share, self.facing_share)
        if min(unit) < 0 or max(unit) > 1:
            raise ConfigError("RoomRanges: scattering, near_wall_share and facing_share must lie in 0..1")
        for name in ("t30_shares", "directivity_shares"):
            if len(getattr(self, name)) != 3 or min(getattr(self, name)) < 0 or sum(getattr(self, name)) <= 0:
                raise ConfigError(f"RoomRanges.{name} must be three shares, none below zero and not all zero")


#: Sources that radiate alike to all sides, else as drawn by default.
OMNIDIRECTIONAL = RoomRanges(directivity_shares=(1.0, 0.0, 0.0))
#: All kinds of sources, half of the directive ones turned to the array, as loudspeakers and talkers are when recorded.
MIXED_SOURCES = RoomRanges(directivity_shares=(0.4, 0.35, 0.25), facing_share=0.5)


def draw_room(rng: np.random.Generator, ranges: RoomRanges, room_id: str) -> Room:
    """Draw a room whose full-band T30 follows `ranges` and whose absorption is physically possible (Eyring).

    The floor area is log-uniform; T30 is log-uniform in a class whose odds lean with the area; the walls are a mix of
    common surfaces that gives this T30. Raises DataError when the ranges allow no such room.
    """
    for _ in range(200):
        size = _draw_size(rng, ranges)
        walls = draw_absorption(rng, size, _draw_t30(rng, ranges, size[0] * size[1]), ranges.absorption)
        if walls is None:
            continue
        absorption, soft = walls
        # what is soft is furniture, curtains and people, and those are rough: half of the draw follows it
        low, high = ranges.scattering
        scattering = low + (high - low) * (0.5 * soft + 0.5 * float(rng.random()))
        array = _draw_array(rng, ranges, size)
        yaw = float(rng.uniform(-180.0, 180.0))
        return Room(room_id, size, absorption, array, yaw, scattering)
    raise DataError(f"room {room_id}: no room in 200 draws has T30 {ranges.t30_s} s; widen t30_s or absorption")


def draw_position(rng: np.random.Generator, room: Room, ranges: RoomRanges) -> SourcePosition:
    """Draw a source place: distance log-uniform, direction by even azimuth and elevation, clear of every wall.

    A direction in which the room ends too soon is drawn anew; after many tries the distance gives way. The source's
    directivity and where it faces are drawn after its place. Raises DataError when the room has no place in range.
    """
    place = _draw_place(rng, room, ranges)
    shares = np.asarray(ranges.directivity_shares) / sum(ranges.directivity_shares)
    kind = DIRECTIVITIES[int(rng.choice(3, p=shares))]
    facing = _draw_facing(rng, ranges, *place[:2])
    return SourcePosition(*place, kind, *facing) if kind != "omni" else SourcePosition(*place)


def _draw_facing(rng: np.random.Generator, ranges: RoomRanges, azimuth: float, elevation: float) -> tuple[float, float]:
    """Where a source's axis points: anywhere, or within some 20 degrees of the array."""
    # talkers and loudspeakers stand upright and look anywhere: whoever is recorded need not face the microphone
    around, up = float(rng.uniform(-180.0, 180.0)), float(np.clip(10.0 * rng.standard_normal(), -30.0, 30.0))
    if not ranges.facing_share or rng.random() >= ranges.facing_share:
        return around, up
    return (azimuth + around / 9.0) % 360.0 - 180.0, float(np.clip(up - elevation, -90.0, 90.0))


def _draw_place(rng: np.random.Generator, room: Room, ranges: RoomRanges) -> tuple[float, float, float]:
    """Azimuth, elevation and distance of a place that is clear of the walls."""
    low, high = ranges.distance_m
    longest: tuple[float, float, float] | None = None
    for attempt in range(160):
        wanted = math.exp(rng.uniform(math.log(low), math.log(high)))
        azimuth, elevation = rng.uniform(*ranges.azimuth_deg), rng.uniform(*ranges.elevation_deg)
        for _ in range(8 if attempt < 128 else 1):
            free = _free_path(room, azimuth, elevation, ranges.source_to_wall_m)
            if free >= wanted:
                return azimuth, elevation, wanted
            if longest is None or free > longest[2]:
                longest = (azimuth, elevation, free)
            azimuth, elevation = rng.uniform(*ranges.azimuth_deg), rng.uniform(*ranges.elevation_deg)
    if longest is None or longest[2] < low:
        raise DataError(f"room {room.room_id}: no place at {low:g} m or more is {ranges.source_to_wall_m:g} m clear")
    return longest[0], longest[1], _between(rng, low, min(high, longest[2]))


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high)) if high > low else 0.5 * (low + high)


def _log_between(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(_between(rng, math.log(low), math.log(high)))


def _draw_size(rng: np.random.Generator, ranges: RoomRanges) -> tuple[float, float, float]:
    area = _log_between(rng, *ranges.floor_area_m2)
    # no side so short that the array cannot keep its distance from both walls
    widest = max(ranges.aspect[0], area / (2.0 * ranges.array_to_wall_m + 0.6) ** 2)
    aspect = _between(rng, ranges.aspect[0], min(ranges.aspect[1], widest))
    sides = (math.sqrt(area * aspect), math.sqrt(area / aspect))
    low, high = ranges.height_m
    grown = math.sqrt(min(1.0, max(0.0, (area - 13.0) / 264.0)))
    height = _between(rng, low + 0.2 * grown * (high - low), low + (0.2 + 0.8 * grown) * (high - low))
    # the long side lies along x or y; the array's own yaw does the rest
    return (*(sides if rng.random() < 0.5 else sides[::-1]), height)


def _draw_t30(rng: np.random.Generator, ranges: RoomRanges, area_m2: float) -> float:
    """Log-uniform inside a class that is drawn first, so that dampened rooms are not rare."""
    low, high = ranges.t30_s
    dry, wet = (REVERBERATION[word].bins[0] for word in REVERBERATION.classes)
    edges = (low, min(max(dry.high, low), high), min(max(wet.low, low), high), high)
    leaning = [s * (area_m2 / _MIDDLE_AREA_M2) ** p for s, p in zip(ranges.t30_shares, _SHARE_POWERS, strict=True)]
    shares = np.array([s if edges[i + 1] > edges[i] else 0.0 for i, s in enumerate(leaning)])
    if shares.sum() <= 0:
        return low
    chosen = int(rng.choice(3, p=shares / shares.sum()))
    return _log_between(rng, edges[chosen], edges[chosen + 1])


def _draw_array(
    rng: np.random.Generator, ranges: RoomRanges, size: tuple[float, float, float]
) -> tuple[float, float, float]:
    """A place for the array: anywhere that is clear of the walls, or on purpose near one of the four."""
    clear, margin = ranges.array_to_wall_m, min(ranges.array_to_wall_m, 0.4 * size[2])
    low, high = ranges.array_height_m
    high = max(min(high, size[2] - margin), min(low, 0.5 * size[2]))
    place = [_between(rng, clear, size[0] - clear), _between(rng, clear, size[1] - clear)]
    if rng.random() < ranges.near_wall_share:
        axis = int(rng.integers(2))
        off = _between(rng, min(clear, _NEAR_WALL_M), min(_NEAR_WALL_M, size[axis] - clear))
        place[axis] = off if rng.random() < 0.5 else size[axis] - off
    return place[0], place[1], _between(rng, low, high)


def _free_path(room: Room, azimuth_deg: float, elevation_deg: float, clear_m: float) -> float:
    """Metres from the array to the first wall in a direction, less the distance to keep from it."""
    direction = unit_vector(azimuth_deg + room.array_yaw_deg, elevation_deg)
    free = math.inf
    for d, place, side in zip(direction, room.array_m, room.size_m, strict=True):
        if abs(d) > 1e-9:
            free = min(free, ((side - clear_m - place) if d > 0 else (clear_m - place)) / float(d))
    return free
