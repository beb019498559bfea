"""Any folder of sounds with captions.csv or captions.jsonl; copy this file to add a data set of your own.

Columns (or JSON keys): `path` and `caption`, and if you have them `caption_2`, `caption_3` …, `label`, `split`,
`licence`, `recording`, `url`, `trainable`. Paths are relative to the folder.

The folder may be at a URL that fsspec knows. Then a column `duration_s` saves fetching every sound for its header.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import AudioError, DataError
from open_elsa.scenes import places
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.store import Store

TABLES = ("captions.csv", "captions.jsonl")
_FALSE = {"false", "no", "0"}


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a row; a row without a split belongs to `train`."""
    found = [root / name for name in TABLES if (root / name).is_file()]
    if not found:
        raise DataError(
            f"{root} has neither captions.csv nor captions.jsonl; write one with the columns path,caption "
            "(for example: dog.wav,a dog barking)"
        )
    if len(found) > 1:
        raise DataError(f"{root} has both {' and '.join(TABLES)}; keep one of them")
    yield from _clips(found[0], str(root), splits, problems)


def read_url(url: str, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a row of a folder at a URL; their paths are URLs, too."""
    store = Store(url)
    found = [name for name in TABLES if store.exists(name)]
    if len(found) != 1:
        has = "both" if found else "neither"
        raise DataError(f"{url} has {has} captions.csv and captions.jsonl; it must have one (columns path,caption)")
    yield from _clips(store.fetch(found[0]), url.rstrip("/"), splits, problems)


def _clips(table: Path, root: str, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    name = Path(root).name
    for line, row in _rows(table, problems):
        where = f"{places.inside(root, table.name)}, line {line}"
        split = row.get("split") or "train"
        if splits is not None and split not in splits:
            continue
        if not row.get("path"):
            problems.append(Problem(where, "has no path"))
            continue
        captions = tuple(dict.fromkeys(c for c in (row[k] for k in _caption_keys(row)) if c))
        if not captions:
            problems.append(Problem(where, f"has no caption for {row['path']}"))
            continue
        path = places.inside(root, row["path"])
        seconds = _seconds(path, row, where, problems)
        if seconds is None:
            continue
        yield Clip(
            id=f"{name}/{row['path']}",
            path=path,
            captions=captions,
            corpus=name,
            split=split,
            licence=row.get("licence") or row.get("license") or base.NOT_STATED,
            duration_s=seconds,
            label=row.get("label", ""),
            recording=row.get("recording", ""),
            source_url=row.get("url", ""),
            trainable=row.get("trainable", "").lower() not in _FALSE,
        )


def _seconds(path: str, row: dict[str, str], where: str, problems: list[Problem]) -> float | None:
    """How long a clip is; None, with a problem noted, when it cannot be used."""
    try:
        if places.is_url(path) and row.get("duration_s"):
            return float(row["duration_s"])
        file = places.sound_file(path)
    except ValueError:
        problems.append(Problem(where, f"duration_s is no number: {row['duration_s']!r}"))
        return None
    except AudioError:
        file = None
    if file is None or not file.is_file():
        problems.append(Problem(path, f"missing; named in {where}"))
        return None
    return base.probe(file, problems)


def _caption_keys(row: dict[str, str]) -> list[str]:
    return sorted(k for k in row if k == "caption" or k.startswith("caption_"))


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, str]]]:
    if path.suffix == ".csv":
        yield from base.table(path, ("path", "caption"))
        return
    for line, value in base.json_lines(path, problems):
        row = {k: "" if v is None else str(v).strip() for k, v in value.items() if not isinstance(v, list)}
        many = value.get("captions", value.get("caption"))
        if isinstance(many, list):  # {"path": …, "captions": ["…", "…"]} is as good
            row.update({f"caption_{n}": str(c).strip() for n, c in enumerate(many, start=1)})
        yield line, row


CORPUS = Corpus(
    name="folder",
    licence="stated in each row",
    citation="",
    url="",
    splits=(),  # whatever the table says
    reader=read,
)
