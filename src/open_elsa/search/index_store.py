"""How an index lies on disk: a manifest that names Parquet parts, each written whole; and what a build has to do."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes.scene_files import write_bytes
from open_elsa.using.embedder import Embedder, WindowAnalysis

FORMAT_VERSION = 1
MANIFEST = "index.json"
DEFAULT_NAME = "elsa-index"
#: What a folder is searched for; everything else in it is passed over.
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".w64", ".rf64", ".caf"})
#: The columns that say what was heard of the place, null where it is not known.
PLACE = ("azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "t30_s")


class NoIndexError(DataError):
    """A folder in which no index is."""


class NoSoundError(DataError):
    """A folder in which no sound is."""


@dataclass(frozen=True)
class Problem:
    """A file that could not be indexed, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Stamp:
    """By what a file is recognised as unchanged."""

    size: int
    mtime_ns: int
    sha256: str


# -- what lies on disk: index.json names the parts; only what it names exists ----------------------------------------


def _schema(dim: int) -> pa.Schema:
    numbers = [pa.field(n, pa.float32()) for n in PLACE]
    times = [pa.field("start_s", pa.float64()), pa.field("end_s", pa.float64())]
    vector = pa.field("vector", pa.list_(pa.float32(), dim))
    return pa.schema([pa.field("file", pa.string()), *times, *numbers, pa.field("is_spatial", pa.bool_()), vector])


def _table(windows: list[tuple[str, WindowAnalysis]], dim: int) -> pa.Table:
    flat = np.concatenate([w.embedding for _, w in windows]).astype(np.float32) if windows else np.zeros(0, np.float32)
    columns: list[Any] = [[name for name, _ in windows], [w.start_s for _, w in windows], [w.end_s for _, w in windows]]
    columns += [[getattr(w.location, n) for _, w in windows] for n in PLACE]
    columns += [[w.location.known for _, w in windows]]
    schema = _schema(dim)
    arrays = [pa.array(c, type=t) for c, t in zip(columns, schema.types[:-1], strict=True)]
    return pa.Table.from_arrays([*arrays, pa.FixedSizeListArray.from_arrays(pa.array(flat), dim)], schema=schema)


def matrix(table: pa.Table, dim: int) -> NDArray[np.float32]:
    """The vectors of a table as (rows, dim) float32."""
    column = table["vector"].combine_chunks()
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [np.asarray(c.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(-1, dim) for c in chunks]
    return np.concatenate(parts) if parts else np.zeros((0, dim), np.float32)


def read_manifest(store: Path) -> dict[str, Any] | None:
    """The manifest, None where there is none; raises DataError for one that is damaged or of another version."""
    try:
        manifest = json.loads((store / MANIFEST).read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{store / MANIFEST} cannot be read ({error}); build the index anew with --force") from error
    if version != FORMAT_VERSION:
        raise DataError(
            f"{store}: index format {version}, this version reads {FORMAT_VERSION}; build anew with --force"
        )
    return dict(manifest)


def manifest_for(root: Path, store: Path, embedder: Embedder, convention: str, force: bool) -> dict[str, Any]:
    """The manifest of the index there, or of a new one; raises DataError where it can't be gone on with."""
    old = None if force else read_manifest(store)
    if (store.exists() and not store.is_dir()) or (
        store.is_dir()
        and not (store / MANIFEST).is_file()
        and any(not p.suffix.startswith(".tmp") for p in store.iterdir())
    ):
        raise DataError(f"{store} exists and is not an index; choose another --out")
    relative = os.path.relpath(root.resolve(), store.resolve())
    if old is not None:
        if old["weights_sha256"] != embedder.weights_sha256:
            raise DataError(other_weights(store, old, embedder))
        for key, value in {"root": relative, "convention": convention}.items():
            if old[key] != value:
                raise DataError(f"{store} was built with {key} {old[key]!r}, not {value!r}; build anew with --force")
        _sweep(store, old)
        return old
    new = {
        "format_version": FORMAT_VERSION,
        "model": embedder.name,
        "weights_sha256": embedder.weights_sha256,
        "dim": embedder.dim,
        "window_s": embedder.config.window_s,
        "convention": convention,
        "root": relative,
        "parts": [],
        "files": {},
    }
    _save(store, new)  # before any old part goes: what the manifest names must exist
    _sweep(store, new)
    return new


def other_weights(store: Path, manifest: dict[str, Any], embedder: Embedder) -> str:
    """What to say when an index and a model do not belong together."""
    theirs, ours = manifest["weights_sha256"][:12], embedder.weights_sha256[:12]
    return (
        f"{store} was built with {manifest['model']} (weights {theirs}), this is {embedder.name} ({ours}): "
        "their vectors cannot be compared; use that model, or build anew with --force"
    )


def read_parts(store: Path, manifest: dict[str, Any]) -> pa.Table:
    """All rows that hold: of a file in several parts those of the last, of a file no longer listed none."""
    schema = _schema(int(manifest["dim"]))
    tables: list[pa.Table] = []
    seen: set[str] = set()
    for part in reversed(manifest["parts"]):
        try:
            table = pq.read_table(store / part).cast(schema)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise DataError(
                f"{store / part} is missing or damaged ({error}); build the index anew with --force"
            ) from error
        names = table["file"].to_pylist()
        tables.append(table.filter(pa.array([n in manifest["files"] and n not in seen for n in names], pa.bool_())))
        seen.update(names)
    return pa.concat_tables([schema.empty_table(), *reversed(tables)])


def _save(store: Path, manifest: dict[str, Any]) -> None:
    write_bytes(store / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())


def add_part(
    store: Path, manifest: dict[str, Any], analysed: dict[str, tuple[Stamp, list[WindowAnalysis]]], dim: int
) -> None:
    """Write the windows of finished files as one more part and name it in the manifest."""
    table = _table([(name, w) for name, (_, windows) in sorted(analysed.items()) for w in windows], dim)
    _put_part(store, manifest, table, manifest["parts"])
    manifest["files"].update({name: list(stamp.__dict__.values()) for name, (stamp, _) in analysed.items()})
    _save(store, manifest)


def rename(store: Path, manifest: dict[str, Any], moves: dict[str, str], stamps: dict[str, Stamp]) -> None:
    """Give the windows of files that were moved, old name to new, their new names in one more part."""
    table = read_parts(store, manifest)
    names = table["file"].to_pylist()
    kept = table.filter(pa.array([n in moves for n in names], pa.bool_()))
    renamed = pa.array([moves[n] for n in names if n in moves], pa.string())
    _put_part(store, manifest, kept.set_column(0, "file", renamed), manifest["parts"])
    for old, new in moves.items():
        del manifest["files"][old]
        manifest["files"][new] = list(stamps[new].__dict__.values())
    _save(store, manifest)


def _put_part(store: Path, manifest: dict[str, Any], table: pa.Table, before: list[str]) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    number = 1 + max([int(Path(p).stem.split("-")[1]) for p in manifest["parts"]], default=-1)
    part = f"part-{number:05d}.parquet"
    write_bytes(store / part, sink.getvalue().to_pybytes())
    manifest["parts"] = [*before, part]


def compact(store: Path, manifest: dict[str, Any], dim: int) -> None:
    """One part of the rows that hold; the old parts go only when the manifest no longer names them."""
    table = read_parts(store, manifest).sort_by([("file", "ascending"), ("start_s", "ascending")])
    _put_part(store, manifest, table, [])
    _save(store, manifest)
    _sweep(store, manifest)


def _sweep(store: Path, manifest: dict[str, Any]) -> None:
    """Remove what a killed build left behind."""
    if store.is_dir():
        for path in [*store.glob("part-*.parquet"), *store.glob(".*.tmp*")]:
            if path.name not in manifest["parts"]:
                path.unlink(missing_ok=True)


# -- what is to be done ----------------------------------------------------------------------------------------------


def listing(root: Path, store: Path) -> tuple[list[str], list[Problem]]:
    """Names of all sounds below root in a fixed order, and the folders that cannot be listed."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    problems: list[Problem] = []
    names: list[str] = []

    def refused(error: OSError) -> None:
        if Path(error.filename) == root:
            raise DataError(f"{root} cannot be listed: {error.strerror}") from error
        problems.append(
            Problem(Path(error.filename).relative_to(root).as_posix(), f"cannot be listed: {error.strerror}")
        )

    for folder, below, files in os.walk(root, onerror=refused):
        below[:] = sorted(d for d in below if Path(folder, d).resolve() != store.resolve() and not d.startswith("."))
        names += [Path(folder, f).relative_to(root).as_posix() for f in files if Path(f).suffix.lower() in SUFFIXES]
    if not names and not problems:
        raise NoSoundError(f"{root} holds no sound; looked for {' '.join(sorted(SUFFIXES))}")
    return sorted(names), problems


def make_stamp(path: Path) -> Stamp:
    """Size, time and content hash of a file; raises OSError."""
    stat = path.stat()
    with path.open("rb") as file:
        return Stamp(stat.st_size, stat.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest())


def changed(root: Path, names: list[str], stamps: dict[str, Stamp]) -> tuple[list[str], dict[str, Stamp]]:
    """The files to read, and the stamps of those that need not be."""
    todo: list[str] = []
    kept: dict[str, Stamp] = {}
    for name in names:
        old = stamps.get(name)
        try:
            stat = (root / name).stat()
            if old is not None and (old.size, old.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                kept[name] = old
                continue
            if old is not None and old.size == stat.st_size and (new := make_stamp(root / name)).sha256 == old.sha256:
                kept[name] = new
                continue
        except OSError:
            pass  # reading it will say what is wrong
        todo.append(name)
    return todo, kept


def moved(
    root: Path, todo: list[str], stamps: dict[str, Stamp], there: set[str]
) -> tuple[dict[str, str], dict[str, Stamp]]:
    """Which files that are gone lie under a new name, old to new, and the stamps under the new names."""
    gone = {stamp.sha256: name for name, stamp in stamps.items() if name not in there}
    sizes = {stamps[name].size for name in gone.values()}
    moves: dict[str, str] = {}
    arrived: dict[str, Stamp] = {}
    for name in todo:
        if name in stamps:
            continue
        try:
            if (root / name).stat().st_size not in sizes:
                continue  # not worth reading: no file of this size is gone
            stamp = make_stamp(root / name)
        except OSError:
            continue  # reading it will say what is wrong
        if stamp.sha256 in gone:
            moves[gone.pop(stamp.sha256)] = name
            arrived[name] = stamp
    return moves, arrived
