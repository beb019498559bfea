"""Image sources against two other enumerations, and what they bring against values worked out by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pyroomacoustics as pra
import pytest

from open_elsa.scenes import image_sources, room_physics
from open_elsa.scenes.image_sources import early_arrivals, sinc_taps
from open_elsa.scenes.room_physics import mixing_time_s, source_place
from open_elsa.scenes.scene import Room, SourcePosition

ROOM = Room("r", (4.1, 3.25, 2.5), (0.2,) * 8, (1.9, 1.4, 1.2), array_yaw_deg=40.0)
PLACE = SourcePosition(40, 10, 1.1)


def places_and_orders(room: Room, place: SourcePosition, reach: float) -> np.ndarray:
    """Rows of x, y, z from the array and the number of reflections."""
    images = image_sources.image_sources(room, source_place(room, place), reach)
    return np.concatenate([images.places.T, images.reflections.sum(axis=0)[:, None]], axis=1)


def same_rows(one: np.ndarray, two: np.ndarray, within: float) -> bool:
    """Every row of one list has one of the other beside it, both ways, and there are as many."""
    apart = np.abs(one[:, None, :] - two[None, :, :]).max(axis=2)
    return len(one) == len(two) and apart.min(axis=1).max() < within and apart.min(axis=0).max() < within


def test_images_equal_an_independent_enumeration() -> None:
    reach, source = 9.0, source_place(ROOM, PLACE)
    wanted = []
    for n in itertools.product(range(-6, 7), repeat=3):
        at = [k * side + (s if k % 2 == 0 else side - s) for k, side, s in zip(n, ROOM.size_m, source, strict=True)]
        offset = np.array(at) - np.array(ROOM.array_m)
        if np.linalg.norm(offset) <= reach:
            wanted.append((*offset, sum(abs(k) for k in n)))
    found = places_and_orders(ROOM, PLACE, reach)
    assert same_rows(found, np.array(wanted), 1e-9)
    assert found[0] == pytest.approx([*(np.array(source) - ROOM.array_m), 0])  # the direct sound comes first


@pytest.mark.parametrize("size", [(4.1, 3.25, 2.5), (18.5, 15.0, 4.5)])
def test_images_equal_those_of_pyroomacoustics(size: tuple[float, float, float]) -> None:
    room = replace(ROOM, size_m=size)
    reach, source = 343.0 * mixing_time_s(room), source_place(room, PLACE)
    order = math.ceil(reach * math.sqrt(sum(1.0 / side**2 for side in size))) + 1
    box = pra.ShoeBox(size, fs=16_000, materials=pra.Material(0.5), max_order=order, air_absorption=False)
    box.add_source(list(source))
    box.add_microphone(list(room.array_m))
    box.image_source_model()
    offsets = np.asarray(box.sources[0].images, dtype=np.float64).T - np.asarray(room.array_m)
    theirs = np.concatenate([offsets, np.asarray(box.sources[0].orders)[:, None]], axis=1)
    theirs = theirs[np.linalg.norm(offsets, axis=1) <= reach]
    assert len(theirs) > 50
    assert same_rows(places_and_orders(room, PLACE, reach), theirs, 1e-4)  # single precision inside the library


def test_the_direct_sound_is_kept_where_it_comes_after_everything() -> None:
    hall = Room("hall", (40.0, 30.0, 8.0), (0.2,) * 8, (2.0, 15.0, 1.5))
    images = image_sources.image_sources(hall, (37.0, 15.0, 1.5), 10.0)
    assert images.places[:, 0] == pytest.approx([35.0, 0.0, 0.0])
    assert images.reflections[:, 0].sum() == 0


@pytest.mark.parametrize("kind", ["omni", "cardioid", "speech"])
def test_scattering_moves_energy_and_loses_none(kind: str) -> None:
    place = replace(PLACE, directivity=kind, facing_azimuth_deg=25.0)
    mixing_s = mixing_time_s(ROOM)
    images = image_sources.image_sources(ROOM, source_place(ROOM, place), 343.0 * mixing_s)
    smooth, rough = (early_arrivals(replace(ROOM, scattering=s), place, images, mixing_s) for s in (0.0, 0.35))
    assert not smooth.diffuse.any()
    assert np.square(rough.bands) + rough.diffuse == pytest.approx(np.square(smooth.bands), rel=1e-9)
    # at 1 kHz a reflection of order o keeps 0.65 ** o of its energy
    orders = images.reflections.sum(axis=0)
    some = smooth.bands[:, 3] > 1e-9
    kept = np.square(rough.bands[some, 3] / smooth.bands[some, 3])
    assert kept == pytest.approx(0.65 ** orders[some])
    assert rough.diffuse[0] == pytest.approx(0.0)


def test_a_floor_echo_worked_out_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source 2 m ahead, both 1.5 m high: the echo travels hypot(2, 3) m and leaves 56 degrees below the axis."""
    monkeypatch.setattr(room_physics, "air_per_m", lambda: np.zeros(8))
    room = Room("r", (9.0, 8.0, 7.0), (0.36,) * 8, (4.0, 4.0, 1.5), scattering=0.19)
    for kind, facing, level in (
        ("omni", 180.0, (1.0, 1.0)),
        ("cardioid", 180.0, (1.0, 0.5 + 0.5 * 2.0 / math.hypot(2, 3))),  # from 2 kHz: (1 + cos) / 2
        ("cardioid", 0.0, (0.0, 0.5 - 0.5 * 2.0 / math.hypot(2, 3))),  # the source looks away
    ):
        place = SourcePosition(0.0, 0.0, 2.0, kind, facing, 0.0)
        images = image_sources.image_sources(room, source_place(room, place), 7.0)
        early = early_arrivals(room, place, images, 1.0)
        floor = int(np.argmin(np.abs(images.places - np.array([[2.0], [0.0], [-3.0]])).sum(axis=0)))
        assert early.delay_s[floor] == pytest.approx(math.hypot(2, 3) / 343.0)
        assert early.gains[floor] == pytest.approx(np.array([1, 0, -3 / math.hypot(2, 3), 2 / math.hypot(2, 3)]))
        assert early.bands[0, 4] == pytest.approx(level[0] / 2.0)
        scattered = 1.0 - (1.0 - 0.19) ** math.sqrt(2.0)  # at 2 kHz
        echo = math.sqrt(1.0 - 0.36) * math.sqrt(1.0 - scattered) / math.hypot(2, 3)
        assert early.bands[floor, 4] == pytest.approx(level[1] * echo)


def test_an_echo_from_a_side_wall_leaves_towards_that_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that looks at the wall on the left sends its echo from there, and none with a cardioid's back."""
    monkeypatch.setattr(room_physics, "air_per_m", lambda: np.zeros(8))
    room = Room("r", (9.0, 8.0, 7.0), (0.3,) * 8, (4.0, 4.0, 3.0), scattering=0.0)
    place = SourcePosition(0.0, 0.0, 0.001, "cardioid", 90.0, 0.0)  # where the array is, looking left
    images = image_sources.image_sources(room, source_place(room, place), 9.0)
    early = early_arrivals(room, place, images, 1.0)
    left, right = (
        int(np.argmin(np.abs(images.places - np.array([[0.0], [y], [0.0]])).sum(axis=0))) for y in (8.0, -8.0)
    )
    assert early.bands[left, 5] == pytest.approx(math.sqrt(0.7) / 8.0, rel=1e-3)
    assert early.bands[right, 5] == pytest.approx(0.0, abs=1e-4)


def test_taps_are_a_windowed_sinc() -> None:
    delay = np.array([40.0, 41.25, 57.5 - 1e-7, 1000.123])
    first, taps = sinc_taps(delay)
    x = first[:, None] + np.arange(33) - delay[:, None]
    wanted = np.sinc(x) * np.square(np.cos(np.pi * x / 33))
    assert taps == pytest.approx(wanted, abs=1e-6)
    assert taps[0].tolist() == [0.0] * 16 + [1.0] + [0.0] * 16 or taps[0] == pytest.approx(wanted[0], abs=1e-6)
