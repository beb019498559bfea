"""A folded model says the same with fewer steps."""

from __future__ import annotations

import copy

import torch
from torch import nn

from open_elsa.model.config import elsa_tiny
from open_elsa.model.elsa import build
from open_elsa.model.folding import fold_batch_norm


def test_a_folded_model_gives_the_same_answers() -> None:
    torch.manual_seed(0)
    model = build(elsa_tiny())
    for module in model.modules():  # statistics that a fresh model lacks, so that leaving them out would show
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    folded = fold_batch_norm(copy.deepcopy(model.eval()))
    audio = 0.1 * torch.randn(3, 4, 32000)
    spatial = torch.tensor([True, True, False])
    with torch.inference_mode():
        wanted, found = model.encode_audio(audio, spatial), folded.encode_audio(audio, spatial)
    torch.testing.assert_close(found.embedding, wanted.embedding, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.direction, wanted.direction, atol=1e-4, rtol=0)
    left = [name for name, m in folded.named_modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert left == ["spatial.comb.net.0"]  # it follows no convolution
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
