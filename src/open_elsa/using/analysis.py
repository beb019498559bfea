"""What a model says of a sound: the values that `Embedder` gives, and how windows are told as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.sound import foa

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Location:
    """What the model says of the place; every field None where it cannot know (mono, silence).

    azimuth_deg: 0 ahead, +90 left, in (-180, 180]. elevation_deg: -90..90. distance_m: metres. floor_area_m2, t30_s,
    drr_db: the room; uncertainty_deg: expected angular error. The last three are None in models that lack them.
    """

    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None
    floor_area_m2: float | None = None
    t30_s: float | None = None
    drr_db: float | None = None
    uncertainty_deg: float | None = None

    @property
    def known(self) -> bool:
        """True where a direction was heard."""
        return self.azimuth_deg is not None


@dataclass(frozen=True)
class Embedding:
    """One window: vector (d,) float32 of unit norm, and where in which source it was heard, in seconds."""

    vector: Vectors
    start_s: float
    end_s: float
    source: str


@dataclass(frozen=True)
class WindowAnalysis:
    """One window with everything known of it; level_db is the RMS of W in dBFS."""

    embedding: Vectors
    location: Location
    start_s: float
    end_s: float
    source: str
    level_db: float
    silent: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """One sound: embedding (d,) of the whole of it; location and its span start_s..end_s, the loudest window.

    silent: nothing to hear in all of it. notes: what was assumed or stood in the way. loudest: embedding (d,) of the
    loudest window alone.
    """

    embedding: Vectors
    location: Location
    start_s: float
    end_s: float
    source: str = ""
    silent: bool = False
    notes: tuple[str, ...] = ()
    loudest: Vectors | None = None


def whole(windows: Sequence[WindowAnalysis]) -> Analysis:
    """One answer for a sound of several windows: mean vector of those heard, place of the loudest."""
    heard = [w for w in windows if not w.silent] or list(windows)
    vector: Vectors = heard[0].embedding
    if len(heard) > 1:
        mean = np.mean([w.embedding for w in heard], axis=0, dtype=np.float64)
        vector = np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
    loudest = max(heard, key=lambda w: w.level_db)  # the first of equals
    notes = tuple(dict.fromkeys(note for w in windows for note in w.notes))
    return Analysis(
        vector,
        loudest.location,
        loudest.start_s,
        loudest.end_s,
        loudest.source,
        loudest.silent,
        notes,
        loudest.embedding,
    )


def locations(out: Any, spatial: Sequence[bool]) -> list[Location]:
    """The places in a model's output, with no field for sounds that are not spatial."""
    azimuth, elevation = foa.angles(out.direction.double().cpu().numpy())
    columns: dict[str, Any] = {"azimuth_deg": azimuth, "elevation_deg": elevation}
    for name in ("distance_m", "floor_area_m2", "t30_s", "drr_db", "uncertainty_deg"):
        values = getattr(out, name)
        columns[name] = None if values is None else values.float().cpu().numpy()
    result = []
    for i, heard in enumerate(spatial):
        fields = {k: float(v[i]) for k, v in columns.items() if heard and v is not None and np.isfinite(v[i])}
        result.append(replace(Location(), **fields))
    return result
