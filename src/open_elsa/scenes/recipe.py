"""How scenes are drawn: the settings that, with a seed, clips and rooms, say every byte of a set."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from open_elsa.errors import ConfigError
from open_elsa.scenes.material import Profile
from open_elsa.scenes.microphone import MicrophoneRanges
from open_elsa.scenes.noise import check_kind

#: Most sources of one scene.
MOST_SOURCES = 4


@dataclass(frozen=True)
class SceneRecipe:
    """How scenes are drawn; (low, high) pairs are uniform. Raises ConfigError for values that make no scene.

    duration_s: length of every scene. level_dbfs: level that the clip's stretch is brought to before rendering (the
    response then adds 1/distance and the room); snr_db: sensor noise below the scene, None = clean, and a
    `clean_share` of the scenes is clean anyway. captions_per_scene: different sentences for one scene, a `brief_share`
    of them short. lead_s: most silence before a clip that is shorter than the scene.

    min_duration_s: None, or scenes are as long as their clip's sound without the silence around it, at least this and
    at most duration_s (the paper: at least 4 s). sources: fewest and most sounds of one scene, 1 to 4, in one room;
    source_snr_db: how far the level of each further one in W lies below the first. apart_deg: least angle between the
    places of any two, where they start. overlap: each further one sounds together with the first for at least this
    share of the shorter of both, 0 = whenever it comes. moving_share: how many of the sources walk, at speed_m_s.
    ambience: diffuse sound under the scene, "white", "pink", "brown", "coloured" (a slope
    drawn for each scene) or a folder of recordings, ambience_snr_db below it. microphone: what the array's errors are
    drawn from, None = an ideal array; with one, the sensor noise becomes its self-noise.
    """

    duration_s: float = 5.0
    level_dbfs: tuple[float, float] = (-36.0, -22.0)
    snr_db: tuple[float, float] | None = (20.0, 60.0)
    clean_share: float = 0.2
    captions_per_scene: int = 2
    brief_share: float = 0.2
    lead_s: float = 0.5
    min_duration_s: float | None = None
    sources: tuple[int, int] = (1, 1)
    source_snr_db: tuple[float, float] = (0.0, 15.0)
    apart_deg: float = 0.0
    overlap: float = 0.0
    moving_share: float = 0.0
    speed_m_s: tuple[float, float] = (0.3, 3.0)
    ambience: str | None = None
    ambience_snr_db: tuple[float, float] = (5.0, 30.0)
    microphone: MicrophoneRanges | None = None

    def __post_init__(self) -> None:
        if not 0.05 <= self.duration_s <= 600.0:
            raise ConfigError(f"duration_s must lie in 0.05..600, got {self.duration_s:g}")
        if self.min_duration_s is not None and not 0.05 <= self.min_duration_s <= self.duration_s:
            raise ConfigError(f"min_duration_s must lie in 0.05..duration_s, got {self.min_duration_s:g}")
        if self.captions_per_scene < 1:
            raise ConfigError(f"captions_per_scene must be at least 1, got {self.captions_per_scene}")
        pairs = ("level_dbfs", "snr_db", "sources", "source_snr_db", "speed_m_s", "ambience_snr_db")
        for name, pair in ((name, getattr(self, name)) for name in pairs):
            if pair is not None and not pair[0] <= pair[1]:
                raise ConfigError(f"{name} is (low, high), got {pair}")
        if self.level_dbfs[1] > 0:
            raise ConfigError(f"level_dbfs must stay below full scale (0), got {self.level_dbfs}")
        if min(self.sources) < 1 or self.sources[1] > MOST_SOURCES:
            raise ConfigError(f"sources must lie in 1..{MOST_SOURCES}, got {self.sources}")
        if self.source_snr_db[0] < 0:
            raise ConfigError(f"source_snr_db counts down from the loudest source, so 0 or more: {self.source_snr_db}")
        if not 0.0 <= self.apart_deg <= 180.0 or not 0.0 <= self.overlap <= 1.0:
            raise ConfigError(
                f"apart_deg lies in 0..180 and overlap is a share of 1, got {self.apart_deg:g} and {self.overlap:g}"
            )
        if not 0.0 <= self.moving_share <= 1.0 or self.speed_m_s[0] <= 0:
            raise ConfigError(
                f"moving_share is a share of 1 and speed_m_s above 0, got {self.moving_share} and {self.speed_m_s}"
            )
        if self.ambience is not None:
            check_kind(self.ambience)

    @property
    def plain(self) -> bool:
        """True where every scene is one still source in a quiet room, heard by an ideal array."""
        return self.sources == (1, 1) and not self.moving_share and self.ambience is None and self.microphone is None

    def duration_of(self, profile: Profile) -> float:
        """How long the scene of a clip lasts, in seconds."""
        if self.min_duration_s is None:
            return self.duration_s
        return round(min(max(profile.stop_s - profile.start_s, self.min_duration_s), self.duration_s), 3)

    def described(self) -> dict[str, Any]:
        """The settings as JSON holds them; those that came later are left out where they change nothing."""
        later = [f for f in fields(self) if f.name not in _FIRST]
        unused = {f.name for f in later if getattr(self, f.name) == f.default}
        return {k: v for k, v in json.loads(json.dumps(asdict(self))).items() if k not in unused}


#: The settings of the first version, always told: sets made with it must be recognised.
_FIRST = ("duration_s", "level_dbfs", "snr_db", "clean_share", "captions_per_scene", "brief_share", "lead_s")
