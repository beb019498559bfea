"""How far apart classes lie in the embedding space: exact Wasserstein distances, against those within a class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from open_elsa.errors import DataError
from open_elsa.evals.metrics import Interval, centred_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Vectors of a sample at most: an assignment of 64 to 64 is exact in a third of a millisecond, so nothing is sliced.
MOST = 64
#: Smaller samples say nothing.
FEWEST = 3
#: Random halvings that the distances are averaged over, and resamplings for the intervals.
ROUNDS, RESAMPLINGS = 20, 100
#: Partners of each class in a resampling, where there are more classes than this + 1 (all of them below).
PARTNERS = 4


@dataclass(frozen=True)
class Clouds:
    """Distances between the classes' clouds of sounds, of captions, and from sounds to captions.

    audio, text, across: (k, k), the mean over random halvings of the distance from half a class (row) to the other
    half of a class (column); the diagonal is the distance within a class. text and across are None without captions.
    size: vectors in a sample, mean over the halvings. intervals: 95 % of `numbers()`.
    """

    classes: tuple[str, ...]
    size: float
    audio: Floats
    text: Floats | None
    across: Floats | None
    intervals: Mapping[str, Interval]

    def numbers(self) -> dict[str, float]:
        """What the matrices say, as ratios: "audio", and with captions "text", "gap" and "match" (see `ratios`)."""
        return ratios(self.audio, self.text, self.across)

    def closest(self, k: int = 10) -> list[tuple[str, str, float]]:
        """The k pairs of classes whose sounds lie nearest to each other, with their distance over that within."""
        symmetric = (self.audio + self.audio.T) / 2
        within = np.diag(symmetric)
        relative = symmetric / np.maximum((within[:, None] + within[None, :]) / 2, 1e-12)
        rows, columns = np.triu_indices(len(self.classes), 1)
        order = np.argsort(relative[rows, columns], kind="stable")[:k]
        pairs = zip(rows[order], columns[order], strict=True)
        return [(self.classes[i], self.classes[j], float(relative[i, j])) for i, j in pairs]


def wasserstein(cost: Floats) -> float:
    """Wasserstein-1 distance of two equally large samples: the mean cost of the cheapest one-to-one assignment.

    cost (n, n): distance of every vector of the one to every vector of the other. Exact (Kuhn 1955); equals
    scipy.stats.wasserstein_distance_nd for samples of equal weights.
    """
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


def ratios(audio: Floats, text: Floats | None = None, across: Floats | None = None) -> dict[str, float]:
    """Ratios of the mean distances in (k, k) matrices whose diagonal holds the distances within a class.

    "audio", "text": between classes over within, 1 = not apart. "gap": from a class's sounds to its captions over the
    mean distance within both, 1 = no gap between sounds and captions. "match": from a class's sounds to other classes'
    captions over to its own, above 1 = captions of a class lie nearer to its sounds. Cells that are NaN don't count.
    """
    found = {"audio": _between(audio) / _within(audio)}
    if text is not None and across is not None:
        found["text"] = _between(text) / _within(text)
        found["gap"] = 2 * _within(across) / (_within(audio) + _within(text))
        found["match"] = _between(across) / _within(across)
    return found


def clouds(
    audio: NDArray[np.float32],
    text: NDArray[np.float32] | None,
    labels: Sequence[str | None],
    units: Sequence[str],
    classes: Sequence[str],
    *,
    seed: int = 0,
) -> Clouds:
    """Measure the distances between classes of items with vectors `audio` and, if any, their captions' vectors `text`.

    audio, text: (n, d), compared by Euclidean distance. labels: class of each item; items of other classes are left
    out. units: what items share that makes them alike (place, room, recording): the halves of a class share no unit,
    and intervals come from drawing units with replacement within their class.
    Raises DataError when a class has too few items or fewer than two units.
    """
    members = [_members(labels, units, name) for name in classes]
    for name, own in zip(classes, members, strict=True):
        if len(own) < 2 or sum(map(len, own)) < 2 * FEWEST:
            raise DataError(f"class {name}: {sum(map(len, own))} items in {len(own)} places, rooms or recordings")
    rows = np.concatenate([unit for own in members for unit in own])
    costs = [_distances(audio, audio, rows)]
    if text is not None:
        costs += [_distances(text, text, rows), _distances(audio, text, rows)]
    rng = np.random.default_rng([seed, 1])
    rounds, sizes = _rounds(costs, members, rng, ROUNDS, resample=False)
    if not rounds:
        raise DataError(f"classes {', '.join(classes)}: halves of fewer than {FEWEST} items")
    means = [np.mean([r[i] for r in rounds], axis=0) for i in range(len(costs))]
    drawn = [ratios(*matrices) for matrices in _rounds(costs, members, rng, RESAMPLINGS, resample=True)[0]]
    point = ratios(*means)
    return Clouds(
        classes=tuple(classes),
        size=float(np.mean(sizes)),
        audio=means[0],
        text=means[1] if text is not None else None,
        across=means[2] if text is not None else None,
        intervals={name: centred_interval(value, [d[name] for d in drawn]) for name, value in point.items()},
    )


def _rounds(
    costs: Sequence[Floats], members: Sequence[Sequence[Ints]], rng: np.random.Generator, rounds: int, *, resample: bool
) -> tuple[list[list[Floats]], list[int]]:
    """The matrices of every round that has large enough halves, and how large they were."""
    matrices: list[list[Floats]] = []
    sizes: list[int] = []
    k = len(members)
    for _ in range(rounds):
        halves = [_halves(own, rng, resample) for own in members]
        m = min(MOST, *(len(half) for pair in halves for half in pair))
        steps = np.arange(k)
        if resample and k > PARTNERS + 1:  # every class against itself and a few others, which change every time
            steps = np.append(0, 1 + rng.permutation(k - 1)[:PARTNERS])
        if m < FEWEST:
            continue
        found = [np.full((k, k), math.nan) for _ in costs]
        for i in range(k):
            for j in (i + steps) % k:
                cell = np.ix_(halves[i][0][:m], halves[j][1][:m])
                for matrix, cost in zip(found, costs, strict=True):
                    matrix[i, j] = wasserstein(cost[cell])
        matrices.append(found)
        sizes.append(m)
    return matrices, sizes


def _halves(own: Sequence[Ints], rng: np.random.Generator, resample: bool) -> tuple[Ints, Ints]:
    """Rows of a class in random order, in two about equal halves that share no unit."""
    drawn = rng.integers(len(own), size=len(own)) if resample else np.arange(len(own))
    times = np.bincount(drawn, minlength=len(own))
    first: list[int] = []
    second: list[int] = []
    for unit in rng.permutation(np.flatnonzero(times)):
        (first if len(first) <= len(second) else second).extend(np.tile(own[unit], times[unit]).tolist())
    return rng.permutation(np.array(first, dtype=np.int64)), rng.permutation(np.array(second, dtype=np.int64))


def _members(labels: Sequence[str | None], units: Sequence[str], name: str) -> list[Ints]:
    """Rows of a class by unit."""
    found: dict[str, list[int]] = {}
    for i, (label, unit) in enumerate(zip(labels, units, strict=True)):
        if label == name:
            found.setdefault(unit, []).append(i)
    return [np.array(rows, dtype=np.int64) for rows in found.values()]


def _distances(a: NDArray[np.float32], b: NDArray[np.float32], rows: Ints) -> Floats:
    """Euclidean distances (n, n) of vectors; only those of `rows` are computed, the others are NaN."""
    x, y = a[rows].astype(np.float64), b[rows].astype(np.float64)
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2.0 * x @ y.T
    found = np.full((len(a), len(b)), math.nan)
    found[np.ix_(rows, rows)] = np.sqrt(np.maximum(squares, 0.0))
    return found


def _within(matrix: Floats) -> float:
    return max(float(np.mean(np.diag(matrix))), 1e-12)


def _between(matrix: Floats) -> float:
    return float(np.nanmean(matrix[~np.eye(len(matrix), dtype=np.bool_)]))
