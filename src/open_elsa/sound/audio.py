"""Sounds in memory: what a file or an array means, resampling, windows over long recordings, level and silence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from open_elsa.errors import AudioError, ConventionError
from open_elsa.sound import foa
from open_elsa.sound.files import COMMENTS, AudioInfo, AudioReader, check_finite, check_rate, info, peak
from open_elsa.sound.writing import write

__all__ = [
    "AudioInfo",
    "Sound",
    "SoundLike",
    "Window",
    "active_span",
    "as_sound",
    "info",
    "is_silent",
    "level_dbfs",
    "peak",
    "read",
    "resample",
    "to_rate",
    "windows",
    "write",
]

Float32 = NDArray[np.float32]

#: A peak at or below one step of 16-bit audio is silence.
SILENCE_PEAK = 2.0**-15

#: Numbers in a sound from which resampling on several threads pays for starting them (a millisecond's work).
_WORTH_A_THREAD = 100_000

ASSUMED_AMBIX = (
    "four channels without a word on their convention: taken as AmbiX (W Y Z X, SN3D);"
    " say convention='fuma', 'n3d' or 'a-format' if they are something else"
)
FOLDED_STEREO = "stereo: folded to mono, the mean of left and right; their level balance is kept"
CANCELLING_STEREO = "left and right nearly cancel each other: one of them may be wired in reverse"
AMB_IS_FUMA = "an .amb file: read as FuMa (W X Y Z)"

_log = logging.getLogger("open_elsa")
_told: set[str] = set()


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound as the package understands it: mono, or first-order ambisonics in AmbiX.

    samples: (1, n) mono or (4, n) AmbiX, float32, full scale +-1. source: where it came from. notes: what the reader
    had to assume or change. stereo_balance_db: level of left minus right, only for sounds that were stereo.
    """

    samples: Float32
    sample_rate: int
    source: str
    notes: tuple[str, ...] = ()
    stereo_balance_db: float | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1]) / self.sample_rate

    @property
    def is_spatial(self) -> bool:
        """True for ambisonics, False for mono, which has no direction."""
        return bool(self.samples.shape[0] == 4)

    @property
    def w(self) -> Float32:
        """The mono of the sound, (n,): W of an ambisonic one."""
        first: Float32 = self.samples[0]
        return first


#: What functions that take a sound accept: a file's name, (samples, sample_rate), or a Sound.
SoundLike = str | Path | tuple[Any, int] | Sound


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of a longer sound, start_s to end_s in it."""

    start_s: float
    end_s: float
    sound: Sound


def read(path: str | Path, *, convention: str = "auto", start_s: float = 0.0, duration_s: float | None = None) -> Sound:
    """Read a sound file (WAV, FLAC, Ogg Vorbis, Opus, MP3, …) or a part of it, at its own sample rate.

    One channel is mono, two are folded to mono, four are ambisonics in the given convention ("auto": AmbiX, with a
    note), 9, 16, 25 … are higher orders of which the first is kept. duration_s None: to the end; a part that reaches
    beyond the end stops there. Raises AudioError for anything that cannot be a sound.
    """
    with AudioReader(path) as reader:
        rate, source = reader.sample_rate, str(reader.path)
        if not 0.0 <= start_s < reader.frames / rate:
            raise AudioError(f"{source}: start_s={start_s:g} lies outside its {reader.frames / rate:g} s")
        if duration_s is not None and not duration_s > 0:
            raise AudioError(f"{source}: duration_s must be positive, got {duration_s:g}")
        start = min(round(start_s * rate), reader.frames - 1)
        frames = reader.frames - start
        if duration_s is not None:
            frames = min(frames, max(1, round(duration_s * rate)))
        convention = _file_convention(reader.info(), convention)
        _check_channels(reader.channels, source, convention)
        reader.skip(start)
        return _understand(reader.read(frames), rate, source, convention, reader.notes)


def as_sound(x: SoundLike, *, convention: str = "auto") -> Sound:
    """Turn a file's name, an array with its rate, or a Sound into a checked Sound.

    Arrays: (n,) or (1, n) mono, (2, n) stereo, (4, n) or higher-order ambisonics, which are AmbiX unless `convention`
    says otherwise; floats at full scale +-1, or integers, which are scaled by their type's range. Raises AudioError
    with the way to mend it.
    """
    if isinstance(x, Sound):
        return x
    if isinstance(x, (str, Path)):
        return read(x, convention=convention)
    samples, rate = _check_array(x, convention)
    return _understand(np.array(samples), rate, "array", _array_convention(convention))  # the caller may change its own


def resample(samples: NDArray[Any], from_rate: int, to_rate: int, *, threads: int = 1) -> Float32:
    """Resample (c, n) from one rate in Hz to another with soxr at high quality; returns (c, m) float32, m >= 1.

    threads: how many channels at once, which changes no bit.
    """
    x = np.asarray(samples, dtype=np.float32)
    if x.ndim != 2 or x.size == 0:
        raise AudioError(f"resample() takes samples of shape (channels, n), got {x.shape}")
    check_rate(from_rate, "resample()")
    check_rate(to_rate, "resample()")
    if from_rate == to_rate:
        return x

    def some(channels: Float32) -> Float32:
        converted: Float32 = soxr.resample(channels.T, from_rate, to_rate, quality="HQ").T
        return converted

    threads = min(threads, len(x)) if x.size > _WORTH_A_THREAD else 1
    if threads > 1:
        with ThreadPoolExecutor(threads - 1) as others:  # soxr lets go of the interpreter
            parts = np.array_split(x, threads)
            rest = [others.submit(some, part) for part in parts[1:]]
            out = np.concatenate([some(parts[0]), *(part.result() for part in rest)], dtype=np.float32)
    else:
        out = np.ascontiguousarray(some(x), dtype=np.float32)
    return out if out.shape[1] else x[:, :1]


def to_rate(sound: Sound, rate: int, *, threads: int = 1) -> Sound:
    """Give the sound at another sample rate in Hz (itself when it has it already); threads: as for resample()."""
    if sound.sample_rate == rate:
        return sound
    samples = resample(sound.samples, sound.sample_rate, rate, threads=threads)
    return replace(sound, samples=samples, sample_rate=int(rate))


def windows(x: SoundLike, window_s: float, hop_s: float, *, convention: str = "auto") -> Iterator[Window]:
    """Go through a sound in windows of window_s seconds every hop_s; files are streamed and never held whole.

    The last window ends with the sound, so it may overlap the one before more than the others do; a sound shorter than
    a window gives one window, itself. Window k equals read(path, start_s, duration_s) of the same stretch.
    Raises AudioError as read() does, also midway when a file turns out to be damaged.
    """
    if not (np.isfinite(window_s) and np.isfinite(hop_s) and window_s > 0 and hop_s > 0):
        raise AudioError(f"window_s and hop_s must be positive, got {window_s!r} and {hop_s!r}")
    if isinstance(x, (str, Path)):
        yield from _file_windows(x, window_s, hop_s, convention)
        return
    if isinstance(x, Sound):
        for start, stop in _spans(x.samples.shape[1], x.sample_rate, window_s, hop_s):
            part = replace(x, samples=x.samples[:, start:stop])
            yield Window(start / x.sample_rate, stop / x.sample_rate, part)
        return
    samples, rate = _check_array(x, convention)
    for start, stop in _spans(samples.shape[1], rate, window_s, hop_s):
        part = _understand(samples[:, start:stop], rate, "array", _array_convention(convention))
        yield Window(start / rate, stop / rate, part)


def is_silent(samples: NDArray[Any]) -> bool:
    """Tell whether no sample, of any shape, rises above one step of 16-bit audio (-90 dBFS)."""
    return peak(np.asarray(samples)) <= SILENCE_PEAK


def level_dbfs(samples: NDArray[Any]) -> float:
    """Give the RMS level in dB below full scale of (n,), or of W of (c, n); minus infinity for pure zeros."""
    x = np.asarray(samples, dtype=np.float64)
    x = x[0] if x.ndim == 2 else x
    power = float(np.mean(x * x)) if x.size else 0.0
    return 10.0 * float(np.log10(power)) if power > 0 else float("-inf")


def active_span(samples: NDArray[Any], sample_rate: int, threshold_db: float = -60.0) -> tuple[int, int]:
    """Find where sound is: from the first to the last 10 ms whose RMS is within threshold_db of the loudest 10 ms.

    samples: (n,); threshold_db: at most 0. Returns (start, stop) in samples, stop exclusive; (0, 0) for silence.
    """
    x = np.asarray(samples, dtype=np.float64)
    if x.ndim != 1:
        raise AudioError(f"active_span() takes one channel of shape (n,), got {x.shape}; pass W")
    if is_silent(x):
        return 0, 0
    size = max(1, round(0.01 * sample_rate))
    power = np.add.reduceat(x * x, np.arange(0, len(x), size))
    loud = np.flatnonzero(power >= power.max() * 10.0 ** (threshold_db / 10.0))
    return int(loud[0]) * size, min(len(x), (int(loud[-1]) + 1) * size)


def _spans(total: int, rate: int, window_s: float, hop_s: float) -> Iterator[tuple[int, int]]:
    size, hop = max(1, round(window_s * rate)), max(1, round(hop_s * rate))
    if total <= size:
        yield 0, total
        return
    start = 0
    while start + size <= total:
        yield start, start + size
        start += hop
    if start - hop + size < total:
        yield total - size, total


def _file_windows(path: str | Path, window_s: float, hop_s: float, convention: str) -> Iterator[Window]:
    with AudioReader(path) as reader:
        rate, source = reader.sample_rate, str(reader.path)
        convention = _file_convention(reader.info(), convention)
        _check_channels(reader.channels, source, convention)
        held = np.zeros((reader.channels, 0), dtype=np.float32)
        position = 0  # of the end of `held` in the file
        for start, stop in _spans(reader.frames, rate, window_s, hop_s):
            if start >= position:
                reader.skip(start - position)
                held, position = held[:, :0], start
            else:
                held = held[:, held.shape[1] - (position - start) :]
            held = np.concatenate([held, reader.read(stop - position)], axis=1)
            position = stop
            yield Window(start / rate, stop / rate, _understand(held, rate, source, convention, reader.notes))


def _file_convention(header: AudioInfo, convention: str) -> str:
    """Resolve "auto" where the file itself says what it is."""
    if convention == "auto" and header.channels >= 4:
        for name, comment in COMMENTS.items():
            if header.comment == comment:
                return name
        if "ambix" in header.comment.lower():
            return "ambix"
        if header.path.lower().endswith(".amb"):
            _tell(AMB_IS_FUMA, header.path)
            return "fuma"
    return convention


def _array_convention(convention: str) -> str:
    """Resolve "auto" for arrays: four channels in memory are AmbiX by definition, so there is nothing to tell."""
    return "ambix" if convention == "auto" else convention


def _understand(samples: Float32, rate: int, source: str, convention: str, notes: tuple[str, ...] = ()) -> Sound:
    """Make a Sound of checked raw channels (c, n): fold stereo, convert ambisonics, and say what was assumed.

    Channels that are what they should be are not copied.
    """
    _check_channels(samples.shape[0], source, convention)
    balance_db: float | None = None
    if samples.shape[0] == 1:
        out = samples
    elif samples.shape[0] == 2:
        out, balance_db, cancels = _fold_stereo(samples)
        notes += (FOLDED_STEREO, CANCELLING_STEREO) if cancels else (FOLDED_STEREO,)
    else:
        order = foa.ambisonic_order(samples.shape[0])
        if order and order > 1:
            notes += (f"ambisonics of order {order} ({samples.shape[0]} channels): the first four channels are kept",)
        if convention == "auto":
            notes += (ASSUMED_AMBIX,)
        is_ambix = convention in ("auto", "ambix")
        out = samples[:4] if is_ambix else foa.from_convention(samples, convention)
    for note in notes:
        _tell(note, source)
    return Sound(out, rate, source, notes, balance_db)


def _fold_stereo(samples: Float32) -> tuple[Float32, float, bool]:
    """Mean of left and right (1, n), level of left minus right in dB within +-60, and whether the two cancel."""
    left, right = np.mean(np.square(samples, dtype=np.float64), axis=1)
    folded = samples.mean(axis=0, keepdims=True, dtype=np.float64)
    floor = 1e-6 * max(left, right, 1e-20)  # keeps the balance finite when one side is silent
    balance_db = 10.0 * float(np.log10(max(left, floor) / max(right, floor)))
    cancels = not is_silent(samples) and float(np.mean(folded**2)) < 1e-3 * float(left + right)
    return folded.astype(np.float32), balance_db, cancels


def _tell(note: str, source: str) -> None:
    """Say a note once in the life of the process; every Sound carries it anyway."""
    if note not in _told:
        _told.add(note)
        _log.warning("%s: %s (said once)", source, note)


def _check_channels(channels: int, where: str, convention: str) -> None:
    if convention != "auto":
        name = foa.check_convention(convention)
        if name == "a-format" and channels > 4:
            raise ConventionError(f"{where}: tetrahedral A-format has 4 channels, this has {channels}")
    if channels not in (1, 2) and foa.ambisonic_order(channels) is None:
        raise AudioError(
            f"{where}: {channels} channels are neither mono (1), stereo (2) nor ambisonics (4, 9, 16 …);"
            " pass the channels you mean, e.g. the first one as mono"
        )


def _check_array(x: Any, convention: str) -> tuple[Float32, int]:
    """Check (samples, sample_rate) and give raw channels (c, n) as float32 with the rate."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise AudioError(f"a sound is a file name, (samples, sample_rate) or a Sound, got {type(x).__name__}")
    samples, rate = np.asarray(x[0]), check_rate(x[1], "array")
    if samples.ndim == 1:
        samples = samples[None, :]
    if samples.ndim != 2:
        raise AudioError(f"array: samples have shape (n,) or (channels, n), got {samples.shape}")
    if samples.size == 0:
        raise AudioError(f"array: no samples, shape {samples.shape}")
    channels, n = samples.shape
    looks_transposed = channels > n and (n <= 2 or foa.ambisonic_order(n) is not None)
    if looks_transposed and (channels > 2 or n > channels):
        raise AudioError(f"array: shape {samples.shape} looks transposed; pass samples.T, shape ({n}, {channels})")
    _check_channels(channels, "array", convention)
    if np.issubdtype(samples.dtype, np.integer):
        return _from_integers(samples), rate
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(f"array: samples must be floats or integers, got {samples.dtype}")
    check_finite(samples, rate, "array")
    return samples.astype(np.float32, copy=False), rate


def _from_integers(samples: NDArray[Any]) -> Float32:
    """Scale integer samples, as scipy.io.wavfile gives them, to full scale +-1."""
    if samples.dtype == np.uint8:
        return ((samples.astype(np.float64) - 128.0) / 128.0).astype(np.float32)
    if samples.dtype not in (np.int8, np.int16, np.int32):
        raise AudioError(f"array: samples of type {samples.dtype} have no known full scale; pass floats within +-1")
    return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
