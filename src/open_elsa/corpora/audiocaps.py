"""AudioCaps: the official CSVs, and the audio that the user has fetched.

Tables: train.csv, val.csv, test.csv (audiocap_id,youtube_id,start_time,caption) in the root, or in `dataset/`, `csv/`
or `captions/`. Audio anywhere under the root, in any format we read, named `{youtube_id}_{start}`, `{youtube_id}`,
`Y{youtube_id}`, `{audiocap_id}` or `{youtube_id}_{start in ms}_{end in ms}`; a file in a folder named after
its split is preferred. A clip of val and test has five captions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

SPLITS = ("train", "val", "test")
_COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")


def tables(root: Path) -> dict[str, Path]:
    """Split → CSV file; raises DataError when there is none."""
    found = {}
    for split in SPLITS:
        if path := base.find(root, [f"{split}.csv"], (".", "dataset", "csv", "captions")):
            found[split] = path
    if not found:
        raise DataError(f"{root} has no train.csv, val.csv or test.csv of AudioCaps; get them from {CORPUS.url}")
    return found


def captions(table: Path) -> dict[tuple[str, int], list[tuple[str, str]]]:
    """Read one CSV: (youtube_id, start second) → list of (audiocap_id, caption); needs no audio."""
    rows: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for line, row in base.table(table, _COLUMNS):
        try:
            key = (row["youtube_id"], int(float(row["start_time"])))
        except ValueError:
            raise DataError(f"{table}, line {line}: start_time is {row['start_time']!r}, not a number") from None
        if row["caption"]:
            rows.setdefault(key, []).append((row["audiocap_id"], row["caption"]))
    return rows


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a (video, start) pair, with all of its captions."""
    index = base.audio_index(root)
    for split, table in tables(root).items():
        if splits is not None and split not in splits:
            continue
        for (youtube_id, start), written in captions(table).items():
            path = _find(index, split, youtube_id, start, [number for number, _ in written])
            if path is None:
                problems.append(Problem(f"{youtube_id}_{start}", f"missing: no audio for this row of {table}"))
                continue
            seconds = base.probe(path, problems)
            if seconds is None:
                continue
            yield Clip(
                id=f"audiocaps/{split}/{youtube_id}_{start}",
                path=str(path),
                captions=tuple(dict.fromkeys(caption for _, caption in written)),
                corpus=CORPUS.name,
                split=split,
                licence="of the video; captions: MIT",
                duration_s=seconds,
                recording=youtube_id,
                source_url=f"https://www.youtube.com/watch?v={youtube_id}&t={start}",
                trainable=False,
            )


def _find(
    index: dict[str, list[Path]], split: str, youtube_id: str, start: int, audiocap_ids: list[str]
) -> Path | None:
    found = base.segment(index, youtube_id, start, split)
    by_number = [path for number in audiocap_ids for path in index.get(number, [])]
    return found or next((p for p in by_number if split in p.parts), by_number[0] if by_number else None)


CORPUS = Corpus(
    name="audiocaps",
    licence="captions MIT; the audio belongs to its uploaders and is yours to fetch",
    citation="C. D. Kim, B. Kim, H. Lee, G. Kim, AudioCaps: Generating Captions for Audios in The Wild, NAACL 2019",
    url="https://github.com/cdjkim/audiocaps",
    splits=SPLITS,
    reader=read,
    expected={"train": 49838, "val": 495, "test": 975},
)
