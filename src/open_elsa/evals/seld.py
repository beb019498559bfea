"""The DCASE metrics of sound event localization and detection: right class at the right place, over labelled frames.

Definitions: A. Mesaros, S. Adavanne, A. Politis, T. Heittola, T. Virtanen, Joint Measurement of Localization and
Detection of Sound Events, WASPAA 2019; several sounds of one class: A. Politis, A. Mesaros, S. Adavanne, T. Heittola,
T. Virtanen, Overview and Evaluation of Sound Event Localization and Detection in DCASE 2019, IEEE/ACM TASLP 29, 2020;
with distance: the DCASE 2024 challenge, task 3. What the papers leave open is decided as in the challenges' baselines
(SELD_evaluation_metrics.py of seld-dcase2021, seld-dcase2022 and the DCASE 2024 baseline). One thing differs: they stop
counting at the last second with a label, here a whole recording is counted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from open_elsa.errors import DataError
from open_elsa.evals.metrics import Interval
from open_elsa.sound.foa import angular_error_deg, unit_vector

Floats = NDArray[np.float64]
Average = Literal["macro", "micro"]

#: Length in seconds of a labelled frame.
FRAME_S = 0.1
#: An angle of exactly the threshold is a hit, whatever the last bit of its arithmetic says.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Heard:
    """One sound in one frame: its class, where it is (degrees, +90 left) and how far, None = not known."""

    label: str
    azimuth_deg: float
    elevation_deg: float
    distance_m: float | None = None


#: What is heard in each frame of a recording.
Frames: TypeAlias = Sequence[Sequence[Heard]]


@dataclass(frozen=True)
class Edition:
    """How a year of the challenge counts.

    segment_frames: frames that are judged together. threshold_deg, relative_distance: a sound further off than either
    is no hit; relative_distance in shares of the true one, infinite where it is not judged. off_weight: what a sound of
    the right class at the wrong place weighs in the F-score's denominator, against 1 for a hit. unmatched_deg:
    localization error of a class that was never found. with_distance: the SELD score is of F, angle and distance.
    """

    name: str
    segment_frames: int = 10
    threshold_deg: float = 20.0
    relative_distance: float = math.inf
    off_weight: float = 1.0
    unmatched_deg: float = 180.0
    with_distance: bool = False


#: 2021 counts a sound at the wrong place as a false positive; since 2022 it is a missed one as well.
DCASE2021 = Edition("dcase2021", off_weight=0.5)
#: Of 2022 and 2023.
DCASE2022 = Edition("dcase2022")
#: Frame by frame, and no further off than the true distance itself.
DCASE2024 = Edition("dcase2024", segment_frames=1, relative_distance=1.0, unmatched_deg=math.nan, with_distance=True)


@dataclass(frozen=True)
class Counts:
    """What was counted in some recordings; the sum of several is `total`.

    By class (n,): hits (right class within the thresholds), off (right class, wrong place), missed, extra, references;
    error_deg: angles summed over hits and off; ranged, distance_m, relative: how many of them have a distance, and its
    summed absolute and relative error. Over all classes, where one may stand for another within a segment:
    substitutions, deletions, insertions.
    """

    classes: tuple[str, ...]
    hits: Floats = field(kw_only=True)
    off: Floats = field(kw_only=True)
    missed: Floats = field(kw_only=True)
    extra: Floats = field(kw_only=True)
    references: Floats = field(kw_only=True)
    error_deg: Floats = field(kw_only=True)
    ranged: Floats = field(kw_only=True)
    distance_m: Floats = field(kw_only=True)
    relative: Floats = field(kw_only=True)
    substitutions: float = 0.0
    deletions: float = 0.0
    insertions: float = 0.0


@dataclass(frozen=True)
class Scores:
    """The numbers of the challenge, shares 0 to 1.

    er: error rate, which is of all classes together in either average. f: F-score. le_deg: localization error of sounds
    of the right class, lr: their recall. distance_m, relative: their distance error, NaN where no distance is known.
    seld: the SELD score, 0 best.
    """

    er: float
    f: float
    le_deg: float
    lr: float
    distance_m: float
    relative: float
    seld: float


def count(reference: Frames, predicted: Frames, classes: Sequence[str], edition: Edition = DCASE2022) -> Counts:
    """Hold what was said of a recording against what is true, segment by segment.

    reference, predicted: as many frames each. The order of sounds in a frame matters for the reference only, and only
    where several sounds of one class overlap: the k-th of a frame is taken for the k-th of the next.
    Raises DataError for different lengths, for a class that is not one of `classes`, and, where the edition judges
    distance, for a said sound without a distance beside a true one with it.
    """
    if len(reference) != len(predicted):
        raise DataError(f"{len(reference)} frames are labelled, but {len(predicted)} are said")
    index = {label: i for i, label in enumerate(classes)}
    if strange := {h.label for frames in (reference, predicted) for frame in frames for h in frame} - set(index):
        raise DataError(f"{sorted(strange)[0]!r} is none of the classes {', '.join(classes)}")
    table: dict[str, Floats] = {f.name: np.zeros(len(index)) for f in fields(Counts) if f.kw_only}
    substitutions = deletions = insertions = 0.0
    for start in range(0, len(reference), edition.segment_frames):
        true = _by_class(reference[start : start + edition.segment_frames])
        said = _by_class(predicted[start : start + edition.segment_frames])
        missed = wrong = 0.0
        for label in sorted({*true, *said}):
            found = _judge(true.get(label, {}), said.get(label, {}), edition)
            for name, value in found.items():
                table[name][index[label]] += value
            missed, wrong = missed + found["missed"], wrong + found["extra"] + found["off"]
        substitutions += min(missed, wrong)
        deletions += max(0.0, missed - wrong)
        insertions += max(0.0, wrong - missed)
    return Counts(tuple(classes), **table, substitutions=substitutions, deletions=deletions, insertions=insertions)


def total(counts: Sequence[Counts]) -> Counts:
    """The sum of what was counted; DataError for none or for different classes."""
    if len({c.classes for c in counts}) != 1:
        raise DataError("only counts of the same classes can be added, and at least one is needed")
    names = [f.name for f in fields(Counts) if f.name != "classes"]
    return Counts(counts[0].classes, **{name: sum(getattr(c, name) for c in counts) for name in names})


def scores(counts: Counts, average: Average = "macro", edition: Edition = DCASE2022) -> Scores:
    """The scores of what was counted.

    macro: the mean over the classes that the reference has; micro: every sound counts the same. With no sound in the
    reference everything is NaN.
    """
    if not counts.references.any():
        return Scores(*[math.nan] * len(fields(Scores)))
    er = (counts.substitutions + counts.deletions + counts.insertions) / float(counts.references.sum())
    if average == "micro":
        return _score({f.name: float(getattr(counts, f.name).sum()) for f in fields(Counts) if f.kw_only}, er, edition)
    each = list(class_scores(counts, edition).values())
    return Scores(*(_known_mean([getattr(one, f.name) for one in each]) for f in fields(Scores)))


def class_scores(counts: Counts, edition: Edition = DCASE2022) -> dict[str, Scores]:
    """The scores of every class that the reference has; the error rate is that of all classes."""
    er = (counts.substitutions + counts.deletions + counts.insertions) / max(float(counts.references.sum()), 1.0)
    names = [f.name for f in fields(Counts) if f.kw_only]
    return {
        label: _score({name: float(getattr(counts, name)[i]) for name in names}, er, edition)
        for i, label in enumerate(counts.classes)
        if counts.references[i] > 0
    }


def interval(
    counts: Sequence[Counts],
    average: Average = "macro",
    edition: Edition = DCASE2022,
    *,
    seed: int = 0,
    rounds: int = 300,
) -> dict[str, Interval]:
    """Percentile bootstrap of 95 % over recordings, by the name of the score; NaN for fewer than two recordings."""
    names = [f.name for f in fields(Scores)]
    if len(counts) < 2:
        return {name: Interval(math.nan, math.nan) for name in names}
    rng = np.random.default_rng(seed)
    drawn = [
        scores(total([counts[i] for i in chosen]), average, edition) for chosen in _draws(rng, len(counts), rounds)
    ]
    spans = {}
    for name in names:
        values = np.array([getattr(s, name) for s in drawn])
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, [2.5, 97.5]) if values.size else (math.nan, math.nan)
        spans[name] = Interval(float(low), float(high))
    return spans


def _draws(rng: np.random.Generator, n: int, rounds: int) -> list[NDArray[np.int64]]:
    return [rng.integers(n, size=n) for _ in range(rounds)]


def _by_class(segment: Frames) -> dict[str, dict[int, list[Heard]]]:
    """The sounds of a segment: class -> frame -> sounds."""
    found: dict[str, dict[int, list[Heard]]] = defaultdict(dict)
    for number, frame in enumerate(segment):
        for heard in frame:
            found[heard.label].setdefault(number, []).append(heard)
    return found


def _judge(true: dict[int, list[Heard]], said: dict[int, list[Heard]], edition: Edition) -> dict[str, float]:
    """Count one class in one segment (frame -> sounds): what `Counts` has by class."""
    references, claims = (max(map(len, frames.values()), default=0) for frames in (true, said))
    found = dict.fromkeys((f.name for f in fields(Counts) if f.kw_only), 0.0)
    found["references"] = float(references)
    pairs = _pairs(true, said)
    if true and said and not pairs:  # never in the same frame: the baselines count what was said as missed
        found["missed"] = float(claims)
        return found
    found["missed"], found["extra"] = float(max(0, references - claims)), float(max(0, claims - references))
    for angles, ranges in ((_angles(track), _ranges(track, edition)) for track in pairs.values()):
        angle, relative = float(np.mean(angles)), 0.0
        if ranges:
            relative = float(np.mean([r for _, r in ranges]))
            found["ranged"] += 1
            found["distance_m"] += float(np.mean([m for m, _ in ranges]))
            found["relative"] += relative
        near = angle <= edition.threshold_deg + _ROUNDING and relative <= edition.relative_distance + _ROUNDING
        found["hits" if near else "off"] += 1
        found["error_deg"] += angle
    return found


def _pairs(true: dict[int, list[Heard]], said: dict[int, list[Heard]]) -> dict[int, list[tuple[Heard, Heard]]]:
    """True and said sounds of one class that belong together: place in the reference -> one pair a common frame.

    In each frame they are paired so that the sum of angles is least (the Hungarian method).
    """
    found: dict[int, list[tuple[Heard, Heard]]] = defaultdict(list)
    for number in sorted(set(true) & set(said)):
        here, there = true[number], said[number]
        angles = angular_error_deg(_vectors(here)[:, None], _vectors(there)[None])
        for row, column in zip(*linear_sum_assignment(angles), strict=True):
            found[int(row)].append((here[row], there[column]))
    return found


def _vectors(sounds: Sequence[Heard]) -> Floats:
    return unit_vector([h.azimuth_deg for h in sounds], [h.elevation_deg for h in sounds])


def _angles(track: Sequence[tuple[Heard, Heard]]) -> Floats:
    return angular_error_deg(_vectors([true for true, _ in track]), _vectors([said for _, said in track]))


def _ranges(track: Sequence[tuple[Heard, Heard]], edition: Edition) -> list[tuple[float, float]]:
    """Absolute (m) and relative distance errors of the pairs whose true distance is known."""
    found = []
    for true, said in track:
        if true.distance_m is None:
            continue
        if said.distance_m is None:
            if edition.with_distance:
                raise DataError(
                    f"{edition.name} judges distance, but a sound of class {said.label!r} was said without it"
                )
            continue
        error = abs(said.distance_m - true.distance_m)
        found.append((error, error / true.distance_m))
    return found


def _score(sums: dict[str, float], er: float, edition: Edition) -> Scores:
    matched = sums["hits"] + sums["off"]
    weight = sums["hits"] + edition.off_weight * sums["off"] + 0.5 * (sums["extra"] + sums["missed"])
    f = sums["hits"] / weight if weight else 0.0
    le_deg = sums["error_deg"] / matched if matched else edition.unmatched_deg
    found = matched + sums["missed"]
    lr = matched / found if found else 0.0
    distance_m, relative = (
        sums[k] / sums["ranged"] if sums["ranged"] else math.nan for k in ("distance_m", "relative")
    )
    parts = [1.0 - f, le_deg / 180.0, relative] if edition.with_distance else [er, 1.0 - f, le_deg / 180.0, 1.0 - lr]
    return Scores(er, f, le_deg, lr, distance_m, relative, _known_mean(parts))


def _known_mean(values: Sequence[float]) -> float:
    known = [v for v in values if math.isfinite(v)]
    return float(np.mean(known)) if known else math.nan
