"""Rewritten captions of a set of scenes: one table beside the scenes, which stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from open_elsa.errors import DataError
from open_elsa.scenes.rewriting.prompts import TEMPLATE
from open_elsa.scenes.rewriting.rewriter import RewriteReport
from open_elsa.scenes.scene import SpatialCaption
from open_elsa.scenes.store import Store

if TYPE_CHECKING:
    from open_elsa.scenes.scene_set import SceneSet

FILE = "rewritten.parquet"
#: A caption is found by its scene's id and its number among the scene's captions.
SCHEMA = pa.schema(
    [
        ("scene", pa.string()),
        ("number", pa.int32()),
        ("text", pa.string()),
        ("original", pa.string()),
        ("writer", pa.string()),
    ]
)


def captions_of(scenes: SceneSet) -> list[SpatialCaption]:
    """Every caption of a set, scene by scene, as `rewrite` takes them."""
    return [
        SpatialCaption(text, original, scene.words, "grammar", True)
        for i, scene in enumerate(scenes)
        for text, original in zip(scene.captions, scenes.originals(i), strict=True)
    ]


def save(scenes: SceneSet, report: RewriteReport, settings: Mapping[str, Any]) -> Path:
    """Write the captions of a report, made from `captions_of(scenes)`, beside the scenes; returns the file's path.

    Where the scenes are at a URL, the path is of a copy on this machine.

    settings: what they were made with (model, seed and the like), kept in the file. Raises DataError when the report is
    of other scenes.
    """
    keys = [(scene.id, number) for scene in scenes for number in range(len(scene.captions))]
    if len(keys) != len(report.captions):
        raise DataError(f"the report holds {len(report.captions)} captions, {scenes.folder} has {len(keys)}")
    rows = [
        {"scene": scene, "number": number, "text": made.text, "original": made.original, "writer": made.writer}
        for (scene, number), made in zip(keys, report.captions, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    table = table.replace_schema_metadata({"made": json.dumps({"template": TEMPLATE, **settings}, sort_keys=True)})
    store = Store(scenes.folder)
    store.write_whole(FILE, lambda p: pq.write_table(table, p, compression="zstd"))
    return store.fetch(FILE)


def load(folder: Path | str, rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Rewritten captions of a set's rows, in their order; raises DataError where they are missing or of another set."""
    store = Store(folder)
    again = "run `elsa captions rewrite` on this folder"
    if not store.exists(FILE):
        raise DataError(f"{folder} has no rewritten captions ({FILE}); {again}")
    path = store.fetch(FILE)
    try:
        found = {(r["scene"], r["number"]): r["text"] for r in pq.read_table(path, schema=SCHEMA).to_pylist()}
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read ({error}); {again}") from error
    try:
        texts = [[found[row["id"], n] for n in range(len(row["captions"]))] for row in rows]
    except KeyError as error:
        raise DataError(f"{path} is of other scenes (it lacks {error.args[0]}); {again}") from None
    return texts
