"""Banks: same bytes whatever happens, nothing lost, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import pickle
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import bank as bank_module
from open_elsa.scenes import workers
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.rooms import RoomRanges, band_damping, draw_position, predicted_t30
from open_elsa.scenes.scene import Room

#: Short, so that a bank takes a second.
QUICK = RoomRanges(t30_s=(0.15, 0.3))
RECIPE: dict[str, Any] = {"rooms": 6, "positions_per_room": 2, "seed": 7, "sample_rate": 16_000, "ranges": QUICK}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_module, "SHARD_RESPONSES", 5)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_what_is_read_is_what_was_simulated(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    bank = make_bank(tmp_path / "b", **RECIPE, progress=lambda done, total: calls.append((done, total)))
    assert len(bank) == 12
    assert calls == [(5, 12), (10, 12), (12, 12)]
    assert len(set(bank.ids)) == 12
    for i in (0, 4, 5, 11, -1):
        item = bank[i]
        assert item.room is not None
        assert bank.index(bank.ids[i]) == i % 12
        again = bank_module.response_of(7, item.room, QUICK, divmod(i % 12, 2), 16_000)
        assert again.position == item.position
        for name, value in vars(item.acoustics).items():
            assert np.array_equal(getattr(again.acoustics, name), value, equal_nan=True)
        error = np.abs(item.response - again.response)
        assert error.max() < 6e-4 * np.abs(again.response).max()
        quiet = np.abs(again.response) < 1e-3 * np.abs(again.response).max()
        assert error[quiet].max() < 1e-6 * np.abs(again.response).max()  # the tail keeps its precision
        assert np.array_equal(bank.response(i), item.response)
        assert bank.table["t30_s"][i % 12].as_py() == item.acoustics.t30_s
        assert len(item.acoustics.drr_bands_db) == 20
    with pytest.raises(IndexError):
        bank[12]
    with pytest.raises(DataError, match="no response"):
        bank.index("elsewhere")
    assert np.array_equal(pickle.loads(pickle.dumps(bank)).response(3), bank.response(3))
    assert json.loads((tmp_path / "b" / "bank.json").read_text())["seed"] == 7


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    make_bank(tmp_path / "whole", **RECIPE)
    broken = tmp_path / "broken"
    make_bank(broken, **RECIPE)
    before = {p.name: p.stat().st_mtime_ns for p in broken.iterdir()}
    (broken / "responses-00002.parquet").unlink()  # killed between samples and table
    samples = broken / "responses-00001.npy"
    samples.write_bytes(samples.read_bytes()[:-100])
    (broken / ".responses-00002.npy.tmp-99").write_bytes(b"half")
    with pytest.raises(DataError, match="unfinished: 2 of 3"):
        RoomBank.open(broken)
    calls: list[int] = []
    make_bank(broken, **RECIPE, progress=lambda done, _: calls.append(done))
    assert calls == [10, 12]
    assert digests(broken) == digests(tmp_path / "whole")
    assert (broken / "responses-00000.npy").stat().st_mtime_ns == before["responses-00000.npy"]


def test_a_full_disk_loses_nothing_already_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real = tmp_path / "b", bank_module._save_array

    def full(path: Path, samples: Any) -> None:
        if "00001" in path.name:
            path.write_bytes(b"some")
            raise OSError(28, "No space left on device")
        real(path, samples)

    monkeypatch.setattr(bank_module, "_save_array", full)
    with pytest.raises(DataError, match="No space left"):
        make_bank(folder, **RECIPE)
    assert sorted(p.name for p in folder.iterdir()) == ["bank.json", "responses-00000.npy", "responses-00000.parquet"]
    kept = (folder / "responses-00000.npy").stat().st_mtime_ns
    monkeypatch.setattr(bank_module, "_save_array", real)
    assert len(make_bank(folder, **RECIPE)) == 12
    assert (folder / "responses-00000.npy").stat().st_mtime_ns == kept


def test_the_number_of_workers_does_not_matter(tmp_path: Path) -> None:
    make_bank(tmp_path / "one", **RECIPE)
    make_bank(tmp_path / "two", **RECIPE, workers=2)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_banks_of_other_seeds_share_nothing(tmp_path: Path) -> None:
    one, two = make_bank(tmp_path / "1", **RECIPE), make_bank(tmp_path / "2", **{**RECIPE, "seed": 8})
    assert not set(one.table["seed"].to_pylist()) & set(two.table["seed"].to_pylist())
    assert not set(one.table["volume_m3"].to_pylist()) & set(two.table["volume_m3"].to_pylist())
    assert not set(one.ids) & set(two.ids)
    assert one.fingerprint() != two.fingerprint()
    assert len(set(one.table["seed"].to_pylist())) == 12


def test_more_rooms_keep_the_first_ones(tmp_path: Path) -> None:
    small, large = make_bank(tmp_path / "s", **RECIPE), make_bank(tmp_path / "l", **{**RECIPE, "rooms": 7})
    assert np.array_equal(small.response(11), large.response(11))


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    make_bank(tmp_path, **{**RECIPE, "rooms": 1})
    with pytest.raises(DataError, match="another rooms, seed"):
        make_bank(tmp_path, **{**RECIPE, "rooms": 2, "seed": 1})


def test_wrong_folders_and_numbers_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no room bank"):
        RoomBank.open(tmp_path)
    (tmp_path / "bank.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        RoomBank.open(tmp_path)
    (tmp_path / "bank.json").write_text('{"version": 99}')
    with pytest.raises(DataError, match="version 99"):
        RoomBank.open(tmp_path)
    (tmp_path / "bank.json").write_text('{"version": 1, "simulator": "open-elsa hybrid 1", "seed": 3}')
    with pytest.raises(DataError, match=r"version 1, this program reads version 2 .* make the bank again"):
        RoomBank.open(tmp_path)
    (tmp_path / "bank.json").write_text('{"version": 2, "seed": 3}')
    with pytest.raises(DataError, match=r"damaged \(no rooms"):
        RoomBank.open(tmp_path)
    with pytest.raises(DataError, match="cannot be made"):
        make_bank(tmp_path / "bank.json" / "x", **RECIPE)
    with pytest.raises(ConfigError):
        make_bank(tmp_path / "x", **{**RECIPE, "rooms": 0})


def test_a_worker_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(ThreadPoolExecutor):
        def __init__(self, workers: int, mp_context: object, initializer: object, initargs: object) -> None:
            super().__init__(workers)

        def submit(self, *call: Any) -> Future[Any]:  # type: ignore[override]
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool("a child vanished"))
            return future

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Killed)
    with pytest.raises(DataError, match=r"made the bank .* fewer workers"):
        make_bank(tmp_path, **RECIPE, workers=2)


def test_a_balanced_bank_has_every_word(tmp_path: Path) -> None:
    recipe = bank_module._Recipe(3, 108, 2, 16_000, RoomRanges(), True, 256)
    counts: dict[str, list[float]] = {"azimuth": [], "elevation": [], "distance": [], "area": [], "t30": []}
    for index in range(recipe.responses):
        key = divmod(index, 2)
        room = bank_module._bank_room(recipe, key[0])
        place = draw_position(np.random.default_rng(index), room, bank_module._place_ranges(recipe, room, index)[0])
        counts["azimuth"].append(place.azimuth_deg)
        counts["elevation"].append(place.elevation_deg)
        counts["distance"].append(place.distance_m)
        counts["area"].append(room.floor_area_m2)
        counts["t30"].append(predicted_t30(band_damping(room)))
    a, e, d, area, t30 = (np.array(v) for v in counts.values())
    for centre in (-90, 0, 90, 180):
        assert (np.abs((a - centre + 180) % 360 - 180) <= 35).mean() == pytest.approx(0.25, abs=0.02)
    for share in (e > 40, e < -40, np.abs(e) <= 40, area < 50, area > 100, t30 < 0.2, t30 > 1.0):
        assert share.mean() == pytest.approx(1 / 3, abs=0.03)
    assert (d < 1).mean() == pytest.approx(0.5, abs=0.1)
    assert ((d < 1) | (d > 2)).mean() > 0.98


def test_a_balanced_bank_finds_a_place_for_an_array_at_a_wall() -> None:
    """Whatever direction is wanted, also the wall's, 10 cm of which are clear."""
    room = Room("r", (8.0, 7.0, 2.8), (0.3,) * 8, (0.3, 3.5, 1.4), array_yaw_deg=180.0)  # looks at the wall
    recipe = bank_module._Recipe(1, 9, 4, 16_000, RoomRanges(), True, 256)
    with pytest.raises(DataError, match="no place"):
        draw_position(np.random.default_rng(0), room, RoomRanges(azimuth_deg=(-34.0, 34.0)))
    for index in range(36):
        choices = bank_module._place_ranges(recipe, room, index)
        assert bank_module._first_possible(recipe, room, choices, (0, index)).position.distance_m >= 0.5


def test_a_balanced_bank_finds_a_place_where_its_trial_draws_were_luckier_than_the_real_one() -> None:
    """A response's own draw may find no place where a trial draw did: the next choice takes its turn."""
    recipe = bank_module._Recipe(20261124, 150, 8, 16_000, RoomRanges(), True, 256)
    room = bank_module._bank_room(recipe, 50)
    wanted, *others = bank_module._place_ranges(recipe, room, 50 * 8 + 6)
    unlucky = replace(wanted, distance_m=(60.0, 90.0))
    with pytest.raises(DataError, match="no place at"):
        bank_module.response_of(recipe.seed, room, unlucky, (50, 6), recipe.sample_rate)
    made = bank_module._first_possible(recipe, room, [unlucky, wanted, *others], (50, 6))
    assert made.position.distance_m >= RoomRanges().distance_m[0]
