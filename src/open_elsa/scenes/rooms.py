"""Rooms: drawing shoebox rooms and source places, and simulating their first-order ambisonic responses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes.attributes import REVERBERATION
from open_elsa.scenes.scene import Room, RoomResponse, SourcePosition
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ, measure, octave_gains
from open_elsa.sound.foa import unit_vector

#: Name and revision of the simulator, written into every response it makes.
SIMULATOR = "open-elsa hybrid 1 (pyroomacoustics image sources + diffuse tail)"
SPEED_OF_SOUND_M_S = 343.0
#: A response never gets longer than this.
MAX_RESPONSE_S = 3.0
#: Octave T60s stay within this, or a bass band could ring for ever.
MAX_BAND_T60_S = 4.0
_TAPS = 33
#: Samples before time zero that catch what the band filters smear backwards.
_LEAD = 256
_SIX_LN_10 = 6.0 * math.log(10.0)

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class RoomRanges:
    """What rooms and places are drawn from; (low, high) pairs. Raises ConfigError for a pair that is out of order.

    The paper's are the floor area and T30; its elevations, -47.5 to 48.7 degrees, are the core of ours, and its
    distances are 0.5 to 4 m. Heights grow with the area between the two limits. t30_shares: how often a dampened,
    a middle and a highly reverberant room is wanted.
    """

    floor_area_m2: tuple[float, float] = (13.0, 277.0)
    height_m: tuple[float, float] = (2.2, 6.0)
    aspect: tuple[float, float] = (1.0, 2.5)
    t30_s: tuple[float, float] = (0.14, 2.7)
    t30_shares: tuple[float, float, float] = (0.2, 0.48, 0.32)
    absorption: tuple[float, float] = (0.01, 0.95)
    array_height_m: tuple[float, float] = (0.8, 2.0)
    array_to_wall_m: float = 0.5
    source_to_wall_m: float = 0.2
    azimuth_deg: tuple[float, float] = (-180.0, 180.0)
    elevation_deg: tuple[float, float] = (-60.0, 65.0)
    distance_m: tuple[float, float] = (0.5, 5.0)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "t30_shares" and isinstance(value, tuple) and not value[0] <= value[1]:
                raise ConfigError(f"RoomRanges.{name} must be (low, high), got {value}; swap them")
        if min(self.floor_area_m2[0], self.height_m[0], self.t30_s[0], self.distance_m[0], self.aspect[0]) <= 0:
            raise ConfigError("RoomRanges: areas, heights, aspects, T30 and distances must be above zero")


def draw_room(rng: np.random.Generator, ranges: RoomRanges, room_id: str) -> Room:
    """Draw a room whose full-band T30 follows `ranges` and whose absorption is physically possible (Eyring).

    The floor area is log-uniform and independent of T30. Raises DataError when the ranges allow no such room.
    """
    for _ in range(200):
        size = _draw_size(rng, ranges)
        absorption = _draw_absorption(rng, ranges, size, _draw_t30(rng, ranges))
        if absorption is None:
            continue
        wall, margin = ranges.array_to_wall_m, min(ranges.array_to_wall_m, 0.4 * size[2])
        low, high = ranges.array_height_m
        high = max(min(high, size[2] - margin), min(low, 0.5 * size[2]))
        array = (_between(rng, wall, size[0] - wall), _between(rng, wall, size[1] - wall), _between(rng, low, high))
        yaw = float(rng.uniform(-180.0, 180.0))
        return Room(room_id, size, absorption, array, array_yaw_deg=yaw)
    raise DataError(f"room {room_id}: no room in 200 draws has T30 {ranges.t30_s} s; widen t30_s or absorption")


def draw_position(rng: np.random.Generator, room: Room, ranges: RoomRanges) -> SourcePosition:
    """Draw a source place: distance log-uniform, direction by even azimuth and elevation, clear of every wall.

    A direction in which the room ends too soon is drawn anew; after many tries the distance gives way.
    Raises DataError when the room has no place in range.
    """
    low, high = ranges.distance_m
    longest: tuple[float, float, float] | None = None
    for attempt in range(160):
        wanted = math.exp(rng.uniform(math.log(low), math.log(high)))
        azimuth, elevation = rng.uniform(*ranges.azimuth_deg), rng.uniform(*ranges.elevation_deg)
        for _ in range(8 if attempt < 128 else 1):
            free = _free_path(room, azimuth, elevation, ranges.source_to_wall_m)
            if free >= wanted:
                return SourcePosition(azimuth, elevation, wanted)
            if longest is None or free > longest[2]:
                longest = (azimuth, elevation, free)
            azimuth, elevation = rng.uniform(*ranges.azimuth_deg), rng.uniform(*ranges.elevation_deg)
    if longest is None or longest[2] < low:
        raise DataError(f"room {room.room_id}: no place at {low:g} m or more is {ranges.source_to_wall_m:g} m clear")
    return SourcePosition(longest[0], longest[1], _between(rng, low, min(high, longest[2])))


def simulate(
    room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int = 48_000, *, seed: int = 0
) -> RoomResponse:
    """Simulate the AmbiX response from one place to the room's array; its acoustics are measured from it.

    Image sources up to the mixing time 2 (20 V/S + 12) ms (twice Lindau 2010), eight octave bands with air absorption
    (ISO 9613-1), then a diffuse tail of shaped Gaussian noise whose level follows from the image density
    (W: 4 pi c / (V fs) exp(-2 delta t) a sample; Y, Z, X a third of it each), cross-faded by power. The direct
    sound has amplitude 1/r. seed: only recorded. Raises DataError for a source outside the room.
    """
    source = source_place(room, position)
    if any(not 0 < place < side for place, side in zip(source, room.size_m, strict=True)):
        raise DataError(f"room {room.room_id}: a source at {position} lies outside the room; draw another place")
    damping = band_damping(room)
    mixing_s = mixing_time_s(room)
    length_s = min(MAX_RESPONSE_S, max(float((_SIX_LN_10 / damping).max()), 2.0 * mixing_s))
    n = math.ceil(length_s * sample_rate)
    response = _early(room, source, mixing_s, n, sample_rate)
    _add_tail(response, room, damping, mixing_s, rng, sample_rate)
    fade = min(n, round(0.005 * sample_rate))
    response[:, n - fade :] *= np.square(np.cos(0.5 * np.pi * np.arange(fade) / fade)).astype(np.float32)
    arrival_s = position.distance_m / SPEED_OF_SOUND_M_S
    acoustics = measure(response, sample_rate, arrival_s, noise_floor=False)
    return RoomResponse(room, position, sample_rate, response, arrival_s, acoustics, seed, SIMULATOR)


def source_place(room: Room, position: SourcePosition) -> tuple[float, float, float]:
    """Where a source is in room coordinates, metres from the corner; the array looks along its own yaw."""
    direction = unit_vector(position.azimuth_deg + room.array_yaw_deg, position.elevation_deg)
    x, y, z = np.asarray(room.array_m) + position.distance_m * direction
    return float(x), float(y), float(z)


def mixing_time_s(room: Room) -> float:
    """Time in seconds from which the response is diffuse: 2 (20 V/S + 12) ms, twice Lindau's perceptual one."""
    return 0.002 * (20.0 * room.volume_m3 / room.surface_m2 + 12.0)


def band_damping(room: Room) -> Float64:
    """Energy decay 2 delta (8,) in 1/s per octave band: c (-S ln(1 - alpha) / 4V + m); T60 = 6 ln 10 / (2 delta)."""
    walls = -np.log1p(-np.asarray(room.absorption)) * room.surface_m2 / (4.0 * room.volume_m3)
    return cast(Float64, SPEED_OF_SOUND_M_S * (walls + _air_per_m()))


@lru_cache(maxsize=1)
def _air_per_m() -> Float64:
    """Energy attenuation m (8,) of air at 20 degrees, 50 % humidity, 1 atm. Source: ISO 9613-1, equations 3 to 5."""
    kelvin, f2 = 293.15, np.square(np.asarray(OCTAVE_BANDS_HZ))
    saturation = 10.0 ** (-6.8346 * (273.16 / kelvin) ** 1.261 + 4.6151)
    humidity = 50.0 * saturation
    oxygen = 24.0 + 4.04e4 * humidity * (0.02 + humidity) / (0.391 + humidity)
    nitrogen = 9.0 + 280.0 * humidity
    decibels = (
        8.686
        * f2
        * (
            1.84e-11
            + 0.01275 * math.exp(-2239.1 / kelvin) / (oxygen + f2 / oxygen)
            + 0.1068 * math.exp(-3352.0 / kelvin) / (nitrogen + f2 / nitrogen)
        )
    )
    return cast(Float64, decibels / (10.0 * math.log10(math.e)))


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high)) if high > low else 0.5 * (low + high)


def _log_between(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(_between(rng, math.log(low), math.log(high)))


def _draw_size(rng: np.random.Generator, ranges: RoomRanges) -> tuple[float, float, float]:
    area = _log_between(rng, *ranges.floor_area_m2)
    # no side so short that the array cannot keep its distance from both walls
    widest = max(ranges.aspect[0], area / (2.0 * ranges.array_to_wall_m + 0.6) ** 2)
    aspect = _between(rng, ranges.aspect[0], min(ranges.aspect[1], widest))
    sides = (math.sqrt(area * aspect), math.sqrt(area / aspect))
    low, high = ranges.height_m
    grown = math.sqrt(min(1.0, max(0.0, (area - 13.0) / 264.0)))
    height = _between(rng, low + 0.2 * grown * (high - low), low + (0.2 + 0.8 * grown) * (high - low))
    # the long side lies along x or y; the array's own yaw does the rest
    return (*(sides if rng.random() < 0.5 else sides[::-1]), height)


def _draw_t30(rng: np.random.Generator, ranges: RoomRanges) -> float:
    """Log-uniform inside a class that is drawn first, so that dampened rooms are not rare."""
    low, high = ranges.t30_s
    dry, wet = (REVERBERATION[word].bins[0] for word in REVERBERATION.classes)
    edges = (low, min(max(dry.high, low), high), min(max(wet.low, low), high), high)
    shares = np.array([s if edges[i + 1] > edges[i] else 0.0 for i, s in enumerate(ranges.t30_shares)])
    if shares.sum() <= 0:
        return low
    chosen = int(rng.choice(3, p=shares / shares.sum()))
    return _log_between(rng, edges[chosen], edges[chosen + 1])


def _draw_absorption(
    rng: np.random.Generator, ranges: RoomRanges, size: tuple[float, float, float], t30_s: float
) -> tuple[float, ...] | None:
    """Absorption (8,) of a random smooth spectrum that gives the wanted full-band T30; None where none can."""
    octaves = np.arange(len(OCTAVE_BANDS_HZ)) - 3.0
    # rooms mostly ring longer in the bass; panels and curtains bend the curve either way
    shape = rng.uniform(-0.16, 0.05) * octaves + rng.uniform(-0.02, 0.02) * np.square(octaves)
    shape = shape + 0.08 * np.convolve(rng.standard_normal(octaves.size + 2), (0.25, 0.5, 0.25), mode="valid")
    x, y, z = size
    mean_path_m = 2.0 * x * y * z / (x * y + y * z + x * z)
    air = _air_per_m()
    scale = math.log(t30_s)
    for _ in range(8):
        t60 = np.minimum(np.exp(scale + math.log(2.0) * shape), MAX_BAND_T60_S)
        lost = 1.0 - np.exp(-np.maximum(_SIX_LN_10 / (SPEED_OF_SOUND_M_S * t60) - air, 0.0) * mean_path_m)
        alpha = np.clip(lost, *ranges.absorption)
        error = math.log(t30_s / predicted_t30(SPEED_OF_SOUND_M_S * (-np.log1p(-alpha) / mean_path_m + air)))
        if abs(error) < 0.01:
            return tuple(float(a) for a in alpha)
        scale += 1.2 * error
    return tuple(float(a) for a in alpha) if abs(error) < 0.04 else None


@lru_cache(maxsize=1)
def _prediction_grid() -> tuple[Float64, Float64]:
    """Weights (f, 8) that give damping at 60 frequencies of the full band, and the width of each."""
    edges = np.geomspace(89.1, 8980.0, 61)
    return octave_gains(np.sqrt(edges[1:] * edges[:-1])).T.astype(np.float64), np.diff(edges)


def predicted_t30(damping: Float64) -> float:
    """Full-band T30 in seconds of an ideal diffuse decay with octave damping (8,), as `acoustics.measure` takes it."""
    weights, width = _prediction_grid()
    rates = weights @ damping
    times = np.linspace(0.0, 1.3 * _SIX_LN_10 / float(rates.min()), 600)
    curve = np.exp(-np.outer(times, rates)) @ (width / rates)
    decibels = 10.0 * np.log10(curve / curve[0])
    part = (decibels <= -5.0) & (decibels >= -35.0)
    t, y = times[part], decibels[part]
    t = t - t.mean()
    return float(-60.0 * np.dot(t, t) / np.dot(t, y))


def _free_path(room: Room, azimuth_deg: float, elevation_deg: float, clear_m: float) -> float:
    """Metres from the array to the first wall in a direction, less the distance to keep from it."""
    direction = unit_vector(azimuth_deg + room.array_yaw_deg, elevation_deg)
    free = math.inf
    for d, place, side in zip(direction, room.array_m, room.size_m, strict=True):
        if abs(d) > 1e-9:
            free = min(free, ((side - clear_m - place) if d > 0 else (clear_m - place)) / float(d))
    return free


def _images(room: Room, source: tuple[float, float, float], reach_m: float) -> tuple[Float64, NDArray[np.int64]]:
    """Image sources nearer than `reach_m` and the direct one: places (3, k) relative to the array, and their order."""
    import pyroomacoustics as pra  # half a second to import: only simulating needs it

    pra.constants.set("num_threads", 1)
    order = math.ceil(reach_m * math.sqrt(sum(1.0 / side**2 for side in room.size_m))) + 1
    box = pra.ShoeBox(room.size_m, fs=16_000, materials=pra.Material(0.5), max_order=order, air_absorption=False)
    box.add_source(list(source))
    box.add_microphone(list(room.array_m))
    box.image_source_model()
    places = np.asarray(box.sources[0].images, dtype=np.float64) - np.asarray(room.array_m)[:, None]
    orders = np.asarray(box.sources[0].orders, dtype=np.int64)
    # the library keeps single precision; the direct path is known exactly
    places[:, orders == 0] = (np.asarray(source) - np.asarray(room.array_m))[:, None]
    keep = (np.square(places).sum(axis=0) <= reach_m**2) | (orders == 0)
    return places[:, keep], orders[keep]


def _early(room: Room, source: tuple[float, float, float], mixing_s: float, n: int, sample_rate: int) -> Float32:
    """Image sources as an AmbiX response (4, n): windowed-sinc placement, then octave bands by FFT."""
    places, orders = _images(room, source, SPEED_OF_SOUND_M_S * mixing_s)
    distance = np.sqrt(np.square(places).sum(axis=0))
    delay_s = distance / SPEED_OF_SOUND_M_S
    fade = np.cos(0.5 * np.pi * np.clip(2.0 * delay_s / mixing_s - 1.0, 0.0, 1.0))
    fade[orders == 0] = 1.0
    walls = np.exp(0.5 * np.outer(orders, np.log1p(-np.asarray(room.absorption))))
    bands = walls * np.exp(-0.5 * np.outer(distance, _air_per_m())) * (fade / distance)[:, None]  # (k, 8)

    yaw = math.radians(room.array_yaw_deg)
    ahead = math.cos(yaw) * places[0] + math.sin(yaw) * places[1]
    left = math.cos(yaw) * places[1] - math.sin(yaw) * places[0]
    gains = np.stack([np.ones_like(distance), left / distance, places[2] / distance, ahead / distance], axis=1)
    amplitudes = (gains[:, :, None] * bands[:, None, :]).reshape(distance.size, -1).astype(np.float32)  # (k, 4 * 8)

    delay = delay_s * sample_rate + _LEAD
    first = np.rint(delay).astype(np.int64) - _TAPS // 2
    at = first[:, None] + np.arange(_TAPS)
    x = at - delay[:, None]
    taps = (np.sinc(x) * np.square(np.cos(np.pi * x / _TAPS))).astype(np.float32)
    size = scipy.fft.next_fast_len(int(at.max()) + 1 + _LEAD, real=True)
    starts = np.arange(0, _TAPS * distance.size + 1, _TAPS)
    placement = scipy.sparse.csc_matrix((taps.ravel(), at.ravel(), starts), shape=(size, distance.size))
    placed = np.ascontiguousarray((placement @ amplitudes).T).reshape(4, len(OCTAVE_BANDS_HZ), size)

    spectra = scipy.fft.rfft(placed, axis=-1)
    spectra *= _cached_gains(size, sample_rate)
    early = scipy.fft.irfft(spectra.sum(axis=1), size, axis=-1)[:, _LEAD : _LEAD + n]
    out = np.zeros((4, n), dtype=np.float32)
    out[:, : early.shape[1]] = early
    return out


@lru_cache(maxsize=64)
def _cached_gains(size: int, sample_rate: int) -> Float32:
    return octave_gains(np.arange(size // 2 + 1) * sample_rate / size)


@lru_cache(maxsize=8)
def _frame_window(frame: int) -> Float32:
    return np.sin(np.pi * (np.arange(frame) + 0.5) / frame).astype(np.float32)


def _add_tail(
    response: Float32,
    room: Room,
    damping: Float64,
    mixing_s: float,
    rng: np.random.Generator,
    sample_rate: int,
) -> None:
    """Add the diffuse tail to a response (4, n), in place: Gaussian noise whose STFT frames decay bin by bin."""
    n = response.shape[1]
    half = round(0.00533 * sample_rate)
    frame = 2 * half
    # frames are centred on multiples of the hop; the first that matters reaches past half the mixing time
    first = max(0, math.floor(0.5 * mixing_s * sample_rate / half))
    count = math.ceil(n / half) + 1 - first
    centre_s = (first + np.arange(count)) * (half / sample_rate)
    rates = (_cached_gains(frame, sample_rate).T.astype(np.float64) @ damping).astype(np.float32)  # per bin
    fade = np.sin(0.5 * np.pi * np.clip(2.0 * centre_s / mixing_s - 1.0, 0.0, 1.0))
    variance = 4.0 * math.pi * SPEED_OF_SOUND_M_S / (room.volume_m3 * sample_rate)
    level = (fade * math.sqrt(variance)).astype(np.float32)
    shape = np.exp(np.multiply.outer((-0.5 * centre_s).astype(np.float32), rates)) * level[:, None]

    noise = rng.standard_normal((4, (count + 1) * half), dtype=np.float32)
    noise[1:] *= np.float32(math.sqrt(1.0 / 3.0))
    window = _frame_window(frame)
    # the first half frame starts one hop before its centre
    start = (first - 1) * half
    skip, start = max(0, -start), max(0, start)
    # one channel after another keeps the working set in the cache
    for channel in range(4):
        blocks = np.lib.stride_tricks.sliding_window_view(noise[channel], frame)[::half] * window
        spectra = scipy.fft.rfft(blocks, axis=-1)
        spectra *= shape
        blocks = scipy.fft.irfft(spectra, frame, axis=-1, overwrite_x=True)
        blocks *= window
        tail = np.zeros((count + 1, half), dtype=np.float32)
        tail[:-1] += blocks[:, :half]
        tail[1:] += blocks[:, half:]
        flat = tail.ravel()[skip:]
        stop = min(n, start + flat.size)
        response[channel, start:stop] += flat[: stop - start]
