"""Shards: their layout, the same bytes whatever happens on the way, and everything of a scene in its sample."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import webdataset as wds

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import shard_files, shards
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.rewriting import scene_sets
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.shard_files import SCHEMA
from open_elsa.scenes.shards import ShardSettings, export_shards
from open_elsa.scenes.store import Store
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes

RATE = 8_000
SHORT = SceneRecipe(duration_s=0.5)
SMALL = ShardSettings(per_shard=4)
ODD = 'a "dog",\r\nsays 狗\u2028 — 🐕 ,\tl\'été'


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoomBank:
    return make_bank(tmp_path_factory.mktemp("bank"), rooms=2, positions_per_room=3, seed=5, sample_rate=RATE)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for n, (name, licence) in enumerate([("dog", "CC0"), ("rain", "CC BY 4.0"), ("bell", "CC0")]):
        path = folder / f"{name}.wav"
        soundfile.write(path, 0.2 * np.random.default_rng(n).standard_normal(RATE), RATE)
        caption = ODD if name == "dog" else f"a {name}"
        url = f"https://example.org/{name}"
        made.append(Clip(f"c{n}", str(path), (caption,), "tiny", "train", licence, 1.0, label=name, source_url=url))
    return made


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip], bank: RoomBank) -> SceneSet:
    return make_scenes(tmp_path_factory.mktemp("scenes"), clips, bank, scenes=10, seed=1, recipe=SHORT)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, scenes: SceneSet) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    export_shards(scenes, folder, replace(SMALL, bits=24))
    return folder


@pytest.fixture()
def in_memory() -> Iterator[str]:
    yield "memory://shard-tests/set"
    fsspec.filesystem("memory").rm("/shard-tests", recursive=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def index(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "index.parquet").to_pylist()
    return rows


def test_the_folder_holds_shards_rows_and_sums(exported: Path, scenes: SceneSet) -> None:
    names = [f"shard-00000{n}" for n in range(3)]
    assert sorted(contents(exported)) == sorted(
        ["index.parquet", "shards.json", *(f"index/{n}.parquet" for n in names), *(f"{n}.tar" for n in names)]
    )
    told = json.loads((exported / "shards.json").read_text())
    assert (told["samples"], told["seconds"], told["sample_rate"]) == (10, 5.0, RATE)
    assert told["licences"] == {"CC BY 4.0": 1, "CC0": 2}
    assert [s["samples"] for s in told["shards"]] == [4, 4, 2]
    assert told["settings"]["bits"] == 24 and told["dropped"] == []
    assert [row["id"] for row in index(exported)] == [scene.id for scene in scenes]


def test_a_tar_holds_json_captions_and_sound_of_each_scene(exported: Path, scenes: SceneSet) -> None:
    rows = index(exported)
    odd = 0
    for n in range(3):
        with tarfile.open(exported / f"shard-00000{n}.tar") as tar:
            members = tar.getmembers()
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
            held = {m.name: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]
        assert list(held) == [f"{i:08d}.{x}" for i in range(4 * n, min(4 * n + 4, 10)) for x in ("json", "txt", "flac")]
        for i in range(4 * n, min(4 * n + 4, 10)):
            row, scene, truth = rows[i], scenes[i], json.loads(held[f"{i:08d}.json"])
            assert {k: truth[k] for k in scenes.truth(i)} == scenes.truth(i)
            assert truth["captions"] == list(scene.captions) == row["captions"]
            lines = held[f"{i:08d}.txt"].decode().split("\n")
            assert lines[:-1] == [" ".join(text.split()) for text in scene.captions] and lines[-1] == ""
            odd += any('"' in text and "🐕" in text for text in scene.captions)
            clip = scenes.clip(scene)
            assert truth["clips"] == [
                {"id": clip.id, "corpus": "tiny", "licence": clip.licence, "source_url": clip.source_url}
                | {"trainable": True}
            ]
            assert (truth["licence"], truth["source_url"]) == (clip.licence, clip.source_url)
            frames = [frame for frame, _, _, _, _, _ in truth["dcase"]]
            assert frames and set(frames) <= set(range(5))
            assert {k: row[k] for k in ("azimuth_deg", "t30_s", "label")} == {
                k: truth[k] for k in ("azimuth_deg", "t30_s", "label")
            }
            assert row["direction"] == truth["words"]["direction"] == scene.words.direction
            data = (exported / row["shard"]).read_bytes()
            at = row["sound_offset"]
            assert data[at : at + row["sound_bytes"]] == held[f"{i:08d}.flac"]
            at = row["json_offset"]
            assert json.loads(data[at : at + row["json_bytes"]]) == truth
    assert odd > 0


def test_the_sound_is_what_render_gives_within_the_rounding(exported: Path, scenes: SceneSet, tmp_path: Path) -> None:
    export_shards(scenes, tmp_path, SMALL)
    for bits, folder in ((24, exported), (16, tmp_path)):
        for i, row in enumerate(index(folder)):
            with (folder / row["shard"]).open("rb") as f:
                f.seek(row["sound_offset"])
                data = f.read(row["sound_bytes"])
            with tarfile.open(folder / row["shard"]) as tar:
                told = tar.extractfile(f"{i:08d}.json").read()  # type: ignore[union-attr]
            sound, rate = soundfile.read(io.BytesIO(data), dtype="float64")
            wanted = scenes.render(i).astype(np.float64)
            gain = min(1.0, 0.97 / np.abs(wanted).max())
            assert rate == RATE and sound.shape == (RATE // 2, 4) and row["samples"] == RATE // 2
            assert np.abs(sound.T - gain * wanted).max() <= 2.0**-bits + 2.0**-24
            assert json.loads(told)["export_gain_db"] == pytest.approx(20 * np.log10(gain), abs=1e-3)


def test_webdataset_reads_the_shards(exported: Path, scenes: SceneSet) -> None:
    pattern = str(exported / "shard-{000000..000002}.tar")
    samples = list(wds.WebDataset(pattern, shardshuffle=False).to_tuple("__key__", "json", "txt", "flac"))
    assert [key for key, *_ in samples] == [f"{i:08d}" for i in range(10)]
    for i, (_, told, text, sound) in enumerate(samples):
        assert json.loads(told)["id"] == scenes[i].id
        assert len(text.decode().splitlines()) >= len(scenes[i].captions)
        assert soundfile.info(io.BytesIO(sound)).channels == 4
    decoded = next(iter(wds.WebDataset(pattern, shardshuffle=False).decode()))
    assert decoded["json"]["id"] == scenes[0].id and isinstance(decoded["txt"], str)


def test_any_workers_and_any_place_make_the_same_bytes(
    exported: Path, scenes: SceneSet, tmp_path: Path, in_memory: str
) -> None:
    settings = replace(SMALL, bits=24)
    report = scenes.export_shards(tmp_path / "two", settings, workers=2)
    assert contents(tmp_path / "two") == contents(exported)
    assert (report.samples, report.shards, report.hours) == (10, 3, pytest.approx(5 / 3600))
    export_shards(scenes, in_memory, settings)
    store = Store(in_memory)
    there = {name: store.read(name) for name in [*store.list(), *store.list("index/*")]}
    assert there == contents(exported)


def test_run_again_it_writes_nothing_and_mends_what_is_gone(
    exported: Path, scenes: SceneSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SMALL, bits=24)
    export_shards(scenes, tmp_path, settings)
    written: list[str] = []
    real = Store.write_whole

    def noted(self: Store, name: str, write: Any) -> None:
        written.append(name)
        real(self, name, write)

    monkeypatch.setattr(Store, "write_whole", noted)
    report = export_shards(scenes, tmp_path, settings)
    assert written == [] and report.samples == 10
    shard = tmp_path / "shard-000001.tar"
    shard.write_bytes(shard.read_bytes()[:-1])
    (tmp_path / "index" / "shard-000002.parquet").write_bytes(b"damaged")
    export_shards(scenes, tmp_path, settings)
    assert [n for n in written if n.endswith(".tar")] == ["shard-000001.tar", "shard-000002.tar"]
    (tmp_path / "index.parquet").unlink()
    export_shards(scenes, tmp_path, settings)
    assert contents(tmp_path) == contents(exported)


def test_a_place_that_holds_other_shards_is_refused(
    scenes: SceneSet, clips: list[Clip], bank: RoomBank, tmp_path: Path
) -> None:
    export_shards(scenes, tmp_path / "out", SMALL)
    before = contents(tmp_path / "out")
    with pytest.raises(DataError, match=r"made from other settings \(shards.json\); name another place"):
        export_shards(scenes, tmp_path / "out", replace(SMALL, bits=24))
    other = make_scenes(tmp_path / "other", clips, bank, scenes=10, seed=2, recipe=SHORT)
    with pytest.raises(DataError, match="made from other scenes"):
        export_shards(other, tmp_path / "out", SMALL)
    assert contents(tmp_path / "out") == before
    shards.begin(scenes, Store(tmp_path / "begun"), SMALL)
    with pytest.raises(DataError, match=r"made from other settings \(plan.json\)"):
        export_shards(scenes, tmp_path / "begun", replace(SMALL, codec="opus"))


def test_rewritten_captions_come_along_and_are_another_set(scenes: SceneSet, tmp_path: Path) -> None:
    rows = [
        {"scene": s.id, "number": n, "text": f"{s.id} {n} {ODD}\r", "original": "", "writer": "test"}
        for s in scenes
        for n in range(len(s.captions))
    ]
    path = scenes.folder / scene_sets.FILE
    pq.write_table(pa.Table.from_pylist(rows, schema=scene_sets.SCHEMA), path)
    opened = SceneSet.open(scenes.folder, rewritten=True)
    export_shards(opened, tmp_path, SMALL)
    for row, scene in zip(index(tmp_path), scenes, strict=True):
        exact = [f"{scene.id} {n} {ODD}\r" for n in range(len(scene.captions))]
        with tarfile.open(tmp_path / row["shard"]) as tar:
            told = json.loads(tar.extractfile(f"{row['key']}.json").read())  # type: ignore[union-attr]
            text = tar.extractfile(f"{row['key']}.txt").read().decode()  # type: ignore[union-attr]
        assert row["captions"] == told["captions"] == exact
        assert text.splitlines() == [f'{scene.id} {n} a "dog", says 狗 — 🐕 , l\'été' for n in range(len(exact))]
    assert json.loads((tmp_path / "shards.json").read_text())["rewritten"] is True
    with pytest.raises(DataError, match="made from other scenes and rewritten"):
        export_shards(scenes, tmp_path, SMALL)
    path.unlink()


def test_opus_shards_are_stored_at_a_rate_that_opus_knows(clips: list[Clip], tmp_path: Path) -> None:
    bank = make_bank(tmp_path / "bank", rooms=1, positions_per_room=1, seed=5, sample_rate=10_000)
    made = make_scenes(tmp_path / "s", clips, bank, scenes=2, seed=1, recipe=SHORT)
    opus = ShardSettings(codec="opus", kbps=128, per_shard=1)
    report = export_shards(made, tmp_path / "a", opus)
    export_shards(made, tmp_path / "b", opus)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert report.hours == pytest.approx(1 / 3600)
    for row in index(tmp_path / "a"):
        with tarfile.open(tmp_path / "a" / row["shard"]) as tar:
            sound = tar.extractfile(f"{row['key']}.opus").read()  # type: ignore[union-attr]
            told = json.loads(tar.extractfile(f"{row['key']}.json").read())  # type: ignore[union-attr]
        about = soundfile.info(io.BytesIO(sound))
        assert (about.subtype, about.channels, about.samplerate) == ("OPUS", 4, 48_000)
        assert told["sample_rate"] == row["sample_rate"] == 48_000 and row["samples"] == 24_000


def test_several_sources_carry_the_licence_of_each(clips: list[Clip], bank: RoomBank, tmp_path: Path) -> None:
    recipe = replace(SHORT, sources=(2, 2), snr_db=None)
    made = make_scenes(tmp_path / "s", clips, bank, scenes=6, seed=3, recipe=recipe)
    export_shards(made, tmp_path / "out", SMALL)
    known = {clip.id: clip.licence for clip in clips}
    for i, row in enumerate(index(tmp_path / "out")):
        assert sorted(row["clips"]) == sorted({source.clip_id for source in made[i].sources})
        assert row["licences"] == [known[clip] for clip in row["clips"]]
    assert json.loads((tmp_path / "out" / "shards.json").read_text())["licences"] == {"CC BY 4.0": 1, "CC0": 2}


def broken_copy(clips: list[Clip], folder: Path) -> list[Clip]:
    folder.mkdir()
    copies = []
    for clip in clips:
        path = folder / Path(clip.path).name
        path.write_bytes(Path(clip.path).read_bytes())
        copies.append(replace(clip, path=str(path)))
    return copies


def test_a_clip_that_breaks_is_left_out_told_and_made_when_mended(
    clips: list[Clip], bank: RoomBank, tmp_path: Path
) -> None:
    copies = broken_copy(clips, tmp_path / "clips")
    made = make_scenes(tmp_path / "s", copies, bank, scenes=10, seed=1, recipe=SHORT)
    export_shards(made, tmp_path / "whole", SMALL)
    gone = made[5].clip_id  # in the middle of a shard
    broken = Path(next(clip.path for clip in copies if clip.id == gone))
    whole = broken.read_bytes()
    broken.write_bytes(b"RIFF no sound")
    lacking = [i for i, scene in enumerate(made) if scene.clip_id == gone]
    licences = [clip.licence for clip in clips if clip.id != gone]

    made = SceneSet.open(tmp_path / "s")
    with pytest.raises(DataError, match=rf"more than 0 clips cannot be read.*\n  {broken.name}"):
        export_shards(made, tmp_path / "out", SMALL, max_problems=0)
    report = export_shards(made, tmp_path / "out", SMALL)
    assert list(report.problems) == [broken.name] and str(tmp_path) not in report.problems[broken.name]
    assert [row["index"] for row in index(tmp_path / "out")] == [i for i in range(10) if i not in lacking]
    told = json.loads((tmp_path / "out" / "shards.json").read_text())
    assert [(d["index"], d["id"], d["clip"]) for d in told["dropped"]] == [
        (i, made[i].id, broken.name) for i in lacking
    ]
    assert told["licences"] == {licence: licences.count(licence) for licence in sorted(set(licences))}
    broken.write_bytes(whole)
    assert export_shards(SceneSet.open(tmp_path / "s"), tmp_path / "out", SMALL).problems == {}
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_full_disk_keeps_what_is_finished(
    scenes: SceneSet, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SMALL, bits=24)
    written = 0
    real = shard_files.TarWriter._write

    def full(self: shard_files.TarWriter, data: bytes) -> None:
        nonlocal written
        written += len(data)
        if written > 300_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, data)

    monkeypatch.setattr(shard_files.TarWriter, "_write", full)
    with pytest.raises(DataError, match=r"shard-00000[12].tar could not be written \(No space left.*make room"):
        export_shards(scenes, tmp_path, settings)
    kept = contents(tmp_path)
    assert "shard-000000.tar" in kept and "shards.json" not in kept and "shard-000002.tar" not in kept
    assert not [name for name in kept if name.startswith(".")]
    monkeypatch.setattr(shard_files.TarWriter, "_write", real)
    export_shards(scenes, tmp_path, settings)
    assert contents(tmp_path) == contents(exported)


KILLED = """
import os, random, shutil, signal, sys, time
from pathlib import Path
from open_elsa.scenes.scene_set import SceneSet
from open_elsa.scenes.shards import ShardSettings, export_shards

scenes, out = SceneSet.open(sys.argv[1]), Path(sys.argv[2])
len(list(scenes)), export_shards(scenes, out / "warm", ShardSettings(per_shard=4))
begun = time.monotonic()
export_shards(scenes, out / "again", ShardSettings(per_shard=4))
lasts_s = time.monotonic() - begun

def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

whole, cut, draw = contents(out / "warm"), out / "cut", random.Random(20)
killed = midway = finished = 0
while killed < 20 or not finished:
    child = os.fork()
    if not child:
        export_shards(scenes, cut, ShardSettings(per_shard=4))
        os._exit(0)
    time.sleep(draw.uniform(0.0, 0.7 * lasts_s) if killed < 20 else 0.0)
    if killed < 20:
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    killed += os.WIFSIGNALED(status)
    midway += os.WIFSIGNALED(status) and (cut / "index").exists() and not (cut / "shards.json").exists()
    if status == 0:
        assert contents(cut) == whole, "other bytes after kills"
        shutil.rmtree(cut)
        finished += 1
print("killed", killed, "midway", midway, "finished", finished)
"""


@pytest.mark.slow
def test_kill_9_at_twenty_random_moments_then_the_same_hashes(scenes: SceneSet, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(scenes.folder), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.match("killed 20 midway [1-9]", done.stdout), done.stdout


def test_the_work_is_one_pure_function_that_travels(scenes: SceneSet, exported: Path, tmp_path: Path) -> None:
    writer = shards.begin(scenes, Store(tmp_path), replace(SMALL, bits=24))
    jobs = writer.jobs()
    rows = [shards.write_shard(*pickle.loads(pickle.dumps((writer, job)))) for job in reversed(jobs)]
    assert [row.made for row in rows] == [True] * 3
    assert not (tmp_path / "shards.json").exists()
    shards.finish(writer, rows)
    assert contents(tmp_path) == contents(exported)
    assert [shards.write_shard(writer, job).made for job in jobs] == [False] * 3


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"codec": "mp3"}, "flac or opus, not 'mp3'"),
        ({"bits": 20}, "16 or 24 bits"),
        ({"codec": "opus", "kbps": 5000}, "24 to 1024"),
        ({"per_shard": 0}, "at least one scene"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        ShardSettings(**settings)


def test_every_column_of_the_index_is_filled(exported: Path) -> None:
    for row in index(exported):
        assert set(row) == set(SCHEMA.names)
        unknown = {name for name, value in row.items() if value is None}
        assert unknown <= {"direction", "elevation", "distance", "room_size", "reverberation", "drr_db"}, unknown
