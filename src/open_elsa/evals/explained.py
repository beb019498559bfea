"""How much of a score something explains that the score should not know of."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from open_elsa.evals.metrics import Interval, centred_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDS = 199


@dataclass(frozen=True)
class Explained:
    """Share of a variance, 0 to 1: as found, as chance gives it, p of chance giving as much, and its 95 % interval."""

    share: float
    chance: float
    p: float
    interval: Interval


def explained(
    scores: Floats, queries: Ints, factor: Ints, units: Sequence[Hashable], *, seed: int = 0, rounds: int = ROUNDS
) -> Explained:
    """How much of the variance of scores within queries a factor explains: partial eta squared.

    scores (n,); queries (n,): what was asked, whose own means are removed first; factor (n,): class 0.. of each item.
    units: what the factor belongs to (place, room, recording). Chance and p come from exchanging the factor between
    units, the interval from drawing units with replacement. A factor of many classes explains some of anything by
    chance: compare the share with it.
    """
    rng = np.random.default_rng([seed, 2])
    rows = _rows(units)
    share = eta_squared(scores, queries, factor)
    own = np.array([factor[r[0]] for r in rows])
    sizes = [len(r) for r in rows]
    order = np.argsort(np.concatenate(rows), kind="stable")
    exchanged = [eta_squared(scores, queries, np.repeat(rng.permutation(own), sizes)[order]) for _ in range(rounds)]
    drawn = []
    for _ in range(rounds):
        chosen = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        drawn.append(eta_squared(scores[chosen], queries[chosen], factor[chosen]))
    interval = centred_interval(share, drawn)
    return Explained(
        share=share,
        chance=float(np.mean(exchanged)),
        p=(1 + sum(e >= share for e in exchanged)) / (1 + rounds),
        interval=Interval(max(0.0, interval.low), min(1.0, interval.high)),
    )


def eta_squared(scores: Floats, queries: Ints, factor: Ints) -> float:
    """Partial eta squared of `factor`, 0 to 1: the share of the variance left by `queries` that it takes away.

    Both are removed as in a two-way analysis of variance without interaction, so a factor whose classes meet the
    queries unequally often explains no more than its own. 0 for scores that don't vary.
    """
    queries, factor = np.unique(queries, return_inverse=True)[1], np.unique(factor, return_inverse=True)[1]
    shown = np.zeros((len(scores), factor.max() + 1))
    shown[np.arange(len(scores)), factor] = 1.0
    residual, shown = _centred(scores[:, None], queries)[:, 0], _centred(shown, queries)
    total = float(residual @ residual)
    if total <= 1e-12 * max(float(scores @ scores), 1e-30):
        return 0.0
    found = shown.T @ residual
    return float(np.clip(found @ np.linalg.pinv(shown.T @ shown, hermitian=True) @ found / total, 0.0, 1.0))


def ranks(scores: Floats, own: NDArray[np.bool_]) -> Floats:
    """Where each of a query's true items ranks: the share of the other items that score lower, 0 to 1 (ties half).

    scores (n,) of one query; own (n,): which items are true. Returns one number a true item; NaN without others.
    """
    others = np.sort(scores[~own])
    if not len(others):
        return np.full(int(own.sum()), np.nan)
    low, high = (np.searchsorted(others, scores[own], side=side) for side in ("left", "right"))
    return np.asarray((low + high) / (2 * len(others)))


def _centred(values: Floats, groups: Ints) -> Floats:
    """Columns (n, k) less their mean in each group."""
    counts = np.bincount(groups)
    sums = np.stack([np.bincount(groups, weights=column) for column in values.T], axis=1)
    return np.asarray(values - (sums / np.maximum(counts, 1)[:, None])[groups])


def _rows(units: Sequence[Hashable]) -> list[Ints]:
    found: dict[Hashable, list[int]] = {}
    for i, unit in enumerate(units):
        found.setdefault(unit, []).append(i)
    return [np.array(rows, dtype=np.int64) for rows in found.values()]
