"""Microphone errors: none for an ideal array; gains, phases, patterns, yaw and aliasing do what their names say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes.microphone import MicrophoneRanges, capsule_matrix, hear
from open_elsa.scenes.scene import Microphone
from open_elsa.sound import foa

RATE = 16_000
AXES = {"FLU": (45.0, 35.26), "FRD": (-45.0, -35.26), "BLD": (135.0, -35.26), "BRU": (-135.0, 35.26)}


def wave(azimuth_deg: float = 40.0, elevation_deg: float = 10.0) -> np.ndarray:
    return foa.encode(0.1 * np.random.default_rng(0).standard_normal(RATE), azimuth_deg, elevation_deg)


def bands(signal: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    spectrum = np.fft.rfft(signal, axis=1)
    hz = np.fft.rfftfreq(signal.shape[1], 1 / RATE)
    return spectrum[:, (hz >= low_hz) & (hz < high_hz)]


def test_the_ideal_microphone_gives_the_very_samples_back() -> None:
    assert np.array_equal(hear(wave(), RATE, Microphone()), wave())
    assert np.array_equal(capsule_matrix(Microphone()), np.eye(4))
    exact = MicrophoneRanges(gain_db=0, phase_deg=0, omni_share=0, yaw_deg=0, alias_hz=None)
    assert np.array_equal(hear(wave(), RATE, exact.draw(np.random.default_rng(0), None)), wave())


def test_yaw_turns_what_is_heard_to_the_right() -> None:
    heard = hear(wave(40.0, 10.0), RATE, Microphone(yaw_deg=15.0))
    azimuth, elevation = foa.angles(foa.intensity_direction(heard, RATE))
    assert (azimuth, elevation) == (pytest.approx(25.0, abs=0.05), pytest.approx(10.0, abs=0.05))


@pytest.mark.parametrize("capsule", range(4))
def test_a_louder_capsule_pulls_towards_itself(capsule: int) -> None:
    gains = tuple(6.0 if k == capsule else 0.0 for k in range(4))
    heard = hear(wave(0.0, 0.0), RATE, Microphone(gains_db=gains))
    axis = foa.unit_vector(*list(AXES.values())[capsule])
    ideal = foa.unit_vector(0.0, 0.0)
    found = foa.intensity_direction(heard, RATE)
    assert np.dot(found - ideal, axis - ideal * np.dot(axis, ideal)) > 0.02  # sideways, towards the capsule


def test_capsules_are_heard_as_they_are() -> None:
    """A wave along a capsule's axis through cardioids by hand."""
    microphone = Microphone((1.0, -2.0, 0.5, 0.0), (5.0, 0.0, -10.0, 20.0), (0.5, 0.6, 0.45, 0.5))
    axes = np.array([foa.unit_vector(*a) for a in AXES.values()])
    direction = foa.unit_vector(*AXES["FRD"])
    share = np.array(microphone.omni_share)
    factor = 10 ** (np.array(microphone.gains_db) / 20) * np.exp(1j * np.radians(microphone.phases_deg))
    capsules = factor * (share + (1 - share) * (axes @ direction))
    w, xyz = capsules.sum() / 2, 1.5 * capsules @ axes
    found = capsule_matrix(microphone) @ np.array([1.0, *direction[[1, 2, 0]]])
    np.testing.assert_allclose(found, [w, xyz[1], xyz[2], xyz[0]], atol=5e-4)


def test_phases_move_nothing_in_level_of_one_capsule_alone() -> None:
    same = Microphone(phases_deg=(30.0,) * 4)
    spectrum, ideal = bands(hear(wave(), RATE, same), 500, 7000), bands(wave(), 500, 7000)
    ratio = np.sum(spectrum * np.conj(ideal), axis=1) / np.sum(np.abs(ideal) ** 2, axis=1)
    np.testing.assert_allclose(np.abs(ratio), 1.0, atol=0.01)
    np.testing.assert_allclose(np.degrees(np.angle(ratio)), 30.0, atol=0.5)


def test_aliasing_spoils_directions_above_its_frequency_alone() -> None:
    for seed in range(5):
        microphone = Microphone(alias_hz=4000.0, alias_leak=0.5, alias_seed=seed)
        error = hear(wave(), RATE, microphone) - wave()
        power = {
            low: np.mean(np.abs(bands(error, low, high)) ** 2) / np.mean(np.abs(bands(wave(), low, high)) ** 2)
            for low, high in ((50, 400), (6000, 8000))
        }
        assert power[50] < 1e-3
        assert power[6000] > 0.05
    assert np.array_equal(hear(wave(), RATE, replace(microphone, alias_leak=0.0)), wave())


def test_nothing_wraps_from_one_end_to_the_other() -> None:
    click = np.zeros((4, RATE), dtype=np.float32)
    click[:, 0] = 1.0
    microphone = MicrophoneRanges().draw(np.random.default_rng(3), None)
    heard = hear(click, RATE, microphone)
    assert np.abs(heard[:, -RATE // 10 :]).max() < 1e-3


def test_drawn_microphones_spread_as_asked() -> None:
    rng = np.random.default_rng(0)
    drawn = [MicrophoneRanges(gain_db=2.0, yaw_deg=5.0).draw(rng, 30.0) for _ in range(400)]
    assert np.std([g for m in drawn for g in m.gains_db]) == pytest.approx(2.0, rel=0.1)
    assert np.std([m.yaw_deg for m in drawn]) == pytest.approx(5.0, rel=0.15)
    corners = [m.alias_hz for m in drawn if m.alias_hz is not None]
    assert len(corners) == 400 and 2500 <= min(corners) < 3000 and 14000 < max(corners) <= 16000
    assert {m.noise_snr_db for m in drawn} == {30.0}
    assert MicrophoneRanges().draw(np.random.default_rng(1), None) == MicrophoneRanges().draw(
        np.random.default_rng(1), None
    )


def test_impossible_microphones() -> None:
    with pytest.raises(ConfigError, match="spreads of 0 or more"):
        MicrophoneRanges(gain_db=-1.0)
    with pytest.raises(ConfigError, match="alias_hz"):
        MicrophoneRanges(alias_hz=(0.0, 100.0))
    with pytest.raises(DataError, match="four capsules"):
        Microphone(gains_db=(0.0, 0.0))
