"""Clotho: the official caption tables (five captions a sound) and the audio folders of the archive.

Tables `clotho_captions_{development,validation,evaluation}.csv` (file_name,caption_1 … caption_5), or
`{split}_captions.csv` with one row a caption (fname,raw_text). Audio in `{split}/`, `audio/{split}/`,
`clotho_audio_{split}/` or `clotho_audio_{split}/{split}/`. `clotho_metadata_{split}.csv`, when there, gives each
sound's licence and page.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

#: Clotho's names of its splits, and ours.
SPLITS = {"development": "train", "validation": "val", "evaluation": "test"}


def tables(root: Path) -> dict[str, Path]:
    """Clotho's split name → caption table; raises DataError when there is none."""
    found: dict[str, Path] = {}
    for split in SPLITS:
        names = (f"clotho_captions_{split}.csv", f"{split}_captions.csv")
        if path := base.find(root, names, (".", "captions", "csv")):
            found[split] = path
    if not found:
        raise DataError(f"{root} has no clotho_captions_development.csv (or another split's); get it from {CORPUS.url}")
    return found


def captions(table: Path) -> dict[str, tuple[str, ...]]:
    """Read one caption table of either shape: file name → captions as they were written; needs no audio."""
    written: dict[str, list[str]] = {}
    for line, row in base.table(table):
        name = row.get("file_name") or row.get("fname")
        if not name:
            raise DataError(f"{table}, line {line}: no file_name (or fname); its columns are {', '.join(row)}")
        texts = [row[k] for k in sorted(row) if k.startswith("caption_")] or [
            row.get("raw_text") or row.get("text", "")
        ]
        written.setdefault(name, []).extend(t for t in texts if t)
    return {name: tuple(dict.fromkeys(texts)) for name, texts in written.items()}


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a sound, with its five captions."""
    for theirs, table in tables(root).items():
        if splits is not None and not splits & {theirs, SPLITS[theirs]}:
            continue
        folder = _audio_folder(root, theirs)
        about = _metadata(table.parent / f"clotho_metadata_{theirs}.csv")
        for name, texts in captions(table).items():
            path = folder / name
            if not path.is_file():
                path = next((p for s in base.AUDIO_SUFFIXES if (p := path.with_suffix(s)).is_file()), path)
            seconds = base.probe(path, problems)
            if seconds is None:
                continue
            if not texts:
                problems.append(Problem(str(path), f"has no caption in {table}"))
                continue
            licence, url, recording = about.get(name, (base.NOT_STATED, "", ""))
            yield Clip(
                id=f"clotho/{theirs}/{Path(name).stem}",
                path=str(path),
                captions=texts,
                corpus=CORPUS.name,
                split=SPLITS[theirs],
                licence=licence,
                duration_s=seconds,
                recording=recording,
                source_url=url,
                trainable=base.may_train(licence),
            )


def _audio_folder(root: Path, split: str) -> Path:
    archive = root / f"clotho_audio_{split}"
    for folder in (root / split, root / "audio" / split, archive / split, archive):
        if folder.is_dir():
            return folder
    raise DataError(f"no audio of Clotho's {split} split: expected the folder {root / split}")


def _metadata(path: Path) -> dict[str, tuple[str, str, str]]:
    """File name → (licence, page, sound id); the official file is in Latin-1 with names that UTF-8 cannot read."""
    if not path.is_file():
        return {}
    with path.open(encoding="latin-1", newline="") as lines:
        return {
            row["file_name"]: (row.get("license", ""), row.get("sound_link", ""), row.get("sound_id", ""))
            for row in csv.DictReader(lines)
            if row.get("file_name")
        }


CORPUS = Corpus(
    name="clotho",
    licence="Tampere University licence for the captions (non-commercial); each sound has its own",
    citation="K. Drossos, S. Lipping, T. Virtanen, Clotho: an Audio Captioning Dataset, ICASSP 2020",
    url="https://zenodo.org/records/4783391",
    splits=(*SPLITS.values(), *SPLITS),
    reader=read,
    expected={"train": 3839, "val": 1045, "test": 1045},
)
