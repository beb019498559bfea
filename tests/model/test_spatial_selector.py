"""Mel intensity is what physics says, and the selector reads it sound by sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from open_elsa.model.config import elsa_small, elsa_tiny
from open_elsa.model.spatial_selector import MelIntensity, SelectorEncoder
from open_elsa.sound import foa

RATE = 32000


@pytest.fixture(scope="module")
def intensity() -> MelIntensity:
    spatial = elsa_small().spatial
    return MelIntensity(RATE, spatial.mel_bands, spatial.min_hz, spatial.max_hz)


def plane_wave(azimuth_deg: float, elevation_deg: float = 0.0, seconds: float = 0.5) -> Tensor:
    noise = np.random.default_rng(0).standard_normal(int(seconds * RATE)) * 0.1
    return torch.from_numpy(foa.encode(noise, azimuth_deg, elevation_deg))


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (90, 0), (-90, 0), (180, 0), (30, 80), (-140, -35)])
def test_a_plane_wave_gives_its_unit_vector_in_every_band(
    intensity: MelIntensity, azimuth: float, elevation: float
) -> None:
    features = intensity(plane_wave(azimuth, elevation)[None])[0]
    wanted = torch.tensor(foa.unit_vector(azimuth, elevation), dtype=torch.float32)
    torch.testing.assert_close(features[:3], wanted[:, None, None].expand_as(features[:3]), atol=2e-3, rtol=0)
    assert float(features[3:6].abs().max()) < 1e-4  # no reactive intensity
    assert float(features[7].abs().max()) < 1e-3  # velocity equals pressure


def test_a_diffuse_field_has_no_direction(intensity: MelIntensity) -> None:
    noise = torch.randn(1, 4, 8 * RATE, generator=torch.Generator().manual_seed(0))
    noise[:, 1:] *= 3**-0.5
    features = intensity(noise)[0]
    assert float(features[:3].mean((1, 2)).norm()) < 0.02
    assert float(features[7].mean().abs()) < 0.05
    in_high_bands = features[:3, :, 40:]  # many bins a band
    assert float(in_high_bands.norm(dim=0).mean()) < 0.5


@pytest.mark.parametrize("samples", [200, 1024, 40_123, 128 * 320, 2 * RATE])
def test_pieces_of_the_transform_make_the_whole(intensity: MelIntensity, samples: int) -> None:
    sound = 0.1 * torch.randn(4, samples, generator=torch.Generator().manual_seed(samples))
    whole = torch.stft(sound, 1024, 320, window=intensity.window, pad_mode="constant", return_complex=True)
    w, xyz = whole[0, : intensity.stop], whole[[3, 1, 2], : intensity.stop]
    cross = (w.conj() * xyz).transpose(1, 2)
    pressure = w.abs().square().T @ intensity.bank
    energy = 0.5 * (pressure + xyz.abs().square().sum(0).T @ intensity.bank) + 1e-8 * (1 + pressure.amax())
    features = intensity(sound[None])[0]
    assert features.shape == (8, 1 + samples // 320, 64)
    torch.testing.assert_close(features[:3], cross.real @ intensity.bank / energy, atol=1e-4, rtol=0)
    torch.testing.assert_close(features[3:6], cross.imag @ intensity.bank / energy, atol=1e-4, rtol=0)


def test_level_does_not_matter(intensity: MelIntensity) -> None:
    sound = plane_wave(40, 10) + 0.3 * plane_wave(-100).roll(500, 1)
    torch.testing.assert_close(intensity(0.003 * sound[None]), intensity(sound[None]), atol=0.02, rtol=0)


def test_a_mirror_image_flips_left_and_right_only(intensity: MelIntensity) -> None:
    sound = plane_wave(40, 10) + 0.5 * torch.randn(4, RATE // 2, generator=torch.Generator().manual_seed(1))
    mirrored = torch.from_numpy(foa.mirror(sound.numpy()))
    there, back = intensity(sound[None])[0], intensity(mirrored[None])[0]
    sign = torch.tensor([1.0, -1, 1, 1, -1, 1, 1, 1])[:, None, None]
    torch.testing.assert_close(back, sign * there, atol=1e-5, rtol=0)


def test_silence_and_mono_stay_finite(intensity: MelIntensity) -> None:
    silence = torch.zeros(1, 4, RATE)
    mono = silence.clone()
    mono[0, 0] = torch.randn(RATE)
    assert bool(intensity(torch.cat([silence, mono])).isfinite().all())
    assert float(intensity(mono)[0, :6].abs().max()) < 1e-6


def test_features_have_a_frame_every_ten_milliseconds(intensity: MelIntensity) -> None:
    assert intensity(plane_wave(0)[None]).shape == (1, 8, 51, 64)
    assert bool((intensity.bank.sum(0) > 0).all())  # every band hears something


@pytest.fixture(scope="module")
def selector() -> SelectorEncoder:
    torch.manual_seed(0)
    return SelectorEncoder(elsa_tiny().spatial).eval()


def test_votes_are_averages_of_intensity(selector: SelectorEncoder) -> None:
    """Whatever the weights choose, a plane wave leaves them one vector to average."""
    spatial = elsa_tiny().spatial
    features = MelIntensity(RATE, spatial.mel_bands, spatial.min_hz, spatial.max_hz)(plane_wave(-70, 20)[None])
    with torch.inference_mode():
        votes = selector(features).votes
    wanted = torch.tensor(foa.unit_vector(-70, 20), dtype=torch.float32).expand(1, spatial.heads, 3)
    torch.testing.assert_close(votes, wanted, atol=5e-3, rtol=0)


def test_no_sound_at_all_is_no_error(selector: SelectorEncoder, recwarn: pytest.WarningsRecorder) -> None:
    for training in (False, True):
        out = selector.train(training)(torch.zeros(0, 8, 40, 32))
        assert out.vector.shape == (0, 32) and out.votes.shape == (0, 4, 3)
    selector.eval()
    assert not recwarn.list
    assert all(bool(b.isfinite().all()) for b in selector.buffers())


def test_the_layout_in_memory_changes_nothing() -> None:
    """In use the maps are channels last, in training they aren't."""
    torch.manual_seed(0)
    encoder = SelectorEncoder(elsa_tiny().spatial).eval()
    bands = elsa_tiny().spatial.mel_bands
    features = torch.randn(3, 8, 50, bands)
    with torch.inference_mode():
        found = encoder(features)
        encoder.training = True  # of itself alone: its batch norms stay as they are
        wanted = encoder(features)
    torch.testing.assert_close(found.vector, wanted.vector, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.votes, wanted.votes, atol=1e-6, rtol=0)
