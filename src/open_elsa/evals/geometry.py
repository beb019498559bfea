"""The shape of the embedding space: how far classes lie apart, and how much "where" there is in "what" and vice versa.

A model that keeps "what" and "where" apart is looked at whole and in its halves; a fused one only whole.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import metrics, projection
from open_elsa.evals.clusters import clouds
from open_elsa.evals.explained import explained, ranks
from open_elsa.evals.mono_classes import prompt
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.probes import azimuth_errors, crossed_folds, probe_azimuth, probe_classes
from open_elsa.evals.result import Result
from open_elsa.evals.zero_shot import FEWEST, prototypes
from open_elsa.scenes.attributes import ATTRIBUTES, prompts
from open_elsa.using.vectors import unit

Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]

#: What the sound is, among the spatial attributes.
SOUND = "sound"
#: Scenes that are measured at most, and scenes that are drawn; of larger sets a part, drawn with SEED.
MOST_SCENES, MOST_POINTS = 3000, 1500
SEED = 0
#: What an attribute belongs to: two scenes that share it share the attribute.
_UNITS = {
    "direction": "places",
    "elevation": "places",
    "distance": "places",
    "room_size": "rooms",
    "reverberation": "rooms",
    SOUND: "recordings",
}

PROTOCOL = (
    "Of the whole embedding, and of its halves where the model keeps 'what' and 'where' apart, each of unit length. "
    "clusters: Wasserstein-1 distance (exact assignment, Euclidean) between balanced samples of up to 64 scenes of two "
    "classes over that between two halves of one class, 1 = not apart; halves share no place (direction, elevation, "
    "distance), room (size, reverberation) or recording (sound). 'audio': sounds; 'text': the scenes' captions; 'gap': "
    "sounds to captions of the same class, over the distance within both; 'match': sounds to captions of other classes "
    "over their own. Intervals: places, rooms or recordings drawn with replacement. probe: a linear discriminant "
    "(azimuth: a linear regression) with shrunk covariance, every scene read by one that was fitted on neither its "
    "room nor its recording (5 x 5 folds); balanced accuracy and mean azimuth error, intervals by bootstrap over rooms "
    "(sound: recordings), chance = 1/classes and a random other scene's azimuth. query_what: 'the sound of LABEL' "
    "against the scenes of that label; 'explained' = the share of the score's variance within labels that direction, "
    "... explain (partial eta squared). query_where: templated captions of each word against the scenes it is true of; "
    "the share that the sound's label explains. chance and p: the factor exchanged between places, rooms or "
    "recordings, 199 times."
)


@dataclass(frozen=True)
class View:
    """A part of the embedding: its name and its columns."""

    name: str
    columns: slice

    def of(self, vectors: Vectors) -> Vectors:
        """The part of vectors (n, d), each row of unit length; zeros stay zeros."""
        return unit(vectors[:, self.columns])


@dataclass(frozen=True)
class Factor:
    """An attribute of the scenes: its classes, the class of each scene (None = no word) and what it belongs to."""

    name: str
    classes: tuple[str, ...]
    labels: Sequence[str | None]
    units: Sequence[str]

    @property
    def codes(self) -> Ints:
        """Number of each scene's class (n,), -1 where it has none of `classes`."""
        place = {word: i for i, word in enumerate(self.classes)}
        return np.array([place.get(word, -1) if word is not None else -1 for word in self.labels], dtype=np.int64)


@dataclass
class _Found:
    """What has been measured so far."""

    numbers: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, metrics.Interval] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: float, interval: metrics.Interval) -> None:
        self.numbers[name], self.intervals[name] = value, interval


def run(embedder: Embedder, observations: Observations) -> Result:
    """Measure clusters, probes and leaks of every attribute that the set can test.

    Metrics, for VIEW in whole (and what, where): "clusters.VIEW.ATTRIBUTE.audio", ".text", ".gap", ".match";
    "probe.VIEW.ATTRIBUTE.accuracy", "probe.VIEW.azimuth.mean_deg" with "probe.ATTRIBUTE.chance" and
    "probe.azimuth.chance_deg"; "query_what.VIEW.ATTRIBUTE.explained" and "query_where.VIEW.ATTRIBUTE.explained", each
    with ".chance" and ".p". ATTRIBUTE is one of ATTRIBUTES or "sound". details: "clusters" (distances), "ranks",
    "projection" (points of the prompts), "left_out". items: the points of the scenes, VIEW_x and VIEW_y.
    Raises DataError when no attribute can be tested.
    """
    started = time.perf_counter()
    seen, rows = _part(observations, MOST_SCENES)
    found = _Found()
    factors = _factors(seen, found)
    if not factors:
        raise DataError(
            f"{observations.suite} can test no attribute: {found.left_out}; it needs {FEWEST} scenes in each class"
        )
    views = views_of(embedder, seen.embeddings.shape[1])
    captions = [texts[0] for texts in seen.captions if texts]
    text = embedder.embed_text(captions) if len(captions) == len(seen) else None
    for view in views:
        audio = view.of(seen.embeddings)
        for factor in factors.values():
            _clusters(view, factor, audio, None if text is None else view.of(text), found)
    _probes(views, factors, seen, found)
    _queries(embedder, views, factors, seen, found)
    items = _points(embedder, views, factors, seen, found)
    found.details["left_out"] = found.left_out
    return observations.result(
        "geometry",
        found.numbers,
        protocol=PROTOCOL,
        intervals=found.intervals,
        details=found.details,
        items=items,
        started=started,
        n=len(rows),
    )


def views_of(embedder: Embedder, dim: int) -> list[View]:
    """The whole embedding of `dim` numbers, and its halves where the model's config says where_dim > 0."""
    where = int(getattr(getattr(embedder, "config", None), "where_dim", 0))
    whole = [View("whole", slice(0, dim))]
    return [*whole, View("what", slice(0, dim - where)), View("where", slice(dim - where, dim))] if where else whole


def _factors(seen: Observations, found: _Found) -> dict[str, Factor]:
    """The attributes that this set can test; why not goes to `left_out` for the others."""
    units = {"places": seen.places, "rooms": seen.rooms or seen.places, "recordings": seen.recordings or seen.clip_ids}
    factors: dict[str, Factor] = {}
    for name, attribute in ATTRIBUTES.items():
        words: list[str | None] = [getattr(w, name) for w in seen.words]
        factors[name] = Factor(name, tuple(attribute.classes), words, units[_UNITS[name]])
    labels: list[str | None] = [label or None for label in seen.labels]
    common = sorted({label for label in labels if label and _enough(labels, units["recordings"], label)})
    factors[SOUND] = Factor(SOUND, tuple(common), labels, units["recordings"])
    for name, factor in list(factors.items()):
        short = [word for word in factor.classes if not _enough(factor.labels, factor.units, word)]
        if short or len(factor.classes) < 2:
            found.left_out[name] = (
                f"fewer than {2 * FEWEST} scenes or two {_UNITS[name]} in class {', '.join(short)}"
                if short
                else f"{len(factor.classes)} classes of {2 * FEWEST} scenes and two recordings"
            )
            del factors[name]
    return factors


def _enough(labels: Sequence[str | None], units: Sequence[str], word: str) -> bool:
    own = [unit for label, unit in zip(labels, units, strict=True) if label == word]
    return len(own) >= 2 * FEWEST and len(set(own)) >= 2


def _clusters(view: View, factor: Factor, audio: Vectors, text: Vectors | None, found: _Found) -> None:
    name = f"clusters.{view.name}.{factor.name}"
    try:
        made = clouds(audio, text, factor.labels, factor.units, factor.classes, seed=SEED)
    except DataError as error:
        found.left_out[name] = str(error)
        return
    for key, value in made.numbers().items():
        found.add(f"{name}.{key}", value, made.intervals[key])
    detail: dict[str, Any] = {"classes": list(made.classes), "sample": made.size}
    if len(made.classes) <= len(ATTRIBUTES["direction"].words):
        detail |= {"audio": made.audio, "text": made.text, "across": made.across}
    else:  # k x k numbers are no longer for reading
        detail |= {"closest": made.closest(), "audio_within": float(np.diag(made.audio).mean())}
    found.details.setdefault("clusters", {}).setdefault(view.name, {})[factor.name] = detail


def _probes(views: Sequence[View], factors: Mapping[str, Factor], seen: Observations, found: _Found) -> None:
    rooms, recordings = seen.rooms or seen.places, seen.recordings or seen.clip_ids
    try:
        folds = crossed_folds(rooms, recordings, seed=SEED)
    except DataError as error:
        found.left_out["probe"] = str(error)
        return
    azimuth = seen.truth["azimuth_deg"]
    known = np.isfinite(azimuth)
    for factor in factors.values():
        found.numbers[f"probe.{factor.name}.chance"] = 1 / len(factor.classes)
    if known.any():
        others = [azimuth_errors(azimuth[known], a).mean() for a in azimuth[known]]
        found.numbers["probe.azimuth.chance_deg"] = float(np.mean(others))
    for view in views:
        vectors = view.of(seen.embeddings)
        for factor in factors.values():
            said, true = probe_classes(vectors, factor.codes, folds), factor.codes
            asked = np.flatnonzero(true >= 0)
            # every class weighs the same: the mean of these is the balanced accuracy
            weight = len(asked) / (len(factor.classes) * np.bincount(true[asked])[true[asked]])
            keys = recordings if factor.name == SOUND else rooms
            name, right = f"probe.{view.name}.{factor.name}.accuracy", (said == true)[asked] * weight
            interval = metrics.bootstrap_interval(right, groups=[keys[int(i)] for i in asked], seed=SEED)
            found.add(name, float(right.mean()), interval)
        errors = azimuth_errors(probe_azimuth(vectors, azimuth, folds), azimuth)
        read = np.flatnonzero(np.isfinite(errors))
        if len(read):
            interval = metrics.bootstrap_interval(errors[read], groups=[rooms[int(i)] for i in read], seed=SEED)
            found.add(f"probe.{view.name}.azimuth.mean_deg", float(errors[read].mean()), interval)


def _queries(
    embedder: Embedder, views: Sequence[View], factors: Mapping[str, Factor], seen: Observations, found: _Found
) -> None:
    """What explains the scores of queries that say only what, and of queries that say only where."""
    sound = factors.get(SOUND)
    if sound is None:
        return
    asked = {name: prompts(name) for name in factors if name != SOUND}
    queries = {name: prototypes(embedder, {w: asked[name][w] for w in factors[name].classes})[1] for name in asked}
    what = embedder.embed_text([prompt(label) for label in sound.classes])
    for view in views:
        audio = view.of(seen.embeddings)
        if view.name != "where":
            scores = audio @ view.of(what).T
            found.details.setdefault("ranks", {})[view.name] = {
                name: _mean_ranks(scores, sound, factors[name]) for name in asked
            }
            for name in asked:
                _leak(f"query_what.{view.name}.{name}", scores, sound, factors[name], found)
        if view.name != "what":
            for name in asked:
                scores = audio @ view.of(queries[name]).T
                _leak(f"query_where.{view.name}.{name}", scores, factors[name], sound, found)


def _leak(name: str, scores: Vectors, asked: Factor, factor: Factor, found: _Found) -> None:
    """How much of the scores of true scenes `factor` explains, beyond which class was asked for."""
    query, codes = asked.codes, factor.codes
    rows = np.flatnonzero((query >= 0) & (codes >= 0))
    own = scores[rows, query[rows]].astype(np.float64)
    made = explained(own, query[rows], codes[rows], [factor.units[int(i)] for i in rows], seed=SEED)
    found.add(f"{name}.explained", made.share, made.interval)
    found.numbers[f"{name}.chance"], found.numbers[f"{name}.p"] = made.chance, made.p


def _mean_ranks(scores: Vectors, sound: Factor, factor: Factor) -> dict[str, float]:
    """Mean rank (1 = above all scenes of other labels) of a label's own scenes, by word of the factor."""
    codes, found = sound.codes, np.full(len(scores), np.nan)
    for code in range(len(sound.classes)):
        own = codes == code
        found[own] = ranks(scores[:, code].astype(np.float64), own)
    words = factor.codes
    return {w: float(np.nanmean(found[words == i])) for i, w in enumerate(factor.classes) if (words == i).any()}


def _points(
    embedder: Embedder, views: Sequence[View], factors: Mapping[str, Factor], seen: Observations, found: _Found
) -> dict[str, list[Any]]:
    """Points of scenes and prompts on a page, view by view; the scenes' truth beside."""
    shown, rows = _part(seen, MOST_POINTS)
    items: dict[str, list[Any]] = {"id": list(shown.ids), "label": list(shown.labels)}
    items |= {name: [None if np.isnan(v) else float(v) for v in values] for name, values in shown.truth.items()}
    said = [
        (name, word, text)
        for name, factor in factors.items()
        for word in factor.classes
        for text in ([prompt(word)] if name == SOUND else dict.fromkeys(prompts(name)[word]))
    ]
    vectors = embedder.embed_text([text for _, _, text in said])
    for view in views:
        # half of a sentence that says nothing of this half is close to zero, and would point anywhere
        silent = {"what": set(ATTRIBUTES), "where": {SOUND}}.get(view.name, set())
        kept = [i for i, (name, _, _) in enumerate(said) if name not in silent]
        try:
            points, method = projection.project(
                np.concatenate([view.of(seen.embeddings[rows]), view.of(vectors[kept])]), SEED
            )
        except DataError as error:
            found.left_out[f"projection.{view.name}"] = str(error)
            continue
        items[f"{view.name}_x"], items[f"{view.name}_y"] = points[: len(rows)].T.tolist()
        found.details.setdefault("projection", {})[view.name] = {
            "method": method,
            "prompts": [
                {"attribute": said[i][0], "word": said[i][1], "text": said[i][2], "x": x, "y": y}
                for i, (x, y) in zip(kept, points[len(rows) :].tolist(), strict=True)
            ],
        }
    return items


def _part(seen: Observations, most: int) -> tuple[Observations, Ints]:
    """At most so many items, drawn with SEED, and their row numbers in ascending order."""
    rows = np.arange(len(seen))
    if len(seen) > most:
        rows = np.sort(np.random.default_rng(SEED).permutation(len(seen))[:most])
    return (seen if len(rows) == len(seen) else seen.subset(rows)), rows
