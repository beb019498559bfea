"""Vectors to points on a page: UMAP where it is installed, t-SNE otherwise."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError

#: Below so many points there are no neighbourhoods to keep.
FEWEST = 10
NEIGHBOURS = 30


def project(vectors: NDArray[np.float32], seed: int = 0) -> tuple[NDArray[np.float64], str]:
    """Place unit vectors (n, d) on a page so that neighbours stay neighbours: (n, 2), scaled to -1..1, and by what.

    UMAP (McInnes 2018) with the extra `geometry` installed, else scikit-learn's t-SNE (van der Maaten & Hinton 2008);
    neither is told any class. The same vectors, seed and versions give the same points. Raises DataError for fewer
    than ten vectors.
    """
    if len(vectors) < FEWEST:
        raise DataError(f"{len(vectors)} vectors cannot be projected: there must be {FEWEST} at least")
    if importlib.util.find_spec("umap") is not None:
        points, method = _umap(vectors, seed), "UMAP"
    else:
        points, method = _tsne(vectors, seed), "t-SNE"
    points = points - points.mean(axis=0)
    return points / max(float(np.abs(points).max()), 1e-12), method


def _umap(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    import umap

    with warnings.catch_warnings():  # that one seed means one thread is what we want
        warnings.filterwarnings("ignore", message="n_jobs value")
        made = umap.UMAP(
            n_neighbors=min(NEIGHBOURS, len(vectors) - 1),
            min_dist=0.25,
            metric="cosine",
            random_state=seed,
            n_jobs=1,
        ).fit_transform(vectors)
    return np.asarray(made, dtype=np.float64)


def _tsne(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    # between unit vectors Euclidean and cosine distances rank alike
    made = TSNE(perplexity=min(NEIGHBOURS, (len(vectors) - 1) / 3), init="pca", random_state=seed)
    return np.asarray(made.fit_transform(vectors.astype(np.float64)), dtype=np.float64)
