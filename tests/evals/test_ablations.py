"""The table of ablations: known scores of known listeners, and a benchmark that goes on where it was."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from eval_fakes import FakeSet, Perfect, mono_items, spatial_items
from world import write_corpus

from open_elsa.errors import DataError
from open_elsa.evals import ablations, report, sets, suites
from open_elsa.evals.ablations import COLUMNS, Part, Row
from open_elsa.evals.observe import observe
from open_elsa.evals.result import Result
from open_elsa.sound import foa
from open_elsa.training.ablations import Ablation
from open_elsa.training.recipes import TrainConfig, elsa_tiny

ROOT = Path(__file__).parents[2]


def test_a_perfect_listener_has_every_score() -> None:
    scenes, mono = spatial_items(), mono_items()
    seen = observe(Perfect(scenes), FakeSet(scenes)), observe(Perfect(mono), FakeSet(mono, "mono"))
    found = ablations.scores(Perfect(scenes), *seen)
    assert set(found) == set(COLUMNS)
    assert found.pop("direction_deg") == pytest.approx(0, abs=1e-3)
    assert set(found.values()) == {1.0}
    assert set(ablations.scores(Perfect(scenes), *seen, words=False)) == {"direction_deg", "direction_4way"}


def test_directions_by_hand() -> None:
    said = foa.unit_vector([10.0, 50.0, -100.0, 180.0, 0.0], np.zeros(5))
    true = foa.unit_vector([0.0, 20.0, -90.0, -170.0, 90.0], np.zeros(5))
    found = ablations.direction_scores(said, true, ["front", "front", "right", "back", None])
    assert found["direction_deg"] == pytest.approx((10 + 30 + 10 + 10 + 90) / 5)
    assert found["direction_4way"] == 3 / 4  # 50 degrees are left; the fifth has no word
    silent = np.where(np.arange(5)[:, None] == 0, math.nan, said)
    found = ablations.direction_scores(silent, true, ["front", "front", "right", "back", None])
    assert found["direction_deg"] == pytest.approx(140 / 4) and found["direction_4way"] == 2 / 4
    with pytest.raises(DataError, match="no scene has both"):
        ablations.direction_scores(said, true, [None] * 5)


def test_estimators_by_hand_are_scored_alike() -> None:
    found = ablations.by_hand(FakeSet(spatial_items(24)))
    assert set(found) == {"mean_intensity", "band_intensity", "least_diffuse", "onset_least_diffuse"}
    assert found["mean_intensity"]["direction_4way"] > 0.5
    assert set(found["mean_intensity"]) == {"direction_deg", "direction_4way"}


def test_a_part_is_the_same_for_all() -> None:
    whole = FakeSet(spatial_items(25))
    part = Part(whole, 10)
    assert [item.id for item in part.items()] == [f"s{k}" for k in range(0, 25, 3)] and len(part) == 9
    assert Part(whole, 100).step == 1 and len({Part(whole, k).revision for k in (100, 25, 12, 5)}) == 3
    assert part.about.startswith("9 of 25 items, every 3th: Made up.")
    with pytest.raises(DataError, match="at least one"):
        Part(whole, 0)


def a_result() -> Result:
    rows = [
        Row("base", "all", {"0": {"direction_deg": 10.0, "naming_mono": 0.5}, "1": {"direction_deg": 14.0}}),
        Row("seldnet", "directions", {"0": {"direction_deg": 20.0}}),
    ]
    return ablations.result(rows, about="Few.", n=9, revision="r", command="c", seconds=1.0)


def test_the_table_has_means_and_ranges() -> None:
    made = a_result()
    assert made.name == "benchmark.ablations" and made.metrics["base.direction_deg"] == 12
    assert "seldnet.naming_mono" not in made.metrics
    lines = ablations.table(Result.from_json(made.to_json())).splitlines()
    assert lines[0] == "| row | what it is | runs | direction, mean error | 50-way name, mono |"
    assert lines[2] == "| base | all | 2 | 12.0° (10.0 to 14.0) | 50.0 % |"
    assert lines[3] == "| seldnet | directions | 1 | 20.0° | – |"
    assert ablations.table(made) in report.full([made])


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The benchmark with two tiny rows and a small suite."""
    spec = importlib.util.spec_from_file_location("ablations_benchmark", ROOT / "benchmarks" / "ablations.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def tiny() -> TrainConfig:
        last = elsa_tiny().stages[1]
        stage = dataclasses.replace(last, steps=1, batch_size=4, data=dataclasses.replace(last.data, seconds=0.5))
        return dataclasses.replace(elsa_tiny(), stages=(stage,), rooms=1, positions_per_room=2)

    rows = {"base": Ablation("all", tiny), "seldnet": Ablation("directions", tiny, says="direction")}
    monkeypatch.setattr(module, "ABLATIONS", rows)
    monkeypatch.setattr(module, "ablation", lambda name: rows[name])
    monkeypatch.setattr(sets, "ROOMS", 8)
    monkeypatch.setattr(sets, "PLACES", 4)
    monkeypatch.setattr(suites, "default_cache", lambda: tmp_path / "suites")
    monkeypatch.setattr(module, "TaggerBridge", lambda *_: Perfect(mono_items()))
    monkeypatch.setattr(module.scoring, "naming_scores", lambda *_: {"naming_mono": 0.5, "naming_rooms": 0.25})
    monkeypatch.setattr(module, "observe", _quiet(module.observe))
    return module


def _quiet(observe_all: object) -> object:
    """Observation of the real models; the stand-in for the bridge knows none of these sounds."""

    def run(model: object, data: object) -> object:
        return None if isinstance(model, Perfect) else observe_all(model, data)  # type: ignore[operator]

    return run


@pytest.mark.slow
def test_the_benchmark_trains_measures_and_goes_on(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_corpus(tmp_path / "data", ("train", "val"))
    words = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "results"), "--docs"]
    words += [str(tmp_path), "--workers", "0", "--seeds", "0"]
    assert bench.main(words) == 0
    made = Result.from_json((tmp_path / "results" / "benchmark.ablations.json").read_text())
    rows = {row["name"]: row["runs"] for row in made.details["rows"]}
    assert list(rows) == ["base", "seldnet", *(f"by hand: {n.replace('_', ' ')}" for n in bench.HAND_MADE), "bridge"]
    assert set(rows["base"]["0"]) == set(COLUMNS) and 0 < rows["base"]["0"]["direction_deg"] < 180
    assert set(rows["seldnet"]["0"]) == {"direction_deg", "direction_4way"}
    assert rows["by hand: onset least diffuse"]["–"]["direction_deg"] < 45
    assert not (tmp_path / "runs" / "base-seed0" / "state").exists()
    page = (tmp_path / "ablations.md").read_text()
    assert "| base | all | 1 |" in page and page.startswith("# Ablations")

    def again(*_: object, **__: object) -> None:
        pytest.fail("done twice")

    for name in ("train_recipe", "observe", "TaggerBridge"):
        monkeypatch.setattr(bench, name, again)
    assert bench.main(words) == 0  # everything was kept
    kept = tmp_path / "runs" / "base-seed0" / "scores.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "measured_on": "another part"}))
    with pytest.raises(pytest.fail.Exception, match="done twice"):
        bench.main(words)  # measured anew, from the checkpoint: it is observation that fails here
    (tmp_path / "runs" / "base-seed0" / "config.json").write_text("{}")
    with pytest.raises(DataError, match="another configuration"):
        bench.main(words)
