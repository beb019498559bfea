"""`elsa eval --corpus`: a data set of spatial recordings from the command line to the page of results."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "using"))

from fake import FakeModel

from open_elsa.using import embedder as embedder_module
from open_elsa.using.embedder import Embedder
from tests.corpora import trees

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder_module, "load", lambda where=None, device="cpu": Embedder(FakeModel()))


def test_a_data_set_is_measured_and_reported(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "results"
    words = ("eval", trees.starss(tmp_path / "STARSS23"), "--corpus", "starss23", "--split", "dev-train", "--out", out)
    code, text, err = run(*words, "--task", "localization", "--task", "seld", "--threshold", -1, "--json")
    assert code == 0, err
    where, seld = json.loads(text)
    assert where["suite"] == seld["suite"] == "starss23-dev-train" and where["task"] == "localization"
    # of two places half a second each is alone; the other, 0.2 + 0.2 s, is too short
    assert where["metrics"]["direction.n"] == 1 and where["metrics"]["direction.mean_deg"] < 1.0
    assert where["metrics"]["direction.sony.n"] == 1
    said = "elsa eval STARSS23 --corpus starss23 --split dev-train --task localization --task seld --threshold -1"
    assert where["command"] == seld["command"] == said
    assert seld["n"] == 1 and {"dcase2022.er", "dcase2022.macro.f", "dcase2024.micro.f"} <= set(seld["metrics"])
    assert (out / "starss23-dev-train.seld.items.parquet").is_file()
    code, _, err = run("eval", "--out", out, "--docs", tmp_path / "docs")
    page = (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")
    assert code == 0 and "## starss23-dev-train: seld" in page and "| dcase2022.macro.le_deg |" in page, err
    # --overlapping takes the other place too, of which a part is not alone
    code, text, _ = run(*words, "--task", "localization", "--overlapping", "--json")
    assert code == 0 and json.loads(text)[0]["metrics"]["direction.n"] == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("simulated", "--overlapping"), 2, "go with --corpus"),
        (("simulated", "--threshold", "0.1"), 2, "go with --corpus"),
        (("simulated", "--split", "dev-test"), 2, "--split is test or val, not 'dev-test'"),
        ((".", "--corpus", "starss99"), 1, "no data set called 'starss99'"),
        ((".", "--corpus", "esc50"), 1, "clips without a place"),
        ((".", "--corpus", "starss23"), 1, "neither foa_dev nor foa_eval"),
        ((".", "--corpus", "starss23", "--task", "retrieval"), 1, "choose from zero_shot, localization"),
    ],
)
def test_what_is_wrong_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, err = run("eval", *words, "--out", "results")
    assert found == code and says in err and not (tmp_path / "results").exists()
