"""The front ends against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers import ClapFeatureExtractor

from open_elsa.errors import AudioError
from open_elsa.model.features import (
    ClapLogMel,
    TaggerLogMel,
    UnitIntensity,
    band_spans,
    band_sums,
    kaldi_mel_bank,
    repeat_pad,
)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 0.1)


def plane_wave(azimuth_deg: float, elevation_deg: float, samples: int = 9600) -> torch.Tensor:
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    signal = noise(samples)
    y, z, x = math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)
    return torch.stack([signal, signal * y, signal * z, signal * x])[None]


def test_tagger_log_mel_equals_a_frame_by_frame_computation() -> None:
    w = noise(2, 6400)
    mel = TaggerLogMel()(w)
    assert mel.shape == (2, 1, 128, 1 + 6399 // 320)
    x = w[0].double().numpy()
    x = x[1:] - 0.97 * x[:-1]
    padded = np.pad(x, 512, mode="reflect")
    window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 799), 112)
    bank = kaldi_mel_bank(128, n_fft=1024, sample_rate=32000, min_hz=0, max_hz=15000).double().numpy()
    for frame in (0, 7, 19):
        power = np.abs(np.fft.rfft(padded[frame * 320 : frame * 320 + 1024] * window)) ** 2
        expected = (np.log(bank @ power + 1e-5) + 4.5) / 5
        np.testing.assert_allclose(mel[0, 0, :, frame].numpy(), expected, atol=1e-4)


def test_kaldi_triangles_peak_at_their_centres() -> None:
    bank = kaldi_mel_bank(8, n_fft=8192, sample_rate=32000, min_hz=0, max_hz=15000)
    top = 1127 * math.log(1 + 15000 / 700)
    centres_hz = [700 * (math.exp((k + 1) * top / 9 / 1127) - 1) for k in range(8)]
    peaks_hz = bank.argmax(1) * 32000 / 8192
    np.testing.assert_allclose(peaks_hz.numpy(), centres_hz, atol=4)
    assert bank.min() >= 0
    assert 0.98 < bank.max() <= 1
    assert not bank[:, -1].any()


def test_band_sums_leave_out_only_zeros() -> None:
    bank = kaldi_mel_bank(72, n_fft=1024, sample_rate=32000, min_hz=100, max_hz=15000).T
    spans = band_spans(bank)
    x = noise(3, 5, 513)
    torch.testing.assert_close(band_sums(x, bank, spans), x @ bank, atol=1e-5, rtol=1e-5)
    assert sum((bins.stop - bins.start) * (bands.stop - bands.start) for bins, bands in spans) < bank.numel() / 3


def test_a_tone_lands_in_its_mel_band() -> None:
    tone = torch.sin(2 * math.pi * 1000 * torch.arange(16000) / 32000)[None]
    bank = kaldi_mel_bank(128, n_fft=1024, sample_rate=32000, min_hz=0, max_hz=15000)
    assert TaggerLogMel()(tone)[0, 0, :, 20].argmax() == bank[:, 32].argmax()


@pytest.mark.parametrize(("scale", "truncation"), [("slaney", "rand_trunc"), ("htk", "fusion")])
@pytest.mark.parametrize("samples", [100_003, 480_000])
def test_clap_log_mel_equals_transformers(scale: str, truncation: str, samples: int) -> None:
    w = noise(1, samples)
    extractor = ClapFeatureExtractor(truncation=truncation)
    expected = extractor(w[0].numpy(), sampling_rate=48000, return_tensors="pt")["input_features"][:, :1]
    ours = ClapLogMel(scale)(w)  # type: ignore[arg-type]
    assert ours.shape == (1, 1, 1001, 64)
    torch.testing.assert_close(ours, expected.float(), atol=2e-3, rtol=0)


def test_clap_log_mel_of_silence_is_its_floor() -> None:
    assert torch.equal(ClapLogMel()(torch.zeros(1, 48000)), torch.full((1, 1, 1001, 64), -100.0))


def test_repeat_pad_repeats_whole_sounds_only() -> None:
    padded = repeat_pad(torch.tensor([[1.0, 2.0, 3.0]]), 8)
    assert padded.tolist() == [[1, 2, 3, 1, 2, 3, 0, 0]]


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (90, 0), (-90, 0), (180, 0), (0, 90), (35, -20)])
def test_active_intensity_of_a_plane_wave_points_towards_it(azimuth: float, elevation: float) -> None:
    audio = plane_wave(azimuth, elevation)
    intensity = UnitIntensity()(audio)
    assert intensity.shape == (1, 2, 3, 201, 33)
    expected = audio[0, 1:] / audio[0, :1]  # Y, Z, X gains
    strong = intensity[0, 0, :, 5:]
    torch.testing.assert_close(strong, expected.mean(1)[:, None, None].expand_as(strong), atol=1e-3, rtol=0)
    assert intensity.abs().max() <= 1 + 1e-5


def test_a_quarter_period_between_w_and_x_is_reactive() -> None:
    t = torch.arange(9600) / 48000
    audio = torch.zeros(1, 4, 9600)
    audio[0, 0] = torch.cos(2 * math.pi * 1000 * t)
    audio[0, 3] = -torch.sin(2 * math.pi * 1000 * t)  # X leads W by 90 degrees: Im{W* X} > 0
    active, reactive = UnitIntensity()(audio)[0, :, :, 25, 16]
    torch.testing.assert_close(reactive, torch.tensor([0.0, 0.0, 1.0]), atol=1e-3, rtol=0)
    shared = UnitIntensity(own_norm=False)(audio + 0.1 * plane_wave(0, 0))[0, :, :, 25, 16]
    assert active.norm() <= 1 + 1e-5
    assert shared[1].norm() > 1.5  # both by the active norm: the reactive one may exceed 1


def test_unit_intensity_keeps_the_scale_out_and_gives_zero_for_silence() -> None:
    audio = noise(1, 4, 4800)
    torch.testing.assert_close(UnitIntensity()(audio), UnitIntensity()(audio * 4), atol=1e-4, rtol=0)
    assert not UnitIntensity()(torch.zeros(1, 4, 4800)).any()
    ten_seconds = UnitIntensity().frames(480_000)
    assert ten_seconds == 1601


def test_short_and_long_sounds_are_refused() -> None:
    with pytest.raises(AudioError, match="1024 samples, got 100"):
        TaggerLogMel()(torch.zeros(1, 100))
    with pytest.raises(AudioError, match="601 samples"):
        UnitIntensity()(torch.zeros(1, 4, 600))
    with pytest.raises(AudioError, match="at most 480000"):
        ClapLogMel()(torch.zeros(1, 480001))


def test_half_precision_regions_do_not_touch_the_front_ends() -> None:
    w = noise(1, 4800) * 1e-3
    expected = TaggerLogMel()(w)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(TaggerLogMel()(w), expected)
