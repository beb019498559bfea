"""What the learned choice of cells is held against: fixed intensity statistics, W alone, and a SELDnet-style network.

Each takes the place of `SelectorEncoder` in elsa-small (`SpatialConfig.kind`), so that a comparison changes one field
and nothing else: same data, losses, heads and words. None of them is meant for use.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from open_elsa.model.config import ElsaConfig, SpatialConfig
from open_elsa.model.features import band_sums
from open_elsa.model.spatial_selector import (
    HOP,
    N_FFT,
    MelIntensity,
    SelectorEncoder,
    SpatialFeatures,
    SpatialOutput,
    velocity_gain,
)

#: Neighbouring mel bands are summed up to this many groups before anything is counted.
GROUPS = 8
#: As the hand-made estimators of evals/baselines.py: share of the cells that is kept, and onsets against the four
#: frames before, counting fully from 20 dB on.
KEPT, PAST_FRAMES, FULL_RISE = 0.03, 4, 4.605
#: Loudness under the loudest cell, in nepers of power (60 dB), at which a cell is ignored.
_FLOOR = 13.8

#: SELDnet's sizes (DCASE baseline), made as large as the selector of elsa-small: about 1.47 M parameters.
CRNN_FILTERS, CRNN_HIDDEN = 64, 204
_POOLS = ((5, 4), (2, 4), (1, 2))  # (frames, bands) of each block: ten frames of 10 ms become one


class PressureOnly(MelIntensity):
    """MelIntensity of W alone: Y, Z and X are silenced before anything reads them, so no direction can be heard."""

    def forward(self, audio: Float[Tensor, "b 4 n"]) -> SpatialFeatures:
        """Features of a batch; every intensity is zero."""
        return super().forward(audio * audio.new_tensor((1.0, 0.0, 0.0, 0.0))[:, None])


class StatisticsEncoder(nn.Module):
    """Hand-made statistics of mel intensity through one hidden layer: nothing that is learned sees time or frequency.

    (b, 8, t, bands) of MelIntensity -> a vector of `dim` and `heads` fixed directions: the energy-weighted mean
    intensity of each of 8 groups of bands, of the whole, of the 3 % least diffuse cells, and of those ranked by onset.
    """

    heads = GROUPS + 3

    def __init__(self, config: SpatialConfig) -> None:
        super().__init__()
        self.dim = config.dim
        self.pooled = 4 * self.heads + 8 * GROUPS
        self.out = nn.Sequential(
            nn.LayerNorm(self.pooled), nn.Linear(self.pooled, 384), nn.GELU(), nn.Linear(384, config.dim)
        )

    def reflections(self, bins: Tensor, direction: Tensor) -> None:
        """Nothing: the reading of single bins is learned."""

    def forward(self, features: Float[Tensor, "b 8 t m"]) -> SpatialOutput:
        """Encode a batch of features of equal length."""
        pooled, votes = self.pool(features)
        return SpatialOutput(self.out(pooled), votes)

    def pool(self, features: Float[Tensor, "b 8 t m"]) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b h 3"]]:
        """The statistics of a batch, and the fixed directions."""
        if not len(features):  # a batch of mono sounds only
            return features.new_zeros(0, self.pooled), features.new_zeros(0, self.heads, 3)
        features = features.float()
        active, reactive = features[:, :3], features[:, 3:6]
        level, ratio = 4 * features[:, 6], features[:, 7]
        level = level - level.amax((1, 2), keepdim=True)  # log energy under the loudest cell
        directness = active.norm(dim=1)
        votes = torch.cat([_grouped_means(active, level.exp()), _chosen_means(active, level, directness)], 1)
        rows = [_moments(directness), _moments(reactive.norm(dim=1)), _moments(ratio)]
        rows += [_groups(level).std((2, 3), correction=0), _decay(level)]
        return torch.cat([votes.flatten(1), votes.norm(dim=-1), *rows], 1), votes


def _groups(x: Float[Tensor, "b t m"]) -> Float[Tensor, "b g t k"]:
    """The bands in `GROUPS` groups of neighbours."""
    return x.reshape(*x.shape[:2], GROUPS, -1).transpose(1, 2)


def _moments(x: Float[Tensor, "b t m"]) -> Float[Tensor, "b 2g"]:
    grouped = _groups(x)
    return torch.cat([grouped.mean((2, 3)), grouped.std((2, 3), correction=0)], 1)


def _decay(level: Float[Tensor, "b t m"]) -> Float[Tensor, "b g"]:
    """How fast a group falls: the lower quartile of the change of its mean level from frame to frame."""
    steps = _groups(level).mean(3).diff(dim=2)
    return torch.quantile(steps, 0.25, dim=2) if steps.shape[2] else steps.new_zeros(len(level), GROUPS)


def _grouped_means(active: Float[Tensor, "b 3 t m"], energy: Float[Tensor, "b t m"]) -> Float[Tensor, "b h 3"]:
    """Energy-weighted mean intensity of each group, then of all cells."""
    weights = _groups(energy)
    vectors = torch.stack([_groups(active[:, k]) for k in range(3)], 2) * weights[:, :, None]  # (b, g, 3, t, k)
    groups = vectors.sum((3, 4)) / (weights.sum((2, 3)) + 1e-9)[..., None]
    whole = (active * energy[:, None]).sum((2, 3)) / (energy.sum((1, 2)) + 1e-9)[:, None]
    return torch.cat([groups, whole[:, None]], 1)


def _chosen_means(active: Tensor, level: Tensor, directness: Tensor) -> Float[Tensor, "b 2 3"]:
    """Mean intensity of the loud cells with the least diffuse field, and of those that are onsets besides."""
    past = level.new_full(level.shape, -_FLOOR)
    for back in range(1, PAST_FRAMES + 1):
        past[:, back:] = torch.maximum(past[:, back:], level[:, :-back])
    onset = ((level - past) / FULL_RISE).clamp(0, 1)
    loud = directness * (level > -_FLOOR)
    kept = max(1, round(KEPT * level[0].numel()))
    flat = active.flatten(2)
    means = []
    for score in (loud, loud * onset):
        best = score.flatten(1).topk(kept, dim=1).indices
        means.append(flat.gather(2, best[:, None].expand(-1, 3, -1)).mean(2))
    return torch.stack(means, 1)


class LogMelIntensity(MelIntensity):
    """SELDnet's seven channels: log-mel energy of W, Y, Z, X and the active intensity divided by the energy, x y z.

    Input (b, 4, n) at `sample_rate`; `bands` of the output (b, 7, frames, bands); `bins` is empty.
    """

    def forward(self, audio: Float[Tensor, "b 4 n"]) -> SpatialFeatures:
        """Features of a batch; sounds shorter than one window are padded with zeros."""
        if not len(audio):  # a batch of mono sounds only
            return SpatialFeatures(audio.new_zeros(0, 7, 1, self.bank.shape[1]), audio.new_zeros(0, 0))
        frames = nn.functional.pad(audio, (N_FFT // 2, N_FFT // 2)).unfold(-1, N_FFT, HOP)
        spectrum = torch.fft.rfft(frames * self.window)[..., : self.stop]
        power = band_sums(spectrum.real.square() + spectrum.imag.square(), self.bank, self.spans)  # (b, 4, t, bands)
        active = (spectrum[:, :1].conj() * spectrum[:, (3, 1, 2)]).real
        active = band_sums(active, self.bank, self.spans)
        if self.balance_db:
            gain = velocity_gain(power[:, 0], power[:, 1:].sum(1), self.balance_db)[:, None]
            active = active * gain.sqrt()
            power = power * torch.cat([torch.ones_like(gain), gain.expand(-1, 3, -1, -1)], 1)
        peak = power[:, :1].amax((2, 3), keepdim=True)
        level = torch.log(power + 1e-6 * peak + 1e-12)
        level = 0.25 * (level - level[:, :1].mean((2, 3), keepdim=True))
        energy = 0.5 * power.sum(1, keepdim=True) + 1e-8 * peak + 1e-12
        return SpatialFeatures(torch.cat([level, active / energy], 1), audio.new_zeros(len(audio), 0))


class CrnnEncoder(nn.Module):
    """A SELDnet-style network (Adavanne et al. 2018, arXiv 1807.00129) in the selector's place.

    (b, 7, t, bands) of LogMelIntensity: three convolutional blocks, two bidirectional GRU layers, and a direction a
    tenth of a second (the length says how sure it is, as in ACCDOA), averaged over the sound to one vote; the vector of
    `dim` is read from the GRU's mean.
    """

    heads = 1

    def __init__(self, config: SpatialConfig) -> None:
        super().__init__()
        self.dim = config.dim
        blocks: list[nn.Module] = []
        channels, bands = 7, config.mel_bands
        for frames, pool in _POOLS:
            blocks += [nn.Conv2d(channels, CRNN_FILTERS, 3, padding=1, bias=False), nn.BatchNorm2d(CRNN_FILTERS)]
            blocks += [nn.ReLU(inplace=True), nn.MaxPool2d((frames, pool), ceil_mode=True)]
            channels, bands = CRNN_FILTERS, -(-bands // pool)
        self.blocks = nn.Sequential(*blocks)
        self.gru = nn.GRU(channels * bands, CRNN_HIDDEN, num_layers=2, batch_first=True, bidirectional=True)
        self.towards = nn.Linear(2 * CRNN_HIDDEN, 3)
        self.out = nn.Sequential(nn.Linear(2 * CRNN_HIDDEN, 384), nn.GELU(), nn.Linear(384, config.dim))

    def reflections(self, bins: Tensor, direction: Tensor) -> None:
        """Nothing: this network has no branch for single bins."""

    def forward(self, features: Float[Tensor, "b 7 t m"]) -> SpatialOutput:
        """Encode a batch of features of equal length."""
        pooled, votes = self.pool(features)
        return SpatialOutput(self.out(pooled), votes)

    def pool(self, features: Float[Tensor, "b 7 t m"]) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b 1 3"]]:
        """The GRU's mean over a batch of sounds, and their directions."""
        if not len(features):  # a batch of mono sounds only
            return features.new_zeros(0, 2 * CRNN_HIDDEN), features.new_zeros(0, self.heads, 3)
        x = self.blocks(features).transpose(1, 2).flatten(2)  # (b, t / 10, channels * bands)
        with torch.autocast(features.device.type, enabled=False):  # GRUs have no bf16 on every processor
            x, _ = self.gru(x.float())
        votes = torch.tanh(self.towards(x)).mean(1, keepdim=True)
        return x.mean(1), votes.float()


SmallSpatialEncoder = SelectorEncoder | StatisticsEncoder | CrnnEncoder

_ENCODERS: dict[str, type[SmallSpatialEncoder]] = {
    "selector": SelectorEncoder,
    "mono": SelectorEncoder,
    "statistics": StatisticsEncoder,
    "crnn": CrnnEncoder,
}
_INTENSITY: dict[str, type[MelIntensity]] = {"mono": PressureOnly, "crnn": LogMelIntensity}


def encoder_of(config: SpatialConfig) -> SmallSpatialEncoder:
    """The spatial encoder of a small model."""
    return _ENCODERS[config.kind](config)


def intensity_of(config: ElsaConfig) -> MelIntensity:
    """The fixed transform that it listens through."""
    spatial = config.spatial
    make = _INTENSITY.get(spatial.kind, MelIntensity)
    return make(config.sample_rate, spatial.mel_bands, spatial.min_hz, spatial.max_hz, spatial.balance_db)
