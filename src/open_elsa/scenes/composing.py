"""Sentences about several sources at once: one clause a source, joined so that each place stays with its sound."""

from __future__ import annotations

from collections.abc import Sequence

from open_elsa.scenes.grammar import Picker, Said, What, finish, place_phrase, room_phrase
from open_elsa.scenes.measures import SOMEWHERE

# Fields as in grammar.py; {q}: the what in quotation marks. Clauses with a verb may follow "while", phrases may not.
_NOUN_CLAUSES = (
    "{w} is heard {at}",
    "{w} can be heard {at}",
    "{s} comes {origin}",
    "{s} is coming {origin}",
    "there is {w} {at}",
    "I hear {w} {at}",
    "{at} there is {w}",
    "{at}, {w} can be heard",
)
_CLAUSES = ("{w} {at}", "{at}, {w}", "{at} {w}", "{w} {at}")
_QUOTED_CLAUSES = (
    "the sound {q} is heard {at}",
    "the sound {q} comes {origin}",
    "the sound {q} is coming {origin}",
    "{q} is heard {at}",
    "{q} can be heard {at}",
)
_PHRASES = ("{w} {at}", "{w}, {at}", "{w} {at}")
_PATH_CLAUSES = ("{w} passes {origin}", "{w} moves {origin}", "{s} moves {origin}", "{w} goes by {origin}")
_OPENERS = ("I hear ", "There is ", "I can hear ", "")
#: (between sources, before the last one).
_LISTS = ((", ", " and "), ("; ", "; "), (", ", ", and "), ("; ", "; and "), (", ", " with "))
_JOINTS = (
    (", ", " while "),
    ("; ", "; "),
    (", and ", ", and "),
    (", while ", ", while "),
    (". ", ". "),
    ("; ", " while "),
)
_BARE_JOINTS = (("; ", "; "), (". ", ". "), ("; ", "; and "))
_BARE = {"noun": ("{w}", "{w} is heard", "there is {w}"), "clause": ("{w}",), "plain": ("{q}", "the sound {q}")}
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"))


def quoted(text: str) -> str:
    """The text in quotation marks that it does not hold itself; "" when it holds all kinds."""
    return next((a + text + b for a, b in _QUOTES if a not in text and b not in text), "")


def several(sources: Sequence[tuple[What | None, Said]], room: Said, pick: Picker, *, plain: bool) -> str:
    """One random text about sources and their room; `plain` sets every name in quotation marks. "" when it cannot.

    The caller checks that each fact can be read back at its own source.
    """
    anywhere = any(said.places for _, said in sources)
    kinds = {what.kind for what, _ in sources if what is not None}
    phrases = anywhere and not plain and kinds <= {"noun"} and pick.index(3) > 0
    clauses = []
    for i, (what, said) in enumerate(sources):
        clause = _clause(what, said, pick, first=i == 0, anywhere=anywhere, phrase=phrases, plain=plain)
        if not clause:
            return ""
        clauses.append(clause)
    between, last = pick.one(_LISTS if phrases else _JOINTS if anywhere else _BARE_JOINTS)
    opener = pick.one(_OPENERS) if phrases else ""
    text = _joined(clauses, between, last)
    inside = room_phrase(room, pick)
    if inside:
        form = pick.index(4)
        if form == 0:
            opener = f"In {inside}, {opener.replace('There', 'there')}"
        elif form == 1:
            text += f". The recording was made in {inside}"
        else:
            text += f"{', all' if form == 2 and len(sources) > 1 else ','} in {inside}"
    return finish("{T}", {"t": opener + text}, pick)


def _joined(clauses: list[str], between: str, last: str) -> str:
    text = clauses[0]
    for i, clause in enumerate(clauses[1:], 1):
        joint = last if i == len(clauses) - 1 else between
        text += joint + (clause[0].upper() + clause[1:] if joint == ". " else clause)
    return text


def _clause(
    what: What | None, said: Said, pick: Picker, *, first: bool, anywhere: bool, phrase: bool, plain: bool
) -> str:
    """One source's part of the text, "" when this form does not fit it."""
    name = pick.one(("something", "a sound")) if first else pick.one(("another sound", "something else"))
    fields = {"w": name, "s": name} if what is None else {"w": what.text, "s": what.sound}
    fields["q"] = fields["w"] if what is None else quoted(what.label)
    places = said.places or ((("nowhere", SOMEWHERE),) if anywhere else ())
    kind = "noun" if what is None else what.kind
    if not places:
        return (
            pick.one(_BARE["plain" if plain and what is not None else kind]).format_map(fields) if fields["q"] else ""
        )
    frames: tuple[str, ...]
    if phrase:
        frames = _PHRASES
    elif what is not None and (plain or kind == "plain"):
        frames = _QUOTED_CLAUSES
    else:
        frames = _CLAUSES if kind == "clause" else _NOUN_CLAUSES
        if kind == "noun" and places[0][0] == "path":
            frames = (*_NOUN_CLAUSES, *_PATH_CLAUSES)
    fields["at"] = place_phrase(places, pick, origin=False)
    fields["origin"] = place_phrase(places, pick, origin=True) or fields["at"]
    frame = pick.one(frames)
    return "" if "{q}" in frame and not fields["q"] else frame.format_map(fields)


def several_brief(sources: Sequence[tuple[What | None, Said]], room: Said, pick: Picker, *, plain: bool) -> str:
    """Several sources as a search query: "dog, left, far; rain, behind; large room"."""
    parts = []
    for what, said in sources:
        words = [pick.one(word.brief) for _, word in said.places]
        for i in range(len(words) - 1, 0, -1):
            j = pick.index(i + 1)
            words[i], words[j] = words[j], words[i]
        name = "sound" if what is None else quoted(what.label) if plain else what.label
        if not name:
            return ""
        parts.append(", ".join([name, *words]))
    known = [word for word in (room.size, room.reverberation) if word is not None]
    if known:
        parts.append(", ".join(pick.one(word.brief) for word in known))
    return "; ".join(parts)
