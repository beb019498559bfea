"""Numbers ↔ words: the one table of spatial words; captions, parser, zero-shot prompts and evaluation all read it."""

from __future__ import annotations

import math
from dataclasses import replace

from open_elsa.errors import ConfigError
from open_elsa.scenes.scene import SpatialWords
from open_elsa.scenes.vocabulary import Attribute, Bin, Word

_INF = math.inf


def _side(word: str, centre: Bin) -> Word:
    """Left and right are said in the same ways."""
    return Word(
        word,
        (centre,),
        at=(
            f"on the {word}",
            f"on my {word}",
            f"to my {word}",
            f"to the {word}",
            f"off to the {word}",
            f"on the {word}-hand side",
            f"on my {word}-hand side",
            f"over on the {word}",
            f"on the {word} side",
        ),
        origin=(
            f"from the {word}",
            f"from my {word}",
            f"from the {word}-hand side",
            f"from my {word}-hand side",
            f"from the {word} side",
            f"from my {word} side",
        ),
        adjectives=(word,),
        brief=(word, f"on the {word}", f"to my {word}", f"on my {word}"),
        ends=(f"the {word}", f"my {word}", word),
    )


#: How the paper asks for where a sound is.
_WHERE = (
    "a sound coming from {}",
    "the sound is coming from {}",
    "a sound from {}",
    "something is heard from {}",
    "the source of the sound is {}",
    "a sound {}",
)


DIRECTION = Attribute(
    "direction",
    "azimuth, counter-clockwise from ahead",
    "degrees",
    words=(
        Word(
            "front",
            (Bin(-35.0, 35.0, closed=True),),
            at=(
                "in front of me",
                "straight ahead",
                "ahead of me",
                "directly in front of me",
                "at the front",
                "in front",
            ),
            origin=("from the front", "from in front of me", "from straight ahead", "from ahead of me", "from ahead"),
            adjectives=("front",),
            brief=("front", "in front", "ahead", "in front of me"),
            ends=("the front", "in front of me", "front"),
        ),
        _side("left", Bin(55.0, 125.0, closed=True)),
        _side("right", Bin(-125.0, -55.0, closed=True)),
        Word(
            "back",
            (Bin(145.0, 180.0, closed=True), Bin(-180.0, -145.0, closed=True)),
            at=("behind me", "at the back", "at my back", "directly behind me", "at the rear", "somewhere behind me"),
            origin=("from behind me", "from behind", "from the back", "from the rear", "from directly behind me"),
            adjectives=("back", "rear"),
            brief=("back", "behind", "behind me", "at the back"),
            ends=("the back", "behind me", "back"),
        ),
    ),
    classes=("front", "left", "right", "back"),
    templates=_WHERE,
    said={
        "front": ("the front", "the front", "ahead of me", "the front", "in front of me", "straight ahead"),
        "left": ("the left", "the left", "my left", "the left-hand side", "on my left", "to my left"),
        "right": ("the right", "the right", "my right", "the right-hand side", "on my right", "to my right"),
        "back": ("the back", "the back", "behind me", "the rear", "behind me", "at the back"),
    },
)

ELEVATION = Attribute(
    "elevation",
    "elevation above the horizon",
    "degrees",
    words=(
        Word(
            "up",
            (Bin(40.0, _INF, closed=False),),
            at=("above me", "overhead", "high up", "up above", "up high", "over my head", "high above me"),
            origin=("from above", "from overhead", "from high up", "from up above", "from over my head"),
            adjectives=("upper", "up"),
            brief=("up", "above", "overhead", "high up"),
        ),
        Word(
            "down",
            (Bin(-_INF, -40.0, closed=False),),
            at=("below me", "down below", "low down", "down low", "beneath me", "underneath me", "down by my feet"),
            origin=("from below", "from down below", "from beneath me", "from low down", "from underneath me"),
            adjectives=("lower", "down"),
            brief=("down", "below", "low down", "beneath me"),
        ),
    ),
    classes=("up", "down"),
    templates=_WHERE,
    said={
        "up": ("above", "up above", "overhead", "high up", "above me", "high above me"),
        "down": ("below", "down below", "beneath me", "low down", "below me", "down below me"),
    },
)

DISTANCE = Attribute(
    "distance",
    "distance from the listener's head",
    "metres",
    words=(
        Word(
            "near",
            (Bin(-_INF, 1.0, closed=False),),
            at=("close by", "nearby", "close to me", "near me", "right next to me", "at close range", "up close"),
            origin=("from nearby", "from close by", "from close range", "from very close", "from right next to me"),
            adjectives=("near", "nearby"),
            brief=("near", "nearby", "close", "close by"),
        ),
        Word(
            "far",
            (Bin(2.0, _INF, closed=False),),
            at=("far away", "in the distance", "far off", "a long way off", "off in the distance", "far from me"),
            origin=("from far away", "from afar", "from a distance", "from far off", "from a long way off"),
            adjectives=("far", "distant"),
            brief=("far", "far away", "in the distance", "distant"),
        ),
    ),
    classes=("near", "far"),
    templates=(
        "a sound coming from {}",
        "the sound is coming from {}",
        "a sound from {}",
        "the source of the sound is {}",
        "a sound {}",
        "something is heard {}",
    ),
    said={
        "near": ("nearby", "close by", "close range", "near me", "close to me", "nearby"),
        "far": ("far away", "a distance", "afar", "far from me", "in the distance", "far away"),
    },
)

ROOM_SIZE = Attribute(
    "room_size",
    "floor area",
    "square metres",
    words=(
        Word(
            "small",
            (Bin(-_INF, 50.0, closed=False),),
            at=("small", "tiny", "little", "small-sized", "compact"),
            origin=("of small size",),
            adjectives=("small",),
            brief=("small room", "tiny room", "small space"),
        ),
        Word(
            "mid-sized",
            (Bin(50.0, 100.0, closed=True),),
            at=("mid-sized", "medium-sized", "medium", "moderately sized", "average-sized"),
            origin=("of medium size", "of average size"),
            adjectives=("mid-sized",),
            brief=("mid-sized room", "medium-sized room", "medium room"),
        ),
        Word(
            "large",
            (Bin(100.0, _INF, closed=False),),
            at=("large", "big", "huge", "spacious", "vast"),
            origin=("of great size",),
            adjectives=("large",),
            brief=("large room", "large hall", "big room"),
        ),
    ),
    classes=("small", "large"),
    templates=(
        "a sound in a {} room",
        "a sound coming from a {} room",
        "the sound is in a {} room",
        "something is heard in a {} space",
        "a sound recorded inside a {} room",
        "it sounds like {}",
    ),
    said={
        "small": ("small", "small", "small", "small", "tiny", "a small room"),
        "mid-sized": ("mid-sized", "mid-sized", "mid-sized", "medium-sized", "medium-sized", "a mid-sized room"),
        "large": ("large", "large", "large", "large", "big", "a large room"),
    },
)

REVERBERATION = Attribute(
    "reverberation",
    "full-band T30",
    "seconds",
    words=(
        Word(
            "acoustically dampened",
            (Bin(-_INF, 0.2, closed=False),),
            at=(
                "acoustically dampened",
                "dry-sounding",
                "dead-sounding",
                "acoustically dry",
                "acoustically dead",
                "dry",
            ),
            origin=("with hardly any echo", "without any echo", "with almost no reverberation", "with a dry acoustic"),
            adjectives=("acoustically dampened",),
            brief=("acoustically dampened", "dampened", "dry", "no echo"),
        ),
        Word(
            "highly reverberant",
            (Bin(1.0, _INF, closed=False),),
            at=("highly reverberant", "echoing", "very echoey", "very reverberant", "echoey", "strongly reverberant"),
            origin=("with a lot of echo", "full of echo", "with a lot of reverberation", "with long reverberation"),
            adjectives=("highly reverberant",),
            brief=("highly reverberant", "echoing", "echoey", "reverberant"),
        ),
    ),
    classes=("acoustically dampened", "highly reverberant"),
    templates=(
        "a sound in {} room",
        "a sound coming from {} room",
        "the sound is in {} space",
        "something is heard in {} room",
        "a sound recorded inside {} space",
        "the room is {}",
    ),
    said={
        "acoustically dampened": (
            "an acoustically dampened",
            "an acoustically dampened",
            "an acoustically dampened",
            "a dead-sounding",
            "a dry-sounding",
            "acoustically dampened",
        ),
        "highly reverberant": (
            "a highly reverberant",
            "a highly reverberant",
            "a highly reverberant",
            "an echoing",
            "a very echoey",
            "highly reverberant",
        ),
    },
)

#: The one table, in the order of SpatialWords' fields.
ATTRIBUTES: dict[str, Attribute] = {a.name: a for a in (DIRECTION, ELEVATION, DISTANCE, ROOM_SIZE, REVERBERATION)}

#: Half the width of one of eight sectors: as much of 22.5° as the paper's 35° are of 45°.
EIGHTH_DEG = 17.5


def _corner(word: str, centre_deg: float) -> Word:
    """A direction half-way between two of the four, with gaps as wide, in proportion, as the paper's."""
    depth, side = word.split()
    deep = ("in front of me", "ahead of me") if depth == "front" else ("behind me", "behind me")
    return Word(
        word,
        (Bin(centre_deg - EIGHTH_DEG, centre_deg + EIGHTH_DEG, closed=True),),
        at=(
            f"at the {word}",
            f"to the {word}",
            f"on the {word}",
            f"to my {word}",
            f"on my {word}",
            f"{deep[0]} to the {side}",
            f"{deep[1]} on the {side}",
            f"{deep[0]} and to the {side}",
        ),
        origin=(f"from the {word}", f"from my {word}", f"from the {word} side"),
        adjectives=(word,),
        brief=(word, f"to the {word}", f"on my {word}"),
        ends=(f"the {word}", f"my {word}", word),
    )


_CORNERS = (("front left", 45.0), ("front right", -45.0), ("back left", 135.0), ("back right", -135.0))

#: Eight directions: the paper's four in narrower sectors, and what lies between them.
EIGHT = Attribute(
    "eight_directions",
    DIRECTION.quantity,
    DIRECTION.unit,
    words=(
        replace(DIRECTION["front"], bins=(Bin(-EIGHTH_DEG, EIGHTH_DEG, closed=True),)),
        replace(DIRECTION["left"], bins=(Bin(90.0 - EIGHTH_DEG, 90.0 + EIGHTH_DEG, closed=True),)),
        replace(DIRECTION["right"], bins=(Bin(-90.0 - EIGHTH_DEG, -90.0 + EIGHTH_DEG, closed=True),)),
        replace(
            DIRECTION["back"],
            bins=(Bin(180.0 - EIGHTH_DEG, 180.0, closed=True), Bin(-180.0, -180.0 + EIGHTH_DEG, closed=True)),
        ),
        *(_corner(word, centre_deg) for word, centre_deg in _CORNERS),
    ),
    classes=(*DIRECTION.classes, *(word for word, _ in _CORNERS)),
    templates=_WHERE,
    said={
        **DIRECTION.said,
        **{
            word: (f"the {word}", f"the {word}", f"my {word}", f"the {word} side", f"at the {word}", f"to my {word}")
            for word, _ in _CORNERS
        },
    },
)

#: Everything that zero-shot prompts can ask about.
_ASKED = {**ATTRIBUTES, EIGHT.name: EIGHT}


def wrapped(azimuth_deg: float | None) -> float | None:
    """The same azimuth in -180..180 degrees; None and what is not finite stay as they are."""
    if azimuth_deg is None or not math.isfinite(azimuth_deg) or -180.0 <= azimuth_deg <= 180.0:
        return azimuth_deg
    return 180.0 - (180.0 - azimuth_deg) % 360.0  # (-180, 180]


def words_for(
    azimuth_deg: float | None,
    elevation_deg: float | None,
    distance_m: float | None,
    floor_area_m2: float | None,
    t30_s: float | None,
) -> SpatialWords:
    """Words that are true of a scene's numbers, by the table; None where a number is unknown or in a gap zone.

    azimuth_deg: counter-clockwise, +90 left, any finite angle. elevation_deg: -90..90. distance_m, floor_area_m2 and
    t30_s (full band): their own units. A number that is not finite counts as unknown.
    """
    azimuth_deg = wrapped(azimuth_deg)
    return SpatialWords(
        direction=DIRECTION.word_for(azimuth_deg),
        elevation=ELEVATION.word_for(elevation_deg),
        distance=DISTANCE.word_for(distance_m),
        room_size=ROOM_SIZE.word_for(floor_area_m2),
        reverberation=REVERBERATION.word_for(t30_s),
    )


def prompts(attribute: str) -> dict[str, list[str]]:
    """Zero-shot captions of an attribute in the paper's way, word → sentences, the same templates for each word.

    attribute: a key of ATTRIBUTES, or "eight_directions"; ConfigError otherwise. Words outside `classes`
    ("mid-sized") are included.
    """
    if attribute not in _ASKED:
        raise ConfigError(f"no spatial attribute {attribute!r}; choose one of {list(_ASKED)}")
    table = _ASKED[attribute]
    return {
        word: [template.format(phrase) for template, phrase in zip(table.templates, phrases, strict=True)]
        for word, phrases in table.said.items()
    }
