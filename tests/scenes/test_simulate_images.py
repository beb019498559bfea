"""Rooms of image sources to order 10: what they hold, and banks of them beside our own of the same rooms and places."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyroomacoustics as pra
import pytest

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import bank as bank_module
from open_elsa.scenes import room_physics, room_references, rooms
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.image_sources import images_to_order
from open_elsa.scenes.room_references import IMAGES
from open_elsa.scenes.rooms import simulate, simulate_images
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.sound import foa
from open_elsa.sound.acoustics import octave_gains

RATE = 16_000
ROOM = Room("r", (4.1, 3.25, 2.5), (0.05, 0.1, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5), (1.9, 1.4, 1.2), 40.0, scattering=0.4)
PLACE = SourcePosition(40, 10, 1.1)
RECIPE: dict[str, Any] = {"rooms": 2, "positions_per_room": 3, "seed": 7, "sample_rate": RATE}


def made(room: Room = ROOM, place: SourcePosition = PLACE, seed: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    return simulate_images(room, place, np.random.default_rng(seed), RATE).response


def test_images_to_an_order_are_those_of_pyroomacoustics() -> None:
    source = rooms.source_place(ROOM, PLACE)
    box = pra.ShoeBox(ROOM.size_m, fs=RATE, materials=pra.Material(0.5), max_order=10, air_absorption=False)
    box.add_source(list(source))
    box.add_microphone(list(ROOM.array_m))
    box.image_source_model()
    theirs = np.asarray(box.sources[0].images, dtype=np.float64).T - np.asarray(ROOM.array_m)
    theirs = np.concatenate([theirs, np.asarray(box.sources[0].orders)[:, None]], axis=1)
    images = images_to_order(ROOM, source, 10)
    found = np.concatenate([images.places.T, images.reflections.sum(axis=0)[:, None]], axis=1)
    assert found.shape == theirs.shape == (1561, 4)
    assert found[0] == pytest.approx([*(np.array(source) - ROOM.array_m), 0])  # the direct sound comes first
    apart = np.abs(found[:, None] - theirs[None]).max(axis=2)
    assert apart.min(axis=0).max() < 1e-4 and apart.min(axis=1).max() < 1e-4


def test_all_energy_is_that_of_the_images() -> None:
    """Against a sum of exact phase shifts over the images that the references enumerate, which is built otherwise."""
    response = made().astype(np.float64)
    size = 1 << int(np.ceil(np.log2(response.shape[1])))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    inside = (hertz > 100) & (hertz < 6000)
    parts = list(room_references.images(ROOM, rooms.source_place(ROOM, PLACE), 60.0))
    places, orders = (np.concatenate([p[i] for p in parts], axis=-1) for i in (0, 1))
    places, orders = places[:, orders <= 10], orders[orders <= 10]
    assert orders.size == 1561
    distance = np.linalg.norm(places, axis=0)
    walls = np.power(1 - np.asarray(ROOM.absorption), 0.5 * orders[:, None])
    bands = walls * np.exp(-0.5 * distance[:, None] * room_physics.air_per_m()) / distance[:, None]
    phases = np.exp(-2j * np.pi * np.outer(distance / 343.0, hertz[inside]))
    turned = foa.rotation_matrix(-ROOM.array_yaw_deg) @ places / distance
    gains = np.stack([np.ones_like(distance), turned[1], turned[2], turned[0]])
    octaves = octave_gains(hertz[inside])
    wanted = np.einsum("bf,kb,ck,kf->cf", octaves, bands, gains, phases, optimize=True)
    found = np.fft.rfft(response, size)[:, inside]
    error = np.square(np.abs(found - wanted)).sum(axis=1) / np.square(np.abs(wanted)).sum(axis=1)
    assert error.max() < 1e-3


def test_nothing_is_random_and_nothing_scatters() -> None:
    assert np.array_equal(made(seed=1), made(seed=2))
    assert np.array_equal(made(), made(replace(ROOM, scattering=0.0)))
    last = np.linalg.norm(images_to_order(ROOM, rooms.source_place(ROOM, PLACE), 10).places, axis=0).max() / 343.0
    after = made()[:, round(last * RATE) + 60 :]
    assert after.size and np.abs(after).max() < 1e-4 * np.abs(made()).max()


def test_a_lively_room_is_cut_short() -> None:
    """What is wrong with them: after ten reflections comes nothing, however long the room rings."""
    lively = replace(ROOM, absorption=(0.03,) * 8, scattering=0.1)
    ours, images = (s(lively, PLACE, np.random.default_rng(0), RATE).acoustics for s in (simulate, simulate_images))
    assert images.t30_s < 0.5 * ours.t30_s


def test_a_source_outside_is_refused() -> None:
    with pytest.raises(DataError, match="outside the room"):
        made(place=SourcePosition(0, 0, 9.0))


# -- banks -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> tuple[RoomBank, RoomBank]:
    folder = tmp_path_factory.mktemp("banks")
    return make_bank(folder / "ours", **RECIPE), make_bank(folder / "images", **RECIPE, simulator=IMAGES)


def test_a_bank_of_images_holds_the_same_rooms_and_places(banks: tuple[RoomBank, RoomBank]) -> None:
    ours, images = banks
    same = [name for name in ours.table.column_names if name.startswith(("size", "array", "azimuth", "facing"))]
    same += ["response_id", "room_id", "absorption", "scattering", "elevation_deg", "distance_m", "directivity"]
    same += ["floor_area_m2", "volume_m3", "arrival_s", "seed"]
    for name in same:
        assert images.table[name].to_pylist() == ours.table[name].to_pylist(), name
    assert set(images.table["simulator"].to_pylist()) == {rooms.IMAGES_SIMULATOR} != {rooms.SIMULATOR}
    assert images.manifest["simulator"] == rooms.IMAGES_SIMULATOR
    assert {**images.manifest, "simulator": 0} == {**ours.manifest, "simulator": 0}
    assert images.fingerprint() != ours.fingerprint()


def test_a_bank_of_images_holds_what_is_simulated_and_measured(banks: tuple[RoomBank, RoomBank]) -> None:
    for i, item in enumerate(banks[1]):
        assert item.room is not None
        again = simulate_images(item.room, item.position, np.random.default_rng(0), RATE)
        assert np.abs(item.response - again.response).max() < 6e-4 * np.abs(again.response).max()
        assert item.acoustics.t30_s == again.acoustics.t30_s and item.acoustics.drr_db == again.acoustics.drr_db
        assert item.acoustics.t30_s != banks[0][i].acoustics.t30_s
        # the direct sound, before the first echo, is that of our own simulator
        images = images_to_order(item.room, rooms.source_place(item.room, item.position), 1).places
        echo = round((np.sort(np.linalg.norm(images, axis=0))[1] / 343.0) * RATE) - 18
        direct, wanted = (bank[i].response[:, :echo] for bank in (banks[1], banks[0]))
        assert direct == pytest.approx(wanted, abs=0.02 * float(np.abs(again.response).max()))


def test_a_broken_off_bank_of_images_goes_on_and_no_other_simulator_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_module, "SHARD_RESPONSES", 4)
    make_bank(tmp_path, **RECIPE, simulator=IMAGES)
    before = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.iterdir()}
    (tmp_path / "responses-00001.parquet").unlink()
    with pytest.raises(DataError, match="another simulator"):
        make_bank(tmp_path, **RECIPE)
    make_bank(tmp_path, **RECIPE, simulator=IMAGES)
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.iterdir()} == before


def test_a_bank_may_be_made_by_anyones_simulator_and_not_by_none(tmp_path: Path) -> None:
    name = "open_elsa.scenes.rooms:simulate_images"
    recipe = {**RECIPE, "rooms": 1, "positions_per_room": 1}
    theirs = make_bank(tmp_path / "theirs", **recipe, simulator=name)
    assert theirs.manifest["simulator"] == name
    assert np.array_equal(theirs.response(0), make_bank(tmp_path / "images", **recipe, simulator=IMAGES).response(0))
    with pytest.raises(ConfigError, match="image-sources-10"):
        make_bank(tmp_path / "none", **recipe, simulator="nonsense")
    assert not (tmp_path / "none").exists()
