"""Acoustics against decays whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from open_elsa.errors import AudioError
from open_elsa.sound import acoustics

RATE = 32_000


def decay(t60_s: float, seed: int = 0, rate: int = RATE, length: float = 1.2) -> NDArray[np.float32]:
    """Gaussian noise that falls by 60 dB in t60_s."""
    n = round(length * t60_s * rate)
    envelope = np.exp(-np.log(1000.0) * np.arange(n) / rate / t60_s)
    return (np.random.default_rng(seed).standard_normal(n) * envelope).astype(np.float32)


@pytest.mark.parametrize("t60_s", [0.15, 0.5, 2.0])
@pytest.mark.parametrize("rate", [16_000, 32_000, 48_000])
def test_t30_of_an_exponential_decay(t60_s: float, rate: int) -> None:
    ir = decay(t60_s, rate=rate)
    assert acoustics.t30(ir, rate) == pytest.approx(t60_s, rel=0.03)
    assert acoustics.measure(ir, rate, 0.0, noise_floor=False).t30_s == pytest.approx(t60_s, rel=0.03)
    assert acoustics.edt(ir, rate) == pytest.approx(t60_s, rel=0.12)


def test_t30_is_exact_without_randomness() -> None:
    ir = np.exp(-np.log(1000.0) * np.arange(40_000) / RATE / 0.7)
    assert acoustics.t30(ir, RATE) == pytest.approx(0.7, rel=1e-3)


def test_third_octaves_tell_a_fast_band_from_a_slow_one() -> None:
    rng, n = np.random.default_rng(1), 2 * RATE
    hertz = np.fft.rfftfreq(n, 1 / RATE)
    white = np.fft.rfft(rng.standard_normal(n))
    low, high = np.fft.irfft(white * (hertz < 1400), n), np.fft.irfft(white * (hertz >= 1400), n)
    time_s = np.arange(n) / RATE
    ir = low * 10 ** (-3 * time_s / 1.2) + high * 10 ** (-3 * time_s / 0.4)
    found = np.array(acoustics.third_octave_t30(ir, RATE))
    bands = np.array(acoustics.THIRD_OCTAVE_BANDS_HZ)
    assert found.shape == (20,)
    assert np.nanmedian(found[(bands > 150) & (bands < 1000)]) == pytest.approx(1.2, rel=0.06)
    assert np.nanmedian(found[bands > 2000]) == pytest.approx(0.4, rel=0.06)


def test_band_values_average_to_the_truth() -> None:
    found = [acoustics.measure(decay(0.5, seed), RATE, 0.0, noise_floor=False).t30_bands_s for seed in range(16)]
    assert np.mean(found, axis=0)[3:] == pytest.approx(0.5, rel=0.08)


def test_a_noise_floor_is_left_out_and_too_much_of_it_is_nan() -> None:
    ir = np.concatenate([decay(0.5), np.zeros(RATE // 2, np.float32)])
    noise = np.random.default_rng(3).standard_normal(ir.size).astype(np.float32)
    assert acoustics.t30(ir + 10 ** (-46 / 20) * noise, RATE) == pytest.approx(0.5, rel=0.06)
    assert acoustics.t30(ir + 10 ** (-46 / 20) * noise, RATE, noise_floor=False) > 0.6
    assert np.isnan(acoustics.t30(ir + 10 ** (-15 / 20) * noise, RATE))
    measured = acoustics.measure(ir + 10 ** (-15 / 20) * noise, RATE, 0.0)
    assert np.isnan(measured.t30_s)
    assert np.isnan(measured.t30_bands_s).mean() > 0.8


def test_a_bump_in_the_noise_is_no_decay() -> None:
    """A short decay with a late second sound: a line through both is far longer than either."""
    ir = np.concatenate([decay(0.15), np.zeros(RATE, np.float32)])
    ir[RATE // 3 : RATE // 3 + 3200] += 0.2 * decay(0.15)[:3200]
    assert np.isnan(acoustics.t30(ir, RATE))
    assert np.isnan(acoustics.measure(ir, RATE, 0.0).t30_s)
    assert acoustics.t30(ir[: RATE // 3], RATE) == pytest.approx(0.15, rel=0.05)


def test_drr_and_c50_of_two_pulses() -> None:
    ir = np.zeros(RATE, np.float32)
    ir[320] = 1.0  # the direct sound, 10 ms
    ir[320 + 960] = 0.5  # 30 ms later
    ir[320 + 3200] = 0.25  # 100 ms later
    assert acoustics.drr_db(ir, RATE, 0.010) == pytest.approx(10 * np.log10(1 / (0.25 + 0.0625)), abs=1e-4)
    assert acoustics.c50_db(ir, RATE, 0.010) == pytest.approx(10 * np.log10(1.25 / 0.0625), abs=1e-4)
    assert acoustics.third_octave_drr_db(ir, RATE, 0.010)[10] == pytest.approx(5.05, abs=3.0)


def test_drr_follows_the_geometric_arrival_not_the_strongest_peak() -> None:
    ir = np.zeros(8000, np.float32)
    ir[320], ir[640] = 0.5, 1.0  # floor and ceiling echoes together exceed the direct sound
    assert acoustics.drr_db(ir, RATE, 0.010) == pytest.approx(-6.02, abs=0.01)


def test_arrival_is_the_first_sound_within_20_db() -> None:
    ir = np.zeros(8000, np.float32)
    ir[100], ir[320], ir[640] = 0.01, 0.4, 1.0
    assert acoustics.estimate_arrival(ir, RATE) == pytest.approx(0.010)
    assert acoustics.estimate_arrival(np.stack([ir] * 4), RATE) == pytest.approx(0.010)


def test_octave_gains_sum_to_one() -> None:
    gains = acoustics.octave_gains(np.linspace(0, 24_000, 2000))
    assert gains.shape == (8, 2000)
    assert gains.sum(axis=0) == pytest.approx(1.0, abs=1e-6)
    assert gains.min() >= 0


def test_bands_above_nyquist_are_nan() -> None:
    assert np.isnan(acoustics.measure(decay(0.5, rate=8000), 8000, 0.0).t30_bands_s[-3:]).all()


@pytest.mark.parametrize("bad", [np.zeros(0), np.zeros((4, 0)), np.full(100, np.nan), np.zeros(500)])
def test_nothing_is_measured_from_nothing(bad: NDArray[np.float64]) -> None:
    with pytest.raises(AudioError):
        acoustics.measure(bad, RATE)
