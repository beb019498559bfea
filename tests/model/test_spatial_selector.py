"""Mel intensity is what physics says, and the selector reads it sound by sound."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from open_elsa.model.config import elsa_small, elsa_tiny
from open_elsa.model.spatial_selector import MelIntensity, SelectorEncoder, comb
from open_elsa.scenes import rooms
from open_elsa.scenes.render import render
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
    features = intensity(plane_wave(azimuth, elevation)[None]).bands[0]
    wanted = torch.tensor(foa.unit_vector(azimuth, elevation), dtype=torch.float32)
    torch.testing.assert_close(features[:3], wanted[:, None, None].expand_as(features[:3]), atol=2e-3, rtol=0)
    assert float(features[3:6].abs().max()) < 1e-4  # no reactive intensity
    assert float(features[7].abs().max()) < 1e-3  # velocity equals pressure


def test_a_diffuse_field_has_no_direction(intensity: MelIntensity) -> None:
    noise = torch.randn(1, 4, 8 * RATE, generator=torch.Generator().manual_seed(0))
    noise[:, 1:] *= 3**-0.5
    features = intensity(noise).bands[0]
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
    features = intensity(sound[None]).bands[0]
    assert features.shape == (8, 1 + samples // 320, 64)
    torch.testing.assert_close(features[:3], cross.real @ intensity.bank / energy, atol=1e-4, rtol=0)
    torch.testing.assert_close(features[3:6], cross.imag @ intensity.bank / energy, atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def balancing() -> MelIntensity:
    spatial = elsa_small().spatial
    assert spatial.balance_db > 0
    return MelIntensity(RATE, spatial.mel_bands, spatial.min_hz, spatial.max_hz, spatial.balance_db)


def uneven_array(sound: Tensor, low_db: float, high_db: float) -> Tensor:
    """X, Y and Z weaker or stronger than they should be: low_db below 1 kHz, high_db above."""
    hz = torch.fft.rfftfreq(sound.shape[1], 1 / RATE)
    gain = torch.where(hz < 1000, 10 ** (low_db / 20), 10 ** (high_db / 20))
    velocity = torch.fft.irfft(torch.fft.rfft(sound[1:]) * gain, sound.shape[1])
    return torch.cat([sound[:1], velocity])


def test_an_array_whose_velocity_is_uneven_hears_the_same(intensity: MelIntensity, balancing: MelIntensity) -> None:
    reverberant = plane_wave(40, 10, 2.0)
    reverberant[:, RATE // 4 :] *= torch.exp(-torch.arange(1.75 * RATE) / (0.1 * RATE))
    tail = 0.05 * torch.randn(4, 2 * RATE, generator=torch.Generator().manual_seed(3))
    tail[1:] *= 3**-0.5
    ideal = reverberant + tail
    uneven = uneven_array(ideal, -9.0, 5.0)
    away = [band for band in range(64) if not 15 <= band <= 21]  # around 1 kHz a band has both gains
    wanted, heard = (balancing(x[None]).bands[0][..., away] for x in (ideal, uneven))
    assert float((intensity(uneven[None]).bands[0][..., away] - wanted).abs().mean()) > 0.05
    inside = slice(3, -3)  # what the filter smears beyond one end comes in at the other
    torch.testing.assert_close(heard[:, inside], wanted[:, inside], atol=0.06, rtol=0)
    of_both = [k for k in range(256) if not 10 <= k <= 60]  # 440 Hz to 2 kHz: what a band with both gains touches
    bins = [balancing(x[None]).bins[0][:, of_both] for x in (ideal, uneven)]
    torch.testing.assert_close(bins[1], bins[0], atol=0.02, rtol=0.02)


def test_what_a_room_does_to_an_ideal_array_stays_almost_as_it_is(
    intensity: MelIntensity, balancing: MelIntensity
) -> None:
    rng = np.random.default_rng(5)
    changes = []
    for k in range(4):
        room = rooms.draw_room(rng, rooms.RoomRanges(), str(k))
        made = rooms.simulate(room, rooms.draw_position(rng, room, rooms.RoomRanges()), rng, RATE)
        heard = torch.from_numpy(render(plane_wave(0)[0].numpy(), made.response))
        changes.append((intensity(heard[None]).bands[0] - balancing(heard[None]).bands[0])[:3].abs().mean())
    assert float(torch.stack(changes).mean()) < 0.015


@pytest.mark.parametrize("scale", [0.0, 1e-4, 1e3])
def test_velocity_is_brought_to_its_level_by_so_much_at_most(balancing: MelIntensity, scale: float) -> None:
    sound = plane_wave(40, 10)
    sound[1:] *= scale
    bands, bins = balancing(sound[None])
    assert torch.isfinite(bands).all()
    assert torch.isfinite(bins).all()
    most = 10 ** (balancing.balance_db / 10)
    wanted = scale**2 * most if scale < 1 else scale**2 / most
    torch.testing.assert_close(bins[0, 7] / bins[0, 6], torch.full((256,), wanted), rtol=0.02, atol=1e-9)


def test_level_does_not_matter(intensity: MelIntensity) -> None:
    sound = plane_wave(40, 10) + 0.3 * plane_wave(-100).roll(500, 1)
    quiet, loud = intensity(0.003 * sound[None]), intensity(sound[None])
    torch.testing.assert_close(quiet.bands, loud.bands, atol=0.02, rtol=0)
    torch.testing.assert_close(quiet.bins, loud.bins, atol=1e-4, rtol=1e-3)


def test_a_mirror_image_flips_left_and_right_only(intensity: MelIntensity) -> None:
    sound = plane_wave(40, 10) + 0.5 * torch.randn(4, RATE // 2, generator=torch.Generator().manual_seed(1))
    mirrored = torch.from_numpy(foa.mirror(sound.numpy()))
    there, back = (intensity(x[None]).bands[0] for x in (sound, mirrored))
    sign = torch.tensor([1.0, -1, 1, 1, -1, 1, 1, 1])[:, None, None]
    torch.testing.assert_close(back, sign * there, atol=1e-5, rtol=0)


def test_silence_and_mono_stay_finite(intensity: MelIntensity) -> None:
    silence = torch.zeros(1, 4, RATE)
    mono = silence.clone()
    mono[0, 0] = torch.randn(RATE)
    assert all(bool(part.isfinite().all()) for part in intensity(torch.cat([silence, mono])))
    assert float(intensity(mono).bands[0, :6].abs().max()) < 1e-6


def test_features_have_a_frame_every_ten_milliseconds(intensity: MelIntensity) -> None:
    assert intensity(plane_wave(0)[None]).bands.shape == (1, 8, 51, 64)
    assert bool((intensity.bank.sum(0) > 0).all())  # every band hears something


@pytest.fixture(scope="module")
def selector() -> SelectorEncoder:
    torch.manual_seed(0)
    return SelectorEncoder(elsa_tiny().spatial).eval()


def test_votes_are_averages_of_intensity(selector: SelectorEncoder) -> None:
    """Whatever the weights choose, a plane wave leaves them one vector to average."""
    spatial = elsa_tiny().spatial
    features = MelIntensity(RATE, spatial.mel_bands, spatial.min_hz, spatial.max_hz)(plane_wave(-70, 20)[None]).bands
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


def echoed(delay_ms: float, azimuth: float = 40, turned: float = 0, seed: int = 0) -> torch.Tensor:
    """Noise at (azimuth, 20°) and its reflection from below, `delay_ms` later and 3 dB weaker."""
    samples = np.random.default_rng(seed).normal(0, 0.1, RATE).astype(np.float32)
    delayed = np.roll(samples, round(delay_ms * RATE / 1000)) * np.float32(0.7)
    direct = foa.encode(samples, azimuth + turned, 20.0)
    return torch.from_numpy((direct + foa.encode(delayed, azimuth + turned, -40.0)).astype(np.float32))


def bearing(azimuth: float, elevation: float = 20.0) -> torch.Tensor:
    return torch.tensor(foa.unit_vector(azimuth, elevation), dtype=torch.float32)[None]


@pytest.mark.parametrize("delay_ms", [2.0, 4.0, 8.0])
def test_the_comb_over_frequency_has_the_period_of_the_reflections_delay(
    intensity: MelIntensity, delay_ms: float
) -> None:
    """Two copies tau apart interfere with a period of 1 / tau in frequency, whatever the spectrum of the source."""
    for seed in (0, 1):
        along = comb(intensity(echoed(delay_ms, seed=seed)[None]).bins, bearing(40))[0, 0].numpy()
        lags = np.abs(np.fft.rfft(np.hanning(len(along)) * (along - along.mean()), n=4096))
        hz_a_bin = RATE / 1024
        quefrency_ms = 1000 * np.arange(len(lags)) / (4096 * hz_a_bin)
        heard = quefrency_ms[5:][lags[5:].argmax()]
        assert heard == pytest.approx(delay_ms, abs=0.3)


def test_a_sound_without_a_room_leaves_no_comb(intensity: MelIntensity) -> None:
    rows = comb(intensity(plane_wave(30, 20)[None]).bins, bearing(30))[0]
    torch.testing.assert_close(rows[0], torch.ones(256), atol=2e-3, rtol=0)
    assert float(rows[1:].abs().max()) < 5e-3


def test_the_comb_is_the_same_in_a_scene_turned_about_the_vertical(intensity: MelIntensity) -> None:
    here = comb(intensity(echoed(4.0)[None]).bins, bearing(40))
    there = comb(intensity(echoed(4.0, turned=110)[None]).bins, bearing(150))
    torch.testing.assert_close(here, there, atol=1e-4, rtol=0)


def test_the_comb_of_silence_and_of_a_source_overhead_is_finite(intensity: MelIntensity) -> None:
    silence = torch.zeros(1, 4, RATE)
    assert bool(comb(intensity(silence).bins, bearing(0)).isfinite().all())
    assert bool(comb(intensity(echoed(4.0)[None]).bins, bearing(0, 90.0)).isfinite().all())


def test_a_fresh_branch_is_silent_and_learns(selector: SelectorEncoder, intensity: MelIntensity) -> None:
    bins = intensity(torch.stack([echoed(2.0), echoed(6.0)])).bins
    fresh = SelectorEncoder(elsa_tiny().spatial).train()
    said = fresh.reflections(bins, bearing(40).expand(2, 3))
    assert said is not None and not said.any()
    said.sum().backward()
    assert fresh.comb is not None and fresh.comb.net[-1].weight.grad.abs().sum() > 0
    deaf = SelectorEncoder(dataclasses.replace(elsa_tiny().spatial, comb=0))
    assert deaf.reflections(bins, bearing(40).expand(2, 3)) is None


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
