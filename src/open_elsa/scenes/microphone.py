"""Arrays that are not ideal: capsules that differ, a stand that is turned, channels that blur at high frequencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from open_elsa.errors import ConfigError
from open_elsa.scenes.scene import Microphone
from open_elsa.sound import foa

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Complex = NDArray[np.complex128]

#: Silence behind a scene while it is filtered: a filter without delay reaches a little beyond both ends.
_PAD_S = 0.05


@dataclass(frozen=True)
class MicrophoneRanges:
    """What microphones are drawn from: standard deviations, and (low, high) of the frequency, drawn log-uniform.

    gain_db, phase_deg, omni_share: of each capsule about 0 dB, 0 degrees and a cardioid's 0.5; yaw_deg: of the stand
    about straight ahead; alias_leak: amplitude of each channel in each other far above alias_hz, None for no aliasing.
    The defaults are those of small tetrahedral microphones as training assumes them.
    """

    gain_db: float = 0.7
    phase_deg: float = 3.0
    omni_share: float = 0.03
    yaw_deg: float = 3.0
    alias_hz: tuple[float, float] | None = (2500.0, 16000.0)
    alias_leak: float = 0.35

    def __post_init__(self) -> None:
        spreads = (self.gain_db, self.phase_deg, self.omni_share, self.yaw_deg, self.alias_leak)
        if min(spreads) < 0:
            raise ConfigError(f"MicrophoneRanges holds spreads of 0 or more, got {self}")
        if self.alias_hz is not None and not 0 < self.alias_hz[0] <= self.alias_hz[1]:
            raise ConfigError(f"MicrophoneRanges.alias_hz is (low, high) above 0, got {self.alias_hz}")

    def draw(self, rng: np.random.Generator, noise_snr_db: float | None) -> Microphone:
        """Draw the microphone of one scene."""

        def four(middle: float, spread: float, digits: int) -> tuple[float, ...]:
            return tuple(round(float(v), digits) for v in rng.normal(middle, spread, 4))

        return Microphone(
            gains_db=four(0.0, self.gain_db, 3),
            phases_deg=four(0.0, self.phase_deg, 3),
            omni_share=tuple(min(max(v, 0.0), 1.0) for v in four(0.5, self.omni_share, 4)),
            yaw_deg=round(float(rng.normal(0.0, self.yaw_deg)), 2),
            alias_hz=None if self.alias_hz is None else round(float(np.exp(rng.uniform(*np.log(self.alias_hz)))), 1),
            alias_leak=0.0 if self.alias_hz is None else self.alias_leak,
            alias_seed=int(rng.integers(2**62)),
            noise_snr_db=noise_snr_db,
        )


def hear(field: Float32, sample_rate: int, microphone: Microphone) -> Float32:
    """What an imperfect array makes of a sound field (4, n) AmbiX: (4, n) AmbiX, without its self-noise.

    An ideal one gives the very samples back. The capsules' signals, each with its gain, phase and pattern, are turned
    back into AmbiX as if they were ideal cardioids; above alias_hz, as (f / alias_hz)^2 / (1 + (f / alias_hz)^2),
    drawn leakage comes on top.
    """
    low = capsule_matrix(microphone)
    high = alias_matrix(np.random.default_rng(microphone.alias_seed), microphone.alias_leak)
    aliased = microphone.alias_hz is not None and microphone.alias_leak > 0
    if not aliased and np.array_equal(low, np.eye(4)):
        return field
    padded = np.pad(field, ((0, 0), (0, round(_PAD_S * sample_rate))))
    corner_hz = microphone.alias_hz if aliased and microphone.alias_hz is not None else np.inf
    return np.ascontiguousarray(mix_channels(padded, sample_rate, low, high, corner_hz)[:, : field.shape[1]])


def capsule_matrix(microphone: Microphone) -> Complex:
    """The (4, 4) matrix from the AmbiX channels of the true field to those that the array gives below alias_hz."""
    ideal = Microphone()
    parts = ("gains_db", "phases_deg", "omni_share")
    matrix: Complex = np.eye(4, dtype=np.complex128)
    if any(getattr(microphone, k) != getattr(ideal, k) for k in parts):
        to_capsules = foa.to_convention(np.eye(4), "a-format").astype(np.float64)
        share = np.asarray(microphone.omni_share)[:, None]
        # an ideal capsule hears half W and half the axis; the shares of both depart from a half in opposite ways
        to_capsules = to_capsules * np.concatenate([2.0 * share, *[2.0 * (1.0 - share)] * 3], axis=1)
        factor = 10.0 ** (np.asarray(microphone.gains_db) / 20.0) * np.exp(1j * np.radians(microphone.phases_deg))
        matrix = foa.from_convention(np.eye(4), "a-format").astype(np.float64) @ (factor[:, None] * to_capsules)
    if microphone.yaw_deg:
        matrix = matrix @ foa.rotate(np.eye(4), foa.rotation_matrix(-microphone.yaw_deg)).astype(np.float64)
    return matrix


def alias_matrix(rng: np.random.Generator, leak: float) -> Complex:
    """How channels leak into each other (4, 4) far above the aliasing frequency: complex, of drawn phases."""
    matrix: Complex = rng.normal(0, leak, (4, 4)) + 1j * rng.normal(0, leak, (4, 4))
    return matrix


def frequencies(signal: Float32, sample_rate: int) -> Float32:
    """The bins in Hz at which `mix_channels` filters a signal (4, n)."""
    n = fft.next_fast_len(signal.shape[1], real=True)
    hz: Float32 = fft.rfftfreq(n, 1 / sample_rate).astype(np.float32)
    return hz


def mix_channels(
    signal: Float32,
    sample_rate: int,
    low: NDArray[np.number],
    high: Complex,
    corner_hz: float,
    gain: NDArray[np.floating] | None = None,
) -> Float32:
    """Filter a signal (4, n) by a (4, 4) matrix that goes over from `low` to low + high around corner_hz: (4, n).

    gain: of every channel, one number for each of `frequencies`. The filters have no delay; what they smear beyond one
    end comes in at the other, so leave silence at an end where that matters.
    """
    n = fft.next_fast_len(signal.shape[1], real=True)
    spectrum = fft.rfft(signal, n, axis=1)
    ratio = (frequencies(signal, sample_rate) / np.float64(corner_hz)) ** 2
    mixed = low.astype(np.complex64) @ spectrum + (high.astype(np.complex64) @ spectrum) * (ratio / (1 + ratio))
    if gain is not None:
        mixed = mixed * gain
    filtered: Float32 = fft.irfft(mixed.astype(np.complex64), n, axis=1)[:, : signal.shape[1]]
    return filtered
