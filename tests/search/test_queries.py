from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fake import FakeModel

from open_elsa.errors import AudioError, DataError
from open_elsa.search import queries
from open_elsa.search import scores as scores_module
from open_elsa.search.index import Index
from open_elsa.search.scores import Calibration, percentile
from open_elsa.sound import audio, foa
from open_elsa.using import edit
from open_elsa.using.embedder import Embedder


@pytest.fixture
def index(folder: Path, embedder: Embedder) -> Index:
    return Index.build(folder, embedder)


def unit(x: Any) -> np.ndarray:
    return np.asarray(x) / np.linalg.norm(x)


def test_text_minus_text_is_the_difference(index: Index, embedder: Embedder) -> None:
    a, b = embedder.embed_text(["a low tone", "a high tone"])
    (hit,) = index.search("a low tone", minus="a high tone", k=1)
    expected = index.vectors @ unit(a - queries.MINUS * b)
    assert hit.score == pytest.approx(expected.max(), abs=1e-5)
    high = {h.file: h.score for h in index.search("a low tone")}["high.wav"]
    assert {h.file: h.score for h in index.search("a low tone", minus="a high tone")}["high.wav"] < high - 0.1
    with pytest.raises(DataError, match="nothing is left"):
        queries.without(a, a / np.float32(queries.MINUS))
    with pytest.raises(DataError, match="not a vector"):
        index.search(vector=a, minus="b")


def test_moving_exchanges_the_direction(index: Index, embedder: Embedder, folder: Path) -> None:
    directions = edit.Directions.of(embedder)
    heard = embedder.embed_audio(folder / "low.wav")
    for to, azimuth in (("on my right", -90.0), (30.0, 30.0)):
        expected = (index.vectors @ directions.move(heard, azimuth)[0]).max()
        assert index.search(audio=folder / "low.wav", move_to=to)[0].score == pytest.approx(expected, abs=1e-5)
    said = embedder.embed_text("a low tone")
    expected = (index.vectors @ directions.move(said, 90.0, as_said=True)[0]).max()
    assert index.search("a low tone", move_to="on the left")[0].score == pytest.approx(expected, abs=1e-5)
    for wrong in ("a dog", float("nan")):
        with pytest.raises(DataError):
            index.search("x", move_to=wrong)


def test_what_and_where_are_compared_apart(index: Index) -> None:
    """The stand-in keeps where in its last four columns, as elsa-small does in its last 192."""
    query = index.embedder.embed_text("a low tone")[0]
    for about, part in (("what", slice(None, -4)), ("where", slice(-4, None))):
        rows = index.vectors[:, part]
        expected = rows @ unit(query[part]) / np.linalg.norm(rows, axis=1)
        hits = index.search("a low tone", about=about)
        assert hits[0].score == pytest.approx(expected.max(), abs=1e-5)
    assert index.search("x", about="what")[0].score != index.search("x")[0].score
    with pytest.raises(DataError, match="both, what or where"):
        index.search("x", about="when")
    with pytest.raises(DataError, match="nothing of where"):
        index.search(vector=np.eye(16, dtype=np.float32)[0], about="where")


def test_what_and_where_of_models_that_mix_them(folder: Path) -> None:
    embedder = Embedder(FakeModel(where_dim=0))
    index = Index.build(folder, embedder)
    basis = edit.Directions.of(embedder).basis
    query = embedder.embed_text("a low tone")[0].astype(np.float64)
    inside = index.vectors @ basis.T
    expected = (inside @ unit(query @ basis.T) / np.linalg.norm(inside, axis=1)).max()
    assert index.search("a low tone", about="where")[0].score == pytest.approx(expected, abs=1e-4)
    rest = index.vectors - inside @ basis
    expected = (rest @ unit(query - basis.T @ (basis @ query)) / np.linalg.norm(rest, axis=1)).max()
    assert index.search("a low tone", about="what")[0].score == pytest.approx(expected, abs=1e-4)
    with pytest.raises(DataError, match="needs the model"):
        Index.open(folder).search(vector=query, about="what")


def test_scores_that_mean_something(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(h.probability is None for h in index.search("a low tone")), "these weights were never calibrated"
    curve = Calibration(slope=10.0, offset=-5.0)
    monkeypatch.setattr(scores_module, "calibration", lambda weights, about: curve)
    hits = index.search("a low tone", k=3)
    for hit in hits:
        assert hit.probability == pytest.approx(1 / (1 + np.exp(5.0 - 10.0 * hit.score)))
    for changed in ({"minus": "rain"}, {"move_to": "on the left"}):
        assert index.search("a low tone", **changed)[0].probability is None
    scores = index.vectors @ index.embedder.embed_text("a low tone")[0]
    assert hits[2].percentile == pytest.approx(100 * np.mean(scores < np.float32(hits[2].score)))
    assert percentile(np.array([0.1, 0.2, 0.3], np.float32), 0.2) == pytest.approx(100 / 3)


def test_several_windows_of_a_file_do_not_overlap(tmp_path: Path, embedder: Embedder, sine: Any) -> None:
    (tmp_path / "long").mkdir()
    audio.write(tmp_path / "long" / "a.wav", foa.encode(sine(400, 9.0), 90), 16000)
    index = Index.build(tmp_path / "long", embedder)
    hits = index.search("a low tone", per_file=3)
    assert len(hits) == 3 and len(index) == 8
    for i, hit in enumerate(hits):
        assert all(hit.end_s <= h.start_s or hit.start_s >= h.end_s for h in hits[:i])
    assert len(index.search("a low tone", per_file=3, k=2)) == 2
    with pytest.raises(DataError, match="per_file"):
        index.search("x", per_file=0)


def test_rows_are_enough_for_a_map(index: Index) -> None:
    rows = index.rows()
    assert len(rows) == len(index.vectors) and "vector" not in rows.column_names
    assert {"file", "start_s", "end_s", "azimuth_deg", "distance_m", "is_spatial"} <= set(rows.column_names)


def test_a_snippet_is_the_window_as_it_is(index: Index, folder: Path, tmp_path: Path, sine: Any) -> None:
    hit = index.search("a low tone", k=1)[0]
    path = index.snippet(hit, tmp_path / "s.wav")
    got, rate = soundfile.read(path, always_2d=True, dtype="float32")
    whole, _ = soundfile.read(folder / "low.wav", always_2d=True, dtype="float32")
    assert rate == 16000 and np.array_equal(got, whole[round(hit.start_s * rate) : round(hit.end_s * rate)])
    with pytest.raises(AudioError, match="exists"):
        index.snippet(hit, path)
    with pytest.raises(DataError, match=r"\.wav"):
        index.snippet(hit, tmp_path / "s.mp3")
    stereo = np.stack([sine(4500, 1.0), 0.5 * sine(4500, 1.0)])
    audio.write(folder / "two.wav", stereo, 16000)
    again = Index.build(folder, index.embedder)
    two = next(h for h in again.search("a high tone") if h.file == "two.wav")
    assert soundfile.info(again.snippet(two, tmp_path / "two-s.wav")).channels == 2
    audio.write(folder / "low.wav", foa.encode(sine(400, 0.6), 90), 16000, overwrite=True)
    with pytest.raises(AudioError, match="changed"):
        index.snippet(hit, tmp_path / "t.wav")
