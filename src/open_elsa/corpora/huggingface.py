"""A Hugging Face data set with an audio column, saved on the disk: what `save_to_disk` writes, or Parquet of the Hub.

- `dataset_dict.json` with a folder a split, or one split's `state.json` with its `data-*.arrow`
- `*.parquet` in the root, `data/` or a folder a split, named `{split}-00000-of-00001.parquet`

Read with pyarrow alone. Audio is a struct of bytes and path (huggingface/datasets, src/datasets/features/audio.py),
bytes, or a path relative to the table or the root; bytes are copied to the cache as they are (see `unpacked`).
Captions: `caption`, `captions`, `caption_1` …, `text`, `sentence`, `transcription` or `description`, a text or a list
of texts; else the name of `label`, `category` or `class`. Columns `licence` or `license`, `split`, `id` and `url` are
taken where there are; `license` of dataset_info.json is the licence of the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from open_elsa.corpora import base, unpacked
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

_CAPTIONS = ("caption", "captions", "text", "sentence", "transcription", "description")
_LABELS = ("label", "category", "class")
_AUDIO = ("audio", "sound", "file", "file_name", "path")
_SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?$")
_SPLITS = {"validation": "val", "valid": "val", "dev": "val"}
_BATCH_ROWS = 256


@dataclass(frozen=True)
class _Shard:
    """One table on the disk: its split as it is called there, and the licence of its data set."""

    path: Path
    split: str
    licence: str


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a row; `validation` is `val` unless asked for by its own name."""
    for shard in _shards(root):
        if splits is not None and not splits & {shard.split, _SPLITS.get(shard.split, shard.split)}:
            continue
        try:
            yield from _clips(shard, root, problems)
        except (pa.ArrowException, OSError) as error:
            problems.append(Problem(str(shard.path), f"is not a whole Arrow or Parquet table: {error}"))


def _shards(root: Path) -> list[_Shard]:
    if (root / "dataset_dict.json").is_file():
        value = base.read_json(root / "dataset_dict.json")
        names = value.get("splits") if isinstance(value, dict) else None
        if not isinstance(names, list) or not names:
            raise DataError(f"{root / 'dataset_dict.json'} names no splits")
        return [shard for name in names for shard in _saved(root / str(name), str(name))]
    if (root / "state.json").is_file():
        return _saved(root, "")
    tables = sorted(p for pattern in ("*.parquet", "*/*.parquet") for p in root.glob(pattern))
    if not tables:
        raise DataError(
            f"{root} is no saved data set: it has neither dataset_dict.json nor state.json nor *.parquet; "
            "save one with datasets.load_dataset(…).save_to_disk(folder)"
        )
    return [_Shard(path, _split_of(path, root), base.NOT_STATED) for path in tables]


def _saved(folder: Path, split: str) -> list[_Shard]:
    state = base.read_json(folder / "state.json")
    files = state.get("_data_files") if isinstance(state, dict) else None
    if not isinstance(state, dict) or not isinstance(files, list):
        raise DataError(f"{folder / 'state.json'} does not list its tables (_data_files)")
    info = base.read_json(folder / "dataset_info.json") if (folder / "dataset_info.json").is_file() else {}
    licence = (info.get("license") if isinstance(info, dict) else "") or base.NOT_STATED
    called = split or str(state.get("_split") or "train")
    return [_Shard(folder / str(f["filename"]), called, str(licence)) for f in files]


def _split_of(path: Path, root: Path) -> str:
    if match := _SHARD.match(path.stem):
        return str(match["split"])
    return "train" if path.parent in (root, root / "data") else path.parent.name


def _clips(shard: _Shard, root: Path, problems: list[Problem]) -> Iterator[Clip]:
    schema, total = _schema(shard.path)
    audio, names = _audio_column(schema, shard.path), _class_names(schema)
    cache = unpacked.folder(shard.path)
    kept = {int(p.stem): p for p in cache.iterdir() if p.stem.isdigit()} if cache.is_dir() else {}
    columns = [c for c in schema.names if c != audio or len(kept) < total]  # bytes once copied are not read again
    for number, row in enumerate(_rows(shard.path, columns)):
        where = f"{shard.path}, row {number}"
        path = kept.get(number) or _sound(row.get(audio), number, cache, (shard.path.parent, root))
        if path is None:
            problems.append(Problem(where, f'missing: no sound in its column "{audio}"'))
        else:
            yield from _clip(row, number, path, where, shard, root, names, problems)


def _clip(
    row: dict[str, Any],
    number: int,
    path: Path,
    where: str,
    shard: _Shard,
    root: Path,
    names: dict[str, list[str]],
    problems: list[Problem],
) -> Iterator[Clip]:
    label = next((_name(row[c], names.get(c)) for c in _LABELS if row.get(c) is not None), "")
    captions = _captions(row) or ((label,) if label else ())
    if not captions:
        problems.append(Problem(where, f"has no caption; columns: {', '.join(row)}"))
        return
    seconds = base.probe(path, problems)
    if seconds is None:
        return
    split = str(row.get("split") or _SPLITS.get(shard.split, shard.split))
    licence = str(row.get("licence") or row.get("license") or shard.licence)
    yield Clip(
        id=f"{root.name}/{split}/{row.get('id') or f'{shard.path.stem}/{number}'}",
        path=str(path),
        captions=captions,
        corpus=root.name,
        split=split,
        licence=licence,
        duration_s=seconds,
        label=label,
        source_url=str(row.get("url") or ""),
        trainable=base.may_train(licence),
    )


def _schema(path: Path) -> tuple[pa.Schema, int]:
    """Columns and number of rows of a table, without reading its data (an Arrow stream is only mapped)."""
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        return file.schema_arrow, file.metadata.num_rows
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        return reader.schema, sum(batch.num_rows for batch in reader)


def _rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH_ROWS, columns=columns):
            yield from batch.to_pylist()
        return
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                yield from batch.select(columns).slice(start, _BATCH_ROWS).to_pylist()


def _audio_column(schema: pa.Schema, path: Path) -> str:
    features = _features(schema)
    named = [c for c in schema.names if isinstance(f := features.get(c), dict) and f.get("_type") == "Audio"]
    structs = [f.name for f in schema if pa.types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0]
    plain = [c for c in _AUDIO if c in schema.names]
    if not (found := [*named, *structs, *plain]):
        raise DataError(f"{path} has no column of audio; its columns: {', '.join(schema.names)}")
    return str(found[0])


def _features(schema: pa.Schema) -> dict[str, Any]:
    """What `datasets` wrote about the columns into the table's metadata."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = told.get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    return features if isinstance(features, dict) else {}


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    told = _features(schema).items()
    return {c: f["names"] for c, f in told if isinstance(f, dict) and isinstance(f.get("names"), list)}


def _sound(value: Any, number: int, cache: Path, folders: tuple[Path, ...]) -> Path | None:
    """Return the file of a row: its bytes in the cache, or what its path names."""
    data, name = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (None, value)
    if isinstance(name, bytes):
        data, name = name, None
    if data:
        return unpacked.put(cache, f"{number:08d}{unpacked.suffix(name or '', data)}", data)
    if not name:
        return None
    found = (folder / str(name) for folder in folders)
    return next((p for p in found if p.is_file()), folders[0] / str(name))


def _captions(row: dict[str, Any]) -> tuple[str, ...]:
    columns = [c for c in _CAPTIONS if row.get(c)][:1] + sorted(c for c in row if c.startswith("caption_"))
    texts = [t for c in columns for t in (row[c] if isinstance(row[c], list) else [row[c]])]
    return tuple(dict.fromkeys(t.strip() for t in texts if isinstance(t, str) and t.strip()))


def _name(value: object, names: list[str] | None) -> str:
    if names and isinstance(value, int):  # -1 stands for "no label"
        value = names[value] if 0 <= value < len(names) else ""
    return str(value).replace("_", " ").lower()


CORPUS = Corpus(
    name="huggingface",
    licence="stated in each row or in dataset_info.json",
    citation="",
    url="https://huggingface.co/docs/datasets",
    splits=(),  # whatever the data set has
    reader=read,
)
