"""Front ends as modules with buffers: log-mel spectrograms and unit intensity, from waveforms, in float32.

All tables are computed at construction and never stored in a checkpoint (persistent=False): they follow from the
numbers in this file, so that a checkpoint can't disagree with the code that reads it.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from open_elsa.errors import AudioError


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

    def forward(self, w: Float[Tensor, "b n"]) -> Float[Tensor, "b 1 128 t"]:
        """The log-mel spectrogram of waveforms; see the class for shapes and units."""
        _check_length(w, 1024)
        with torch.autocast(w.device.type, enabled=False):  # ln(1e-5) of half-precision powers is noise
            w = w.float()
            emphasised = w[:, 1:] - 0.97 * w[:, :-1]
            spectrum = _stft(emphasised, self.window, n_fft=1024, hop=320)
            power = spectrum.real.square() + spectrum.imag.square()
            return ((torch.matmul(self.mel, power) + 1e-5).log() + 4.5).div(5.0).unsqueeze(1)


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
