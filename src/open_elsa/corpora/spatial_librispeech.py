"""Spatial LibriSpeech, one speaker in a simulated room: `metadata.parquet`, `ambisonics/{sample_id, six digits}.flac`.

The flacs may also lie in `audio_files/` or `audio_files/{split}/`, as apple's own script and lhotse put them. The noise
recordings (`noise_ambisonics`) are not read.
Columns and units (radians, metres, milliseconds in 33 third octaves): apple/ml-spatial-librispeech, DATASET_SCHEMA.md.
It does not say how the channels lie or which way azimuth turns. Two public loaders take the order W, Y, Z, X and
azimuth counter-clockwise with +90° left, one of them after a comparison with the intensity vector; the gains are stated
nowhere. So the set is read as AmbiX, and `hearing.convention` tells from some of its recordings whether that holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from open_elsa.corpora import base
from open_elsa.corpora.base import Problem
from open_elsa.corpora.spatial import SoundEvent, SpatialCorpus, SpatialRecording, foa_header
from open_elsa.errors import DataError

_NEEDED = ("sample_id", "split", "speech/azimuth", "speech/elevation", "speech/distance")
_BANDS, _T30 = "acoustics/frequency_bins", "acoustics/t30_ms"
_SEX = "speech/librispeech_metadata/reader_sex"
_WANTED = (_BANDS, _T30, _SEX, "room/room_id", "room/floor_area", "room/volume", "lite_version")
#: The third octaves of the 500 Hz and 1 kHz octaves.
_MID_HZ = (390.0, 1270.0)


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[SpatialRecording]:
    """Yield one recording a row of the metadata; "lite" asks for the rows of the lite version."""
    table = base.need(root, ["metadata.parquet"], CORPUS)
    try:
        file = pq.ParquetFile(table)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{table} is not a whole Parquet file: {error}; download it again") from None
    names = set(file.schema_arrow.names)
    if absent := [name for name in _NEEDED if name not in names]:
        raise DataError(f"{table} lacks the column {', '.join(absent)}; is it the metadata of {CORPUS.url}?")
    for batch in file.iter_batches(columns=[c for c in (*_NEEDED, *_WANTED) if c in names]):
        for row in batch.to_pylist():
            asked = {str(row["split"]), *(["lite"] if row.get("lite_version") else [])}
            if splits is None or splits & asked:
                yield from _recording(root, row, table, problems)


def _recording(root: Path, row: dict[str, Any], table: Path, problems: list[Problem]) -> Iterator[SpatialRecording]:
    number, split = f"{int(row['sample_id']):06d}", str(row["split"])
    places = (root / "ambisonics", root / "audio_files", root / "audio_files" / split)
    path = next((p for f in places if (p := f / f"{number}.flac").is_file()), places[0] / f"{number}.flac")
    header = foa_header(path, problems)
    if header is None:
        return
    try:
        event = SoundEvent(
            label={"f": "woman speaking", "m": "man speaking"}.get(str(row.get(_SEX) or "").lower()[:1], "speech"),
            start_s=0.0,
            end_s=header.duration_s,
            azimuth_deg=math.degrees(row["speech/azimuth"]),
            elevation_deg=math.degrees(row["speech/elevation"]),
            distance_m=float(row["speech/distance"]),
        )
    except (DataError, TypeError) as error:
        problems.append(Problem(f"{table}, sample {number}", f"has no place: {error}"))
        return
    yield SpatialRecording(
        id=f"{CORPUS.name}/{split}/{number}",
        path=str(path),
        convention="ambix",
        sample_rate=header.sample_rate,
        duration_s=header.duration_s,
        events=(event,),
        corpus=CORPUS.name,
        split=split,
        licence=CORPUS.licence,
        room_id=str(row.get("room/room_id", "")),
        floor_area_m2=_number(row.get("room/floor_area")),
        volume_m3=_number(row.get("room/volume")),
        t30_mid_s=_t30_mid_s(row),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) and value > 0 else None


def _t30_mid_s(row: dict[str, Any]) -> float | None:
    bands, times = row.get(_BANDS), row.get(_T30)
    if not bands or not times or len(bands) != len(times):
        return None
    hz, ms = np.asarray(bands, dtype=np.float64), np.asarray(times, dtype=np.float64)
    mid = ms[(hz > _MID_HZ[0]) & (hz < _MID_HZ[1])]
    return _number(float(mid.mean()) / 1000) if mid.size else None


CORPUS = SpatialCorpus(
    name="spatial_librispeech",
    licence="CC-BY-4.0",
    citation="M. Sarabia, E. Menyaylenko, A. Toso et al., Spatial LibriSpeech: An Augmented Dataset for Spatial Audio "
    "Learning, Interspeech 2023",
    url="https://github.com/apple/ml-spatial-librispeech",
    splits=("train", "test", "lite"),
    reader=read,
    timed=False,
)
