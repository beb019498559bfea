"""Distances between classes: known by hand, by SciPy, and by how the vectors were made."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals.clusters import Clouds, clouds, ratios, wasserstein

Vectors = NDArray[np.float32]


def gaussians(
    apart: float, n: int = 120, dim: int = 3, spread: float = 0.1, seed: int = 0
) -> tuple[Vectors, list[str]]:
    """Two clouds of one shape whose centres lie `apart` from each other."""
    x = spread * np.random.default_rng(seed).standard_normal((n, dim))
    x[n // 2 :, 0] += apart
    return x.astype(np.float32), ["a"] * (n // 2) + ["b"] * (n // 2)


def measure(vectors: Vectors, labels: list[str], units: list[str] | None = None, text: Vectors | None = None) -> Clouds:
    return clouds(vectors, text, labels, units or [str(i) for i in range(len(labels))], sorted(set(labels)))


def test_the_cheapest_assignment_by_hand() -> None:
    # crosswise 1 + 2, straight 5 + 1: the mean of the cheaper
    assert wasserstein(np.array([[5.0, 1.0], [2.0, 1.0]])) == 1.5


def test_it_is_scipys_distance() -> None:
    from scipy.spatial.distance import cdist
    from scipy.stats import wasserstein_distance_nd

    x, y = np.random.default_rng(1).standard_normal((2, 12, 4))
    assert wasserstein(cdist(x, y)) == pytest.approx(wasserstein_distance_nd(x, y), rel=1e-6)


def test_two_gaussians_of_one_shape_lie_as_far_apart_as_their_centres() -> None:
    # moving a distribution by d costs exactly d, whatever its shape
    vectors, labels = gaussians(apart=2.0)
    made = measure(vectors, labels)
    assert made.audio[0, 1] == pytest.approx(2.0, abs=0.05) and made.audio[1, 0] == pytest.approx(2.0, abs=0.05)
    assert made.audio[0, 0] < 0.2 and made.size == 30 and made.text is None
    assert made.numbers()["audio"] > 10 and set(made.numbers()) == {"audio"}


def test_classes_of_one_distribution_are_not_apart() -> None:
    made = measure(*gaussians(apart=0.0, n=240))
    assert made.numbers()["audio"] == pytest.approx(1.0, abs=0.05)
    assert made.intervals["audio"].low < 1.0 < made.intervals["audio"].high


def test_what_a_place_shares_does_not_pass_for_the_classes_difference() -> None:
    # ten places a class, each with a vector of its own that its ten items share; the classes are the same
    rng = np.random.default_rng(2)
    vectors = np.repeat(rng.standard_normal((20, 8)), 10, axis=0) + 0.05 * rng.standard_normal((200, 8))
    labels, places = ["a"] * 100 + ["b"] * 100, [str(i // 10) for i in range(200)]
    honest = measure(vectors.astype(np.float32), labels, places)
    fooled = measure(vectors.astype(np.float32), labels)
    assert honest.numbers()["audio"] == pytest.approx(1.0, abs=0.2) and fooled.numbers()["audio"] > 2.0
    assert honest.intervals["audio"].low < 1.0 < honest.intervals["audio"].high


def test_gap_and_match_of_captions_a_known_way_off() -> None:
    vectors, labels = gaussians(apart=3.0)
    text = vectors + np.array([0.0, 4.0, 0.0], dtype=np.float32)
    made = measure(vectors, labels, text=text)
    assert made.across is not None and made.text is not None
    assert np.diag(made.across) == pytest.approx([4.0, 4.0], abs=0.05)
    assert made.across[0, 1] == pytest.approx(5.0, abs=0.05)  # 3 and 4 at right angles
    found = made.numbers()
    assert found["match"] == pytest.approx(1.25, abs=0.02) and found["text"] == pytest.approx(found["audio"])
    assert found["gap"] == pytest.approx(np.diag(made.across).mean() / np.diag(made.audio).mean())


def test_ratios_by_hand() -> None:
    audio, text = np.array([[1.0, 3.0], [5.0, 1.0]]), np.array([[2.0, 2.0], [2.0, 2.0]])
    found = ratios(audio, text, np.array([[6.0, 9.0], [9.0, 6.0]]))
    assert found == {"audio": 4.0, "text": 1.0, "gap": 4.0, "match": 1.5}


def test_many_classes_and_the_closest_pair() -> None:
    rng = np.random.default_rng(3)
    centres = 5.0 * np.eye(9)
    centres[8] = centres[7] + 0.3
    vectors = np.repeat(centres, 12, axis=0) + 0.1 * rng.standard_normal((108, 9))
    made = measure(vectors.astype(np.float32), [f"c{i // 12}" for i in range(108)])
    assert made.closest(1)[0][:2] == ("c7", "c8") and len(made.closest()) == 10
    interval = made.intervals["audio"]
    assert interval.low < made.numbers()["audio"] < interval.high


def test_again_the_same() -> None:
    vectors, labels = gaussians(apart=0.1)
    first, second = measure(vectors, labels), measure(vectors, labels)
    assert np.array_equal(first.audio, second.audio) and first.intervals == second.intervals


def test_a_class_of_one_place_is_refused() -> None:
    vectors, labels = gaussians(apart=1.0, n=40)
    with pytest.raises(DataError, match="class b: 20 items in 1 "):
        measure(vectors, labels, [f"p{i}" if i < 20 else "p" for i in range(40)])
