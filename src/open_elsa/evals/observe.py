"""One pass over a test set: every scene is rendered and embedded once, and all tasks read the table it leaves.

Sounds are streamed in batches, so memory does not grow with the set beyond one row of numbers a scene.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals.metrics import Interval
from open_elsa.evals.result import Result, now, versions
from open_elsa.scenes.scene import SpatialWords
from open_elsa.scenes.scene_files import TRUTH
from open_elsa.sound.audio import Sound
from open_elsa.sound.foa import unit_vector

Floats = NDArray[np.float64]
Estimate = Callable[[NDArray[np.float32], int], Mapping[str, Floats]]

#: What is true of a scene and what a model may say of it, with units; NaN = unknown.
QUANTITIES = TRUTH


class Embedder(Protocol):
    """What an evaluation needs of a model; `open_elsa.load()` returns one.

    analyse: `Sound`s -> one object each with `.embedding` (a vector, or an object with `.vector`) and `.location`.
    embed_text: m texts -> (m, d) unit vectors.
    """

    def analyse(self, sounds: Sequence[Sound], /) -> Sequence[Any]:
        """Embed and locate sounds."""
        ...

    def embed_text(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Embed sentences."""
        ...


@dataclass(frozen=True)
class EvalItem:
    """One sound of a test set with everything true about it.

    samples: (1, n) mono or (4, n) AmbiX float32. truth: some of QUANTITIES. place: key of the source's place (items of
    one place are not independent). group: part of the set that is reported on its own ("" = none). plain: captions of
    the clip alone, which say nothing of a place. more: further numbers of sets that have them; a task says which it
    needs. room, recording: keys of the room, whatever its state, and of the original recording ("" = each place, each
    clip is its own).
    """

    id: str
    samples: NDArray[np.float32]
    sample_rate: int
    clip_id: str
    label: str
    captions: tuple[str, ...] = ()
    truth: Mapping[str, float | None] = field(default_factory=dict)
    words: SpatialWords = field(default_factory=SpatialWords)
    place: str = ""
    group: str = ""
    plain: tuple[str, ...] = ()
    more: Mapping[str, float | None] = field(default_factory=dict)
    room: str = ""
    recording: str = ""


class EvalSet(Protocol):
    """A named, reproducible test set: `items()` yields the same items in the same order every time."""

    @property
    def name(self) -> str:
        """Suite's name, the first half of a result's file name."""
        ...

    @property
    def revision(self) -> str:
        """Hash of everything the set consists of."""
        ...

    @property
    def about(self) -> str:
        """How the set is made, in words: the first half of every protocol."""
        ...

    def __len__(self) -> int: ...

    def items(self) -> Iterator[EvalItem]:
        """Render the items one by one."""
        ...


@dataclass(frozen=True)
class Observations:
    """The table that every task reads: n items with their truth, their embedding and what the model said.

    embeddings: (n, d) float32. truth and said: quantity -> (n,) float64, NaN = unknown or not said.
    baselines: estimator -> (n, 3) unit vectors (empty for mono). plain: each clip's own captions. more: further
    numbers by name, (n,) float64, NaN where an item has none. about: how the set is made. seconds: what the pass took.
    rooms, recordings: keys of what items share, beside their place and clip.
    """

    suite: str
    revision: str
    ids: Sequence[str]
    clip_ids: Sequence[str]
    labels: Sequence[str]
    captions: Sequence[tuple[str, ...]]
    words: Sequence[SpatialWords]
    places: Sequence[str]
    groups: Sequence[str]
    embeddings: NDArray[np.float32]
    truth: Mapping[str, Floats]
    said: Mapping[str, Floats]
    baselines: Mapping[str, Floats] = field(default_factory=dict)
    model: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    about: str = ""
    plain: Sequence[tuple[str, ...]] = ()
    more: Mapping[str, Floats] = field(default_factory=dict)
    rooms: Sequence[str] = ()
    recordings: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def true_vectors(self) -> Floats:
        """True directions as unit vectors (n, 3); NaN for mono items."""
        return unit_vector(self.truth["azimuth_deg"], self.truth["elevation_deg"])

    @property
    def said_vectors(self) -> Floats:
        """Directions that the model said, as unit vectors (n, 3); NaN where it said none."""
        return unit_vector(self.said["azimuth_deg"], self.said["elevation_deg"])

    def subset(self, rows: Sequence[int] | NDArray[np.int64]) -> Observations:
        """The items of these row numbers, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        columns: dict[str, Any] = {}
        for column in fields(self):
            value = getattr(self, column.name)
            if column.name in ("truth", "said", "baselines", "more"):
                columns[column.name] = {k: v[index] for k, v in value.items()}
            elif isinstance(value, np.ndarray):
                columns[column.name] = value[index]
            elif isinstance(value, list | tuple) and len(value):
                columns[column.name] = [value[i] for i in index]
        return replace(self, **columns)

    def group_masks(self) -> dict[str, NDArray[np.bool_]]:
        """Membership (n,) of each named group, sorted by name; empty when the suite has no groups."""
        keys = np.asarray(self.groups, dtype=object)
        return {str(name): keys == name for name in sorted(set(self.groups)) if name}

    def result(
        self,
        task: str,
        metrics: Mapping[str, float],
        *,
        protocol: str,
        started: float,
        intervals: Mapping[str, Interval] | None = None,
        details: Mapping[str, Any] | None = None,
        items: Mapping[str, Sequence[Any]] | None = None,
        n: int | None = None,
    ) -> Result:
        """Wrap a task's numbers into a Result with this pass's model, data, versions and time.

        started: `time.perf_counter()` when the task began; its seconds are added to those of the pass.
        """
        return Result(
            task=task,
            suite=self.suite,
            metrics=dict(metrics),
            n=len(self) if n is None else n,
            protocol=f"{self.about} {protocol}".strip(),
            intervals=intervals or {},
            model=self.model,
            data_revision=self.revision,
            versions=versions(),
            seconds=round(self.seconds + time.perf_counter() - started, 2),
            made_at=now(),
            details=details or {},
            items=items or {},
        )


def observe(
    embedder: Embedder,
    data: EvalSet,
    *,
    estimate: Estimate | None = None,
    batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> Observations:
    """Render, embed and locate every item of `data` once.

    estimate: hand-made direction estimators to run on spatial sounds (baselines.estimate). progress(done, total).
    Raises DataError when the set is empty.
    """
    started = time.perf_counter()
    rows: dict[str, list[Any]] = {k: [] for k in ("item", "embedding", "location", "baselines")}
    for batch in _batches(data.items(), batch_size):
        analyses = embedder.analyse([Sound(item.samples, item.sample_rate, item.id) for item in batch])
        for item, analysis in zip(batch, analyses, strict=True):
            vector = getattr(analysis.embedding, "vector", analysis.embedding)
            rows["embedding"].append(np.asarray(vector, dtype=np.float32).reshape(-1))
            rows["location"].append(analysis.location)
            spatial = estimate is not None and item.samples.shape[0] == 4
            rows["baselines"].append(estimate(item.samples, item.sample_rate) if estimate and spatial else {})
            rows["item"].append(replace(item, samples=np.empty((item.samples.shape[0], 0), dtype=np.float32)))
        if progress is not None:
            progress(len(rows["item"]), len(data))
    if not rows["item"]:
        raise DataError(f"the test set {data.name} is empty: check the folder it is made from")
    return _table(data, rows, identity(embedder), time.perf_counter() - started)


def identity(embedder: object) -> dict[str, str]:
    """Name and weights hash of a model, as far as it tells them."""
    return {
        "name": str(getattr(embedder, "name", type(embedder).__name__)),
        "weights_sha256": str(getattr(embedder, "weights_sha256", "")),
    }


def _table(data: EvalSet, rows: Mapping[str, list[Any]], model: Mapping[str, str], seconds: float) -> Observations:
    items: list[EvalItem] = rows["item"]
    names = sorted({name for found in rows["baselines"] for name in found})
    nowhere = np.full(3, math.nan)
    return Observations(
        suite=data.name,
        revision=data.revision,
        ids=[i.id for i in items],
        clip_ids=[i.clip_id for i in items],
        labels=[i.label for i in items],
        captions=[i.captions for i in items],
        words=[i.words for i in items],
        places=[i.place or i.id for i in items],
        groups=[i.group for i in items],
        embeddings=np.stack(rows["embedding"]),
        truth={q: _column(i.truth.get(q) for i in items) for q in QUANTITIES},
        said={q: _column(getattr(loc, q, None) for loc in rows["location"]) for q in QUANTITIES},
        baselines={name: np.stack([found.get(name, nowhere) for found in rows["baselines"]]) for name in names},
        model=model,
        seconds=seconds,
        about=data.about,
        plain=[i.plain for i in items],
        more={k: _column(i.more.get(k) for i in items) for k in sorted({k for i in items for k in i.more})},
        rooms=[i.room or i.place or i.id for i in items],
        recordings=[i.recording or i.clip_id for i in items],
    )


def _column(values: Iterable[float | None]) -> Floats:
    return np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)


def _batches(items: Iterator[EvalItem], size: int) -> Iterator[list[EvalItem]]:
    while batch := list(islice(items, size)):
        yield batch
