"""Reading shards: every sample once however it is shared out, resumed exactly, damage told or skipped and counted."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes.bank import make_bank
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.shard_reader import Order, ShardReader, check_shards
from open_elsa.scenes.shards import ShardSettings, export_shards
from open_elsa.scenes.store import Store
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes

RATE = 8_000
COUNT = 23


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> SceneSet:
    folder = tmp_path_factory.mktemp("reader")
    bank = make_bank(folder / "bank", rooms=1, positions_per_room=2, seed=5, sample_rate=RATE)
    clips = []
    for n, name in enumerate(("dog", "rain")):
        path = folder / f"{name}.wav"
        soundfile.write(path, 0.2 * np.random.default_rng(n).standard_normal(RATE // 2), RATE)
        clips.append(Clip(name, str(path), (f"a {name}",), "tiny", "train", "CC0", 0.5, label=name))
    return make_scenes(folder / "scenes", clips, bank, scenes=COUNT, seed=1, recipe=SceneRecipe(duration_s=0.1))


@pytest.fixture()
def shards(scenes: SceneSet, tmp_path: Path) -> Path:
    export_shards(scenes, tmp_path / "shards", ShardSettings(bits=24, per_shard=5))
    return tmp_path / "shards"


def keys(reader: ShardReader) -> list[int]:
    return [int(sample.key) for sample in reader]


def damage(folder: Path, key: int, member: str = "sound") -> None:
    """Turn over a few bytes in the middle of a member."""
    reader = ShardReader.open(folder)
    row = reader.table.slice(key, 1).to_pylist()[0]
    path = folder / row["shard"]
    data = bytearray(path.read_bytes())
    at = row[f"{member}_offset"] + row[f"{member}_bytes"] // 2
    data[at : at + 8] = bytes(255 - byte for byte in data[at : at + 8])
    path.write_bytes(data)


def test_in_order_it_gives_what_was_rendered(shards: Path, scenes: SceneSet) -> None:
    reader = ShardReader.open(shards, verify=True)
    samples = list(reader)
    assert [s.row for s in samples] == list(range(COUNT)) and len(reader) == COUNT
    for i, sample in enumerate(samples):
        wanted = scenes.render(i)
        wanted = wanted * np.float32(min(1.0, 0.97 / np.abs(wanted).max()))
        assert sample.audio.dtype == np.float32 and sample.sample_rate == RATE
        assert np.abs(sample.audio - wanted).max() <= 2.0**-23
        assert sample.captions == scenes[i].captions and sample.truth["id"] == scenes[i].id
    assert reader.licences == {"CC0": 2}
    last = pickle.loads(pickle.dumps(reader))[-1]
    assert np.array_equal(last.audio, samples[-1].audio) and last.key == samples[-1].key
    with pytest.raises(IndexError):
        reader[COUNT]


def test_a_shuffle_is_every_sample_once_by_its_seed_and_epoch(shards: Path) -> None:
    for window in (1, 2, 99):
        order = Order(seed=3, window=window)
        reader = ShardReader.open(shards, order)
        first, second = keys(reader), keys(reader)
        assert sorted(first) == sorted(second) == list(range(COUNT))
        assert first != second and first != list(range(COUNT))
        assert keys(ShardReader.open(shards, order)) == first
        assert keys(ShardReader.open(shards, replace(order, seed=4))) != first
        together = [i // 5 for i in first]  # which shard
        changes = sum(a != b for a, b in itertools.pairwise(together))
        assert (changes == 4) if window == 1 else (changes > 4)


@pytest.mark.parametrize("seed", [None, 7])
def test_parts_share_every_sample_without_doubles(shards: Path, seed: int | None) -> None:
    parts = [
        keys(ShardReader.open(shards, Order(seed=seed, rank=rank, world=2, worker=worker, workers=3)))
        for rank in range(2)
        for worker in range(3)
    ]
    assert sorted(key for part in parts for key in part) == list(range(COUNT))
    assert {len(part) for part in parts} == {3, 4}
    even = [keys(ShardReader.open(shards, Order(seed=seed, rank=r, world=2, even=True))) for r in range(2)]
    assert [len(part) for part in even] == [11, 11] and not set(even[0]) & set(even[1])


def test_it_goes_on_with_exactly_what_remains(shards: Path) -> None:
    order = Order(seed=5, window=2, rank=1, world=2)
    whole = ShardReader.open(shards, order)
    epochs = [keys(whole), keys(whole)]
    for stop in (0, 1, 7, len(epochs[0])):
        reader = ShardReader.open(shards, order)
        going = iter(reader)
        given = [int(next(going).key) for _ in range(stop)]
        state = json.loads(json.dumps(reader.state()))
        resumed = ShardReader.open(shards, state=state)
        assert resumed.remaining() == len(epochs[0]) - stop
        assert given + keys(resumed) == epochs[0]
        assert keys(resumed) == epochs[1]


def test_a_state_of_others_is_refused(shards: Path, scenes: SceneSet, tmp_path: Path) -> None:
    state = ShardReader.open(shards, Order(seed=1)).state()
    with pytest.raises(DataError, match="another order or part"):
        ShardReader.open(shards, Order(seed=2), state=state)
    assert ShardReader.open(shards, Order(seed=1), state=state).order.seed == 1
    with pytest.raises(DataError, match="no state of a reader"):
        ShardReader.open(shards, state={"epoch": 1})
    export_shards(scenes, tmp_path / "other", ShardSettings(per_shard=7))
    with pytest.raises(DataError, match="of other shards than those at"):
        ShardReader.open(tmp_path / "other", state=state)


def test_a_damaged_sample_stops_or_is_skipped_counted_and_told(shards: Path) -> None:
    damage(shards, 7)
    damage(shards, 12, "json")
    with pytest.raises(DataError, match=r"shard-000001.tar: sample 00000007: the sound is not what was written"):
        keys(ShardReader.open(shards, verify=True))
    reader = ShardReader.open(shards, verify=True, on_error="skip")
    assert keys(reader) == [i for i in range(COUNT) if i not in (7, 12)]
    assert list(reader.errors) == ["00000007", "00000012"]
    assert "is not what the index says" in reader.errors["00000012"]
    resumed = ShardReader.open(shards, state=reader.state(), on_error="skip", max_errors=1, verify=True)
    assert resumed.errors == reader.errors
    with pytest.raises(DataError, match=r"more than 1 samples cannot be read; the first:\n.*sample 00000007"):
        keys(ShardReader.open(shards, verify=True, on_error="skip", max_errors=1))
    with pytest.raises(ConfigError, match='"raise" or "skip"'):
        ShardReader.open(shards, on_error="ignore")


def test_a_shard_that_is_cut_short_or_gone_is_told(shards: Path) -> None:
    path = shards / "shard-000001.tar"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"shard-000001.tar is cut short"):
        keys(ShardReader.open(shards))
    path.unlink()
    with pytest.raises(DataError, match=r"shard-000001.tar is not there"):
        ShardReader.open(shards)[5]
    reader = ShardReader.open(shards, on_error="skip")
    assert len(keys(reader)) == COUNT - 5 and len(reader.errors) == 5


def test_checking_finds_what_is_missing_short_or_changed(shards: Path, tmp_path: Path) -> None:
    assert check_shards(shards).broken == {}
    damage(shards, 0)
    (shards / "shard-000001.tar").unlink()
    path = shards / "shard-000002.tar"
    path.write_bytes(path.read_bytes()[:-10])
    (shards / "index.parquet").write_bytes(b"no table")
    found = check_shards(shards)
    assert list(found.broken) == ["index.parquet", "shard-000000.tar", "shard-000001.tar", "shard-000002.tar"]
    assert found.broken["shard-000000.tar"] == "holds other bytes than were written"
    assert found.broken["shard-000001.tar"] == "is missing"
    assert "shard-000000.tar" not in check_shards(shards, sizes_only=True).broken
    with pytest.raises(DataError, match="holds no shards"):
        check_shards(tmp_path)
    (shards / "shards.json").write_text("{")
    with pytest.raises(DataError, match=r"shards.json is damaged"):
        ShardReader.open(shards)
    (shards / "shards.json").write_text('{"version": 99}')
    with pytest.raises(DataError, match="is not of version 1"):
        check_shards(shards)


@pytest.fixture()
def in_memory() -> Iterator[str]:
    yield "memory://reader-tests/set"
    fsspec.filesystem("memory").rm("/reader-tests", recursive=True)


def test_one_ranged_read_gives_a_sample_from_anywhere(
    scenes: SceneSet, in_memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_shards(scenes, in_memory, ShardSettings(per_shard=5))
    reader = ShardReader.open(in_memory)
    reads: list[tuple[str, int, int | None]] = []
    real = Store.read

    def noted(self: Store, name: str, offset: int = 0, length: int | None = None) -> bytes:
        reads.append((name, offset, length))
        return real(self, name, offset, length)

    monkeypatch.setattr(Store, "read", noted)
    assert reader[13].truth["id"] == scenes[13].id
    [(name, offset, length)] = reads
    assert name == "shard-000002.tar" and offset > 0 and length is not None and length < 12_000


@pytest.mark.parametrize("part", [{"rank": 2, "world": 2}, {"worker": -1}, {"window": 0}])
def test_parts_that_cannot_be(part: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="no such part"):
        Order(**part)  # type: ignore[arg-type]
