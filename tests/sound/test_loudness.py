"""Loudness in LUFS against the standard's own numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from open_elsa.errors import AudioError
from open_elsa.sound.loudness import _k_weighting, integrated_lufs


def sine(hertz: float, amplitude: float, seconds: float, rate: int) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def test_the_weighting_is_the_standards_at_48_khz() -> None:
    # ITU-R BS.1770-4, tables 1 and 2
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    high_pass = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    assert np.allclose(_k_weighting(48_000), [shelf, high_pass], atol=1e-8)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_sine_of_full_scale_at_997_hz_has_3_01_lufs_at_any_rate(rate: int) -> None:
    assert integrated_lufs(sine(997, 1.0, 3.0, rate), rate) == pytest.approx(-3.01, abs=0.05)
    assert integrated_lufs(sine(997, 0.1, 0.2, rate), rate) == pytest.approx(-23.0, abs=0.2)  # shorter than a block


def test_silence_and_what_is_quiet_beside_the_rest_do_not_count() -> None:
    loud, rate = sine(997, 0.1, 4.0, 48_000), 48_000
    assert integrated_lufs(np.concatenate([loud, np.zeros(8 * rate)]), rate) == pytest.approx(-23.0, abs=0.3)
    assert integrated_lufs(np.concatenate([loud, 0.05 * loud, 0.05 * loud]), rate) == pytest.approx(-23.0, abs=0.3)
    assert integrated_lufs(np.zeros(rate), rate) == -math.inf
    # bass counts less, treble more
    assert (
        integrated_lufs(sine(40, 0.1, 2.0, rate), rate)
        < -26
        < -20.5
        < integrated_lufs(sine(5000, 0.1, 2.0, rate), rate)
    )


def test_more_than_one_channel_is_refused() -> None:
    with pytest.raises(AudioError, match=r"one channel"):
        integrated_lufs(np.zeros((4, 100)), 48_000)
