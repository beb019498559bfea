"""Is this recording what it claims to be? Levels, convention and directions, before any model runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import AudioError
from open_elsa.sound import audio, foa
from open_elsa.sound.audio import Sound

#: The band in which directions are measured: below, rooms have too few modes; above, microphones stop being coincident.
BAND_HZ = (100.0, 5000.0)
#: Directions over time come in at most this many rows.
MOST_ROWS = 60
#: Samples at or above this are counted as clipped where at least CLIP_RUN stand in a row.
CLIP_LEVEL, CLIP_RUN = 0.999, 3
STEP_S = 1.0


@dataclass(frozen=True)
class ChannelLevel:
    """One channel as read: RMS and peak in dB below full scale (None: pure zeros), clipped samples, mean (DC)."""

    name: str
    rms_dbfs: float | None
    peak_dbfs: float | None
    clipped: int
    mean: float


@dataclass(frozen=True)
class Heard:
    """A stretch of time and where its sound comes from by plain intensity.

    azimuth_deg, elevation_deg: None where there is nothing to hear or no direction; diffuseness: 0 one plane wave,
    1 sound from everywhere; level_dbfs: of W, None for silence.
    """

    start_s: float
    end_s: float
    level_dbfs: float | None
    azimuth_deg: float | None
    elevation_deg: float | None
    diffuseness: float | None


@dataclass(frozen=True)
class AudioCheck:
    """What `check_audio` found; hints are sentences about what looks wrong and how to mend it."""

    path: str
    format: str
    channels: int
    sample_rate: int
    duration_s: float
    read_as: str
    levels: tuple[ChannelLevel, ...]
    directions: tuple[Heard, ...]
    notes: tuple[str, ...]
    hints: tuple[str, ...]


@dataclass(frozen=True)
class _Step:
    """One second: samples, summed power of W, summed active intensity (3,) and the energy it is compared with."""

    start_s: float
    end_s: float
    frames: int
    power: float
    flow: NDArray[np.float64]
    energy: float


class _Sums:
    """Running sums over a recording: whatever the levels, the hints and the directions need."""

    def __init__(self, channels: int) -> None:
        self.frames = 0
        self.covariance = np.zeros((channels, channels))
        self.total = np.zeros(channels)
        self.peak = np.zeros(channels)
        self.clipped = np.zeros(channels, int)

    def add(self, x: NDArray[np.float32]) -> None:
        y = x.astype(np.float64)
        self.frames += y.shape[1]
        self.covariance += y @ y.T
        self.total += y.sum(1)
        self.peak = np.maximum(self.peak, np.abs(y).max(1))
        self.clipped += [_clipped(row) for row in y]

    @property
    def power(self) -> NDArray[np.float64]:
        return np.diag(self.covariance) / max(self.frames, 1)


def check_audio(path: str | Path, *, convention: str = "auto") -> AudioCheck:
    """Look through a recording of any length and say what it is, how loud, from where, and what looks wrong.

    convention: how to read four channels, as in sound.audio.read. Raises AudioError for a file that cannot be read.
    """
    info = audio.info(path)
    sums: _Sums | None = None
    notes: dict[str, None] = {}
    rows: list[_Step] = []
    first: Sound | None = None
    for start_s, end_s, sound in _steps(path, convention):
        first = first or sound
        sums = sums or _Sums(sound.samples.shape[0])
        sums.add(sound.samples)
        notes.update(dict.fromkeys(sound.notes))
        rows.append(_Step(start_s, end_s, sound.samples.shape[1], *_intensity(sound)))
    if sums is None or first is None:
        raise AudioError(f"{path}: holds no sound")
    spatial = first.is_spatial
    names = foa.CHANNELS if spatial else ("mono",)
    power = sums.power
    levels = tuple(
        ChannelLevel(n, _db(power[i]), _db(sums.peak[i] ** 2), int(sums.clipped[i]), float(sums.total[i] / sums.frames))
        for i, n in enumerate(names)
    )
    directions = tuple(_directions(rows, spatial))
    read_as = _read_as(info.channels, convention, tuple(notes))
    hints = [*_level_hints(levels, info.sample_rate), *(_spatial_hints(sums, convention) if spatial else [])]
    if info.channels == 1:
        hints.append("one channel: what is heard can be asked, where it comes from cannot")
    return AudioCheck(
        str(path), info.format, info.channels, info.sample_rate, info.duration_s, read_as, levels, directions,
        tuple(notes), tuple(hints),
    )  # fmt: skip


def _steps(path: str | Path, convention: str) -> Iterator[tuple[float, float, Sound]]:
    """The recording second by second, every sample once."""
    done = 0.0
    for window in audio.windows(path, STEP_S, STEP_S, convention=convention):
        sound = window.sound
        if window.start_s < done - 0.5 / sound.sample_rate:  # the last window reaches back over the one before
            skip = round((done - window.start_s) * sound.sample_rate)
            sound = Sound(sound.samples[:, skip:], sound.sample_rate, sound.source, sound.notes)
        if sound.samples.shape[1]:
            yield done, window.end_s, sound
        done = window.end_s


def _intensity(sound: Sound) -> tuple[float, NDArray[np.float64], float]:
    """Power of W, summed active intensity (3,) and the energy it is to be compared with, of one step."""
    x = sound.samples
    power = float(np.sum(x[0].astype(np.float64) ** 2))
    if not sound.is_spatial or audio.is_silent(x):
        return power, np.zeros(3), 0.0
    frequencies, spectrum = foa.stft(x, sound.sample_rate)
    band = (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])
    s = spectrum[:, band]
    flow = np.real(np.conj(s[0]) * s[[3, 1, 2]]).sum((1, 2))
    return power, flow, float((np.abs(s) ** 2).sum() / 2)


def _directions(rows: list[_Step], spatial: bool) -> Iterator[Heard]:
    """Join the steps to at most MOST_ROWS rows; diffuseness = 1 - |I| / E (Merimaa and Pulkki 2005)."""
    size = math.ceil(len(rows) / MOST_ROWS)
    for k in range(0, len(rows), size):
        part = rows[k : k + size]
        start_s, end_s = part[0].start_s, part[-1].end_s
        flow = np.sum([r.flow for r in part], axis=0)
        energy = sum(r.energy for r in part)
        level = _db(sum(r.power for r in part) / sum(r.frames for r in part))
        length = float(np.linalg.norm(flow))
        if not spatial or energy <= 0 or length <= 1e-6 * energy:
            yield Heard(start_s, end_s, level, None, None, None)
            continue
        azimuth, elevation = foa.angles(flow)
        yield Heard(start_s, end_s, level, float(azimuth), float(elevation), max(0.0, 1 - length / energy))


def _clipped(row: NDArray[np.float64]) -> int:
    """Samples at full scale that stand in runs of CLIP_RUN or more."""
    at = np.abs(row) >= CLIP_LEVEL
    if not at.any():
        return 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at, [False]]).astype(int)))
    runs = edges[1::2] - edges[::2]
    return int(runs[runs >= CLIP_RUN].sum())


def _db(power: float) -> float | None:
    return 10 * math.log10(power) if power > 0 else None


def _read_as(channels: int, convention: str, notes: tuple[str, ...]) -> str:
    if channels == 1:
        return "mono"
    if channels == 2:
        return "stereo, folded to mono"
    if convention != "auto":
        return f"ambisonics, {convention}"
    fuma = any("FuMa" in note for note in notes)
    return (
        "ambisonics, FuMa by its name"
        if fuma and not any("taken as AmbiX" in n for n in notes)
        else "ambisonics, AmbiX"
    )


def _level_hints(levels: tuple[ChannelLevel, ...], sample_rate: int) -> Iterator[str]:
    loudest = max((c.rms_dbfs for c in levels if c.rms_dbfs is not None), default=None)
    if loudest is None or all(c.peak_dbfs is None or c.peak_dbfs <= -90.0 for c in levels):
        yield "the whole recording is silent"
        return
    if loudest < -60:
        yield f"very quiet ({loudest:.0f} dBFS): noise may drown what is asked for"
    for c in levels:
        if c.rms_dbfs is None or c.rms_dbfs < loudest - 60:
            yield f"channel {c.name} is silent: a cable, or a mono sound in a four-channel file?"
        if c.clipped:
            yield f"channel {c.name} is clipped at {c.clipped} samples: record with less gain"
        if c.rms_dbfs is not None and 20 * math.log10(abs(c.mean) + 1e-12) > max(c.rms_dbfs - 6, -60):
            yield f"channel {c.name} has a constant offset of {c.mean:+.3f}: remove it with a high-pass filter"
    if sample_rate < 16000:
        yield f"at {sample_rate} Hz nothing above {sample_rate / 2000:g} kHz is there: many sounds cannot be told apart"


def _spatial_hints(sums: _Sums, convention: str) -> Iterator[str]:
    """Hints from energies alone: in AmbiX those of Y, Z and X add up to that of W, whatever is played.

    One plane wave gives sin^2 + cos^2 = 1; independent waves add. FuMa's weak W makes it 2, N3D and capsules 3.
    """
    if sums.peak.max() <= audio.SILENCE_PEAK:
        return
    w, y, z, x = np.maximum(np.diag(sums.covariance), 1e-20)
    sides = [v for v in (y, z, x) if v > 1e-6 * w]
    if w <= 1e-6 * max(y, z, x):
        yield "W is silent though others are not: the channel order is not W Y Z X"
        return
    if not sides:
        return
    scale = np.sqrt(np.maximum(np.diag(sums.covariance), 1e-20))
    alike = (sums.covariance / np.outer(scale, scale))[np.triu_indices(4, 1)].min()
    ratio_db = 10 * math.log10((y + z + x) / w)
    if alike > 0.999 and max(w, y, z, x) < 1.02 * min(w, y, z, x):
        yield "all four channels are the same: a mono sound copied, it has no direction; give one channel instead"
    elif alike > 0.5 and abs(ratio_db) > 1.5:  # cardioids in one place: alike by 2/3 in a diffuse field, 1 in a wave
        yield "every channel resembles every other: capsule signals? try --convention a-format"
    elif convention in ("auto", "ambix") and 2.2 <= ratio_db < 3.9:
        yield f"W is {ratio_db:.1f} dB below Y, Z and X together, 3 dB is the sign of FuMa: try --convention fuma"
    elif convention in ("auto", "ambix") and 3.9 <= ratio_db < 6.5:
        yield f"W is {ratio_db:.1f} dB below Y, Z and X together, 4.8 dB is the sign of N3D: try --convention n3d"
    elif abs(ratio_db) > 2.2:
        which = "louder" if ratio_db < 0 else "weaker"
        yield (
            f"W is {abs(ratio_db):.1f} dB {which} than Y, Z and X together; they should be equal: "
            "channels missing, swapped, or of different gain"
        )
    if z > 4 * x and z > 0.5 * y:
        yield (
            "sound seems to come from above or below and hardly from front or back: unless it does, the channels may "
            "be in the order W X Y Z (FuMa): try --convention fuma"
        )
