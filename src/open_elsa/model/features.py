"""Front ends as modules with buffers: log-mel spectrograms and unit intensity, from waveforms, in float32.

Tables are computed at construction and never stored in a checkpoint (persistent=False): they follow from the numbers
in this file, so that a checkpoint can't disagree with the code that reads it.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from open_elsa.errors import AudioError

_FRAMES = 64  # of an STFT at a time: what is made of them stays in the processor's cache


class TaggerLogMel(nn.Module):
    """EfficientAT's log-mel spectrogram, 100 frames a second, roughly within ±2.

    (b, n) samples at 32 kHz -> (b, 1, 128, 1 + (n - 1) // 320). Pre-emphasis 0.97; STFT 1024 with a symmetric Hann
    of 800 every 320 samples, centred; power; 128 Kaldi triangles from 0 to 15 kHz; (ln(· + 1e-5) + 4.5) / 5.
    Raises AudioError for fewer than 1024 samples. Formula: fschmid56/EfficientAT, models/preprocess.py (MIT).
    """

    sample_rate = 32000
    window: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(800, periodic=False), persistent=False)
        mel = kaldi_mel_bank(128, n_fft=1024, sample_rate=self.sample_rate, min_hz=0.0, max_hz=15000.0)
        self.register_buffer("mel", mel, persistent=False)
        self.spans = band_spans(mel.T)

    def forward(self, w: Float[Tensor, "b n"]) -> Float[Tensor, "b 1 128 t"]:
        """The log-mel spectrogram of waveforms; see the class for shapes and units."""
        _check_length(w, 1024)
        with torch.autocast(w.device.type, enabled=False):  # ln(1e-5) of half-precision powers is noise
            w = w.float()
            emphasised = w[:, 1:] - 0.97 * w[:, :-1]
            padded = nn.functional.pad(emphasised.unsqueeze(1), (512, 512), mode="reflect").squeeze(1)
            frames = torch.split(padded.unfold(-1, 1024, 320), _FRAMES, dim=1)
            window = nn.functional.pad(self.window, (112, 112))
            bands = torch.cat([self._band_powers(part * window) for part in frames], 1).transpose(1, 2).contiguous()
            return ((bands + 1e-5).log() + 4.5).div(5.0).unsqueeze(1)

    def _band_powers(self, frames: Float[Tensor, "b t 1024"]) -> Float[Tensor, "b t 128"]:
        spectrum = torch.fft.rfft(frames)
        return band_sums(spectrum.real.square() + spectrum.imag.square(), self.mel.T, self.spans)


class ClapLogMel(nn.Module):
    """LAION-CLAP's log-mel spectrogram in decibels, of a sound repeated up to 10 s.

    (b, n) samples at 48 kHz, 513 ≤ n ≤ 480,000 -> (b, 1, 1001, 64) in dB, floor -100. The sound is repeated as often
    as it fits whole and padded with zeros ("repeatpad"); STFT 1024 with a periodic Hann every 480 samples, centred;
    power; 64 triangles from 0 to 14 kHz. The scale belongs to the weights: "htk" for LAION's fused checkpoints (the
    public re-implementation's start), "slaney" for the unfused ones.
    Raises AudioError for other lengths. Tested equal to transformers' ClapFeatureExtractor.
    """

    sample_rate = 48000
    samples = 480000
    window: Tensor
    mel: Tensor

    def __init__(self, scale: Literal["htk", "slaney"] = "htk") -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        self.register_buffer("window", torch.hann_window(1024), persistent=False)
        norm = "slaney" if scale == "slaney" else None
        bank = mel_filter_bank(513, 64, 0, 14000, self.sample_rate, norm=norm, mel_scale=scale)
        self.register_buffer("mel", torch.tensor(bank.T, dtype=torch.float32), persistent=False)

    def forward(self, w: Float[Tensor, "b n"]) -> Float[Tensor, "b 1 1001 64"]:
        """The log-mel spectrogram of waveforms; see the class for shapes and units."""
        _check_length(w, 513)
        if w.shape[-1] > self.samples:
            raise AudioError(f"HTSAT takes at most {self.samples} samples (10 s), got {w.shape[-1]}; cut it in windows")
        with torch.autocast(w.device.type, enabled=False):
            w = repeat_pad(w.float(), self.samples)
            spectrum = _stft(w, self.window, n_fft=1024, hop=480)
            power = spectrum.real.square() + spectrum.imag.square()
            decibels = 10.0 * torch.matmul(self.mel, power).clamp_min(1e-10).log10()
            return decibels.transpose(1, 2).unsqueeze(1)


_ROUNDING = 1e-3  # of the whole complex intensity: what is weaker is float32 noise, as in the mirrored first frame


class UnitIntensity(nn.Module):
    """The paper's spatial input: active and reactive intensity, each scaled to unit norm per time-frequency cell.

    (b, 4, n) AmbiX at 48 kHz, n ≥ 601 -> (b, 2, 3, 201, 1 + n // 300): active then reactive, components Y, Z, X,
    each in [-1, 1], 40 Hz bins from 0 to 8 kHz. Re and Im of W*·(Y, Z, X); active points towards the source.
    An STFT of 1200 every 300 samples is the paper's 400 / 100 at 16 kHz without resampling. Cells without energy are
    zero, and an intensity below a thousandth of the other is rounding, so that it isn't blown up to 1 (a plane wave has
    no reactive part). own_norm=False divides both by the active one (as the public re-implementation does).
    Raises AudioError for a shorter sound.
    """

    sample_rate = 48000
    bins = 201
    window: Tensor

    def __init__(self, *, own_norm: bool = True, eps: float = 1e-6) -> None:
        super().__init__()
        self.own_norm = own_norm
        self.eps = eps
        self.register_buffer("window", torch.hann_window(1200), persistent=False)

    def forward(self, audio: Float[Tensor, "b 4 n"]) -> Float[Tensor, "b 2 3 201 t"]:
        """The two unit intensity vectors of AmbiX sounds; see the class for shapes and units."""
        _check_length(audio, 601)
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = _stft(audio.float(), self.window, n_fft=1200, hop=300)[:, :, : self.bins]
            intensity = spectrum[:, :1].conj() * spectrum[:, 1:]
            both = torch.stack([intensity.real, intensity.imag], 1)
            norm = torch.linalg.vector_norm(both, dim=2, keepdim=True)
            floor = _ROUNDING * torch.linalg.vector_norm(norm, dim=1, keepdim=True)
            unit: Tensor = both / torch.maximum(norm if self.own_norm else norm[:, :1], floor).clamp_min(self.eps)
            return unit

    def frames(self, samples: int) -> int:
        """How many frames a sound of that many samples gives."""
        return 1 + samples // 300


def repeat_pad(x: Float[Tensor, "b n"], samples: int) -> Float[Tensor, "b m"]:
    """Repeat a sound as often as it fits whole into `samples`, then pad with zeros (LAION-CLAP's "repeatpad").

    A longer sound is cut to its beginning.
    """
    x = x.repeat(1, max(1, samples // x.shape[-1]))
    return nn.functional.pad(x, (0, samples - x.shape[-1]))


def kaldi_mel_bank(
    bands: int, *, n_fft: int, sample_rate: int, min_hz: float, max_hz: float
) -> Float[Tensor, "bands bins"]:
    """Kaldi's triangles: linear on the scale 1127·ln(1 + f/700), peak 1, nothing at the Nyquist bin.

    Returns (bands, n_fft // 2 + 1). Formula: Kaldi mel-computations.cc, without vocal-tract warping.
    """
    low, high = (1127.0 * math.log(1.0 + f / 700.0) for f in (min_hz, max_hz))
    step = (high - low) / (bands + 1)
    left = low + step * torch.arange(bands, dtype=torch.float64).unsqueeze(1)
    bin_hz = torch.arange(n_fft // 2, dtype=torch.float64) * (sample_rate / n_fft)
    bin_mel = 1127.0 * torch.log1p(bin_hz / 700.0)
    triangles = torch.minimum((bin_mel - left) / step, (left + 2 * step - bin_mel) / step).clamp_min(0.0)
    return nn.functional.pad(triangles, (0, 1)).float()


def band_spans(bank: Float[Tensor, "bins bands"], group: int = 16) -> list[tuple[slice, slice]]:
    """Where a mel bank is not zero, as (bins, bands) of each `group` of neighbouring bands."""
    if bank.is_meta:  # a model made only to count its parameters
        return [(slice(None), slice(None))]
    spans = []
    for first in range(0, bank.shape[1], group):
        bands = slice(first, min(first + group, bank.shape[1]))
        used = bank[:, bands].any(1).nonzero()
        spans.append((slice(int(used[0]), int(used[-1]) + 1), bands))
    return spans


def band_sums(
    x: Float[Tensor, "... t bins"], bank: Float[Tensor, "bins bands"], spans: list[tuple[slice, slice]]
) -> Float[Tensor, "... t bands"]:
    """x @ bank, leaving out the zeros around the triangles: a fourth of the products."""
    return torch.cat([x[..., bins] @ bank[bins, bands] for bins, bands in spans], -1)


def _stft(x: Tensor, window: Tensor, *, n_fft: int, hop: int) -> Tensor:
    """Centred, reflect-padded STFT (…, n) -> (…, bins, frames), complex; a shorter window sits in the middle."""
    flat = x.reshape(-1, x.shape[-1])
    spectrum = torch.stft(
        flat, n_fft, hop, window.numel(), window, center=True, pad_mode="reflect", return_complex=True
    )
    return spectrum.reshape(*x.shape[:-1], *spectrum.shape[-2:])


def _check_length(x: Tensor, least: int) -> None:
    if x.shape[-1] < least:
        raise AudioError(f"the front end needs at least {least} samples, got {x.shape[-1]}; repeat or pad the sound")
