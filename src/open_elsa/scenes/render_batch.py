"""Scenes in batches on a torch device, and one by one in data-loader workers: the sound that an export would write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from open_elsa.errors import DataError
from open_elsa.scenes import mixing
from open_elsa.scenes.noise import white
from open_elsa.scenes.render import render_torch

if TYPE_CHECKING:
    from open_elsa.scenes.scene_set import SceneSet

Float32 = NDArray[np.float32]


class RenderedScenes(Dataset[tuple[int, Float32]]):
    """`dataset[i]` is (i, scene i rendered), (4, n) float32: in every process of a data loader the same bits."""

    def __init__(self, scenes: SceneSet) -> None:
        self.scenes = scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, i: int) -> tuple[int, Float32]:
        return i, self.scenes.render(i)


def render_batch(scenes: SceneSet, indices: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Scenes as (b, 4, n) float32 AmbiX on a device, shorter ones filled up with zeros: `SceneSet.render` in batches.

    All still sources are convolved at once by FFT on the device; clips are decoded, and noise is drawn, by the CPU, so
    that it is the same noise. Walking sources, ambience and microphones are computed by the CPU. Equal to
    `SceneSet.render` to 1e-5 of a scene's peak. Raises DataError for no indices, AudioError as `SceneSet.render` does.
    """
    if not len(indices):
        raise DataError("render_batch needs at least one scene")
    # (place in the batch, number of the source) of what the device convolves
    still = [(at, k) for at, i in enumerate(indices) for k in _still(scenes, i)]
    wet = _convolved(scenes, [(indices[at], k) for at, k in still], device)
    lengths = [round(scenes[i].duration_s * scenes.sample_rate) for i in indices]
    out = torch.zeros(len(indices), 4, max(lengths), device=device)
    for at, (i, length) in enumerate(zip(indices, lengths, strict=True)):
        rows = {k: wet[row, :, :length] for row, (place, k) in enumerate(still) if place == at}
        out[at, :, :length] = _finished(scenes, i, rows)
    return out


def _still(scenes: SceneSet, i: int) -> list[int]:
    """Numbers of the sources of scene `i` that do not walk."""
    sources = scenes[i].sources
    return [k for k, source in enumerate(sources) if source.path is None] if sources else [0]


def _convolved(scenes: SceneSet, parts: Sequence[tuple[int, int]], device: torch.device | str) -> Tensor:
    """Sources (index of the scene, number) as heard alone: (p, 4, n), n the longest scene's."""
    if not parts:
        return torch.zeros(0, 4, 1, device=device)
    responses, clips = [], []
    for i, k in parts:
        scene = scenes[i]
        response_id = scene.sources[k].response_id if scene.sources else scene.response_id
        responses.append(scenes.bank.response(scenes.bank.index(response_id)))
        clips.append(scenes.dry(i, k))
    longest = max(clip.size for clip in clips)
    return render_torch(_stacked(clips, device), _stacked(responses, device), longest)


def _stacked(arrays: Sequence[Float32], device: torch.device | str) -> Tensor:
    """Arrays (..., n) of several lengths as one (b, ..., longest), filled up with zeros."""
    longest = max(array.shape[-1] for array in arrays)
    out = np.zeros((len(arrays), *arrays[0].shape[:-1], longest), dtype=np.float32)
    for row, array in zip(out, arrays, strict=True):
        row[..., : array.shape[-1]] = array
    return torch.as_tensor(out, device=device)


def _finished(scenes: SceneSet, i: int, wet: dict[int, Tensor]) -> Tensor:
    """Scene `i` from its still sources (4, n) as heard alone: the others added, and noise as it was drawn for it."""
    scene = scenes[i]
    if not scene.sources:
        out = wet[0]
        return out if scene.snr_db is None else out + _noise(out, scene.snr_db, scene.seed)
    parts = (wet[k].cpu().numpy() if k in wet else scenes.render_source(i, k) for k in range(len(scene.sources)))
    return torch.as_tensor(mixing.mix(parts, scene, scenes.sample_rate, scenes.recordings))


def _noise(heard: Tensor, snr_db: float, seed: int) -> Tensor:
    """White diffuse noise (4, n) for a scene that is heard on a device, as `noise.add_white` draws it."""
    rms = float(torch.sqrt(torch.mean(torch.square(heard[0].double()))))
    drawn = white(tuple(heard.shape), rms * 10.0 ** (-snr_db / 20.0), np.random.default_rng(seed), diffuse=True)
    return torch.as_tensor(drawn, device=heard.device)
