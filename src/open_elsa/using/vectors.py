"""Arithmetic on embeddings that several parts share: unit length, and one vector for a group of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def unit(rows: NDArray[np.floating]) -> Floats:
    """Rows (n, d) at unit length, float32; zeros stay zeros."""
    whole: Floats = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return whole


def group_means(vectors: NDArray[np.floating], sizes: Sequence[int]) -> Floats:
    """Unit vector (len(sizes), d) of each group of rows that follow one another: its mean at unit length."""
    return unit(np.stack([part.mean(axis=0) for part in np.split(vectors, np.cumsum(sizes)[:-1])]))
