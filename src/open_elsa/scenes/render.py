"""Rendering: a mono clip and a room response make first-order ambisonics, in NumPy (files) and torch (batches)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from open_elsa.errors import AudioError
from open_elsa.scenes.noise import add_white

if TYPE_CHECKING:
    import torch

Float32 = NDArray[np.float32]


def render(
    clip: NDArray[np.floating],
    response: NDArray[np.floating],
    *,
    gain_db: float = 0.0,
    noise: tuple[float, np.random.Generator] | None = None,
    length: int | None = None,
) -> Float32:
    """Convolve a mono clip (n,) with an AmbiX response (4, m): the clip as heard at the array, (4, length) float32.

    length: samples to keep or to fill up with zeros, n + m - 1 when None. gain_db: applied to the result.
    noise: (snr_db, rng) adds sensor noise, white and diffuse (Y, Z, X hold a third of W's power, as SN3D has it), so
    that W's RMS lies snr_db above the noise in W. Both signals must share one sample rate.
    Raises AudioError for other shapes or an empty signal.
    """
    if clip.ndim != 1 or response.ndim != 2 or response.shape[0] != 4 or not clip.size or not response.shape[1]:
        raise AudioError(f"render needs a clip (n,) and a response (4, m), got {clip.shape} and {response.shape}")
    full = clip.size + response.shape[1] - 1
    wanted = full if length is None else length
    if wanted < 1:
        raise AudioError(f"render needs a length of at least one sample, got {length}")
    h = response[:, :wanted].astype(np.float32, copy=bool(gain_db))
    if gain_db:
        h *= np.float32(10.0 ** (gain_db / 20.0))
    out = np.zeros((4, wanted), dtype=np.float32)
    _convolve(clip[:wanted].astype(np.float32, copy=False), h, out)
    if noise is not None:
        snr_db, rng = noise
        add_white(out, snr_db, rng, diffuse=True)
    return out


def render_torch(clips: torch.Tensor, responses: torch.Tensor, length: int | None = None) -> torch.Tensor:
    """Convolve clips (b, n) with AmbiX responses (b, 4, m) on their device: (b, 4, length), the maths of `render`.

    length: n + m - 1 when None. Raises AudioError for other shapes.
    """
    import torch

    if clips.ndim != 2 or responses.ndim != 3 or responses.shape[1] != 4 or clips.shape[0] != responses.shape[0]:
        raise AudioError(
            f"render_torch needs clips (b, n) and responses (b, 4, m), got {tuple(clips.shape)} and "
            f"{tuple(responses.shape)}"
        )
    wanted = clips.shape[1] + responses.shape[2] - 1 if length is None else length
    clips, responses = clips[:, :wanted], responses[..., :wanted]
    full = clips.shape[1] + responses.shape[2] - 1
    n_fft = cast(int, scipy.fft.next_fast_len(full, real=True))
    spectra = torch.fft.rfft(responses, n_fft) * torch.fft.rfft(clips, n_fft)[:, None, :]
    wet = torch.fft.irfft(spectra, n_fft)[..., : min(wanted, full)]
    return torch.nn.functional.pad(wet, (0, wanted - wet.shape[-1]))


def _convolve(x: Float32, h: Float32, out: Float32) -> None:
    """Write the start of x (n,) convolved with each row of h (4, m) to out (4, wanted), by overlap-save.

    Every call transforms a multiple of four rows, of which the library computes four at a time in twice the time of
    one: blocks of the clip, the response, and the channels of one block after another.
    """
    m = h.shape[1]
    full = min(out.shape[1], x.size + m - 1)
    count, size = _blocks(full, m)
    hop = math.ceil(full / count)
    padded = np.zeros((count - 1) * hop + size, np.float32)
    known = min(x.size, padded.size - m + 1)
    padded[m - 1 : m - 1 + known] = x[:known]
    spectra = scipy.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[::hop])
    response = scipy.fft.rfft(h, size)
    shaped = np.empty_like(response)
    for spectrum, at in zip(spectra, range(0, full, hop), strict=False):
        wet = scipy.fft.irfft(np.multiply(response, spectrum, out=shaped), size, overwrite_x=True)
        part = out[:, at : min(at + hop, full)]
        part[...] = wet[:, m - 1 : m - 1 + part.shape[1]]


def _blocks(full: int, m: int) -> tuple[int, int]:
    """How many blocks of `full` samples cost least with a response of m, and the size of their transforms.

    One block, whose single forward transform takes as long as four, or a multiple of four.
    """

    def cost(count: int) -> float:
        size = math.ceil(full / count) + m
        return (max(count, 4) + 4 * count + 4) * size * math.log2(size)

    count = min((1, *(4 << k for k in range(5))), key=cost)
    return count, cast(int, scipy.fft.next_fast_len(math.ceil(full / count) + m - 1, real=True))
