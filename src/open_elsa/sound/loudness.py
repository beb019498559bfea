"""Loudness of a signal as people hear it: gated and K-weighted, in LUFS (ITU-R BS.1770-4, EBU R 128)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from open_elsa.errors import AudioError

BLOCK_S, STEP_S = 0.4, 0.1
#: Blocks below this are silence; then those 10 LU below the mean of the rest do not count either.
ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU = -70.0, -10.0
_OFFSET_DB = -0.691


def integrated_lufs(samples: NDArray[np.floating], sample_rate: int) -> float:
    """Integrated loudness of one channel (n,) in LUFS; -inf for silence.

    K-weighting, blocks of 400 ms every 100 ms, both gates; a signal shorter than a block is one block. Source: ITU-R
    BS.1770-4, annex 1. Raises AudioError for more than one channel or an empty signal.
    """
    if samples.ndim != 1 or not samples.size:
        raise AudioError(f"loudness is measured of one channel (n,), got {samples.shape}")
    weighted = scipy.signal.sosfilt(_k_weighting(sample_rate), samples.astype(np.float64))
    block, step = round(BLOCK_S * sample_rate), round(STEP_S * sample_rate)
    sums = np.concatenate([[0.0], np.cumsum(np.square(weighted))])
    starts = np.arange(0, max(samples.size - block, 0) + 1, step)
    ends = np.minimum(starts + block, samples.size)
    power = (sums[ends] - sums[starts]) / (ends - starts)
    power = power[power > _power_of(ABSOLUTE_GATE_LUFS)]
    if not power.size:
        return -math.inf
    power = power[power > _power_of(_lufs_of(float(power.mean())) + RELATIVE_GATE_LU)]
    return _lufs_of(float(power.mean()))


def _lufs_of(power: float) -> float:
    return _OFFSET_DB + 10.0 * math.log10(power)


def _power_of(lufs: float) -> float:
    return float(10.0 ** ((lufs - _OFFSET_DB) / 10.0))


@lru_cache(maxsize=8)
def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The shelf and the high pass (2, 6) at any rate, from the analogue filters whose 48 kHz values the standard lists.

    Source of the analogue values: B. De Man, "Evaluation of Implementations of the EBU R128 Loudness Measurement",
    AES 145 (2018).
    """
    sections = []
    for hertz, gain_db, q in (
        (1681.974450955533, 3.999843853973347, 0.7071752369554196),
        (38.13547087602444, None, 0.5003270373238773),
    ):
        k = math.tan(math.pi * hertz / sample_rate)
        low = 1.0 + k / q + k * k
        poles = [1.0, 2.0 * (k * k - 1.0) / low, (1.0 - k / q + k * k) / low]
        if gain_db is None:
            sections.append([1.0, -2.0, 1.0, *poles])
            continue
        high = 10.0 ** (gain_db / 20.0)
        band = high**0.4996667741545416
        zeros = [high + band * k / q + k * k, 2.0 * (k * k - high), high - band * k / q + k * k]
        sections.append([*(z / low for z in zeros), *poles])
    return np.asarray(sections)
