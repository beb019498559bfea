"""The relative response: reflections at their delays, whatever the level, the turn and the source."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from open_elsa.model.relative import LONGEST_S, SHORTEST_S, RelativeResponse
from open_elsa.sound import foa

RATE, LAGS = 32000, 40


@pytest.fixture(scope="module")
def relative() -> RelativeResponse:
    return RelativeResponse(RATE, LAGS)


def two_paths(delay_s: float, gain: float = 0.5, seconds: float = 2.0, seed: int = 0) -> Tensor:
    """(4, n): noise from the left, and its reflection from behind after a delay."""
    dry = np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    late = np.concatenate([np.zeros(round(delay_s * RATE)), dry])[: len(dry)]
    left, behind = foa.unit_vector(np.array([90.0, 180.0]), np.array([0.0, 0.0]))
    w = dry + gain * late
    x, y, z = np.outer(left, dry) + gain * np.outer(behind, late)
    return torch.tensor(np.stack([w, y, z, x]), dtype=torch.float32)


def bin_of(delay_s: float) -> int:
    return int(LAGS * np.log(delay_s / SHORTEST_S) / np.log(LONGEST_S / SHORTEST_S))


@pytest.mark.parametrize("delay_s", [0.0023, 0.0061, 0.0172])
def test_a_reflection_shows_at_its_delay(relative: RelativeResponse, delay_s: float) -> None:
    said = relative(two_paths(delay_s)[None])[0]
    delays, advances = said[:LAGS], said[LAGS : 2 * LAGS]
    assert abs(int(delays.argmax()) - bin_of(delay_s)) <= 1
    assert delays.max() > advances.max() + 2


def test_without_a_reflection_nothing_stands_out(relative: RelativeResponse) -> None:
    alone, echo = relative(torch.stack([two_paths(0.0061, gain=0.0), two_paths(0.0061)]))[:, :LAGS]
    assert echo.max() > alone.max() + 3


def test_level_does_not_matter(relative: RelativeResponse) -> None:
    sound = two_paths(0.004)
    quiet, loud = relative(torch.stack([1e-3 * sound, 10 * sound]))
    torch.testing.assert_close(quiet, loud, atol=1e-3, rtol=1e-3)


def test_a_turned_scene_says_the_same(relative: RelativeResponse) -> None:
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))
    sound = two_paths(0.004)
    turned = sound.clone()
    turned[[3, 1, 2]] = turn @ sound[[3, 1, 2]]
    said, again = relative(torch.stack([sound, turned]))
    torch.testing.assert_close(said, again, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("samples", [1, 100, RelativeResponse(RATE, LAGS).n, 20000])
def test_silence_and_short_sounds_are_finite(relative: RelativeResponse, samples: int) -> None:
    click = torch.zeros(4, samples)
    click[:, 0] = 1.0
    said = relative(torch.stack([torch.zeros(4, samples), click]))
    assert said.shape == (2, RelativeResponse.width(LAGS))
    assert said.isfinite().all()


def test_a_batch_says_what_each_sound_says(relative: RelativeResponse) -> None:
    sounds = torch.stack([two_paths(0.003, seed=1), two_paths(0.02, seed=2)])
    torch.testing.assert_close(relative(sounds), torch.cat([relative(s[None]) for s in sounds]))
