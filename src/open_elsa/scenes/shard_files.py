"""The files of a set of shards: tar with the same bytes every time, tables that say where each sample lies.

shard-NNNNNN.tar holds the samples, index/shard-NNNNNN.parquet the rows of one shard (written right after it: what a
resumed export goes by), index.parquet all rows, and shards.json, written last, everything of the set as a whole.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from open_elsa.errors import DataError
from open_elsa.scenes.scene_files import TRUTH, WORDS
from open_elsa.scenes.store import Store

VERSION = 1
MANIFEST, PLAN, INDEX = "shards.json", "plan.json", "index.parquet"
#: What a sample consists of, in the order of its tar: text first, so that one read of a sample starts with it.
MEMBERS = ("json", "text", "sound")

_TEXTS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("index", pa.int64()),
        ("id", pa.string()),
        ("shard", pa.string()),
        *((f"{member}_{what}", pa.int64()) for member in MEMBERS for what in ("offset", "bytes")),
        ("sha256", pa.string()),
        ("sample_rate", pa.int32()),
        ("samples", pa.int64()),
        ("label", pa.string()),
        ("room_id", pa.string()),
        *((name, pa.float64()) for name in TRUTH),
        *((name, pa.string()) for name in WORDS),
        ("captions", _TEXTS),
        ("clip_id", pa.string()),
        ("licence", pa.string()),
        ("clips", _TEXTS),
        ("licences", _TEXTS),
    ]
)


def shard_name(number: int) -> str:
    """File of a shard; its number is from 0."""
    return f"shard-{number:06d}.tar"


def part_name(number: int) -> str:
    """File of the rows of a shard."""
    return f"index/shard-{number:06d}.parquet"


class TarWriter:
    """Writes a tar (ustar) whose bytes depend on names and contents alone, and knows where each file begins."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self.bytes = file, hashlib.sha256(), 0

    def add(self, name: str, data: bytes) -> int:
        """Add a file; returns the offset of its first byte."""
        about = tarfile.TarInfo(name)  # no time, no owner, mode 644
        about.size = len(data)
        self._write(about.tobuf(tarfile.USTAR_FORMAT))
        offset = self.bytes
        self._write(data)
        self._write(bytes(-len(data) % tarfile.BLOCKSIZE))
        return offset

    def close(self) -> str:
        """End the archive; returns the SHA-256 of all its bytes."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._write(bytes(-self.bytes % tarfile.RECORDSIZE))
        return self._hash.hexdigest()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)


def write_part(store: Store, number: int, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Write the rows of a shard, and what is known of it as a whole."""
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    table = table.replace_schema_metadata({"shard": json.dumps(about, sort_keys=True, ensure_ascii=False)})
    store.write_whole(part_name(number), lambda p: pq.write_table(table, p, compression="zstd"))


def part_about(store: Store, number: int) -> dict[str, Any] | None:
    """What `write_part` kept of a shard; None where that is missing or damaged."""
    try:
        data = store.read(part_name(number))
        found = json.loads(pq.read_schema(pa.BufferReader(data)).metadata[b"shard"])
    except (DataError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    return cast(dict[str, Any], found)


def join_parts(store: Store, numbers: Sequence[int]) -> pa.Table:
    """Write index.parquet from the rows of all shards, and return it."""
    parts = [pq.read_table(pa.BufferReader(store.read(part_name(n))), schema=SCHEMA) for n in numbers]
    table = pa.concat_tables([part.replace_schema_metadata(None) for part in parts])
    store.write_whole(INDEX, lambda p: pq.write_table(table, p, compression="zstd"))
    return table


def write_json(store: Store, name: str, value: Mapping[str, Any]) -> None:
    """Write a JSON file whole, keys in order."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    store.write_whole(name, text.encode())


def read_json(store: Store, name: str) -> dict[str, Any] | None:
    """Read one of the JSON files; None where there is none, DataError where it is damaged or of another version."""
    if not store.exists(name):
        return None
    try:
        value = json.loads(store.read(name))
    except ValueError as error:
        raise DataError(f"{store.where(name)} is damaged ({error}); delete it and export again") from error
    if not isinstance(value, dict) or value.get("version") != VERSION:
        raise DataError(f"{store.where(name)} is not of version {VERSION}; export the scenes again with this program")
    return cast(dict[str, Any], value)


def read_manifest(store: Store) -> dict[str, Any]:
    """shards.json; raises DataError where no finished set of shards is."""
    manifest = read_json(store, MANIFEST)
    if manifest is None:
        state = "is unfinished: run the export again" if store.exists(PLAN) else "holds no shards"
        raise DataError(f"{store.url} {state} (there is no {MANIFEST})")
    return manifest


def read_index(store: Store) -> pa.Table:
    """All rows of a set of shards; raises DataError where they are missing or damaged."""
    try:
        return pq.read_table(store.fetch(INDEX), schema=SCHEMA)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{store.where(INDEX)} cannot be read ({error}); delete it and export again") from error
