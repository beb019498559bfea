from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from open_elsa.errors import AudioError, ConfigError, DataError
from open_elsa.scenes import captions, set_files, synthesis
from open_elsa.scenes.attributes import words_for
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes
from open_elsa.sound import audio

RATE = 8_000
SHORT = SceneRecipe(duration_s=1.0, lead_s=0.2)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoomBank:
    return make_bank(tmp_path_factory.mktemp("bank"), rooms=2, positions_per_room=3, seed=5, sample_rate=RATE)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    made = []
    for n, (name, seconds) in enumerate([("dog", 0.4), ("rain", 3.0), ("bell", 0.7), ("cow", 1.5)]):
        x = np.zeros(round((seconds + 1.0) * RATE), dtype=np.float32)  # half a second of silence on both sides
        x[RATE // 2 : RATE // 2 + round(seconds * RATE)] = 0.1 * rng.standard_normal(round(seconds * RATE))
        path = folder / f"{name}.wav"
        soundfile.write(path, x, RATE)
        made.append(Clip(f"c{n}", str(path), (f"a {name}", name), "tiny", "train", "CC0", seconds + 1.0, label=name))
    return made


@pytest.fixture()
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "PART_SCENES", 4)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


def test_rows_say_the_truth(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    made = make_scenes(tmp_path / "s", clips, bank, scenes=40, seed=1, recipe=SHORT)
    assert len(made) == len(list(made)) == 40
    for i, scene in enumerate(made):
        response, clip, truth = made.response(scene), made.clip(scene), made.truth(i)
        place = response.position
        assert (truth["azimuth_deg"], truth["distance_m"]) == (place.azimuth_deg, place.distance_m)
        assert truth["t30_s"] == response.acoustics.t30_s
        assert (truth["label"], truth["room_id"]) == (clip.label, response.room_id)
        known = (place.azimuth_deg, place.elevation_deg, place.distance_m)
        assert scene.words == words_for(*known, response.floor_area_m2, response.acoustics.t30_s)
        assert len(scene.captions) == 2
        for text, what in zip(scene.captions, made.originals(i), strict=True):
            assert what in clip.captions
            assert captions.check(text, what, scene.words)
    used = {s.clip_id for s in made}, {s.response_id for s in made}
    assert [len(u) for u in used] == [4, 6]
    assert {s.snr_db is None for s in made} == {True, False}


def test_a_scene_depends_on_seed_and_index_alone(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    short = make_scenes(tmp_path / "a", clips, bank, scenes=5, seed=1, recipe=SHORT)
    longer = make_scenes(tmp_path / "b", clips, bank, scenes=9, seed=1, recipe=SHORT)
    other = make_scenes(tmp_path / "c", clips, bank, scenes=5, seed=2, recipe=SHORT)
    assert [s.id for s in short] == [s.id for s in longer][:5]
    assert len({s.id for s in short} & {s.id for s in other}) == 0


def test_every_clip_and_response_takes_its_turn(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    made = make_scenes(tmp_path / "s", clips, bank, scenes=24, seed=3, recipe=SHORT)
    assert sorted(s.clip_id for s in made) == sorted(["c0", "c1", "c2", "c3"] * 6)
    assert sorted(s.response_id for s in made) == sorted(bank.ids * 4)
    assert [s.clip_id for s in made][:4] != [s.clip_id for s in made][4:8]  # every round in another order


def test_per_clip_and_pairs(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    each = make_scenes(tmp_path / "a", clips, bank, per_clip=2, recipe=SHORT)
    assert [s.clip_id for s in each] == ["c0", "c0", "c1", "c1", "c2", "c2", "c3", "c3"]
    wanted = [(c.id, r) for r in bank.ids for c in clips[:2]]
    listed = make_scenes(tmp_path / "b", clips, bank, pairs=wanted, recipe=SHORT)
    assert [(s.clip_id, s.response_id) for s in listed] == wanted


def test_silence_is_trimmed_and_level_is_set(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    recipe = replace(SHORT, level_dbfs=(-30.0, -30.0))
    made = make_scenes(tmp_path / "s", clips, bank, per_clip=4, recipe=recipe)
    for i, scene in enumerate(made):
        dry = made.dry(i)
        sounding = made.clip(scene).duration_s - 1.0
        first = np.flatnonzero(np.abs(dry) > 1e-4)[0] / RATE
        if sounding <= 1.0:  # all of it is there, after at most the lead
            assert scene.start_s <= 0.5
            assert first == pytest.approx(0.5 - scene.start_s, abs=0.01)
            assert first <= 0.2 + 0.01
        else:
            assert 0.49 <= scene.start_s <= 0.5 + sounding - 1.0 + 0.01
        loud = dry[np.abs(dry) > 0]
        assert audio.level_dbfs(loud) == pytest.approx(-30.0, abs=0.7)


def test_render_is_the_rendering_of_the_row(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    made = make_scenes(tmp_path / "s", clips, bank, scenes=12, seed=4, recipe=SHORT)
    for i, scene in enumerate(made):
        sound = made.render(i)
        assert sound.shape == (4, RATE)
        assert sound.dtype == np.float32
        assert np.array_equal(sound, SceneSet.open(tmp_path / "s").render(i))
        if scene.snr_db is None:
            response = bank.response(bank.index(scene.response_id))
            for channel in range(4):
                expected = np.convolve(made.dry(i), response[channel])[:RATE]
                assert np.allclose(sound[channel], expected, atol=1e-5)
    assert np.array_equal(pickle.loads(pickle.dumps(made)).render(3), made.render(3))


def test_clips_of_another_rate_are_resampled(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    path = tmp_path / "high.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(1).standard_normal(44_100), 44_100)
    made = make_scenes(tmp_path / "s", [replace(clips[0], path=str(path))], bank, scenes=1, recipe=SHORT)
    assert made.render(0).shape == (4, RATE)


def test_the_tables_are_the_same_bytes_after_an_interruption(
    tmp_path: Path, clips: list[Clip], bank: RoomBank, small_parts: None
) -> None:
    make_scenes(tmp_path / "whole", clips, bank, scenes=11, seed=6, recipe=SHORT)

    def stop(progress: synthesis.SceneProgress) -> None:
        if progress.done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_scenes(tmp_path / "cut", clips, bank, scenes=11, seed=6, recipe=SHORT, progress=stop)
    with pytest.raises(DataError, match="unfinished"):
        SceneSet.open(tmp_path / "cut")
    first = tmp_path / "cut" / "parts" / "part-000000.parquet"
    kept = first.stat().st_mtime_ns
    (tmp_path / "cut" / "parts" / "part-000001.parquet").write_bytes(b"PAR1 cut short")
    seen: list[synthesis.SceneProgress] = []

    def look(progress: synthesis.SceneProgress) -> None:
        seen.append(progress)
        assert first.stat().st_mtime_ns == kept

    make_scenes(tmp_path / "cut", clips, bank, scenes=11, seed=6, recipe=SHORT, progress=look)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert [(p.done, p.total) for p in seen] == [(4, 11), (8, 11), (11, 11)]
    assert seen[-1].per_second > 0


KILLED = """
import os, signal, sys
from open_elsa.scenes import synthesis
from open_elsa.scenes.bank import RoomBank
from open_elsa.scenes.scene import Clip
synthesis.PART_SCENES = 4
folder, bank, after, *paths = sys.argv[1:]
clips = [Clip(f"c{n}", p, ("a sound",), "tiny", "train", "CC0", 1.0) for n, p in enumerate(paths)]
real = synthesis.SetFiles.write_part
def write_part(self, part, rows, problems):
    if part == int(after):
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, part, rows, problems)
synthesis.SetFiles.write_part = write_part
synthesis.make_scenes(folder, clips, RoomBank.open(bank), scenes=10, seed=9)
"""


def test_kill_9_then_the_same_bytes(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    def run(name: str, after: int) -> int:
        paths = [c.path for c in clips]
        command = [sys.executable, "-c", KILLED, str(tmp_path / name), str(bank.folder), str(after), *paths]
        return subprocess.run(
            command, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ).returncode

    assert run("cut", 1) == -signal.SIGKILL
    assert not (tmp_path / "cut" / "set.json").exists()
    assert run("cut", 99) == 0
    assert run("whole", 99) == 0
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_the_same_set_is_opened_another_refused(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    make_scenes(tmp_path, clips, bank, scenes=4, recipe=SHORT)
    before = contents(tmp_path)
    make_scenes(tmp_path, clips, bank, scenes=4, recipe=SHORT)
    assert contents(tmp_path) == before
    with pytest.raises(DataError, match=r"other settings .*seed"):
        make_scenes(tmp_path, clips, bank, scenes=4, recipe=SHORT, seed=1)
    with pytest.raises(DataError, match=r"other settings .*clips"):
        make_scenes(tmp_path, clips[:2], bank, scenes=4, recipe=SHORT)


def test_broken_clips_are_named_and_skipped_up_to_a_limit(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    silent, text = tmp_path / "silent.wav", tmp_path / "text.wav"
    soundfile.write(silent, np.zeros(RATE), RATE)
    text.write_text("not a sound")
    bad = [replace(clips[0], id=f"bad{n}", path=str(p)) for n, p in enumerate([silent, text, tmp_path / "gone.wav"])]
    made = make_scenes(tmp_path / "a", [*clips, *bad], bank, per_clip=2, recipe=SHORT, max_problems=3)
    assert len(made) == 8
    assert set(made.problems) == {c.path for c in bad}
    assert "silent" in made.problems[str(silent)]
    with pytest.raises(DataError, match=r"more than 2 clips[\s\S]*silent.wav"):
        make_scenes(tmp_path / "b", [*clips, *bad], bank, per_clip=2, recipe=SHORT, max_problems=2)


def test_a_clip_that_vanishes_later(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    mine = [replace(c, path=shutil.copy(c.path, tmp_path)) for c in clips]
    made = make_scenes(tmp_path / "s", mine, bank, per_clip=1, recipe=SHORT)
    Path(mine[1].path).unlink()
    with pytest.raises(AudioError, match=r"rain\.wav"):
        made.render(1)
    report = made.export(tmp_path / "out")
    assert report.files == 3
    assert list(report.problems) == [made.clip(made[1]).path]
    with pytest.raises(DataError, match="more than 0"):
        made.export(tmp_path / "out2", max_problems=0)


def test_the_set_moves_with_its_neighbours_and_knows_its_bank(
    tmp_path: Path, clips: list[Clip], bank: RoomBank
) -> None:
    home = tmp_path / "home"
    (home / "clips").mkdir(parents=True)
    shutil.copytree(bank.folder, home / "bank")
    mine = [replace(c, path=shutil.copy(c.path, home / "clips")) for c in clips]
    sound = make_scenes(home / "set", mine, RoomBank.open(home / "bank"), scenes=2, recipe=SHORT).render(0)
    shutil.move(home, tmp_path / "moved")
    assert np.array_equal(SceneSet.open(tmp_path / "moved" / "set").render(0), sound)
    elsewhere = SceneSet.open(tmp_path / "moved" / "set", clips_root=Path(clips[0].path).parent, bank=bank)
    assert np.array_equal(elsewhere.render(0), sound)
    other = make_bank(tmp_path / "other", rooms=1, positions_per_room=2, seed=6, sample_rate=RATE)
    with pytest.raises(DataError, match="other room responses"):
        SceneSet.open(tmp_path / "moved" / "set", bank=other)


def test_export_and_resume(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    made = make_scenes(tmp_path / "s", clips, bank, scenes=6, recipe=replace(SHORT, level_dbfs=(-6.0, -1.0)))

    def stop(progress: synthesis.SceneProgress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.export(tmp_path / "out", progress=stop)
    with (tmp_path / "out" / ".truth.unfinished.jsonl").open("a") as journal:
        journal.write('{"index": 3, "cut sh')
    (tmp_path / "out" / ".000003.flac.k1ll3d.part").write_bytes(b"half")
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("[!.]*.flac")}
    assert len(kept) == 3
    assert made.export(tmp_path / "out").files == 6
    assert all(p.stat().st_mtime_ns == t for p, t in kept.items())
    lines = [json.loads(t) for t in (tmp_path / "out" / "truth.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(6))
    for i, line in enumerate(lines):
        read = audio.read(tmp_path / "out" / line["file"])
        expected = made.render(i) * 10 ** (line["export_gain_db"] / 20)
        assert np.allclose(read.samples, expected, atol=1e-3)
        assert line["azimuth_deg"] == made.truth(i)["azimuth_deg"]
        assert line["licence"] == "CC0"
    assert min(line["export_gain_db"] for line in lines) < 0  # some would have clipped
    whole = contents(tmp_path / "out")
    made.export(tmp_path / "fresh")
    assert contents(tmp_path / "fresh") == whole
    other = make_scenes(tmp_path / "o", clips, bank, scenes=6, seed=8, recipe=SHORT)
    with pytest.raises(DataError, match="other scenes"):
        other.export(tmp_path / "out")
    with pytest.raises(DataError, match="flac or wav"):
        made.export(tmp_path / "out", "mp3")


def test_a_full_disk_loses_nothing(
    tmp_path: Path, clips: list[Clip], bank: RoomBank, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = set_files.pq.write_table
    writes: list[Any] = []

    def full(table: Any, path: Path, **options: Any) -> None:
        writes.append(path)
        if len(writes) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(table, path, **options)

    monkeypatch.setattr(set_files.pq, "write_table", full)
    with pytest.raises(DataError, match=r"No space left on device.*kept"):
        make_scenes(tmp_path / "s", clips, bank, scenes=8, recipe=SHORT)
    assert [p.name for p in (tmp_path / "s" / "parts").iterdir()] == ["part-000000.parquet"]
    monkeypatch.setattr(set_files.pq, "write_table", real)
    assert len(make_scenes(tmp_path / "s", clips, bank, scenes=8, recipe=SHORT)) == 8


def test_a_full_disk_while_exporting(
    tmp_path: Path, clips: list[Clip], bank: RoomBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_scenes(tmp_path / "s", clips, bank, scenes=4, recipe=SHORT)
    real = audio.write

    def full(path: Path, *args: Any, **options: Any) -> None:
        if path.name == "000002.flac":
            raise AudioError(f"{path}: no space left on device")
        real(path, *args, **options)

    monkeypatch.setattr(audio, "write", full)
    with pytest.raises(DataError, match="no space left on device; 2 scenes"):
        made.export(tmp_path / "out")
    monkeypatch.setattr(audio, "write", real)
    assert made.export(tmp_path / "out").files == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of"),
        ({"scenes": 1, "per_clip": 1}, "exactly one of"),
        ({"scenes": 0}, "at least one scene"),
        ({"pairs": [("nobody", "x")]}, "'nobody'"),
        ({"pairs": [("c0", "nowhere")]}, "'nowhere'"),
    ],
)
def test_impossible_requests(
    tmp_path: Path, clips: list[Clip], bank: RoomBank, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        make_scenes(tmp_path / "s", clips, bank, recipe=SHORT, **options)
    assert not (tmp_path / "s").exists()


def test_impossible_recipes_clips_and_folders(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    with pytest.raises(ConfigError, match="duration_s"):
        SceneRecipe(duration_s=0.0)
    with pytest.raises(ConfigError, match="captions_per_scene"):
        SceneRecipe(captions_per_scene=0)
    with pytest.raises(DataError, match="share an id"):
        make_scenes(tmp_path, [clips[0], clips[0]], bank, scenes=1)
    with pytest.raises(DataError, match="holds no scenes"):
        SceneSet.open(tmp_path)


def test_damaged_tables_are_refused(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    made = make_scenes(tmp_path, clips, bank, scenes=3, recipe=SHORT)
    (tmp_path / "scenes.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"scenes\.parquet cannot be read"):
        SceneSet.open(tmp_path)[0]
    (tmp_path / "set.json").write_text("{")
    with pytest.raises(DataError, match=r"set\.json cannot be read"):
        SceneSet.open(tmp_path)
    assert len(made) == 3


def test_a_clip_without_words_still_says_where(clips: list[Clip], bank: RoomBank) -> None:
    words = words_for(90.0, 0.0, 3.0, 40.0, 1.5)
    rng = np.random.default_rng(0)
    texts, originals = synthesis.write_captions(replace(clips[0], captions=()), words, rng, SHORT)
    assert originals == ("",)
    assert captions.parse(texts[0]) == words
    with pytest.raises(DataError, match="no caption"):
        synthesis.write_captions(replace(clips[0], captions=()), words_for(45, 0, 1.5, None, 0.5), rng, SHORT)
