"""Tables come from result files alone and land between the markers."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from eval_fakes import FakeSet, Perfect, spatial_items

from open_elsa.errors import DataError
from open_elsa.evals import baselines, localization, report, zero_shot
from open_elsa.evals.observe import observe
from open_elsa.evals.result import Result


@pytest.fixture
def results(tmp_path: Path) -> Path:
    embedder = Perfect(spatial_items(64), turned_deg=10.0)
    seen = observe(embedder, FakeSet(embedder.rows, name="simulated"), estimate=baselines.estimate)
    for result in (zero_shot.run(embedder, seen), localization.run(seen), baselines.run(seen)):
        result.save(tmp_path / "results")
    return tmp_path / "results"


def test_report_fills_readme_and_docs_and_draws(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nstale words\n{report.END}\nafter\n")
    written = report.write_report(results, readme=readme, docs=tmp_path / "docs")
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stale words" not in text
    assert "| direction, mean error | simulated rooms never trained on | ≤ 4.5°, missed | **5.4°** |" in text
    assert "plain intensity" in text and "onset-weighted" in text and "**100.0 %**" in text and "chance 25.0 %" in text
    images = [p for p in written if p.suffix == ".png"]
    assert len(images) == 4 and all(p.stat().st_size > 2000 for p in images)
    page = (tmp_path / "docs" / "results.md").read_text()
    assert all(f"assets/results/{p.name}" in page for p in images)
    # running it again changes nothing
    report.write_report(results, readme=readme, docs=tmp_path / "docs")
    assert readme.read_text() == text and (tmp_path / "docs" / "results.md").read_text() == page


def test_errors_by_bin_and_class_are_tables_of_the_page(results: Path) -> None:
    page = report.full(report.load_results(results))
    assert "<summary>Errors by bin</summary>" in page and "<summary>Errors by sound class, the hardest first" in page
    # the fake's 64 scenes stand at four azimuths; it knows distances, so their error is nothing
    assert "| azimuth -90 to -45° | 16 |" in page and "| distance 0.5 to 1 m | 32 |" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| DRR 0 to 5 dB |")]
    assert row.split("|")[2].strip() == "64" and row.rstrip(" |").endswith("0 dB")
    assert page.count("| rain | 21 |") == 1


def test_a_number_of_others_stands_beside_ours() -> None:
    result = Result("zero_shot", "measured", {"direction.accuracy": 0.99}, 40, "")
    (row,) = [line for line in report.headline([result]).splitlines() if "**" in line and line.startswith("|")]
    assert row.endswith("| ELSA's paper 35.8 % on 70 recordings of its own |") and "missed" not in row


def test_a_file_without_markers_is_left_alone(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("mine")
    with pytest.raises(DataError, match="results:begin"):
        report.write_report(results, readme=readme)
    assert readme.read_text() == "mine"


def test_every_row_stands_there_measured_or_not() -> None:
    table = report.headline([])
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(report.HEADLINE) and all(report.NOT_MEASURED in row for row in rows)
    assert "≤ 4.5°" in table and "≥ 98 %" in table and "≤ 1e-05" in table and "make results" in table
    assert "≥ -0.5 points" in table  # a bar below zero is a bar like others


@pytest.mark.parametrize(("value", "missed"), [(0.979, True), (0.98, False), (float("nan"), True)])
def test_a_row_under_its_bar_is_shown_and_marked(value: float, missed: bool) -> None:
    result = Result("zero_shot", "simulated", {"direction.accuracy": value}, 40, "")
    (row,) = [line for line in report.headline([result]).splitlines() if "direction in words" in line and "**" in line]
    assert ("≥ 98 %, missed" in row) == missed and report.show(value, "%") in row


def test_one_table_is_of_one_model(results: Path) -> None:
    loaded = report.load_results(results)
    with pytest.raises(DataError, match="2 models"):
        report.headline([loaded[0], replace(loaded[1], model={"name": "other", "weights_sha256": "11"})])


def test_a_quick_look_says_so(results: Path) -> None:
    loaded = report.load_results(results)
    assert "quick look" not in report.headline(loaded)
    assert "quick look" in report.headline([replace(loaded[0], command="elsa eval simulated --quick")])


def test_the_card_gets_the_results_of_its_own_weights(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "README.md").write_text("# m\n\n## Results\n\nNot evaluated yet.\n\n## Licence\n\nfree\n")
    (folder / "model.safetensors").write_bytes(b"weights")
    before = (folder / "README.md").read_text()
    with pytest.raises(DataError, match="00ff"):  # measured with other weights
        report.write_report(results, card=folder)
    assert (folder / "README.md").read_text() == before
    digest = hashlib.sha256(b"weights").hexdigest()
    for result in report.load_results(results):
        replace(result, model={"name": "m", "weights_sha256": digest}).save(results)
    assert report.write_report(results, card=folder) == [folder / "README.md"]
    text = (folder / "README.md").read_text()
    assert "**5.4°**" in text and "Not evaluated" not in text and text.endswith("## Licence\n\nfree\n")
    assert (folder / "model.safetensors").read_bytes() == b"weights"


def test_results_name_the_model_and_how_the_set_was_made(results: Path) -> None:
    (result,) = [r for r in report.load_results(results) if r.task == "localization"]
    assert result.model == {"name": "perfect", "weights_sha256": "00ff"}
    assert result.protocol.startswith("Made up. Great-circle")


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("direction.accuracy", 0.975, "97.5 %"),
        ("direction.mean_deg", 6.54, "6.5°"),
        ("distance.median_m", 0.314, "0.314 m"),
        ("distance.median_relative", 0.2, "20.0 %"),
        ("direction.recall.front", 1.0, "100.0 %"),
        ("t2a.R@10", 0.5, "50.0 %"),
        ("lost_points", 1.25, "1.2 points"),
        ("direction.n", 1200.0, "1200"),
        ("direction.mean_deg", float("nan"), "–"),
        ("paper.change_R@10_points", -0.24, "-0.2 points"),
        ("louder.picked", 0.9, "90.0 %"),
    ],
)
def test_numbers_for_people(metric: str, value: float, text: str) -> None:
    assert report.show(value, report.unit_of(metric)) == text
