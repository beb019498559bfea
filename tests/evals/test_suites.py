"""Suites: the same set every time, everything rendered and embedded once, results on disk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from open_elsa.errors import ConfigError, DataError
from open_elsa.evals import sets, suites
from open_elsa.evals.baselines import onset_least_diffuse
from open_elsa.evals.eight_way import COMPASS as EIGHT_AT
from open_elsa.evals.headline import HEADLINE
from open_elsa.evals.result import load_items, load_results
from open_elsa.scenes.attributes import DIRECTION
from open_elsa.scenes.drawing import apart
from open_elsa.scenes.rooms import simulate
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.sound import foa
from open_elsa.sound.audio import Sound


class Ears:
    """Locates by the hand-made estimator and has a vector for nothing in particular."""

    name = "ears"

    def __init__(self) -> None:
        self.heard = 0

    def analyse(self, sounds: Sequence[Sound], /) -> list[SimpleNamespace]:
        self.heard += len(sounds)
        return [self._one(sound) for sound in sounds]

    def _one(self, sound: Sound) -> SimpleNamespace:
        vector = np.full(8, 8**-0.5, dtype=np.float32)
        if not sound.is_spatial:
            return SimpleNamespace(embedding=vector, location=SimpleNamespace())
        azimuth, elevation = foa.angles(onset_least_diffuse(sound.samples, sound.sample_rate))
        place = SimpleNamespace(azimuth_deg=float(azimuth), elevation_deg=float(elevation), distance_m=1.0)
        return SimpleNamespace(embedding=vector, location=place)

    def embed_text(self, texts: Any, /) -> np.ndarray:  # type: ignore[type-arg]
        return np.full((len(texts), 8), 8**-0.5, dtype=np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three labelled clips and one measured room of two places, at 16 kHz."""
    root, rng = tmp_path / "data", np.random.default_rng(0)
    root.mkdir()
    lines = ["path,caption,label,split,licence"]
    for label in ("dog", "rain", "bell"):
        samples = rng.standard_normal(8000) * np.exp(-np.arange(8000) / 1500)
        soundfile.write(root / f"{label}.wav", 0.3 * samples, 16_000)
        lines.append(f"{label}.wav,the sound of a {label},{label},test,CC0")
    (root / "captions.csv").write_text("\n".join(lines) + "\n")
    folder = root / "measured-rooms" / "Lab075"
    folder.mkdir(parents=True)
    rows = ["file,azimuth_deg,elevation_deg,distance_m"]
    room = Room("r", (5.0, 4.0, 3.0), (0.6,) * 8, (2.0, 2.0, 1.5))
    for name, azimuth in (("a", 90.0), ("b", 180.0)):
        made = simulate(room, SourcePosition(azimuth, 0.0, 1.2), rng, 16_000)
        response = np.roll(made.response, 160 - round(made.arrival_s * 16_000), axis=1)
        soundfile.write(folder / f"{name}.wav", 0.9 * (response / abs(response).max()).T, 16_000, subtype="FLOAT")
        rows.append(f"{name}.wav,{azimuth},0,1.2")
    (folder / "positions.csv").write_text("\n".join(rows) + "\n")
    return root


def test_measured_suite_end_to_end(data: Path, tmp_path: Path) -> None:
    ears = Ears()
    results = suites.run_suite(
        ears, "measured", tmp_path / "out", data, tasks=["localization", "baselines", "classes"], cache=tmp_path / "c"
    )
    assert [r.name for r in results] == ["measured.localization", "measured.baselines", "measured.classes"]
    assert ears.heard == 2 * 3 + 3  # two places x three clips, and the clips alone
    where = results[0].metrics
    assert where["direction.Lab.n"] == 6 and where["direction.mean_deg"] < 12
    assert results[1].metrics["onset_least_diffuse.mean_deg"] == pytest.approx(where["direction.mean_deg"])
    assert results[2].metrics["chance"] == pytest.approx(1 / 3)
    saved = load_results(tmp_path / "out")
    assert len(saved) == 3 and all(r.command.startswith("elsa eval measured --task loc") for r in saved)
    items = load_items(tmp_path / "out", "measured.localization")
    assert items is not None and len(items["id"]) == 6
    # again: the same scenes, and the same numbers
    # the states of one room are one room, whatever is split by room
    heard = list(suites.measured(data, tmp_path / "c").items())
    assert {i.room for i in heard} == {"Lab"} and {i.place for i in heard} == {"Lab075/a", "Lab075/b"}
    again = suites.run_suite(Ears(), "measured", tmp_path / "o2", data, tasks=["localization"], cache=tmp_path / "c")
    assert again[0].metrics == saved[[r.task for r in saved].index("localization")].metrics
    assert again[0].data_revision == results[0].data_revision


def test_simulated_suite_is_the_same_set_in_any_cache(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "QUICK_ROOMS", 2)
    monkeypatch.setattr(sets, "QUICK_PLACES", 2)
    one = suites.simulated(data, tmp_path / "one", quick=True)
    two = suites.simulated(data, tmp_path / "two", quick=True)
    assert len(one) == 4 and one.revision == two.revision
    first, second = next(one.items()), next(two.items())
    assert np.array_equal(first.samples, second.samples) and first.id == second.id
    assert suites.simulated(data, tmp_path / "one", quick=True, seed=5).revision != one.revision


def test_validation_has_clips_rooms_and_names_of_its_own(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "QUICK_ROOMS", 2)
    monkeypatch.setattr(sets, "QUICK_PLACES", 2)
    table = data / "captions.csv"
    table.write_text(table.read_text() + "dog.wav,the sound of a cat,cat,val,CC0\nbell.wav,a siren,siren,val,CC0\n")
    test, val = (suites.simulated(data, tmp_path / "c", quick=True, split=split) for split in ("test", "val"))
    assert {i.label for i in test.items()} <= {"dog", "rain", "bell"} and {i.label for i in val.items()} == {
        "cat",
        "siren",
    }
    rooms = [[s.scenes.truth(i)["room_id"] for i in range(len(s))] for s in (test, val)]
    areas = [{s.scenes.truth(i)["floor_area_m2"] for i in range(len(s))} for s in (test, val)]
    assert rooms[0] and not areas[0] & areas[1]
    results = suites.run_suite(Ears(), "mono", tmp_path / "out", data, split="val")
    assert {r.name for r in results} == {"mono-val.retrieval", "mono-val.classes"}
    assert "2 val clips" in results[0].protocol and results[0].command == "elsa eval mono --split val"
    for name in ("measured", str(data)):
        with pytest.raises(ConfigError, match="no validation part"):
            suites.run_suite(Ears(), name, tmp_path / "out", data, split="val")


@pytest.fixture
def long_clips(data: Path) -> Path:
    """The same with clips that sound for more than three seconds, in quick rooms that are few."""
    rng = np.random.default_rng(1)
    for label in ("dog", "rain"):
        soundfile.write(data / f"{label}.wav", 0.2 * rng.standard_normal(64_000), 16_000)
    return data


def test_eight_is_the_simulated_suite_turned_evenly_round_the_circle(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "QUICK_ROOMS", 4)
    monkeypatch.setattr(sets, "QUICK_PLACES", 4)
    turned = sets.eight(data, tmp_path / "c", quick=True)
    straight = suites.simulated(data, tmp_path / "c", quick=True)
    assert turned.name == "eight" and len(turned) == len(straight) == 16
    nearest = [EIGHT_AT[round(float(a) / 45.0) % 8] for a in turned.azimuths_deg()]
    assert all(nearest.count(word) == 2 for word in EIGHT_AT)  # each of the eight once in every eight scenes
    for one, other in zip(turned.items(), straight.items(), strict=True):
        was, now = (float(item.truth["azimuth_deg"] or 0.0) for item in (other, one))
        assert np.allclose(one.samples, foa.rotate(other.samples, foa.rotation_matrix(now - was)), atol=1e-6)
        heard, there = (onset_least_diffuse(item.samples, item.sample_rate) for item in (one, other))
        back = foa.rotation_matrix(now - was) @ there
        assert foa.angular_error_deg(heard, back) < 1.0  # the sound itself turns with the truth
        assert one.words.direction == DIRECTION.word_for(now) and one.words.elevation == other.words.elevation
        assert not one.captions and one.place == other.place
    assert turned.revision == sets.eight(data, tmp_path / "c2", quick=True).revision != straight.revision
    results = suites.run_suite(Ears(), "eight", tmp_path / "out", data, quick=True, cache=tmp_path / "c")
    assert results == []  # two scenes of each direction are too few to say anything


def test_two_sources_stand_apart_and_the_first_is_louder(
    long_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "QUICK_ROOMS", 3)
    monkeypatch.setattr(sets, "QUICK_PLACES", 4)
    made = sets.two(long_clips, tmp_path / "c", quick=True)
    assert 3 <= len(made) <= 6 and "two of 2 test clips" in made.about  # the bell is too short to take part
    for i, item in enumerate(made.items()):
        louder, other = made.scenes.truth(i)["sources"]
        assert {louder["label"], other["label"]} == {"dog", "rain"} and item.label == louder["label"]
        assert 3.0 <= louder["level_dbfs"] - other["level_dbfs"] <= 12.0
        assert item.more["other_below_db"] == pytest.approx(louder["level_dbfs"] - other["level_dbfs"], abs=1e-3)
        assert item.more["other_azimuth_deg"] == other["azimuth_deg"]
        assert item.truth["azimuth_deg"] == louder["azimuth_deg"] and apart(louder, other) >= 45.0
    again = sets.two(long_clips, tmp_path / "c2", quick=True)
    assert again.revision == made.revision and np.array_equal(next(again.items()).samples, next(made.items()).samples)
    (result,) = suites.run_suite(Ears(), "two", tmp_path / "out", long_clips, quick=True, cache=tmp_path / "c")
    # the ears locate by a hand-made estimator, whose numbers stand beside theirs
    assert result.name == "two.two_sources" and result.command == "elsa eval two --quick"
    assert result.metrics["louder.mean_deg"] == pytest.approx(result.metrics["onset_least_diffuse.mean_deg"], abs=1e-6)


def test_two_sources_need_clips_that_last(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "QUICK_ROOMS", 1)
    monkeypatch.setattr(sets, "QUICK_PLACES", 2)
    with pytest.raises(DataError, match="sound for 3 s; the split test has 0"):
        sets.two(data, tmp_path / "c", quick=True)


def test_every_task_is_asked_somewhere_and_every_row_has_a_task() -> None:
    kinds = {*suites.SUITES, "folder"}
    for name, task in suites.TASKS.items():
        assert set(task.suites) <= kinds
        assert task.suites or name == "left_out"  # of models that left classes out: asked only where it is named
    rows = [row.result for row in HEADLINE if not row.result.startswith("benchmark.")]
    for name in rows:
        suite, _, task = name.partition(".")
        assert suite in suites.TASKS[task].suites, name


def test_mono_suite_reads_the_test_clips_as_mono(data: Path, tmp_path: Path) -> None:
    results = suites.run_suite(Ears(), "mono", tmp_path / "out", data)
    assert {r.name for r in results} == {"mono.retrieval", "mono.classes"}
    # one vector for everything: the first class wins every time
    assert results[-1].metrics["mono.accuracy"] == pytest.approx(1 / 3)


def test_a_task_that_the_set_cannot_do_is_left_out_unless_it_was_named(data: Path, tmp_path: Path) -> None:
    # six scenes at two places hold no five of every class
    run = partial(suites.run_suite, Ears(), "measured", tmp_path / "out", data, quick=True, cache=tmp_path / "c")
    assert [r.task for r in run()] == ["retrieval", "localization", "baselines", "classes"]
    assert {r.task for r in load_results(tmp_path / "out")} == {"retrieval", "localization", "baselines", "classes"}
    with pytest.raises(DataError, match="can test no attribute"):
        run(tasks=["zero_shot"])


def test_wrong_names_say_what_there_is(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="simulated, eight, two, measured, mono"):
        suites.run_suite(Ears(), "nonsense", tmp_path, data)
    with pytest.raises(ConfigError, match="zero_shot"):
        suites.run_suite(Ears(), "mono", tmp_path, data, tasks=["dance"])
    with pytest.raises(ConfigError, match="data folder"):
        suites.run_suite(Ears(), "mono", tmp_path)
    with pytest.raises(DataError, match="measured rooms"):
        suites.measured(tmp_path, tmp_path / "c")


def test_states_of_one_room_are_one_family() -> None:
    assert [suites.family(n) for n in ("Lab025", "LabRB", "Vislab", "MainChurch")] == [
        "Lab",
        "Lab",
        "Vislab",
        "MainChurch",
    ]
