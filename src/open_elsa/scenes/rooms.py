"""Simulating rooms: the first-order ambisonic response from a place in a shoebox room to its array.

`draw_room` and `draw_position` draw what `simulate` makes a response of. The method is told in docs/rooms.md.
`simulate_images` is what many data sets do instead: image sources to a low order and nothing after them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes.diffuse_tail import TailNoise, TailShape, add_tail, draw_noise, tail_shape
from open_elsa.scenes.draw_rooms import RoomRanges, draw_position, draw_room
from open_elsa.scenes.image_sources import (
    Early,
    early_arrivals,
    early_size,
    image_sources,
    images_to_order,
    place_early,
)
from open_elsa.scenes.room_physics import (
    SPEED_OF_SOUND_M_S,
    band_damping,
    mixing_time_s,
    predicted_t30,
    response_length_s,
    source_place,
)
from open_elsa.scenes.scene import Room, RoomResponse, SourcePosition
from open_elsa.scenes.tail_shares import tail_shares
from open_elsa.sound.acoustics import measure

__all__ = [
    "IMAGES_SIMULATOR",
    "SIMULATOR",
    "SPEED_OF_SOUND_M_S",
    "ResponsePlan",
    "RoomRanges",
    "band_damping",
    "draw_position",
    "draw_room",
    "mixing_time_s",
    "plan_response",
    "predicted_t30",
    "render_plan",
    "simulate",
    "simulate_images",
    "source_place",
    "tail_shares",
]

#: Name and revision of the simulator, written into every response it makes.
SIMULATOR = "open-elsa hybrid 2 (image sources with scattering + anisotropic diffuse tail)"
#: Reflections of the images of `simulate_images`, and its name and revision.
IMAGE_ORDER = 10
IMAGES_SIMULATOR = f"open-elsa images 1 (image sources to order {IMAGE_ORDER}, mirrors for walls, no tail)"
#: The last of a response fades out, or its cut would click.
FADE_S = 0.005

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class ResponsePlan:
    """All that a response's samples follow from: `render_plan` (NumPy) and `rooms_torch.render_plans` compute them.

    samples: length. early: arrivals before the mixing time, placed in a transform of `early_size` samples. tail, noise:
    how the diffuse tail is shaped and which noise it takes.
    """

    sample_rate: int
    samples: int
    early: Early
    early_size: int
    tail: TailShape
    noise: TailNoise


def simulate(
    room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int = 48_000, *, seed: int = 0
) -> RoomResponse:
    """Simulate the AmbiX response from one place to the room's array; its acoustics are measured from it.

    Image sources up to the mixing time 2 (20 V/S + 12) ms (twice Lindau 2010), eight octave bands with air absorption
    (ISO 9613-1), then a diffuse tail of shaped Gaussian noise whose level follows from the image density
    (W: 4 pi c / (V fs) exp(-2 delta t) a sample) and whose energies along the room's axes from `tail_shares`. What
    walls scatter goes from the images into the tail. The direct sound has amplitude 1/r, of a directional source on its
    axis. seed: only recorded. Raises DataError for a source outside the room.
    """
    response = render_plan(plan_response(room, position, rng, sample_rate))
    return _measured(room, position, response, sample_rate, seed, SIMULATOR)


def simulate_images(
    room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int = 48_000
) -> RoomResponse:
    """Simulate by image sources of at most ten reflections alone: the truncated reverberation of plain toolkits.

    The 1,561 images of `IMAGE_ORDER`, each with its delay, direction, octave bands, air and the source's directivity as
    in `simulate`; walls are mirrors whatever their scattering, nothing follows the last image, and nothing is random:
    `rng` isn't used. To compare with, not to learn from. Raises DataError for a source outside the room.
    """
    images = images_to_order(room, _source_inside(room, position), IMAGE_ORDER)
    early = early_arrivals(replace(room, scattering=0.0), position, images, math.inf)
    size = early_size(float(early.delay_s.max()), position.distance_m, sample_rate)
    return _measured(room, position, place_early(early, size, sample_rate), sample_rate, 0, IMAGES_SIMULATOR)


def _measured(
    room: Room, position: SourcePosition, response: Float32, sample_rate: int, seed: int, simulator: str
) -> RoomResponse:
    arrival_s = position.distance_m / SPEED_OF_SOUND_M_S
    acoustics = measure(response, sample_rate, arrival_s, noise_floor=False)
    return RoomResponse(room, position, sample_rate, response, arrival_s, acoustics, seed, simulator)


def _source_inside(room: Room, position: SourcePosition) -> tuple[float, float, float]:
    """Where the source is in metres from the room's corner; DataError when that is outside."""
    source = source_place(room, position)
    if any(not 0 < place < side for place, side in zip(source, room.size_m, strict=True)):
        raise DataError(f"room {room.room_id}: a source at {position} lies outside the room; draw another place")
    return source


def plan_response(
    room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int = 48_000
) -> ResponsePlan:
    """Work out what a response consists of, drawing its noise from `rng`; the errors are those of `simulate`."""
    source = _source_inside(room, position)
    mixing_s = mixing_time_s(room)
    samples = math.ceil(response_length_s(room) * sample_rate)
    images = image_sources(room, source, SPEED_OF_SOUND_M_S * mixing_s)
    early = early_arrivals(room, position, images, mixing_s)
    tail = tail_shape(room, position, early, mixing_s, samples, sample_rate)
    size = early_size(mixing_s, position.distance_m, sample_rate)
    return ResponsePlan(sample_rate, samples, early, size, tail, draw_noise(rng, tail))


def render_plan(plan: ResponsePlan) -> Float32:
    """Samples (4, n) AmbiX of a planned response."""
    response = np.zeros((4, plan.samples), np.float32)
    early = place_early(plan.early, plan.early_size, plan.sample_rate)[:, : plan.samples]
    response[:, : early.shape[1]] = early
    add_tail(response, plan.tail, plan.noise)
    size = fade_samples(plan.samples, plan.sample_rate)
    response[:, plan.samples - size :] *= np.square(np.cos(0.5 * np.pi * np.arange(size) / size)).astype(np.float32)
    return response


def fade_samples(samples: int, sample_rate: int) -> int:
    """How many of a response's last samples fade out: 5 ms."""
    return min(samples, round(FADE_S * sample_rate))
