"""What the selector is held against: fixed statistics that point at a source, W alone, SELDnet."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from open_elsa.errors import ConfigError
from open_elsa.model.config import ElsaConfig, elsa_small, elsa_tiny
from open_elsa.model.elsa import build
from open_elsa.model.spatial_rivals import (
    CrnnEncoder,
    LogMelIntensity,
    PressureOnly,
    StatisticsEncoder,
    encoder_of,
    intensity_of,
)
from open_elsa.sound import foa

RATE = 32000
Kind = Literal["selector", "mono", "statistics", "crnn"]
KINDS: tuple[Kind, ...] = ("selector", "mono", "statistics", "crnn")


def of_kind(kind: Kind, base: ElsaConfig | None = None) -> ElsaConfig:
    config = base or elsa_tiny()
    return dataclasses.replace(
        config,
        spatial=dataclasses.replace(config.spatial, kind=kind),
        semantic=dataclasses.replace(config.semantic, beam=0.0),
    )


def bursts(azimuth: float, elevation: float = 0.0, seconds: float = 0.6, seed: int = 0) -> Tensor:
    """Noise that starts and stops, as a plane wave (4, n)."""
    n = int(seconds * RATE)
    noise = np.random.default_rng(seed).standard_normal(n) * (np.arange(n) % 6400 < 3200)
    return torch.from_numpy(foa.encode(0.1 * noise, azimuth, elevation).astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_embeds_spatial_and_mono_sounds(kind: Kind) -> None:
    model = build(of_kind(kind)).eval()
    audio, spatial = torch.stack([bursts(30), bursts(-60)]), torch.tensor([True, False])
    with torch.inference_mode():
        heard = model.encode_audio(audio, spatial)
        by_features = model.encode_features(model.front_end(audio), spatial)
        alone = model.encode_audio(audio[1:], spatial[1:])  # no spatial sound in the batch
    torch.testing.assert_close(heard.embedding, by_features.embedding, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(heard.direction, by_features.direction, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(alone.embedding[0], heard.embedding[1], rtol=1e-4, atol=1e-4)
    assert heard.direction[0].norm() == pytest.approx(1, abs=1e-4) and not heard.direction[1].any()


def test_a_model_that_hears_w_alone_is_at_chance_on_directions() -> None:
    model = build(of_kind("mono")).eval()
    azimuths = [10.0, 70.0, 130.0, 190.0, 250.0, 310.0]  # three pairs of opposite directions
    audio = torch.stack([bursts(a) for a in azimuths])
    with torch.inference_mode():
        heard = model.encode_audio(audio, torch.ones(6, dtype=torch.bool))
    assert torch.equal(heard.direction, heard.direction[:1].expand(6, -1))
    assert torch.equal(heard.embedding, heard.embedding[:1].expand(6, -1))
    errors = foa.angular_error_deg(heard.direction.numpy(), foa.unit_vector(azimuths))
    assert errors.mean() == pytest.approx(90.0, abs=1e-3)


def test_a_model_that_hears_w_alone_may_have_no_beam() -> None:
    model = elsa_tiny()
    with pytest.raises(ConfigError, match=r"semantic\.beam to 0"):
        dataclasses.replace(model, spatial=dataclasses.replace(model.spatial, kind="mono"))


def test_only_the_kind_decides_what_is_heard() -> None:
    kinds = {kind: type(intensity_of(of_kind(kind))).__name__ for kind in KINDS}
    assert kinds == {
        "selector": "MelIntensity",
        "mono": "PressureOnly",
        "statistics": "MelIntensity",
        "crnn": "LogMelIntensity",
    }
    features = intensity_of(of_kind("mono"))(bursts(40)[None])
    assert isinstance(intensity_of(of_kind("mono")), PressureOnly)
    assert not features.bands[:, :6].any() and not features.bins[:, :6].any()
    assert features.bands[:, 6].std() > 0.1  # the level of W is there


@pytest.mark.parametrize(("azimuth", "elevation"), [(-70.0, 20.0), (160.0, -40.0)])
def test_every_fixed_vector_points_at_a_plane_wave(azimuth: float, elevation: float) -> None:
    config = of_kind("statistics")
    encoder = encoder_of(config.spatial).eval()
    votes = encoder(intensity_of(config)(bursts(azimuth, elevation)[None]).bands).votes
    assert votes.shape == (1, StatisticsEncoder.heads, 3)
    errors = foa.angular_error_deg(votes[0].detach().numpy(), foa.unit_vector(azimuth, elevation))
    assert errors.max() < 2
    assert not votes.requires_grad  # nothing that is learned has a part in them


def test_the_statistics_tell_loud_cells_from_an_echo() -> None:
    config = of_kind("statistics")
    echo = torch.roll(bursts(-120), 800, dims=1) * 0.5  # 25 ms later, from elsewhere
    votes = encoder_of(config.spatial)(intensity_of(config)((bursts(60) + echo)[None]).bands).votes[0]
    errors = foa.angular_error_deg(votes.numpy(), foa.unit_vector(60.0, 0.0))
    assert errors[-1] < 5  # onsets of the least diffuse cells
    assert votes[-3].norm() < votes[-1].norm()  # the plain mean is shortened by the echo


def test_fixed_statistics_have_no_convolution() -> None:
    encoder = StatisticsEncoder(elsa_tiny().spatial)
    kinds = {type(module) for module in encoder.modules()}
    assert kinds == {StatisticsEncoder, nn.Sequential, nn.LayerNorm, nn.Linear, nn.GELU}
    assert encoder.reflections(torch.zeros(1, 8, 256), torch.zeros(1, 3)) is None


def test_seldnet_hears_seven_channels() -> None:
    front = intensity_of(of_kind("crnn"))
    assert isinstance(front, LogMelIntensity)
    wave = bursts(35, 10)[None]
    features = front(wave)
    assert features.bands.shape == (1, 7, 61, elsa_tiny().spatial.mel_bands) and not features.bins.numel()
    louder = front(4 * wave)
    torch.testing.assert_close(features.bands, louder.bands, rtol=1e-3, atol=1e-3)
    loud = features.bands[0, 0] > 0.5
    vector = features.bands[0, 4:, loud].mean(1).numpy()
    assert foa.angular_error_deg(vector, foa.unit_vector(35.0, 10.0)) < 2


def test_seldnet_is_as_large_as_the_selector() -> None:
    sizes = {}
    for kind in ("selector", "crnn"):
        with torch.device("meta"):
            sizes[kind] = sum(p.numel() for p in encoder_of(of_kind(kind, elsa_small()).spatial).parameters())
    assert sizes["crnn"] == pytest.approx(sizes["selector"], rel=0.02)


def test_seldnet_learns_a_direction() -> None:
    torch.manual_seed(0)
    config = of_kind("crnn")
    encoder, front = CrnnEncoder(config.spatial).train(), intensity_of(config)
    azimuths = [0.0, 90.0, 180.0, -90.0]
    bands = front(torch.stack([bursts(a, seed=k) for k, a in enumerate(azimuths)])).bands
    true = torch.from_numpy(foa.unit_vector(azimuths)).float()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-4)
    for _ in range(25):
        loss = -nn.functional.cosine_similarity(encoder(bands).votes[:, 0], true).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < -0.9
