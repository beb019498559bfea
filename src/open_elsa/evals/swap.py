"""Exchanging a direction in the vectors of sounds by vectors of texts, as the paper does it and in our own way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result
from open_elsa.evals.zero_shot import FEWEST, predict, read
from open_elsa.evals.zero_shot import prototypes as class_vectors
from open_elsa.scenes.attributes import DIRECTION, prompts
from open_elsa.sound.foa import angles
from open_elsa.using import edit
from open_elsa.using.vectors import unit

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
#: (vectors, old direction, new direction or None to remove the old one) -> vectors.
Way = Callable[[Vectors, str, "str | None"], Vectors]

WORDS = DIRECTION.classes
#: Pull of the linear probe's weights towards zero.
RIDGE = 0.02

PROTOCOL = (
    "Scenes whose direction the zero-shot test of four words reads rightly, as many of each word as the rarest has "
    "(seed 0); each is moved to each of the three other words. 'paper': the mean vector of texts that say the old "
    "direction is subtracted, that of the new one added. 'own': the part of the vector in which the four directions' "
    "texts differ is turned to the new one at unchanged length (open_elsa.using.edit). The vectors' texts and the "
    "test's prompts share no sentence. 'accuracy': the moved vector is read as the new direction by the prompts; "
    "'sounds.accuracy': by the nearest mean of real scenes' vectors, 'azimuth_deg': off the new word's middle by a "
    "linear probe, both fitted to the half of the places that the scene is not from. 'change_R@10_points': R@10 from "
    "the vector to the plain captions of its clip, among those of all clips of the set, after minus before. 'removed': "
    "nothing is added; its accuracy is the share still read as the old direction (25 % is chance). Intervals: Wilson "
    "with one count a scene, for its three moves; bootstrap over clips for changes."
)


def run(embedder: Embedder, observations: Observations) -> Result:
    """Move every well-read scene to the three other directions, both ways.

    Metrics "R@10" before, "misread" (share of scenes left out), and for "paper" and "own": ".accuracy", ".n" (scenes),
    ".sounds.accuracy", ".azimuth_deg", ".change_R@10_points", ".removed.accuracy", ".removed.change_R@10_points".
    details: "pairs", a row for every ordered pair and every removal. Raises DataError where a direction has fewer than
    FEWEST well-read scenes.
    """
    started = time.perf_counter()
    true = [words.direction for words in observations.words]
    said = read(embedder, observations, "direction", WORDS)
    right = [i for i, (s, t) in enumerate(zip(said, true, strict=True)) if t is not None and s == t]
    asked = sum(t is not None for t in true)
    counts = {word: sum(true[i] == word for i in right) for word in WORDS}
    if min(counts.values()) < FEWEST:
        raise DataError(f"{observations.suite}: a swap needs {FEWEST} well-read scenes of each direction, has {counts}")
    used = np.array([right[k] for k in metrics.balanced_subset([str(true[i]) for i in right])])
    judges = _Judges.of(embedder, observations, used)
    numbers = {"misread": 1.0 - len(right) / asked}
    intervals: dict[str, metrics.Interval] = {}
    if judges.before is not None:
        numbers["R@10"] = float(judges.before.mean())
    pairs: list[dict[str, object]] = []
    for name, way in {"paper": _paper(embedder), "own": _own(embedder)}.items():
        _score(name, way, observations, used, judges, numbers, intervals, pairs)
    return observations.result(
        "swap",
        numbers,
        protocol=PROTOCOL,
        intervals=intervals,
        details={
            "pairs": pairs,
            "misread": {word: true.count(word) - counts[word] for word in WORDS},
            "left_out": judges.left_out,
        },
        started=started,
        n=len(used),
    )


def _paper(embedder: Embedder) -> Way:
    words = dict(zip(WORDS, edit.prototypes(embedder, WORDS), strict=True))

    def way(vectors: Vectors, old: str, new: str | None) -> Vectors:
        return unit(vectors - words[old] + (0.0 if new is None else words[new]))

    return way


def _own(embedder: Embedder) -> Way:
    directions = edit.Directions.of(embedder)

    def way(vectors: Vectors, _: str, new: str | None) -> Vectors:
        return directions.remove(vectors) if new is None else directions.move(vectors, edit.AZIMUTHS[new])

    return way


def _score(
    name: str,
    way: Way,
    observations: Observations,
    used: NDArray[np.int64],
    judges: _Judges,
    numbers: dict[str, float],
    intervals: dict[str, metrics.Interval],
    pairs: list[dict[str, object]],
) -> None:
    """Every pair and removal in one way; the rows of moved scenes stand in the order of `used`, one column a move."""
    old = np.array([str(observations.words[i].direction) for i in used])
    clips = [observations.clip_ids[i] for i in used]
    scores = {True: _columns(len(used)), False: _columns(len(used))}
    for word in WORDS:
        rows = np.flatnonzero(old == word)
        for new in (*(w for w in WORDS if w != word), None):
            moved = way(observations.embeddings[used[rows]], word, new)
            judged = judges.judge(moved, rows, new or word, moved_to=new is not None)
            for key, values in judged.items():
                scores[new is None][key][rows] += values / (1 if new is None else len(WORDS) - 1)
            pairs.append(
                {
                    "way": name,
                    "old": word,
                    "new": new,
                    "n": len(rows),
                    "R@10": float("nan") if judges.before is None else float(judges.before[rows].mean()),
                    **{key: float(values.mean()) for key, values in judged.items()},
                }
            )
    for removed, columns in scores.items():
        prefix = f"{name}.removed" if removed else name
        accuracy = columns["accuracy"]
        numbers[f"{prefix}.accuracy"] = float(accuracy.mean())
        intervals[f"{prefix}.accuracy"] = metrics.wilson_interval(round(float(accuracy.sum())), len(used))
        numbers[f"{prefix}.n"] = float(len(used))
        if judges.before is not None:
            key = "change_R@10_points"
            numbers[f"{prefix}.{key}"] = float(columns[key].mean())
            intervals[f"{prefix}.{key}"] = metrics.bootstrap_interval(columns[key], groups=clips)
        if not removed and judges.halves is not None:
            for key in ("sounds.accuracy", "azimuth_deg"):
                numbers[f"{prefix}.{key}"] = float(columns[key].mean())
                intervals[f"{prefix}.{key}"] = metrics.bootstrap_interval(columns[key], groups=clips)


def _columns(n: int) -> dict[str, Floats]:
    return {key: np.zeros(n) for key in ("accuracy", "change_R@10_points", "sounds.accuracy", "azimuth_deg")}


@dataclass(frozen=True)
class _Half:
    """What real scenes of one half of the places say of directions: mean vectors of the words, and a linear probe."""

    centre: Floats  # (d,)
    means: Floats  # (words, d)
    weights: Floats  # (d + 1, 3)


@dataclass(frozen=True)
class _Judges:
    """Who says where a moved vector points, and what it is the sound of; each row of `used` has its own.

    before: hit within ten (used,), None where clips have no plain captions. halves: of the places a scene is not from,
    chosen by `half`; None where there are too few scenes.
    """

    names: list[str]
    classes: Vectors
    gallery: Vectors
    correct: list[set[int]]
    before: Floats | None
    half: NDArray[np.int64]
    halves: tuple[_Half, _Half] | None
    left_out: dict[str, str]

    @classmethod
    def of(cls, embedder: Embedder, observations: Observations, used: NDArray[np.int64]) -> _Judges:
        names, classes = class_vectors(embedder, {word: prompts("direction")[word] for word in WORDS})
        left_out: dict[str, str] = {}
        half = np.array([hashlib.sha256(place.encode()).digest()[0] % 2 for place in observations.places])
        fitted = [_fit(observations, np.flatnonzero(half == side)) for side in (0, 1)]
        halves = (fitted[0], fitted[1]) if fitted[0] is not None and fitted[1] is not None else None
        if halves is None:
            left_out["sounds"] = f"half of the places have no {FEWEST} scenes of a direction"
        texts = list(dict.fromkeys(text for captions in observations.plain for text in captions))
        place_of = {text: k for k, text in enumerate(texts)}
        correct = [{place_of[t] for t in observations.plain[i]} for i in used] if texts else []
        gallery = embedder.embed_text(texts) if texts else np.zeros((0, classes.shape[1]), np.float32)
        before = None
        if texts and all(correct):
            before = metrics.hits_at_k(metrics.top_k(observations.embeddings[used], gallery), correct, 10)
        else:
            left_out["R@10"] = "the clips have no captions of their own"
        return cls(names, classes, gallery, correct, before, half[used], halves, left_out)

    def judge(self, moved: Vectors, rows: NDArray[np.int64], word: str, *, moved_to: bool) -> dict[str, Floats]:
        """Numbers of vectors (m, d), which stand in `rows` of the used scenes: is each read as `word`?

        moved_to: whether they were moved there, so that real scenes from there judge them, too.
        """
        read_as = predict(moved, self.names, self.classes)
        found = {"accuracy": np.array([float(w == word) for w in read_as])}
        if self.before is not None:
            hits = metrics.hits_at_k(metrics.top_k(moved, self.gallery), [self.correct[r] for r in rows], 10)
            found["change_R@10_points"] = 100.0 * (hits - self.before[rows])
        if self.halves is not None and moved_to:
            sounds, off = np.zeros(len(rows)), np.zeros(len(rows))
            for side in (0, 1):
                inside, other = self.half[rows] == side, self.halves[1 - side]
                nearest = np.argmax((moved[inside] - other.centre) @ (other.means - other.centre).T, axis=1)
                sounds[inside] = nearest == WORDS.index(word)
                azimuth, _ = angles(np.c_[moved[inside], np.ones(inside.sum())] @ other.weights)
                off[inside] = np.abs((azimuth - edit.AZIMUTHS[word] + 180.0) % 360.0 - 180.0)
            found |= {"sounds.accuracy": sounds, "azimuth_deg": off}
        return found


def _fit(observations: Observations, rows: NDArray[np.int64]) -> _Half | None:
    """What scenes (rows) say of directions; None where a word has fewer than FEWEST of them."""
    words = np.array([str(observations.words[i].direction) for i in rows])
    if any((words == word).sum() < FEWEST for word in WORDS):
        return None
    vectors = observations.embeddings[rows].astype(np.float64)
    means = np.stack([vectors[words == word].mean(axis=0) for word in WORDS])
    wide, true = np.c_[vectors, np.ones(len(rows))], observations.true_vectors[rows]
    weights = np.linalg.solve(wide.T @ wide + RIDGE * np.eye(wide.shape[1]), wide.T @ true)
    return _Half(means.mean(axis=0), means, weights)
