"""The bridge from tags to words, with a tagger of known tags and the real sentence encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from open_elsa.errors import CheckpointError, DataError
from open_elsa.evals import bridge
from open_elsa.evals.bridge import TaggerBridge
from open_elsa.model import tag_names
from open_elsa.model.semantic import MobileNetEncoder
from open_elsa.sound.audio import Sound

NAMES = ["Speech", "Dog", "Bark", "Rain", "Church bell", "Vacuum cleaner", "Siren"]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TaggerBridge:
    """Seven labels; a sound of constant value k has tag k for sure and nothing else."""
    monkeypatch.setattr(MobileNetEncoder, "load_tagger", lambda *_: None)
    monkeypatch.setattr(bridge, "read_names", lambda *_, **__: NAMES)

    def tags(_: object, w: torch.Tensor) -> torch.Tensor:
        logits = torch.full((1, len(NAMES)), -8.0)
        logits[0, round(float(w[0, 0]))] = 2.0
        return logits

    monkeypatch.setattr(MobileNetEncoder, "tags", tags)
    return TaggerBridge(tmp_path / "tagger.pt", tmp_path / "labels.csv")


def heard(model: TaggerBridge, tag: int) -> np.ndarray:  # type: ignore[type-arg]
    return model.analyse([Sound(np.full((1, 2000), float(tag), np.float32), 32000, "a")])[0].embedding


def test_names_that_mean_the_tag_are_nearest(model: TaggerBridge) -> None:
    said = ["a puppy barks", "a thunder shower", "chimes of a cathedral", "hoovering", "a police car"]
    texts = model.embed_text(said)
    assert texts.shape == (5, len(NAMES)) and np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    for tag, text in ((2, 0), (3, 1), (4, 2), (5, 3), (6, 4)):
        scores = texts @ heard(model, tag)
        assert said[int(scores.argmax())] == said[text]


def test_a_sound_is_its_tags_and_has_no_place(model: TaggerBridge) -> None:
    found = model.analyse([Sound(np.full((4, 2000), 3.0, np.float32), 32000, "a")])[0]
    assert found.embedding[3] == pytest.approx(1) and np.count_nonzero(found.embedding) == 1
    assert not hasattr(found.location, "azimuth_deg")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no tagger weights at "):
        TaggerBridge(tmp_path / "tagger.pt", tmp_path / "labels.csv")
    with pytest.raises(DataError, match="no label names at"):
        tag_names.read_names(tmp_path / "labels.csv", 2)
    (tmp_path / "labels.csv").write_text('index,display_name\n0,Dog\n1,"Bow-wow, bark"\n')
    assert tag_names.read_names(tmp_path / "labels.csv", 2) == ["Dog", "Bow-wow, bark"]
    with pytest.raises(DataError, match="expected 527 rows"):
        tag_names.read_names(tmp_path / "labels.csv", 527)
