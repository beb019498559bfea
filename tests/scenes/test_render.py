"""Rendering against plain convolution; torch against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from open_elsa.errors import AudioError
from open_elsa.scenes.render import render, render_torch


@pytest.fixture
def signals() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal(700).astype(np.float32), rng.standard_normal((4, 211)).astype(np.float32)


@pytest.mark.parametrize("length", [None, 1, 100, 300, 700, 910, 1500])
def test_render_equals_direct_convolution(signals: tuple[np.ndarray, np.ndarray], length: int | None) -> None:
    clip, response = signals
    full = np.stack([np.convolve(clip.astype(np.float64), channel) for channel in response.astype(np.float64)])
    wanted = np.zeros((4, length or full.shape[1]))
    kept = min(wanted.shape[1], full.shape[1])
    wanted[:, :kept] = full[:, :kept]
    found = render(clip, response, length=length)
    assert found.dtype == np.float32
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-4


@pytest.mark.parametrize("length", [None, 100, 700, 1500])
def test_torch_equals_numpy(signals: tuple[np.ndarray, np.ndarray], length: int | None) -> None:
    clip, response = signals
    clips, responses = np.stack([clip, clip[::-1]]), np.stack([response, 2 * response[:, ::-1]])
    found = render_torch(torch.from_numpy(clips.copy()), torch.from_numpy(responses.copy()), length).numpy()
    for row in range(2):
        wanted = render(clips[row], responses[row], length=length)
        assert found[row].shape == wanted.shape
        assert np.abs(found[row] - wanted).max() < 1e-5 * max(1.0, np.abs(wanted).max())


def test_a_pulse_response_is_the_clip_itself(signals: tuple[np.ndarray, np.ndarray]) -> None:
    clip, _ = signals
    pulse = np.zeros((4, 50), np.float32)
    pulse[:, 0] = (1.0, 0.5, -0.25, 0.75)
    found = render(clip, pulse, gain_db=-6.0206, length=clip.size)
    assert found == pytest.approx(0.5 * pulse[:, :1] * clip, abs=1e-5)


def test_noise_has_the_wanted_level_and_is_diffuse() -> None:
    rng = np.random.default_rng(0)
    clip = rng.standard_normal(60_000).astype(np.float32)
    pulse = np.zeros((4, 1), np.float32)
    pulse[0] = 1
    noise = render(clip, pulse, noise=(20.0, np.random.default_rng(1))) - render(clip, pulse)
    power = np.mean(noise**2, axis=1)
    assert 10 * np.log10(np.mean(clip**2) / power[0]) == pytest.approx(20.0, abs=0.1)
    assert power[1:] / power[0] == pytest.approx(1 / 3, rel=0.05)
    again = render(clip, pulse, noise=(20.0, np.random.default_rng(1))) - render(clip, pulse)
    assert np.array_equal(noise, again)


def test_wrong_shapes_are_refused(signals: tuple[np.ndarray, np.ndarray]) -> None:
    clip, response = signals
    for bad in ((response, response), (clip, response[:3]), (clip[:0], response), (clip, response.T)):
        with pytest.raises(AudioError):
            render(*bad)
    with pytest.raises(AudioError):
        render(clip, response, length=0)
    with pytest.raises(AudioError):
        render_torch(torch.zeros(2, 100), torch.zeros(3, 4, 10))


@pytest.mark.parametrize("taps", [1, 3000, 40_000])
@pytest.mark.parametrize("length", [None, 150_000])
def test_long_clips_in_blocks_equal_one_long_convolution(taps: int, length: int | None) -> None:
    """Long enough for several blocks, whatever the response; the last one is only partly filled."""
    rng = np.random.default_rng(1)
    clip = rng.standard_normal(260_001).astype(np.float32)
    response = rng.standard_normal((4, taps)).astype(np.float32)
    size = clip.size + taps
    spectrum = np.fft.rfft(clip.astype(np.float64), size) * np.fft.rfft(response.astype(np.float64), size)
    wanted = np.fft.irfft(spectrum, size)[:, : length or size - 1]
    found = render(clip, response, length=length)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()
