"""Counting what the columns of a set of scenes hold: distributions of numbers, words, labels, licences, captions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from open_elsa.scenes.facts import SceneFacts, SourceFacts
from open_elsa.scenes.scene_files import WORDS
from open_elsa.scenes.telling import read

Float64 = NDArray[np.float64]

#: Captions that are read for the facts they state, at 2 ms each; everything else is counted over all of them.
READ_CAPTIONS = 1000
#: Most frequent words of the captions that are named.
COMMON_WORDS = 40
#: Captions shown for each granularity.
EXAMPLES = 3
_BINS = 24
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
#: What a caption may say, from nothing of the place to numbers; each caption counts once, by the finest it says.
GRANULARITIES = ("what only", "the room only", "words", "eight directions", "clock", "degrees or metres")


@dataclass(frozen=True)
class Distribution:
    """Numbers of one quantity: how many are known, and how they spread.

    n: known ones; unknown: those that have none (a walk's place, a clean scene's noise). The numbers are NaN, and the
    histogram (edges (k + 1,), counts (k,)) empty, where none is known.
    """

    name: str
    what: str
    unit: str
    n: int
    unknown: int
    least: float = math.nan
    p5: float = math.nan
    median: float = math.nan
    p95: float = math.nan
    most: float = math.nan
    mean: float = math.nan
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class CaptionCounts:
    """What the captions of a set are made of.

    captions, distinct: how many, and how many different ones. words, vocabulary: running words and different ones;
    commonest: the most frequent. read: how many captions were read for their facts, drawn at random; granularity: the
    share of those by the finest thing they say of a place (`GRANULARITIES`); says: shares that state each kind of fact;
    examples: a few of each granularity.
    """

    captions: int
    distinct: int
    words: int
    vocabulary: int
    commonest: tuple[tuple[str, int], ...]
    read: int
    granularity: Mapping[str, float]
    says: Mapping[str, float]
    examples: Mapping[str, tuple[str, ...]]

    @property
    def repeats(self) -> int:
        """Captions that say word for word what another one says."""
        return self.captions - self.distinct


def distribution(
    name: str, what: str, unit: str, values: Float64, edges: Float64 | None = None, *, whole: bool = False
) -> Distribution:
    """Count numbers (n,), NaN where unknown; edges: of the histogram, else 24 bins over what there is.

    whole: the numbers are whole ones, each with its own bin.
    """
    known = values[np.isfinite(values)]
    unknown = int(values.size - known.size)
    if not known.size:
        return Distribution(name, what, unit, 0, unknown)
    if whole:
        edges = np.arange(known.min() - 0.5, known.max() + 1.0)
    elif edges is None:
        low, high = float(known.min()), float(known.max())
        spread = _BINS if high - low > 1e-6 * max(abs(high), 1.0) else 1
        edges = np.linspace(low, high, spread + 1) if spread > 1 else np.asarray([low - 0.5, low + 0.5])
    counts, _ = np.histogram(known, edges)
    p5, median, p95 = (round(float(v), 4) for v in np.percentile(known, (5, 50, 95)))
    return Distribution(
        name=name,
        what=what,
        unit=unit,
        n=int(known.size),
        unknown=unknown,
        least=round(float(known.min()), 4),
        p5=p5,
        median=median,
        p95=p95,
        most=round(float(known.max()), 4),
        mean=round(float(known.mean()), 4),
        edges=tuple(float(e) for e in edges),
        counts=tuple(int(c) for c in counts),
    )


def source_columns(table: pa.Table) -> dict[str, Any]:
    """Columns with one entry a source, in the order of the scenes: clip, place, acoustics, label, whether it walks.

    below_db has one for each source but the first of its scene.
    """
    places = ("azimuth_deg", "elevation_deg", "distance_m", "t30_s", "drr_db")
    if "sources" not in table.column_names:
        found = {name: table[name] for name in (*places, "label", "clip_id")}
        count = table.num_rows
        return {**found, "walks": np.zeros(count, bool), "below_db": np.zeros(0)}
    listed = table["sources"].combine_chunks()
    flat = listed.flatten()
    told = flat.field("told")
    found = {name: told.field(name) for name in (*places, "label")}
    further = np.ones(len(flat), bool)
    further[np.cumsum([0, *pc.list_value_length(listed).to_pylist()])[:-1]] = False
    walks = flat.field("path").is_valid().to_numpy(zero_copy_only=False)
    below = numbers(flat.field("below_db"))[further]
    return {**found, "clip_id": flat.field("clip_id"), "walks": walks, "below_db": below}


def distributions(table: pa.Table, sources: Mapping[str, Any]) -> tuple[Distribution, ...]:
    """The quantities of a set: of every source where it starts, and of every scene."""
    count = table.num_rows
    rich = "sources" in table.column_names
    each = pc.list_value_length(table["sources"]) if rich else pa.array(np.ones(count))
    ambience = pc.struct_field(table["ambience"], "snr_db") if rich else pa.nulls(0, pa.float64())
    noise = numbers(table["snr_db"])
    if rich:  # with a microphone the sensor noise is its own
        own = numbers(pc.struct_field(table["microphone"], "noise_snr_db"))
        noise = np.where(np.isfinite(noise), noise, own)
    found = [
        distribution("azimuth_deg", "azimuth", "°", numbers(sources["azimuth_deg"]), np.arange(-180.0, 181.0, 15.0)),
        distribution(
            "elevation_deg", "elevation", "°", numbers(sources["elevation_deg"]), np.arange(-90.0, 91.0, 10.0)
        ),
        distribution("distance_m", "distance", "m", numbers(sources["distance_m"])),
        distribution("floor_area_m2", "floor area", "m²", numbers(table["floor_area_m2"])),
        distribution("t30_s", "T30", "s", numbers(sources["t30_s"])),
        distribution("drr_db", "DRR", "dB", numbers(sources["drr_db"])),
        distribution("snr_db", "scene over sensor noise", "dB", noise),
        distribution("ambience_snr_db", "sources over ambience", "dB", numbers(ambience)),
        distribution("below_db", "further sources below the first", "dB", sources["below_db"]),
        distribution("duration_s", "duration", "s", numbers(table["duration_s"])),
        distribution("sources", "sources a scene", "", numbers(each), whole=True),
    ]
    optional = ("ambience_snr_db", "below_db")
    return tuple(d for d in found if d.n or d.name not in optional)


def numbers(column: Any) -> Float64:
    """A column as (n,) float64, NaN where it is null."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def counted(column: Any) -> dict[str, int]:
    """How often each text of a column comes, the most frequent first; "" for null."""
    found = {("" if c["values"] is None else c["values"]): c["counts"] for c in pc.value_counts(column).to_pylist()}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def words_counted(table: pa.Table) -> dict[str, dict[str, int]]:
    """How often each spatial word is true of a scene, by attribute; "" where none is."""
    return {name: counted(table[name]) for name in WORDS}


def count_captions(captions: Sequence[str], rng: np.random.Generator) -> CaptionCounts:
    """Count the words of captions, and read a random sample of at most READ_CAPTIONS for what it states."""
    texts = Counter(captions)
    vocabulary: Counter[str] = Counter()
    for text, count in texts.items():
        for word in _WORD.findall(text.lower()):
            vocabulary[word] += count
    chosen = rng.permutation(len(captions))[:READ_CAPTIONS]
    sample = [(captions[int(i)], read(captions[int(i)])) for i in chosen]
    kinds = {name: [text for text, facts in sample if granularity(facts) == name] for name in GRANULARITIES}
    said = Counter(fact for _, facts in sample for fact in _stated(facts))
    return CaptionCounts(
        captions=len(captions),
        distinct=len(texts),
        words=sum(vocabulary.values()),
        vocabulary=len(vocabulary),
        commonest=tuple(sorted(vocabulary.items(), key=lambda item: (-item[1], item[0]))[:COMMON_WORDS]),
        read=len(sample),
        granularity={name: round(len(found) / len(sample), 4) for name, found in kinds.items()} if sample else {},
        says={name: round(said[name] / len(sample), 4) for name in _FACTS} if sample else {},
        examples={name: tuple(dict.fromkeys(found))[:EXAMPLES] for name, found in kinds.items() if found},
    )


_NUMBERS = ("azimuth_deg", "elevation_deg", "distance_m", "end_azimuth_deg", "end_distance_m")
_FACTS = (
    "what is heard",
    "a direction",
    "an elevation",
    "a distance",
    "a movement",
    "the room's size",
    "its reverberation",
    "several sounds",
)


def granularity(facts: SceneFacts) -> str:
    """The finest that a text says of a place: one of GRANULARITIES."""
    sources = facts.sources
    if any(_says(sources, *_NUMBERS)):
        return "degrees or metres"
    if any(_says(sources, "clock", "end_clock")):
        return "clock"
    if any(" " in value for value in _says(sources, "direction", "end_direction")):
        return "eight directions"
    if any(source.placed for source in sources):
        return "words"
    if any(source.what for source in sources):
        return "what only" if facts.room_size is None and facts.reverberation is None else "words"
    return "the room only"


def _says(sources: Sequence[SourceFacts], *names: str) -> list[Any]:
    return [v for source in sources for name in names if (v := getattr(source, name)) is not None]


def _stated(facts: SceneFacts) -> list[str]:
    """Which of _FACTS a text states."""
    sources = facts.sources
    there = (
        _says(sources, "what"),
        _says(sources, "direction", "clock", "azimuth_deg"),
        _says(sources, "elevation", "elevation_deg"),
        _says(sources, "distance", "distance_m"),
        _says(sources, "end_direction", "end_clock", "end_azimuth_deg", "end_distance_m", "approach"),
        facts.room_size,
        facts.reverberation,
        len(sources) > 1,
    )
    return [name for name, found in zip(_FACTS, there, strict=True) if found]
