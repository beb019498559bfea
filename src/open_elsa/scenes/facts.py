"""What a spatial caption states, source by source; what may be stated of a scene; whether a statement is true."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

from open_elsa.errors import DataError
from open_elsa.scenes.attributes import DIRECTION, DISTANCE, EIGHT, ELEVATION, REVERBERATION, ROOM_SIZE, wrapped
from open_elsa.scenes.measures import APPROACH, DEGREES, METRES, hour_for
from open_elsa.scenes.vocabulary import Steps

Detail = Literal["words", "eight", "clock", "numbers"]
DETAILS: tuple[Detail, ...] = ("words", "eight", "clock", "numbers")

_AZIMUTHS = ("direction", "clock", "azimuth_deg")
_BETWEEN = {word.word for word in EIGHT.words if " " in word.word}


@dataclass(frozen=True)
class Heard:
    """One source as a caption may speak of it: what it is, and where in numbers; None = unknown or not to be said.

    azimuth_deg: counter-clockwise, +90 left, any finite angle. elevation_deg: -90..90, of the whole movement.
    distance_m: > 0. end_azimuth_deg, end_distance_m: where a moving source ends; None = that number does not change.
    It is taken to move straight or on an arc, the short way round. Raises DataError for a number that cannot be.
    """

    what: str | None
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None
    end_azimuth_deg: float | None = None
    end_distance_m: float | None = None

    def __post_init__(self) -> None:
        for name in ("azimuth_deg", "elevation_deg", "distance_m", "end_azimuth_deg", "end_distance_m"):
            value = getattr(self, name)
            if value is None:
                continue
            inside = {"elevation_deg": abs(value) <= 90.0, "distance_m": value > 0, "end_distance_m": value > 0}
            if not math.isfinite(value) or not inside.get(name, True):
                raise DataError(f"{name} of {self.what!r} is {value}; give a finite number that fits, or None")
        object.__setattr__(self, "azimuth_deg", wrapped(self.azimuth_deg))
        object.__setattr__(self, "end_azimuth_deg", wrapped(self.end_azimuth_deg))

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """(azimuth_deg, distance_m) where the source ends: its start where it stands still."""
        azimuth = self.azimuth_deg if self.end_azimuth_deg is None else self.end_azimuth_deg
        return azimuth, self.distance_m if self.end_distance_m is None else self.end_distance_m


@dataclass(frozen=True)
class SourceFacts:
    """What a text states of one source; None = nothing.

    what: the words that name the sound, lower case, without article. direction: one of the eight directions (the four
    plain ones in the paper's wide sectors). clock: hour 1..12. azimuth_deg: + is left. elevation: "up"/"down".
    distance: "near"/"far". end_…: where it ends, only of a stated movement. approach: "approaching"/"going away".
    contradictions: fields of which the text states two different things; such a field is None, and true of nothing.
    """

    what: str | None = None
    direction: str | None = None
    clock: int | None = None
    azimuth_deg: float | None = None
    elevation: str | None = None
    elevation_deg: float | None = None
    distance: str | None = None
    distance_m: float | None = None
    end_direction: str | None = None
    end_clock: int | None = None
    end_azimuth_deg: float | None = None
    end_distance_m: float | None = None
    approach: str | None = None
    contradictions: tuple[str, ...] = ()

    @property
    def placed(self) -> bool:
        """True when anything beside the what is stated."""
        return any(getattr(self, f.name) not in (None, ()) for f in fields(self) if f.name != "what")

    @property
    def empty(self) -> bool:
        """True when nothing at all is stated."""
        return self.what is None and not self.placed


@dataclass(frozen=True)
class SceneFacts:
    """What a text states of a scene: its sources in the order of the text, and the room's two words."""

    sources: tuple[SourceFacts, ...] = ()
    room_size: str | None = None
    reverberation: str | None = None
    contradictions: tuple[str, ...] = ()


def facts_for(heard: Heard, detail: Detail, what: str | None) -> SourceFacts:
    """Everything that may be said of a source at one level of detail; `what` as a reader will name it."""
    found: dict[str, str | int | float | None] = {"what": what}
    end_azimuth, end_distance = heard.ends
    start, end = (_direction(azimuth, detail) for azimuth in (heard.azimuth_deg, end_azimuth))
    if start is not None and end is not None:
        found[start[0]] = start[1]
        if start != end:
            found[f"end_{end[0]}"] = end[1]
    if detail == "numbers":
        if heard.elevation_deg is not None and (height := DEGREES.round(heard.elevation_deg)):
            found["elevation_deg"] = height
        if heard.distance_m is not None and end_distance is not None:
            metres, last = METRES.round(heard.distance_m), METRES.round(end_distance)
            if metres and last:
                found["distance_m"] = metres
                found["end_distance_m"] = last if metres != last else None
    else:
        found["elevation"] = ELEVATION.word_for(heard.elevation_deg)
        found["distance"] = DISTANCE.word_for(heard.distance_m)
        found["approach"] = _approach(heard)
    facts = SourceFacts(**found)  # type: ignore[arg-type]
    wrong = set(untrue(facts, heard))
    for together in (_AZIMUTHS, ("distance_m",)):
        names = {n for name in together for n in (name, f"end_{name}")}
        wrong |= names if names & wrong else set()
    return replace(facts, **dict.fromkeys(wrong))  # type: ignore[arg-type]


def _direction(azimuth_deg: float | None, detail: Detail) -> tuple[str, str | int | float] | None:
    """(field of SourceFacts, value) for an azimuth; None in a gap."""
    if azimuth_deg is None:
        return None
    if detail == "clock":
        hour = hour_for(azimuth_deg)
        return None if hour is None else ("clock", hour)
    if detail == "numbers":
        degrees = DEGREES.round(azimuth_deg)
        if degrees in (0.0, 180.0, -180.0):
            return "direction", "back" if degrees else "front"
        return "azimuth_deg", degrees
    word = (EIGHT if detail == "eight" else DIRECTION).word_for(azimuth_deg)
    return None if word is None else ("direction", word)


def _approach(heard: Heard) -> str | None:
    """Whether the source only ever comes closer, or goes away, on the straight line from its start to its end."""
    start, (_, end) = heard.distance_m, heard.ends
    if start is None or end is None:
        return None
    word = APPROACH.word_for(end / start)
    turn = math.cos(math.radians(_turn(heard)))
    steady = start * turn >= end if word == "approaching" else end * turn >= start
    return word if steady else None


def _turn(heard: Heard) -> float:
    """Angle between start and end seen from the listener, 0..180 degrees, level."""
    end, _ = heard.ends
    if heard.azimuth_deg is None or end is None:
        return 0.0
    return abs((heard.azimuth_deg - end + 180.0) % 360.0 - 180.0)


def _nearest(heard: Heard) -> float | None:
    """Shortest distance on the straight line from start to end; None where a distance is unknown."""
    a, (_, b) = heard.distance_m, heard.ends
    if a is None or b is None:
        return None
    cos = math.cos(math.radians(_turn(heard)))
    side = math.sqrt(max(a * a + b * b - 2 * a * b * cos, 0.0))
    if side == 0.0 or a * cos >= b or b * cos >= a:
        return min(a, b)
    return a * b * math.sin(math.radians(_turn(heard))) / side


def untrue(facts: SourceFacts, heard: Heard) -> tuple[str, ...]:
    """Names of the stated fields that are not true of the source's numbers; the what is not asked.

    A place without an end holds for the whole movement: start, end, and for distances the nearest point between.
    """
    wrong = list(facts.contradictions)
    end_azimuth, end_distance = heard.ends
    moves = any(getattr(facts, f"end_{name}") is not None for name in _AZIMUTHS)
    for name in _AZIMUTHS:
        start, end = getattr(facts, name), getattr(facts, f"end_{name}")
        if start is not None and not (
            _lies(name, start, heard.azimuth_deg) and (moves or _lies(name, start, end_azimuth))
        ):
            wrong.append(name)
        if end is not None and not _lies(name, end, end_azimuth):
            wrong.append(f"end_{name}")
    if facts.elevation is not None and ELEVATION.word_for(heard.elevation_deg) != facts.elevation:
        wrong.append("elevation")
    if facts.elevation_deg is not None and not _rounds(DEGREES, facts.elevation_deg, heard.elevation_deg):
        wrong.append("elevation_deg")
    whole = (heard.distance_m, end_distance, _nearest(heard))
    if facts.distance is not None and any(DISTANCE.word_for(m) != facts.distance for m in whole):
        wrong.append("distance")
    if facts.distance_m is not None:
        stays = facts.end_distance_m is None
        if not all(_rounds(METRES, facts.distance_m, m) for m in (whole if stays else whole[:1])):
            wrong.append("distance_m")
    if facts.end_distance_m is not None and not _rounds(METRES, facts.end_distance_m, end_distance):
        wrong.append("end_distance_m")
    if facts.approach is not None and _approach(heard) != facts.approach:
        wrong.append("approach")
    return tuple(wrong)


def _lies(name: str, stated: str | int | float, azimuth_deg: float | None) -> bool:
    """True when a stated direction, hour or angle is true of an azimuth."""
    if azimuth_deg is None:
        return False
    if name == "clock":
        return hour_for(azimuth_deg) == stated
    if name == "azimuth_deg":
        off = (float(stated) - azimuth_deg + 180.0) % 360.0 - 180.0
        return DEGREES.true_of(0.0, off)
    table = EIGHT if stated in _BETWEEN else DIRECTION
    return table.word_for(azimuth_deg) == stated


def _rounds(steps: Steps, stated: float, value: float | None) -> bool:
    return value is not None and steps.true_of(stated, value)


def room_untrue(facts: SceneFacts, floor_area_m2: float | None, t30_s: float | None) -> tuple[str, ...]:
    """Names of the stated words of the room that are not true of its floor area and full-band T30."""
    wrong = list(facts.contradictions)
    for attribute, stated, value in (
        (ROOM_SIZE, facts.room_size, floor_area_m2),
        (REVERBERATION, facts.reverberation, t30_s),
    ):
        if stated is not None and attribute.word_for(value) != stated:
            wrong.append(attribute.name)
    return tuple(wrong)
