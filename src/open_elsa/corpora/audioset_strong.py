"""AudioSet's temporally strong labels: audioset_{train,eval}_strong.tsv, a table of label names, and fetched audio.

Rows: segment_id ({video id}_{start in ms}), start_time_seconds, end_time_seconds, label (a machine id such as
/m/053hz1). Names come from `mid_to_display_name.tsv`, AudioSet's `class_labels_indices.csv` or `ontology.json` in the
root or a `meta`, `metadata`, `strong` or `csv` folder. Audio anywhere under the root, named `{segment_id}`,
`{id}_{start ms}_{end ms}`, `{id}_{start s}`, `{id}_{start s, six digits}`, `{id}` or any of these after a `Y`. Segments
whose labels only name a place ("Inside, small room", "Echo") have nothing to be called by and are left out.
Format and counts: research.google.com/audioset/download_strong.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base, labels
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

SPLITS = {"train": "train", "eval": "test"}
NAMES = ("mid_to_display_name.tsv", "class_labels_indices.csv", "ontology.json")
_FOLDERS = (".", "meta", "metadata", "strong", "csv")
_COLUMNS = ("segment_id", "start_time_seconds", "end_time_seconds", "label")


def names(path: Path) -> dict[str, str]:
    """Machine id → display name, from any of the three tables that give it."""
    if path.suffix == ".tsv":
        return {row["mid"]: row["name"] for _, row in base.rows(path, ("mid", "name"), "\t")}
    if path.suffix == ".csv":
        return {row["mid"]: row["display_name"] for _, row in base.table(path, ("mid", "display_name"))}
    value = base.read_json(path)
    if not isinstance(value, list) or not all(isinstance(v, dict) and {"id", "name"} <= set(v) for v in value):
        raise DataError(f"{path} is not AudioSet's ontology: a list of objects with id and name is expected")
    return {v["id"]: v["name"] for v in value}


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a segment; its captions name what is labelled in it, the longest first."""
    tables = {split: base.find(root, [f"audioset_{split}_strong.tsv"], _FOLDERS) for split in SPLITS}
    if not any(tables.values()):
        base.need(root, [f"audioset_{split}_strong.tsv" for split in SPLITS], CORPUS, _FOLDERS)
    named = names(base.need(root, NAMES, CORPUS, _FOLDERS))
    index = base.audio_index(root)
    for theirs, table in tables.items():
        if table is None or (splits is not None and not splits & {theirs, SPLITS[theirs]}):
            continue
        for segment, seconds_of in _segments(table, problems).items():
            if unknown := [mid for mid in seconds_of if mid not in named]:
                problems.append(Problem(f"{table}, {segment}", f"no name is known for {', '.join(unknown)}"))
                continue
            said = [named[mid] for mid in sorted(seconds_of, key=lambda m: -seconds_of[m])]
            yield from _clip(segment, theirs, said, index, problems)


def _segments(table: Path, problems: list[Problem]) -> dict[str, dict[str, float]]:
    """Segment → machine id → labelled seconds."""
    found: dict[str, dict[str, float]] = {}
    for line, row in base.table(table, _COLUMNS, "\t"):
        try:
            seconds = float(row["end_time_seconds"]) - float(row["start_time_seconds"])
            int(row["segment_id"].rpartition("_")[2])
        except ValueError:
            problems.append(Problem(f"{table}, line {line}", f"is not an event: {', '.join(row.values())}"))
            continue
        events = found.setdefault(row["segment_id"], {})
        events[row["label"]] = events.get(row["label"], 0.0) + seconds
    return found


def _clip(
    segment: str, split: str, said: list[str], index: dict[str, list[Path]], problems: list[Problem]
) -> Iterator[Clip]:
    video, _, start_ms = segment.rpartition("_")
    spoken = labels.spoken(said)
    if spoken is None:  # "Inside, small room" and nothing else
        return
    path = base.segment(index, video, int(start_ms) // 1000, split)
    if path is None:
        problems.append(Problem(segment, "missing: no audio for this segment"))
        return
    seconds = base.probe(path, problems)
    if seconds is None:
        return
    yield Clip(
        id=f"audioset_strong/{split}/{segment}",
        path=str(path),
        captions=spoken.captions,
        corpus=CORPUS.name,
        split=SPLITS[split],
        licence="of the video; labels: CC-BY-4.0",
        duration_s=seconds,
        label=spoken.label,
        recording=video,
        source_url=f"https://www.youtube.com/watch?v={video}&t={int(start_ms) // 1000}",
        trainable=False,
    )


CORPUS = Corpus(
    name="audioset_strong",
    licence="labels CC-BY-4.0; the audio belongs to its uploaders and is yours to fetch",
    citation="S. Hershey, D. P. W. Ellis, E. Fonseca et al., The Benefit of Temporally-Strong Labels in Audio Event "
    "Classification, ICASSP 2021",
    url="https://research.google.com/audioset/download_strong.html",
    splits=("train", "test", "eval"),
    reader=read,
    expected={"train": 103_463, "test": 16_996},
)
