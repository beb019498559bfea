"""A model that hears one sound at a time, held against frame labels: one class and place a second, DCASE metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.corpora.spatial import SoundEvent, SpatialRecording
from open_elsa.errors import DataError
from open_elsa.evals import seld
from open_elsa.evals.metrics import Interval
from open_elsa.evals.mono_classes import TEMPLATE, prompt
from open_elsa.evals.observe import Embedder, identity
from open_elsa.evals.result import Result, now, versions
from open_elsa.evals.seld import FRAME_S, Counts, Edition, Frames, Heard
from open_elsa.evals.zero_shot import prototypes
from open_elsa.sound import audio

#: A second whose best class has a lower cosine is said to hold nothing. A number that is stated, and tuned on nothing.
THRESHOLD = 0.2
#: Frames of a second, which is a window of the model and a segment of the metrics.
FRAMES_A_SECOND = round(1.0 / FRAME_S)

PROTOCOL = (
    "The model hears every second of a recording alone and says at most one sound: of {n} classes ({names}) the one "
    "whose {template!r} has the highest cosine, where that is at least {threshold:g}, at the direction and distance "
    "it says, for all ten frames of that second; a silent second holds nothing. It cannot say two sounds at once, so "
    "where labels overlap something is missed by construction. The threshold is stated, not tuned, and a noise that "
    "resembles a class is taken for one. 'dcase2022': location-dependent error rate and F-score at 20 degrees, "
    "localization error and recall of the right class, and the SELD score (0 best) over segments of one second, as "
    "in the challenges of 2022 and 2023; macro: the mean over the classes that are labelled. 'dcase2021': the same "
    "with 2021's F-score. 'dcase2024': frame by frame, and no further off than the true distance itself, where "
    "distances are labelled. Every second of every recording counts. 95 % interval by bootstrap over recordings."
)

_COLUMNS = ("recording", "second", "true", "said", "cosine", "azimuth_deg", "elevation_deg")


@dataclass(frozen=True)
class Said:
    """What the model says of one second: the sound, None for nothing, and the best class's cosine, NaN for silence."""

    heard: Heard | None
    cosine: float


def run(
    embedder: Embedder,
    recordings: Sequence[SpatialRecording],
    classes: Sequence[str],
    *,
    suite: str,
    about: str = "",
    revision: str = "",
    threshold: float = THRESHOLD,
    batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Say one sound a second of every recording and score it by the DCASE metrics.

    classes: what a sound may be. Metrics "EDITION.er", "EDITION.AVERAGE.f", ".le_deg", ".lr", ".seld", and, where
    labels and model have distances, ".distance_m" and ".relative"; EDITION dcase2021 (micro), dcase2022 (macro and
    micro), dcase2024 (macro and micro). details: "by_class". items: every second, what is true and what was said of it.
    Raises DataError for no or one class, and when no recording has a label.
    """
    started = time.perf_counter()
    if len(set(classes)) < 2:
        raise DataError(f"{suite}: frame labels need at least two classes, found {', '.join(classes) or 'none'}")
    names, vectors = prototypes(embedder, {label: [prompt(label)] for label in classes})
    rows: dict[str, list[Any]] = {k: [] for k in _COLUMNS}
    pairs: list[tuple[Frames, Frames]] = []
    for done, recording in enumerate(recordings, start=1):
        seconds = list(listen(embedder, recording, names, vectors, threshold=threshold, batch_size=batch_size))
        length = max(len(seconds), math.ceil(max((e.end_s for e in recording.events or ()), default=0.0) - 1e-9))
        true = frames_of(recording.events or (), length * FRAMES_A_SECOND)
        said = [[s.heard] if s.heard else [] for s in seconds for _ in range(FRAMES_A_SECOND)]
        pairs.append((true, [*said, *([] for _ in range(len(true) - len(said)))]))
        _note(rows, recording, true, seconds)
        if progress is not None:
            progress(done, len(recordings))
    numbers, intervals, by_class = _scored(pairs, names)
    return Result(
        task="seld",
        suite=suite,
        metrics=numbers,
        n=len(rows["second"]),
        protocol=f"{about} {_protocol(names, threshold)}".strip(),
        intervals=intervals,
        model=identity(embedder),
        data_revision=revision,
        versions=versions(),
        seconds=round(time.perf_counter() - started, 2),
        made_at=now(),
        details={"by_class": by_class, "threshold": threshold},
        items=rows,
    )


def listen(
    embedder: Embedder,
    recording: SpatialRecording,
    names: Sequence[str],
    vectors: NDArray[np.float32],
    *,
    threshold: float = THRESHOLD,
    batch_size: int = 16,
) -> Iterator[Said]:
    """Yield what the model says of each second of a recording, which is streamed; the last one ends with the recording.

    names, vectors (classes, d): the classes and their unit vectors.
    """
    windows = audio.windows(recording.path, 1.0, 1.0, convention=recording.convention)
    while batch := [window.sound for window in islice(windows, batch_size)]:
        loud = [sound for sound in batch if not audio.is_silent(sound.samples)]
        answers = iter(embedder.analyse(loud) if loud else ())
        for sound in batch:
            if audio.is_silent(sound.samples):
                yield Said(None, math.nan)
                continue
            answer = next(answers)
            vector = np.asarray(getattr(answer.embedding, "vector", answer.embedding), dtype=np.float32).reshape(-1)
            yield _said(vectors @ vector, names, answer.location, threshold)


def _said(cosines: NDArray[np.float32], names: Sequence[str], location: Any, threshold: float) -> Said:
    best = int(np.argmax(cosines))
    azimuth, elevation = getattr(location, "azimuth_deg", None), getattr(location, "elevation_deg", None)
    if azimuth is None or elevation is None or cosines[best] < threshold:
        return Said(None, float(cosines[best]))
    distance = getattr(location, "distance_m", None)
    return Said(Heard(names[best], float(azimuth), float(elevation), distance), float(cosines[best]))


def frames_of(events: Sequence[SoundEvent], frames: int) -> list[list[Heard]]:
    """Labels as frames of 100 ms: an event is in a frame whose middle it covers; those of a class by source number."""
    found: list[list[Heard]] = [[] for _ in range(frames)]
    for event in sorted(events, key=lambda e: (e.label, e.track or 0)):
        first, end = (math.ceil(t / FRAME_S - 0.5 - 1e-6) for t in (event.start_s, event.end_s))
        for frame in found[first:end]:
            frame.append(Heard(event.label, event.azimuth_deg, event.elevation_deg, event.distance_m))
    return found


def _note(rows: dict[str, list[Any]], recording: SpatialRecording, true: Frames, seconds: Sequence[Said]) -> None:
    """Write down every second: what is labelled in it and what was said."""
    for k in range(len(true) // FRAMES_A_SECOND):
        labels = {h.label for frame in true[k * FRAMES_A_SECOND : (k + 1) * FRAMES_A_SECOND] for h in frame}
        one = seconds[k] if k < len(seconds) else Said(None, math.nan)
        rows["recording"].append(recording.id)
        rows["second"].append(k)
        rows["true"].append(", ".join(sorted(labels)))
        rows["said"].append(one.heard.label if one.heard else "")
        rows["cosine"].append(None if math.isnan(one.cosine) else one.cosine)
        rows["azimuth_deg"].append(one.heard.azimuth_deg if one.heard else None)
        rows["elevation_deg"].append(one.heard.elevation_deg if one.heard else None)


def _scored(
    pairs: Sequence[tuple[Frames, Frames]], names: Sequence[str]
) -> tuple[dict[str, float], dict[str, Interval], dict[str, Any]]:
    """Metrics, intervals and the macro edition's scores by class, of (true, said) recordings."""
    numbers: dict[str, float] = {"recordings": float(len(pairs))}
    intervals: dict[str, Interval] = {}
    seconds = [seld.count(true, said, names, seld.DCASE2022) for true, said in pairs]
    if not seld.total(seconds).references.any():
        raise DataError("no recording has a labelled sound, so there is nothing to score")
    _add(seconds, seld.DCASE2022, ("macro", "micro"), numbers, intervals)
    _add(seconds, seld.DCASE2021, ("micro",), numbers, intervals)  # counts as 2022 does, and weighs otherwise
    if _has_distances(pairs):
        frames = [seld.count(true, said, names, seld.DCASE2024) for true, said in pairs]
        _add(frames, seld.DCASE2024, ("macro", "micro"), numbers, intervals)
    each = seld.class_scores(seld.total(seconds), seld.DCASE2022)
    return numbers, intervals, {label: asdict(scores) for label, scores in each.items()}


def _add(
    counts: Sequence[Counts],
    edition: Edition,
    averages: Sequence[seld.Average],
    numbers: dict[str, float],
    intervals: dict[str, Interval],
) -> None:
    whole = seld.total(counts)
    for average in averages:
        scores, spans = seld.scores(whole, average, edition), seld.interval(counts, average, edition)
        for name in (f.name for f in fields(scores)):
            key = f"{edition.name}.er" if name == "er" else f"{edition.name}.{average}.{name}"
            ranged = name not in ("distance_m", "relative") or whole.ranged.any()
            if ranged and key not in numbers:
                numbers[key], intervals[key] = getattr(scores, name), spans[name]


def _has_distances(pairs: Sequence[tuple[Frames, Frames]]) -> bool:
    """Tell whether any label and all that was said have a distance."""
    known = any(h.distance_m is not None for true, _ in pairs for frame in true for h in frame)
    return known and all(h.distance_m is not None for _, said in pairs for frame in said for h in frame)


def _protocol(names: Sequence[str], threshold: float) -> str:
    return PROTOCOL.format(n=len(names), names=", ".join(names), template=TEMPLATE, threshold=threshold)
