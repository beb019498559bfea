"""What a room simulator is held against: diffuse-field theory, full image sources, and a ray tracer.

The image sources are enumerated here, independently of the simulator under test and of any library.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import room_physics, rooms
from open_elsa.scenes.room_measures import third_octave_sums
from open_elsa.scenes.scene import Room, RoomResponse, SourcePosition
from open_elsa.sound.acoustics import DIRECT_WINDOW_S, OCTAVE_BANDS_HZ, Acoustics, measure, octave_gains

Float64 = NDArray[np.float64]

#: A room simulator: room, place, randomness, sample rate in Hz -> response with acoustics measured from it.
Simulator = Callable[[Room, SourcePosition, np.random.Generator, int], RoomResponse]

#: A full image-source response of more images than this is not tried.
MAX_IMAGES = 3_000_000
#: Scattering of the walls in the ray tracer, the prototype's value.
SCATTERING = 0.1
#: The reference places images on a grid this much finer than its sample rate.
_OVERSAMPLING = 4
#: Images that are placed at once.
_PART_IMAGES = 400_000


# -- theory ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DiffuseField:
    """What theory says of a place in a room: energies of W by source of unit energy a sample.

    drr_db, c50_db: direct-to-reverberant ratio and clarity, gated as `acoustics` does. late_db: level (20,) of what
    comes 2.5 ms or more after the direct sound, by third octave.
    """

    drr_db: float
    c50_db: float
    late_db: tuple[float, ...]


def diffuse_field(room: Room, distance_m: float, sample_rate: int) -> DiffuseField:
    """Direct sound exp(-m r) / r^2 and a diffuse decay 4 pi c / V exp(-2 delta t) from the direct sound on.

    Source: Barron & Lee, "Energy relations in concert auditoriums I", JASA 84 (1988); Kuttruff, Room Acoustics, 5.1.
    """
    n_fft = 2 * sample_rate
    hertz = scipy.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    gains = octave_gains(hertz).astype(np.float64)
    rates = gains.T @ rooms.band_damping(room)
    direct = np.exp(-distance_m * (gains.T @ room_physics.air_per_m())) / distance_m**2
    arrival_s = distance_m / rooms.SPEED_OF_SOUND_M_S
    level = 4.0 * math.pi * rooms.SPEED_OF_SOUND_M_S / room.volume_m3 / rates

    def after(seconds: float) -> Float64:
        return level * np.exp(-rates * (arrival_s + seconds))

    late, beyond = after(DIRECT_WINDOW_S), after(0.05)
    early = direct + late - beyond
    bands = third_octave_sums(late, hertz) * 2.0 / n_fft
    return DiffuseField(
        drr_db=10.0 * math.log10(direct.sum() / late.sum()),
        c50_db=10.0 * math.log10(early.sum() / beyond.sum()),
        late_db=tuple(float(v) for v in 10.0 * np.log10(bands)),
    )


# -- image sources ---------------------------------------------------------------------------------------------------


def image_count(room: Room, length_s: float) -> float:
    """How many image sources arrive within `length_s`: the volume of the sphere over the room's."""
    return 4.0 / 3.0 * math.pi * (rooms.SPEED_OF_SOUND_M_S * length_s) ** 3 / room.volume_m3


def reference_length_s(room: Room) -> float:
    """How long an image-source reference of a room has to be: its Eyring T60 in full band, and an eighth more."""
    return 1.125 * rooms.predicted_t30(rooms.band_damping(room)) + 0.02


def images(
    room: Room, source: tuple[float, float, float], reach_m: float
) -> Iterator[tuple[Float64, NDArray[np.int64]]]:
    """Image sources within `reach_m` of the array, in parts: places (3, k) relative to it, and their orders (k,).

    Image n along an axis of length L lies at n L + s (n even) or n L + L - s (n odd) after |n| reflections.
    Source: Allen & Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65 (1979).
    """
    axes = []
    for side, place, array in zip(room.size_m, source, room.array_m, strict=True):
        n = np.arange(-math.ceil(reach_m / side) - 1, math.ceil(reach_m / side) + 2)
        axes.append((n * side + np.where(n % 2 == 0, place, side - place) - array, np.abs(n)))
    (xs, nx), (ys, ny), (zs, nz) = axes
    flat = ys[:, None] ** 2 + zs[None, :] ** 2
    parts: list[tuple[Float64, NDArray[np.int64]]] = []
    for x, order in zip(xs, nx, strict=True):
        j, k = np.nonzero(flat <= reach_m**2 - x**2)
        parts.append((np.stack([np.full(j.size, x), ys[j], zs[k]]), order + ny[j] + nz[k]))
        if sum(orders.size for _, orders in parts) > _PART_IMAGES or x == xs[-1]:
            places, orders = zip(*parts, strict=True)
            yield np.concatenate(places, axis=1), np.concatenate(orders)
            parts = []


def image_sources(
    room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int = 48_000
) -> RoomResponse:
    """Simulate a room by all of its image sources, first-order encoded: exact for a box with mirrors for walls.

    Every arrival of `reference_length_s`, octave bands with air absorption, no diffuse tail, nothing random. Below
    60 Hz its sum of positive pulses piles up, so that is taken out. Raises DataError above MAX_IMAGES images.
    """
    response = _image_response(room, position, sample_rate, channels=4)
    return _measured(room, position, response, sample_rate, "image sources in full")


def image_acoustics(room: Room, position: SourcePosition, sample_rate: int = 48_000) -> Acoustics:
    """The acoustics of `image_sources`, which W alone decides, in a third of the time."""
    response = _image_response(room, position, sample_rate, channels=1)
    return measure(response, sample_rate, position.distance_m / rooms.SPEED_OF_SOUND_M_S, noise_floor=False)


def _image_response(room: Room, position: SourcePosition, sample_rate: int, channels: int) -> NDArray[np.float32]:
    """All image sources as the first channels of W, Y, Z, X (channels, n): placed on a finer grid, bands by FFT."""
    length_s = reference_length_s(room)
    if (count := image_count(room, length_s)) > MAX_IMAGES:
        raise DataError(f"room {room.room_id}: {count:.2g} image sources, the limit is {MAX_IMAGES:.2g}")
    n, fine = math.ceil(length_s * sample_rate), sample_rate * _OVERSAMPLING
    size = int(scipy.fft.next_fast_len((n + 256) * _OVERSAMPLING, real=True))
    half_log = 0.5 * np.log1p(-np.asarray(room.absorption))
    half_air = 0.5 * room_physics.air_per_m()
    yaw = math.radians(room.array_yaw_deg)
    sums = np.zeros((channels, len(OCTAVE_BANDS_HZ), size))
    for places, orders in images(room, rooms.source_place(room, position), rooms.SPEED_OF_SOUND_M_S * length_s):
        distance = np.sqrt(np.square(places).sum(axis=0))
        at = np.rint(distance / rooms.SPEED_OF_SOUND_M_S * fine).astype(np.int64)
        ahead = math.cos(yaw) * places[0] + math.sin(yaw) * places[1]
        left = math.cos(yaw) * places[1] - math.sin(yaw) * places[0]
        gains = (np.ones_like(distance), left / distance, places[2] / distance, ahead / distance)[:channels]
        for band, (wall, air) in enumerate(zip(half_log, half_air, strict=True)):
            amplitude = np.exp(orders * wall - distance * air) / distance
            for channel, gain in enumerate(gains):
                sums[channel, band] += np.bincount(at, amplitude * gain, size)
    hertz = scipy.fft.rfftfreq(size, 1.0 / fine)
    bands = octave_gains(hertz) * np.square(np.sin(0.5 * np.pi * np.clip(hertz / 30.0 - 1.0, 0.0, 1.0)))
    kept = size // _OVERSAMPLING // 2 + 1
    spectra = np.einsum("cbf,bf->cf", scipy.fft.rfft(sums, axis=-1)[..., :kept], bands[:, :kept])
    response = scipy.fft.irfft(spectra, 2 * (kept - 1), axis=-1)[:, :n]
    return cast(NDArray[np.float32], response.astype(np.float32))


# -- ray tracing -----------------------------------------------------------------------------------------------------


def ray_tracing(
    room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int = 48_000
) -> RoomResponse:
    """Simulate a room by pyroomacoustics alone: image sources to order 3, then its ray tracer, octave bands and air.

    Four coincident microphones (none for W, figures of eight for Y, Z, X), scattering 0.1. For comparison only:
    its scattered tails point the wrong way, and rays leak onto the direct sound.
    """
    import pyroomacoustics as pra
    from pyroomacoustics.directivities import DirectionVector, FigureEight

    pra.constants.set("num_threads", 1)
    pra.random.seed(int(rng.integers(2**31)))
    bands = {"coeffs": list(room.absorption), "center_freqs": list(OCTAVE_BANDS_HZ)}
    material = pra.Material(energy_absorption=bands, scattering=SCATTERING)
    box = pra.ShoeBox(
        room.size_m, fs=sample_rate, materials=material, max_order=3, ray_tracing=True, air_absorption=True
    )
    box.add_source(list(rooms.source_place(room, position)))
    yaw = room.array_yaw_deg
    axes = ((yaw + 90.0, 90.0), (0.0, 0.0), (yaw, 90.0))  # azimuth and colatitude of Y, Z, X
    dipoles = [FigureEight(orientation=DirectionVector(a % 360.0, c, degrees=True)) for a, c in axes]
    for directivity in (None, *dipoles):
        box.add_microphone(list(room.array_m), directivity=directivity)
    box.compute_rir()
    late = pra.constants.get("frac_delay_length") // 2
    rows = [np.asarray(row[0], dtype=np.float64)[late:] for row in box.rir]
    response = np.zeros((4, max(row.size for row in rows)), dtype=np.float32)
    for channel, row in enumerate(rows):
        response[channel, : row.size] = row
    return _measured(room, position, response, sample_rate, f"pyroomacoustics {pra.__version__}, order 3 + ray tracing")


def _measured(
    room: Room, position: SourcePosition, response: NDArray[np.float32], sample_rate: int, name: str
) -> RoomResponse:
    arrival_s = position.distance_m / rooms.SPEED_OF_SOUND_M_S
    acoustics = measure(response, sample_rate, arrival_s, noise_floor=False)
    return RoomResponse(room, position, sample_rate, response, arrival_s, acoustics, 0, name)


#: The simulator of this package, and the one that it is held against when models are trained on both.
OURS, IMAGES = "open-elsa", f"image-sources-{rooms.IMAGE_ORDER}"
#: Simulators that can be checked, and make banks, by name.
SIMULATORS: dict[str, Simulator] = {
    OURS: rooms.simulate,
    IMAGES: rooms.simulate_images,
    "image-sources": image_sources,
    "ray-tracing": ray_tracing,
}
#: Those beside which another is set when it is checked.
REFERENCES = (OURS, "image-sources", "ray-tracing")


def simulator(name: str) -> Simulator:
    """A simulator of `SIMULATORS` by its name, or another's function as "package.module:function".

    Raises ConfigError for an unknown name and for what cannot be imported or called.
    """
    if name in SIMULATORS:
        return SIMULATORS[name]
    module, _, function = name.partition(":")
    if not function:
        raise ConfigError(f"no simulator {name!r}: use {', '.join(SIMULATORS)}, or package.module:function")
    try:
        found: Any = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the simulator {name} cannot be imported: {error}; is its folder on PYTHONPATH?") from error
    if not callable(found):
        raise ConfigError(f"{name} is no function simulate(room, position, rng, sample_rate) -> RoomResponse")
    return cast(Simulator, found)


def revision(name: str) -> str:
    """What a bank records of the simulator that makes it: name and revision of this package's, else the name itself."""
    return {OURS: rooms.SIMULATOR, IMAGES: rooms.IMAGES_SIMULATOR}.get(name, name)
