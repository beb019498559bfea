"""How much of a score a factor explains: by hand, by how the scores were made, and by chance."""

from __future__ import annotations

import numpy as np
import pytest

from open_elsa.evals.explained import eta_squared, explained, ranks

N = 400
RNG = np.random.default_rng(0)
QUERIES, FACTOR = np.arange(N) % 10, RNG.integers(0, 4, N)
UNITS = [str(i) for i in range(N)]


def test_eta_squared_by_hand() -> None:
    # one query; group means 1 and 5 about 3: 4 x 4 of a total of 9 + 1 + 1 + 9
    assert eta_squared(np.array([0.0, 2.0, 4.0, 6.0]), np.zeros(4, int), np.array([0, 0, 1, 1])) == pytest.approx(0.8)
    # the same two levels asked for by two queries: nothing is left for the factor
    assert eta_squared(np.array([0.0, 2.0, 4.0, 6.0]), np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])) == 0.0
    assert eta_squared(np.ones(4), np.zeros(4, int), np.array([0, 0, 1, 1])) == 0.0


def test_a_factor_that_meets_the_queries_unequally_explains_only_its_own() -> None:
    # scores are of the query alone, and one class of the factor meets query 0 more often
    factor = np.where(RNG.uniform(size=N) < np.where(QUERIES == 0, 0.9, 0.2), 1, 0)
    assert eta_squared(5.0 * (QUERIES == 0) + 1e-3 * RNG.standard_normal(N), QUERIES, factor) < 0.03


def test_a_leak_of_a_known_size_is_found() -> None:
    scores = QUERIES + np.where(FACTOR == 2, 1.0, 0.0) + RNG.standard_normal(N)
    share = np.var(FACTOR == 2) / (1 + np.var(FACTOR == 2))
    made = explained(scores, QUERIES, FACTOR, UNITS)
    assert made.share == pytest.approx(share, abs=0.06) and made.p == 1 / 200
    assert made.interval.low < share < made.interval.high and made.chance < 0.03 < made.interval.low


def test_no_leak_is_chance() -> None:
    found = [explained(RNG.standard_normal(N), QUERIES, FACTOR, UNITS, rounds=99) for _ in range(5)]
    assert np.mean([m.share for m in found]) == pytest.approx(3 / 390, abs=0.008)
    assert np.mean([m.chance for m in found]) == pytest.approx(3 / 390, abs=0.003)
    assert min(m.p for m in found) > 0.01 and all(m.interval.low >= 0.0 for m in found)


def test_units_that_score_alike_are_exchanged_whole() -> None:
    # twenty rooms with a level of their own; the factor belongs to rooms and means nothing
    rooms = np.arange(N) // 20
    scores, factor = RNG.standard_normal(20)[rooms] + 0.1 * RNG.standard_normal(N), RNG.permutation(20)[rooms] % 2
    honest = explained(scores, np.zeros(N, int), factor, [str(r) for r in rooms])
    fooled = explained(scores, np.zeros(N, int), factor, UNITS)
    assert honest.chance > 5 * fooled.chance and honest.p > 0.03


def test_again_the_same() -> None:
    scores = RNG.standard_normal(N)
    assert explained(scores, QUERIES, FACTOR, UNITS) == explained(scores, QUERIES, FACTOR, UNITS)


def test_ranks_by_hand() -> None:
    own = np.array([True, False, False, True, False, False])
    assert ranks(np.array([9.0, 1.0, 2.0, 2.0, 3.0, 4.0]), own).tolist() == [1.0, 0.375]  # the tie counts half
    assert np.isnan(ranks(np.ones(2), np.array([True, True]))).all()
