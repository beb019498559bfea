"""First-order ambisonics as coded bytes in memory: FLAC, exact to its bits, or Opus, at a loss; and back."""

from __future__ import annotations

import io
import zlib

import numpy as np
import soundfile
from numpy.typing import NDArray

from open_elsa.errors import AudioError
from open_elsa.sound.audio import Sound
from open_elsa.sound.files import COMMENTS, check_finite
from open_elsa.sound.writing import whole_steps

Float32 = NDArray[np.float32]

BITS = (16, 24)
#: Bit rates of Opus for all four channels, kbit/s, as libsndfile can set them.
LEAST_KBPS, MOST_KBPS = 24, 1024
#: Sample rates in Hz that Opus takes.
OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
#: Every stream has this number, which libsndfile draws by the clock: the same sound is the same bytes.
_SERIAL = 0x454C5341


def to_flac(samples: Float32, sample_rate: int, bits: int = 16) -> bytes:
    """Code (4, n) AmbiX as FLAC of 16 or 24 bits: rounded to the nearest step of 2^(1 - bits), without dither.

    Raises AudioError for other shapes, samples that are not finite or reach beyond full scale, and other bits.
    """
    if bits not in BITS:
        raise AudioError(f"FLAC is written with {' or '.join(map(str, BITS))} bits, not {bits}")
    return _coded(whole_steps(_checked(samples), bits), sample_rate, "FLAC", f"PCM_{bits}", None)


def to_opus(samples: Float32, sample_rate: int, kbps: int = 256) -> bytes:
    """Code (4, n) AmbiX as Opus in Ogg at about `kbps` kbit/s for all four channels.

    libsndfile codes four channels as two coupled pairs, W with Y and Z with X (mapping family 1), and reads them back
    in the same order; it cannot write family 2, which is meant for ambisonics. What is lost is in docs/shards.md.
    Raises AudioError as `to_flac` does, and for a sample rate that Opus has not.
    """
    if not LEAST_KBPS <= kbps <= MOST_KBPS:
        raise AudioError(f"Opus of four channels takes {LEAST_KBPS} to {MOST_KBPS} kbit/s, not {kbps}")
    if sample_rate not in OPUS_RATES:
        raise AudioError(f"Opus holds {', '.join(map(str, OPUS_RATES))} Hz, not {sample_rate}; resample to 48000")
    samples = _checked(samples)
    # libsndfile's level runs over 6 to 256 kbit/s a channel
    level = 1.0 - (kbps / samples.shape[0] - 6.0) / 250.0
    return same_serial(_coded(np.ascontiguousarray(samples.T), sample_rate, "OGG", "OPUS", min(max(level, 0.0), 1.0)))


def decoded(data: bytes, source: str) -> Sound:
    """Decode FLAC or Opus of four AmbiX channels; raises AudioError that names the source when it is damaged."""
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise AudioError(f"{source} cannot be decoded ({error}); copy it anew") from error
    if samples.shape[1] != 4 or not samples.shape[0]:
        raise AudioError(f"{source} has {samples.shape[1]} channels of {samples.shape[0]} samples, not four of some")
    heard = np.ascontiguousarray(samples.T)
    check_finite(heard, rate, source)
    return Sound(heard, int(rate), source)


def _checked(samples: Float32) -> Float32:
    if samples.ndim != 2 or samples.shape[0] != 4 or not samples.shape[1]:
        raise AudioError(f"coding takes samples of shape (4, n), got {samples.shape}")
    if (loudest := check_finite(samples, 1, "samples to code (times in samples)")) > 1.0:
        raise AudioError(f"samples to code reach {loudest:.3g}, beyond full scale 1; scale them down")
    return samples.astype(np.float32, copy=False)


def _coded(samples: NDArray[np.generic], rate: int, container: str, codec: str, level: float | None) -> bytes:
    """Samples (n, c) as the bytes of a file."""
    out = io.BytesIO()
    with soundfile.SoundFile(
        out, "w", rate, samples.shape[1], subtype=codec, format=container, compression_level=level
    ) as f:
        f.comment = COMMENTS["ambix"]
        f.write(samples)
    return out.getvalue()


#: Every byte with its bits in reverse.
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def same_serial(stream: bytes) -> bytes:
    """Give every Ogg page the same stream number, with the checksum that it then needs."""
    out, at = bytearray(stream), 0
    while at < len(out):
        segments = out[at + 26]
        size = 27 + segments + sum(out[at + 27 : at + 27 + segments])
        out[at + 14 : at + 18] = _SERIAL.to_bytes(4, "little")
        out[at + 22 : at + 26] = bytes(4)
        out[at + 22 : at + 26] = _ogg_crc(bytes(out[at : at + size])).to_bytes(4, "little")
        at += size
    return bytes(out)


def _ogg_crc(page: bytes) -> int:
    """Checksum of RFC 3533: polynomial 0x04c11db7 from zero, most significant bit first; zlib's runs the other way."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
