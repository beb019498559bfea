"""Where, the small way: choose which time-frequency cells to believe, and average their intensity vectors.

In a reverberant room the first wavefront points at the source and the rest does not; a hand-made estimator that keeps
only onsets in the least diffuse cells beats the plain average threefold. Here a convolutional trunk learns that choice,
several heads at a time, and what it cannot say with a direction (distance, room) it says with pooled features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from open_elsa.model.config import SpatialConfig
from open_elsa.model.features import band_spans, band_sums

N_FFT = 1024
HOP = 320  # 10 ms at 32 kHz
_EPS = 1e-8
_FRAMES = 128  # of the STFT at a time: what is made of them stays in the processor's cache


class MelIntensity(nn.Module):
    """Energy-weighted intensity of AmbiX in mel bands.

    Input (b, 4, n) at `sample_rate`; output (b, 8, frames, bands): active intensity x y z (towards the source),
    reactive x y z, both divided by the band's energy (a plane wave gives a unit vector, a diffuse field about zero),
    the log energy of W minus the clip's mean (level-free), and the log ratio of velocity to pressure energy.
    Numerators and energies are summed in the band before the division, so loud bins count most (simulation.md 5).
    """

    window: Tensor
    bank: Tensor

    def __init__(self, sample_rate: int, bands: int, min_hz: float, max_hz: float) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        bank, stop = _mel_bank(sample_rate, bands, min_hz, max_hz)
        self.stop = stop
        self.register_buffer("bank", bank, persistent=False)
        self.spans = band_spans(bank)

    def forward(self, audio: Float[Tensor, "b 4 n"]) -> Float[Tensor, "b 8 t m"]:
        """Features of a batch; sounds shorter than one window are padded with zeros by the STFT."""
        if len(audio) == 1:
            return self._one(audio[0]).unsqueeze(0)
        return torch.stack([self._one(sound) for sound in audio])  # sound by sound: the working set stays in cache

    def _one(self, sound: Float[Tensor, "4 n"]) -> Float[Tensor, "8 t m"]:
        frames = nn.functional.pad(sound, (N_FFT // 2, N_FFT // 2)).unfold(-1, N_FFT, HOP)
        sums = torch.cat([self._band_sums(part) for part in torch.split(frames, _FRAMES, dim=1)], 1)
        active, reactive, pressure, velocity = sums[:3], sums[3:6], sums[6], sums[7]
        energy = 0.5 * (pressure + velocity) + _EPS * (1 + pressure.amax())
        level = torch.log(pressure + 1e-6 * pressure.amax() + 1e-12)  # 60 dB: digital silence is no news
        level = 0.25 * (level - level.mean())
        ratio = 0.25 * torch.log((velocity + energy * 1e-3) / (pressure + energy * 1e-3))
        return torch.cat([active / energy, reactive / energy, level[None], ratio[None]])

    def _band_sums(self, frames: Float[Tensor, "4 t n"]) -> Float[Tensor, "8 t m"]:
        """Active and reactive intensity x y z, pressure and velocity energy of some frames, summed in each band."""
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.window)[..., : self.stop])
        real, imag = spectrum[..., 0].contiguous(), spectrum[..., 1].contiguous()
        active = (real[:1] * real[1:]).addcmul_(imag[:1], imag[1:])  # Re{W* (Y, Z, X)}
        reactive = (real[:1] * imag[1:]).addcmul_(imag[:1], real[1:], value=-1)  # Im{W* (Y, Z, X)}
        power = real.square().addcmul_(imag, imag)
        power[1].add_(power[2]).add_(power[3])  # of W, of the velocity
        sums = [band_sums(x, self.bank, self.spans) for x in (active, reactive, power[:2])]
        return torch.cat(sums)[[2, 0, 1, 5, 3, 4, 6, 7]]  # x y z of ACN's Y, Z, X


def _mel_bank(sample_rate: int, bands: int, min_hz: float, max_hz: float) -> tuple[Tensor, int]:
    """Triangular mel bands (HTK scale) as a (bins, bands) matrix over the bins below max_hz; every band has a bin."""
    low_mel, high_mel = 2595 * np.log10(1 + np.asarray([min_hz, max_hz]) / 700)
    edges = 700 * (10 ** (np.linspace(low_mel, high_mel, bands + 2) / 2595) - 1)
    hz = np.arange(N_FFT // 2 + 1) * sample_rate / N_FFT
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rise = (hz[:, None] - low) / (centre - low)
    fall = (high - hz[:, None]) / (high - centre)
    bank = np.clip(np.minimum(rise, fall), 0, None)
    nearest = np.abs(hz[:, None] - centre).argmin(0)
    for band in np.flatnonzero(bank.sum(0) == 0):  # low bands narrower than a bin take the nearest one
        bank[nearest[band], band] = 1.0
    stop = int(np.flatnonzero(bank.sum(1) > 0).max()) + 1
    return torch.tensor(bank[:stop], dtype=torch.float32), stop


class SpatialOutput(NamedTuple):
    """What the spatial encoder says of a batch."""

    vector: Tensor  # (b, dim)
    votes: Tensor  # (b, heads, 3): averaged intensity vectors, xyz, length in 0..1


class SelectorEncoder(nn.Module):
    """Mel intensity -> a vector of `dim` and one direction vote per head."""

    def __init__(self, config: SpatialConfig) -> None:
        super().__init__()
        w0, w1, w2, w3 = config.widths
        self.heads, self.dim = config.heads, config.dim
        self.stem = _conv(8, w0, (1, 2))
        self.down1 = _conv(w0, w1, (2, 2))
        self.down2 = nn.Sequential(_conv(w1, w2, (2, 2)), _conv(w2, w2, (1, 1)))
        self.down3 = nn.Sequential(_conv(w2, w3, (2, 2)), _conv(w3, w3, (1, 1)))
        bands = config.mel_bands // 16
        width = 2 * w3
        self.collapse = nn.Sequential(nn.Conv1d(w3 * bands, width, 1), nn.BatchNorm1d(width), nn.ReLU())
        self.time = nn.ModuleList(_TimeBlock(width, dilation) for dilation in (1, 4))
        self.attention = nn.Conv1d(width, 4, 1)
        self.fine = nn.Conv2d(w0, config.heads, 1)
        self.coarse = nn.Conv2d(w2, config.heads, 1)
        self.loudness = nn.Parameter(torch.full((config.heads, 1, 1), 4.0))  # starts as energy weights
        pooled = width * 6 + config.heads * 5
        self.out = nn.Sequential(nn.Linear(pooled, 384), nn.GELU(), nn.Linear(384, config.dim))

    def forward(self, features: Float[Tensor, "b 8 t m"]) -> SpatialOutput:
        """Encode a batch of features of equal length."""
        if not len(features):  # a batch of mono sounds only; empty statistics would be NaN
            return SpatialOutput(features.new_zeros(0, self.dim), features.new_zeros(0, self.heads, 3))
        # in use, convolutions are quicker where a cell's channels lie side by side
        fine = self.stem(features if self.training else features.contiguous(memory_format=torch.channels_last))
        x = self.down1(fine)
        coarse = self.down2(x)
        x = self.collapse(self.down3(coarse).transpose(2, 3).flatten(1, 2))
        for block in self.time:
            x = block(x)
        votes, certainty = self._vote(features, fine, coarse)
        weights = self.attention(x).softmax(-1)
        attended = torch.einsum("bht,bct->bhc", weights, x).flatten(1)
        pooled = torch.cat(
            [
                x.mean(-1),
                (x.var(-1, correction=0) + 1e-6).sqrt(),
                attended,
                votes.flatten(1),
                votes.norm(dim=-1),
                certainty,
            ],
            1,
        )
        return SpatialOutput(self.out(pooled), votes)

    def _vote(self, features: Tensor, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        logits = _one_by_one(self.fine, fine)  # (b, h, t, m/2)
        context = nn.functional.interpolate(_one_by_one(self.coarse, coarse), size=logits.shape[2:], mode="nearest")
        # bands by twos, as the stem sees them; a mean over an axis of two is many times slower
        vectors, level = (0.5 * (x[..., 0::2] + x[..., 1::2]) for x in (features[:, :3], features[:, 6:7]))
        logits = (logits + context + self.loudness * level).float()
        weights = logits.flatten(2).softmax(-1)
        votes = torch.einsum("bhk,bck->bhc", weights, vectors.flatten(2).float())
        entropy = -(weights * torch.log(weights + 1e-9)).sum(-1) / np.log(weights.shape[-1])
        return votes, entropy


def _one_by_one(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1 x 1 convolution (b, c, t, m) -> (b, h, t, m) as a matrix product, plane after plane whatever x's layout."""
    if x.is_contiguous():
        return convolution(x)  # type: ignore[no-any-return]
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)  # (b, c, t * m), a view of channels last
    weight = convolution.weight.flatten(1).expand(len(x), -1, -1)
    assert convolution.bias is not None
    return torch.baddbmm(convolution.bias[:, None], weight, pixels).reshape(len(x), -1, *x.shape[2:])


class _TimeBlock(nn.Module):
    """A residual depthwise convolution over time: follows decays over about a second."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv1d(width, width, 7, padding=3 * dilation, dilation=dilation, groups=width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(x)  # type: ignore[no-any-return]


def _conv(inputs: int, outputs: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
