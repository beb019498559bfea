"""The columns that scenes of several or moving sources, with ambience or a microphone, have beside the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from open_elsa.scenes.scene import Ambience, Microphone, Path, Scene, Source, SourcePosition

_FLOATS = pa.list_(pa.float64())


def _numbers(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.float64()) for name in names]


_PLACE = _numbers("azimuth_deg", "elevation_deg", "distance_m")
_PATH = pa.struct([("to", pa.struct(_PLACE)), *_numbers("start_s", "stop_s"), ("seed", pa.int64())])
#: What is true of each source beside what renders it: where it starts, how its room is heard from there, its level.
TOLD = pa.struct(
    [
        *_PLACE,
        *_numbers("t30_s", "drr_db", "level_dbfs"),
        ("label", pa.string()),
        ("active", pa.list_(pa.bool_())),
    ]
)
_SOURCE = pa.struct(
    [
        ("clip_id", pa.string()),
        ("response_id", pa.string()),
        *_numbers("gain_db", "start_s", "onset_s", "duration_s", "below_db"),
        ("path", _PATH),
        ("told", TOLD),
    ]
)
_AMBIENCE = pa.struct(
    [*_numbers("snr_db", "colour", "start_s", "yaw_deg"), ("recording", pa.string()), ("seed", pa.int64())]
)
_MICROPHONE = pa.struct(
    [
        *((name, _FLOATS) for name in ("gains_db", "phases_deg", "omni_share")),
        *_numbers("yaw_deg", "alias_hz", "alias_leak", "noise_snr_db"),
        ("alias_seed", pa.int64()),
    ]
)
COLUMNS = [("sources", pa.list_(_SOURCE)), ("ambience", _AMBIENCE), ("microphone", _MICROPHONE)]


def columns_of(scene: Scene, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of a scene; told: one entry with the fields of `TOLD` for each source."""
    return {
        "sources": [{**asdict(s), "told": dict(t)} for s, t in zip(scene.sources, told, strict=True)],
        "ambience": asdict(scene.ambience) if scene.ambience else None,
        "microphone": asdict(scene.microphone) if scene.microphone else None,
    }


def parts_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Scene` that a row's columns hold; none for a row of the first version."""
    if row.get("sources") is None:
        return {}
    ambience, microphone = row["ambience"], row["microphone"]
    return {
        "sources": tuple(_source_of(s) for s in row["sources"]),
        "ambience": Ambience(**ambience) if ambience else None,
        "microphone": Microphone(**microphone) if microphone else None,
    }


def _source_of(row: Mapping[str, Any]) -> Source:
    known = {k: v for k, v in row.items() if k not in ("told", "path")}
    path = row["path"] and Path(**{**row["path"], "to": SourcePosition(**row["path"]["to"])})
    return Source(**known, path=path)
