"""The files of a set of scenes: parts that survive a kill, the finished tables, and how rows are written and read.

A finished folder holds scenes.parquet, clips.parquet and set.json, which is written last: no set.json, no set.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes import source_rows
from open_elsa.scenes.scene import Clip, RoomResponse, Scene, SpatialWords

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


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
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


class SetFiles:
    """The folder of one set of scenes; version: PLAIN or RICH, which columns it gets when it is made."""

    def __init__(self, folder: Path, version: int = PLAIN) -> None:
        self.folder, self.version = folder, version
        self.scenes, self.clips = folder / "scenes.parquet", folder / "clips.parquet"
        self.manifest, self.plan, self.parts = folder / "set.json", folder / "plan.json", folder / "parts"

    @staticmethod
    def bank_digest(bank: Bank) -> str:
        """Hash that tells room responses from others: a bank's own fingerprint, else that of the ids and the rate."""
        if (fingerprint := getattr(bank, "fingerprint", None)) is not None:
            return str(fingerprint())
        return hashlib.sha256(json.dumps([list(bank.ids), bank.sample_rate]).encode()).hexdigest()[:16]

    def begin(self, description: dict[str, Any], part_scenes: int) -> bool:
        """True when this very set is finished already; raises DataError when the folder holds another one."""
        plan = {"version": self.version, "part_scenes": part_scenes, **description}
        for path in (self.manifest, self.plan):
            if path.is_file() and (other := _different(self.read(path), plan)):
                raise DataError(
                    f"{self.folder} holds scenes made from other settings ({', '.join(other)}); "
                    "name another folder, or delete this one"
                )
        if self.manifest.is_file():
            self._tidy()  # what a kill right after the last write left over
            return True
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{self.parts} cannot be made: {error.strerror}") from error
        write_whole(self.plan, lambda p: _write_json(p, plan))
        return False

    def read(self, path: Path) -> dict[str, Any]:
        """Read one of the JSON files; raises DataError if it is damaged."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({error}); delete the folder and make the scenes again") from error
        if not isinstance(value, dict) or value.get("version") not in SCHEMAS:
            raise DataError(f"{path} is not of version {PLAIN} or {RICH}; make the scenes again with this program")
        return cast(dict[str, Any], value)

    def _part(self, part: int) -> Path:
        return self.parts / f"part-{part:06d}.parquet"

    def part_problems(self, part: int) -> dict[str, str] | None:
        """The problems of a part that is whole; None if it has to be made."""
        path = self._part(part)
        if not path.is_file():
            return None
        try:
            found = pq.read_schema(path).metadata[b"problems"]
        except (OSError, pa.ArrowInvalid, KeyError, TypeError):
            return None
        return cast(dict[str, str], json.loads(found))

    def write_part(self, part: int, rows: Sequence[Mapping[str, Any]], problems: dict[str, str]) -> None:
        """Write the rows of a part, and the clips that failed in it."""
        table = pa.Table.from_pylist([_flat(row) for row in rows], schema=SCHEMAS[self.version])
        table = table.replace_schema_metadata({"problems": json.dumps(problems, sort_keys=True)})
        write_whole(self._part(part), lambda p: pq.write_table(table, p, compression="zstd"))

    def all_problems(self) -> dict[str, str]:
        """Path → reason over all finished parts."""
        found: dict[str, str] = {}
        for path in sorted(self.parts.glob("part-*.parquet")):
            found.update(self.part_problems(int(path.stem.removeprefix("part-"))) or {})
        return found

    def refuse(self, latest: Mapping[str, str], limit: int | None) -> None:
        """Raise DataError with the first paths when more than `limit` clips have failed so far."""
        if limit is None or not latest:
            return
        found = self.all_problems()
        if len(found) > limit:
            first = "".join(f"\n  {reason}" for reason in list(found.values())[:5])
            raise DataError(
                f"more than {limit} clips are missing or broken (raise the limit to skip them); the first:{first}"
            )

    def finish(
        self, description: dict[str, Any], clips: Sequence[Clip], bank: Bank, ambience: Path | None = None
    ) -> None:
        """Join the parts into the finished set; set.json comes last, then the parts go. ambience: its recordings."""
        problems = self.all_problems()
        parts = sorted(self.parts.glob("part-*.parquet"))

        schema = SCHEMAS[self.version]

        def join(path: Path) -> None:
            with pq.ParquetWriter(path, schema, compression="zstd") as writer:
                for part in parts:
                    writer.write_table(pq.read_table(part, schema=schema).replace_schema_metadata(None))

        write_whole(self.scenes, join)
        root = _common_folder([clip.path for clip in clips])
        rows = [
            {**asdict(c), "captions": list(c.captions), "path": Path(c.path).absolute().relative_to(root).as_posix()}
            for c in clips
        ]
        write_whole(self.clips, lambda p: pq.write_table(pa.Table.from_pylist(rows), p, compression="zstd"))
        manifest = {
            "version": self.version,
            **description,
            "made": sum(pq.read_metadata(p).num_rows for p in parts),
            "problems": problems,
            "sample_rate": bank.sample_rate,
            "bank_folder": _relative(getattr(bank, "folder", None), self.folder),
            "clips_folder": _relative(root, self.folder),
        }
        if ambience is not None:
            manifest["ambience_folder"] = _relative(ambience, self.folder)
        write_whole(self.manifest, lambda p: _write_json(p, manifest))
        self._tidy()

    def _tidy(self) -> None:
        remove_leftovers(self.folder)
        shutil.rmtree(self.parts, ignore_errors=True)
        self.plan.unlink(missing_ok=True)


def _different(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [k for k, v in wanted.items() if k in found and found[k] != v]


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _common_folder(paths: Sequence[str]) -> Path:
    return Path(os.path.commonpath([Path(p).absolute().parent for p in paths]))


def _relative(path: str | Path | None, folder: Path) -> str | None:
    return None if path is None else Path(os.path.relpath(Path(path).absolute(), folder.absolute())).as_posix()
