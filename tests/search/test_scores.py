from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import open_elsa
from open_elsa.app import show
from open_elsa.model import checkpoints
from open_elsa.search.scores import calibration, curve_for


@pytest.fixture(scope="module")
def shipped() -> str:
    return checkpoints.weights_hash(Path(open_elsa.__file__).parent / "weights" / checkpoints.SHIPPED)


def test_the_shipped_weights_are_calibrated(shipped: str) -> None:
    for about in ("both", "what", "where"):
        curve = calibration(shipped, about)
        assert curve is not None, "new weights need python benchmarks/calibrate.py DATA --write"
        found = [curve.probability(cosine) for cosine in np.linspace(-0.2, 0.6, 9)]
        assert found == sorted(found) and found[0] < 0.05 and found[-1] > 0.95
        assert 0.05 < -curve.offset / curve.slope < 0.4, "the cosine that is as likely right as wrong"


def test_only_plain_texts_of_known_weights_have_a_curve(shipped: str) -> None:
    asked = {"text": "rain", "minus": None, "move_to": None}
    assert curve_for(shipped, "both", **asked) == calibration(shipped, "both")
    for changed in ({"text": None}, {"minus": "wind"}, {"move_to": "on my left"}, {"move_to": 0.0}):
        assert curve_for(shipped, "both", **(asked | changed)) is None
    assert curve_for("0" * 64, "both", **asked) is None


def test_nothing_is_shown_as_certain() -> None:
    assert [show.likely(p) for p in (None, 0.0, 0.004, 0.5, 0.994, 1.0)] == ["–", "<1%", "<1%", "50%", ">99%", ">99%"]
