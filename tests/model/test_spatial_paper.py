"""The paper's spatial encoder: its sizes, its coordinates, what it can tell apart."""

from __future__ import annotations

import pytest
import torch

from open_elsa.errors import ConfigError
from open_elsa.model.config import SpatialConfig
from open_elsa.model.features import UnitIntensity
from open_elsa.model.spatial_paper import STAGE_1_TARGETS, TARGET_COUNT, CoordinateChannels, PaperSpatialEncoder

PAPER = SpatialConfig(kind="paper")
SMALL = SpatialConfig(kind="paper", filters=4, hidden=(16, 8), dim=24)


def test_parameter_counts_are_the_re_implementations() -> None:
    encoder = PaperSpatialEncoder(PAPER)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in encoder.named_children()}
    assert count == {"active": 12_528, "reactive": 12_528, "mlp": 312_908, "out": 8_640}


def test_the_targets_cover_44_outputs_once() -> None:
    covered = [k for part in STAGE_1_TARGETS.values() for k in range(TARGET_COUNT)[part]]
    assert covered == list(range(44))


@torch.no_grad()
def test_shapes_and_batches() -> None:
    encoder = PaperSpatialEncoder(SMALL, frames=101, bins=201).eval()
    maps = UnitIntensity()(torch.randn(2, 4, 30_000, generator=torch.Generator().manual_seed(0)))
    targets, vector = encoder(maps)
    assert targets.shape == (2, 44)
    assert vector.shape == (2, 24)
    torch.testing.assert_close(encoder(maps[1:]).vector, vector[1:], atol=1e-5, rtol=0)
    assert (vector[0] - vector[1]).abs().max() > 1e-5


@torch.no_grad()
def test_both_intensities_matter() -> None:
    encoder = PaperSpatialEncoder(SMALL, frames=64, bins=64).eval()
    maps = torch.rand(1, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    swapped = maps.flip(1)
    assert (encoder(maps).targets - encoder(swapped).targets).abs().max() > 1e-5


def test_coordinates_run_along_frequency_then_time() -> None:
    x = CoordinateChannels()(torch.zeros(1, 3, 5, 9))
    assert x.shape == (1, 5, 5, 9)
    assert x[0, 3, :, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert x[0, 4, 0].tolist() == [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1]
    assert torch.equal(x[0, 3, :, 3], x[0, 3, :, 8])


def test_other_lengths_are_refused() -> None:
    encoder = PaperSpatialEncoder(SMALL, frames=64, bins=64)
    with pytest.raises(ConfigError, match="64 x 64 cells, got 64 x 65"):
        encoder(torch.zeros(1, 2, 3, 64, 65))
    with pytest.raises(ConfigError, match="vanish"):
        PaperSpatialEncoder(SMALL, frames=63)


def test_it_learns_left_from_right() -> None:
    torch.manual_seed(0)
    encoder = PaperSpatialEncoder(
        SpatialConfig(kind="paper", filters=4, hidden=(16, 8), dropout=0.0), frames=64, bins=64
    )
    side = torch.tensor([1.0, -1.0] * 4)
    maps = torch.randn(8, 2, 3, 64, 64) * 0.3
    maps[:, 0, 0] += side[:, None, None]  # Y, the left
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        loss = (encoder(maps).targets[:, 0] - side).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 < losses[0]
