"""What is drawn: every bin filled, nothing impossible, and materials that fit how long a room rings."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import rooms, wall_materials
from open_elsa.scenes.directivity import DIRECTIVITIES
from open_elsa.scenes.draw_rooms import RoomRanges, draw_position, draw_room
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.sound.foa import unit_vector

Drawn = list[tuple[Room, SourcePosition]]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    rng, ranges = np.random.default_rng(0), RoomRanges()
    found = [draw_room(rng, ranges, str(i)) for i in range(900)]
    return [(room, draw_position(rng, room, ranges)) for room in found]


def t30s(drawn: Drawn) -> np.ndarray:
    return np.array([rooms.predicted_t30(rooms.band_damping(room)) for room, _ in drawn])


def test_drawn_rooms_fill_every_bin(drawn: Drawn) -> None:
    area, t30 = np.array([room.floor_area_m2 for room, _ in drawn]), t30s(drawn)
    azimuth = np.array([p.azimuth_deg for _, p in drawn])
    elevation = np.array([p.elevation_deg for _, p in drawn])
    distance = np.array([p.distance_m for _, p in drawn])
    assert area.min() >= 13 and area.max() <= 277 + 1e-6
    assert 0.12 < t30.min() < 0.16 and 2.3 < t30.max() < 2.9
    for share in (area < 50, (area >= 50) & (area <= 100), area > 100, t30 < 0.2, t30 > 1.0):
        assert share.mean() > 0.12
    for share in (elevation > 40, elevation < -40, distance < 1, distance > 2):
        assert share.mean() > 0.05
    for centre in (-90, 0, 90, 180):
        assert (np.abs((azimuth - centre + 180) % 360 - 180) <= 35).mean() > 0.1


def test_drawn_rooms_and_places_are_within_the_ranges(drawn: Drawn) -> None:
    for room, place in drawn:
        source = rooms.source_place(room, place)
        for s, a, side in zip(source, room.array_m, room.size_m, strict=True):
            assert 0.2 - 1e-9 <= s <= side - 0.2 + 1e-9
            assert 0.3 - 1e-9 <= a <= side - 0.3 + 1e-9
        assert 2.2 <= room.size_m[2] <= 6.0
        assert 1.0 <= max(room.size_m[:2]) / min(room.size_m[:2]) <= 2.5 + 1e-9
        assert min(room.absorption) >= 0.01 and max(room.absorption) <= 0.95
        assert 0.05 <= room.scattering <= 0.6


def test_halls_ring_more_often_but_every_size_comes_with_every_reverberation(drawn: Drawn) -> None:
    area, t30 = np.array([room.floor_area_m2 for room, _ in drawn]), t30s(drawn)
    assert 0.05 < np.corrcoef(np.log(area), np.log(t30))[0, 1] < 0.3
    for size in (area < 50, (area >= 50) & (area <= 100), area > 100):
        assert (t30[size] < 0.2).mean() > 0.1
        assert (t30[size] > 1.0).mean() > 0.15


def test_dead_rooms_are_soft_and_rough_and_ringing_ones_bare(drawn: Drawn) -> None:
    t30, treble = t30s(drawn), np.array([r.absorption[5] / r.absorption[0] for r, _ in drawn])
    scattering = np.array([r.scattering for r, _ in drawn])
    assert np.median(treble[t30 < 0.2]) > 1.3 * np.median(treble[t30 > 1.0])
    assert scattering[t30 < 0.2].mean() > scattering[t30 > 1.0].mean() + 0.1


def test_a_share_of_the_arrays_stands_near_a_wall() -> None:
    ranges = RoomRanges(floor_area_m2=(200.0, 270.0), aspect=(1.0, 1.2))
    shares = []
    for wanted in (0.0, 1.0):
        rng = np.random.default_rng(3)
        found = [draw_room(rng, dataclasses.replace(ranges, near_wall_share=wanted), str(i)) for i in range(60)]
        near = [min(min(a, side - a) for a, side in zip(r.array_m[:2], r.size_m[:2], strict=True)) for r in found]
        shares.append(np.mean(np.array(near) <= 1.0))
    assert shares[0] < 0.4
    assert shares[1] == 1.0


def test_directivities_are_drawn_as_often_as_wanted_and_omni_looks_nowhere(drawn: Drawn) -> None:
    kinds = [place.directivity for _, place in drawn]
    for kind, share in zip(DIRECTIVITIES, RoomRanges().directivity_shares, strict=True):
        assert kinds.count(kind) / len(kinds) == pytest.approx(share, abs=0.06)
    assert all(p.facing_azimuth_deg == p.facing_elevation_deg == 0 for _, p in drawn if p.directivity == "omni")
    facing = np.array([p.facing_azimuth_deg for _, p in drawn if p.directivity == "speech"])
    assert np.histogram(facing, 4, (-180, 180))[0].min() > 0.15 * facing.size
    only = RoomRanges(directivity_shares=(1.0, 0.0, 0.0))
    rng = np.random.default_rng(0)
    assert {draw_position(rng, room, only).directivity for room, _ in drawn[:50]} == {"omni"}


def test_a_share_of_the_directive_sources_faces_the_array(drawn: Drawn) -> None:
    def towards_array(share: float) -> float:
        rng, ranges = np.random.default_rng(0), RoomRanges(directivity_shares=(0, 1, 1), facing_share=share)
        places = [draw_position(rng, room, ranges) for room, _ in drawn[:200]]
        facing = unit_vector(*np.array([(p.facing_azimuth_deg, p.facing_elevation_deg) for p in places]).T)
        source = unit_vector(*np.array([(p.azimuth_deg, p.elevation_deg) for p in places]).T)
        return float((-(facing * source).sum(-1) > math.cos(math.radians(37))).mean())

    assert towards_array(1.0) == 1.0
    assert towards_array(0.5) == pytest.approx(0.5, abs=0.12)
    assert towards_array(0.0) < 0.25
    with pytest.raises(ConfigError, match="facing_share"):
        RoomRanges(facing_share=1.5)


def test_walls_give_the_wanted_t30_or_none() -> None:
    rng, size = np.random.default_rng(1), (6.0, 5.0, 2.8)
    for wanted in (0.18, 0.4, 1.2):
        found = wall_materials.draw_absorption(rng, size, wanted, (0.01, 0.95))
        assert found is not None
        room = Room("r", size, found[0], (3.0, 2.0, 1.4))
        assert rooms.predicted_t30(rooms.band_damping(room)) == pytest.approx(wanted, rel=0.011)
    assert wall_materials.draw_absorption(rng, size, 0.02, (0.01, 0.95)) is None
    assert wall_materials.draw_absorption(rng, size, 9.0, (0.01, 0.95)) is None


def test_impossible_wishes_end_in_an_error() -> None:
    rng = np.random.default_rng(0)
    room = Room("r", (4.1, 3.25, 2.5), (0.3,) * 8, (1.9, 1.4, 1.2))
    with pytest.raises(DataError, match="T30"):
        draw_room(rng, RoomRanges(t30_s=(0.01, 0.02)), "r")
    with pytest.raises(DataError, match="no place"):
        draw_position(rng, room, RoomRanges(distance_m=(8.0, 9.0)))
    with pytest.raises(ConfigError, match="swap"):
        RoomRanges(t30_s=(1.0, 0.5))
    with pytest.raises(ConfigError, match="shares"):
        RoomRanges(directivity_shares=(0.0, 0.0, 0.0))
    with pytest.raises(ConfigError, match=r"0\.\.1"):
        RoomRanges(scattering=(0.1, 1.2))
    with pytest.raises(DataError, match="scattering"):
        dataclasses.replace(room, scattering=1.5)
