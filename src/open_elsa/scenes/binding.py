"""Which place belongs to which sound: a text read source by source.

The statements of a text are cut out and leave a mark each; the sentence's own words ("comes", "is heard", "it is") go
with the mark they stand beside. What is left are the words that name the sounds, and the joints between them decide
where one source ends and the next begins:

- A full stop or a semicolon with a sound on either side parts two sources. So do two texts in quotation marks.
- After a sound and its place, "and", "while", "as", "with" and the like begin the next source; so does a comma when
  what follows has a place of its own.
- Before "while" or "as", a sound without a place stands for itself when the place stands directly at the sound after
  it ("a dog barks while rain falls behind me"), but shares a place set off by a comma or a verb ("a woman talks as
  water pours, heard behind me").
- "Somewhere" says that a sound has no place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from open_elsa.scenes.captions import EDGE, folded, lowered, word_claims
from open_elsa.scenes.facts import SceneFacts, SourceFacts
from open_elsa.scenes.reading import ME, ROOM_ADJECTIVE, ROOM_NOUN
from open_elsa.scenes.reading_numbers import approaches, masked, measures

# Marks for what has been read; private characters of the text itself are made harmless first.
_PLACE, _ROOM, _QUOTE, _NOWHERE = "\ue000", "\ue001", "\ue002", "\ue003"
_PRIVATE = re.compile("[\ue000-\ue003]")
_QUOTED = re.compile(r'"[^"]*\w[^"]*"|“[^”]*\w[^”]*”|«[^»]*\w[^»]*»')

_SOMEWHERE = re.compile(r"\b(?:from )?somewhere(?: else)?\b")
_PRONOUN = (
    r"(?:it|this|that|which|they|(?:all of )?(?:this|it)|the (?:sound|source|noise)(?: of (?:it|the sound))?"
    r"|i (?:can )?hear this)"
)
_BE = r"(?:is|are|was|were|can be|could be|being)"
_VERB = (
    r"(?:coming|comes?|came|heard|audible|sounding|happens|happening|located|reach(?:es|ing) me|arriv(?:es|ing)"
    r"|recorded|moving|moves?|pass(?:es|ing)?(?: by)?|going(?: by)?|goes(?: by)?|travelling|travels|panning|pans"
    r"|driv(?:es|ing)(?: by)?|fly(?:ing)?(?: by)?|flies(?: by)?|walks|walking|approaches|starts|starting)"
)
_BEFORE = re.compile(
    rf"(?P<loose>[,;.]? ?\b(?:and |but )?{_PRONOUN} |, ?)?(?:\b(?:all|both) )?(?:\b{_BE} )?(?:\b{_VERB} )?"
    rf"(?:\b(?:all|both|all of it) )?(?:\b(?:in|at|from|about|to|of|down|up|over|mostly|right|directly|somewhere) )?"
    rf"(?P<mark>[{_PLACE}{_ROOM}{_NOWHERE}])"
)
#: What a claim may leave of its own phrase: "from ahead" of "from ahead of me".
_AFTER = re.compile(rf"(?<=[{_PLACE}{_NOWHERE}])(?: of| from)? {ME}")
_ROOM_NP = re.compile(
    r"(?:(?:,? ?\b(?:all|recorded|heard|made|the recording was made|this was recorded|it sounds like|inside|within"
    r"|in|of|from) ){0,3}(?:(?:the|this) )?(?:\b(?:an?|the) )?"
    rf"(?:{ROOM_ADJECTIVE},? )*{_ROOM}(?:,? (?:{_ROOM}|{ROOM_ADJECTIVE}\b))*"
    rf"(?:,? {ROOM_NOUN})?(?:,? (?:with |and )?{_ROOM})*)|\bthe (?:room|hall|space) (?:is|sounds) {_ROOM}"
)

_HARD = re.compile(r"[;|]+|[.!?]+(?=[ .!?]|$)")
_JOINT = re.compile(
    r"(?:,|:|—|–)? ?\b(?P<semi>while|whereas|meanwhile|as)\b ?(?:at the same time,?)?"
    r"|(?:,|:|—|–)? ?\b(?P<weak>and|with|plus|but|then|followed by)\b(?: (?:also|then|at last|with|a second later))*"
    r"(?: (?P<semi2>while|meanwhile)\b,?)?"
    r"|(?P<comma>,|:|—|–)"
)
_LEAD = re.compile(
    r"^(?:(?:listen|what is heard|a recording(?: of)?|(?:i|we|you) (?:can )?hear|there (?:is|are|was|were)|this is"
    r"|(?:the |a |an )?(?:sounds?|noises?) of|the sounds?|comes?|heard|also|and|while|as|then|with|but|plus|meanwhile"
    r"|is|are|,|:|-)(?= |$|[,:]|[\"“«\ue002]))[ ,:]*"
)
_TAIL = re.compile(
    r"[ ,:]*\b(?:(?:is|are|was|were|can be)(?: being)? (?:heard|audible)|is|are|heard|too|and|while|as|with|coming|at)$"
)
_ARTICLE = re.compile(r"^(?:an?|the|some) (?=.)")
_GENERIC = re.compile(r"\b(?:something|anything|sounds?|noises?|source)\b")
#: A sound that nobody names: "another sound", "something else makes a sound".
_NAMELESS = re.compile(
    r"(?:(?:an|one|another|the|second|third|other|further) )*(?:something|anything|sounds?|noises?|source|it|one"
    r"|another)(?: else)?(?: makes a sound| sounds)?"
)


def core(text: str) -> str | None:
    """The words that name a sound as facts hold them: lower case, no article, no "the sound of"; None for "a sound"."""
    low = _PRIVATE.sub("�", lowered(folded(text)))
    while True:
        before = low
        low = low.strip(EDGE + "“”«»-")
        low = _TAIL.sub("", _LEAD.sub("", low))
        low = _ARTICLE.sub("", low)
        if low == before:
            return None if not re.search(r"\w", low) or _NAMELESS.fullmatch(low) else low


Fact = tuple[str, "str | int | float"]


@dataclass
class _Atom:
    """A piece of a sentence between two joints: its sounds and places in order, and what it states."""

    joint: str
    kind: str
    events: list[tuple[str, str]]
    facts: list[Fact]

    @property
    def sounds(self) -> bool:
        return any(kind == "sound" for kind, _ in self.events)

    @property
    def placed(self) -> bool:
        return any(kind == "place" for kind, _ in self.events)

    @property
    def quoted(self) -> bool:
        return any(_QUOTE in text for _, text in self.events)


@dataclass
class _Source:
    """A source while it is being read. place: "" none yet, "first" = before its sound, "last" = after it."""

    text: str = ""
    facts: list[Fact] = field(default_factory=list)
    quoted: bool = False
    place: str = ""

    def add(self, atom: _Atom) -> None:
        for kind, value in atom.events:
            if kind == "place":
                self.place = "last" if self.text else "first"
                continue
            self.text += (
                (atom.joint if self.place != "last" and value == atom.events[0][1] else " ") if self.text else ""
            )
            self.text += value
        self.quoted = self.quoted or atom.quoted
        self.facts.extend(atom.facts)


def _marked(low: str) -> tuple[str, list[list[Fact]], list[tuple[str, list[Fact]]], list[Fact]]:
    """(text with marks, what each place states, each quotation with what it states, what is said of the room)."""
    found = measures(low)
    rest = masked(low, found)
    moves = approaches(rest)
    rest = masked(rest, moves)
    spans: list[tuple[int, int, list[Fact]]] = []
    for one in (*found, *moves):
        stated: list[Fact] = [(one.name, one.value)]
        if one.end_value is not None:
            stated.append((one.end_name, one.end_value))
        spans.append((one.start, one.stop, stated))
    room: list[Fact] = []
    for start, stop, name, word in word_claims(rest):
        if name in ("room_size", "reverberation"):
            room.append((name, word))
        spans.append((start, stop, [(name, word)]))
    quotes = [match.span() for match in _QUOTED.finditer(low)]
    out, at = [], 0
    places: list[list[Fact]] = []
    quoted: list[tuple[str, list[Fact]]] = []
    for start, stop, stated in _merged(spans, quotes):
        out.append(low[at:start])
        if (start, stop) in quotes:
            quoted.append((low[start:stop], [f for f in stated if f[0] not in ("room_size", "reverberation")]))
            out.append(_QUOTE)
        elif all(name in ("room_size", "reverberation") for name, _ in stated):
            out.append(_ROOM)
        else:
            places.append([f for f in stated if f[0] not in ("room_size", "reverberation")])
            out.append(_PLACE)
        at = stop
    return "".join(out) + low[at:], places, quoted, room


def _merged(
    spans: list[tuple[int, int, list[Fact]]], quotes: list[tuple[int, int]]
) -> list[tuple[int, int, list[Fact]]]:
    """Spans in order, overlapping ones made one; a quotation takes in every statement that begins inside it."""
    merged: list[tuple[int, int, list[Fact]]] = []
    quotations = [(start, stop, list[Fact]()) for start, stop in quotes]
    for start, stop, stated in sorted(spans, key=lambda s: s[:2]):
        home = next((q for q in quotations if q[0] <= start < q[1]), None)
        if home is not None:
            home[2].extend(stated)
        elif merged and start < merged[-1][1]:
            first, last, before = merged[-1]
            merged[-1] = (first, max(last, stop), before + stated)
        else:
            merged.append((start, stop, list(stated)))
    merged = [(a, min([b, *(q[0] for q in quotes if q[0] >= a)]), stated) for a, b, stated in merged]
    return sorted(merged + quotations, key=lambda s: s[:2])


def _beside(match: re.Match[str]) -> str:
    """A mark without the sentence's own words beside it; a comma stays where it was set off."""
    if match["loose"]:
        return f", {match['mark']}"
    return (" " if match[0][:1] == " " else "") + match["mark"]


def _atoms(sentence: str, places: list[list[Fact]], quoted: list[tuple[str, list[Fact]]]) -> list[_Atom]:
    """The pieces of one sentence; takes its marks' statements from the front of the two lists."""
    atoms = []
    at, joint, kind = 0, "", ""
    for match in (*_JOINT.finditer(sentence), None):
        piece = sentence[at : match.start() if match is not None else len(sentence)]
        events: list[tuple[str, str]] = []
        facts: list[Fact] = []
        for part in re.split(f"([{_PLACE}{_NOWHERE}])", piece.replace(_ROOM, " ")):
            if part in (_PLACE, _NOWHERE):
                facts.extend(places.pop(0) if part == _PLACE else ())
                events.append(("place", part))
            elif _names(part):
                for _ in range(part.count(_QUOTE)):
                    facts.extend(quoted[0][1])
                    quoted.append(quoted.pop(0))
                events.append(("sound", part))
        if events:
            atoms.append(_Atom(joint, kind, events, facts))
            joint, kind = "", ""
        if match is not None:
            new_kind = "comma" if match["comma"] else "weak" if match["weak"] and not match["semi2"] else "semi"
            joint += match[0]
            kind = max(kind, new_kind, key=("", "comma", "weak", "semi").index)
            at = match.end()
    return atoms


def _names(part: str) -> bool:
    """True when a piece between marks holds more than the sentence's own words."""
    if _QUOTE in part or _GENERIC.search(part):
        return True
    bare = part.strip(EDGE)
    while (shorter := _TAIL.sub("", _LEAD.sub("", bare)).strip(EDGE)) != bare:
        bare = shorter
    return re.search(r"\w", _ARTICLE.sub("", bare)) is not None


def _begins(source: _Source, atoms: list[_Atom], i: int) -> bool:
    """True when atoms[i] begins the next source rather than going on with this one."""
    atom = atoms[i]
    if not source.text:
        return False
    if not atom.sounds:  # a place alone: it leads a following sound that has none of its own
        follows = next((a for a in atoms[i + 1 :] if a.sounds), None)
        leads = follows is not None and (not follows.placed or follows.events[0][0] == "place")
        return leads and (source.place == "first" or atom.kind in ("weak", "semi"))
    if atom.quoted and source.quoted:
        return True
    if source.place == "last":
        return atom.placed or atom.kind in ("weak", "semi")
    if source.place == "first":
        return atom.placed
    return atom.placed and atom.events[0][0] == "sound" and atom.kind == "semi"


def read(text: str) -> SceneFacts:
    """Read what a text states, source by source and of the room; what is not stated is None.

    A source of which nothing is stated ("a sound") is left out. "At three o'clock" is a place, unless the text gives a
    time of day. text: anything; nothing that can be read is never an error.
    """
    low = _PRIVATE.sub("�", lowered(folded(text)))
    marked, places, quoted, room = _marked(low)
    marked = _AFTER.sub("", _SOMEWHERE.sub(_NOWHERE, marked))
    for _ in range(2):
        marked = _ROOM_NP.sub(_ROOM, marked)
        marked = _BEFORE.sub(_beside, marked)
    quotations = [q for q, _ in quoted]
    sources: list[_Source] = []
    waiting: list[_Atom] = []
    for sentence in _HARD.split(marked):
        atoms = _atoms(sentence, places, quoted)
        if not any(atom.sounds for atom in atoms):
            for atom in atoms:
                sources[-1].add(atom) if sources else waiting.append(atom)
            continue
        current = _Source()
        sources.append(current)
        for atom in waiting:
            current.add(atom)
        waiting = []
        for i, atom in enumerate(atoms):
            if _begins(current, atoms, i):
                current = _Source()
                sources.append(current)
            current.add(atom)
    if waiting:
        sources.append(_Source())
        for atom in waiting:
            sources[-1].add(atom)
    restored = iter(quotations)
    told = [_facts_of(re.sub(_QUOTE, lambda _: next(restored), s.text), s.facts) for s in sources]
    size, size_torn = _settled("room_size", room)
    reverberation, reverberation_torn = _settled("reverberation", room)
    return SceneFacts(tuple(one for one in told if not one.empty), size, reverberation, size_torn + reverberation_torn)


def _facts_of(text: str, stated: list[Fact]) -> SourceFacts:
    found: dict[str, object] = {"what": core(text)}
    torn: tuple[str, ...] = ()
    for name in dict.fromkeys(name for name, _ in stated):
        value, contradicted = _settled(name, stated)
        torn += contradicted
        found[name] = value
    return SourceFacts(**found, contradictions=torn)  # type: ignore[arg-type]


def _settled(name: str, stated: list[Fact]) -> tuple[str | None, tuple[str, ...]]:
    """(what all statements of a field agree on, the field's name in a tuple when they contradict each other)."""
    values = {value for field_name, value in stated if field_name == name}
    if name == "direction":
        words = {part for value in values for part in str(value).split(" ")}
        depths, sides = words & {"front", "back"}, words & {"left", "right"}
        if words and len(sides) <= 1 and len(depths) <= 1:
            return " ".join((*depths, *sides)), ()
    if len(values) <= 1:
        return next(iter(values), None), ()  # type: ignore[return-value]
    return None, (name,)
