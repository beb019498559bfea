"""Image sources of a shoebox room, up to the mixing time or to an order, and the responses that they make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from open_elsa.scenes import directivity, room_physics
from open_elsa.scenes.room_physics import SPEED_OF_SOUND_M_S
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ, octave_gains
from open_elsa.sound.foa import unit_vector

TAPS = 33
#: Samples before time zero that catch what the band filters smear backwards.
LEAD = 256

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """Image sources: places (3, k) in metres from the array along the room's axes, and reflections (3, k) per axis."""

    places: Float64
    reflections: Int64


@dataclass(frozen=True)
class Early:
    """What arrives before the mixing time, the direct sound first.

    delay_s (k,); gains (k, 4) of W, Y, Z, X; bands (k, 8): specular amplitude per octave; diffuse (k, 8): the energy
    that each image gives to the tail because walls scatter it.
    """

    delay_s: Float64
    gains: Float64
    bands: Float64
    diffuse: Float64


def image_sources(room: Room, source: tuple[float, float, float], reach_m: float) -> Images:
    """Image sources nearer than `reach_m` metres to the array, and the direct one always; the direct one comes first.

    Along an axis of length L the images of a source at s are nL + s (n even) and nL + L - s (n odd), after |n|
    reflections there (Allen and Berkley 1979).
    """
    axes, counts = [], []
    for axis, side in enumerate(room.size_m):
        offset, count = _axis_images(room, source, axis, math.ceil(reach_m / side) + 1)
        near = (np.abs(offset) <= reach_m) | (count == 0)
        axes.append(offset[near])
        counts.append(count[near])
    (x, y, z), (nx, ny, nz) = axes, counts
    squares = np.square(x)[:, None, None] + np.square(y)[:, None] + np.square(z)
    squares[np.argmin(nx), np.argmin(ny), np.argmin(nz)] = -1.0  # n = 0 on every axis: kept, and put first
    i, j, k = np.nonzero(squares <= reach_m**2)
    first = int(np.argmin(squares[i, j, k]))
    order = np.concatenate(([first], np.delete(np.arange(i.size), first)))
    i, j, k = i[order], j[order], k[order]
    return Images(np.stack([x[i], y[j], z[k]]), np.stack([nx[i], ny[j], nz[k]]))


def images_to_order(room: Room, source: tuple[float, float, float], order: int) -> Images:
    """Image sources after at most `order` reflections, however far away: 1,561 for order 10; the direct one first."""
    axes, counts = zip(*(_axis_images(room, source, axis, order) for axis in range(3)), strict=True)
    orders = counts[0][:, None, None] + counts[1][:, None] + counts[2]
    found = np.nonzero(orders <= order)
    first = np.argsort(orders[found], kind="stable")
    at = [axis[first] for axis in found]
    return Images(
        np.stack([offsets[i] for offsets, i in zip(axes, at, strict=True)]),
        np.stack([count[i] for count, i in zip(counts, at, strict=True)]),
    )


def _axis_images(room: Room, source: tuple[float, float, float], axis: int, most: int) -> tuple[Float64, Int64]:
    """Images along one axis after at most `most` reflections there: metres from the array, and reflections."""
    n = np.arange(-most, most + 1)
    place, side = source[axis], room.size_m[axis]
    offsets = np.asarray(n * side + np.where(n % 2 == 0, place, side - place) - room.array_m[axis], dtype=np.float64)
    return offsets, np.abs(n)


def early_arrivals(room: Room, position: SourcePosition, images: Images, mixing_s: float) -> Early:
    """Turn images into arrivals at the array: delay, direction, and amplitude per octave band.

    A reflection of order o keeps (1 - alpha)^o of its energy, of which (1 - s)^o is specular; the rest of it goes to
    the tail, so that scattering loses no energy. Both fade out by power from half the mixing time to it (infinite: not
    at all).
    """
    places, orders = images.places, images.reflections.sum(axis=0)
    distance = np.sqrt(np.square(places).sum(axis=0))
    delay_s = distance / SPEED_OF_SOUND_M_S
    powers = np.arange(int(orders.max()) + 1)[:, None]
    walls = np.exp(0.5 * powers * np.log1p(-np.asarray(room.absorption)))[orders]
    specular = ((1.0 - room_physics.band_scattering(room)) ** powers)[orders]
    whole = walls * np.exp((-0.5 * distance)[:, None] * room_physics.air_per_m()) / distance[:, None]
    if position.directivity != "omni":
        # an image looks where the mirrors turn the source; the same angle leaves the source itself
        mirrored = np.where(images.reflections % 2 == 0, -places, places)
        facing = unit_vector(position.facing_azimuth_deg + room.array_yaw_deg, position.facing_elevation_deg)
        whole *= directivity.pattern(position.directivity, (facing @ mirrored) / distance)
    fade = np.square(np.cos(0.5 * np.pi * np.clip(2.0 * delay_s / mixing_s - 1.0, 0.0, 1.0)))
    fade[0] = 1.0
    whole *= np.sqrt(fade)[:, None]

    yaw = math.radians(room.array_yaw_deg)
    ahead = math.cos(yaw) * places[0] + math.sin(yaw) * places[1]
    left = math.cos(yaw) * places[1] - math.sin(yaw) * places[0]
    gains = np.stack([distance, left, places[2], ahead], axis=1) / distance[:, None]
    return Early(delay_s, gains, whole * np.sqrt(specular), np.square(whole) * (1.0 - specular))


def sinc_taps(delay: Float64) -> tuple[Int64, Float32]:
    """First sample (k,) and 33 Hann-windowed sinc taps (k, 33) of unit impulses after `delay` samples (k,)."""
    first = np.rint(delay).astype(np.int64) - TAPS // 2
    x = np.arange(TAPS) + (first - delay)[:, None]
    # sin(pi (x + j)) only changes sign from tap to tap; at x = 0 the limit is one
    sign = np.where(np.arange(TAPS) % 2 == 0, 1.0, -1.0)
    sine = np.sin(np.pi * x[:, :1]) * sign
    near = np.abs(x) < 1e-9
    sinc = np.where(near, 1.0, sine / np.where(near, 1.0, np.pi * x))
    # cos(a + j b) from one cosine and one sine a row
    turn = 2.0 * np.pi / TAPS
    steps = np.arange(TAPS) * turn
    window = 0.5 + 0.5 * (np.cos(turn * x[:, :1]) * np.cos(steps) - np.sin(turn * x[:, :1]) * np.sin(steps))
    return first, (sinc * window).astype(np.float32)


def early_size(mixing_s: float, distance_m: float, sample_rate: int) -> int:
    """Transform size for the early part, in steps of 512 samples so that band gains are reused."""
    last = max(mixing_s, distance_m / SPEED_OF_SOUND_M_S) * sample_rate
    steps = math.ceil((last + TAPS + 2 * LEAD) / 512)
    return cast(int, scipy.fft.next_fast_len(512 * steps, real=True))


def place_early(early: Early, size: int, sample_rate: int) -> Float32:
    """Arrivals as an AmbiX response (4, size - LEAD): windowed-sinc placement, then octave bands by FFT."""
    bands = len(OCTAVE_BANDS_HZ)
    amplitudes = (early.gains[:, :, None] * early.bands[:, None, :]).reshape(-1, 4 * bands).astype(np.float32)
    first, taps = sinc_taps(early.delay_s * sample_rate + LEAD)
    at = first[:, None] + np.arange(TAPS)
    starts = np.arange(0, taps.size + 1, TAPS)
    placement = scipy.sparse.csc_matrix((taps.ravel(), at.ravel(), starts), shape=(size, early.delay_s.size))
    placed = np.ascontiguousarray((placement @ amplitudes).T).reshape(4, bands, size)
    spectra = scipy.fft.rfft(placed, axis=-1)
    spectra *= band_gains(size, sample_rate)
    return cast(Float32, scipy.fft.irfft(spectra.sum(axis=1), size, axis=-1)[:, LEAD:])


@lru_cache(maxsize=64)
def band_gains(size: int, sample_rate: int) -> Float32:
    """Gains (8, size // 2 + 1) of the octave bands on the bins of a transform; they sum to one."""
    return octave_gains(np.arange(size // 2 + 1) * sample_rate / size)
