"""Unit length, and one vector for a group of rows."""

from __future__ import annotations

import numpy as np
import pytest

from open_elsa.using.vectors import group_means, unit


def test_rows_get_unit_length_and_zeros_stay() -> None:
    rows = unit(np.array([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]]))
    assert rows.dtype == np.float32
    assert rows.tolist() == [pytest.approx([0.6, 0.8]), [0.0, 0.0], [-1.0, 0.0]]


def test_a_group_is_the_direction_of_its_mean() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, -5.0]])
    made = group_means(vectors, [2, 1, 1])
    assert made.tolist() == [pytest.approx([0.5**0.5, 0.5**0.5]), [0.0, 1.0], [0.0, -1.0]]
