"""Every number of the evaluation as a pure function: arrays in, floats out, no model and no file.

Ranks are read from `top_k`, which breaks ties by position, so that a run repeats to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from open_elsa.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Two-sided 95 % quantile of the normal distribution.
Z_95 = 1.959963984540054

#: Edges in degrees of the error histogram: fine where good models live, then coarse to the opposite direction.
ERROR_EDGES_DEG: tuple[float, ...] = (0, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 150, 180)


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval of a metric, in the metric's own unit."""

    low: float
    high: float


# ---------------------------------------------------------------- retrieval


def top_k(queries: ArrayLike, items: ArrayLike, k: int = 10, chunk: int = 1024) -> Ints:
    """Indices of the k most similar items of every query, best first, ties by index.

    queries (q, d), items (n, d): vectors compared by their inner product. Returns (q, min(k, n)).
    The (q, n) matrix is never held whole: `chunk` queries are ranked at a time.
    """
    query_vectors, item_vectors = np.asarray(queries), np.asarray(items)
    _check(query_vectors.ndim == 2 and item_vectors.ndim == 2, "queries and items must be matrices (rows, dimension)")
    _check(len(item_vectors) > 0, "there is no item to retrieve")
    blocks = [
        np.argsort(-(query_vectors[start : start + chunk] @ item_vectors.T), axis=1, kind="stable")[:, :k]
        for start in range(0, len(query_vectors), chunk)
    ]
    if not blocks:
        return np.empty((0, min(k, len(item_vectors))), dtype=np.int64)
    return np.concatenate(blocks).astype(np.int64)


def hits_at_k(ranked: Ints, relevant: Sequence[Collection[int]], k: int) -> Floats:
    """1.0 for each query with at least one correct item among its first k, else 0.0; shape (q,).

    ranked (q, >= k): item indices, best first; relevant: the correct items of each query (never empty).
    """
    _check(len(ranked) == len(relevant), f"{len(ranked)} rankings but {len(relevant)} sets of correct items")
    return np.array(
        [any(int(i) in right for i in row[:k]) for row, right in zip(ranked, relevant, strict=True)], dtype=np.float64
    )


def recall_at_k(ranked: Ints, relevant: Sequence[Collection[int]], k: int) -> float:
    """Share of queries with at least one correct item among the first k (R@k of the captioning field), 0 to 1."""
    return _mean(hits_at_k(ranked, relevant, k))


def average_precision_at_k(ranked: Ints, relevant: Sequence[Collection[int]], k: int = 10) -> Floats:
    """AP@k of every query, shape (q,): sum of precision at each correct rank <= k, divided by min(correct, k).

    With one correct item it is the reciprocal rank cut at k (the definition of DCASE's language-based retrieval).
    """
    _check(len(ranked) == len(relevant), f"{len(ranked)} rankings but {len(relevant)} sets of correct items")
    scores = np.zeros(len(ranked))
    for query, (row, right) in enumerate(zip(ranked, relevant, strict=True)):
        _check(len(right) > 0, f"query {query} has no correct item")
        found, total = 0, 0.0
        for rank, item in enumerate(row[:k], start=1):
            if int(item) in right:
                found += 1
                total += found / rank
        scores[query] = total / min(len(right), k)
    return scores


def map_at_k(ranked: Ints, relevant: Sequence[Collection[int]], k: int = 10) -> float:
    """Mean of `average_precision_at_k` over queries, 0 to 1."""
    return _mean(average_precision_at_k(ranked, relevant, k))


def chance_recall_at_k(items: int, correct: int, k: int) -> float:
    """R@k of a random ranking: 1 - C(items-correct, k) / C(items, k)."""
    k = min(k, items)
    return 1.0 - math.comb(items - correct, k) / math.comb(items, k)


# ---------------------------------------------------------------- classification


def accuracy(predicted: Sequence[Hashable], true: Sequence[Hashable]) -> float:
    """Share of equal pairs, 0 to 1. Raises DataError for different lengths or no pair."""
    _check(len(predicted) == len(true), f"{len(predicted)} predictions but {len(true)} truths")
    return _mean(np.array([p == t for p, t in zip(predicted, true, strict=True)], dtype=np.float64))


def class_recalls(predicted: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """Recall of every class that occurs in `true`, 0 to 1, sorted by class name."""
    _check(len(predicted) == len(true), f"{len(predicted)} predictions but {len(true)} truths")
    pairs = list(zip(predicted, true, strict=True))
    return {label: _mean(np.array([float(p == label) for p, t in pairs if t == label])) for label in sorted(set(true))}


def balanced_accuracy(predicted: Sequence[str], true: Sequence[str]) -> float:
    """Mean of the classes' recalls, 0 to 1: what accuracy would be if every class were equally common."""
    return _mean(np.array(list(class_recalls(predicted, true).values())))


def confusion(predicted: Sequence[str], true: Sequence[str], classes: Sequence[str]) -> Ints:
    """Counts (true class, predicted class) in the order of `classes`; a label outside them raises DataError."""
    place = {label: i for i, label in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for p, t in zip(predicted, true, strict=True):
        _check(p in place and t in place, f"label {p!r} or {t!r} is not one of {list(classes)}")
        counts[place[t], place[p]] += 1
    return counts


def balanced_subset(labels: Sequence[str], seed: int = 0) -> Ints:
    """Sorted indices of a subset in which every label is as frequent as the rarest one, drawn with `seed`."""
    if not labels:
        return np.empty(0, dtype=np.int64)
    array, rng = np.asarray(labels), np.random.default_rng(seed)
    names, counts = np.unique(array, return_counts=True)
    chosen = [rng.permutation(np.flatnonzero(array == name))[: counts.min()] for name in names]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


# ---------------------------------------------------------------- errors of directions and quantities


def error_statistics(errors: ArrayLike) -> dict[str, float]:
    """Mean, median, standard deviation and 90th percentile of errors (their unit); NaN for none."""
    values = np.asarray(errors, float)
    if values.size == 0:
        return dict.fromkeys(("mean", "median", "std", "p90"), math.nan)
    return {
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "std": float(values.std()),
        "p90": float(np.percentile(values, 90)),
    }


def histogram(values: ArrayLike, edges: Sequence[float] = ERROR_EDGES_DEG) -> Ints:
    """Counts of values in [edge i, edge i+1), the last bin closed; values outside raise DataError."""
    data = np.asarray(values, float)
    _check(
        data.size == 0 or bool(np.all((data >= edges[0]) & (data <= edges[-1]))),
        f"a value lies outside {edges[0]}..{edges[-1]}",
    )
    return np.histogram(data, bins=np.asarray(edges, float))[0].astype(np.int64)


def by_bin(errors: ArrayLike, by: ArrayLike, edges: Sequence[float]) -> list[dict[str, float]]:
    """Mean, median, std and count of `errors` where `by` lies in [edge i, edge i+1); the last bin is closed.

    Items with a NaN in `by` or `errors` are left out. Returns one row a bin with its low and high edge.
    """
    values, keys = np.asarray(errors, float), np.asarray(by, float)
    known = np.isfinite(values) & np.isfinite(keys)
    rows = []
    for low, high in pairwise(edges):
        inside = known & (keys >= low) & ((keys <= high) if high == edges[-1] else (keys < high))
        rows.append(
            {"low": float(low), "high": float(high), "n": int(inside.sum()), **error_statistics(values[inside])}
        )
    return rows


# ---------------------------------------------------------------- intervals


def wilson_interval(successes: int, n: int, z: float = Z_95) -> Interval:
    """Wilson score interval of a share, within 0..1 (Wilson 1927); (0, 1) when nothing was counted."""
    _check(0 <= successes <= n, f"{successes} successes of {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    share, zz = successes / n, z * z
    centre = (share + zz / (2 * n)) / (1 + zz / n)
    half = z / (1 + zz / n) * math.sqrt(share * (1 - share) / n + zz / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)  # exact ends, not 1e-16 off
    return Interval(low, 1.0 if successes == n else min(1.0, centre + half))


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[[Floats], float] | None = None,
    *,
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    rounds: int = 1000,
) -> Interval:
    """Percentile bootstrap of 95 % for a statistic (the mean by default) of values.

    groups: one key a value; whole groups are drawn, because values that share a clip or a place are not independent.
    The same seed gives the same interval. NaNs when there is no value.
    """
    data = np.asarray(values, float)
    if data.size == 0:
        return Interval(math.nan, math.nan)
    rng = np.random.default_rng(seed)
    members = _members(groups, len(data))
    if statistic is None:  # the mean needs only each group's sum and count: a thousand rounds in milliseconds
        sums = np.array([data[m].sum() for m in members])
        counts = np.array([len(m) for m in members], dtype=float)
        drawn = rng.integers(len(members), size=(rounds, len(members)))
        results = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    else:
        results = np.empty(rounds)
        for i in range(rounds):
            chosen = rng.integers(len(members), size=len(members))
            results[i] = statistic(data[np.concatenate([members[j] for j in chosen])])
    low, high = np.percentile(results, [2.5, 97.5])
    return Interval(float(low), float(high))


def centred_interval(value: float, draws: ArrayLike) -> Interval:
    """95 % interval of an estimate from resampled ones: their percentiles, moved so that their mean is the estimate.

    For estimates that repeats in a resampled set move to one side (distances between samples, shares of a variance):
    that bias is no uncertainty. Draws that aren't finite don't count; NaNs when none is left.
    """
    data = np.asarray(draws, float)
    data = data[np.isfinite(data)]
    if data.size == 0:
        return Interval(math.nan, math.nan)
    low, high = np.percentile(data, [2.5, 97.5]) - data.mean() + value
    return Interval(float(low), float(high))


def ratio_interval(
    parts: ArrayLike,
    wholes: ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    rounds: int = 1000,
) -> Interval:
    """Percentile bootstrap of 95 % for sum(parts) / sum(wholes), such as an F1 of counts; groups as above.

    A draw whose wholes are all zero is left out; NaNs where every one is.
    """
    over, under = np.asarray(parts, float), np.asarray(wholes, float)
    _check(over.shape == under.shape and over.ndim == 1, f"{over.shape} parts of {under.shape} wholes")
    members = _members(groups, len(over))
    if not members:
        return Interval(math.nan, math.nan)
    sums = np.array([(over[m].sum(), under[m].sum()) for m in members])
    drawn = sums[np.random.default_rng(seed).integers(len(members), size=(rounds, len(members)))].sum(axis=1)
    ratios = drawn[drawn[:, 1] > 0, 0] / drawn[drawn[:, 1] > 0, 1]
    if ratios.size == 0:
        return Interval(math.nan, math.nan)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Interval(float(low), float(high))


def _members(groups: Sequence[Hashable] | None, n: int) -> list[Ints]:
    if groups is None:
        return [np.array([i]) for i in range(n)]
    _check(len(groups) == n, f"{len(groups)} group keys for {n} values")
    places: dict[Hashable, list[int]] = {}
    for i, key in enumerate(groups):
        places.setdefault(key, []).append(i)
    return [np.array(v) for v in places.values()]


def median(values: Floats) -> float:
    """The median as a plain number, a statistic for `bootstrap_interval`."""
    return float(np.median(values))


def _mean(values: Floats) -> float:
    _check(values.size > 0, "there is nothing to average")
    return float(values.mean())


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise DataError(f"evaluation: {message}")
