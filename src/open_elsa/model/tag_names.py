"""A tagger's outputs by name: how much a text resembles the names, and how much a sound is of them.

The two meet without any training, and are what naming is taught and measured by: `training/naming.py`,
`evals/bridge.py`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from open_elsa.errors import DataError
from open_elsa.model.text_minilm import sentence_vectors

#: Where the names of the tagger's outputs are, in the data folder: AudioSet's class_labels_indices.csv.
LABELS = Path("weights") / "audioset_labels.csv"
#: A logit below this (0.7 % likely) says nothing of a sound.
FLOOR = -5.0
#: Of the softmax over cosines between a text and the names: a handful of them, not one, stand for a text.
TEMPERATURE = 0.05


def read_names(path: Path, outputs: int) -> list[str]:
    """The names of a tagger's outputs in order; DataError for a file that is missing or of another tagger."""
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


def name_texts(names: Sequence[str]) -> list[str]:
    """The names as texts ask for them: "Church bell" -> "the sound of church bell"."""
    return [f"the sound of {name.lower()}" for name in names]


def sound_tags(logits: Float[Tensor, "n tags"]) -> Float[Tensor, "n tags"]:
    """What a sound is by the tagger's logits: unit vectors, zero where every tag is unlikely."""
    return nn.functional.normalize((logits - FLOOR).clamp(min=0), dim=1)


def meanings(texts: Sequence[str]) -> Float[Tensor, "m d"]:
    """What a frozen sentence encoder makes of texts, of names as `name_texts` puts them: unit vectors."""
    return torch.from_numpy(sentence_vectors(list(texts)))


def text_tags(said: Float[Tensor, "m d"], named: Float[Tensor, "tags d"]) -> Float[Tensor, "m tags"]:
    """The names that each text resembles, from the meanings of both: unit vectors, none negative."""
    return nn.functional.normalize((said @ named.T / TEMPERATURE).softmax(1), dim=1)
