"""Spectra of responses cut into third octaves, and the energy envelopes of those bands: `acoustics` measures there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

#: Exact (base-two) middles of the nominal third octaves above: 1000 * 2**(k/3).
_EXACT_THIRDS_HZ = 1000.0 * 2.0 ** (np.arange(-10, 10) / 3.0)
#: Full band means all of those third octaves together, so that T30 doesn't depend on the sample rate.
_FULL_BAND_HZ = (float(_EXACT_THIRDS_HZ[0] * 2 ** (-1 / 6)), float(_EXACT_THIRDS_HZ[-1] * 2 ** (1 / 6)))
#: Zeros after the response, so that what a filter smears around the circle can be told apart and dropped.
PAD_S = 0.08
#: Envelopes of narrow bands are sampled at least this often.
_ENVELOPE_RATE_HZ = 1000.0
#: Where the highest third octave ends; nothing above is looked at.
_HIGHEST_HZ = float(_EXACT_THIRDS_HZ[-1] * 2 ** (1 / 3))

Signal = NDArray[np.float32] | NDArray[np.float64]


def transform_size(n: float, sample_rate: float) -> int:
    """A quick transform size of at least n, in steps of an eighth of a second so that filters are reused."""
    wanted = math.ceil(math.ceil(8 * n / sample_rate) * sample_rate / 8)
    return 4 * int(scipy.fft.next_fast_len(math.ceil(wanted / 4), real=True))


def low_spectrum(samples: Signal, n_fft: int, sample_rate: float) -> NDArray[np.complex64]:
    """Bins (k,) of the real transform of samples (n,), from 0 Hz to past the last that any band uses."""
    x = samples.astype(np.float32, copy=False)
    bins = min(math.floor(_HIGHEST_HZ * n_fft / sample_rate) + 1, n_fft // 2 + 1)
    if bins > n_fft // 4:
        return cast(NDArray[np.complex64], scipy.fft.rfft(x, n_fft))
    # decimation in time: four short transforms side by side are quicker than a long one, and few bins are wanted
    short = n_fft // 4
    padded = np.zeros(n_fft, np.float32)
    padded[: x.size] = x
    quarter = scipy.fft.rfft(padded.reshape(short, 4), axis=0).T
    half = quarter.shape[1]
    parts = np.empty((4, bins), np.complex64)
    parts[:, :half] = quarter[:, :bins]
    if bins > half:  # the spectrum of a real signal goes on as its mirror image
        parts[:, half:] = quarter[:, short - half : short - bins : -1].conj()
    turn = _turning(bins, n_fft)
    # Horner: p0 + w (p1 + w (p2 + w p3))
    out: NDArray[np.complex64] = parts[3]
    for part in parts[2::-1]:
        out *= turn
        out += part
    return out


@lru_cache(maxsize=64)
def _turning(bins: int, n_fft: int) -> NDArray[np.complex64]:
    turning: NDArray[np.complex64] = np.exp(-2j * np.pi / n_fft * np.arange(bins)).astype(np.complex64)
    return turning


@lru_cache(maxsize=64)
def third_gains(n_fft: int, sample_rate: float) -> tuple[tuple[int, NDArray[np.float32]] | None, ...]:
    """For each third octave the first bin and the gains (bins,): -3 dB at the edges, nothing past the next centre.

    Raised-cosine sides: steeper ones ring longer than a dry room.
    """
    out: list[tuple[int, NDArray[np.float32]] | None] = []
    for centre in _EXACT_THIRDS_HZ:
        low, high = centre * 2 ** (-1 / 3), centre * 2 ** (1 / 3)
        first, last = math.ceil(low * n_fft / sample_rate), math.floor(high * n_fft / sample_rate)
        if centre * 2 ** (1 / 6) > 0.5 * sample_rate + 1000 / sample_rate or last <= first:
            out.append(None)
            continue
        last = min(last, n_fft // 2)
        x = 3.0 * np.abs(np.log2(np.arange(first, last + 1) * sample_rate / n_fft / centre))
        gain = 0.5 + 0.5 * np.cos(np.pi * np.clip((x - 0.2) / 0.8, 0.0, 1.0))
        out.append((first, gain.astype(np.float32)))
    return tuple(out)


@lru_cache(maxsize=64)
def full_band_gain(n_fft: int, sample_rate: float) -> tuple[int, NDArray[np.float32]]:
    """First bin and gains (bins,) of all third octaves together, 89 Hz to 9 kHz."""
    bottom, top = _FULL_BAND_HZ[0], min(_FULL_BAND_HZ[1], 0.46 * sample_rate)
    first, last = math.ceil(bottom * 0.5 * n_fft / sample_rate), math.floor(top * 1.08 * n_fft / sample_rate)
    hertz = np.arange(first, last + 1) * sample_rate / n_fft
    # raised cosines about both ends: a steep side would ring as long as a dry room
    rise = np.clip((hertz / bottom - 0.5) / 1.0, 0.0, 1.0)
    fall = np.clip((1.08 - hertz / top) / 0.16, 0.0, 1.0)
    gain = np.square(np.sin(0.5 * np.pi * rise) * np.sin(0.5 * np.pi * fall)).astype(np.float32)
    return first, gain


def envelopes(
    spectrum: NDArray[np.complex64],
    bands: Sequence[tuple[int, NDArray[np.float32]]],
    n_fft: int,
    length_s: float,
    sample_rate: float,
) -> tuple[NDArray[np.float32], float]:
    """Energy envelopes (bands, n) at a lower rate, which is returned too: bins moved to 0 Hz and transformed back."""
    length = envelope_length(max(gain.size for _, gain in bands), n_fft, sample_rate)
    bins = np.zeros((len(bands), length), dtype=np.complex64)
    for row, (first, gain) in zip(bins, bands, strict=True):
        np.multiply(spectrum[first : first + gain.size], gain, out=row[: gain.size])
    rate = sample_rate * length / n_fft
    samples = scipy.fft.ifft(bins, overwrite_x=True)[:, : math.ceil(length_s * rate)]
    energy = np.square(samples.real) + np.square(samples.imag)
    return energy, rate


def envelope_length(bins: int, n_fft: int, sample_rate: float) -> int:
    """Points of the envelope of a band that is `bins` wide."""
    return int(scipy.fft.next_fast_len(max(bins + 1, math.ceil(n_fft / sample_rate * _ENVELOPE_RATE_HZ))))


def coarser(energy: NDArray[np.float32], rate: float) -> tuple[NDArray[np.float32], float]:
    """Envelopes (bands, n) summed over neighbours to about the envelope rate: a decay curve only loses points."""
    block = int(rate / _ENVELOPE_RATE_HZ)
    if block < 2:
        return energy, rate
    whole = energy.shape[1] // block * block
    return energy[:, :whole].reshape(energy.shape[0], -1, block).sum(axis=2), rate / block
