"""Tables come from result files alone and land between the markers."""

from __future__ import annotations

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
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    written = report.write_report(results, readme=readme, docs=tmp_path / "docs")
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| direction, mean error | simulated rooms never trained on | **5.4°** |" in text
    assert "intensity vector" in text and "**100.0 %**" in text and "chance 25.0 %" in text
    images = [p for p in written if p.suffix == ".png"]
    assert len(images) == 4 and all(p.stat().st_size > 2000 for p in images)
    page = (tmp_path / "docs" / "results.md").read_text()
    assert all(f"assets/results/{p.name}" in page for p in images)
    # running it again changes nothing
    report.write_report(results, readme=readme, docs=tmp_path / "docs")
    assert readme.read_text() == text and (tmp_path / "docs" / "results.md").read_text() == page


def test_a_file_without_markers_is_left_alone(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("mine")
    with pytest.raises(DataError, match="results:begin"):
        report.write_report(results, readme=readme)
    assert readme.read_text() == "mine"


def test_results_of_other_suites_do_not_make_a_headline() -> None:
    with pytest.raises(DataError, match="elsa eval"):
        report.headline([Result("x", "y", {}, 1, "")])


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
    ],
)
def test_numbers_for_people(metric: str, value: float, text: str) -> None:
    assert report.show(value, report.unit_of(metric)) == text
