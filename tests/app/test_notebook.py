"""The tutorial notebook runs from start to end, offline, and what it says of its results is true of them."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from open_elsa.sound import audio, foa

ROOT = Path(__file__).parents[2]

#: Run after the last cell, in the notebook's own kernel: what its variables hold, for the tests to judge.
TELL = """
import dataclasses, json

def plain(hits):
    return [dataclasses.asdict(hit) for hit in hits]

Path("told.json").write_text(json.dumps({
    "lengths": [float(np.linalg.norm(v)) for v in (*sounds, *words)],
    "located": [dataclasses.asdict(at) for at in (at_bird, at_horse)],
    "descriptions": [dataclasses.asdict(d) for d in descriptions],
    "agreement": agreement.tolist(),
    "files": index.files,
    "said": plain(said), "on_the_right": plain(on_the_right),
    "where_only": plain(where_only), "what_only": plain(what_only),
    "as_it_is": plain(as_it_is), "moved": plain(moved), "turned": plain(turned),
    "points": [dataclasses.asdict(point) for point in track.points],
    "kept": str(kept),
}))
"""


@pytest.fixture(scope="module")
def tour() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tour_page", ROOT / "tools" / "tour_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Ran:
    """The notebook after a run in an empty folder: its cells, the folder, and what its variables held."""

    def __init__(self, tour: ModuleType, folder: Path) -> None:
        import nbformat

        notebook = tour.read()
        notebook.cells.append(nbformat.v4.new_code_cell(TELL))
        self.notebook = tour.run(notebook, folder)
        self.folder = folder
        self.told: dict[str, Any] = json.loads((folder / "told.json").read_text())
        notebook.cells.pop()

    def files(self, name: str) -> list[str]:
        return [hit["file"] for hit in self.told[name]]


@pytest.fixture(scope="module")
def ran(tour: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")  # where nothing listens: a download fails
        return Ran(tour, tmp_path_factory.mktemp("tour"))


def error_deg(at: dict[str, Any], azimuth_deg: float) -> float:
    heard = foa.unit_vector(at["azimuth_deg"], at["elevation_deg"])
    return float(foa.angular_error_deg(heard, foa.unit_vector(azimuth_deg, 0.0)))


def test_it_lies_in_the_repository_without_outputs(tour: ModuleType) -> None:
    notebook = tour.read()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 10
    for cell in code:
        assert cell.outputs == [] and cell.execution_count is None, "clear all outputs before you commit it"
    assert notebook.cells[0].cell_type == "markdown" and len((ROOT / "examples/tutorial.ipynb").read_bytes()) < 40_000


def test_it_warns_of_nothing(ran: Ran) -> None:
    for cell in ran.notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.text


def test_places_are_as_said(ran: Ran) -> None:
    for at, azimuth_deg in zip(ran.told["located"], (90, 180), strict=True):
        assert error_deg(at, azimuth_deg) < 10, "directions are right to a few degrees"
        assert 1.0 < at["distance_m"] < 4.0 and 10 < at["floor_area_m2"] < 120, "distance is rougher"
        assert 0 < at["uncertainty_deg"] < 45 and 0.1 < at["t30_s"] < 0.8


def test_descriptions_name_the_sound_and_the_side(ran: Ran) -> None:
    for d, name, direction in zip(ran.told["descriptions"], ("bird", "horse"), ("left", "back"), strict=True):
        assert name in d["text"].lower() and any(name in tag for tag, _ in d["tags"])
        assert d["words"]["direction"] == direction


def test_the_right_sentence_agrees_best(ran: Ran) -> None:
    assert ran.told["lengths"] == pytest.approx([1.0] * 6, abs=1e-4)
    agreement = np.array(ran.told["agreement"])
    assert agreement.shape == (2, 4) and agreement.argmax(1).tolist() == [0, 3]
    assert (np.sort(agreement, 1)[:, -1] - np.sort(agreement, 1)[:, -2]).min() > 0.05, "and not by a hair"


def test_searches_find_what_the_text_says_they_do(ran: Ran) -> None:
    assert len(ran.told["files"]) == 6
    assert ran.files("said")[0] == "bird-right.flac" and len(ran.told["said"]) == 3
    likely = [hit["probability"] for hit in ran.told["said"]]
    assert likely == sorted(likely, reverse=True) and likely[0] > 0.9, "the shipped weights' scores are calibrated"
    assert sorted(ran.files("on_the_right")) == ["bird-right.flac", "lion-right.flac"]
    assert all(-135 <= hit["azimuth_deg"] <= -45 for hit in ran.told["on_the_right"])
    assert sorted(ran.files("where_only")) == ["bird-left.flac", "engine-left.flac"]
    assert sorted(ran.files("what_only")) == ["bird-left.flac", "bird-right.flac"]
    assert (ran.files("as_it_is"), ran.files("moved")) == (["bird-left.flac"], ["bird-right.flac"])
    assert ran.files("turned") == ["bird-left.flac"]


def test_the_track_goes_from_left_to_behind_to_right(ran: Ran) -> None:
    points = ran.told["points"]
    for start_s, azimuth_deg in ((0, 90), (4, 180), (8, -90)):
        inside = [p for p in points if start_s <= p["start_s"] and p["end_s"] <= start_s + 4]
        loudest = max(inside, key=lambda p: p["level_db"])
        assert error_deg(loudest["location"], azimuth_deg) < 25, "a crowd is less exact a place than a bird"
    assert (ran.folder / "walk.png").read_bytes().startswith(b"\x89PNG")


def test_the_snippet_is_the_window_found(ran: Ran) -> None:
    kept = audio.read(ran.folder / ran.told["kept"])
    whole = audio.read(ran.folder / "elsa-tour" / "bird-right.flac")
    hit = ran.told["said"][0]
    start, stop = (round(hit[name] * whole.sample_rate) for name in ("start_s", "end_s"))
    np.testing.assert_allclose(kept.samples, whole.samples[:, start:stop], atol=1e-6)


def test_the_page_is_the_notebook_and_what_comes_out_of_it(tour: ModuleType, ran: Ran) -> None:
    current = tour.PAGE.read_text(encoding="utf-8")
    assert tour.without_outputs(current) == tour.page(tour.read()), "run python tools/tour_page.py"

    def said(page: str) -> str:  # numbers may differ in their last place from machine to machine, words may not
        return " ".join(re.findall("[A-Za-z]+", page))

    assert said(current) == said(tour.page(ran.notebook)), "run python tools/tour_page.py"
    (drawn,) = tour.pictures(ran.notebook)
    assert drawn.startswith(b"\x89PNG") and tour.PICTURE.is_file()
