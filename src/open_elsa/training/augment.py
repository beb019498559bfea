"""What real rooms and microphones do that simulated ones do not: rotations, capsule errors, loudspeakers, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from open_elsa.scenes.microphone import alias_matrix, frequencies, mix_channels
from open_elsa.scenes.noise import NoisePool
from open_elsa.sound import foa

__all__ = ["AugmentConfig", "NoisePool", "add_noise", "apply_rotation", "microphone", "mistaken", "random_rotation"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class AugmentConfig:
    """How far training strays from the clean simulation. Every field is a standard deviation, a range or a chance."""

    rotate: bool = True  # False: scenes stay as they are in the bank, neither turned nor mirrored nor tilted
    mirror_up: float = 0.5  # chance to exchange floor and ceiling: high and low sources become equally common
    tilt_deg: float = 4.0  # of the array about a random horizontal axis; real stands are not level
    gain_db: float = 0.7  # per channel: capsule and preamplifier mismatch
    leak: float = 0.03  # of each channel into each other
    alias_hz: tuple[float, float] = (2500.0, 16000.0)  # above, a real array's channels stop being harmonics
    alias_leak: float = 0.35
    tone_db: float = 6.0  # spectral tilt of source and loudspeaker
    hiss: float = 0.85  # chance of sensor noise, equal in every channel
    hiss_snr_db: tuple[float, float] = (18.0, 75.0)
    room_snr_db: tuple[float, float] = (12.0, 60.0)  # diffuse room noise
    room_noise: float = 0.6  # chance of it
    level_db: float = 6.0  # of the whole scene
    beam_error_deg: float = 8.0  # of the direction from which a beam hears the sound: the model's own errs too


def random_rotation(rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.float64]:
    """A (3, 3) matrix on xyz: any yaw, a mirror image half of the time, a slight tilt, floor and ceiling exchanged.

    Without `rotate` the identity; as many numbers are drawn, so that all else in an example stays the same.
    """
    axis_deg = rng.uniform(-180, 180)
    axis = foa.unit_vector(axis_deg, 0.0)
    matrix = foa.rotation_about(axis, rng.normal(0, config.tilt_deg)) @ foa.rotation_matrix(rng.uniform(-180, 180))
    flip = np.diag([1.0, rng.choice([-1.0, 1.0]), -1.0 if rng.random() < config.mirror_up else 1.0])
    product: NDArray[np.float64] = matrix @ flip
    return product if config.rotate else np.eye(3)


def apply_rotation(response: Array, matrix: NDArray[np.float64]) -> Array:
    """Rotate or mirror AmbiX (4, n) by a (3, 3) matrix on xyz (mirrors included, unlike foa.rotate)."""
    order = [3, 1, 2]  # X, Y, Z in ACN's W, Y, Z, X
    turned = np.empty_like(response)
    turned[0] = response[0]
    turned[order] = matrix.astype(np.float32) @ response[order]
    return turned


def mistaken(direction: NDArray[np.float64], rng: np.random.Generator, config: AugmentConfig) -> Array:
    """A unit vector (3,) about `beam_error_deg` off the true one."""
    off = direction + rng.normal(0, np.radians(config.beam_error_deg) / np.sqrt(2), 3)
    return (off / np.linalg.norm(off)).astype(np.float32)


def microphone(response: Array, sample_rate: int, rng: np.random.Generator, config: AugmentConfig) -> Array:
    """Filter a response (4, n) through a drawn imperfect microphone and loudspeaker: (4, n).

    Gains and leakage are constant below `alias_hz` and grow above it, where leakage is complex (phase errors too).
    """
    hz = frequencies(response, sample_rate)
    low = np.eye(4) + np.diag(10 ** (rng.normal(0, config.gain_db, 4) / 20) - 1) + rng.normal(0, config.leak, (4, 4))
    high = alias_matrix(rng, config.alias_leak)
    corner = np.exp(rng.uniform(*np.log(config.alias_hz)))
    tone = rng.normal(0, config.tone_db) * np.log10(np.maximum(hz, 50) / 1000)
    bend = rng.normal(0, config.tone_db / 2) * np.sin(2 * np.pi * (np.log2(np.maximum(hz, 50) / 50) / 8 + rng.random()))
    gain = 10 ** (np.clip(tone + bend, -18, 18) / 20)
    return mix_channels(response, sample_rate, low, high, corner, gain)


def add_noise(scene: Array, pool: NoisePool, rng: np.random.Generator, config: AugmentConfig) -> Array:
    """The scene with sensor noise and, by chance, diffuse room noise at drawn levels under its W."""
    n = scene.shape[1]
    level = float(np.sqrt(np.mean(scene[0] ** 2))) + 1e-7
    if rng.random() < config.hiss:
        scene = scene + pool.cut(n, rng, diffuse=False) * np.float32(
            level * 10 ** (-rng.uniform(*config.hiss_snr_db) / 20)
        )
    if rng.random() < config.room_noise:
        scene = scene + pool.cut(n, rng, diffuse=True) * np.float32(
            level * 10 ** (-rng.uniform(*config.room_snr_db) / 20)
        )
    return scene
