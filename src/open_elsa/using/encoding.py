"""Sentences and sounds by one call, and vectors as Arrow tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from open_elsa.errors import DataError
from open_elsa.sound.audio import Sound
from open_elsa.sound.files import SUFFIXES
from open_elsa.using.analysis import Location, Vectors
from open_elsa.using.embedder import Embedder
from open_elsa.using.pieces import Audios, as_list, name_of

_PLACE = tuple(field.name for field in dataclasses.fields(Location))


def encode(embedder: Embedder, what: Any, *, convention: str = "auto") -> Vectors:
    """What `Embedder.encode` does: each item by its type, in the order given."""
    one = isinstance(what, str | Path | Sound) or _is_array(what)
    items = [what] if one else list(what)
    sentences = [k for k, item in enumerate(items) if _is_sentence(item, k)]
    sounds = [k for k in range(len(items)) if k not in set(sentences)]
    vectors = np.zeros((len(items), embedder.dim), np.float32)
    if sentences:
        vectors[sentences] = embedder.embed_text([items[k] for k in sentences])
    if sounds:
        vectors[sounds] = embedder.embed_audio([items[k] for k in sounds], convention=convention)
    return vectors[0] if one else vectors


def embeddings_table(
    embedder: Embedder,
    sounds: Audios | None = None,
    *,
    texts: Sequence[str] | None = None,
    windows: bool = False,
    convention: str = "auto",
) -> pa.Table:
    """Embed sounds, or texts, into an Arrow table, for pandas (`.to_pandas()`), Parquet and databases.

    Columns: text; or source, start_s, end_s and the place, null where it is not known (azimuth_deg, elevation_deg,
    distance_m, floor_area_m2, t30_s, drr_db, uncertainty_deg: of the loudest window, whose span is told, or with
    `windows` of each window); and vector, a list of `dim` float32. The schema's metadata name the model and the hash of
    its weights. Raises DataError unless one of sounds and texts is given; as `analyse` and `embed_text` besides.
    """
    if (sounds is None) == (texts is None):
        raise DataError("embeddings_table takes sounds or texts, one of the two")
    about = {"model": embedder.name, "weights_sha256": embedder.weights_sha256}
    if texts is not None:
        return _table({"text": pa.array(list(texts), pa.string())}, embedder.embed_text(list(texts)), about)
    items = as_list(sounds if sounds is not None else ())
    rows: list[Any] = []
    if windows:
        found = dict(embedder.stream(items, convention=convention))
        rows = [(window.source, window) for k in range(len(items)) for window in found[k]]
    else:
        analyses = embedder.analyse(items, convention=convention)
        rows = [(name_of(item), analysis) for item, analysis in zip(items, analyses, strict=True)]
    columns = {"source": pa.array([name for name, _ in rows], pa.string())}
    for name in ("start_s", "end_s"):
        columns[name] = pa.array([getattr(row, name) for _, row in rows], pa.float64())
    for name in _PLACE:
        columns[name] = pa.array([getattr(row.location, name) for _, row in rows], pa.float32())
    vectors = [row.embedding for _, row in rows]
    return _table(columns, np.stack(vectors) if vectors else np.zeros((0, embedder.dim), np.float32), about)


def _table(columns: dict[str, pa.Array], vectors: Vectors, about: dict[str, str]) -> pa.Table:
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    return pa.table(columns | {"vector": flat}).replace_schema_metadata(about)


def _is_array(what: Any) -> bool:
    return isinstance(what, tuple) and len(what) == 2 and isinstance(what[0], np.ndarray)


def _is_sentence(item: Any, k: int) -> bool:
    if not isinstance(item, str):
        return False
    if item.lower().endswith(SUFFIXES) or (len(item) < 256 and "\0" not in item and Path(item).is_file()):
        raise DataError(
            f"item {k}, {item!r}, may be a sentence or a file: pass Path(...) for a sound, or call embed_text"
        )
    return True
