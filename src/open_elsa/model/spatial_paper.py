"""The paper's encoder of where it is heard: two convolutional branches over unit intensity."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from open_elsa.errors import ConfigError
from open_elsa.model.config import SpatialConfig

TARGET_COUNT = 44
"""Outputs trained in stage 1; STAGE_1_TARGETS says which is which."""

STAGE_1_TARGETS: dict[str, slice] = {
    "azimuth_rad": slice(0, 1),
    "elevation_rad": slice(1, 2),
    "distance": slice(2, 3),
    "volume": slice(3, 4),
    "drr_bands": slice(4, 24),
    "t30_bands": slice(24, 44),
}
"""Angles in radians (cosine loss); the rest standardised by the training set's mean and deviation (squared error).

Bands are the 20 third octaves from 100 Hz to 8 kHz. Source: paper (44 outputs), re-implementation (which ones).
"""

_BLOCKS = 6


class SpatialFeatures(NamedTuple):
    """What PaperSpatialEncoder makes of a batch: targets (b, 44) of stage 1, vector (b, dim) to be fused."""

    targets: Tensor
    vector: Tensor


class PaperSpatialEncoder(nn.Module):
    """Active and reactive intensity, a six-convolution branch each, then a three-layer MLP -> 44 -> dim (192).

    (b, 2, 3, bins, frames) of UnitIntensity -> SpatialFeatures. The flattened size follows from bins and frames, so
    that all sounds must be repeated or cut to one length (10 s: 1,601 frames). Raises ConfigError for another.
    """

    def __init__(self, config: SpatialConfig, *, frames: int = 1601, bins: int = 201) -> None:
        super().__init__()
        if min(frames, bins) < 2**_BLOCKS:
            raise ConfigError(f"{bins} x {frames} cells vanish in six poolings; at least 64 x 64 are needed")
        self.frames, self.bins = frames, bins
        self.active = _branch(config)
        self.reactive = _branch(config)
        flat = 2 * config.filters * (bins >> _BLOCKS) * (frames >> _BLOCKS)
        first, second = config.hidden
        self.mlp = nn.Sequential(
            nn.Linear(flat, first), nn.ELU(), nn.Linear(first, second), nn.ELU(), nn.Linear(second, TARGET_COUNT)
        )
        self.out = nn.Sequential(nn.ELU(), nn.Linear(TARGET_COUNT, config.dim))

    def forward(self, intensity: Float[Tensor, "b 2 3 bins t"]) -> SpatialFeatures:
        """The stage-1 targets and the vector to be fused, of a batch of intensity maps."""
        if intensity.shape[-2:] != (self.bins, self.frames):
            raise ConfigError(
                f"this encoder was made for {self.bins} x {self.frames} cells, got "
                f"{intensity.shape[-2]} x {intensity.shape[-1]}; repeat or cut the sounds to the window"
            )
        flat = torch.cat([self.active(intensity[:, 0]), self.reactive(intensity[:, 1])], 1)
        targets: Tensor = self.mlp(flat)
        return SpatialFeatures(targets, self.out(targets))


class CoordinateChannels(nn.Module):
    """Append two channels, the position along frequency and along time, both from -1 to 1 (CoordConv, 1807.03247)."""

    def forward(self, x: Float[Tensor, "b c f t"]) -> Float[Tensor, "b d f t"]:
        """(b, c, f, t) -> (b, c + 2, f, t)."""
        batch, _, bins, frames = x.shape
        frequency = torch.linspace(-1, 1, bins, device=x.device, dtype=x.dtype)[:, None].expand(batch, 1, bins, frames)
        time = torch.linspace(-1, 1, frames, device=x.device, dtype=x.dtype).expand(batch, 1, bins, frames)
        return torch.cat([x, frequency, time], 1)


def _branch(config: SpatialConfig) -> nn.Sequential:
    layers: list[nn.Module] = [CoordinateChannels()]
    channels = 3 + 2
    for _ in range(_BLOCKS):
        layers += [nn.Conv2d(channels, config.filters, 3, padding=1), nn.BatchNorm2d(config.filters)]
        layers += [nn.MaxPool2d(2), nn.ELU()]
        channels = config.filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(config.dropout))
