"""The report of a set of scenes: its counts against the rows, and what it does where something is missing."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import scene_counts
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.export import PEAK
from open_elsa.scenes.microphone import MicrophoneRanges
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_report import log_mel, reason_of
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes
from open_elsa.scenes.telling import read

RATE = 16_000
SHORT = SceneRecipe(duration_s=0.5, captions_per_scene=3)
BUSY = SceneRecipe(
    duration_s=0.6,
    sources=(1, 3),
    moving_share=0.5,
    ambience="pink",
    microphone=MicrophoneRanges(),
    captions_per_scene=6,
)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoomBank:
    return make_bank(tmp_path_factory.mktemp("bank"), rooms=3, positions_per_room=4, seed=1, sample_rate=RATE)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for n, (name, licence) in enumerate((("dog", "CC0"), ("bell", "CC BY"), ("rain", "CC BY"), ("horn", ""))):
        noise = 0.2 * np.random.default_rng(n).standard_normal(RATE)
        soundfile.write(folder / f"{name}.wav", np.clip(noise, -1, 1), RATE)
        made.append(Clip(name, str(folder / f"{name}.wav"), (f"a {name}",), "tiny", "test", licence, 1.0, label=name))
    return made


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip], bank: RoomBank) -> SceneSet:
    gone = Clip("gone", str(Path(clips[0].path).with_name("gone.wav")), ("a cat",), "tiny", "test", "CC0", 1.0)
    return make_scenes(tmp_path_factory.mktemp("plain"), [*clips, gone], bank, scenes=30, seed=2, recipe=SHORT)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip], bank: RoomBank) -> SceneSet:
    return make_scenes(tmp_path_factory.mktemp("busy"), clips, bank, scenes=12, seed=3, recipe=BUSY)


def test_every_quantity_is_that_of_the_rows(plain: SceneSet) -> None:
    found = plain.report(rendered=0, pictured=0)
    truths = [plain.truth(i) for i in range(len(plain))]
    told = {d.name: d for d in found.quantities}
    for name in ("azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "t30_s", "drr_db"):
        values = [t[name] for t in truths]
        assert (told[name].n, told[name].unknown) == (len(plain), 0)
        assert told[name].median == pytest.approx(np.median(values), abs=1e-3)
        assert (told[name].least, told[name].most) == pytest.approx((min(values), max(values)), abs=1e-3)
        assert list(told[name].counts) == list(np.histogram(values, told[name].edges)[0])
        assert sum(told[name].counts) == len(plain)
    clean = sum(scene.snr_db is None for scene in plain)
    assert clean > 0 and (told["snr_db"].n, told["snr_db"].unknown) == (len(plain) - clean, clean)
    assert told["sources"].edges == (0.5, 1.5) and told["sources"].counts == (len(plain),)
    assert told["duration_s"].median == 0.5 and found.walking == 0.0
    assert {"below_db", "ambience_snr_db"}.isdisjoint(told)
    assert found.labels == dict(sorted(Counter(t["label"] for t in truths).items(), key=lambda x: (-x[1], x[0])))
    assert sum(found.words["direction"].values()) == len(plain)
    assert found.words["direction"].get("left", 0) == sum(s.words.direction == "left" for s in plain)
    assert found.rooms == 3 and found.responses == len({s.response_id for s in plain})
    assert found.hours == pytest.approx(len(plain) * 0.5 / 3600, abs=1e-4)


def test_what_was_left_out_and_licences(plain: SceneSet) -> None:
    found = plain.report(rendered=0, pictured=0)
    assert (found.scenes, found.asked, found.clips, found.clips_used) == (24, 30, 5, 4)
    assert list(found.dropped) == list(plain.problems) and found.dropped
    ((why, count),) = found.reasons.items()
    assert count == 1 and "gone.wav" not in why
    assert {(x.name, x.clips) for x in found.licences} == {("CC BY", 2), ("CC0", 1), ("not stated", 1)}
    assert sum(x.sources for x in found.licences) == 24
    assert any("6 scenes left out for 1 clips" in line for line in found.lines())
    assert reason_of("/a/b.wav", "/a/b.wav is silent; take it out of the set") == "is silent"


def test_sources_walks_and_ambience_of_busy_scenes(busy: SceneSet) -> None:
    found = busy.report(rendered=0, pictured=0)
    sources = [s for i in range(len(busy)) for s in busy.truth(i)["sources"]]
    told = {d.name: d for d in found.quantities}
    assert told["azimuth_deg"].n == len(sources) > len(busy)
    assert told["drr_db"].mean == pytest.approx(np.mean([s["drr_db"] for s in sources]), abs=1e-3)
    walking = float(np.mean([s["moves"] is not None for s in sources]))
    assert walking > 0 and found.walking == pytest.approx(walking, abs=1e-3)
    further = [s.below_db for scene in busy for s in scene.sources[1:]]
    assert told["below_db"].n == len(further) and told["below_db"].most == pytest.approx(max(further), abs=1e-3)
    assert told["ambience_snr_db"].n == len(busy)
    noisy = [m for scene in busy if (m := scene.microphone) and m.noise_snr_db is not None]
    assert told["snr_db"].n == len(noisy) > 0
    counts = Counter(len(scene.sources) for scene in busy)
    assert dict(zip(range(min(counts), max(counts) + 1), told["sources"].counts, strict=True)) == counts
    assert "sources walk" in found.lines()[0]


def test_loudness_and_the_sheet_are_those_of_the_rendered_scenes(plain: SceneSet, busy: SceneSet) -> None:
    whole = plain.report(rendered=100, pictured=3)
    peaks = [20 * math.log10(np.abs(plain.render(i)).max()) for i in range(len(plain))]
    loud = whole.loudness
    assert loud.rendered == len(plain) and loud.peak_dbfs.most == pytest.approx(max(peaks), abs=1e-3)
    assert loud.turned_down == sum(p > 20 * math.log10(PEAK) for p in peaks)
    assert loud.clipping == sum(p > 0 for p in peaks)
    assert loud.lowest_gain_db == pytest.approx(min(0.0, 20 * math.log10(PEAK) - max(peaks)), abs=1e-3)
    assert len(whole.sheet) == 3
    for scene in whole.sheet:
        truth = plain.truth(scene.index)
        assert scene.captions == plain[scene.index].captions and scene.sources[0].what == truth["label"]
        assert scene.sources[0].azimuth_deg == truth["azimuth_deg"] and scene.sources[0].to_azimuth_deg is None
        assert scene.mel.max() == 0.0 and scene.mel.min() >= -70.0
    some = plain.report(rendered=5, pictured=2, seed=1)
    assert some.loudness.rendered == 5 and len(some.sheet) == 2
    assert some.to_json() == plain.report(rendered=5, pictured=2, seed=1).to_json()
    assert [s.index for s in some.sheet] != [s.index for s in whole.sheet][:2]
    walk = next(
        s for p in busy.report(rendered=12, pictured=12).sheet for s in p.sources if s.to_azimuth_deg is not None
    )
    assert walk.to_distance_m is not None and walk.to_distance_m > 0


def test_a_scene_beyond_full_scale_is_counted(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    loud = SceneRecipe(duration_s=0.5, level_dbfs=(-2.0, -1.0), snr_db=None)
    found = make_scenes(tmp_path, clips, bank, scenes=6, recipe=loud).report().loudness
    assert 0 < found.clipping <= found.turned_down <= 6 and found.lowest_gain_db < -1.0


def test_captions_are_counted(plain: SceneSet, busy: SceneSet) -> None:
    texts = [text for scene in busy for text in scene.captions]
    found = busy.report(rendered=0, pictured=0).captions
    assert (found.captions, found.distinct, found.read) == (len(texts), len(set(texts)), len(texts))
    assert sum(found.granularity.values()) == pytest.approx(1.0, abs=1e-3)
    assert found.granularity["degrees or metres"] > 0 and found.granularity["words"] > 0
    assert all(scene_counts.granularity(read(t)) == kind for kind, some in found.examples.items() for t in some)
    twice = scene_counts.count_captions(["A dog barks.", "a dog barks", "A dog barks."], np.random.default_rng(0))
    assert (twice.captions, twice.distinct, twice.repeats, twice.words, twice.vocabulary) == (3, 2, 1, 9, 3)
    assert twice.commonest[0] == ("a", 3) and twice.granularity["what only"] == 1.0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a dog barks", "what only"),
        ("a dog barks in a large room", "words"),
        ("a dog barks on the left", "words"),
        ("a dog barks on the front left", "eight directions"),
        ("a dog barks at three o'clock", "clock"),
        ("a dog barks 40 degrees to the left", "degrees or metres"),
        ("a dog barks two metres away", "degrees or metres"),
        ("In a large hall, there is a sound.", "the room only"),
    ],
)
def test_the_finest_that_a_caption_says(text: str, kind: str) -> None:
    assert scene_counts.granularity(read(text)) == kind


def test_a_large_sample_only_is_read(monkeypatch: pytest.MonkeyPatch, busy: SceneSet) -> None:
    monkeypatch.setattr(scene_counts, "READ_CAPTIONS", 7)
    assert busy.report(rendered=0, pictured=0).captions.read == 7


def test_json_holds_no_picture_and_nothing_that_is_not_finite(plain: SceneSet) -> None:
    told = json.loads(plain.report(rendered=2, pictured=1).to_json())
    assert told["format"] == 1 and told["captions"]["captions"] > 0
    assert "mel" not in told["sheet"][0] and told["sheet"][0]["captions"]


def test_a_clip_that_went_missing_is_told(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    soundfile.write(tmp_path / "cat.wav", 0.1 * np.random.default_rng(9).standard_normal(RATE), RATE)
    cat = Clip("cat", str(tmp_path / "cat.wav"), ("a cat",), "tiny", "test", "CC0", 1.0, label="cat")
    made = make_scenes(tmp_path / "s", [clips[0], cat], bank, scenes=8, recipe=SHORT)
    (tmp_path / "cat.wav").unlink()
    found = SceneSet.open(tmp_path / "s").report()
    assert [Path(p).name for p in found.loudness.unreadable] == ["cat.wav"] and found.loudness.rendered == 4
    (made.folder / "scenes.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"scenes.parquet cannot be read"):
        SceneSet.open(tmp_path / "s").report()
    with pytest.raises(ConfigError, match="0 scenes or more"):
        made.report(rendered=-1)


def test_a_set_without_a_single_scene(tmp_path: Path, bank: RoomBank) -> None:
    gone = Clip("gone", str(tmp_path / "gone.wav"), ("a cat",), "tiny", "test", "CC0", 1.0)
    found = make_scenes(tmp_path / "s", [gone], bank, scenes=3, recipe=SHORT).report()
    assert (found.scenes, found.asked, found.loudness.rendered, found.captions.captions) == (0, 3, 0, 0)
    assert found.lines()[0] == "no scene of 3 could be made" and len(found.lines()) == 2


def test_a_tone_is_a_line_in_its_band() -> None:
    t = np.arange(RATE) / RATE
    low, high = (log_mel(np.sin(2 * np.pi * hz * t).astype(np.float32), RATE) for hz in (200.0, 5000.0))
    assert low.shape[0] == 64 and low.shape[1] <= 240
    assert np.ptp(low.argmax(axis=0)[:-2]) == 0 and low.mean(axis=1).argmax() + 20 < high.mean(axis=1).argmax()
