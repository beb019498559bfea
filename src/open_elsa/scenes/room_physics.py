"""Physics of a shoebox room in octave bands: decay, air, scattering, mixing time, and where its sources stand."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ, octave_gains
from open_elsa.sound.foa import unit_vector

SPEED_OF_SOUND_M_S = 343.0
#: A response never gets longer than this.
MAX_RESPONSE_S = 3.0
#: Octave T60s stay within this, or a bass band could ring for ever.
MAX_BAND_T60_S = 4.0
#: Natural logarithm of 60 dB of energy.
SIX_LN_10 = 6.0 * math.log(10.0)

Float64 = NDArray[np.float64]


def source_place(room: Room, position: SourcePosition) -> tuple[float, float, float]:
    """Where a source is in room coordinates, metres from the corner; the array looks along its own yaw."""
    direction = unit_vector(position.azimuth_deg + room.array_yaw_deg, position.elevation_deg)
    x, y, z = np.asarray(room.array_m) + position.distance_m * direction
    return float(x), float(y), float(z)


def mean_free_path_m(room: Room) -> float:
    """Mean way in metres between two walls, 4V/S."""
    return 4.0 * room.volume_m3 / room.surface_m2


def mixing_time_s(room: Room) -> float:
    """Time in seconds from which the response is diffuse: 2 (20 V/S + 12) ms, twice Lindau's perceptual one."""
    return 0.002 * (20.0 * room.volume_m3 / room.surface_m2 + 12.0)


def response_length_s(room: Room) -> float:
    """Length in seconds of a response: the longest octave T60, at least two mixing times, at most MAX_RESPONSE_S."""
    longest = SIX_LN_10 / float(band_damping(room).min())
    return min(MAX_RESPONSE_S, max(longest, 2.0 * mixing_time_s(room)))


def band_damping(room: Room) -> Float64:
    """Energy decay 2 delta (8,) in 1/s per octave band: c (-S ln(1 - alpha) / 4V + m); T60 = 6 ln 10 / (2 delta)."""
    walls = -np.log1p(-np.asarray(room.absorption)) / mean_free_path_m(room)
    return cast(Float64, SPEED_OF_SOUND_M_S * (walls + air_per_m()))


def band_scattering(room: Room) -> Float64:
    """Scattered share (8,) of the reflected energy per octave band, from the room's `scattering` at 1 kHz.

    1 - (1 - s) ** sqrt(f / 1 kHz): whatever roughens a wall scatters treble more than bass, as ISO 17497-1's
    coefficients of seats, shelves and diffusers do; 0 and 1 stay what they are.
    """
    exponent = np.sqrt(np.asarray(OCTAVE_BANDS_HZ) / 1000.0)
    return 1.0 - (1.0 - room.scattering) ** exponent


@lru_cache(maxsize=1)
def air_per_m() -> Float64:
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


@lru_cache(maxsize=1)
def _prediction_grid() -> tuple[Float64, Float64]:
    """Weights (f, 8) that give damping at 60 frequencies of the full band, and the width of each."""
    edges = np.geomspace(89.1, 8980.0, 61)
    return octave_gains(np.sqrt(edges[1:] * edges[:-1])).T.astype(np.float64), np.diff(edges)


def predicted_t30(damping: Float64) -> float:
    """Full-band T30 in seconds of an ideal diffuse decay with octave damping (8,), as `acoustics.measure` takes it."""
    weights, width = _prediction_grid()
    rates = weights @ damping
    times = np.linspace(0.0, 1.3 * SIX_LN_10 / float(rates.min()), 600)
    curve = np.exp(-np.outer(times, rates)) @ (width / rates)
    decibels = 10.0 * np.log10(curve / curve[0])
    part = (decibels <= -5.0) & (decibels >= -35.0)
    t, y = times[part], decibels[part]
    t = t - t.mean()
    return float(-60.0 * np.dot(t, t) / np.dot(t, y))
