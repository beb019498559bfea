"""What is true of every source in every tenth of a second, and the same as DCASE's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from open_elsa.scenes import moving
from open_elsa.scenes.mixing import frame_times
from open_elsa.scenes.scene import Scene, Source, SourcePosition
from open_elsa.sound import foa

PLACE = ("azimuth_deg", "elevation_deg", "distance_m")
#: The class of a clip whose corpus has no classes.
NO_LABEL = "sound"


def frames_of(start: SourcePosition, source: Source | None, active: Sequence[bool]) -> dict[str, list[Any]]:
    """Azimuth, elevation (degrees) and distance (metres) in the middle of every frame of 100 ms, and if it sounds.

    source: where it walks, if it does.
    """
    times = frame_times(len(active))
    if source is None or source.path is None:
        ways = {k: [getattr(start, k)] * len(active) for k in PLACE}
    else:
        places = moving.trajectory(start, source.path, times)
        azimuth, elevation = foa.angles(places)
        distance = np.linalg.norm(places, axis=1)
        ways = {
            "azimuth_deg": [round(float(v), 2) for v in azimuth],
            "elevation_deg": [round(float(v), 2) for v in elevation],
            "distance_m": [round(float(v), 3) for v in distance],
        }
    return {**ways, "active": [bool(v) for v in active]}


def truth_of_sources(scene: Scene, told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Everything that is true of each source of a scene; told: their rows' fields of `source_rows.TOLD`.

    The place is where it starts; level_dbfs is W's in the room while it sounds, snr_db how far that lies below the
    first source's, None for the first; offset_s is when it ends.
    """
    found = []
    for number, (source, known) in enumerate(zip(scene.sources, told, strict=True)):
        start = SourcePosition(*(known[k] for k in PLACE))
        found.append(
            {
                "clip_id": source.clip_id,
                "label": known["label"],
                "response_id": source.response_id,
                "start_s": source.start_s,
                "onset_s": source.onset_s,
                "offset_s": round(min(source.onset_s + source.duration_s, scene.duration_s), 4),
                "gain_db": source.gain_db,
                "level_dbfs": known["level_dbfs"],
                "snr_db": round(told[0]["level_dbfs"] - known["level_dbfs"], 3) if number else None,
                **{k: getattr(start, k) for k in PLACE},
                "t30_s": known["t30_s"],
                "drr_db": known["drr_db"],
                "moves": None if source.path is None else _walk(source),
                "frames": frames_of(start, source, known["active"]),
            }
        )
    return found


def _walk(source: Source) -> dict[str, float]:
    if source.path is None:
        return {}
    to = {f"to_{k}": getattr(source.path.to, k) for k in PLACE}
    return {"from_s": source.path.start_s, "until_s": source.path.stop_s, **to}


def dcase_rows(sources: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[str]:
    """Frame labels as in DCASE's task 3 of 2024 and STARSS23: one line for each source that sounds in a frame.

    frame (of 100 ms, from 0), class, source, azimuth and elevation in degrees, distance in centimetres; all whole
    numbers, no header, frames without sound left out. Azimuth grows counter-clockwise, 90 on the left, as ours.
    Sources are numbered within their class, from 0. sources: label and frames of each, as `frames_of` gives them.
    """
    lines: list[tuple[int, ...]] = []
    seen: dict[str, int] = {}
    for source in sources:
        label = source["label"] or NO_LABEL
        number = seen.setdefault(label, 0)
        seen[label] += 1
        frames = source["frames"]
        rows = zip(*(frames[k] for k in ("azimuth_deg", "elevation_deg", "distance_m", "active")), strict=True)
        for at, (azimuth, elevation, distance, active) in enumerate(rows):
            if active:
                whole = (round(azimuth), round(elevation), round(100 * distance))
                lines.append((at, classes.index(label), number, *whole))
    return [",".join(map(str, line)) for line in sorted(lines)]


def classes_of(labels: Sequence[str]) -> list[str]:
    """The classes of a set in the order of their numbers: its labels, sorted, with NO_LABEL for clips without one."""
    return sorted({label or NO_LABEL for label in labels})
