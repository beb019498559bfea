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
_FRAMES = 64  # of the STFT at a time: what is made of them stays in the processor's cache


#: STFT bins of the whole sound's mean intensity: 125 Hz to 8.1 kHz at 32 kHz; above, arrays alias.
COMB = slice(4, 260)
COMB_BINS = 256


class SpatialFeatures(NamedTuple):
    """Intensity of a batch: bands (b, 8, frames, mel bands) over time, and bins (b, 8, COMB_BINS) over the sound."""

    bands: Tensor
    bins: Tensor


class MelIntensity(nn.Module):
    """Energy-weighted intensity of AmbiX in mel bands, and in single bins over the whole sound.

    Input (b, 4, n) at `sample_rate`; `bands` of the output (b, 8, frames, bands): active intensity x y z (towards the
    source), reactive x y z, both divided by the band's energy (a plane wave gives a unit vector, a diffuse field about
    zero), the log energy of W minus the clip's mean (level-free), and the log ratio of velocity to pressure energy.
    Numerators and energies are summed in the band before the division, so loud bins count most (simulation.md 5).
    With balance_db, velocity is first brought to the level of pressure in each band (`velocity_gain`), in the bins too.
    `bins` (b, 8, COMB_BINS): active and reactive intensity x y z and the energies of pressure and velocity, each summed
    over the sound and divided by the mean energy of pressure in a bin.
    """

    window: Tensor
    bank: Tensor
    shares: Tensor

    def __init__(self, sample_rate: int, bands: int, min_hz: float, max_hz: float, balance_db: float = 0.0) -> None:
        super().__init__()
        self.balance_db = balance_db
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        bank, stop = _mel_bank(sample_rate, bands, min_hz, max_hz)
        self.stop = stop
        self.register_buffer("bank", bank, persistent=False)
        self.spans = band_spans(bank)
        of_bins = bank[COMB]
        self.register_buffer("shares", of_bins / of_bins.sum(1, keepdim=True).clamp_min(1e-9), persistent=False)

    def forward(self, audio: Float[Tensor, "b 4 n"]) -> SpatialFeatures:
        """Features of a batch; sounds shorter than one window are padded with zeros by the STFT."""
        if not len(audio):  # a batch of mono sounds only
            return SpatialFeatures(audio.new_zeros(0, 8, 1, self.bank.shape[1]), audio.new_zeros(0, 8, COMB_BINS))
        parts = [self._one(sound) for sound in audio]  # sound by sound: the working set stays in cache
        return SpatialFeatures(*(torch.stack(part) for part in zip(*parts, strict=True)))

    def _one(self, sound: Float[Tensor, "4 n"]) -> tuple[Float[Tensor, "8 t m"], Float[Tensor, "8 bins"]]:
        nothing = sound.new_zeros(4, N_FFT // 2)
        frames = torch.cat([nothing, sound, nothing], 1).unfold(-1, N_FFT, HOP)
        parts = [self._sums(part) for part in torch.split(frames, _FRAMES, dim=1)]
        order = [2, 0, 1, 5, 3, 4, 6, 7]  # x y z of ACN's Y, Z, X
        sums = torch.cat([bands for bands, _ in parts], 1)[order]
        bins = torch.stack([bins for _, bins in parts]).sum(0)[order]
        if self.balance_db:
            sums, bins = evened(sums, bins, self.shares, self.balance_db)
        active, reactive, pressure, velocity = sums[:3], sums[3:6], sums[6], sums[7]
        energy = 0.5 * (pressure + velocity) + _EPS * (1 + pressure.amax())
        level = torch.log(pressure + 1e-6 * pressure.amax() + 1e-12)  # 60 dB: digital silence is no news
        level = 0.25 * (level - level.mean())
        ratio = 0.25 * torch.log((velocity + energy * 1e-3) / (pressure + energy * 1e-3))
        bands = torch.cat([active / energy, reactive / energy, level[None], ratio[None]])
        return bands, bins / (bins[6].mean() + 1e-12)

    def _sums(self, frames: Float[Tensor, "4 t n"]) -> tuple[Float[Tensor, "8 t m"], Float[Tensor, "8 bins"]]:
        """Active and reactive intensity y z x, pressure and velocity energy of some frames, in bands and over time."""
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.window)[..., : self.stop])
        real, imag = spectrum[..., 0].contiguous(), spectrum[..., 1].contiguous()
        active = (real[:1] * real[1:]).addcmul_(imag[:1], imag[1:])  # Re{W* (Y, Z, X)}
        reactive = (real[:1] * imag[1:]).addcmul_(imag[:1], real[1:], value=-1)  # Im{W* (Y, Z, X)}
        power = real.square().addcmul_(imag, imag)
        power[1].add_(power[2]).add_(power[3])  # of W, of the velocity
        parts = torch.cat([active, reactive, power[:2]])
        return band_sums(parts, self.bank, self.spans), parts[..., COMB].sum(1)


def velocity_gain(
    pressure: Float[Tensor, "... t m"], velocity: Float[Tensor, "... t m"], most_db: float
) -> Float[Tensor, "... 1 m"]:
    """What the energy of velocity lacks of that of pressure in each band over the whole sound, as a factor.

    Both are equal in a plane wave and in a diffuse field alike (SN3D); in a room the mean over a band is so but for its
    lowest modes and a reflection that comes within some 2 ms. A microphone array's X, Y and Z rarely are as strong as
    that at all frequencies: a small array loses them in the bass, capsules that stand apart lose W in the treble. Left
    as it is, that looks like reverberation. At most most_db.
    """
    most = 10.0 ** (most_db / 10.0)
    whole, moved = pressure.sum(-2, keepdim=True), velocity.sum(-2, keepdim=True)
    return (whole / (moved + 1e-6 * whole + 1e-12)).clamp(1.0 / most, most)


def evened(
    sums: Float[Tensor, "... 8 t m"], bins: Float[Tensor, "... 8 k"], shares: Float[Tensor, "k m"], most_db: float
) -> tuple[Float[Tensor, "... 8 t m"], Float[Tensor, "... 8 k"]]:
    """Sums in bands and in bins of one sound, as if velocity had been as strong as pressure in each band.

    Both hold active and reactive intensity x y z, pressure and velocity energy. shares: of each band in each bin, whose
    gain is the geometric mean of its bands'.
    """
    gain = velocity_gain(sums[..., 6, :, :], sums[..., 7, :, :], most_db)
    of_bins = (gain.log() @ shares.T).exp()
    return sums * _factors(gain), bins * _factors(of_bins)[..., 0, :]


def _factors(gain: Float[Tensor, "... 1 m"]) -> Float[Tensor, "... 8 1 m"]:
    """What a gain of velocity's energy does to intensity (six times), pressure and velocity energy."""
    return torch.stack([*[gain.sqrt()] * 6, torch.ones_like(gain), gain], -3)


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
    """Mel intensity -> a vector of `dim` and one direction vote per head; `reflections` adds to the vector."""

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
        self.pooled = width * 6 + config.heads * 5
        self.out = nn.Sequential(nn.Linear(self.pooled, 384), nn.GELU(), nn.Linear(384, config.dim))
        self.comb = _Comb(config.comb, config.dim) if config.comb else None

    def reflections(
        self, bins: Float[Tensor, "b 8 k"], direction: Float[Tensor, "b 3"]
    ) -> Float[Tensor, "b dim"] | None:
        """What the early reflections add to the vector, by the bins of `MelIntensity` and the direction found."""
        return self.comb(comb(bins, direction.detach())) if self.comb is not None and len(bins) else None

    def forward(self, features: Float[Tensor, "b 8 t m"]) -> SpatialOutput:
        """Encode a batch of features of equal length."""
        pooled, votes = self.pool(features)
        return SpatialOutput(self.out(pooled), votes)

    def pool(self, features: Float[Tensor, "b 8 t m"]) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b h 3"]]:
        """What the convolutions make of a batch before `out` reads it, and the heads' votes."""
        if not len(features):  # a batch of mono sounds only; empty statistics would be NaN
            return features.new_zeros(0, self.pooled), features.new_zeros(0, self.heads, 3)
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
        return pooled, votes

    def _vote(self, features: Tensor, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        logits = _one_by_one(self.fine, fine)  # (b, h, t, m/2)
        context = nn.functional.interpolate(_one_by_one(self.coarse, coarse), size=logits.shape[2:], mode="nearest")
        # bands by twos, as the stem sees them; a mean over an axis of two is many times slower
        vectors, level = (0.5 * (x[..., 0::2] + x[..., 1::2]) for x in (features[:, :3], features[:, 6:7]))
        logits = (logits.add_(context).addcmul_(self.loudness, level)).float().flatten(2)
        weights = logits.softmax(-1)
        votes = torch.einsum("bhk,bck->bhc", weights, vectors.flatten(2).float())
        # -sum(w log w), without the logarithm of every weight
        entropy = logits.logsumexp(-1) - torch.einsum("bhk,bhk->bh", weights, logits)
        return votes, entropy / _log_of_cells(weights)


def comb(bins: Float[Tensor, "b 8 k"], direction: Float[Tensor, "b 3"]) -> Float[Tensor, "b 9 k"]:
    """Mean intensity per bin as seen from the source: where direct sound and early reflections interfere.

    A reflection that comes tau later leaves a comb of 1 / tau over frequency in the intensity divided by energy, which
    no spectrum of the source can imitate: near sources have late and weak ones, small rooms dense ones. Rows: active
    and reactive part along `direction`; length of both across it; size of both towards the zenith and sideways; log
    ratio of velocity and pressure energy. The same for a scene turned about the vertical or mirrored.
    """
    pressure, velocity = bins[:, 6], bins[:, 7]
    energy = 0.5 * (pressure + velocity) + 1e-4 * pressure.mean(1, keepdim=True) + 1e-12
    up = torch.zeros_like(direction)
    up[:, 2] = 1.0
    rise = nn.functional.normalize(up - direction * direction[:, 2:], dim=1, eps=1e-3)
    side = torch.linalg.cross(direction, rise)
    axes = torch.stack([direction, rise, side], 1)  # (b, 3 axes, xyz)
    active, reactive = ((axes @ bins[:, k : k + 3]) / energy[:, None] for k in (0, 3))
    ratio = torch.log((velocity + 1e-3 * energy) / (pressure + 1e-3 * energy))
    rows = [active[:, 0], reactive[:, 0], active[:, 1:].norm(dim=1), reactive[:, 1:].norm(dim=1)]
    rows += [active[:, 1].abs(), reactive[:, 1].abs(), active[:, 2].abs(), reactive[:, 2].abs(), ratio]
    return torch.stack(rows, 1)


class _Comb(nn.Module):
    """A convolutional reading of `comb` over frequency; silent until trained, so that any model can go on with it."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        last = nn.Linear(2 * width, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(
            nn.BatchNorm1d(9),
            *_over_frequency(9, width, 7),
            *_over_frequency(width, width, 5),
            nn.Conv1d(width, width, 5, padding=2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(8),  # where in frequency a comb lies matters little, which comb it is matters
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(8 * width, 2 * width),
            nn.GELU(),
            last,
        )

    def forward(self, x: Float[Tensor, "b 9 k"]) -> Float[Tensor, "b dim"]:
        return self.net(x)  # type: ignore[no-any-return]


def _over_frequency(inputs: int, width: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv1d(inputs, width, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(2)]


def _one_by_one(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1 x 1 convolution (b, c, t, m) -> (b, h, t, m) as a matrix product, plane after plane whatever x's layout."""
    if x.is_contiguous() or torch.compiler.is_exporting():  # layouts do not leave torch, and lengths stay open
        return convolution(x)  # type: ignore[no-any-return]
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)  # (b, c, t * m), a view of channels last
    weight = convolution.weight.flatten(1).expand(len(x), -1, -1)
    assert convolution.bias is not None
    return torch.baddbmm(convolution.bias[:, None], weight, pixels).reshape(len(x), -1, *x.shape[2:])


def _log_of_cells(weights: Tensor) -> float | Tensor:
    """The logarithm of how many cells there are; in an exported graph an operation, for there the number is open."""
    if torch.compiler.is_exporting():
        return torch.ones_like(weights[0, 0]).sum().log()
    return float(np.log(weights.shape[-1]))


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
