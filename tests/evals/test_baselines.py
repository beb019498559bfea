"""The hand-made estimators: exact on a plane wave, and the selective ones robust to what comes later from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open_elsa.evals.baselines import ESTIMATORS, estimate
from open_elsa.sound import foa

RATE = 16_000


@settings(max_examples=15, deadline=None)
@given(st.floats(-179, 179), st.floats(-80, 80))
def test_a_plane_wave_is_found_by_every_estimator(azimuth_deg: float, elevation_deg: float) -> None:
    wave = foa.encode(np.random.default_rng(0).standard_normal(4000), azimuth_deg, elevation_deg)
    for name, vector in estimate(wave, RATE).items():
        assert foa.angular_error_deg(vector, foa.unit_vector(azimuth_deg, elevation_deg)) < 0.01, name


def test_onsets_point_at_the_source_where_the_average_does_not() -> None:
    rng = np.random.default_rng(1)
    signal = np.zeros((4, RATE), dtype=np.float32)
    for start in range(0, RATE, 4000):  # a click from the left, then a longer and louder reflection from the right
        signal[:, start : start + 240] += foa.encode(rng.standard_normal(240), 90, 0)
        signal[:, start + 480 : start + 2480] += foa.encode(0.8 * rng.standard_normal(2000), -60, 0)
    errors = {n: float(foa.angular_error_deg(v, [0, 1, 0])) for n, v in estimate(signal, RATE).items()}
    assert errors["mean_intensity"] > 60
    assert errors["onset_least_diffuse"] < errors["mean_intensity"]


def test_all_at_once_is_each_alone() -> None:
    signal = np.random.default_rng(2).standard_normal((4, 4000)).astype(np.float32)
    together = estimate(signal, RATE)
    assert list(together) == list(ESTIMATORS)
    for name, estimator in ESTIMATORS.items():
        assert np.array_equal(together[name], estimator(signal, RATE))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_silence_and_a_few_samples_give_a_direction_not_a_crash(name: str) -> None:
    for n in (3, 500):
        vector = ESTIMATORS[name](np.zeros((4, n), dtype=np.float32), RATE)
        assert vector.tolist() == [1, 0, 0]
