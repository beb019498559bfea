"""What can be named without any training: a tagger's labels and a text encoder, joined by the labels' names alone.

A sound is the tags that a frozen AudioSet tagger gives it; a text is the tags whose names a frozen sentence encoder
thinks it resembles. The cosine of the two is a zero-shot score, and the floor under every trained model's naming.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals.mono_classes import prompt
from open_elsa.model.semantic import TAGGER_SHA256, MobileNetEncoder
from open_elsa.model.text_minilm import sentence_vectors
from open_elsa.sound import audio
from open_elsa.sound.audio import Sound

Vectors = NDArray[np.float32]

#: Where the names of the tagger's outputs are, in the data folder.
LABELS = Path("weights") / "audioset_labels.csv"
#: A logit below this (0.7 % likely) says nothing of a sound.
FLOOR = -5.0
#: Of the softmax over cosines between a text and the labels' names: a handful of labels, not one, stand for a text.
TEMPERATURE = 0.05


@dataclass(frozen=True)
class Nowhere:
    """The place of a sound that the bridge hears: none."""


@dataclass(frozen=True)
class Tagged:
    """One sound: embedding (527,) of unit norm, its tags; no location."""

    embedding: Vectors
    location: Nowhere = Nowhere()


class TaggerBridge:
    """EfficientAT's MobileNet and all-MiniLM-L6-v2, both frozen, as a model that evaluations can ask.

    tagger: mn04_as_mAP_432.pt; labels: a CSV with a column display_name, a row an output. Hears W alone.
    Raises CheckpointError where the tagger is missing or another one, DataError for missing or wrong labels.
    """

    name = "mobilenet-minilm-bridge"
    weights_sha256 = TAGGER_SHA256

    def __init__(self, tagger: Path, labels: Path) -> None:
        self.encoder = MobileNetEncoder(with_tags=True).eval()
        self.encoder.load_tagger(tagger)
        self.names = _read_labels(labels, outputs=527)
        self.label_vectors = sentence_vectors([prompt(name.lower()) for name in self.names])

    def analyse(self, sounds: Sequence[Sound], /) -> list[Tagged]:
        """Tag each sound by its W."""
        return [Tagged(self._tags(sound)) for sound in sounds]

    def embed_text(self, texts: Sequence[str], /) -> Vectors:
        """The labels that each text resembles: (m, 527) float32, unit norm."""
        cosines = sentence_vectors(list(texts)) @ self.label_vectors.T
        weights = np.exp((cosines - cosines.max(axis=1, keepdims=True)) / TEMPERATURE)
        return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), dtype=np.float32)

    def _tags(self, sound: Sound) -> Vectors:
        w = torch.from_numpy(np.ascontiguousarray(audio.to_rate(sound, self.encoder.sample_rate).w))
        with torch.inference_mode():
            logits = self.encoder.tags(w[None].float())[0].numpy()
        tags = np.maximum(logits - FLOOR, 0.0)
        return np.asarray(tags / max(float(np.linalg.norm(tags)), 1e-12), dtype=np.float32)


def _read_labels(path: Path, outputs: int) -> list[str]:
    if not path.is_file():
        raise DataError(
            f"there are no label names at {path}; get AudioSet's class_labels_indices.csv, whose column display_name "
            "names the tagger's outputs in order"
        )
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != outputs or any(not row.get("display_name") for row in rows):
        raise DataError(f"{path}: expected {outputs} rows with a display_name, found {len(rows)} rows")
    return [row["display_name"] for row in rows]
