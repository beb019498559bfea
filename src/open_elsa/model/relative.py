"""How big the room is, from how the parts of a sound follow one another: the response of one beam relative to another.

Divide the cross-spectrum of two beams by the spectrum of one, and the source cancels: what is left is a filter that
holds the early reflections at their delays. Their density grows as the room shrinks, which windows of 32 ms can't hear.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

WINDOW_S = 0.128  # of the long windows: lags up to half of it
SHORTEST_S, LONGEST_S = 0.2e-3, 60e-3  # lags
LOW_HZ, HIGH_HZ = 100.0, 8000.0
BANDS = 12  # between them, for what is said of frequency
_FLOOR = 1e-3  # of a beam's mean power: bins with less say nothing


class RelativeResponse(nn.Module):
    """Early reflections and coherence of a sound's beams, averaged over its length.

    Input (b, 4, n) AmbiX at `sample_rate`; output (b, 8 * lags + 4 * BANDS). The direct direction u is that of the
    response of X Y Z relative to W at lag 0. Relative to the cardioid towards u, the opposite cardioid (deaf to the
    direct sound) and the part across u each give the log energy in `lags` log-spaced bins of delay and of advance; the
    opposite one its sign as well, and energy and sign of the cepstrum of the two cardioids' power ratio. Then per band:
    coherence with the opposite cardioid and with the part across, and their log power relative to the cardioid.
    Level-free, and the same however the scene is turned. A sound shorter than a window is padded with zeros.
    """

    window: Tensor
    taper: Tensor
    bins: Tensor
    bands: Tensor

    def __init__(self, sample_rate: int, lags: int) -> None:
        super().__init__()
        self.n = 2 * round(sample_rate * WINDOW_S / 2)
        hz = np.fft.rfftfreq(self.n, 1 / sample_rate)
        self.stop = int(np.searchsorted(hz, 1.15 * HIGH_HZ))
        hz = hz[: self.stop]
        rise = np.sin(np.clip(hz / LOW_HZ - 1, 0, 1) * np.pi / 2) ** 2
        fall = np.sin(np.clip((1.15 * HIGH_HZ - hz) / (0.3 * HIGH_HZ), 0, 1) * np.pi / 2) ** 2
        edges = np.geomspace(LOW_HZ, HIGH_HZ, BANDS + 1)
        bands = (hz[:, None] >= edges[:-1]) & (hz[:, None] < edges[1:])
        self.register_buffer("window", torch.hann_window(self.n), persistent=False)
        self.register_buffer("taper", torch.tensor(rise * fall, dtype=torch.float32), persistent=False)
        self.register_buffer("bands", torch.tensor(bands, dtype=torch.float32), persistent=False)
        self.register_buffer("bins", _lag_bins(self.n // 2, sample_rate, lags), persistent=False)

    @staticmethod
    def width(lags: int) -> int:
        """How many numbers describe a sound; none where there are no lags."""
        return 8 * lags + 4 * BANDS if lags else 0

    def forward(self, audio: Float[Tensor, "b 4 n"]) -> Float[Tensor, "b k"]:
        """The description of a batch; see the class."""
        return torch.stack([self._one(sound) for sound in audio])

    def _one(self, sound: Float[Tensor, "4 n"]) -> Float[Tensor, " k"]:
        spectra = self._spectra(sound)
        power = torch.einsum("ftc,ftc->fc", spectra.conj(), spectra).real
        u = self._direct(spectra, power[:, 0])
        front, back = 0.5 * (spectra[..., 0] + spectra[..., 1:] @ u), 0.5 * (spectra[..., 0] - spectra[..., 1:] @ u)
        across = spectra[..., 1:] - (spectra[..., 1:] @ u)[..., None] * u
        others = torch.cat([back[..., None], across], -1)
        front_power = front.abs().square().sum(1)  # (f,)
        other_power = others.abs().square().sum(1)
        cross = torch.einsum("ft,ftc->fc", front.conj(), others)
        floor = _FLOOR * self._mean(front_power) + 1e-9
        after, before = self._lags((cross / (front_power + floor)[:, None]).T)
        ratio = torch.log((other_power[:, 0] + 1e-3 * floor) / (front_power + floor))
        echo, _ = self._lags(ratio[None].to(cross.dtype))
        return torch.cat(
            [
                self._energy(after[:1]),
                self._energy(before[:1]),
                self._energy(after[1:]),
                self._energy(before[1:]),
                self._sign(after[0]),
                self._sign(before[0]),
                self._energy(echo),
                self._sign(echo[0]),
                self._in_bands(front_power, other_power, cross, floor),
            ]
        )

    def _spectra(self, sound: Float[Tensor, "4 n"]) -> Float[Tensor, "f t 4"]:
        """Spectra of W X Y Z in long windows, scaled so that the mean power of W is one."""
        half = self.n // 2
        frames = nn.functional.pad(sound[[0, 3, 1, 2]], (half, half)).unfold(-1, self.n, half)
        spectra = torch.fft.rfft(frames * self.window)[..., : self.stop].permute(2, 1, 0)
        power = spectra[..., 0].abs().square().sum(1).mean()
        scaled: Tensor = spectra / power.clamp_min(1e-20).sqrt()
        return scaled

    def _direct(self, spectra: Tensor, power: Tensor) -> Float[Tensor, " xyz"]:
        """The unit vector of what arrives at lag 0; zero for silence."""
        cross = torch.einsum("ft,ftc->fc", spectra[..., 0].conj(), spectra[..., 1:]).real
        u = (cross / (power + _FLOOR * self._mean(power) + 1e-9)[:, None] * self.taper[:, None]).sum(0)
        direct: Tensor = (u / u.norm().clamp_min(1e-6)).to(spectra.dtype)
        return direct

    def _mean(self, power: Float[Tensor, " f"]) -> Tensor:
        return (power * self.taper).sum() / self.taper.sum()

    def _lags(self, response: Float[Tensor, "c f"]) -> tuple[Tensor, Tensor]:
        """Delays and advances (c, n / 2) of responses, 1 at lag 0 for a response that is 1 everywhere."""
        lags = torch.fft.irfft(response * self.taper, n=self.n) * (self.n / (2 * self.taper.sum()))
        half = self.n // 2
        return lags[:, :half], torch.cat([lags[:, :1], lags[:, half + 1 :].flip(-1)], 1)

    def _energy(self, lags: Float[Tensor, "c n"]) -> Float[Tensor, " k"]:
        return torch.log(lags.square().sum(0) @ self.bins + 1e-6)

    def _sign(self, lags: Float[Tensor, " n"]) -> Float[Tensor, " k"]:
        """Between -1 and 1: of which sign the energy is."""
        return ((lags * lags.abs()) @ self.bins) / (lags.square() @ self.bins + 1e-9)

    def _in_bands(self, front: Tensor, others: Tensor, cross: Tensor, floor: Tensor) -> Float[Tensor, " k"]:
        back, across = others[:, 0], others[:, 1:].sum(1)
        found = cross.abs().square()
        least = 0.01 * floor.square()
        coherence = torch.stack(
            [found[:, 0] / (front * back + least), found[:, 1:].sum(1) / (front * across + least)]
        )  # (2, f)
        total = front @ self.bands + 1e-9
        powers = torch.log((torch.stack([back, across]) @ self.bands + 1e-9) / total)
        return torch.cat([((coherence * front) @ self.bands / total).flatten(), powers.flatten()])


def _lag_bins(samples: int, sample_rate: int, lags: int) -> Float[Tensor, "n k"]:
    """Averages over log-spaced bins of lag, as a matrix; a bin narrower than a sample takes the nearest one."""
    edges = np.geomspace(SHORTEST_S, LONGEST_S, lags + 1) * sample_rate
    lag = np.arange(samples)[:, None]
    bins = ((lag >= edges[:-1]) & (lag < edges[1:])).astype(np.float64)
    for k in np.flatnonzero(bins.sum(0) == 0):
        bins[round(float(np.sqrt(edges[k] * edges[k + 1]))), k] = 1.0
    return torch.tensor(bins / bins.sum(0), dtype=torch.float32)
