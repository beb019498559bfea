"""The paper's model as a whole: the sizes its page in the documentation states, and a small one from end to end."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from open_elsa.model import checkpoints
from open_elsa.model.card import ModelCard
from open_elsa.model.config import ElsaConfig, SemanticConfig, SpatialConfig, TextConfig, elsa_base
from open_elsa.model.elsa import build

PAGE = Path(__file__).parents[2] / "docs" / "elsa-base.md"


def test_sizes_are_those_the_page_states() -> None:
    with torch.device("meta"):
        model = build(elsa_base())
    page = PAGE.read_text(encoding="utf-8")
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    backbone = sum(p.numel() for name, p in model.text.named_parameters() if name.startswith("backbone."))
    total = sum(p.numel() for p in model.parameters())
    for count, digits in ((parts["semantic"], 1), (backbone, 1), (parts["fusion"], 2), (total, 1)):
        assert f"{count / 1e6:.{digits}f} M" in page, count


def small() -> ElsaConfig:
    return dataclasses.replace(
        elsa_base(),
        semantic=SemanticConfig(kind="htsat", htsat_depths=(1, 1, 1, 1), htsat_dim=16),
        spatial=SpatialConfig(kind="paper", dim=16, filters=4, hidden=(16, 8)),
        text=TextConfig(kind="roberta", backbone_layers=1, backbone_dim=32, hidden=16),
        embedding_dim=32,
        fusion_hidden=32,
        head_hidden=8,
        window_s=2.0,
    )


@pytest.fixture(scope="module")
def scenes() -> torch.Tensor:
    return torch.randn(3, 4, 60_000, generator=torch.Generator().manual_seed(0)) * 0.1


@torch.no_grad()
def test_a_small_one_embeds_sounds_and_captions_and_survives_its_checkpoint(
    scenes: torch.Tensor, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = build(small()).eval()
    spatial = torch.tensor([True, True, False])
    out = model.encode_audio(scenes, spatial)
    assert out.embedding.shape == (3, 32)
    torch.testing.assert_close(out.embedding.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(out.direction.norm(dim=1), torch.ones(3))
    assert model.encode_text(["a dog", "rain on the left"]).shape == (2, 32)
    card = ModelCard("small", "For tests.", "none", "2026-11-24", "a test", 0, ())
    again = checkpoints.load(checkpoints.save(tmp_path, model, card))
    assert torch.equal(again.encode_audio(scenes, spatial).embedding, out.embedding)
    assert torch.equal(again.encode_text(["a dog"]), model.encode_text(["a dog"]))


@torch.no_grad()
def test_only_spatial_sounds_are_heard_in_space(scenes: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = build(small()).eval()
    turned = scenes.clone()
    turned[:, 1] *= -1  # left becomes right
    for spatial, moves in ((False, False), (True, True)):
        mask = torch.full((3,), spatial)
        difference = model.encode_audio(scenes, mask).embedding - model.encode_audio(turned, mask).embedding
        assert bool((difference.abs().max() > 1e-6).item()) is moves
