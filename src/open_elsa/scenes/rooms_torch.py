"""Room responses in batches on a torch device: the algebra of `rooms.render_plan`, the same samples for the same plans.

For a GPU that simulates while it trains, and for large batches. Plans are cheap and made by `rooms.plan_response`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from open_elsa.errors import DataError
from open_elsa.scenes.diffuse_tail import channel_rows, frame_window, noise_bank
from open_elsa.scenes.image_sources import LEAD, TAPS, band_gains, sinc_taps
from open_elsa.scenes.rooms import ResponsePlan, fade_samples
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ

_BANDS = len(OCTAVE_BANDS_HZ)


def render_plans(plans: Sequence[ResponsePlan], device: torch.device | str = "cpu") -> Tensor:
    """Samples (b, 4, n) float32 AmbiX of planned responses on a device; n is the longest, the others end in zeros.

    Equal to `rooms.render_plan` to 1e-4 of the peak; on a GPU sums may differ in their last bits from run to run.
    Memory: about 20 MB a response of 3 s at 48 kHz. Raises DataError for no plans, or plans of several sample rates.
    """
    if not plans or len({plan.sample_rate for plan in plans}) != 1:
        raise DataError("render_plans needs at least one plan, all of one sample rate; split the batch by rate")
    longest = max(plan.samples for plan in plans)
    out = torch.zeros(len(plans), 4, longest, device=device)
    # the transform's size shapes the band filters, so plans of one size go together
    for size in sorted({plan.early_size for plan in plans}):
        members = [i for i, plan in enumerate(plans) if plan.early_size == size]
        early = _early([plans[i] for i in members], size, device)[..., :longest]
        out[members, :, : early.shape[-1]] = early
    tail = _tail(plans, device)[..., :longest]
    out[..., : tail.shape[-1]] += tail
    return out * _fade(plans, longest, device)[:, None]


def _early(plans: Sequence[ResponsePlan], size: int, device: torch.device | str) -> Tensor:
    """Image sources (b, 4, size - LEAD): `image_sources.place_early`."""
    rate = plans[0].sample_rate
    gains, bands, delay = (
        _padded([getattr(plan.early, name) for plan in plans], 0.0) for name in ("gains", "bands", "delay_s")
    )
    batch, images = delay.shape
    amplitudes = (gains[:, :, :, None] * bands[:, :, None, :]).reshape(batch * images, 4 * _BANDS)
    first, taps = sinc_taps(delay.ravel() * rate + LEAD)
    values = _tensor(amplitudes, device)
    weights = _tensor(taps, device)
    at = torch.as_tensor(first + size * np.repeat(np.arange(batch), images), device=device)
    placed = torch.zeros(batch * size, 4 * _BANDS, device=device)
    for tap in range(TAPS):
        placed.index_add_(0, at + tap, weights[:, tap, None] * values)
    spectra = torch.fft.rfft(placed.view(batch, size, 4 * _BANDS), dim=1).unflatten(2, (4, _BANDS))
    spectra = torch.einsum("bfck,kf->bcf", spectra, _tensor(band_gains(size, rate), device).to(spectra.dtype))
    placed_bands: Tensor = torch.fft.irfft(spectra, size)
    return placed_bands[..., LEAD:]


def _tail(plans: Sequence[ResponsePlan], device: torch.device | str) -> Tensor:
    """Diffuse tails (b, 4, n): `diffuse_tail.add_tail`, on a grid of frames that starts with the first sample."""
    shapes = [plan.tail for plan in plans]
    half = shapes[0].half
    frames = max(shape.first + shape.frames for shape in shapes) - 1  # frame 1 starts at sample 0
    bank = _bank(half, str(device))
    amplitudes = _frame_amplitudes(plans, frames, device)
    rows = _tensor(np.stack([channel_rows(plan.tail) * plan.noise.signs for plan in plans]), device)
    channel = np.arange(4)[:, None]
    number = np.arange(frames) + 1
    places = np.stack([p.noise.start + channel * p.tail.frames + number - p.tail.first for p in plans])
    index = torch.as_tensor(np.clip(places, 0, bank.shape[0] - 1), device=device)
    spectra = bank[index] * (amplitudes[:, None] * rows[:, :, None])
    blocks = torch.fft.irfft(spectra, 2 * half).unflatten(-1, (2, half)) * _tensor(frame_window(half), device)
    waves = torch.zeros(len(plans), 4, frames + 1, half, device=device)
    waves[:, :, :-1] += blocks[..., 0, :]
    waves[:, :, 1:] += blocks[..., 1, :]
    w, x, y, z = waves.flatten(2).unbind(1)
    yaw = np.radians([shape.yaw_deg for shape in shapes])
    cos, sin = (_tensor(turned, device)[:, None] for turned in (np.cos(yaw), np.sin(yaw)))
    return torch.stack([w, cos * y - sin * x, z, cos * x + sin * y], dim=1)


def _frame_amplitudes(plans: Sequence[ResponsePlan], frames: int, device: torch.device | str) -> Tensor:
    """Amplitudes (b, frames, bins): `diffuse_tail.frame_amplitudes`, zero outside a plan's own frames."""
    shapes = [plan.tail for plan in plans]
    half, rate = shapes[0].half, plans[0].sample_rate
    gains = _tensor(band_gains(2 * half, rate), device)
    late = np.zeros((len(plans), frames))
    early = np.zeros((len(plans), frames, _BANDS))
    for row, shape in enumerate(shapes):
        start = shape.first - 1
        late[row, start : start + shape.frames] = shape.late
        early[row, start : start + shape.early.shape[0]] = np.sqrt(shape.early / half)
    seconds = _tensor(-0.5 * half / rate * (np.arange(frames) + 1.0), device)
    decay = _tensor(np.stack([shape.rates for shape in shapes]), device) @ gains
    power = _tensor(np.stack([shape.mean_power for shape in shapes]), device) @ gains
    statistical = torch.exp(seconds[None, :, None] * decay[:, None]) * _tensor(late, device)[..., None]
    scattered = _tensor(early, device) @ gains
    return torch.sqrt(torch.square(statistical) * power[:, None] + torch.square(scattered))


def _fade(plans: Sequence[ResponsePlan], longest: int, device: torch.device | str) -> Tensor:
    """Gains (b, n): one, then the fade of each response's end, then zero."""
    samples = np.array([plan.samples for plan in plans])
    size = np.array([fade_samples(plan.samples, plan.sample_rate) for plan in plans])
    begin, length = (torch.as_tensor(v, device=device, dtype=torch.float32)[:, None] for v in (samples - size, size))
    part = ((torch.arange(longest, device=device) - begin) / length).clamp(0.0, 1.0)
    return torch.where(part < 1.0, torch.square(torch.cos(0.5 * math.pi * part)), torch.zeros_like(part))


@lru_cache(maxsize=4)
def _bank(half: int, device: str) -> Tensor:
    return torch.as_tensor(noise_bank(half), device=device)


def _padded(arrays: Sequence[NDArray[Any]], fill: float) -> NDArray[np.float64]:
    """Arrays (k, ...) of several lengths as one (b, longest, ...)."""
    out = np.full((len(arrays), max(a.shape[0] for a in arrays), *arrays[0].shape[1:]), fill)
    for row, array in zip(out, arrays, strict=True):
        row[: array.shape[0]] = array
    return out


def _tensor(array: NDArray[Any], device: torch.device | str) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(array, dtype=np.float32), device=device)
