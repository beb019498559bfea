"""Scenes in sentences: tell one to four sources and their room, at four levels of detail, and read such texts back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes import composing, grammar
from open_elsa.scenes.attributes import DISTANCE, EIGHT, ELEVATION, REVERBERATION, ROOM_SIZE
from open_elsa.scenes.binding import core, read
from open_elsa.scenes.captions import strip_claims
from open_elsa.scenes.facts import DETAILS, Detail, Heard, SceneFacts, SourceFacts, facts_for, room_untrue, untrue
from open_elsa.scenes.grammar import Said, What
from open_elsa.scenes.measures import APPROACH, degrees_word, height_word, hour_word, metres_word, path_word
from open_elsa.scenes.vocabulary import Word

__all__ = ["Detail", "Heard", "SceneFacts", "SourceFacts", "Told", "read", "tell", "tell_several", "true_of"]

Style = Literal["full", "brief"]

#: How often another sentence is tried before names are set in quotation marks, and after.
MAX_TRIES, MAX_QUOTED_TRIES = 12, 12
#: More sources than this make no sentence that anyone would read.
MAX_SOURCES = 4

_WORD = re.compile(r"\w")


@dataclass(frozen=True)
class Told:
    """A sentence and what it states, source by source and of the room; every fact was read back from the text."""

    text: str
    facts: SceneFacts
    detail: Detail


def tell(
    sources: Sequence[Heard],
    rng: np.random.Generator,
    *,
    floor_area_m2: float | None = None,
    t30_s: float | None = None,
    detail: Detail = "words",
    style: Style = "full",
) -> Told:
    """Tell what is heard and where, source by source in random order, and the room: everything that the detail can say.

    sources: none (the room alone) to four; a source without a what is "something", one without numbers is only named.
    What lies in a gap zone is not said. Places inside a what-text are taken out. floor_area_m2, t30_s (full band):
    None = unknown. Nothing is returned before `read` gave back exactly its facts and `true_of` held. Raises DataError
    for a what-text without a word, one that is nothing but places, one that no sentence can hold, or five sources.
    """
    if len(sources) > MAX_SOURCES:
        raise DataError(f"a caption tells of up to {MAX_SOURCES} sources, not {len(sources)}; give the loudest")
    if detail not in DETAILS or style not in ("full", "brief"):
        raise DataError(f"detail {detail!r} and style {style!r}: use one of {DETAILS}, and 'full' or 'brief'")
    order = rng.permutation(len(sources)) if len(sources) > 1 else range(len(sources))
    whats = [_what(sources[i].what) for i in order]
    facts = [
        facts_for(sources[i], detail, None if what is None else core(what.text))
        for i, what in zip(order, whats, strict=True)
    ]
    heard = [(what, one) for what, one in zip(whats, facts, strict=True) if not one.empty]
    scene = SceneFacts(tuple(one for _, one in heard), ROOM_SIZE.word_for(floor_area_m2), REVERBERATION.word_for(t30_s))
    room = _room(scene)
    said = [(None if one.what is None else what, _said(one)) for what, one in heard]
    for attempt in range(MAX_TRIES + MAX_QUOTED_TRIES):
        pick = grammar.Picker(int.from_bytes(rng.bytes(64), "little"))
        text = _write(said, room, pick, style, plain=attempt >= MAX_TRIES)
        if text and _holds(text, whats) and read(text) == scene and true_of(scene, sources, floor_area_m2, t30_s):
            return Told(text, scene, detail)
    raise DataError(
        f"no {style} sentence of {[s.what for s in sources]} can be read back; say the sounds in plainer words"
    )


def _write(
    said: Sequence[tuple[What | None, Said]], room: Said, pick: grammar.Picker, style: Style, *, plain: bool
) -> str:
    """One random text by the frames for one source or for several."""
    if len(said) == 1 and not plain:
        ((what, place),) = said
        whole = Said(place.places, room.size, room.reverberation)
        return (grammar.sentence if style == "full" else grammar.brief)(what, whole, pick)
    if not said:
        return (grammar.sentence if style == "full" else grammar.brief)(None, room, pick)
    write = composing.several if style == "full" else composing.several_brief
    return write(said, room, pick, plain=plain)


def _holds(text: str, whats: Sequence[What | None]) -> bool:
    """True when every name stands in the text as it was given, but for the case of its first letter."""
    return all(what is None or what.label[1:] in text for what in whats)


@lru_cache(maxsize=8192)
def _what(text: str | None) -> What | None:
    """A what-text without its places, ready for frames."""
    if text is None:
        return None
    if not _WORD.search(text):
        raise DataError(f"the sound's text {text[:120]!r} holds no word; give a text, or None for a place alone")
    plain = strip_claims(text, moves=True)
    if not _WORD.search(plain) or any(source.placed for source in read(plain).sources):
        raise DataError(
            f"the sound's text {text[:120]!r} states a place and leaves no sound when that is taken out; give a text "
            "that says what is heard"
        )
    return grammar.understand(plain)


def _room(scene: SceneFacts) -> Said:
    size, reverberation = scene.room_size, scene.reverberation
    return Said(
        (),
        None if size is None else ROOM_SIZE[size],
        None if reverberation is None else REVERBERATION[reverberation],
    )


def _said(facts: SourceFacts) -> Said:
    """How the facts of a source may be said, by the table."""
    places: list[tuple[str, Word]] = []
    start, end = _spot(facts, ""), _spot(facts, "end_")
    if start is not None:
        places.append(("path", path_word(start[1], end[1])) if end is not None else start)
    if facts.elevation is not None:
        places.append(("elevation", ELEVATION[facts.elevation]))
    if facts.elevation_deg is not None:
        places.append(("elevation_deg", height_word(facts.elevation_deg)))
    if facts.distance is not None:
        places.append(("distance", DISTANCE[facts.distance]))
    if facts.distance_m is not None:
        metres = metres_word(facts.distance_m)
        last = facts.end_distance_m
        places.append(("distance_m", metres) if last is None else ("path_m", path_word(metres, metres_word(last))))
    if facts.approach is not None:
        places.append(("approach", APPROACH[facts.approach]))
    return Said(tuple(places))


def _spot(facts: SourceFacts, end: str) -> tuple[str, Word] | None:
    """(attribute, word) of the horizontal place where a source starts, or ends with end="end_"."""
    direction, hour, degrees = (getattr(facts, f"{end}{name}") for name in ("direction", "clock", "azimuth_deg"))
    if direction is not None:
        return "direction", EIGHT[direction]
    if hour is not None:
        return "clock", hour_word(hour)
    return None if degrees is None else ("azimuth_deg", degrees_word(degrees))


def true_of(
    facts: SceneFacts, sources: Sequence[Heard], floor_area_m2: float | None = None, t30_s: float | None = None
) -> bool:
    """True when every stated fact is true: each source of the text is another one of `sources`, and the room fits.

    Words must be true by the table's bins, numbers within half a rounding step. A stated name must be the source's own.
    """
    if room_untrue(facts, floor_area_m2, t30_s) or len(facts.sources) > len(sources):
        return False
    fits = [[_true(one, heard) for heard in sources] for one in facts.sources]
    return any(
        all(fits[i][j] for i, j in enumerate(places))
        for places in itertools.permutations(range(len(sources)), len(fits))
    )


def _true(facts: SourceFacts, heard: Heard) -> bool:
    named = facts.what is None or (heard.what is not None and facts.what in _names(heard.what))
    return named and not untrue(facts, heard)


@lru_cache(maxsize=8192)
def _names(what: str) -> tuple[str | None, str | None]:
    """The names that a text may give a source: its what-text as it is, and without places."""
    return core(what), core(strip_claims(what, moves=True))


#: What the captions of one scene say, from everything to one part: (part, detail, style).
_RECIPES: tuple[tuple[str, Detail, Style], ...] = (
    ("all", "words", "full"),
    ("all", "numbers", "full"),
    ("all", "words", "brief"),
    ("all", "eight", "full"),
    ("where", "words", "full"),
    ("what", "words", "full"),
    ("all", "clock", "full"),
    ("one", "words", "full"),
    ("sounds", "eight", "full"),
    ("room", "words", "full"),
    ("where", "numbers", "full"),
    ("all", "numbers", "brief"),
)


def tell_several(
    sources: Sequence[Heard],
    rng: np.random.Generator,
    *,
    n: int,
    floor_area_m2: float | None = None,
    t30_s: float | None = None,
) -> list[Told]:
    """Tell one scene n times, in different texts of different detail: everything first, then parts of it.

    Parts: where only, what only, one source only, the sources without the room, the room only. Fewer than n texts come
    back when the scene has not so many. Raises DataError as `tell` does.
    """
    told: dict[str, Told] = {}
    for attempt in range(4 * max(n, len(_RECIPES))):
        if len(told) >= n:
            break
        part, detail, style = _RECIPES[attempt % len(_RECIPES)]
        some, with_room = _part(sources, part, rng)
        if some is None:
            continue
        area, t30 = (floor_area_m2, t30_s) if with_room else (None, None)
        one = tell(some, rng, floor_area_m2=area, t30_s=t30, detail=detail, style=style)
        if one.facts != SceneFacts():
            told.setdefault(one.text, one)
    return list(told.values())


def _part(sources: Sequence[Heard], part: str, rng: np.random.Generator) -> tuple[Sequence[Heard] | None, bool]:
    """(the sources as this part of a scene tells them or None when there is no such part, whether to tell the room)."""
    if part == "where":
        return [replace(source, what=None) for source in sources], True
    if part == "what":
        return [Heard(source.what) for source in sources if source.what is not None] or None, False
    if part == "one":
        return ([sources[int(rng.integers(len(sources)))]], False) if len(sources) > 1 else (None, False)
    if part == "room":
        return (), True
    return sources, part == "all"
