"""Data sets of spatial recordings, tiny and in their official layouts, through the whole evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from eval_fakes import code

from open_elsa import corpora
from open_elsa.corpora.spatial import SoundEvent, SpatialRecording
from open_elsa.errors import ConfigError, DataError
from open_elsa.evals import framewise, recordings
from open_elsa.evals.baselines import mean_intensity
from open_elsa.evals.recordings import RecordingItems, group_of, run_recordings, stretches
from open_elsa.evals.result import load_items, load_results
from open_elsa.evals.seld import Heard
from open_elsa.scenes.attributes import DIRECTION, prompts
from open_elsa.sound import foa
from open_elsa.sound.audio import Sound
from tests.corpora import trees

RATE = 16_000
#: What each class sounds like here, in hertz.
TONES = {"telephone": 1000.0, "bell": 2000.0, "music": 3000.0, "speech": 500.0, "keys": 1500.0, "dog bark": 700.0}
#: Numbers of these classes in STARSS.
STARSS = {"telephone": 3, "music": 8, "bell": 11}


class Ears:
    """Tells the classes by their tone, and hears where a sound comes from; two metres off, it says of everything."""

    name, weights_sha256 = "ears", "00ff"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.lengths: list[float] = []
        self.words = {text: code(word) for word, sentences in prompts("direction").items() for text in sentences}

    def analyse(self, sounds: Sequence[Sound], /) -> list[SimpleNamespace]:
        self.batches.append(len(sounds))
        self.lengths += [s.duration_s for s in sounds]
        return [self._one(s) for s in sounds]

    def _one(self, sound: Sound) -> SimpleNamespace:
        power = np.abs(np.fft.rfft(sound.w))
        hz = float(np.argmax(power)) * sound.sample_rate / len(sound.w)
        vector = code(min(TONES, key=lambda label: abs(TONES[label] - hz)))
        if not sound.is_spatial:
            return SimpleNamespace(embedding=vector, location=SimpleNamespace())
        azimuth, elevation = map(float, foa.angles(mean_intensity(sound.samples, sound.sample_rate)))
        if word := DIRECTION.word_for(azimuth):
            vector = (vector + code(word)) / np.float32(np.sqrt(2.0))
        place = SimpleNamespace(azimuth_deg=azimuth, elevation_deg=elevation, distance_m=2.0)
        return SimpleNamespace(embedding=vector, location=place)

    def embed_text(self, texts: Sequence[str], /) -> np.ndarray:  # type: ignore[type-arg]
        return np.stack([self.words[t] if t in self.words else code(t.removeprefix("the sound of ")) for t in texts])


def sounds(path: Path, parts: Sequence[Sequence[tuple[str, float, float]]], *, seconds: float = 1.0) -> Path:
    """A recording of parts, each of some (class, azimuth, elevation) at once; no sound is silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds * RATE)) / RATE
    silence = np.zeros((4, len(t)), dtype=np.float32)
    made = [
        sum((foa.encode(0.1 * np.sin(2 * np.pi * TONES[c] * t), az, el) for c, az, el in part), silence)
        for part in parts
    ]
    soundfile.write(path, np.concatenate(made, axis=1).T, RATE, subtype="FLOAT")
    return path


def starss(root: Path, *, heard: int = 1, split: str = "dev-test-tau", number: int = 1) -> Path:
    """Five seconds in STARSS23's layout; `heard` -1: what is labelled left sounds from the right."""
    name = f"fold4_room2_mix{number:03d}"
    parts = [
        [("telephone", heard * 90.0, 0.0)],
        [],
        [("bell", heard * -45.0, 30.0)],
        [("bell", heard * -45.0, 30.0)],
        [("music", heard * 170.0, -20.0)],
    ]
    sounds(root / "foa_dev" / split / f"{name}.wav", parts)
    lines = []
    for second, part in enumerate(parts):
        for label, azimuth, elevation in part:
            place = f"{STARSS[label]},0,{heard * azimuth:.0f},{elevation:.0f},200"
            lines += [f"{10 * second + frame},{place}" for frame in range(10)]
    table = root / "metadata_dev" / split / f"{name}.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("\n".join(lines) + "\n")
    return root


def numbers(root: Path, out: Path, name: str = "starss23", **options: object) -> dict[str, dict[str, float]]:
    results = run_recordings(Ears(), name, root, out, **options)  # type: ignore[arg-type]
    return {r.task: dict(r.metrics) for r in results}


def test_starss23_end_to_end(tmp_path: Path) -> None:
    starss(tmp_path / "STARSS23")
    starss(tmp_path / "STARSS23", split="dev-test-sony", number=2)
    starss(tmp_path / "STARSS23", split="dev-train-sony", number=3)  # no test
    ears = Ears()
    results = run_recordings(ears, "starss23", tmp_path / "STARSS23", tmp_path / "out", batch_size=3)
    by_task = {r.task: r for r in results}
    assert list(by_task) == ["localization", "baselines", "classes", "seld"]  # six stretches: too few for words
    assert {r.suite for r in results} == {"starss23-dev-test"} and max(ears.batches) == 3
    where = by_task["localization"].metrics
    # three stretches a recording: the bell's two seconds at one place are one
    assert where["direction.n"] == 6 and where["direction.mean_deg"] < 0.1 and where["direction.sony.n"] == 3
    assert where["distance.mean_m"] == pytest.approx(0.0)
    assert by_task["classes"].metrics["spatial.accuracy"] == by_task["classes"].metrics["mono.accuracy"] == 1.0
    seld = by_task["seld"]
    # the model's classes are all thirteen of the set; those of the reference are scored
    assert "13 classes (female speech, male speech" in seld.protocol and seld.n == 10
    assert seld.metrics["dcase2022.er"] == 0 and seld.metrics["dcase2022.macro.f"] == 1
    assert seld.metrics["dcase2022.micro.le_deg"] < 0.1 and seld.metrics["dcase2022.macro.lr"] == 1
    assert seld.metrics["dcase2022.macro.seld"] < 0.001 and seld.metrics["dcase2021.micro.f"] == 1
    assert seld.metrics["dcase2024.macro.f"] == 1 and seld.metrics["dcase2024.macro.relative"] == pytest.approx(0)
    assert set(seld.details["by_class"]) == {"telephone", "bell", "music"}
    assert seld.intervals["dcase2022.macro.f"].low == 1.0
    saved = load_results(tmp_path / "out")
    assert {r.command for r in saved} == {"elsa eval STARSS23 --corpus starss23"}
    assert {r.data_revision for r in saved} == {seld.data_revision}
    rows = load_items(tmp_path / "out", "starss23-dev-test.seld")
    assert rows is not None and rows["said"][:5] == ["telephone", "", "bell", "bell", "music"] == rows["true"][:5]
    assert rows["cosine"][1] is None and rows["azimuth_deg"][0] == pytest.approx(90)


def test_a_flipped_azimuth_shows_everywhere(tmp_path: Path) -> None:
    """Labelled left and heard from the right: not one direction is right, but what is heard is."""
    starss(tmp_path, heard=-1)
    found = numbers(tmp_path, tmp_path / "out")
    # telephone 180, bell 75.5 (45 deg to either side, 30 up), music 18.8 (10 deg to either side of behind, 20 down)
    errors = [
        180.0,
        *(
            float(foa.angular_error_deg(foa.unit_vector(a, e), foa.unit_vector(-a, e)))
            for a, e in ((45, 30), (170, -20))
        ),
    ]
    assert found["localization"]["direction.mean_deg"] == pytest.approx(np.mean(errors), abs=0.1)
    assert found["baselines"]["mean_intensity.mean_deg"] == pytest.approx(np.mean(errors), abs=0.1)
    # of four labelled seconds one is within 20 deg, the music's; the rest is off: ER = 3 / 4, F = 1 / (1 + 3)
    assert found["seld"]["dcase2022.er"] == 0.75 and found["seld"]["dcase2022.micro.f"] == 0.25
    assert found["seld"]["dcase2022.micro.lr"] == 1.0
    assert found["seld"]["dcase2022.micro.le_deg"] == pytest.approx(
        (errors[0] + 2 * errors[1] + errors[2]) / 4, abs=0.1
    )


def test_one_sound_at_a_time_misses_the_second(tmp_path: Path) -> None:
    name = "fold4_room2_mix001"
    both = [[("telephone", 0.0, 0.0)], [("telephone", 0.0, 0.0), ("bell", 0.0, 0.0)]]
    sounds(tmp_path / "foa_dev" / "dev-test-tau" / f"{name}.wav", both)
    lines = [f"{n},3,0,0,0" for n in range(20)] + [f"{n},11,0,0,0" for n in range(10, 20)]
    (tmp_path / "metadata_dev" / "dev-test-tau").mkdir(parents=True)
    (tmp_path / "metadata_dev" / "dev-test-tau" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    found = numbers(tmp_path, tmp_path / "out", "starss22", tasks=["seld"])["seld"]
    # three references, two found, one missed in the same second: ER = 1 / 3, LR = 2 / 3, F = 2 / (2 + 1/2)
    assert found["dcase2022.er"] == pytest.approx(1 / 3) and found["dcase2022.micro.lr"] == pytest.approx(2 / 3)
    assert found["dcase2022.micro.f"] == pytest.approx(0.8)
    assert not any(key.startswith("dcase2024") or "distance" in key for key in found)  # STARSS22 has no distances
    # alone, only the first second of the telephone can be placed; with --overlapping both sounds are
    alone = run_recordings(Ears(), "starss22", tmp_path, tmp_path / "o", tasks=["localization"])
    assert alone[0].metrics["direction.n"] == 1 and "no other" in alone[0].protocol
    every = run_recordings(Ears(), "starss22", tmp_path, tmp_path / "o", tasks=["localization"], overlapping=True)
    assert every[0].metrics["direction.n"] == 2 and every[0].suite == "starss22-dev-test-overlapping"
    assert every[0].command.endswith("--corpus starss22 --task localization --overlapping")


def test_what_is_below_the_threshold_is_not_said(tmp_path: Path) -> None:
    starss(tmp_path)
    # the vectors of Ears have a cosine of 1 / sqrt(2) with their class where they carry a word, music's and
    # telephone's; the bell at -45 deg, between the words, has 1
    found = numbers(tmp_path, tmp_path / "out", tasks=["seld"], threshold=0.9)["seld"]
    assert found["dcase2022.micro.lr"] == pytest.approx(2 / 4) and found["dcase2022.er"] == pytest.approx(2 / 4)
    none = numbers(tmp_path, tmp_path / "out", tasks=["seld"], threshold=1.1)["seld"]
    assert none["dcase2022.micro.f"] == 0.0 and none["dcase2022.macro.le_deg"] == 180.0
    assert "at least 1.1," in load_results(tmp_path / "out")[0].protocol


def test_a_long_recording_is_heard_in_seconds_and_never_held(tmp_path: Path) -> None:
    path = sounds(tmp_path / "a.wav", [[("bell", 30.0, 0.0)]] * 7 + [[]] * 2, seconds=1.0)
    soundfile.write(path, soundfile.read(path)[0][: -RATE // 2], RATE, subtype="FLOAT")  # 8.5 s
    recording = SpatialRecording("r", str(path), "ambix", RATE, 8.5, (), "x", "test", "")
    ears, names = Ears(), ("bell", "music")
    said = list(framewise.listen(ears, recording, names, ears.embed_text(names), batch_size=3))
    assert ears.batches == [3, 3, 1] and set(ears.lengths) == {1.0}  # silence is not sent to the model
    assert [s.heard.label if s.heard else None for s in said] == ["bell"] * 7 + [None] * 2


def test_labels_become_frames() -> None:
    events = (SoundEvent("a", 0.7, 0.9, 10, 0, None, 2), SoundEvent("a", 0.8, 1.04, 20, 0, 1.0, 1))
    frames = framewise.frames_of(events, 11)
    assert [len(f) for f in frames] == [0] * 7 + [1, 2, 1, 0]  # the middle of the eleventh, 1.05 s, comes too late
    assert frames[8] == [Heard("a", 20, 0, 1.0), Heard("a", 10, 0, None)]  # by the number of the source


def recording(*events: SoundEvent, duration_s: float = 100.0) -> SpatialRecording:
    ordered = tuple(sorted(events, key=lambda e: e.start_s))
    return SpatialRecording("x/test/a", "a.wav", "ambix", RATE, duration_s, ordered, "x", "test", "")


def test_a_moving_source_is_cut_where_it_moved_on() -> None:
    # 2 deg every 0.2 s: 0, 2, 4 belong together, then 6, 8, 10, then 12, 14; the last two are too short
    walk = [SoundEvent("dog", 0.2 * n, 0.2 * (n + 1), 2.0 * n, 0.0, 1.0 + n, 0) for n in range(8)]
    found = stretches(recording(*walk))
    assert [(round(e.start_s, 6), round(e.end_s, 6)) for e in found] == [(0.0, 0.6), (0.6, 1.2)]
    assert [(round(e.azimuth_deg, 6), round(e.distance_m or 0, 6)) for e in found] == [(2.0, 2.0), (8.0, 5.0)]
    # a gap cuts as well, a distance that is not known everywhere is not known, and the mean goes round the back
    gap = [SoundEvent("dog", 0.0, 1.0, 179.0, 0.0), SoundEvent("dog", 1.0, 2.0, -177.0, 0.0, 1.0)]
    gap.append(SoundEvent("dog", 2.5, 3.5, 179.0, 0.0))
    first, second = stretches(recording(*gap))
    assert (first.end_s, first.distance_m, second.start_s) == (2.0, None, 2.5)
    assert first.azimuth_deg == pytest.approx(-179.0)
    # another sound in the middle takes its part away
    other = SoundEvent("bell", 0.8, 1.5, 0.0, 0.0, None, 1)
    assert [(e.label, e.start_s, e.end_s) for e in stretches(recording(*gap, other))] == [
        ("dog", 0.0, 0.8),
        ("dog", 1.5, 2.0),
        ("dog", 2.5, 3.5),
    ]
    assert len(stretches(recording(*gap, other), overlapping=True)) == 3
    # and what is labelled after the recording's end is not there
    assert [e.start_s for e in stretches(recording(*gap, duration_s=2.7))] == [0.0]


def test_tut2018_end_to_end(tmp_path: Path) -> None:
    """Twelve places in 18 recordings of FuMa, each half a second or more; overlaps are reported apart."""
    labels = ("speech", "keys")
    directions = (0.0, 90.0, -90.0, 180.0)
    for overlap, tracks in ((1, 1), (2, 2)):
        folder, tables = tmp_path / f"wav_ov{overlap}_split1_30db", tmp_path / f"desc_ov{overlap}_split1"
        folder.mkdir()
        tables.mkdir()
        for n in range(3):
            parts = [[(labels[(k + n) % 2], directions[k], 10.0)] for k in range(4)]
            samples = soundfile.read(sounds(tmp_path / "t.wav", parts))[0].T
            stem = f"test_{n}_desc_30_100"
            fuma = foa.to_convention(samples.astype(np.float32), "fuma").T
            soundfile.write(folder / f"{stem}.wav", fuma, RATE, subtype="FLOAT")
            rows = [f"{p[0][0]}0{n}1.wav,{k},{k + 1},{p[0][2]:g},{p[0][1]:g},1.5" for k, p in enumerate(parts)]
            if tracks == 2:  # the last sound is labelled twice, as if something else were there
                rows.append("phone001.wav,3,4,0,0,1")
            head = "sound_event_recording,start_time,end_time,ele,azi,dist"
            (tables / f"{stem}.csv").write_text("\n".join([head, *rows]) + "\n")
    results = {r.task: r for r in run_recordings(Ears(), "tut2018_ansyn", tmp_path, tmp_path / "out")}
    where = results["localization"].metrics
    assert (where["direction.ov1.n"], where["direction.ov2.n"]) == (12, 9)  # of ov2 the last second is not alone
    assert where["direction.mean_deg"] < 0.1 and where["distance.median_m"] == pytest.approx(0.5)
    assert results["localization"].suite == "tut2018_ansyn-test"
    words = {e.words.direction for e in RecordingItems(recordings.labelled("tut2018_ansyn", tmp_path)[1], "x").items()}
    assert words == {"front", "left", "right", "back"}
    assert "zero_shot" not in results  # three of "back" are too few, and it says so when asked
    with pytest.raises(DataError, match="can test no attribute"):
        run_recordings(Ears(), "tut2018_ansyn", tmp_path, tmp_path / "out", tasks=["zero_shot"])
    assert results["classes"].metrics["classes"] == 2 and results["classes"].metrics["lost_points"] == 0
    # the set has no list of classes: those that are labelled are asked for
    assert "of 3 classes (keys, phone, speech)" in results["seld"].protocol
    assert results["seld"].metrics["dcase2022.micro.lr"] == pytest.approx(24 / 27)


def test_words_of_direction_on_recordings(tmp_path: Path) -> None:
    """Five seconds of each direction, and the word that the model finds nearest: left is left."""
    root = tmp_path / "set"
    for n in range(5):
        parts = [[("bell", azimuth, 0.0)] for azimuth in (0.0, 90.0, 180.0, -90.0)]
        name = f"fold1_room1_mix{n:03d}_ov1"
        sounds(root / "foa_dev" / f"{name}.wav", parts)
        (root / "metadata_dev").mkdir(exist_ok=True)
        rows = [f"{10 * k + f},0,0,{p[0][1]:.0f},0" for k, p in enumerate(parts) for f in range(10)]
        (root / "metadata_dev" / f"{name}.csv").write_text("\n".join(rows) + "\n")
    found = run_recordings(Ears(), "tau_nigens_2020", root, tmp_path / "out", tasks=["zero_shot", "localization"])
    assert found[0].metrics["direction.accuracy"] == 1.0 and found[0].metrics["direction.n"] == 20
    assert found[0].metrics["direction.ov1.accuracy"] == 1.0
    items = load_items(tmp_path / "out", "tau_nigens_2020-dev-test.zero_shot")
    assert items is not None and items["direction_true"][:4] == ["front", "left", "back", "right"]
    quick = run_recordings(Ears(), "tau_nigens_2020", root, tmp_path / "o", tasks=["localization"], quick=True)
    assert quick[0].command.endswith("--task localization --quick") and quick[0].metrics["direction.n"] == 20


def test_a_quick_look_takes_some_recordings_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        starss(tmp_path, number=n)
    monkeypatch.setattr(recordings, "QUICK_RECORDINGS", 2)
    found = recordings.labelled("starss23", tmp_path, quick=True)[1]
    assert [r.id[-1] for r in found] == ["0", "3"]


def test_spatial_librispeech_has_distance_and_room_but_no_onsets(tmp_path: Path) -> None:
    rows = [trees.spatial_librispeech_row(n, split="test") for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "metadata.parquet")
    for n in range(3):
        trees.wave(tmp_path / "ambisonics" / f"{n:06d}.flac", 90, -30)
    found = {r.task: r for r in run_recordings(Ears(), "spatial_librispeech", tmp_path, tmp_path / "out")}
    assert list(found) == ["localization", "baselines"]  # one class, no onsets, and all from the left
    where = found["localization"].metrics
    assert where["direction.mean_deg"] < 1.0 and where["distance.mean_m"] == pytest.approx(0.5)
    (bins,) = [b for b in found["localization"].details["bins"]["floor_area_m2"] if b["n"]]
    assert (bins["low"], bins["n"]) == (0, 3)
    with pytest.raises(DataError, match="labels whole recordings"):
        run_recordings(Ears(), "spatial_librispeech", tmp_path, tmp_path / "out", tasks=["seld"])
    with pytest.raises(DataError, match="at least two, found woman speaking"):
        run_recordings(Ears(), "spatial_librispeech", tmp_path, tmp_path / "out", tasks=["classes"])


def test_broken_labels_are_named_and_left_out(tmp_path: Path) -> None:
    starss(tmp_path)
    bad = starss(tmp_path, number=2) / "metadata_dev" / "dev-test-tau" / "fold4_room2_mix002.csv"
    bad.write_text("0,3,0,90,0,200\n1,3,0,ninety,0,200\n")
    results = run_recordings(Ears(), "starss23", tmp_path, tmp_path / "out", tasks=["localization"])
    (skipped,) = results[0].details["skipped"]
    assert results[0].metrics["direction.n"] == 3 and "fold4_room2_mix002.csv, line 2" in skipped


def test_what_cannot_be_evaluated_says_why(tmp_path: Path) -> None:
    starss(tmp_path)
    sounds(tmp_path / "foa_eval" / "mix001.wav", [[("bell", 0.0, 0.0)]])
    run = Ears(), "starss23", tmp_path, tmp_path / "out"
    with pytest.raises(DataError, match="split eval has no labels"):
        run_recordings(*run, splits=["eval"])
    with pytest.raises(DataError, match="has no split test; it has dev-train-sony"):
        run_recordings(*run, splits=["test"])
    with pytest.raises(ConfigError, match="no task 'retrieval' on recordings; choose from zero_shot"):
        run_recordings(*run, tasks=["retrieval"])
    with pytest.raises(
        DataError, match="clips without a place; evaluate on recordings of spatial_librispeech, starss22"
    ):
        run_recordings(Ears(), "esc50", tmp_path, tmp_path / "out")
    two = replace(corpora.recordings("starss23", tmp_path, ["dev-test"]).recordings[0], events=())
    with pytest.raises(DataError, match="at least two classes, found bell"):
        framewise.run(Ears(), [two], ["bell"], suite="x")
    with pytest.raises(DataError, match="no recording has a labelled sound"):
        framewise.run(Ears(), [two], ["bell", "music"], suite="x")


def test_recordings_are_reported_by_overlap_or_site() -> None:
    given = recording()
    assert [
        group_of(replace(given, id=i, split=s))
        for i, s in (
            ("tut2018_real/ov3_split8-test/test_0", "split8-test"),
            ("tau_nigens_2020/dev-test/fold1_room1_mix001_ov2", "dev-test"),
            ("starss23/dev-test-sony/fold4_room2_mix001", "dev-test-sony"),
            ("spatial_librispeech/test/000001", "test"),
        )
    ] == ["ov3", "ov2", "sony", ""]
