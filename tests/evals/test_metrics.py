"""Every metric against numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open_elsa.errors import DataError
from open_elsa.evals import metrics


def test_top_k_orders_by_similarity_and_breaks_ties_by_index() -> None:
    items = np.array([[1.0, 0], [0, 1], [1, 0], [0.5, 0.5]])
    assert metrics.top_k(np.array([[1.0, 0.0], [0.0, 1.0]]), items, k=3).tolist() == [[0, 2, 3], [1, 3, 0]]
    assert metrics.top_k(items, items, k=2, chunk=1).tolist() == metrics.top_k(items, items, k=2).tolist()
    assert metrics.top_k(items, items, k=99).shape == (4, 4)


def test_recall_counts_a_query_once() -> None:
    ranked = np.array([[3, 1, 2], [0, 1, 2], [4, 0, 1]])
    relevant = [{1, 2}, {5}, {1}]
    assert metrics.recall_at_k(ranked, relevant, 1) == 0
    assert metrics.recall_at_k(ranked, relevant, 2) == pytest.approx(1 / 3)
    assert metrics.recall_at_k(ranked, relevant, 3) == pytest.approx(2 / 3)


def test_average_precision_with_several_correct_items() -> None:
    ranked = np.array([[7, 1, 9, 2, 3, 4, 5, 6, 8, 0]])
    # correct at ranks 2 and 4, a third one never found: (1/2 + 2/4) / 3
    assert metrics.map_at_k(ranked, [{1, 2, 99}]) == pytest.approx(1 / 3)
    assert metrics.map_at_k(ranked, [{9}]) == pytest.approx(1 / 3)  # one correct item: reciprocal rank
    assert metrics.map_at_k(ranked, [{42}]) == 0
    # more correct items than places: all ten places right is 1
    assert metrics.map_at_k(ranked, [set(range(20))]) == 1
    with pytest.raises(DataError, match="no correct item"):
        metrics.map_at_k(ranked, [set()])


def test_chance_recall() -> None:
    assert metrics.chance_recall_at_k(100, 1, 1) == pytest.approx(0.01)
    assert metrics.chance_recall_at_k(100, 1, 10) == pytest.approx(0.1)
    assert metrics.chance_recall_at_k(4, 2, 2) == pytest.approx(1 - 1 / 6)
    assert metrics.chance_recall_at_k(3, 1, 10) == 1


def test_accuracy_and_balanced_accuracy() -> None:
    true = ["a"] * 8 + ["b"] * 2
    said = ["a"] * 8 + ["a", "b"]
    assert metrics.accuracy(said, true) == pytest.approx(0.9)
    assert metrics.balanced_accuracy(said, true) == pytest.approx(0.75)
    assert metrics.class_recalls(said, true) == {"a": 1.0, "b": 0.5}
    assert metrics.confusion(said, true, ["a", "b"]).tolist() == [[8, 0], [1, 1]]
    with pytest.raises(DataError):
        metrics.accuracy([], [])
    with pytest.raises(DataError):
        metrics.confusion(["z"], ["a"], ["a", "b"])


def test_balanced_subset_takes_as_many_of_each_and_repeats() -> None:
    labels = ["a"] * 50 + ["b"] * 7
    chosen = metrics.balanced_subset(labels, seed=3)
    assert [labels[i] for i in chosen].count("a") == [labels[i] for i in chosen].count("b") == 7
    assert chosen.tolist() == metrics.balanced_subset(labels, seed=3).tolist()
    assert chosen.tolist() != metrics.balanced_subset(labels, seed=4).tolist()
    assert metrics.balanced_subset([]).size == 0


def test_error_statistics_and_histogram() -> None:
    stats = metrics.error_statistics([1.0, 2.0, 3.0, 10.0])
    assert stats["mean"] == 4 and stats["median"] == 2.5 and stats["std"] == pytest.approx(math.sqrt(12.5))
    assert math.isnan(metrics.error_statistics([])["mean"])
    assert metrics.histogram([0, 0.5, 1, 180], (0, 1, 90, 180)).tolist() == [2, 1, 1]
    with pytest.raises(DataError):
        metrics.histogram([181], (0, 180))


def test_by_bin_leaves_out_unknown_and_closes_the_last_bin() -> None:
    rows = metrics.by_bin([1, 3, 5, math.nan, 9], [0.0, 0.5, 1.0, 1.0, math.nan], (0, 1, 2))
    assert [r["n"] for r in rows] == [2, 1] and rows[0]["mean"] == 2 and rows[1]["mean"] == 5
    assert metrics.by_bin([4.0], [2.0], (0, 1, 2))[1]["n"] == 1


def test_wilson_interval_of_the_papers_real_recordings() -> None:
    # 24 of 67: 25.4 to 47.8 %, which has chance (25 %) at its lower end
    interval = metrics.wilson_interval(24, 67)
    assert interval.low == pytest.approx(0.254, abs=1e-3) and interval.high == pytest.approx(0.478, abs=1e-3)
    assert metrics.wilson_interval(0, 10).low == 0 and metrics.wilson_interval(10, 10).high == 1
    assert metrics.wilson_interval(0, 0) == metrics.Interval(0.0, 1.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.data())
def test_wilson_interval_holds_the_share(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    interval = metrics.wilson_interval(k, n)
    assert 0 <= interval.low <= k / n + 1e-12 and k / n <= interval.high + 1e-12 and interval.high <= 1


def test_bootstrap_repeats_with_its_seed_and_covers_the_mean() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    interval = metrics.bootstrap_interval(values, seed=1)
    assert interval == metrics.bootstrap_interval(values, seed=1) != metrics.bootstrap_interval(values, seed=2)
    # normal theory: mean +- 1.96 * 2 / sqrt(400)
    assert interval.low == pytest.approx(values.mean() - 0.196, abs=0.04)
    assert interval.high == pytest.approx(values.mean() + 0.196, abs=0.04)
    slow = metrics.bootstrap_interval(values, lambda v: float(v.mean()), seed=1)
    assert slow.low == pytest.approx(interval.low, abs=1e-9)


def test_bootstrap_over_groups_is_wider_when_groups_agree_inside() -> None:
    values = np.repeat(np.arange(10.0), 30)
    alone = metrics.bootstrap_interval(values)
    grouped = metrics.bootstrap_interval(values, groups=np.repeat(np.arange(10), 30).tolist())
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
    assert math.isnan(metrics.bootstrap_interval([]).low)
