"""The second page of the table of words: how hours of the clock, degrees, metres and movements are rounded and said."""

from __future__ import annotations

import math
from functools import lru_cache

from open_elsa.errors import ConfigError
from open_elsa.scenes.attributes import wrapped
from open_elsa.scenes.vocabulary import Attribute, Bin, Steps, Word

#: How far a source may lie from its hour of the clock, which has 30°; the rest is a gap zone.
HOUR_DEG = 12.0
#: Degrees are said in steps of 5; metres in ever coarser ones, as an ear would.
DEGREES = Steps(((math.inf, 5.0),))
METRES = Steps(((1.0, 0.1), (3.0, 0.5), (10.0, 1.0), (math.inf, 5.0)))
#: A source comes closer when it ends at less than this share of its first distance, and goes away in the other order.
CLOSER = 2 / 3

#: Numbers as words, for hours, metres and degrees.
_TO_TEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TEENS = ("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
UNITS = {word: i for i, word in enumerate((*_TO_TEN, *_TEENS))}
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
TENS = {word: 10 * i for i, word in enumerate(_TENS, 2)}
_SPELT = {i: word for word, i in UNITS.items()}

#: What a moving source does, said as a place is said.
APPROACH = Attribute(
    "approach",
    "distance at the end over distance at the start",
    "",
    words=(
        Word(
            "approaching",
            (Bin(-math.inf, CLOSER, closed=False),),
            at=("coming closer", "coming towards me", "approaching me", "getting closer", "moving towards me"),
            origin=(),
            adjectives=(),
            brief=("approaching", "coming closer"),
        ),
        Word(
            "going away",
            (Bin(1 / CLOSER, math.inf, closed=False),),
            at=("going away", "moving away from me", "moving away", "going away from me"),
            origin=(),
            adjectives=(),
            brief=("going away", "moving away"),
        ),
    ),
)
_PATHS = ("moving {}", "passing {}", "going {}", "travelling {}")


@lru_cache(maxsize=12)
def hour_word(hour: int) -> Word:
    """How an hour of the clock, 1..12, is said; 12 is ahead and 3 is right, so hour k lies at azimuth -30·k."""
    if not 1 <= hour <= 12:
        raise ConfigError(f"a clock has the hours 1 to 12, not {hour}")
    spoken = (f"{_SPELT[hour]} o'clock", f"{hour} o'clock")
    return Word(
        str(hour),
        tuple(Bin(c - HOUR_DEG, c + HOUR_DEG, closed=True) for c in (-30.0 * hour, 360.0 - 30.0 * hour)),
        at=(*(f"at {s}" for s in spoken), *(f"at my {s}" for s in spoken)),
        origin=(*(f"from {s}" for s in spoken), *(f"from my {s}" for s in spoken)),
        adjectives=(),
        brief=(spoken[1], *(f"at {s}" for s in spoken)),
        ends=spoken,
    )


def hour_for(azimuth_deg: float | None) -> int | None:
    """Hour of the clock, 1..12, for an azimuth in degrees; None in a gap between two hours, or without a number."""
    azimuth_deg = wrapped(azimuth_deg)
    if azimuth_deg is None or not math.isfinite(azimuth_deg):
        return None
    hour = (round(-azimuth_deg / 30.0) - 1) % 12 + 1
    return hour if any(interval.holds(azimuth_deg) for interval in hour_word(hour).bins) else None


@lru_cache(maxsize=256)
def degrees_word(azimuth_deg: float) -> Word:
    """How a rounded azimuth is said, "40 degrees to the left"; not for 0 and 180, which are ahead and behind."""
    size, side = f"{abs(azimuth_deg):g}", "left" if azimuth_deg > 0 else "right"
    turns = (f"{size} degrees to the {side}", f"{size}° to the {side}", f"{size} degrees to my {side}")
    return Word(
        f"{azimuth_deg:g}",
        (),
        at=(*turns, f"about {turns[0]}"),
        origin=tuple(f"from {turn}" for turn in turns),
        adjectives=(),
        brief=(f"{size}° {side}", f"{size} degrees {side}"),
        ends=turns,
    )


@lru_cache(maxsize=64)
def height_word(elevation_deg: float) -> Word:
    """How a rounded elevation is said, "20 degrees up"."""
    size, way = (
        f"{abs(elevation_deg):g}",
        ("up", "above the horizon") if elevation_deg > 0 else ("down", "below the horizon"),
    )
    at = (f"{size} degrees {way[0]}", f"{size}° {way[0]}", f"{size} degrees {way[1]}")
    brief = (f"{size}° {way[0]}", f"{size} degrees {way[0]}")
    return Word(f"{elevation_deg:g}", (), at=at, origin=(), adjectives=(), brief=brief)


@lru_cache(maxsize=256)
def metres_word(distance_m: float) -> Word:
    """How a rounded distance is said, "about 2 metres away"."""
    unit = "metre" if distance_m == 1 else "metres"
    amounts = [f"{distance_m:g} {unit}"]
    if distance_m == 0.5:
        amounts.append("half a metre")
    elif distance_m in _SPELT:
        amounts.append(f"{_SPELT[int(distance_m)]} {unit}")
    away = tuple(f"{amount} away" for amount in amounts)
    at = (*away, *(f"about {a}" for a in away), *(f"{amount} from me" for amount in amounts))
    return Word(
        f"{distance_m:g}",
        (),
        at=at,
        origin=tuple(f"from about {a}" for a in away),
        adjectives=(),
        brief=(f"{distance_m:g} m", f"{distance_m:g} m away"),
        ends=away,
    )


@lru_cache(maxsize=4096)
def path_word(start: Word, end: Word) -> Word:
    """How a movement from one place to another is said: "moving from the left to the right"."""
    pairs = list(zip(start.ends, end.ends, strict=False))
    ways = tuple(f"from {a} to {b}" for a, b in pairs)
    return Word(
        f"{start.word} to {end.word}",
        (),
        at=tuple(form.format(way) for way in ways for form in _PATHS),
        origin=ways,
        adjectives=(),
        brief=tuple(
            f"{a} to {b}" if {start.word, end.word} == {"left", "right"} else w
            for (a, b), w in zip(pairs, ways, strict=True)
        ),
    )


#: Says that a source has no stated place, where a neighbour has one: as a place, and as an origin.
SOMEWHERE = Word("somewhere", (), ("somewhere",), ("from somewhere",), (), ("somewhere",))
