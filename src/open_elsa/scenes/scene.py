"""The value types of spatial sound with words: frozen, validated at birth, no files."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import ConventionError, DataError

if TYPE_CHECKING:  # measuring needs scipy.fft, whose import takes half a second that embedding need not wait for
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
class Path:
    """A straight walk at constant speed: a source stands at its response's place, goes, and stays where it arrives.

    to: where it arrives. start_s, stop_s: when it goes and arrives, in seconds of the scene. seed: of the diffuse tail
    that all responses on the way share. Raises DataError when it arrives before it goes.
    """

    to: SourcePosition
    start_s: float
    stop_s: float
    seed: int

    def __post_init__(self) -> None:
        if not 0.0 <= self.start_s < self.stop_s:
            raise DataError(f"a path must end after it starts, got {self.start_s:g} to {self.stop_s:g} s")


@dataclass(frozen=True)
class Source:
    """One sound of a scene of several or moving ones.

    clip_id, response_id: keys into the set's clips and its room bank. gain_db: applied to the clip before rendering.
    The clip's stretch from start_s, duration_s long, begins onset_s into the scene. below_db: how far W's level, by
    RMS over that stretch of the scene, lies below that of the first source. path: None for a source that stays.
    """

    clip_id: str
    response_id: str
    gain_db: float
    start_s: float
    onset_s: float
    duration_s: float
    below_db: float = 0.0
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.start_s < 0 or self.onset_s < 0 or self.duration_s <= 0:
            raise DataError(f"a source starts at 0 s or later and lasts some time, got {self}")


@dataclass(frozen=True)
class Ambience:
    """Diffuse sound under a whole scene, W's level snr_db below that of all sources together, by RMS.

    colour: power falls as 1 / frequency to this (0 white, 1 pink, 2 brown), None for a recording: then recording is
    its name in the folder of ambience, start_s where it is cut, and yaw_deg how far it is turned if it has directions.
    """

    snr_db: float
    colour: float | None
    recording: str = ""
    start_s: float = 0.0
    yaw_deg: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Microphone:
    """How far the array of a scene is from an ideal one; `Microphone()` is ideal. See `microphone.hear`.

    Of each of the four capsules (FLU, FRD, BLD, BRU) of a tetrahedral microphone: gains_db, phases_deg, and
    omni_share, the share of pressure in its pattern a + (1 - a) cos (0.5: cardioid). yaw_deg: the array is turned this
    far to the left of where it is thought to look, so that everything is heard to the right of its true azimuth.
    alias_hz: above, channels leak into each other by alias_leak (amplitude) as drawn from alias_seed; None: nowhere.
    noise_snr_db: white self-noise, as strong in every channel, this far below W; None: none.
    """

    gains_db: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    phases_deg: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    omni_share: tuple[float, ...] = (0.5, 0.5, 0.5, 0.5)
    yaw_deg: float = 0.0
    alias_hz: float | None = None
    alias_leak: float = 0.0
    alias_seed: int = 0
    noise_snr_db: float | None = None

    def __post_init__(self) -> None:
        for name in ("gains_db", "phases_deg", "omni_share"):
            if len(getattr(self, name)) != 4:
                raise DataError(
                    f"Microphone.{name} has one number for each of four capsules, got {getattr(self, name)}"
                )
            object.__setattr__(self, name, tuple(getattr(self, name)))


@dataclass(frozen=True)
class Scene:
    """One spatial sound as a row: everything needed to render it and everything true about it.

    clip_id, response_id: keys into the set's clips and its room bank. gain_db: applied to the clip before rendering;
    snr_db: level of sensor noise under the scene (None = clean); start_s: where in the clip the scene starts.
    sources: empty for a scene of one still source, which these fields say all about; else every source, the loudest
    first, which these fields repeat. ambience, microphone: None for silence and for an ideal array.
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
    sources: tuple[Source, ...] = ()
    ambience: Ambience | None = None
    microphone: Microphone | None = None

    def __post_init__(self) -> None:
        if not self.id:
            # what a scene of one still source does not have stays out of its id, which was published without
            unused = {k for k in ("sources", "ambience", "microphone") if not getattr(self, k)}
            content = {k: v for k, v in asdict(self).items() if k != "id" and k not in unused}
            digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
            object.__setattr__(self, "id", digest[:16])
