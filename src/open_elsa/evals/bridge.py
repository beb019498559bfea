"""What can be named without any training: a tagger's labels and a text encoder, joined by the labels' names alone.

A sound is the tags that a frozen AudioSet tagger gives it; a text is the tags whose names a frozen sentence encoder
thinks it resembles. The cosine of the two is a zero-shot score, and the floor under every trained model's naming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from open_elsa.model.semantic import TAGGER_SHA256, MobileNetEncoder
from open_elsa.model.tag_names import meanings, name_texts, read_names, sound_tags, text_tags
from open_elsa.sound import audio
from open_elsa.sound.audio import Sound

Vectors = NDArray[np.float32]


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
        self.named = meanings(name_texts(read_names(labels, outputs=527)))

    def analyse(self, sounds: Sequence[Sound], /) -> list[Tagged]:
        """Tag each sound by its W."""
        return [Tagged(self._tags(sound)) for sound in sounds]

    def embed_text(self, texts: Sequence[str], /) -> Vectors:
        """The labels that each text resembles: (m, 527) float32, unit norm."""
        return text_tags(meanings(texts), self.named).numpy()

    def _tags(self, sound: Sound) -> Vectors:
        w = torch.from_numpy(np.ascontiguousarray(audio.to_rate(sound, self.encoder.sample_rate).w))
        with torch.inference_mode():
            return sound_tags(self.encoder.tags(w[None].float()))[0].numpy()
