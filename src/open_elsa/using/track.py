"""A recording over time: where the sound comes from, how surely and how loud, window after window, and what it is."""

from __future__ import annotations

import math
import warnings
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.sound import audio, foa
from open_elsa.sound.audio import Sound
from open_elsa.using.describe import Description, describe, prompts_of
from open_elsa.using.embedder import Embedder, Location, WindowAnalysis
from open_elsa.using.pieces import AudioLike
from open_elsa.using.sound_names import SOUND_NAMES

#: Points of a track come this often and look at this much: twice the shortest window that a model was trained on.
WINDOW_S, HOP_S = 2.0, 1.0
#: A waveform has at most this many steps.
MOST_EXTREMES = 2400


@dataclass(frozen=True)
class Point:
    """A window of the track: what the model says of its place, its level (dBFS of W) and the likeliest name.

    name: None for silence. location: every field None for mono sounds and silence.
    """

    start_s: float
    end_s: float
    location: Location
    level_db: float
    name: str | None


@dataclass(frozen=True)
class Waveform:
    """W's lowest and highest sample in stretches of `step_s` seconds each, for drawing."""

    step_s: float
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Track:
    """A recording over time; description: of the whole, as `describe` gives it."""

    description: Description
    duration_s: float
    points: tuple[Point, ...]
    waveform: Waveform

    @property
    def known(self) -> bool:
        """True where a direction was heard at any time."""
        return any(point.location.known for point in self.points)


@dataclass(frozen=True)
class Stretch:
    """Points that follow one another, told together.

    azimuth_deg, elevation_deg: the mean direction, each point weighted by its power and by how sure it is, None where
    none is known; spread_deg: the mean angle of the points to it, so weighted; uncertainty_deg: the points' mean;
    distance_m: the median; level_db: of the mean power; name: the one that most power has.
    """

    start_s: float
    end_s: float
    azimuth_deg: float | None
    elevation_deg: float | None
    spread_deg: float | None
    uncertainty_deg: float | None
    distance_m: float | None
    level_db: float
    name: str | None


def describe_track(
    sound: AudioLike,
    embedder: Embedder,
    *,
    window_s: float = WINDOW_S,
    hop_s: float = HOP_S,
    names: Sequence[str] | None = None,
    tags: int = 3,
    convention: str = "auto",
) -> Track:
    """Describe one recording of any length, as a whole and every `hop_s` seconds by windows of `window_s`.

    Files are streamed twice and never held whole. names, tags, convention: as for `describe`. Short windows follow what
    moves and are less sure of the room: what is said of the room stands in the description of the whole. Raises
    AudioError for a sound that cannot be used, DataError for a window that the model does not take or a hop with gaps.
    """
    longest, shortest = embedder.config.window_s, embedder.config.min_window_s
    if not shortest <= window_s <= longest:
        raise DataError(
            f"the window of a track must be {shortest:g} to {longest:g} s for {embedder.name}, got {window_s}"
        )
    if not 0 < hop_s <= window_s:
        raise DataError(f"the hop of a track must be above 0 and at most its window of {window_s:g} s, got {hop_s}")
    (whole,) = describe(sound, embedder, names=names, tags=tags, convention=convention)
    listed = SOUND_NAMES if names is None else tuple(names)
    prompts = prompts_of(embedder, listed)
    cut = _Cut(sound, window_s, hop_s, convention)
    points: dict[int, Point] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to warn of was said of the whole
        for k, (window,) in embedder.stream(cut.windows()):
            points[k] = _point(window, *cut.spans.pop(k), listed, prompts)
    ordered = tuple(points[k] for k in sorted(points))
    return Track(whole, ordered[-1].end_s, ordered, cut.waveform())


def stretches(track: Track, most: int = 24) -> list[Stretch]:
    """The track in at most that many rows of equal length, for a table."""
    if most < 1:
        raise DataError(f"a track is told in at least one row, got {most}")
    size = math.ceil(len(track.points) / most)
    rows = [track.points[k : k + size] for k in range(0, len(track.points), size)]
    ends = [row[0].start_s for row in rows[1:]] + [track.duration_s]
    return [_stretch(row, end_s) for row, end_s in zip(rows, ends, strict=True)]


class _Cut:
    """A sound cut into windows that are embedded one by one; on the way the waveform's extremes are kept."""

    def __init__(self, sound: AudioLike, window_s: float, hop_s: float, convention: str) -> None:
        self.sound, self.window_s, self.hop_s, self.convention = sound, window_s, hop_s, convention
        self.spans: dict[int, tuple[float, float]] = {}
        self.step_s = 0.01
        self.low, self.high = array("f"), array("f")

    def windows(self) -> Iterator[Sound]:
        done = 0.0
        cut = audio.windows(self.sound, self.window_s, self.hop_s, convention=self.convention)
        for k, window in enumerate(cut):
            self.spans[k] = window.start_s, window.end_s
            w, rate = window.sound.samples[0], window.sound.sample_rate
            fresh = w[max(0, round((done - window.start_s) * rate)) :]  # each sample once, windows overlap
            done = window.end_s
            self._see(fresh, rate)
            yield window.sound

    def _see(self, samples: NDArray[np.float32], rate: int) -> None:
        for part in np.array_split(samples, max(1, round(len(samples) / rate / self.step_s))):
            if len(part):
                self.low.append(part.min())
                self.high.append(part.max())

    def waveform(self) -> Waveform:
        size = math.ceil(len(self.low) / MOST_EXTREMES)
        starts = range(0, len(self.low), size)
        low = tuple(min(self.low[k : k + size]) for k in starts)
        return Waveform(size * self.step_s, low, tuple(max(self.high[k : k + size]) for k in starts))


def _point(
    window: WindowAnalysis,
    start_s: float,
    end_s: float,
    names: Sequence[str],
    prompts: NDArray[np.float32],
) -> Point:
    name = None if window.silent else names[int((prompts @ window.embedding).argmax())]
    return Point(start_s, end_s, window.location, window.level_db, name)


def _stretch(points: Sequence[Point], end_s: float) -> Stretch:
    power = np.array([10 ** (p.level_db / 10) for p in points])
    level_db = 10 * math.log10(power.mean()) if power.any() else -math.inf
    shares: dict[str, float] = {}
    for point, weight in zip(points, power, strict=True):
        if point.name is not None:
            shares[point.name] = shares.get(point.name, 0.0) + float(weight)
    name = max(shares, key=lambda key: shares[key]) if shares else None
    placed = [k for k, p in enumerate(points) if p.location.known]
    if not placed:
        return Stretch(points[0].start_s, end_s, None, None, None, None, None, level_db, name)
    locations = [points[k].location for k in placed]
    angles = np.array([(at.azimuth_deg, at.elevation_deg) for at in locations], np.float64)
    vectors = foa.unit_vector(angles[:, 0], angles[:, 1])
    weights = power[placed] * [1 / max(at.uncertainty_deg or 10.0, 1.0) ** 2 for at in locations]
    weights = weights / max(weights.sum(), 1e-30)
    mean = weights @ vectors
    azimuth, elevation = foa.angles(mean if np.linalg.norm(mean) > 1e-9 else vectors[int(weights.argmax())])
    spread = weights @ foa.angular_error_deg(vectors, foa.unit_vector(azimuth, elevation))
    unsure = [at.uncertainty_deg for at in locations if at.uncertainty_deg is not None]
    metres = [at.distance_m for at in locations if at.distance_m is not None]
    return Stretch(
        points[0].start_s,
        end_s,
        float(azimuth),
        float(elevation),
        float(spread),
        float(np.mean(unsure)) if unsure else None,
        float(np.median(metres)) if metres else None,
        level_db,
        name,
    )
