"""Zero-shot reading of eight directions (front, front left, left, …) by templated captions, in the grammar's bins."""

from __future__ import annotations

import time

import numpy as np

from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result
from open_elsa.evals.zero_shot import Scores, read
from open_elsa.scenes.attributes import EIGHT, EIGHTH_DEG

#: Azimuths at which the eight words stand, counter-clockwise from ahead.
COMPASS = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")

PROTOCOL = (
    f"As the zero-shot test of four directions, with eight words ({', '.join(COMPASS)}): each class is the normalised "
    "mean vector of its templated captions, a scene takes the class of the highest cosine, classes are balanced (seed "
    f"0), 95 % Wilson interval, chance 1/8. 'eight': scenes within {EIGHTH_DEG:g} degrees of a word, the bins of the "
    "captions' grammar, which leave gaps in proportion to the paper's; 'sectors': all scenes, each with the word "
    "nearest to its azimuth, up to the very border at 22.5 degrees."
)


def run(embedder: Embedder, observations: Observations) -> Result:
    """Read one of eight directions.

    Metrics "eight.accuracy", ".n", ".chance", ".all", ".recall.CLASS", the same as "sectors", and both per group.
    details: confusions. Raises DataError when a direction has too few scenes.
    """
    started = time.perf_counter()
    azimuths = observations.truth["azimuth_deg"]
    said = read(embedder, observations, EIGHT.name, EIGHT.classes)
    true = [EIGHT.word_for(float(a)) for a in azimuths]
    nearest = [COMPASS[round(float(a) / 45.0) % 8] if np.isfinite(a) else None for a in azimuths]
    scores = Scores()
    scores.add("eight", said, true, COMPASS, observations)
    scores.add("sectors", said, nearest, COMPASS, observations)
    return scores.result(
        "eight_way",
        observations,
        protocol=PROTOCOL,
        items={"id": list(observations.ids), "true": true, "nearest": nearest, "said": list(said)},
        started=started,
    )
