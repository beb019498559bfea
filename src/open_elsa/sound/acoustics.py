"""Acoustics of a room, measured from an impulse response (ISO 3382-1: decay, clarity, direct-to-reverberant)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import AudioError
from open_elsa.sound.band_spectra import (
    PAD_S,
    Signal,
    coarser,
    envelope_length,
    envelopes,
    full_band_gain,
    low_spectrum,
    third_gains,
    transform_size,
)

#: Octave bands of absorption and of the simulator, centre frequencies in hertz.
OCTAVE_BANDS_HZ: tuple[float, ...] = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)

#: Third octaves of IEC 61260 in which T30 and DRR are measured: 100 Hz to 8 kHz, 20 bands, as in the paper.
THIRD_OCTAVE_BANDS_HZ: tuple[float, ...] = (
    100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000,
)  # fmt: skip

#: Direct sound is what arrives within this time of the geometric arrival, before or after it.
DIRECT_WINDOW_S = 0.0025

#: How far a recording's decay may be from a line, as 1 - r**2: sound decays stay below 0.015 here, while noise and
#: late bumps that pass for a decay exceed 0.1 (ISO 3382-1 doubts what is above 0.01).
_CURVED = 0.05
#: Floor added to energies before a logarithm or a ratio.
_TINY = 1e-30


@dataclass(frozen=True)
class Acoustics:
    """Acoustics measured from a response (never copied from the wish).

    t30_s: full-band T30 in seconds (ISO 3382-1, -5 to -35 dB, doubled); t30_bands_s and drr_bands_db: the same per
    third octave of `THIRD_OCTAVE_BANDS_HZ` (20 values, NaN where the band cannot be measured);
    drr_db: direct-to-reverberant ratio of W; edt_s: early decay time; c50_db: clarity.
    """

    t30_s: float
    drr_db: float
    edt_s: float
    c50_db: float
    t30_bands_s: tuple[float, ...] = ()
    drr_bands_db: tuple[float, ...] = ()


def t30(ir: Signal, sample_rate: float, *, noise_floor: bool = True) -> float:
    """T30 in seconds of an impulse response (n,), by Schroeder integration from -5 to -35 dB, doubled.

    noise_floor: look for a steady noise floor and leave it out (recordings); False trusts the response to its end.
    Returns T20 (-5 to -25 dB, tripled) where the range is only enough for that, NaN below, and NaN for a recording
    whose decay is no line. Source: ISO 3382-1.
    """
    return _t30_of_energy(np.square(_checked(ir), dtype=np.float64), sample_rate, noise_floor)


def edt(ir: Signal, sample_rate: float, *, noise_floor: bool = True) -> float:
    """Early decay time in seconds of an impulse response (n,): 0 to -10 dB, times six. Source: ISO 3382-1."""
    energy = np.square(_checked(ir), dtype=np.float64)
    curve, depth = _decay_curve(energy[_onset(energy) :], sample_rate, noise_floor)
    return _decay_time(curve, sample_rate, 0.0, -10.0, depth)


def drr_db(ir: Signal, sample_rate: float, arrival_s: float) -> float:
    """Direct-to-reverberant ratio in dB of an impulse response (n,).

    Direct is what lies within 2.5 ms of `arrival_s`, the geometric arrival, not the strongest peak: floor and ceiling
    echoes that arrive together can exceed the direct sound. Reverberant is everything later.
    """
    return _drr_db(_checked(ir), sample_rate, arrival_s)


def c50_db(ir: Signal, sample_rate: float, arrival_s: float) -> float:
    """Clarity C50 in dB of an impulse response (n,): energy up to 50 ms after `arrival_s` against the rest."""
    return _c50_db(_checked(ir), sample_rate, arrival_s)


def estimate_arrival(ir: Signal, sample_rate: float) -> float:
    """Time in seconds at which an impulse response (n,) or the W of (4, n) starts.

    ISO 3382-1's trigger: the first sample within 20 dB of the peak, then the largest sample in the next half
    millisecond. Raises AudioError where the response is silent.
    """
    magnitude = np.abs(_checked(ir))
    peak = float(magnitude.max())
    if peak <= 0:
        raise AudioError("the response is silent: it has no arrival; give a response with a direct sound")
    first = int(np.argmax(magnitude >= 0.1 * peak))
    reach = max(2, round(0.0005 * sample_rate))
    return float(first + np.argmax(magnitude[first : first + reach])) / sample_rate


def third_octave_t30(ir: Signal, sample_rate: float, *, noise_floor: bool = True) -> tuple[float, ...]:
    """T30 in seconds per third octave of `THIRD_OCTAVE_BANDS_HZ`, 20 values, NaN where a band can't be measured."""
    samples = _checked(ir)
    n_fft = transform_size(samples.size + PAD_S * sample_rate, sample_rate)
    spectrum = low_spectrum(samples, n_fft, sample_rate)
    length_s = _envelope_s(samples.size, sample_rate, noise_floor)
    return _band_t30s(spectrum, n_fft, length_s, sample_rate, noise_floor)


def third_octave_drr_db(ir: Signal, sample_rate: float, arrival_s: float) -> tuple[float, ...]:
    """Direct-to-reverberant ratio in dB per third octave, 20 values; the gate of `drr_db`, then the bands."""
    return _band_drrs_db(_checked(ir), sample_rate, arrival_s)


def measure(
    response: Signal, sample_rate: float, arrival_s: float | None = None, *, noise_floor: bool = True
) -> Acoustics:
    """Measure everything of `Acoustics` from the W of an AmbiX response (4, n), or from a mono response (n,).

    arrival_s: geometric arrival of the direct sound; None estimates it. noise_floor: see `t30`.
    Full-band T30 and EDT are taken over all twenty third octaves (89 Hz to 9 kHz). Raises AudioError for a response
    that is empty, silent or not finite.
    """
    samples = _checked(response)
    arrival = estimate_arrival(samples, sample_rate) if arrival_s is None else arrival_s
    if not float(np.abs(samples).max()) > 0:
        raise AudioError("the response is silent: nothing can be measured; give a response with a direct sound")
    n_fft = transform_size(samples.size + PAD_S * sample_rate, sample_rate)
    spectrum = low_spectrum(samples, n_fft, sample_rate)
    length_s = _envelope_s(samples.size, sample_rate, noise_floor)
    (full_energy,), rate = envelopes(spectrum, (full_band_gain(n_fft, sample_rate),), n_fft, length_s, sample_rate)
    curve, depth = _decay_curve(full_energy[_onset(full_energy) :], rate, noise_floor)
    return Acoustics(
        t30_s=_t30_of_energy(full_energy, rate, noise_floor),
        drr_db=_drr_db(samples, sample_rate, arrival),
        edt_s=_decay_time(curve, rate, 0.0, -10.0, depth),
        c50_db=_c50_db(samples, sample_rate, arrival),
        t30_bands_s=_band_t30s(spectrum, n_fft, length_s, sample_rate, noise_floor),
        drr_bands_db=_band_drrs_db(samples, sample_rate, arrival),
    )


def octave_gains(frequencies_hz: NDArray[np.float64]) -> NDArray[np.float32]:
    """Gains (8, f) that split a spectrum into the bands of `OCTAVE_BANDS_HZ` and sum to exactly one.

    Raised cosines in log frequency between neighbouring centres; the outer bands reach to 0 Hz and to infinity.
    """
    position = np.log2(np.maximum(frequencies_hz, 1e-3) / OCTAVE_BANDS_HZ[0])
    position = np.clip(position, 0.0, len(OCTAVE_BANDS_HZ) - 1.0)
    distance = np.abs(position[None, :] - np.arange(len(OCTAVE_BANDS_HZ))[:, None])
    gains = np.where(distance < 1.0, 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, 1.0)), 0.0)
    return gains.astype(np.float32)


def _checked(ir: Signal) -> Signal:
    """The omnidirectional samples (n,) of a response, or an AudioError."""
    samples = cast(Signal, ir[0] if np.ndim(ir) == 2 else np.asarray(ir))
    if samples.ndim != 1 or samples.size == 0:
        raise AudioError(f"a response must have shape (n,) or (4, n) and not be empty, got {np.shape(ir)}")
    if not np.isfinite(samples).all():
        raise AudioError("the response holds values that are not finite; mend or drop it")
    return samples


def _power(samples: Signal) -> float:
    return _dot(samples, samples)


def _dot(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Inner product of two rows; that of a BLAS depends in its last bits on how many threads the machine has."""
    return float(np.add.reduce(a * b))


def _ratio_db(above: float, below: float) -> float:
    return 10.0 * math.log10((above + _TINY) / (below + _TINY))


def _drr_db(samples: Signal, sample_rate: float, arrival_s: float) -> float:
    start, stop = _direct_span(samples.size, sample_rate, arrival_s)
    return _ratio_db(_power(samples[start:stop]), _power(samples[stop:]))


def _c50_db(samples: Signal, sample_rate: float, arrival_s: float) -> float:
    start, _ = _direct_span(samples.size, sample_rate, arrival_s)
    split = min(samples.size, round((arrival_s + 0.05) * sample_rate))
    return _ratio_db(_power(samples[start:split]), _power(samples[split:]))


def _band_drrs_db(samples: Signal, sample_rate: float, arrival_s: float) -> tuple[float, ...]:
    start, stop = _direct_span(samples.size, sample_rate, arrival_s)
    direct = _band_energies(samples[start:stop], sample_rate)
    rest = _band_energies(samples[stop:], sample_rate)
    return tuple(_ratio_db(d, r) if d + r > _TINY else math.nan for d, r in zip(direct, rest, strict=True))


def _direct_span(n: int, sample_rate: float, arrival_s: float) -> tuple[int, int]:
    start = max(0, round((arrival_s - DIRECT_WINDOW_S) * sample_rate))
    return min(start, n), min(n, round((arrival_s + DIRECT_WINDOW_S) * sample_rate) + 1)


def _onset(energy: NDArray[Any]) -> int:
    """Where the decay starts: the first sample within 20 dB of the strongest."""
    return int(np.argmax(energy >= 0.01 * energy.max())) if energy.size else 0


def _decay_curve(energy: NDArray[Any], rate: float, noise_floor: bool) -> tuple[NDArray[np.float64], float]:
    """Schroeder's integral from the end back, so that it rises, and how many dB under its whole it may be trusted."""
    range_db = math.inf
    if noise_floor:
        energy, range_db = _without_noise(energy.astype(np.float64, copy=False), rate)
    curve = np.cumsum(energy[::-1].astype(np.float64))
    if not curve.size or curve[-1] <= 0:
        return np.zeros(0), 0.0
    end = max(float(curve[max(1, curve.size // 50) - 1] / curve[-1]), 1e-20)
    return curve, min(range_db, -10.0 * math.log10(end))


def _without_noise(energy: NDArray[np.float64], rate: float) -> tuple[NDArray[np.float64], float]:
    """Energy cut where it sinks into a steady floor, less the floor, and the range in dB that is left to measure in.

    Chu's subtraction and Lundeby's cut. ISO 3382-1 wants the floor 10 dB below the end of the range; the
    subtraction allows 6.
    """
    block = max(1, round(0.01 * rate))
    count = energy.size // block
    if count < 20:
        return energy, math.inf
    blocks = energy[: count * block].reshape(count, block).mean(axis=1)
    floor = float(blocks[-(count // 10) :].mean())
    before = float(blocks[-(count * 7 // 20) : -(count // 5)].mean())
    peak = int(np.argmax(blocks))
    # a response that still decays (or ended long ago) has no floor; below -80 dB a floor does not matter
    if floor <= 1e-8 * blocks[peak] or before > 2.0 * floor:
        return energy, math.inf
    smooth = np.convolve(blocks, np.full(3, 1 / 3), mode="same")
    under = np.flatnonzero(smooth[peak:] < 2.0 * floor)
    knee = (peak + int(under[0])) * block if under.size else energy.size
    range_db = 10.0 * math.log10(blocks[peak] / floor) - 6.0
    return np.maximum(energy[: max(knee, block)] - floor, 0.0), range_db


def _decay_time(
    curve: NDArray[np.float64],
    rate: float,
    start_db: float,
    stop_db: float,
    depth_db: float,
    most_curved: float = 1.0,
) -> float:
    """Seconds for 60 dB from the least-squares line through a rising decay curve between two levels under its whole.

    NaN where the levels are out of reach, or where 1 - r**2 of the line exceeds `most_curved`.
    """
    if depth_db < -stop_db + 1.0:
        return math.nan
    # only what the line goes through becomes decibels; the curve never falls, so bisection finds it
    first = int(curve.searchsorted(curve[-1] * 10.0 ** (0.1 * stop_db), side="right"))
    last = int(curve.searchsorted(curve[-1] * 10.0 ** (0.1 * start_db), side="right"))
    part = np.log10(curve[max(first - 1, 0) : last])
    n = part.size
    if n < 3:
        return math.nan
    x = np.arange(n, dtype=np.float64) - (n - 1) / 2
    x_square = n * (n * n - 1) / 12
    slope = 10.0 * _dot(x, part) / x_square  # decibels a sample, against time
    if slope <= 0:
        return math.nan
    if most_curved < 1.0:
        part = 10.0 * (part - part.mean())
        if 1.0 - slope**2 * x_square / _dot(part, part) > most_curved:
            return math.nan
    return 60.0 / (slope * rate)


def _t30_of_energy(energy: NDArray[Any], rate: float, noise_floor: bool) -> float:
    curve, depth = _decay_curve(energy, rate, noise_floor)
    curved = _CURVED if noise_floor else 1.0
    value = _decay_time(curve, rate, -5.0, -35.0, depth, curved)
    return value if not math.isnan(value) else _decay_time(curve, rate, -5.0, -25.0, depth, curved)


def _envelope_s(n: int, sample_rate: float, noise_floor: bool) -> float:
    """How much of an envelope counts: a clean response rings on in the filters, a recording has noise to its end.

    The second half of the zeros holds what the filters smeared to before the start, and never counts.
    """
    return n / sample_rate + (0.0 if noise_floor else 0.5 * PAD_S)


def _band_t30s(
    spectrum: NDArray[np.complex64], n_fft: int, length_s: float, sample_rate: float, noise_floor: bool
) -> tuple[float, ...]:
    """T30 per third octave; bands whose envelopes have one length are transformed together."""
    gains = third_gains(n_fft, sample_rate)
    out = [math.nan] * len(gains)
    alike: dict[int, list[int]] = {}
    for band, gain in enumerate(gains):
        if gain is not None:
            alike.setdefault(envelope_length(gain[1].size, n_fft, sample_rate), []).append(band)
    for members in alike.values():
        chosen = [g for b in members if (g := gains[b]) is not None]
        energies, rate = coarser(*envelopes(spectrum, chosen, n_fft, length_s, sample_rate))
        for band, energy in zip(members, energies, strict=True):
            out[band] = _t30_of_energy(energy, rate, noise_floor)
    return tuple(out)


def _band_energies(samples: Signal, sample_rate: float) -> list[float]:
    """Energy per third octave (Parseval), on a grid fine enough for the 100 Hz band."""
    n_fft = transform_size(max(samples.size, sample_rate / 4), sample_rate)
    spectrum = low_spectrum(samples, n_fft, sample_rate)
    # one band after another, and only its own bins
    out = []
    for gain in third_gains(n_fft, sample_rate):
        if gain is None:
            out.append(0.0)
            continue
        part = spectrum[gain[0] : gain[0] + gain[1].size] * gain[1]
        out.append(_power(part.view(np.float32)) * 2.0 / n_fft)
    return out
