"""One call for sentences and sounds, and vectors as Arrow tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from open_elsa.errors import DataError
from open_elsa.sound import audio
from open_elsa.sound.files import SUFFIXES
from open_elsa.using.embedder import Embedder
from open_elsa.using.encoding import embeddings_table

Sine = Callable[..., np.ndarray]


def test_each_by_its_type(embedder: Embedder, folder: Path, sine: Sine) -> None:
    array = (sine(1200, 1.0), 16000)
    mixed = embedder.encode(["a low tone", folder / "low.wav", "rain", array, audio.read(folder / "high.wav")])
    assert mixed.shape == (5, 16) and mixed.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(mixed[[0, 2]], embedder.embed_text(["a low tone", "rain"]))
    np.testing.assert_allclose(mixed[1], embedder.embed_audio(folder / "low.wav")[0], atol=1e-5)
    np.testing.assert_allclose(mixed[3], embedder.embed_audio([array])[0], atol=1e-5)
    for one in ("rain", folder / "low.wav", array, audio.read(folder / "low.wav")):
        assert embedder.encode(one).shape == (16,)
    assert embedder.encode([]).shape == (0, 16) and embedder.encode(["rain"]).shape == (1, 16)


def test_strings_that_may_be_files_are_refused(
    embedder: Embedder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "rain").touch()
    for text in (str(folder / "low.wav"), "nowhere.WAV", "rain", *(f"nowhere{suffix}" for suffix in SUFFIXES)):
        with pytest.raises(DataError, match=r"item 1.*Path\(\.\.\.\)"):
            embedder.encode(["a tone", text])


def test_a_table_of_sounds(embedder: Embedder, folder: Path) -> None:
    files = [folder / "low.wav", folder / "high.wav"]
    table = embeddings_table(embedder, files)
    frame = table.to_pandas()
    assert list(frame["source"]) == [str(f) for f in files]
    assert frame["azimuth_deg"][0] == pytest.approx(90, abs=1) and np.isnan(frame["azimuth_deg"][1])
    assert table["azimuth_deg"].null_count == 1 and table["t30_s"].null_count == 2
    np.testing.assert_array_equal(np.stack(frame["vector"]), embedder.embed_audio(files))
    assert table.schema.metadata == {b"model": b"fake", b"weights_sha256": embedder.weights_sha256.encode()}
    windows = embeddings_table(embedder, files, windows=True)
    assert [(r["source"], r["start_s"]) for r in windows.select(["source", "start_s"]).to_pylist()] == [
        (w.source, w.start_s) for w in embedder.embed_windows(files)
    ]


def test_a_table_of_texts(embedder: Embedder) -> None:
    table = embeddings_table(embedder, texts=["rain", "a low tone"])
    assert table.column_names == ["text", "vector"] and table["text"].to_pylist() == ["rain", "a low tone"]
    assert len(table["vector"][0]) == 16
    for arguments in ({}, {"sounds": ["a.wav"], "texts": ["rain"]}):
        with pytest.raises(DataError, match="one of the two"):
            embeddings_table(embedder, **arguments)
