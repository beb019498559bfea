"""How scenes are written as rows and read back, and how any file is written whole or not at all."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes import source_rows
from open_elsa.scenes.scene import RoomResponse, Scene, SpatialWords

#: Tables of one still source a scene, as they were first; tables with the columns of `source_rows`.
PLAIN, RICH = 1, 2
WORDS = tuple(f.name for f in fields(SpatialWords))
TRUTH = ("azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "t30_s", "drr_db")

_TEXTS = pa.list_(pa.string())
_COLUMNS = pa.schema(
    [
        ("index", pa.int64()),
        ("id", pa.string()),
        ("clip_id", pa.string()),
        ("response_id", pa.string()),
        ("gain_db", pa.float64()),
        ("snr_db", pa.float64()),
        ("start_s", pa.float64()),
        ("duration_s", pa.float64()),
        *((name, pa.string()) for name in WORDS),
        ("captions", _TEXTS),
        ("originals", _TEXTS),
        ("seed", pa.int64()),
        *((name, pa.float64()) for name in TRUTH),
        ("room_id", pa.string()),
        ("label", pa.string()),
    ]
)
SCHEMAS = {PLAIN: _COLUMNS, RICH: pa.schema([*_COLUMNS, *source_rows.COLUMNS])}


class Bank(Protocol):
    """What scenes need of room responses; simulated banks and measured rooms both have it."""

    ids: list[str]
    sample_rate: int

    def __len__(self) -> int: ...
    def __getitem__(self, i: int) -> RoomResponse: ...
    def index(self, response_id: str) -> int:
        """Row of a response."""

    def response(self, i: int) -> NDArray[np.float32]:
        """Samples (4, n) of a response."""


def truths_of(bank: Bank) -> list[dict[str, Any]]:
    """What is true of each response, in order: place, floor area, measured T30 and DRR, room; None where unknown."""
    table = getattr(bank, "table", None)
    if table is not None and {*TRUTH, "room_id"} <= set(table.column_names):
        rows = table.select([*TRUTH, "room_id"]).to_pylist()
    else:
        rows = [_truth_of(bank[i]) for i in range(len(bank))]
    return [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in rows]


def _truth_of(made: RoomResponse) -> dict[str, Any]:
    return {
        **asdict(made.position),
        "floor_area_m2": made.floor_area_m2,
        "t30_s": made.acoustics.t30_s,
        "drr_db": made.acoustics.drr_db,
        "room_id": made.room_id,
    }


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, then put it in place; whatever stops `write`, nothing is left half-written.

    Raises DataError that says what happened; files already finished are untouched.
    """
    unfinished = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        write(unfinished)
        with unfinished.open("rb") as f:
            os.fsync(f.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} could not be written ({error.strerror or error}); what was finished before is kept: "
            "make room and run the same command again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text as `write_whole` does."""
    write_whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes as `write_whole` does, into a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda unfinished: unfinished.write_bytes(data))


def remove_leftovers(folder: Path) -> None:
    """Delete the hidden unfinished files of writers that were killed."""
    for path in [*folder.glob(".*.tmp-*"), *folder.glob(".*.part")]:
        with contextlib.suppress(OSError):
            path.unlink()


def scene_of(row: Mapping[str, Any]) -> Scene:
    """Read a scene back from its row."""
    words = SpatialWords(**{name: row[name] for name in WORDS})
    plain = {k: row[k] for k in ("clip_id", "response_id", "gain_db", "snr_db", "start_s", "duration_s", "seed", "id")}
    return Scene(words=words, captions=tuple(row["captions"]), **plain, **source_rows.parts_of(row))


def columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a scene that was made, for the schema of its version."""
    scene: Scene = row["scene"]
    elsewhere = ("words", "captions", "sources", "ambience", "microphone")
    plain = {f.name: getattr(scene, f.name) for f in fields(Scene) if f.name not in elsewhere}
    return {
        "index": row["index"],
        **plain,
        **(source_rows.columns_of(scene, row["told"]) if scene.sources else {}),
        **asdict(scene.words),
        "captions": list(scene.captions),
        "originals": list(row["originals"]),
        **row["truth"],
    }
