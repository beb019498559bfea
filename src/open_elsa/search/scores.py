"""What a score means: how often so high a score is that of the right recording, and how much of the index lies below.

The cosine alone says little: what belongs together scores 0.5 with one model and 0.8 with another. `calibration.json`
holds, for the weights that were measured, a logistic curve over the cosine, fitted on recordings that no training has
seen (`python benchmarks/calibrate.py` makes it).
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FILE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True)
class Calibration:
    """A logistic curve over the cosine: probability = 1 / (1 + exp(-(slope * cosine + offset)))."""

    slope: float
    offset: float

    def probability(self, cosine: float) -> float:
        """The probability in 0..1 at a cosine."""
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, self.slope * cosine + self.offset))))


@functools.cache
def calibration(weights_sha256: str, about: str) -> Calibration | None:
    """The curve of a model's text scores, compared in that view; None where it was not measured."""
    found = json.loads(_FILE.read_text(encoding="utf-8")).get(weights_sha256, {}).get(about)
    return None if found is None else Calibration(float(found["slope"]), float(found["offset"]))


def curve_for(
    weights_sha256: str, about: str, *, text: str | None, minus: str | None, move_to: str | float | None
) -> Calibration | None:
    """The curve for a question's scores: only a text as it stands was measured, with nothing taken off or moved."""
    plain = text is not None and minus is None and move_to is None
    return calibration(weights_sha256, about) if plain else None


def percentile(scores: NDArray[np.float32], score: float) -> float:
    """How many percent of the scores (n,) lie below this one, in 0..100."""
    return 100.0 * float(np.count_nonzero(scores < np.float32(score))) / max(1, len(scores))
