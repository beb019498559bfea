"""The files of a set of scenes, on this machine or at a URL: parts that survive a kill, then the finished tables.

A finished folder holds scenes.parquet, clips.parquet and set.json, which is written last: no set.json, no set.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from open_elsa.errors import DataError
from open_elsa.scenes import places
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_files import PLAIN, SCHEMAS, Bank, columns_of, remove_leftovers
from open_elsa.scenes.store import Store

SCENES, CLIPS, MANIFEST, PLAN = "scenes.parquet", "clips.parquet", "set.json", "plan.json"
_PARTS = "parts/part-*.parquet"


class SetFiles:
    """The folder of one set of scenes; version: PLAIN or RICH, which columns it gets when it is made."""

    def __init__(self, folder: str | Path, version: int = PLAIN) -> None:
        self.folder, self.version, self.store = folder, version, Store(folder)

    @staticmethod
    def bank_digest(bank: Bank) -> str:
        """Hash that tells room responses from others: a bank's own fingerprint, else that of the ids and the rate."""
        if (fingerprint := getattr(bank, "fingerprint", None)) is not None:
            return str(fingerprint())
        return hashlib.sha256(json.dumps([list(bank.ids), bank.sample_rate]).encode()).hexdigest()[:16]

    def begin(self, description: dict[str, Any], part_scenes: int) -> bool:
        """True when this very set is finished already; raises DataError when the folder holds another one."""
        plan = {"version": self.version, "part_scenes": part_scenes, **description}
        finished = self.store.exists(MANIFEST)
        for name in (MANIFEST, PLAN):
            if self.store.exists(name) and (other := _different(self.read(name), plan)):
                raise DataError(
                    f"{self.folder} holds scenes made from other settings ({', '.join(other)}); "
                    "name another folder, or delete this one"
                )
        if finished:
            self._tidy()  # what a kill right after the last write left over
            return True
        self.store.write_whole(PLAN, _json(plan))
        return False

    def read(self, name: str) -> dict[str, Any]:
        """Read one of the JSON files; raises DataError if it is damaged."""
        where = self.store.where(name)
        try:
            value = json.loads(self.store.read(name))
        except ValueError as error:
            raise DataError(f"{where} cannot be read ({error}); delete the folder and make the scenes again") from error
        if not isinstance(value, dict) or value.get("version") not in SCHEMAS:
            raise DataError(f"{where} is not of version {' or '.join(map(str, SCHEMAS))}; make the scenes again")
        return cast(dict[str, Any], value)

    def part_problems(self, part: int) -> dict[str, str] | None:
        """The problems of a part that is whole; None if it has to be made."""
        name = _part(part)
        if not self.store.exists(name):
            return None
        try:
            found = pq.read_schema(pa.BufferReader(self.store.read(name))).metadata[b"problems"]
        except (OSError, pa.ArrowInvalid, KeyError, TypeError):
            return None
        return cast(dict[str, str], json.loads(found))

    def write_part(self, part: int, rows: Sequence[Mapping[str, Any]], problems: dict[str, str]) -> None:
        """Write the rows of a part, and the clips that failed in it."""
        table = pa.Table.from_pylist([columns_of(row) for row in rows], schema=SCHEMAS[self.version])
        table = table.replace_schema_metadata({"problems": json.dumps(problems, sort_keys=True)})
        self.store.write_whole(_part(part), lambda p: pq.write_table(table, p, compression="zstd"))

    def finish(
        self,
        description: dict[str, Any],
        parts: int,
        clips: Sequence[Clip],
        bank: Bank,
        ambience: Path | None = None,
    ) -> None:
        """Join the parts into the finished set; set.json comes last, then the parts go. ambience: its recordings.

        Raises DataError when one of the `parts` is not there, as when a node of a cluster wrote it to its own disk.
        """
        names = [_part(part) for part in range(parts)]
        if absent := sorted({*names} - {*self.store.list(_PARTS)}):
            raise DataError(
                f"{self.store.where(absent[0])} is not there, and {len(absent) - 1} more: every process must reach the "
                "same folder; on a cluster give a URL or a folder that all nodes share, then run it again"
            )
        schema, made = SCHEMAS[self.version], 0
        problems: dict[str, str] = {}

        def join(path: Path) -> None:
            nonlocal made
            with pq.ParquetWriter(path, schema, compression="zstd") as writer:
                for name in names:
                    part = pq.read_table(pa.BufferReader(self.store.read(name)))
                    problems.update(json.loads(part.schema.metadata[b"problems"]))
                    made += part.num_rows
                    writer.write_table(part.replace_schema_metadata(None).cast(schema))

        self.store.write_whole(SCENES, join)
        root = places.folder_of([clip.path for clip in clips])
        rows = [{**asdict(c), "captions": list(c.captions), "path": places.seen_from(root, c.path)} for c in clips]
        self.store.write_whole(CLIPS, lambda p: pq.write_table(pa.Table.from_pylist(rows), p, compression="zstd"))
        where = getattr(bank, "url", None) or getattr(bank, "folder", None)
        manifest = {
            "version": self.version,
            **description,
            "made": made,
            "problems": problems,
            "sample_rate": bank.sample_rate,
            "bank_folder": None if where is None else places.seen_from(self.folder, where),
            "clips_folder": places.seen_from(self.folder, root),
        }
        if ambience is not None:
            manifest["ambience_folder"] = places.seen_from(self.folder, ambience)
        self.store.write_whole(MANIFEST, _json(manifest))
        self._tidy()

    def _tidy(self) -> None:
        if self.store.folder is not None:
            remove_leftovers(self.store.folder)
            shutil.rmtree(self.store.folder / PurePosixPath(_PARTS).parent, ignore_errors=True)
        else:
            for name in self.store.list(_PARTS):
                self.store.remove(name)
        self.store.remove(PLAN)


def refuse(problems: Mapping[str, str], limit: int | None) -> None:
    """Raise DataError with the first paths when more than `limit` clips have failed so far."""
    if limit is not None and len(problems) > limit:
        first = "".join(f"\n  {reason}" for reason in list(problems.values())[:5])
        raise DataError(
            f"more than {limit} clips are missing or broken (raise the limit to skip them); the first:{first}"
        )


def _part(part: int) -> str:
    return f"parts/part-{part:06d}.parquet"


def _different(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [k for k, v in wanted.items() if k in found and found[k] != v]


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
