"""Which way late sound goes: the table against a tracing of its own, and the tail against the table."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from open_elsa.scenes import room_physics, rooms
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.scenes.tail_shares import TABLE, tail_shares


@pytest.fixture(scope="module")
def monte_carlo() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "room_monte_carlo.py"
    spec = importlib.util.spec_from_file_location("room_monte_carlo", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def room_of(size: tuple[float, float, float], absorption: float, scattering: float, yaw: float = 0.0) -> Room:
    array = (0.45 * size[0], 0.4 * size[1], min(1.4, 0.5 * size[2]))
    return Room("r", size, (absorption,) * 8, array, yaw, scattering)


FLAT = (14.0, 9.0, 2.6)


@pytest.mark.parametrize(
    ("size", "absorption", "scattering"),
    [(FLAT, 0.3, 0.05), (FLAT, 0.12, 0.3), ((10.0, 7.0, 3.0), 0.13, 0.1), ((5.0, 4.6, 4.0), 0.5, 0.4)],
)
def test_the_table_agrees_with_rooms_traced_for_themselves(
    size: tuple[float, float, float], absorption: float, scattering: float, monte_carlo: ModuleType
) -> None:
    traced = monte_carlo.room_shares(size, absorption, scattering, 6000, seed=5)
    found = tail_shares(room_of(size, absorption, scattering))[3]  # at 1 kHz, where scattering is the room's own
    assert found == pytest.approx(traced, abs=0.02)


def test_the_file_holds_what_its_command_makes(monte_carlo: ModuleType) -> None:
    content = json.loads(TABLE.read_text())
    rays, seed = (int(word) for word in (content["command"].split()[3], content["command"].split()[5]))
    assert {k: tuple(content[k]) for k in monte_carlo.GRID} == monte_carlo.GRID
    # the last room that is traced: aspect 3, flatness 2, full scattering
    number = 4 * 7 * 6 - 1
    size = (3.0**0.5, 3.0**-0.5, 2.0)
    energy = monte_carlo.late_energy(size, 1.0, rays, np.random.default_rng([seed, number]), monte_carlo.REFLECTIONS)
    table = np.array(content["shares_per_10000"]).reshape(4, 7, 8, 6, 3)
    for e, exponent in enumerate(monte_carlo.GRID["exponent"]):
        assert table[3, 6, e, 5] == pytest.approx(1e4 * monte_carlo.shares(energy, exponent), abs=1.0)


def test_rays_are_lambert_and_lose_nothing_but_time(monte_carlo: ModuleType) -> None:
    away = monte_carlo._lambert(np.random.default_rng(0), np.full(40_000, 2), np.ones(40_000))
    assert np.linalg.norm(away, axis=1) == pytest.approx(1.0)
    assert away[:, 2].mean() == pytest.approx(2 / 3, abs=0.01)  # the cosine law
    assert away[:, :2].mean(axis=0) == pytest.approx(0.0, abs=0.01)
    energy = monte_carlo.late_energy((5.0, 5.0, 5.0), 1.0, 4000, np.random.default_rng(1), 60)
    assert energy[30] / energy[30].sum() == pytest.approx(1 / 3, abs=0.02)
    path = 2 * 5.0 / 3
    assert energy[20:].sum(axis=1).mean() / 4000 == pytest.approx(path, rel=0.02)  # mean free path 4V/S


def test_flat_and_dead_rooms_lose_the_vertical() -> None:
    dead, live = (tail_shares(room_of(FLAT, a, 0.05))[3] for a in (0.5, 0.05))
    assert dead[2] < 0.12 < 0.2 < live[2]
    assert dead[0] > dead[1] > dead[2]
    rough = tail_shares(room_of((5.0, 5.0, 5.0), 0.1, 1.0))
    assert rough == pytest.approx(1 / 3, abs=0.01)


def test_shares_sum_to_one_and_turn_with_the_room() -> None:
    long = room_of((9.0, 4.0, 2.6), 0.3, 0.1)
    turned = replace(long, size_m=(4.0, 9.0, 2.6), array_m=(1.9, 4.0, 1.3))
    assert tail_shares(long).sum(axis=1) == pytest.approx(1.0)
    assert tail_shares(turned)[:, [1, 0, 2]] == pytest.approx(tail_shares(long))
    beyond = room_of((60.0, 6.0, 0.9), 0.99, 0.0)  # outside the table on every axis
    assert tail_shares(beyond)[0].sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="read-only"):
        tail_shares(long)[0, 0] = 2.0


def test_the_tail_of_a_flat_room_goes_where_the_monte_carlo_says(
    monte_carlo: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Energy along the room's axes, found by turning the array's channels back by its yaw."""
    monkeypatch.setattr(room_physics, "air_per_m", lambda: np.zeros(8))
    monkeypatch.setattr(room_physics, "band_scattering", lambda room: np.full(8, room.scattering))
    wanted = monte_carlo.room_shares(FLAT, 0.2, 0.1, 8000, seed=9)
    assert wanted[2] < 0.22  # far from a third
    for yaw in (0.0, 65.0):
        room = room_of(FLAT, 0.2, 0.1, yaw)
        start = round(rooms.mixing_time_s(room) * 48_000)
        energies = np.zeros(4)
        for seed in range(3):
            made = rooms.simulate(room, SourcePosition(30, 5, 1.2), np.random.default_rng(seed))
            tail = made.response[:, start:].astype(np.float64)
            tail *= np.exp(0.5 * rooms.band_damping(room)[0] * np.arange(tail.shape[1]) / 48_000)
            turn = math.radians(yaw)
            x = math.cos(turn) * tail[3] - math.sin(turn) * tail[1]
            y = math.sin(turn) * tail[3] + math.cos(turn) * tail[1]
            energies += [np.square(part).sum() for part in (tail[0], x, y, tail[2])]
        assert energies[1:] / energies[0] == pytest.approx(wanted, abs=0.03)
