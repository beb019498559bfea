"""A stand-in with the surface of an ELSA model: deterministic, no weights file, hears real directions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from open_elsa.model.config import ElsaConfig, TextConfig

#: tones that the fake can tell apart, and the words it knows them by
WORDS = {"low": 400.0, "middle": 1200.0, "high": 4500.0}
RATE = 16000


class FakeOutput(NamedTuple):
    embedding: Tensor
    direction: Tensor
    distance_m: Tensor
    floor_area_m2: Tensor
    t30_s: Tensor | None
    drr_db: Tensor | None
    uncertainty_deg: Tensor | None


class FakeModel(nn.Module):
    """Embeds a sound by its power in eight bands; locates it by its intensity vector; texts by the tone they name."""

    def __init__(self, seed: int = 0, **changes: object) -> None:
        super().__init__()
        fields = {"name": "fake", "window_s": 2.0, "min_window_s": 0.5, "embedding_dim": 16, "where_dim": 4} | changes
        self.config = ElsaConfig(sample_rate=RATE, text=TextConfig(max_tokens=20), **fields)
        self.sample_rate = RATE
        self.logit_scale = nn.Parameter(torch.tensor(3.0))
        self.register_buffer("mix", torch.randn(8, 16, generator=torch.Generator().manual_seed(seed)))
        self.batches: list[tuple[int, int]] = []

    def encode_audio(self, audio: Tensor, spatial: Tensor) -> FakeOutput:
        assert audio.ndim == 3 and audio.shape[1] == 4 and spatial.dtype == torch.bool
        assert not audio[~spatial, 1:].any(), "a mono sound must carry W only"
        self.batches.append((audio.shape[0], audio.shape[2]))
        power = torch.fft.rfft(audio[:, 0]).abs() ** 2
        bands = torch.stack([b.sum(1) for b in power.tensor_split(8, dim=1)], 1)
        flow = torch.einsum("bn,bcn->bc", audio[:, 0], audio[:, [3, 1, 2]])
        norm = nn.functional.normalize
        embedding = norm(norm(bands + 1e-9) @ self.mix + 0.01, dim=1)
        rms = audio[:, 0].square().mean(1).sqrt()
        none = torch.full_like(rms, float("nan"))
        return FakeOutput(embedding, norm(flow, dim=1), 0.1 / (rms + 1e-3), 60 + 0 * rms, None, none, 5 + 0 * rms)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        rows = []
        for text in texts:
            bands = torch.full((8,), 1e-9)
            tones = [hz for word, hz in WORDS.items() if word in text.split()]
            if tones:
                bands[int(tones[0] / (RATE / 2) * 8)] = 1.0
            else:
                digest = hashlib.sha256(text.encode()).digest()
                bands += torch.tensor([digest[i] / 255 for i in range(8)])
            rows.append(nn.functional.normalize(bands, dim=0) @ self.mix + 0.01)
        return nn.functional.normalize(torch.stack(rows), dim=1)
