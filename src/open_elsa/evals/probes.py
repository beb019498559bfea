"""Linear probes: what can be read from vectors by a straight line, tested on rooms and recordings never seen."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from open_elsa.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]

FOLDS = 5


def crossed_folds(
    rooms: Sequence[Hashable], recordings: Sequence[Hashable], folds: int = FOLDS, seed: int = 0
) -> list[Masks]:
    """(train, test) masks (n,): every item is tested once, by what was fitted on neither its room nor its recording.

    Rooms and recordings are dealt into `folds` each (fewer where there are fewer); a test is one fold of rooms crossed
    with one of recordings, and trains on what lies in neither. Raises DataError for fewer than two rooms or recordings.
    """
    by_room, by_recording = deal(rooms, folds, seed), deal(recordings, folds, seed + 1)
    masks = [
        ((by_room != i) & (by_recording != j), (by_room == i) & (by_recording == j))
        for i in range(by_room.max() + 1)
        for j in range(by_recording.max() + 1)
    ]
    return [(train, test) for train, test in masks if test.any()]


def deal(keys: Sequence[Hashable], folds: int, seed: int) -> Ints:
    """Fold of every item (n,): the keys in random order, each into the fold that holds the fewest items so far."""
    members: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        members.setdefault(key, []).append(i)
    if len(members) < 2:
        raise DataError(f"{len(members)} rooms or recordings cannot be split into folds: there must be two at least")
    groups = list(members.values())
    found = np.empty(len(keys), dtype=np.int64)
    filled = np.zeros(min(folds, len(groups)), dtype=np.int64)
    # large groups first, so that the folds come out even; among equals the order is random
    order = sorted(np.random.default_rng(seed).permutation(len(groups)), key=lambda g: -len(groups[g]))
    for group in order:
        fold = int(filled.argmin())
        found[groups[group]] = fold
        filled[fold] += len(groups[group])
    return found


def probe_classes(vectors: NDArray[np.float32], labels: Ints, folds: Sequence[Masks]) -> Ints:
    """Class (n,) that a linear discriminant reads from each vector; -1 for items of no class or never tested.

    vectors (n, d); labels (n,): 0.., -1 = no class. All classes count alike, however frequent. The classes' common
    covariance is shrunk towards a sphere (Ledoit & Wolf 2004), in closed form: nothing is tuned.
    """
    said = np.full(len(labels), -1, dtype=np.int64)
    for train, test in _known(labels >= 0, folds):
        x, own = vectors[train].astype(np.float64), labels[train]
        names = np.unique(own)
        means = np.stack([x[own == name].mean(axis=0) for name in names])
        weights = _solve(x - means[np.searchsorted(names, own)], means.T)
        scores = vectors[test] @ weights - 0.5 * np.einsum("cd,dc->c", means, weights)
        said[test] = names[scores.argmax(axis=1)]
    return said


def probe_azimuth(vectors: NDArray[np.float32], azimuth_deg: Floats, folds: Sequence[Masks]) -> Floats:
    """Azimuth in degrees (n,) that a linear regression of its cosine and sine reads; NaN where unknown or never tested.

    The covariance is shrunk as in `probe_classes`.
    """
    said = np.full(len(azimuth_deg), np.nan)
    angles = np.radians(azimuth_deg)
    targets = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for train, test in _known(np.isfinite(azimuth_deg), folds):
        x, y = vectors[train].astype(np.float64), targets[train]
        centre, middle = x.mean(axis=0), y.mean(axis=0)
        weights = _solve(x - centre, (x - centre).T @ (y - middle) / len(x))
        east, north = ((vectors[test] - centre) @ weights + middle).T
        said[test] = np.degrees(np.arctan2(north, east))
    return said


def azimuth_errors(a_deg: Floats, b_deg: Floats) -> Floats:
    """Absolute difference of azimuths the short way round, 0 to 180 degrees."""
    return np.asarray(np.abs((a_deg - b_deg + 180.0) % 360.0 - 180.0))


def _known(known: NDArray[np.bool_], folds: Sequence[Masks]) -> Iterator[Masks]:
    for train, test in folds:
        if (train & known).any() and (test & known).any():
            yield train & known, test & known


def _solve(centred: Floats, right: Floats) -> Floats:
    """Inverse of the shrunk covariance of centred vectors (n, d), times `right` (d, k)."""
    covariance = shrunk_covariance(centred)
    ridge = 1e-9 * max(float(np.trace(covariance)) / len(covariance), 1e-12)  # a constant column isn't singular then
    return np.asarray(solve(covariance + ridge * np.eye(len(covariance)), right, assume_a="pos"))


def shrunk_covariance(centred: Floats) -> Floats:
    """Covariance (d, d) of centred vectors (n, d), drawn towards a multiple of the identity as far as is best.

    Ledoit & Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004.
    """
    n, d = centred.shape
    sample = centred.T @ centred / n
    mean = float(np.trace(sample)) / d
    distance = float((sample**2).sum()) - d * mean**2
    noise = (float(((centred**2).sum(axis=1) ** 2).sum()) / n - float((sample**2).sum())) / n
    weight = min(noise, distance) / distance if distance > 0 else 1.0
    return np.asarray((1.0 - weight) * sample + weight * mean * np.eye(d))
