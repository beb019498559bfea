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
_CLIP_S = 10  # every AudioCaps clip is ten seconds of its video


def tables(root: Path) -> dict[str, Path]:
    """Split → CSV file; raises DataError when there is none."""
    found = {}
    for split in SPLITS:
        for folder in (root, root / "dataset", root / "csv", root / "captions"):
            if (path := folder / f"{split}.csv").is_file():
                found[split] = path
                break
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


def audio_index(root: Path) -> dict[str, list[Path]]:
    """File name without suffix → the audio files of that name under `root`, in a fixed order."""
    index: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in base.AUDIO_SUFFIXES:
            index.setdefault(path.stem, []).append(path)
    return index


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a (video, start) pair, with all of its captions."""
    index = audio_index(root)
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
    span = f"{youtube_id}_{start * 1000}_{(start + _CLIP_S) * 1000}"
    for stem in (f"{youtube_id}_{start}", span, youtube_id, f"Y{youtube_id}", *audiocap_ids):
        if paths := index.get(stem):
            return next((p for p in paths if split in p.parts), paths[0])
    return None


CORPUS = Corpus(
    name="audiocaps",
    licence="captions MIT; the audio belongs to its uploaders and is yours to fetch",
    citation="C. D. Kim, B. Kim, H. Lee, G. Kim, AudioCaps: Generating Captions for Audios in The Wild, NAACL 2019",
    url="https://github.com/cdjkim/audiocaps",
    splits=SPLITS,
    reader=read,
    expected={"train": 49838, "val": 495, "test": 975},
)
