"""Scenes of several sources: sums, levels, one room, truth, labels; the same bytes whatever happens on the way."""

from __future__ import annotations

import errno
import itertools
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import mixing, over_time, set_files, synthesis
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.drawing import apart
from open_elsa.scenes.measured import open_measured
from open_elsa.scenes.microphone import MicrophoneRanges
from open_elsa.scenes.recipe import SceneRecipe
from open_elsa.scenes.render import render
from open_elsa.scenes.scene import Clip, Scene, Source, SourcePosition, SpatialWords
from open_elsa.scenes.scene_words import heard_as
from open_elsa.scenes.synthesis import SceneSet, make_scenes
from open_elsa.scenes.telling import read, true_of

RATE = 8_000
QUIET = SceneRecipe(duration_s=1.5, snr_db=None, sources=(2, 4), lead_s=0.2)
BUSY = replace(
    QUIET, sources=(1, 3), moving_share=0.3, ambience="coloured", microphone=MicrophoneRanges(), snr_db=(20.0, 40.0)
)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoomBank:
    return make_bank(tmp_path_factory.mktemp("bank"), rooms=2, positions_per_room=4, seed=5, sample_rate=RATE)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for n, (name, seconds) in enumerate([("dog", 0.4), ("rain", 3.0), ("bell", 0.7), ("cow", 1.2), ("car", 2.0)]):
        x = np.zeros(round((seconds + 1.0) * RATE), dtype=np.float32)  # half a second of silence on both sides
        sound = np.random.default_rng(n).standard_normal(round(seconds * RATE))
        x[RATE // 2 : RATE // 2 + sound.size] = 0.1 * sound
        path = folder / f"{name}.wav"
        soundfile.write(path, x, RATE)
        made.append(Clip(f"c{n}", str(path), (f"a {name}", name), "tiny", "train", "CC0", seconds + 1.0, label=name))
    return made


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip], bank: RoomBank) -> SceneSet:
    return make_scenes(tmp_path_factory.mktemp("quiet"), clips, bank, scenes=16, seed=1, recipe=QUIET)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip], bank: RoomBank) -> SceneSet:
    return make_scenes(tmp_path_factory.mktemp("busy"), clips, bank, scenes=16, seed=2, recipe=BUSY)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


def test_a_scene_is_the_sum_of_its_sources(quiet: SceneSet) -> None:
    counts = set()
    for i, scene in enumerate(quiet):
        parts = [quiet.render_source(i, k) for k in range(len(scene.sources))]
        whole = quiet.render(i)
        assert np.array_equal(whole, sum(parts[1:], start=parts[0]))
        pairs = itertools.permutations(parts, 2)
        crossed = sum(float(np.sum(a.astype(np.float64) * b)) for a, b in pairs)
        energy = sum(float(np.sum(np.square(p, dtype=np.float64))) for p in parts)
        assert float(np.sum(np.square(whole, dtype=np.float64))) == pytest.approx(energy + crossed, rel=1e-5)
        assert abs(crossed) < 0.1 * energy  # independent sounds: energies add up
        counts.add(len(parts))
    assert counts == {2, 3, 4}


def test_one_source_by_the_new_way_is_the_old_rendering_bit_for_bit(clips: list[Clip], bank: RoomBank) -> None:
    samples = soundfile.read(clips[1].path, dtype="float32")[0]
    source = Source("c1", bank.ids[2], -3.0, 0.7, 0.0, 1.5)
    dry = mixing.place(samples, RATE, source, round(1.5 * RATE))
    scene = Scene("c1", bank.ids[2], -3.0, 30.0, 0.7, 1.5, SpatialWords(), ("rain",), 7, sources=(source,))
    old = render(dry, bank.response(2), noise=(30.0, np.random.default_rng(7)), length=dry.size)
    assert np.array_equal(mixing.mix([mixing.wet(source, dry, bank)], scene, RATE), old)


def test_sources_share_a_room_and_nothing_else(quiet: SceneSet) -> None:
    for i, scene in enumerate(quiet):
        places = [s.response_id for s in scene.sources]
        assert len({quiet.bank[quiet.bank.index(p)].room_id for p in places}) == 1
        assert len(set(places)) == len({s.clip_id for s in scene.sources}) == len(places)
        told = quiet.truth(i)["sources"]
        assert len({t["label"] for t in told}) == len(told)


def test_levels_are_as_drawn_and_as_measured(quiet: SceneSet) -> None:
    for i, scene in enumerate(quiet):
        levels = [mixing.level_db(quiet.render_source(i, k), RATE, source) for k, source in enumerate(scene.sources)]
        for source, level, told in zip(scene.sources, levels, quiet.truth(i)["sources"], strict=True):
            assert levels[0] - level == pytest.approx(source.below_db, abs=0.1)
            assert told["level_dbfs"] == pytest.approx(level, abs=0.01)
        assert all(0.0 <= s.below_db <= 15.0 for s in scene.sources)
    assert len({s.below_db for scene in quiet for s in scene.sources[1:]}) > 10


def test_onsets_and_silence(quiet: SceneSet) -> None:
    onsets = []
    for i, scene in enumerate(quiet):
        for k, source in enumerate(scene.sources):
            dry = quiet.dry(i, k)
            heard = np.flatnonzero(np.abs(dry) > 1e-3 * np.abs(dry).max()) / RATE
            assert heard[0] == pytest.approx(source.onset_s, abs=0.02)  # no silence of the clip before it
            assert heard[-1] == pytest.approx(min(source.onset_s + source.duration_s, 1.5), abs=0.02)
            if k:
                onsets.append(source.onset_s)
        assert scene.sources[0].onset_s <= QUIET.lead_s
    assert max(onsets) > 0.5


def test_sources_stand_apart_and_overlap_where_the_recipe_wants_it(
    tmp_path: Path, clips: list[Clip], bank: RoomBank
) -> None:
    recipe = replace(QUIET, sources=(2, 3), apart_deg=40.0, overlap=0.6)
    made = make_scenes(tmp_path / "s", clips, bank, scenes=24, seed=3, recipe=recipe)
    loose = make_scenes(tmp_path / "l", clips, bank, scenes=24, seed=3, recipe=replace(recipe, apart_deg=0, overlap=0))
    assert min(a for i in range(24) for a in _angles(made, i)) >= 40.0
    assert min(a for i in range(24) for a in _angles(loose, i)) < 40.0  # it is the recipe that does it
    assert min(s for scene in made for s in _shares(scene)) >= 0.6 - 1e-3
    assert min(s for scene in loose for s in _shares(scene)) < 0.6
    assert len({s.onset_s for scene in made for s in scene.sources[1:]}) > 12
    # settings that came later change nothing where they are not used
    assert not {"apart_deg", "overlap"} & set(QUIET.described())
    with pytest.raises(DataError, match="has no 3 places 170 degrees apart"):
        make_scenes(tmp_path / "n", clips, bank, scenes=4, recipe=replace(recipe, sources=(3, 3), apart_deg=170.0))


def _angles(made: SceneSet, i: int) -> list[float]:
    """Angles between the places of every two sources of scene `i`."""
    return [apart(a, b) for a, b in itertools.combinations(made.truth(i)["sources"], 2)]


def _shares(scene: Scene) -> list[float]:
    """For how much of the shorter of both each further source of a scene sounds together with the first."""
    first = scene.sources[0]
    ends = [s.onset_s + s.duration_s for s in scene.sources]
    return [
        (min(ends[0], end) - max(first.onset_s, s.onset_s)) / min(first.duration_s, s.duration_s)
        for s, end in zip(scene.sources[1:], ends[1:], strict=True)
    ]


def test_the_loudest_source_keeps_its_place_in_the_truth(quiet: SceneSet, busy: SceneSet) -> None:
    for made in (quiet, busy):
        for i, scene in enumerate(made):
            truth = made.truth(i)
            first = truth["sources"][0]
            assert (truth["clip_id"], truth["label"]) == (scene.sources[0].clip_id, first["label"])
            known = [truth[k] for k in ("azimuth_deg", "elevation_deg", "distance_m")]
            if first["moves"]:
                assert known == [None] * 3
                assert (scene.words.direction, scene.words.distance) == (None, None)
            else:
                assert known == [first[k] for k in ("azimuth_deg", "elevation_deg", "distance_m")]
            assert json.loads(json.dumps(truth, allow_nan=False)) == truth


def test_frames_say_when_and_where(busy: SceneSet) -> None:
    walking = 0
    for i, scene in enumerate(busy):
        for k, (source, told) in enumerate(zip(scene.sources, busy.truth(i)["sources"], strict=True)):
            frames = told["frames"]
            assert {len(v) for v in frames.values()} == {15}
            dry = busy.dry(i, k)
            share = np.mean(np.abs(dry.reshape(15, 800)) > 0.01 * np.abs(dry).max(), axis=1)
            active = np.array(frames["active"])
            assert active[share > 0.1].all() and not active[share == 0.0].any()
            if source.path is None:
                assert set(frames["azimuth_deg"]) == {told["azimuth_deg"]}
            else:
                walking += 1
                assert len(set(zip(frames["azimuth_deg"], frames["distance_m"], strict=True))) > 3
                if source.path.stop_s < 1.4:
                    assert frames["azimuth_deg"][-1] == pytest.approx(told["moves"]["to_azimuth_deg"], abs=0.02)
    assert walking > 2


def test_ambience_and_microphone_are_told_and_differ(busy: SceneSet) -> None:
    truths = [busy.truth(i) for i in range(len(busy))]
    assert len({t["ambience"]["colour"] for t in truths}) > 10
    assert len({t["microphone"]["yaw_deg"] for t in truths}) > 10
    for i, scene in enumerate(busy):
        assert scene.snr_db is None and scene.ambience is not None and scene.microphone is not None
        alone = replace(scene, microphone=None)
        parts = [busy.render_source(i, k) for k in range(len(scene.sources))]
        field = mixing.mix(parts, alone, RATE) - sum(parts[1:], start=parts[0])
        power = [float(np.mean(np.square(x, dtype=np.float64))) for x in (sum(parts[1:], start=parts[0])[0], field[0])]
        assert 10 * np.log10(power[0] / power[1]) == pytest.approx(scene.ambience.snr_db, abs=0.1)


def test_captions_are_true_of_the_sources(busy: SceneSet) -> None:
    walks = 0
    for i, scene in enumerate(busy):
        truth = busy.truth(i)
        starts = [SourcePosition(t["azimuth_deg"], t["elevation_deg"], t["distance_m"]) for t in truth["sources"]]
        for text, original in zip(scene.captions, busy.originals(i), strict=True):
            said = [next((o for o in original.split("; ") if t["label"] in o), None) for t in truth["sources"]]
            heard = [heard_as(*one) for one in zip(said, scene.sources, starts, strict=True)]
            room = {"floor_area_m2": truth["floor_area_m2"], "t30_s": truth["t30_s"]}
            assert true_of(read(text), heard, **room), text
            mirrored = [replace(h, azimuth_deg=h.azimuth_deg + 180.0, distance_m=None) for h in heard]
            if any(f.direction or f.azimuth_deg is not None for f in read(text).sources):
                assert not true_of(read(text), mirrored, **room), text
            walks += sum(f.end_direction is not None or f.end_azimuth_deg is not None for f in read(text).sources)
    assert walks > 0


def test_ids_differ_with_whatever_changes_the_sound(busy: SceneSet) -> None:
    scene = next(s for s in busy if len(s.sources) > 1)
    assert scene.microphone is not None and scene.ambience is not None
    changed = [
        replace(scene, id="", microphone=None),
        replace(scene, id="", microphone=replace(scene.microphone, yaw_deg=99.0)),
        replace(scene, id="", ambience=replace(scene.ambience, snr_db=1.0)),
        replace(scene, id="", sources=scene.sources[:1]),
        replace(scene, id="", sources=(replace(scene.sources[0], onset_s=0.3), *scene.sources[1:])),
    ]
    assert replace(scene, id="").id == scene.id
    assert len({s.id for s in [scene, *changed]}) == 6


def test_sound_is_the_same_after_reopening_and_in_workers(busy: SceneSet) -> None:
    again = SceneSet.open(busy.folder)
    assert list(again) == list(busy)
    for i in range(4):
        assert np.array_equal(again.render(i), busy.render(i))
        assert np.array_equal(pickle.loads(pickle.dumps(busy)).render(i), busy.render(i))


def test_any_number_of_workers_makes_the_same_bytes(
    tmp_path: Path, clips: list[Clip], bank: RoomBank, busy: SceneSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis, "PART_SCENES", 4)
    for workers in (1, 2):
        make_scenes(tmp_path / str(workers), clips, bank, scenes=16, seed=2, recipe=BUSY, workers=workers)
    one, two = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert one == two
    assert [s.id for s in SceneSet.open(tmp_path / "1")] == [s.id for s in busy]
    with pytest.raises(ConfigError, match="at least one worker"):
        make_scenes(tmp_path / "0", clips, bank, scenes=1, workers=0)


def test_an_unreadable_clip_leaves_out_the_scenes_that_need_it(
    tmp_path: Path, clips: list[Clip], bank: RoomBank, quiet: SceneSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis, "PART_SCENES", 4)
    mine = [replace(c, path=shutil.copy(c.path, tmp_path)) for c in clips]
    Path(mine[2].path).write_text("not a sound")
    made = make_scenes(tmp_path / "s", mine, bank, scenes=16, seed=1, recipe=QUIET)
    whole = [scene for scene in quiet if all(s.clip_id != "c2" for s in scene.sources)]
    assert 0 < len(whole) < 16
    assert list(made) == whole
    assert list(made.problems) == [mine[2].path]
    for workers in (1, 2):  # two processes refuse as one does
        with pytest.raises(DataError, match=r"more than 0 clips[\s\S]*bell.wav"):
            make_scenes(
                tmp_path / f"t{workers}", mine, bank, scenes=16, seed=1, recipe=QUIET, max_problems=0, workers=workers
            )


def test_a_full_disk_loses_nothing(
    tmp_path: Path, clips: list[Clip], bank: RoomBank, quiet: SceneSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis, "PART_SCENES", 4)
    real = set_files.pq.write_table
    writes: list[Any] = []

    def full(table: Any, path: Path, **options: Any) -> None:
        writes.append(path)
        if len(writes) == 3:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(table, path, **options)

    monkeypatch.setattr(set_files.pq, "write_table", full)
    with pytest.raises(DataError, match=r"No space left on device.*kept"):
        make_scenes(tmp_path / "s", clips, bank, scenes=16, seed=1, recipe=QUIET)
    assert len(list((tmp_path / "s" / "parts").iterdir())) == 2
    monkeypatch.setattr(set_files.pq, "write_table", real)
    assert list(make_scenes(tmp_path / "s", clips, bank, scenes=16, seed=1, recipe=QUIET)) == list(quiet)


def test_exports_have_frame_labels(tmp_path: Path, quiet: SceneSet) -> None:
    quiet.export(tmp_path)
    classes = (tmp_path / "classes.txt").read_text().splitlines()
    assert classes == ["bell", "car", "cow", "dog", "rain"]
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    for i, line in enumerate(lines):
        assert line["sources"] == json.loads(json.dumps(quiet.truth(i)["sources"]))
        rows = [tuple(map(int, r.split(","))) for r in (tmp_path / f"{i:06d}.csv").read_text().splitlines()]
        assert rows == sorted(rows)
        expected = set()
        for source in line["sources"]:
            place = (round(source["azimuth_deg"]), round(source["elevation_deg"]), round(100 * source["distance_m"]))
            active = [at for at, on in enumerate(source["frames"]["active"]) if on]
            expected |= {(at, classes.index(source["label"]), 0, *place) for at in active}
        assert set(rows) == expected
    before = contents(tmp_path)
    (tmp_path / "000003.csv").unlink()  # a scene without its labels is not finished
    quiet.export(tmp_path)
    assert contents(tmp_path) == before


def test_sources_of_one_class_are_numbered_within_it() -> None:
    frames = {"azimuth_deg": [90.4], "elevation_deg": [-9.6], "distance_m": [1.234], "active": [True]}
    later = {**frames, "azimuth_deg": [-179.6]}
    told = [{"label": "dog", "frames": frames}, {"label": "", "frames": frames}, {"label": "dog", "frames": later}]
    classes = over_time.classes_of(["dog", "", "cow"])
    assert classes == ["cow", "dog", "sound"]
    assert over_time.dcase_rows(told, classes) == ["0,1,0,90,-10,123", "0,1,1,-180,-10,123", "0,2,0,90,-10,123"]


def test_a_plain_set_gets_labels_too(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    made = make_scenes(tmp_path / "s", clips, bank, scenes=3, recipe=SceneRecipe(duration_s=1.0, snr_db=None))
    made.export(tmp_path / "out")
    for i in range(3):
        rows = (tmp_path / "out" / f"{i:06d}.csv").read_text().splitlines()
        place = made.truth(i)
        assert rows
        assert {int(r.split(",")[3]) for r in rows} == {round(place["azimuth_deg"])}
        assert "sources" not in place


def test_scenes_as_long_as_their_sound(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    recipe = SceneRecipe(duration_s=2.5, min_duration_s=1.0, snr_db=None)
    for name, sources in (("plain", (1, 1)), ("several", (2, 2))):
        made = make_scenes(tmp_path / name, clips, bank, per_clip=1, recipe=replace(recipe, sources=sources))
        lasts = {s.clip_id: s.duration_s for s in made}
        assert lasts["c0"] == lasts["c2"] == 1.0  # dog 0.4 s, bell 0.7 s: silence is added
        assert lasts["c1"] == 2.5  # rain 3 s: cut
        assert lasts["c3"] == pytest.approx(1.2, abs=0.02)
        assert made.render(3).shape == (4, round(lasts["c3"] * RATE))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": (0, 1)}, "sources must lie in 1..4"),
        ({"sources": (1, 5)}, "sources must lie in 1..4"),
        ({"sources": (3, 2)}, r"sources is \(low, high\)"),
        ({"source_snr_db": (-3.0, 3.0)}, "0 or more"),
        ({"moving_share": 1.5}, "share of 1"),
        ({"speed_m_s": (0.0, 1.0)}, "above 0"),
        ({"ambience": "purple"}, "white, pink, brown, coloured or a folder"),
        ({"min_duration_s": 9.0}, "min_duration_s"),
        ({"apart_deg": 200.0}, r"apart_deg lies in 0\.\.180"),
        ({"overlap": 1.1}, "overlap is a share"),
    ],
)
def test_impossible_recipes(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SceneRecipe(**changes)


def test_too_few_places_or_clips_or_rooms_that_cannot_be_walked(
    tmp_path: Path, clips: list[Clip], bank: RoomBank
) -> None:
    small = make_bank(tmp_path / "small", rooms=2, positions_per_room=2, seed=1, sample_rate=RATE)
    with pytest.raises(DataError, match=r"r000000 has 2: .*--positions-per-room 3"):
        make_scenes(tmp_path / "s", clips, small, scenes=1, recipe=replace(QUIET, sources=(1, 3)))
    with pytest.raises(DataError, match="as many clips"):
        make_scenes(tmp_path / "s", clips[:2], bank, scenes=1, recipe=QUIET)
    folder = tmp_path / "measured" / "Vault"
    folder.mkdir(parents=True)
    pulse = np.zeros((4000, 4))
    pulse[80] = (1.0, 0.9, 0.1, 0.0)
    soundfile.write(folder / "a.wav", pulse, RATE, subtype="FLOAT")
    (folder / "positions.csv").write_text("file,azimuth_deg,elevation_deg,distance_m\na.wav,90,0,3\n")
    with pytest.raises(ConfigError, match="simulated rooms only"):
        make_scenes(
            tmp_path / "s",
            clips,
            open_measured(tmp_path / "measured", sample_rate=RATE),
            scenes=1,
            recipe=SceneRecipe(moving_share=0.5),
        )
    assert not (tmp_path / "s").exists()


KILLED = """
import sys
from open_elsa.scenes import synthesis
from open_elsa.scenes.bank import RoomBank
from open_elsa.scenes.recipe import SceneRecipe
from open_elsa.scenes.scene import Clip
synthesis.PART_SCENES = 2
folder, bank, *paths = sys.argv[1:]
clips = [Clip(f"c{n}", p, ("a sound",), "tiny", "train", "CC0", 1.0) for n, p in enumerate(paths)]
recipe = SceneRecipe(duration_s=0.5, sources=(1, 3), moving_share=0.1, ambience="pink")
print("begun", flush=True)
synthesis.make_scenes(folder, clips, RoomBank.open(bank), scenes=48, seed=9, recipe=recipe)
"""


@pytest.mark.slow
def test_kill_9_at_twenty_random_moments_then_the_same_bytes(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    rng = np.random.default_rng(20)

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", KILLED, str(tmp_path / name), str(bank.folder), *[c.path for c in clips]]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        return process

    begun = time.monotonic()
    with start("whole") as process:
        assert process.wait() == 0
    lasts_s = time.monotonic() - begun
    killed = 0
    while killed < 20:
        with start("cut") as process:
            try:
                process.wait(float(rng.uniform(0.0, 0.3 * lasts_s)))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
        if (tmp_path / "cut" / "set.json").exists():  # it got through: what is left of the moments, on a new set
            with start("cut") as process:  # which may have been killed before it tidied up
                assert process.wait() == 0
            assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
            shutil.rmtree(tmp_path / "cut")
    with start("cut") as process:
        assert process.wait() == 0
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
