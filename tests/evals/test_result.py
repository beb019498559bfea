"""Result files: what is written is read back, and nothing is left half written."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from open_elsa.errors import DataError
from open_elsa.evals import result as results
from open_elsa.evals.metrics import Interval
from open_elsa.evals.result import Result, load_items, load_results, versions

RESULT = Result(
    task="zero_shot",
    suite="simulated",
    metrics={"direction.accuracy": 0.97, "nothing": math.nan},
    n=3,
    protocol="as the paper",
    intervals={"direction.accuracy": Interval(0.9, 0.99)},
    model={"name": "m", "weights_sha256": "ab"},
    data_revision="r1",
    versions={"python": "3"},
    seconds=1.5,
    made_at="2026-11-24T12:00:00+00:00",
    details={"counts": [[1, 2], [3, 4]]},
    items={"id": ["a", "b", "c"], "right": [True, False, None]},
)


def test_json_round_trip_keeps_everything_but_items_and_turns_nan_to_null() -> None:
    text = RESULT.to_json()
    assert json.loads(text)["metrics"]["nothing"] is None and "items" not in json.loads(text)
    back = Result.from_json(text)
    assert math.isnan(back.metrics["nothing"])
    kept = {**back.metrics, "nothing": 0.0}
    assert replace(back, metrics=kept) == replace(RESULT, metrics={**RESULT.metrics, "nothing": 0.0}, items={})


def test_save_writes_items_beside_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = RESULT.save(tmp_path / "new")
    assert path.name == "simulated.zero_shot.json"
    assert sorted(p.name for p in path.parent.iterdir()) == ["simulated.zero_shot.items.parquet", path.name]
    assert load_items(path.parent, RESULT.name) == {"id": ["a", "b", "c"], "right": [True, False, None]}
    assert [r.name for r in load_results(path.parent)] == ["simulated.zero_shot"]
    assert load_items(path.parent, "simulated.other") is None


def test_a_failed_write_keeps_the_old_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = RESULT.save(tmp_path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.pq, "write_table", full)
    with pytest.raises(DataError, match="No space"):
        replace(RESULT, n=4).save(tmp_path)
    assert path.read_bytes() == before and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "metrics": {}}'])
def test_other_files_are_refused_with_their_name(text: str) -> None:
    with pytest.raises(DataError, match=r"here\.json"):
        Result.from_json(text, "here.json")


def test_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="elsa eval"):
        load_results(tmp_path)


def test_versions_name_what_computes() -> None:
    assert {"python", "torch", "numpy"} <= set(versions())
