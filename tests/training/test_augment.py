"""Augmentation keeps what the labels say: directions turn exactly, microphones bend little, noise has its level."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from open_elsa.sound import foa
from open_elsa.training import augment
from open_elsa.training.augment import AugmentConfig, NoisePool

RATE = 32000
CONFIG = AugmentConfig()


def intensity(signal: np.ndarray, low_hz: float = 0, high_hz: float = RATE / 2) -> np.ndarray:
    """Mean active intensity vector in a band."""
    spectrum = np.fft.rfft(signal.astype(np.float64), axis=1)
    hz = np.fft.rfftfreq(signal.shape[1], 1 / RATE)
    spectrum = spectrum[:, (hz >= low_hz) & (hz <= high_hz)]
    return np.real(np.conj(spectrum[0]) * spectrum[[3, 1, 2]]).sum(1)


def pulse(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    signal = np.zeros(2048)
    signal[300] = 1.0
    return foa.encode(signal, azimuth_deg, elevation_deg)


def test_rotations_keep_angles_and_turn_every_way() -> None:
    rng = np.random.default_rng(0)
    matrices = [augment.random_rotation(rng, CONFIG) for _ in range(300)]
    for matrix in matrices:
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    mirrored = np.mean([np.linalg.det(m) < 0 for m in matrices])
    assert 0.4 < mirrored < 0.6
    yaw = [float(foa.angles(m @ [1.0, 0, 0])[0]) for m in matrices]
    assert set(np.digitize(yaw, [-120, -60, 0, 60, 120])) == set(range(6))
    ceiling = [float((m @ [0, 0, 1.0])[2]) for m in matrices]
    assert 0.4 < np.mean(np.array(ceiling) > 0) < 0.6
    assert np.min(np.abs(ceiling)) > np.cos(np.radians(5 * CONFIG.tilt_deg))  # a slight tilt, no more


def test_elevation_is_kept_where_floor_and_ceiling_stay() -> None:
    level = dataclasses.replace(CONFIG, mirror_up=0.0, tilt_deg=0.0)
    matrix = augment.random_rotation(np.random.default_rng(1), level)
    np.testing.assert_allclose(matrix @ [0, 0, 1.0], [0, 0, 1.0], atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_the_sound_turns_with_its_label(seed: int) -> None:
    rng = np.random.default_rng(seed)
    azimuth, elevation = rng.uniform(-180, 180), rng.uniform(-60, 60)
    matrix = augment.random_rotation(rng, CONFIG)
    turned = augment.apply_rotation(pulse(azimuth, elevation), matrix)
    wanted = matrix @ foa.unit_vector(azimuth, elevation)
    assert foa.angular_error_deg(intensity(turned), wanted) < 0.01
    np.testing.assert_array_equal(turned[0], pulse(azimuth, elevation)[0])


def test_a_mirror_image_exchanges_left_and_right() -> None:
    mirrored = augment.apply_rotation(pulse(70, 20), np.diag([1.0, -1.0, 1.0]))
    np.testing.assert_allclose(mirrored, foa.mirror(pulse(70, 20)), atol=1e-7)
    np.testing.assert_allclose(mirrored, pulse(-70, 20), atol=1e-7)


def test_microphones_bend_low_frequencies_little_and_high_ones_more() -> None:
    rng = np.random.default_rng(2)
    low, high = [], []
    for _ in range(60):
        azimuth, elevation = rng.uniform(-180, 180), rng.uniform(-60, 60)
        heard = augment.microphone(pulse(azimuth, elevation), RATE, rng, CONFIG)
        true = foa.unit_vector(azimuth, elevation)
        low.append(float(foa.angular_error_deg(intensity(heard, 100, 1500), true)))
        high.append(float(foa.angular_error_deg(intensity(heard, 10000, 16000), true)))
    assert 0.3 < np.median(low) < 6
    assert np.max(low) < 25
    assert np.median(high) > 2 * np.median(low)


def test_a_perfect_microphone_changes_nothing() -> None:
    perfect = AugmentConfig(gain_db=0, leak=0, alias_leak=0, tone_db=0)
    heard = augment.microphone(pulse(30, 10), RATE, np.random.default_rng(0), perfect)
    np.testing.assert_allclose(heard, pulse(30, 10), atol=1e-5)


@pytest.mark.parametrize("diffuse", [False, True])
def test_noise_lies_at_the_drawn_level_below_w(diffuse: bool) -> None:
    pool = NoisePool(RATE, seconds=4.0)
    t = np.arange(RATE) / RATE
    scene = foa.encode(0.2 * np.sin(2 * np.pi * 500 * t), 90)
    at = (20.0, 20.0)
    config = AugmentConfig(
        hiss=0.0 if diffuse else 1.0, room_noise=1.0 if diffuse else 0.0, hiss_snr_db=at, room_snr_db=at
    )
    for seed in range(4):
        noise = augment.add_noise(scene, pool, np.random.default_rng(seed), config) - scene
        power = np.mean(noise.astype(np.float64) ** 2, axis=1)
        assert 10 * np.log10(np.mean(scene[0] ** 2) / power[0]) == pytest.approx(20, abs=0.7)
        assert power[1:] / power[0] == pytest.approx(1 / 3 if diffuse else 1.0, rel=0.25)


def test_no_noise_by_no_chance() -> None:
    scene = pulse(0, 0)
    quiet = AugmentConfig(hiss=0.0, room_noise=0.0)
    np.testing.assert_array_equal(
        augment.add_noise(scene, NoisePool(RATE, 1.0), np.random.default_rng(0), quiet), scene
    )
