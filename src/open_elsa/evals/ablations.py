"""One table of models that differ in one thing: the same few scores of each, on the same scenes, over several seeds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import baselines, mono_classes, zero_shot
from open_elsa.evals.observe import Embedder, EvalItem, EvalSet, Observations
from open_elsa.evals.result import Result, now, versions
from open_elsa.sound.foa import angles, angular_error_deg, unit_vector

Floats = NDArray[np.float64]

#: Score → (heading, unit): shares are shown as per cent.
COLUMNS: dict[str, tuple[str, str]] = {
    "direction_deg": ("direction, mean error", "°"),
    "direction_4way": ("4-way by angle", "%"),
    "direction_words": ("4-way in words", "%"),
    "distance_words": ("near or far in words", "%"),
    "room_words": ("small or large room in words", "%"),
    "naming_mono": ("50-way name, mono", "%"),
    "naming_rooms": ("50-way name, in rooms", "%"),
}
_ATTRIBUTES = {"direction_words": "direction", "distance_words": "distance", "room_words": "room_size"}
#: Words of the four directions, counter-clockwise from ahead, a quarter turn each.
_QUARTERS = ("front", "left", "back", "right")

PROTOCOL = (
    "Each row is one recipe, trained once a seed from the same start on the same clips and rooms, and differs from "
    "'base' in what its line says and in nothing else. Scores are means over seeds with the range between them. "
    "Direction: mean great-circle error. '4-way by angle': the quarter in which the said azimuth lies against the true "
    "word. 'In words': zero-shot by templated captions, classes balanced, as in the suites. Names: 'the sound of "
    "LABEL' against every label. Rows of one run have no range; '–' is what a row cannot say. Chance: 90°, 25 %, "
    "25 %, 50 %, 50 %, and for names 1/classes."
)


@dataclass(frozen=True)
class Part:
    """Every k-th item of a test set, about `most` of them: smaller, and the same for all."""

    whole: EvalSet
    most: int

    def __post_init__(self) -> None:
        if self.most < 1:
            raise DataError(f"a part of a test set needs at least one item, got {self.most}")

    @property
    def step(self) -> int:
        """Every how many items one is taken."""
        return max(1, math.ceil(len(self.whole) / self.most))

    @property
    def name(self) -> str:
        """Name of the whole set."""
        return self.whole.name

    @property
    def revision(self) -> str:
        """Hash of the whole set and of which part it is."""
        return hashlib.sha256(f"{self.whole.revision} every {self.step}".encode()).hexdigest()

    @property
    def about(self) -> str:
        """How the whole set is made, and how large the part is."""
        return f"{len(self)} of {len(self.whole)} items, every {self.step}th: {self.whole.about}"

    def __len__(self) -> int:
        return math.ceil(len(self.whole) / self.step)

    def items(self) -> Iterator[EvalItem]:
        """Every k-th item."""
        return (item for i, item in enumerate(self.whole.items()) if i % self.step == 0)


@dataclass(frozen=True)
class Row:
    """A line of the table: name, what it is in words, and a seed's scores by column; a column may be missing."""

    name: str
    about: str
    runs: Mapping[str, Mapping[str, float]]


def scores(embedder: Embedder, scenes: Observations, mono: Observations, *, words: bool = True) -> dict[str, float]:
    """The columns of one model on scenes and on mono clips; words=False for one that was taught directions alone.

    Raises DataError where the set has too few scenes of a class.
    """
    true_words = [w.direction for w in scenes.words]
    found = direction_scores(scenes.said_vectors, scenes.true_vectors, true_words)
    if not words:
        return found
    said = zero_shot.run(embedder, scenes).metrics
    for column, attribute in _ATTRIBUTES.items():
        if (metric := f"{attribute}.accuracy") not in said:
            raise DataError(f"{scenes.suite} has too few scenes of each word of {attribute}; take a larger part of it")
        found[column] = said[metric]
    return {**found, **naming_scores(embedder, scenes, mono)}


def naming_scores(embedder: Embedder, scenes: Observations, mono: Observations) -> dict[str, float]:
    """How often a model names mono clips and scenes right, among the labels of the mono clips."""
    labels = sorted({label for label in mono.labels if label})
    names, prompts = zero_shot.prototypes(embedder, {label: [mono_classes.prompt(label)] for label in labels})
    found = {}
    for column, seen in (("naming_mono", mono), ("naming_rooms", scenes)):
        heard = zero_shot.predict(seen.embeddings, names, prompts)
        found[column] = fmean(h == label for h, label in zip(heard, seen.labels, strict=True))
    return found


def by_hand(data: EvalSet, progress: Callable[[int, int], None] | None = None) -> dict[str, dict[str, float]]:
    """The hand-made estimators of `baselines` on the items of a set: estimator → its columns."""
    said: dict[str, list[Floats]] = {name: [] for name in baselines.ESTIMATORS}
    true: list[Floats] = []
    words: list[str | None] = []
    for item in data.items():
        for name, vector in baselines.estimate(item.samples, item.sample_rate).items():
            said[name].append(vector)
        azimuth, elevation = (_known(item.truth.get(q)) for q in ("azimuth_deg", "elevation_deg"))
        true.append(unit_vector(azimuth, elevation))
        words.append(item.words.direction)
        if progress is not None:
            progress(len(true), len(data))
    return {name: direction_scores(np.stack(vectors), np.stack(true), words) for name, vectors in said.items()}


def direction_scores(said: Floats, true: Floats, words: Sequence[str | None]) -> dict[str, float]:
    """Mean error of directions (n, 3), NaN where none is said or known, and the share of azimuths in the true quarter.

    words: the true word of each; scenes without one of the four count for the error alone. Raises DataError where
    nothing can be compared.
    """
    errors = np.asarray(angular_error_deg(said, true), dtype=np.float64)
    rows = [i for i, word in enumerate(words) if word in _QUARTERS]
    if not rows or not np.isfinite(errors).any():
        raise DataError("no scene has both a true direction, in a number and in a word, and one that is said")
    azimuths = np.nan_to_num(angles(said)[0], nan=180.0)
    right = [_QUARTERS[round(float(azimuths[i]) / 90) % 4] == words[i] and bool(np.isfinite(errors[i])) for i in rows]
    return {"direction_deg": float(np.nanmean(errors)), "direction_4way": fmean(right)}


def result(rows: Sequence[Row], *, about: str, n: int, revision: str, command: str, seconds: float) -> Result:
    """The table as a Result: metrics "ROW.COLUMN", means over seeds; details "rows" with every seed's scores."""
    numbers = {f"{row.name}.{column}": _mean(row, column) for row in rows for column in COLUMNS if _values(row, column)}
    return Result(
        task="ablations",
        suite="benchmark",
        metrics=numbers,
        n=n,
        protocol=f"{about} {PROTOCOL}",
        data_revision=revision,
        versions=versions(),
        seconds=round(seconds, 1),
        made_at=now(),
        command=command,
        details={"rows": [{"name": r.name, "about": r.about, "runs": r.runs} for r in rows]},
    )


def table(result: Result) -> str:
    """The Markdown table of a result that `result` made: a row each, mean over seeds and the range between them."""
    rows = [Row(**row) for row in result.details["rows"]]
    columns = [column for column in COLUMNS if any(_values(row, column) for row in rows)]
    lines = ["| row | what it is | runs | " + " | ".join(COLUMNS[c][0] for c in columns) + " |"]
    lines.append("|---|---|---" + "|---" * len(columns) + "|")
    for row in rows:
        cells = [_cell(row, column) for column in columns]
        lines.append(f"| {row.name} | {row.about} | {len(row.runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _known(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _values(row: Row, column: str) -> list[float]:
    return [run[column] for run in row.runs.values() if run.get(column) is not None]


def _mean(row: Row, column: str) -> float:
    return fmean(_values(row, column))


def _cell(row: Row, column: str) -> str:
    values = _values(row, column)
    if not values:
        return "–"
    unit = COLUMNS[column][1]
    scale, mark = (100.0, " %") if unit == "%" else (1.0, unit)
    text = f"{scale * fmean(values):.1f}{mark}"
    return text if len(values) == 1 else f"{text} ({scale * min(values):.1f} to {scale * max(values):.1f})"
