"""The value types of spatial sound with words: frozen, validated at birth, no files."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import ConventionError, DataError
from open_elsa.sound.acoustics import Acoustics

#: Array height, source distance and the like are checked against these physical limits.
MAX_DISTANCE_M = 100.0


@dataclass(frozen=True)
class SourcePosition:
    """Where a source is and how it radiates, relative to an array that faces +x.

    azimuth_deg: counter-clockwise from above, 0 ahead, +90 left, wrapped into (-180, 180].
    elevation_deg: -90 (below) to +90 (above). distance_m: metres, > 0.
    directivity: a name of `directivity.DIRECTIVITIES`. facing_azimuth_deg, facing_elevation_deg: where the source's
    axis points, as angles in the array's frame; azimuth_deg + 180 and -elevation_deg face the array.
    Raises ConventionError for angles or distances that are not finite or out of range.
    """

    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    directivity: str = "omni"
    facing_azimuth_deg: float = 0.0
    facing_elevation_deg: float = 0.0

    def __post_init__(self) -> None:
        facing = (self.facing_azimuth_deg, self.facing_elevation_deg)
        if not all(map(math.isfinite, (self.azimuth_deg, self.elevation_deg, self.distance_m, *facing))):
            raise ConventionError(f"a source position must be finite, got {self}")
        for name in ("elevation_deg", "facing_elevation_deg"):
            if not -90.0 <= getattr(self, name) <= 90.0:
                raise ConventionError(f"{name} must lie in -90..90, got {getattr(self, name)}")
        if not 0.0 < self.distance_m <= MAX_DISTANCE_M:
            raise ConventionError(f"distance_m must lie in (0, {MAX_DISTANCE_M:g}], got {self.distance_m}")
        wrapped = -((180.0 - self.azimuth_deg) % 360.0 - 180.0)  # (-180, 180]
        object.__setattr__(self, "azimuth_deg", wrapped)


@dataclass(frozen=True)
class Room:
    """A shoebox room with the array in it.

    size_m: length (x), width (y), height (z) in metres. array_m: the array's place, metres from the room's corner.
    absorption: mean energy absorption per octave band of `acoustics.OCTAVE_BANDS_HZ`, each in (0, 1).
    array_yaw_deg: which way the array faces, counter-clockwise from the room's +x; source positions are relative to it.
    scattering: share of the reflected energy at 1 kHz that leaves a wall in other directions than a mirror's, 0 to 1;
    the default is that of a lightly furnished room.
    """

    room_id: str
    size_m: tuple[float, float, float]
    absorption: tuple[float, ...]
    array_m: tuple[float, float, float]
    array_yaw_deg: float = 0.0
    scattering: float = 0.2

    def __post_init__(self) -> None:
        if any(side <= 0 for side in self.size_m):
            raise DataError(f"room {self.room_id}: every side must be positive, got {self.size_m}")
        if any(not 0 < place < side for place, side in zip(self.array_m, self.size_m, strict=True)):
            raise DataError(f"room {self.room_id}: the array at {self.array_m} is outside {self.size_m}")
        if any(not 0 < a < 1 for a in self.absorption):
            raise DataError(f"room {self.room_id}: absorption must lie in (0, 1), got {self.absorption}")
        if not 0.0 <= self.scattering <= 1.0:
            raise DataError(f"room {self.room_id}: scattering must lie in 0..1, got {self.scattering}")

    @property
    def floor_area_m2(self) -> float:
        """Floor area in square metres."""
        return self.size_m[0] * self.size_m[1]

    @property
    def volume_m3(self) -> float:
        """Volume in cubic metres."""
        return self.floor_area_m2 * self.size_m[2]

    @property
    def surface_m2(self) -> float:
        """Area of all six walls in square metres."""
        x, y, z = self.size_m
        return 2 * (x * y + y * z + x * z)


@dataclass(frozen=True)
class RoomResponse:
    """A first-order ambisonic impulse response from one place in one room.

    response: (4, n) float32 AmbiX, direct sound with amplitude 1/r; arrival_s: when the direct sound arrives.
    room: None for a measured response from a room of unknown size: `room_id` and
    `floor_area_m2` (None = unknown) answer for both kinds.
    """

    room: Room | None
    position: SourcePosition
    sample_rate: int
    response: NDArray[np.float32]
    arrival_s: float
    acoustics: Acoustics
    seed: int
    simulator: str
    known_room_id: str = ""
    known_floor_area_m2: float | None = None

    @property
    def room_id(self) -> str:
        """Name of the room, simulated or measured."""
        return self.room.room_id if self.room is not None else self.known_room_id

    @property
    def floor_area_m2(self) -> float | None:
        """Floor area in square metres, None where it is unknown."""
        return self.room.floor_area_m2 if self.room is not None else self.known_floor_area_m2

    def __post_init__(self) -> None:
        if self.response.ndim != 2 or self.response.shape[0] != 4:
            raise DataError(f"a response must have shape (4, n), got {self.response.shape}")


@dataclass(frozen=True)
class Clip:
    """A captioned mono sound of a corpus; the licence travels with every row.

    path: the audio file. captions: one or more plain sentences or labels. label: a class name where the corpus has
    classes, else "". recording: id of the original recording, "" where unknown (one recording never crosses splits).
    trainable: whether the clip's own licence lets it train weights that are shipped.
    """

    id: str
    path: str
    captions: tuple[str, ...]
    corpus: str
    split: str
    licence: str
    duration_s: float
    label: str = ""
    recording: str = ""
    source_url: str = ""
    trainable: bool = True


@dataclass(frozen=True)
class SpatialWords:
    """The words that are true of a scene, one an attribute; None = gap zone or unknown (see attributes.py)."""

    direction: str | None = None
    elevation: str | None = None
    distance: str | None = None
    room_size: str | None = None
    reverberation: str | None = None

    @property
    def empty(self) -> bool:
        """True when no attribute has a word."""
        return all(v is None for v in asdict(self).values())


@dataclass(frozen=True)
class SpatialCaption:
    """A sentence that says what and where; `checked` is True once the parser read every fact back."""

    text: str
    original: str
    words: SpatialWords
    writer: str
    checked: bool


@dataclass(frozen=True)
class Scene:
    """One spatial sound as a row: everything needed to render it and everything true about it.

    clip_id, response_id: keys into the set's clips and its room bank. gain_db: applied to the clip before rendering;
    snr_db: level of sensor noise under the scene (None = clean); start_s: where in the clip the scene starts.
    """

    clip_id: str
    response_id: str
    gain_db: float
    snr_db: float | None
    start_s: float
    duration_s: float
    words: SpatialWords
    captions: tuple[str, ...]
    seed: int
    id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.id:
            content = {k: v for k, v in asdict(self).items() if k != "id"}
            digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
            object.__setattr__(self, "id", digest[:16])
