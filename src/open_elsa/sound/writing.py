"""Writing sound files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from open_elsa.errors import AudioError
from open_elsa.sound import foa
from open_elsa.sound.files import BLOCK_FRAMES, COMMENTS, LOSSLESS, StraightFile, check_finite, check_rate, peak

_FORMATS = {  # suffix -> container, codec (None: the caller's choice)
    ".wav": ("WAV", None),
    ".flac": ("FLAC", None),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
_FLAC_BITS = {"PCM_16": 16, "PCM_24": 24}
#: Samples per channel that are rounded at once: few enough for four channels to stay in the second-level cache.
_CACHED_FRAMES = 1 << 14
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


def write(
    path: str | Path,
    samples: NDArray[Any],
    sample_rate: int,
    *,
    overwrite: bool = False,
    subtype: str = "PCM_16",
    convention: str = "ambix",
) -> Path:
    """Write a sound file whole or not at all; the suffix says the format: .wav, .flac, .ogg, .opus or .mp3.

    samples: (n,) or (c, n), full scale +-1; (4, n) is AmbiX, stored in the named convention, and the file says which.
    subtype: for .wav and .flac, e.g.
    "PCM_24", or "FLOAT" in .wav. Returns the path. Raises AudioError for bad samples, samples beyond full scale that
    the format would clip, an existing file unless overwrite, and a disk that is full (what was there before stays).
    """
    path = Path(path)
    (x, loudest), rate = _writable(samples, path), check_rate(sample_rate, str(path))
    comment = ""
    if x.shape[0] == 4:
        name = foa.check_convention(convention)
        comment = COMMENTS[name]
        if name != "ambix":
            x = foa.to_convention(x, name)
            loudest = peak(x)
    container, codec = _format_of(path, x, rate, subtype)
    if not codec.startswith(("FLOAT", "DOUBLE")) and loudest > 1.0001:
        raise AudioError(
            f"{path}: samples reach {loudest:.3g}, which {codec} would clip at 1;"
            ' scale them down, or write a .wav with subtype="FLOAT"'
        )
    if path.is_dir():
        raise AudioError(f"{path}: is a folder; give the name of a file in it")
    if path.exists() and not overwrite:
        raise AudioError(f"{path}: exists already; pass overwrite=True to replace it")
    with _replacing(path) as unfinished:
        _encode(unfinished, x, rate, container, codec, comment)
    return path


def _encode(path: Path, x: NDArray[np.float32], rate: int, container: str, codec: str, comment: str) -> None:
    frames = x.shape[1]
    bits = _FLAC_BITS.get(codec) if container == "FLAC" else None
    with StraightFile(os.fspath(path), "w", rate, x.shape[0], subtype=codec, format=container) as f:
        if comment:
            f.comment = comment
        for at in range(0, frames, BLOCK_FRAMES):  # libvorbis overflows the stack on one huge write
            block = x[:, at : at + BLOCK_FRAMES]
            f.write(whole_steps(block, bits) if bits else np.ascontiguousarray(block.T))
    # libsndfile keeps silent about errors while closing, so what lies on the disk is looked at.
    stored = int(soundfile.info(os.fspath(path)).frames)
    if (stored != frames and container in LOSSLESS) or stored < frames:
        raise OSError(f"only {stored} of {frames} samples reached the disk")


def whole_steps(samples: NDArray[np.float32], bits: int) -> NDArray[np.int16] | NDArray[np.int32]:
    """Round (c, n) at full scale +-1 to whole steps of 2^(1 - bits), without dither, and clip them to the range.

    bits: 16 or 24. Returns (n, c) as libsndfile takes them, int16, or int32 whose upper 24 bits are the sample: the
    same that libsndfile makes of floats for FLAC, in half the time.
    """
    top = 2 ** (bits - 1)
    out = np.empty(samples.shape[::-1], np.int16 if bits == 16 else np.int32)
    for at in range(0, len(out), _CACHED_FRAMES):
        part = samples[:, at : at + _CACHED_FRAMES] * np.float32(top)
        np.rint(part, out=part)
        np.clip(part, np.float32(-top), np.float32(top - 1), out=part)
        whole = part.astype(out.dtype)
        if bits == 24:
            whole <<= 8
        for channel, row in enumerate(whole):
            out[at : at + _CACHED_FRAMES, channel] = row
    return out


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside path that becomes path on success and is removed on failure."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent)
    except FileNotFoundError as error:
        raise AudioError(f"{path}: the folder {path.parent} does not exist; create it first") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot write into {path.parent}: {error.strerror}") from error
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        with unfinished.open("rb+") as f:
            os.fsync(f.fileno())
        umask = os.umask(0)
        os.umask(umask)
        unfinished.chmod(0o666 & ~umask)  # mkstemp makes private files
        unfinished.replace(path)
    except (soundfile.SoundFileError, OSError, AssertionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or "short write"
        raise AudioError(f"{path}: could not be written ({reason}); is the disk full? Nothing was changed") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _writable(samples: NDArray[Any], path: Path) -> tuple[NDArray[np.float32], float]:
    """The samples as float32 (c, n), checked, and their peak."""
    x = np.atleast_2d(np.asarray(samples))
    if x.ndim != 2 or x.size == 0 or not np.issubdtype(x.dtype, np.floating):
        raise AudioError(f"{path}: samples must be floats of shape (n,) or (c, n), got {x.dtype} {np.shape(samples)}")
    if x.shape[0] > 64 or (x.shape[0] > x.shape[1] and x.shape[1] in (1, 2, 4)):
        raise AudioError(f"{path}: samples of shape {x.shape} look transposed; pass samples.T, shape (channels, n)")
    loudest = check_finite(x, 1, f"{path} (times in samples)")
    return x.astype(np.float32, copy=False), loudest


def _format_of(path: Path, x: NDArray[np.float32], rate: int, subtype: str) -> tuple[str, str]:
    if path.suffix.lower() not in _FORMATS:
        raise AudioError(f"{path}: cannot write {path.suffix or 'a name without suffix'}; use {', '.join(_FORMATS)}")
    container, codec = _FORMATS[path.suffix.lower()]
    codec = codec or subtype.upper()
    if not soundfile.check_format(container, codec):
        known = ", ".join(soundfile.available_subtypes(container))
        raise AudioError(f"{path}: {container} cannot hold {subtype!r}; use one of {known}")
    if container == "MP3" and x.shape[0] > 2:
        raise AudioError(f"{path}: MP3 holds at most 2 channels, got {x.shape[0]}; write .wav, .flac, .ogg or .opus")
    if codec == "OPUS" and rate not in _OPUS_RATES:
        raise AudioError(f"{path}: Opus holds {', '.join(map(str, _OPUS_RATES))} Hz, got {rate}; resample to 48000")
    if container == "WAV" and x.size * 4 > 0xF0000000:
        container = "RF64"  # a plain WAV ends at 4 GiB
    return container, codec
