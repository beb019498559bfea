"""Hearing what is there from where it is: the beam that the semantic encoder listens through."""

import dataclasses

import numpy as np
import pytest
import torch

from open_elsa.errors import ConfigError
from open_elsa.model.config import SemanticConfig, elsa_base, elsa_tiny
from open_elsa.model.elsa import build, front_end, listen
from open_elsa.sound import foa

RATE = 32000


def wave(azimuth_deg: float, elevation_deg: float, seed: int = 0) -> torch.Tensor:
    """One second of noise from a direction, AmbiX (4, n)."""
    samples = np.random.default_rng(seed).normal(0, 0.1, RATE).astype(np.float32)
    return torch.from_numpy(foa.encode(samples, azimuth_deg, elevation_deg).astype(np.float32))


def unit(azimuth_deg: float, elevation_deg: float) -> torch.Tensor:
    return torch.tensor(foa.unit_vector(azimuth_deg, elevation_deg), dtype=torch.float32)


@pytest.mark.parametrize("beam", [0.0, 0.35, 0.5, 0.75])
def test_a_plane_wave_from_ahead_is_heard_as_w_and_one_from_behind_by_the_pattern(beam: float) -> None:
    for azimuth_deg, elevation_deg in ((0, 0), (70, 20), (-130, -40), (180, 60)):
        sound = wave(azimuth_deg, elevation_deg)[None]
        ahead = listen(sound, unit(azimuth_deg, elevation_deg)[None], beam)
        torch.testing.assert_close(ahead, sound[:, 0], atol=1e-6, rtol=1e-5)
        behind = listen(sound, -unit(azimuth_deg, elevation_deg)[None], beam)
        torch.testing.assert_close(behind, (1 - 2 * beam) * sound[:, 0], atol=1e-6, rtol=1e-4)


def test_diffuse_sound_comes_in_weaker_as_the_docstring_says() -> None:
    rng = np.random.default_rng(1)
    places = rng.normal(size=(200, 3))
    angles = [foa.angles(p / np.linalg.norm(p)) for p in places]
    diffuse = sum(wave(float(a), float(e), seed=k) for k, (a, e) in enumerate(angles))
    heard = listen(diffuse[None], unit(0, 0)[None], 0.35)
    lost_db = 10 * np.log10(float(diffuse[0].square().mean() / heard.square().mean()))
    assert lost_db == pytest.approx(3.3, abs=0.5)


def test_mono_sounds_are_heard_as_they_are() -> None:
    sound = wave(30, 0)[None]
    assert torch.equal(listen(sound, torch.zeros(1, 3), 0.35), sound[:, 0])


def test_the_model_listens_towards_the_direction_that_it_found() -> None:
    torch.manual_seed(0)
    model = build(elsa_tiny()).eval()
    sounds = torch.stack([wave(60, 10, seed=1) + 0.5 * wave(-100, 0, seed=2), wave(-20, 0, seed=3)])
    spatial = torch.tensor([True, False])
    with torch.inference_mode():
        alone = model.encode_audio(sounds, spatial)
        told = model.encode_features(model.front_end(sounds, alone.direction), spatial)
        deaf = model.encode_features(model.front_end(sounds), spatial)
    assert alone.direction[0].norm() == pytest.approx(1.0, abs=1e-5) and not alone.direction[1].any()
    torch.testing.assert_close(alone.embedding, told.embedding, atol=1e-6, rtol=0)
    assert (alone.embedding[0] - deaf.embedding[0]).abs().max() > 1e-5
    torch.testing.assert_close(alone.embedding[1], deaf.embedding[1], atol=1e-6, rtol=0)


def test_elsa_base_hears_w_from_everywhere() -> None:
    config = elsa_base()
    assert config.semantic.beam == 0.0
    sound = torch.randn(1, 4, 48000)
    heard = front_end(config)(sound, unit(90, 0)[None]).semantic
    assert torch.equal(heard, front_end(config)(sound).semantic)


def test_beams_that_make_no_sense_are_refused() -> None:
    for beam in (-0.1, 1.0):
        with pytest.raises(ConfigError, match=r"semantic\.beam"):
            dataclasses.replace(elsa_tiny(), semantic=SemanticConfig(beam=beam))
    with pytest.raises(ConfigError, match="only the mobilenet"):
        dataclasses.replace(elsa_base(), semantic=SemanticConfig(kind="htsat", beam=0.35))
