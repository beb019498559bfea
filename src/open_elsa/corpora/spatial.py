"""Recordings that are spatial already: what is heard when and where, as later evaluation reads it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from open_elsa.corpora import base
from open_elsa.corpora.base import DataSet, Problem
from open_elsa.errors import DataError
from open_elsa.sound import audio, foa


@dataclass(frozen=True)
class SoundEvent:
    """One sound from one place for a while; a moving source is a chain of events of one label and track.

    start_s, end_s: seconds, end exclusive. azimuth_deg: counter-clockwise from ahead, +90 left, wrapped into
    (-180, 180]. elevation_deg: -90..90. distance_m: metres, None = unknown. track: the set's own number of the source
    or event, None where it has none. Raises DataError for times or angles that cannot be.
    """

    label: str
    start_s: float
    end_s: float
    azimuth_deg: float
    elevation_deg: float
    distance_m: float | None = None
    track: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.start_s < self.end_s < math.inf:
            raise DataError(f"an event must end after it starts, got {self.start_s} to {self.end_s} s")
        if not (math.isfinite(self.azimuth_deg) and abs(self.azimuth_deg) <= 360.0):
            raise DataError(f"azimuth must be an angle in degrees, got {self.azimuth_deg}")
        if not -90.0 <= self.elevation_deg <= 90.0:
            raise DataError(f"elevation must lie in -90..90 degrees, got {self.elevation_deg}")
        if self.distance_m is not None and not 0.0 < self.distance_m < math.inf:
            raise DataError(f"distance must be positive, got {self.distance_m} m")
        object.__setattr__(self, "azimuth_deg", -((180.0 - self.azimuth_deg) % 360.0 - 180.0))


@dataclass(frozen=True)
class SpatialRecording:
    """A first-order ambisonic recording of a data set, with its labels.

    path, convention: the file and what its channels are, a name that `sound.audio.read` takes. events: in the order of
    their start; None where the set publishes no labels (a challenge's evaluation set). split: as the set calls it.
    floor_area_m2, volume_m3, t30_mid_s: of the room where the set states them, T30 as the mean of its third octaves
    from 400 Hz to 1.25 kHz (the 500 Hz and 1 kHz octaves, T30,mid of ISO 3382-1).
    """

    id: str
    path: str
    convention: str
    sample_rate: int
    duration_s: float
    events: tuple[SoundEvent, ...] | None
    corpus: str
    split: str
    licence: str
    room_id: str = ""
    floor_area_m2: float | None = None
    volume_m3: float | None = None
    t30_mid_s: float | None = None

    def sound(self, start_s: float = 0.0, duration_s: float | None = None) -> audio.Sound:
        """Read the recording or a part of it as AmbiX at its own rate; raises AudioError as `audio.read` does."""
        return audio.read(self.path, convention=self.convention, start_s=start_s, duration_s=duration_s)

    def at(self, time_s: float) -> tuple[SoundEvent, ...]:
        """Return the events that are heard at a moment."""
        return tuple(e for e in self.events or () if e.start_s <= time_s < e.end_s)

    def alone(self, least_s: float = 0.25) -> Iterator[SoundEvent]:
        """Yield the stretches of events, at least `least_s` long, during which nothing else is labelled."""
        events = self.events or ()
        edges = [edge for n, e in enumerate(events) for edge in ((e.start_s, True, n), (e.end_s, False, n))]
        sounding: set[int] = set()
        since = 0.0
        for time, starts, n in sorted(edges):  # at one moment, what ends goes before what starts
            if len(sounding) == 1 and time > since and time - since >= least_s:
                yield replace(events[next(iter(sounding))], start_s=since, end_s=time)
            (sounding.add if starts else sounding.remove)(n)
            since = time


class RecordingReader(Protocol):
    """Yields the usable recordings under `root`; what is not usable is appended to `problems`."""

    def __call__(
        self, root: Path, splits: frozenset[str] | None, problems: list[Problem]
    ) -> Iterator[SpatialRecording]:
        """Yield recordings of the given splits (None = all of them)."""


@dataclass(frozen=True)
class SpatialCorpus(DataSet):
    """A data set of spatial recordings.

    classes: what its labels may say, in the set's own order, where it has a closed list. timed: its events say when a
    sound begins and ends; False where a whole recording has one label.
    """

    reader: RecordingReader
    classes: tuple[str, ...] = ()
    timed: bool = True


@dataclass(frozen=True)
class LoadedRecordings:
    """The recordings of a data set and the problems that were skipped."""

    recordings: list[SpatialRecording]
    problems: list[Problem]


def read_recordings(
    corpus: SpatialCorpus,
    root: str | Path,
    splits: Iterable[str] | None = None,
    max_problems: int | None = base.DEFAULT_MAX_PROBLEMS,
) -> LoadedRecordings:
    """Read a data set, skipping at most `max_problems` missing or broken files; raises DataError as `read_clips`."""
    problems: list[Problem] = []
    items = corpus.reader(base.existing_folder(root, corpus), corpus.wanted(splits), problems)
    return LoadedRecordings(base.gather(corpus, root, items, problems, max_problems), problems)


def foa_header(path: Path, problems: list[Problem]) -> audio.AudioInfo | None:
    """Read the header of an ambisonic file; None, with a problem noted, if it cannot be used or is no such file."""
    found = base.header(path, problems)
    if found is not None and foa.ambisonic_order(found.channels) is None:
        problems.append(Problem(str(path), f"has {found.channels} channels; ambisonics has 4 (W, Y, Z, X), 9, 16 …"))
        return None
    return found
