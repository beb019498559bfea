"""Directivity against values worked out by hand, and in the sound of a room."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from open_elsa.errors import ConventionError, DataError
from open_elsa.scenes import rooms
from open_elsa.scenes.directivity import DIRECTIVITIES, mean_power, pattern
from open_elsa.scenes.scene import Room, SourcePosition


def test_patterns_at_the_front_the_side_and_the_back() -> None:
    front_side_back = np.array([1.0, 0.0, -1.0])
    assert pattern("omni", front_side_back) == pytest.approx(np.ones((3, 8)))
    assert pattern("cardioid", front_side_back)[:, 5] == pytest.approx([1.0, 0.5, 0.0])
    assert pattern("cardioid", front_side_back)[:, 0] == pytest.approx([1.0, 1.0, 1.0])
    speech = 20 * np.log10(pattern("speech", front_side_back))
    assert speech[0] == pytest.approx(np.zeros(8))
    assert -speech[2] == pytest.approx([1, 2, 4, 5, 8, 11, 15, 18], abs=0.02)


@pytest.mark.parametrize("name", DIRECTIVITIES)
def test_the_mean_power_is_that_over_the_sphere(name: str) -> None:
    cosine = (np.arange(4000) + 0.5) / 2000 - 1.0  # even steps of height are even areas of a sphere
    assert mean_power(name) == pytest.approx(np.square(pattern(name, cosine)).mean(axis=0), rel=1e-6)
    assert mean_power("cardioid")[7] == pytest.approx(1 / 3)


def test_unknown_directivities_and_axes_are_refused() -> None:
    with pytest.raises(DataError, match="omni, cardioid, speech"):
        pattern("trumpet", np.zeros(1))
    with pytest.raises(ConventionError, match="facing_elevation_deg"):
        SourcePosition(0, 0, 1, "speech", 0.0, 95.0)
    with pytest.raises(ConventionError, match="finite"):
        SourcePosition(0, 0, 1, "speech", math.nan, 0.0)


def band_energy(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64), 2**17)) ** 2
    hertz = np.fft.rfftfreq(2**17, 1 / 48_000)
    return float(spectrum[(hertz > low_hz) & (hertz < high_hz)].sum())


@pytest.mark.parametrize("yaw", [0.0, 130.0])
def test_facing_away_weakens_the_direct_sound_and_the_tail_follows_the_mean(yaw: float) -> None:
    room = Room("r", (9.0, 7.0, 3.2), (0.15,) * 8, (4.0, 3.0, 1.5), array_yaw_deg=yaw)
    omni = SourcePosition(50.0, 10.0, 1.5)
    to_us = replace(omni, directivity="cardioid", facing_azimuth_deg=-130.0, facing_elevation_deg=-10.0)
    away = replace(to_us, facing_azimuth_deg=50.0, facing_elevation_deg=10.0)
    heard = [rooms.simulate(room, p, np.random.default_rng(1)) for p in (omni, to_us, away)]
    arrival, mixing = round(heard[0].arrival_s * 48_000), round(rooms.mixing_time_s(room) * 48_000)
    direct = [band_energy(h.response[0, arrival - 20 : arrival + 20], 3000, 6000) for h in heard]
    assert direct[1] == pytest.approx(direct[0], rel=0.02)
    assert direct[2] < 0.01 * direct[0]
    late = [band_energy(h.response[0, mixing:], 3000, 6000) for h in heard]
    assert late[1] / late[0] == pytest.approx(1 / 3, rel=0.02)  # the same noise: only the mean power differs
    assert late[2] / late[0] == pytest.approx(1 / 3, rel=0.02)
    bass = [band_energy(h.response[0, mixing:], 30, 110) for h in heard]
    assert bass[1] / bass[0] == pytest.approx(1.0, rel=0.02)
    assert heard[2].acoustics.drr_db < heard[0].acoustics.drr_db - 6.0
