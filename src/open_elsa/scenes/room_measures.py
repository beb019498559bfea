"""What is measured of a room response to see whether it is right: its direct sound, its tail, its spectrum.

Pure functions of samples; `room_check` runs them over many rooms and compares with `room_references`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from open_elsa.scenes.scene import SourcePosition
from open_elsa.sound import foa
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ, THIRD_OCTAVE_BANDS_HZ, octave_gains

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Octaves of `OCTAVE_BANDS_HZ` in which a tail is looked at, 250 Hz to 4 kHz: all of them last for a while.
TAIL_OCTAVES = slice(1, 6)
#: A tail is looked at until its quickest octave has decayed by this much; filters leak below that.
TAIL_RANGE_DB = 40.0
#: A tail shorter than this says nothing.
SHORTEST_TAIL_S = 0.08
#: Echoes that come back after this many seconds or later are searched for; sooner they are colour.
_FIRST_LAG_S = 0.001
#: Third octaves of modulation frequency, hertz.
MODULATION_BANDS_HZ: tuple[float, ...] = tuple(float(f) for f in np.round(8.0 * 2.0 ** (np.arange(19) / 3.0), 2))
_ENVELOPE_RATE_HZ = 2000.0


@dataclass(frozen=True)
class DirectSound:
    """A direct sound against where it should be.

    direction_error_deg: great-circle angle. gain_error: largest difference of Y, Z, X over W from a plane wave's
    (SN3D). delay_error_samples: signed. level_error: amplitude x r over what air leaves of it, less one.
    spectrum_db: level by third octave of `THIRD_OCTAVE_BANDS_HZ` over what air leaves (20,).
    """

    direction_error_deg: float
    gain_error: float
    delay_error_samples: float
    level_error: float
    spectrum_db: tuple[float, ...]


@dataclass(frozen=True)
class Tail:
    """A diffuse tail with its decay and colour taken out.

    shares: energy of Y, Z, X over that of W (3,), a third each in a diffuse field. coherence: largest normalised
    correlation of two channels at any lag. echo: largest normalised autocorrelation of W from 1 ms on: a repetition.
    resonance: largest over mean power of the spectrum: a ringing tone. flutter: largest over mean power of the
    envelope's modulation, 8 to 512 Hz. kurtosis: of W, 3 for Gaussian noise. echo_density: share of samples beyond one
    standard deviation in 20 ms, over that of Gaussian noise (Abel & Huang 2006). modulation: power of the envelope's
    modulation by band of `MODULATION_BANDS_HZ`. seconds: how long the tail is.
    """

    shares: tuple[float, float, float]
    coherence: float
    echo: float
    resonance: float
    flutter: float
    kurtosis: float
    echo_density: float
    modulation: tuple[float, ...]
    seconds: float


def direct_sound(
    response: Float32,
    sample_rate: int,
    position: SourcePosition,
    arrival_s: float,
    air_per_m: Float64,
    *,
    until_s: float | None = None,
    band_hz: tuple[float, float] = (200.0, 8000.0),
) -> DirectSound:
    """Measure the direct sound of a response (4, n) between 4 ms before its geometric arrival and `until_s`.

    until_s: 4 ms after the arrival when None; in a live room give the time before the first echo, and a `band_hz`
    whose lowest period fits. air_per_m: energy attenuation (8,) by octave, 1/m. Direction and delay come from
    cross-spectra and phase slope within `band_hz`, the level from its lowest two octaves and a half.
    """
    first = max(0, round((arrival_s - 0.004) * sample_rate))
    last = round((arrival_s + 0.004 if until_s is None else until_s) * sample_rate)
    n_fft = 2 ** math.ceil(math.log2(0.085 * sample_rate))
    hertz = scipy.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    spectra = scipy.fft.rfft(response[:, first : last + 1].astype(np.float64), n_fft)
    spectra *= np.exp(2j * np.pi * hertz * (arrival_s - first / sample_rate))
    expected = np.exp(-0.5 * position.distance_m * _by_frequency(air_per_m, hertz)) / position.distance_m

    highest = min(band_hz[1], 0.4 * sample_rate)
    band = (hertz >= band_hz[0]) & (hertz <= highest)
    power = float(np.sum(np.abs(spectra[0, band]) ** 2))
    gains = np.sum((spectra[:, band] * np.conj(spectra[0, band])).real, axis=1) / max(power, 1e-300)
    wanted = foa.gains(position.azimuth_deg, position.elevation_deg)
    phase = np.unwrap(np.angle(spectra[0, band]))
    angular = 2.0 * np.pi * hertz[band] / sample_rate
    # a straight line: an inverted signal has half a turn at 0 Hz, and that is no delay
    delay = -float(np.polyfit(angular, phase, 1)[0])
    low = (hertz >= band_hz[0]) & (hertz <= min(6.0 * band_hz[0], highest))
    level = float(np.sum(np.abs(spectra[0, low]) * expected[low]) / np.sum(expected[low] ** 2))
    ratio = np.abs(spectra[0]) ** 2, expected**2
    return DirectSound(
        float(foa.angular_error_deg(gains[[3, 1, 2]], wanted[[3, 1, 2]])) if power > 0 else math.nan,
        float(np.abs(gains - wanted).max()),
        delay,
        level - 1.0,
        tuple(_db(a / b) for a, b in zip(*(third_octave_sums(p, hertz) for p in ratio), strict=True)),
    )


def third_octave_sums(power: Float64, hertz: Float64) -> Float64:
    """Sums of a power spectrum (f,) over the 20 third octaves of `THIRD_OCTAVE_BANDS_HZ`; NaN where none is inside."""
    centres = 1000.0 * 2.0 ** (np.arange(-10, 10) / 3.0)
    assert centres.size == len(THIRD_OCTAVE_BANDS_HZ)
    first = np.searchsorted(hertz, centres * 2.0 ** (-1 / 6))
    last = np.searchsorted(hertz, centres * 2.0 ** (1 / 6))
    inside = (last > first) & (centres * 2.0 ** (1 / 6) <= hertz[-1] * 1.001)
    return np.array([power[a:b].sum() if ok else math.nan for a, b, ok in zip(first, last, inside, strict=True)])


def third_octave_energies(samples: Float32, sample_rate: int) -> Float64:
    """Energy of a signal (n,) by third octave, 20 values that add to the sum of squares (Parseval)."""
    n_fft = int(scipy.fft.next_fast_len(max(samples.size, sample_rate // 4), real=True))
    power = np.abs(scipy.fft.rfft(samples.astype(np.float64), n_fft)) ** 2
    return 2.0 / n_fft * third_octave_sums(power, scipy.fft.rfftfreq(n_fft, 1.0 / sample_rate))


def measure_tail(response: Float32, sample_rate: int, start_s: float, damping: Float64) -> Tail | None:
    """Measure the tail of a response (4, n) from `start_s` on; None where it is too short to say anything.

    damping: energy decay (8,) by octave in 1/s, which says how long the tail lasts; the decay itself is fitted.
    """
    white = white_tail(response, sample_rate, start_s, damping)
    if white is None:
        return None
    power = np.square(white).sum(axis=1)
    peak = _correlations(white, sample_rate)
    return Tail(
        shares=(float(power[1] / power[0]), float(power[2] / power[0]), float(power[3] / power[0])),
        coherence=peak[0],
        echo=peak[1],
        resonance=_resonance(white[0], sample_rate),
        flutter=_modulation(white[0], sample_rate)[0],
        kurtosis=float(np.mean(white[0] ** 4) / np.mean(white[0] ** 2) ** 2),
        echo_density=echo_density(white[0], sample_rate),
        modulation=_modulation(white[0], sample_rate)[1],
        seconds=white.shape[1] / sample_rate,
    )


def tail_end_s(start_s: float, damping: Float64) -> float:
    """When the quickest octave from 250 Hz to 4 kHz has decayed by 40 dB since `start_s`, seconds."""
    return start_s + TAIL_RANGE_DB * math.log(10.0) / 10.0 / float(damping[TAIL_OCTAVES].max())


def white_tail(response: Float32, sample_rate: int, start_s: float, damping: Float64) -> Float64 | None:
    """A tail (4, n) between 180 Hz and 5.7 kHz with its exponential decay and its colour taken out, or None if short.

    Every octave's decay and level are fitted in W, Y, Z and X together and the same filter serves all four, so that
    ratios between channels, repetitions and modulations stay. It ends when the quickest octave has decayed by 40 dB.
    """
    end = min(round(tail_end_s(start_s, damping) * sample_rate), response.shape[1] - round(0.006 * sample_rate))
    first, last = round(start_s * sample_rate), end
    if last - first < SHORTEST_TAIL_S * sample_rate:
        return None
    half = round(0.00533 * sample_rate)
    window = np.sin(np.pi * (np.arange(2 * half) + 0.5) / (2 * half))
    count = (last - first) // half - 1
    part = response[:, first : first + (count + 1) * half].astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(part, 2 * half, axis=1)[:, ::half] * window
    spectra = scipy.fft.rfft(frames, axis=-1)
    gains = octave_gains(scipy.fft.rfftfreq(2 * half, 1.0 / sample_rate))[TAIL_OCTAVES].astype(np.float64)
    energy = np.einsum("ctf,bf->bt", np.abs(spectra) ** 2, gains**2)
    if not (energy > 0).all():
        return None
    times = np.arange(count)
    lines = [np.polyfit(times, np.log(row / np.sum(g**2)), 1) for row, g in zip(energy, gains, strict=True)]
    inside = gains.sum(axis=0)
    level = np.stack([np.polyval(line, times) for line in lines]).T @ (gains / np.maximum(inside, 1e-9))
    spectra *= inside * np.exp(-0.5 * level)
    blocks = scipy.fft.irfft(spectra, 2 * half, axis=-1) * window
    out = np.zeros((4, count + 1, half))
    out[:, :-1] += blocks[..., :half]
    out[:, 1:] += blocks[..., half:]
    # the first and the last half frame are covered once and would fade
    return out[:, 1:-1].reshape(4, -1)


def echo_density(samples: Float64, sample_rate: int, window_s: float = 0.02) -> float:
    """Normalised echo density of a signal (n,), the mean over 20 ms windows: 1 for Gaussian noise, 0 for few echoes.

    Source: Abel & Huang, "A simple, robust measure of reverberation echo density", AES 121 (2006).
    """
    size = min(samples.size, round(window_s * sample_rate))
    frames = samples[: samples.size // size * size].reshape(-1, size)
    beyond = np.abs(frames) > np.sqrt(np.mean(frames**2, axis=1, keepdims=True))
    return float(beyond.mean() / math.erfc(math.sqrt(0.5)))


def gaussian_tail(length: int, sample_rate: int, damping: Float64, start_s: float, rng: np.random.Generator) -> Float32:
    """Gaussian noise (4, length) that decays by octave: the ideal diffuse tail that others are held against."""
    noise = rng.standard_normal((4, length)) * np.array(
        [[1.0], [1 / math.sqrt(3)], [1 / math.sqrt(3)], [1 / math.sqrt(3)]]
    )
    n_fft = int(scipy.fft.next_fast_len(length, real=True))
    gains = octave_gains(scipy.fft.rfftfreq(n_fft, 1.0 / sample_rate))
    spectra = scipy.fft.rfft(noise, n_fft)
    out = np.zeros((4, length))
    times = np.maximum(np.arange(length) / sample_rate - start_s, -0.05)
    for gain, rate in zip(gains, damping, strict=True):
        out += scipy.fft.irfft(spectra * gain, n_fft)[:, :length] * np.exp(-0.5 * rate * times)
    return out.astype(np.float32)


def _correlations(white: Float64, sample_rate: int) -> tuple[float, float]:
    """Largest normalised correlation of two channels at any lag, and of W with itself from 1 ms to half its length."""
    n = white.shape[1]
    size = int(scipy.fft.next_fast_len(2 * n, real=True))
    spectra = scipy.fft.rfft(white, size)
    power = np.square(white).sum(axis=1)
    between = [
        float(np.abs(scipy.fft.irfft(spectra[a] * np.conj(spectra[b]), size)).max() / math.sqrt(power[a] * power[b]))
        for a in range(4)
        for b in range(a)
    ]
    own = np.abs(spectra[0]) ** 2
    # what the pass band alone correlates: the response of its gains
    shape = octave_gains(scipy.fft.rfftfreq(size, 1.0 / sample_rate))[TAIL_OCTAVES].sum(axis=0).astype(np.float64) ** 2
    own -= shape * (own.sum() / shape.sum())
    lags = slice(round(_FIRST_LAG_S * sample_rate), n // 2)
    return max(between), float(np.abs(scipy.fft.irfft(own, size)[lags]).max() / power[0])


def _resonance(samples: Float64, sample_rate: int) -> float:
    """Largest over mean power of a whitened signal's spectrum, 250 Hz to 4 kHz, through a Hann window."""
    spectrum = scipy.fft.rfft(samples * np.hanning(samples.size))
    hertz = scipy.fft.rfftfreq(samples.size, 1.0 / sample_rate)
    power = np.abs(spectrum[(hertz >= OCTAVE_BANDS_HZ[1]) & (hertz <= OCTAVE_BANDS_HZ[5])]) ** 2
    return float(power.max() / power.mean())


def _modulation(samples: Float64, sample_rate: int) -> tuple[float, tuple[float, ...]]:
    """Largest over mean power of the envelope's modulation from 8 to 512 Hz, and its power density by band."""
    size = int(scipy.fft.next_fast_len(samples.size, real=True))
    spectrum = np.zeros(size, dtype=np.complex128)
    spectrum[1 : size // 2] = 2.0 * scipy.fft.fft(samples, size)[1 : size // 2]
    energy = np.abs(scipy.fft.ifft(spectrum)[: samples.size]) ** 2
    energy = energy / energy.mean() - 1.0
    window = np.hanning(energy.size)
    power = np.abs(scipy.fft.rfft(energy * window)) ** 2 / np.sum(window**2) / sample_rate
    hertz = scipy.fft.rfftfreq(energy.size, 1.0 / sample_rate)
    inside = power[(hertz >= 8.0) & (hertz <= 512.0)]
    bands = np.asarray(MODULATION_BANDS_HZ)
    first, last = np.searchsorted(hertz, bands * 2.0 ** (-1 / 6)), np.searchsorted(hertz, bands * 2.0 ** (1 / 6))
    density = tuple(float(power[a:b].mean()) if b > a else math.nan for a, b in zip(first, last, strict=True))
    return float(inside.max() / inside.mean()), density


def _by_frequency(per_octave: Float64, hertz: Float64) -> Float64:
    """A quantity by octave (8,) at other frequencies: straight lines in a log-log plot."""
    x = np.log(np.maximum(hertz, 1.0))
    return np.asarray(np.exp(np.interp(x, np.log(OCTAVE_BANDS_HZ), np.log(np.maximum(per_octave, 1e-12)))))


def _db(ratio: float) -> float:
    return 10.0 * math.log10(ratio) if ratio > 0 else math.nan
