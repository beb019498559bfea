"""The simulator against physics: the same tests should pass for any other simulator."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from open_elsa.errors import DataError
from open_elsa.scenes import image_sources, room_physics, rooms
from open_elsa.scenes.image_sources import Early
from open_elsa.scenes.rooms import RoomRanges, draw_position, draw_room, simulate
from open_elsa.scenes.scene import Room, RoomResponse, SourcePosition
from open_elsa.sound import acoustics, foa

RATE = 48_000
SIZES = {"S": (4.1, 3.25, 2.5), "M": (10.0, 7.0, 3.0), "L": (18.5, 15.0, 4.5)}


def eyring_room(size: tuple[float, float, float], t60_s: float, yaw: float = 0.0, scattering: float = 0.2) -> Room:
    """A room of flat absorption with the wanted Eyring T60."""
    volume, surface = math.prod(size), 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    alpha = 1 - math.exp(-24 * math.log(10) * volume / (rooms.SPEED_OF_SOUND_M_S * surface * t60_s))
    array = (0.47 * size[0], 0.43 * size[1], min(1.4, 0.5 * size[2]))
    return Room("test", size, (alpha,) * 8, array, yaw, scattering)


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Air that absorbs nothing."""
    monkeypatch.setattr(room_physics, "air_per_m", lambda: np.zeros(8))


def made(room: Room, place: SourcePosition, seed: int = 0, rate: int = RATE) -> RoomResponse:
    return simulate(room, place, np.random.default_rng(seed), rate)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("yaw", [0.0, 73.0])
@pytest.mark.parametrize("place", [(30.0, 10.0, 1.2), (-120.0, -30.0, 1.0), (175.0, 40.0, 0.8)])
def test_direct_sound_has_the_right_direction_gain_and_delay(
    name: str, yaw: float, place: tuple[float, float, float], flat: None
) -> None:
    room = eyring_room(SIZES[name], 0.5, yaw)
    # early reflections come within the sinc's reach, so the direct path is looked at alone
    position = SourcePosition(*place)
    response = made(room, position)
    only = direct_alone(response)
    gains = foa.gains(position.azimuth_deg, position.elevation_deg)
    found = only @ only[0] / (only[0] @ only[0])
    assert np.abs(found - gains).max() < 1e-3
    heard = np.array([found[3], found[1], found[2]])
    assert foa.angular_error_deg(heard, foa.unit_vector(place[0], place[1])) < 0.1
    # the phase slope is the delay
    spectrum = np.fft.rfft(only[0].astype(np.float64), 4096)
    slope = np.polyfit(2 * np.pi * np.arange(50, 1500) / 4096, np.unwrap(np.angle(spectrum))[50:1500], 1)[0]
    assert -slope == pytest.approx(response.arrival_s * RATE, abs=0.1)
    assert response.arrival_s == pytest.approx(position.distance_m / 343.0)
    assert np.abs(spectrum[50:1500]) * position.distance_m == pytest.approx(1.0, abs=0.02)


def direct_alone(response: RoomResponse) -> np.ndarray:
    """The direct sound of the simulator, without echoes: the same code on a single image."""
    assert response.room is not None
    plan = rooms.plan_response(response.room, response.position, np.random.default_rng(0))
    direct = Early(*(part[:1] for part in vars(plan.early).values()))
    only = image_sources.place_early(direct, plan.early_size, RATE)
    # nothing else may arrive before the first echo
    start = round(response.arrival_s * RATE)
    assert response.response[:, : start + 8] == pytest.approx(only[:, : start + 8], abs=5e-3 / response.arrival_s / 343)
    return only[:, :4096]


def test_air_and_walls_weaken_treble(flat: None) -> None:
    room, place = eyring_room(SIZES["L"], 1.0), SourcePosition(20, 0, 4)
    without_air = made(room, place).response[0]
    rooms_air = rooms.band_damping(room)
    assert rooms_air == pytest.approx(6 * math.log(10) / 1.0, rel=1e-6)
    assert without_air.size == RATE


def test_air_absorption_follows_iso_9613() -> None:
    decibels_per_km = 1000 * room_physics.air_per_m() * 10 * math.log10(math.e)
    # ISO 9613-1, 20 degrees, 50 %: 0.44 (125 Hz), 1.31, 2.73, 4.66, 9.89, 29.7, 105 (8 kHz) dB/km
    assert decibels_per_km[:7] == pytest.approx([0.44, 1.31, 2.73, 4.66, 9.89, 29.7, 105.0], rel=0.03)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(("t60_s", "tolerance"), [(0.2, 0.08), (0.5, 0.03), (1.0, 0.03), (2.0, 0.03)])
def test_t30_is_what_was_asked_for_in_flat_rooms(name: str, t60_s: float, tolerance: float, flat: None) -> None:
    room = eyring_room(SIZES[name], t60_s)
    found = [made(room, SourcePosition(30, 5, 1.2), seed).acoustics.t30_s for seed in range(3)]
    assert np.mean(found) == pytest.approx(t60_s, rel=tolerance)


def test_t30_per_octave_follows_the_absorption() -> None:
    base = eyring_room(SIZES["M"], 0.8)
    tilt = np.array([0.6, 0.7, 0.85, 1.0, 1.1, 1.25, 1.3, 1.3])
    room = replace(base, absorption=tuple(np.array(base.absorption) * tilt))
    wanted = 6 * math.log(10) / rooms.band_damping(room)
    bands = np.mean([made(room, SourcePosition(30, 5, 1.2), s).acoustics.t30_bands_s for s in range(6)], axis=0)
    for octave in range(2, 6):  # 500 Hz to 4 kHz: the third octave in the middle of each
        third = acoustics.THIRD_OCTAVE_BANDS_HZ.index(acoustics.OCTAVE_BANDS_HZ[octave])
        assert bands[third] == pytest.approx(wanted[octave], rel=0.10)


@pytest.mark.parametrize("size", [(5.0, 4.6, 4.2), SIZES["M"]])
def test_a_tail_that_walls_scatter_is_diffuse(size: tuple[float, float, float], flat: None) -> None:
    room = eyring_room(size, 1.0, scattering=1.0)
    start = round(rooms.mixing_time_s(room) * RATE)
    ratios, coherence = [], []
    for seed in range(3):
        tail = made(room, SourcePosition(30, 5, 1.2), seed).response[:, start : start + RATE // 2].astype(np.float64)
        whitened = tail * np.exp(3 * math.log(10) * np.arange(tail.shape[1]) / RATE)
        power = (whitened**2).sum(axis=1)
        ratios.append(power[1:] / power[0])
        coherence.append(np.abs(whitened[1:] @ whitened[0]) / np.sqrt(power[1:] * power[0]))
    assert np.mean(ratios, axis=0) == pytest.approx(1 / 3, abs=0.03)
    assert np.max(coherence) < 0.1


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("t60_s", [0.5, 1.0, 2.0])
def test_drr_agrees_with_diffuse_field_theory(name: str, t60_s: float, flat: None) -> None:
    room = eyring_room(SIZES[name], t60_s)
    area = -room.surface_m2 * math.log1p(-room.absorption[0])
    theory = 10 * math.log10(area / (16 * math.pi * 1.2**2))
    assert made(room, SourcePosition(30, 5, 1.2)).acoustics.drr_db == pytest.approx(theory, abs=3.0)


@pytest.mark.parametrize("rate", [16_000, 32_000, 48_000])
def test_the_sample_rate_does_not_change_the_room(rate: int) -> None:
    room, place = eyring_room(SIZES["M"], 0.6), SourcePosition(-50, 0, 2.0)
    found, reference = made(room, place, 1, rate).acoustics, made(room, place, 1).acoustics
    assert found.t30_s == pytest.approx(reference.t30_s, rel=0.05)
    below = [t <= 6300 for t in acoustics.THIRD_OCTAVE_BANDS_HZ]  # what the lowest rate holds too
    bands = [np.mean(np.array(a.drr_bands_db)[below]) for a in (found, reference)]
    assert bands[0] == pytest.approx(bands[1], abs=1.0)


def test_same_seed_same_bytes_and_other_seed_other_tail() -> None:
    room, place = eyring_room(SIZES["S"], 0.4), SourcePosition(10, 0, 1)
    assert made(room, place, 5).response.tobytes() == made(room, place, 5).response.tobytes()
    assert made(room, place, 5).response.tobytes() != made(room, place, 6).response.tobytes()


def test_a_source_behind_the_wall_is_refused() -> None:
    with pytest.raises(DataError, match="outside"):
        made(eyring_room(SIZES["S"], 0.4), SourcePosition(0, 0, 4.5))


def test_measured_t30_of_drawn_rooms_is_near_the_predicted_one() -> None:
    rng, ranges = np.random.default_rng(1), RoomRanges()
    ratios = []
    for i in range(24):
        room = draw_room(rng, ranges, str(i))
        response = simulate(room, draw_position(rng, room, ranges), rng, 32_000)
        ratios.append(response.acoustics.t30_s / rooms.predicted_t30(rooms.band_damping(room)))
        assert response.response.dtype == np.float32
        assert np.isfinite(response.response).all()
    assert np.median(ratios) == pytest.approx(1.0, abs=0.03)
    assert np.abs(np.log(ratios)).max() < 0.25
