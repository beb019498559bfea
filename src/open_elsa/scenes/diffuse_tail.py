"""The diffuse tail of a room response: Gaussian noise from a bank, shaped bin by bin, in the right directions."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from open_elsa.scenes import room_physics
from open_elsa.scenes.directivity import mean_power
from open_elsa.scenes.image_sources import Early, band_gains
from open_elsa.scenes.room_physics import SPEED_OF_SOUND_M_S
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.scenes.tail_shares import tail_shares

#: Frames of the noise bank: a tail takes 4 x 560 of them at most.
BANK_FRAMES = 8192
_BANK_SEED = 20261124
#: Frames that are transformed at once: few enough to stay in the second-level cache.
_CHUNK = 96

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class TailShape:
    """How the tail's noise is shaped, in frames of 2 half samples with half a frame between their starts.

    half: samples of half a frame. first: index of the first frame; frame f is centred on sample f * half.
    early (e, 8): energy a frame that walls scatter from images, the first frames only. late (f,): amplitude of the
    statistical decay at time zero, faded in; rates (8,): its damping per band in 1/s. mean_power (8,): directivity.
    shares (8, 3): of W's energy on the room's x, y and z. yaw_deg: of the array.
    """

    half: int
    first: int
    early: Float64
    late: Float64
    rates: Float64
    mean_power: Float64
    shares: Float64
    yaw_deg: float
    sample_rate: int

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.late.size


@dataclass(frozen=True)
class TailNoise:
    """Which noise a tail takes: first frame in the bank, and a sign per channel (W, x, y, z) and bin, (4, half + 1)."""

    start: int
    signs: Float32


def half_frame(sample_rate: int) -> int:
    """Samples of half a frame: 5.33 ms, rounded up to a length that is quick to transform."""
    return cast(int, scipy.fft.next_fast_len(round(0.00533 * sample_rate), real=True))


@lru_cache(maxsize=4)
def noise_bank(half: int) -> NDArray[np.complex64]:
    """Spectra (BANK_FRAMES, half + 1) of independent frames of white Gaussian noise, unit variance a sample.

    Made once in a process (17 MB at 48 kHz), the same everywhere. A tail takes a stretch of it at a random place with
    random signs per channel and bin, so that tails which overlap in the bank are not alike.
    """
    rng = np.random.default_rng(_BANK_SEED)
    spectra = rng.standard_normal((BANK_FRAMES, half + 1, 2), dtype=np.float32)
    spectra *= np.float32(math.sqrt(half))
    # the first and last bin of a real signal are real and hold twice the variance of a part
    spectra[:, [0, -1], 1] = 0.0
    spectra[:, [0, -1], 0] *= np.float32(math.sqrt(2.0))
    return spectra.view(np.complex64)[..., 0]


def draw_noise(rng: np.random.Generator, shape: TailShape) -> TailNoise:
    """Draw where in the bank a tail's noise lies, and its signs."""
    bins = shape.half + 1
    start = int(rng.integers(BANK_FRAMES - 4 * shape.frames + 1))
    bits = np.unpackbits(np.frombuffer(rng.bytes(4 * math.ceil(bins / 8)), np.uint8).reshape(4, -1), axis=1)[:, :bins]
    return TailNoise(start, np.where(bits == 1, np.float32(1.0), np.float32(-1.0)))


def tail_shape(
    room: Room, position: SourcePosition, early: Early, mixing_s: float, samples: int, sample_rate: int
) -> TailShape:
    """Work out the tail of a response of `samples` samples.

    Before the mixing time it holds what walls scatter, of each image in the two frames about its arrival, but nothing
    before the first reflection. From half the mixing time on, the energy of the image density fades in by power, for W
    4 pi c / (V fs) exp(-2 delta t) a sample.
    """
    half = half_frame(sample_rate)
    hop_s = half / sample_rate
    frames = math.ceil(samples / half) + 1
    reflected = early.delay_s[1:]
    first = min(math.ceil((float(reflected.min()) if reflected.size else mixing_s) / hop_s) + 1, frames - 1)
    place = reflected / hop_s
    below = np.floor(place).astype(np.int64)
    upper = place - below
    at = np.clip(np.stack([below, below + 1], axis=1) - first, 0, frames - first - 1)
    weights = np.stack([1.0 - upper, upper], axis=1)
    size = int(at.max()) + 1 if at.size else 1
    starts = np.arange(0, at.size + 1, 2)
    given = scipy.sparse.csc_matrix((weights.ravel(), at.ravel(), starts), shape=(size, reflected.size))
    centre_s = (first + np.arange(frames - first)) * hop_s
    fade = np.sin(0.5 * np.pi * np.clip(2.0 * centre_s / mixing_s - 1.0, 0.0, 1.0))
    variance = 4.0 * math.pi * SPEED_OF_SOUND_M_S / (room.volume_m3 * sample_rate)
    return TailShape(
        half=half,
        first=first,
        early=np.asarray(given @ early.diffuse[1:]),
        late=math.sqrt(variance) * fade,
        rates=room_physics.band_damping(room),
        mean_power=mean_power(position.directivity),
        shares=tail_shares(room),
        yaw_deg=room.array_yaw_deg,
        sample_rate=sample_rate,
    )


def frame_amplitudes(shape: TailShape) -> Float32:
    """Amplitude (frames, half + 1) of every bin of every frame of W, for noise of unit variance."""
    gains = band_gains(2 * shape.half, shape.sample_rate)  # (8, bins)
    seconds = ((shape.first + np.arange(shape.frames)) * (-0.5 * shape.half / shape.sample_rate)).astype(np.float32)
    decay = np.einsum("bk,b->k", gains, shape.rates).astype(np.float32)
    amplitudes = np.exp(np.multiply.outer(seconds, decay))
    amplitudes *= shape.late.astype(np.float32)[:, None]
    amplitudes *= np.sqrt(np.einsum("bk,b->k", gains, shape.mean_power)).astype(np.float32)
    # what is scattered early and the decay are independent: their energies add up
    early = np.einsum("fb,bk->fk", np.sqrt(shape.early / shape.half).astype(np.float32), gains)
    start = amplitudes[: early.shape[0]]
    np.sqrt(np.square(start) + np.square(early), out=start)
    return cast(Float32, amplitudes)


def channel_rows(shape: TailShape) -> Float32:
    """Amplitude (4, half + 1) per bin of W and the dipoles along the room's x, y, z, whose energies sum to W's."""
    gains = band_gains(2 * shape.half, shape.sample_rate)
    rows = np.ones((4, shape.half + 1), np.float32)
    rows[1:] = np.sqrt(np.einsum("bk,ba->ak", gains, shape.shares))
    return rows


@lru_cache(maxsize=8)
def frame_window(half: int) -> Float32:
    """Square-root Hann window (2, half) of a frame, as its two halves; squares of overlapping frames sum to one."""
    n = np.arange(2 * half)
    return np.sin(np.pi * (n + 0.5) / (2 * half)).astype(np.float32).reshape(2, half)


def add_tail(response: Float32, shape: TailShape, noise: TailNoise) -> None:
    """Add the tail to an AmbiX response (4, n), in place."""
    amplitudes, rows = frame_amplitudes(shape), channel_rows(shape) * noise.signs
    start = (shape.first - 1) * shape.half
    stop = min(response.shape[1], start + (shape.frames + 1) * shape.half)
    # one channel after another keeps the working set in the cache
    waves = [_buffer(f"wave {k}", (shape.frames + 1, shape.half), np.dtype(np.float32)) for k in range(2)]
    for channel, row in ((0, 0), (3, 2)):
        _noise_wave(waves[0], shape, amplitudes, rows[channel], noise.start + channel * shape.frames)
        response[row, start:stop] += waves[0].ravel()[: stop - start]
    for channel in (1, 2):
        _noise_wave(waves[channel - 1], shape, amplitudes, rows[channel], noise.start + channel * shape.frames)
    yaw = math.radians(shape.yaw_deg)
    cos, sin = np.float32(math.cos(yaw)), np.float32(math.sin(yaw))
    x, y = (wave.ravel()[: stop - start] for wave in waves)
    response[3, start:stop] += cos * x + sin * y
    response[1, start:stop] += cos * y - sin * x


def _noise_wave(out: Float32, shape: TailShape, amplitudes: Float32, row: Float32, start: int) -> None:
    """Write one channel's noise to `out` (frames + 1, half): frames of the bank from `start`, shaped, overlapped."""
    bank, window = noise_bank(shape.half), frame_window(shape.half)
    frame, half, bins = 2 * shape.half, shape.half, shape.half + 1
    shaped = _buffer("shaped", (_CHUNK, bins), np.dtype(np.float32))
    spectra = _buffer("spectra", (_CHUNK, bins), np.dtype(np.complex64))
    out[...] = 0.0
    for begin in range(0, shape.frames, _CHUNK):
        count = min(_CHUNK, shape.frames - begin)
        np.multiply(amplitudes[begin : begin + count], row, out=shaped[:count])
        np.multiply(bank[start + begin : start + begin + count], shaped[:count], out=spectra[:count])
        blocks = scipy.fft.irfft(spectra[:count], frame, axis=-1, overwrite_x=True).reshape(count, 2, half)
        blocks *= window
        out[begin : begin + count] += blocks[:, 0]
        out[begin + 1 : begin + count + 1] += blocks[:, 1]


class _Buffers(threading.local):
    """Arrays of one thread that are used again, as memory fresh from the system costs more than what is done in it."""

    def __init__(self) -> None:
        self.by_name: dict[str, NDArray[Any]] = {}


_buffers = _Buffers()


def _buffer(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A buffer with leftovers in it, valid until the same name is asked for again."""
    size = math.prod(shape)
    found = _buffers.by_name.get(name)
    if found is None or found.size < size or found.dtype != dtype:
        found = _buffers.by_name[name] = np.empty(size, dtype)
    return found[:size].reshape(shape)
