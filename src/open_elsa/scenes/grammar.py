"""The sentences of spatial captions: frames for what, phrases for where, put together at random."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from open_elsa.scenes.attributes import ATTRIBUTES
from open_elsa.scenes.scene import SpatialWords
from open_elsa.scenes.vocabulary import Word

T = TypeVar("T")


class Picker:
    """Draws many small choices out of one large random number: a call of a generator costs more than a sentence."""

    __slots__ = ("_state",)

    def __init__(self, state: int) -> None:
        self._state = state

    def index(self, n: int) -> int:
        """Uniform integer in [0, n)."""
        self._state, choice = divmod(self._state, n)
        return choice

    def one(self, options: tuple[T, ...]) -> T:
        """One of the options."""
        return options[self.index(len(options))]


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be said of a source's place and of its room: (attribute, how it may be said) in the table's order."""

    places: tuple[tuple[str, Word], ...] = ()
    size: Word | None = None
    reverberation: Word | None = None


@lru_cache(maxsize=1024)
def said(words: SpatialWords) -> Said:
    """The table's entries of a scene's words."""
    found = {name: ATTRIBUTES[name][word] for name in ATTRIBUTES if (word := getattr(words, name)) is not None}
    size, reverberation = found.pop("room_size", None), found.pop("reverberation", None)
    return Said(tuple(found.items()), size, reverberation)


_NOUNS = {
    "small": ("room", "space", "room"),
    "mid-sized": ("room", "space", "hall"),
    "large": ("hall", "room", "space"),
}
#: Places that "far" and "close" may stand right before: "far to the left", "close behind me".
_MEASURABLE = re.compile(r"(?:behind|above|ahead|below|beneath|in front|on the|on my|to the|to my|off to|straight)\b")

# Frames. {w}: the what; {s}: "the sound of …"; {at}: where it is, room included; {origin}: where it comes from, room
# included; {place}, {room}: the two apart. A capital takes the first letter up. A frame is used when its fields exist.
NOUN_FRAMES = (
    "{S} comes {origin}",
    "{S} is coming {origin}",
    "I hear {s} coming {origin}",
    "I can hear {s} {origin}",
    "{S} can be heard {origin}",
    "{Origin} comes {s}",
    "{S} reaches me {origin}",
    "{S} is {at}",
    "{S} is heard {at}",
    "{S} is audible {at}",
    "I hear {s} {at}",
    "{At}, {s} is heard",
    "{At}, I hear {s}",
    "{At}, there is {s}",
    "{W} {at}",
    "{W} coming {origin}",
    "{W} heard {at}",
    "Listen: {w} {at}",
    "In {room}, {s} comes {place_origin}",
    "In {room}, I hear {s} {place}",
    "In {room} I hear {w}, {place}",
    "{S} comes {place_origin}; the recording was made in {room}",
)
CLAUSE_FRAMES = (
    "{At}, {w}",
    "{W}; it comes {origin}",
    "{W}. It comes {origin}",
    "{W}; all of this comes {origin}",
    "{W}, and the sound comes {origin}",
    "{W}; the source is {at}",
    "I hear this {at}: {w}",
    "In {room}, {w}, heard {place}",
    "In {room}, {place}, {w}",
    "{W}; this happens {at}",
    "{W}, all of it {at}",
)
PLAIN_FRAMES = (
    "{W}, heard {at}",
    "{W}, coming {origin}",
    "{W}, {at}",
    "{W}, {origin}",
    "{At}: {w}",
    "{W}. The sound is {at}",
    "{W}. The sound comes {origin}",
    "{W}; the sound is coming {origin}",
    'The sound "{w}" is coming {origin}',
    'The sound "{w}" is heard {at}',
    'The sound "{w}" is coming {canonical}',
    "{W}, heard {place} in {room}",
    "{W}, heard in {room}, {place}",
)
WHERE_FRAMES = (
    "A sound comes {origin}",
    "The sound is coming {origin}",
    "Something is heard {at}",
    "Something sounds {at}",
    "There is a sound {at}",
    "The sound is {at}",
    "I hear something {at}",
    "Something can be heard {origin}",
    "A sound {at}",
    "A sound coming {origin}",
    "{At}, something makes a sound",
    "{At}, there is a sound",
    "{Origin} comes a sound",
    "The sound is coming {canonical}",
    "In {room}, a sound comes {place_origin}",
    "In {room}, something is heard {place}",
)
WHAT_NOUN_FRAMES = ("{S}", "{W}", "{S} is heard", "I hear {s}", "There is {s}", "{S} can be heard", "This is {s}")
WHAT_PLAIN_FRAMES = ("{W}", "What is heard: {w}", 'The sound "{w}"', "A recording: {w}", 'The sound of "{w}"')
WHERE_UNKNOWN_FRAMES = (
    "There is a sound",
    "A sound",
    "Something is heard",
    "Something can be heard",
    "I hear something",
)

_NOTHING = Said()
_FIELD = re.compile(r"{(\w+)}")
_FIELDS = {
    frame: tuple(f.lower() for f in _FIELD.findall(frame))
    for frames in (NOUN_FRAMES, CLAUSE_FRAMES, PLAIN_FRAMES, WHERE_FRAMES)
    for frame in frames
}

_CLAUSE = re.compile(
    r"\b(?:as|while|then|when|is|are|was|were|followed by|before|after|talks?|speaks?|barks?|runs?|flies|plays?|sings?"
    r"|drives?|blows?|cries|laughs?|pours?|idles?|revs?|ticks?|clicks?|chirps?|meows?|hums?|vibrates?|snores?|rings?"
    r"|starts?|passes|approaches|falls?|makes?|walks?|rustles|clanks?|whistles|sneezes|sprays?|gurgles|occurs?|continues"
    r"|bleats?|tweets?|squawks?|quacks?|coos?|growls?|buzz(?:es)?|whimpers?|yells?|shouts?|screams?|hiss(?:es)?|goes|go"
    r"|spins?|honks?|roars?|rumbles?|splash(?:es)?|bangs?|tap|taps|knocks|cheers?|claps?)\b"
    # "a drill spins": after a singular article and without an "of", a word in -s is a verb
    r"|^(?:a|an) (?:(?!of\b)\w+ ){1,3}\w*[a-rt-z]s(?= |$)"
)
_DETERMINED = re.compile(r"(?:a|an|the|some|someone|something|somebody|several|multiple|many|two|three|few|people)\b")
_SOUND = re.compile(r"(?:the |a |an |some )?(?:\w+ )?(?:sounds?|noises?|recording)\b")
#: Singular things that the labels of sound sets name without an article.
_COUNTED = re.compile(
    r"(?:dog|cat|rooster|pig|cow|frog|hen|crow|baby|helicopter|chainsaw|siren|horn|engine|train|airplane|aeroplane|saw"
    r"|clock|alarm|car|truck|bus|motorcycle|bird|owl|horse|sheep|goat|lion|wolf|duck|goose|piano|guitar|violin|flute"
    r"|drum|bell|man|woman|child|boy|girl|fan|printer|telephone|phone|door|knock|toilet|cleaner|tractor|boat|ship|bee"
    r"|fly|mosquito|cricket|robin|turkey|donkey|camel|monkey|toad|snake|explosion|whistle|hammer|drill)"
)


@dataclass(frozen=True, slots=True)
class What:
    """A what-text made ready for frames. kind: "noun", "clause" or "plain" (fits only frames that take anything).

    label: the text without an added article; text: as it stands in a sentence; sound: "the sound of …".
    """

    label: str
    text: str
    kind: str
    sound: str


def _uncapitalised(text: str) -> str:
    first = text.split(" ", 1)[0].rstrip(",.'’")
    ordinary = len(first) > 1 and first[1:].islower() and first[0].isupper()
    return text[0].lower() + text[1:] if ordinary or first == "A" else text


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def article(word: str) -> str:
    """ "an" before a vowel's letter, else "a": enough for the words of this grammar."""
    return "an" if word[:1].lower() in "aeiou" else "a"


@lru_cache(maxsize=8192)
def understand(text: str) -> What:
    """Sort a what-text into noun phrase, clause or neither, by its words; `text` has no outer white space."""
    plain = _uncapitalised(text.rstrip(" .!?;,:"))
    low = plain.lower()
    several = ". " in plain or "?" in plain or "!" in plain
    if several or (_CLAUSE.search(low) is not None and (len(low.split()) > 3 or _DETERMINED.match(low))):
        subject = not several and _DETERMINED.match(low) is not None
        return What(plain, plain, "clause" if subject else "plain", plain)
    if _SOUND.match(low) or len(low.split()) > 6:
        return What(plain, plain, "plain", plain)
    if (
        not _DETERMINED.match(low)
        and _COUNTED.fullmatch(low.rsplit(" ", 1)[-1])
        and not re.search(r" (?:of|in|on|and) |,", low)
    ):
        counted = f"{article(plain)} {plain}"
        return What(plain, counted, "noun", f"the sound of {counted}")
    return What(plain, plain, "noun", f"the sound of {plain}")


def room_phrase(all_said: Said, pick: Picker) -> str:
    """A noun phrase such as "a large, echoing hall", or "" when nothing is known about the room."""
    size, reverb = all_said.size, all_said.reverberation
    if size is None and reverb is None:
        return ""
    noun = pick.one(_NOUNS.get(size.word if size is not None else "", ("room", "space")))
    if size is None or reverb is None:
        only = size or reverb
        assert only is not None
        adjective, tail = pick.one(only.at), pick.one(only.origin)
        return f"a {noun} {tail}" if pick.index(4) == 0 else f"{article(adjective)} {adjective} {noun}"
    big, wet = pick.one(size.at), pick.one(reverb.at)
    noun = "room" if big == "spacious" else noun  # a spacious space says it twice
    form = pick.index(6)
    if form == 0:
        return f"{article(big)} {big} {noun} {pick.one(reverb.origin)}"
    if form == 1:
        return f"{article(wet)} {wet} {noun} {pick.one(size.origin)}"
    first, second = (big, wet) if form < 4 else (wet, big)
    return f"{article(first)} {first}{', ' if form % 2 else ' '}{second} {noun}"


def place_phrase(places: tuple[tuple[str, Word], ...], pick: Picker, origin: bool) -> str:
    """Where the source is ("far to the left, high up"), or comes from when `origin`; "" when that cannot be said."""
    keys = list(places)
    if not keys:
        return ""
    for i in range(len(keys) - 1, 0, -1):  # Fisher–Yates from the picker's own randomness
        j = pick.index(i + 1)
        keys[i], keys[j] = keys[j], keys[i]
    if origin and not keys[0][1].origin:
        keys.sort(key=lambda key: not key[1].origin)  # stable: one that has an origin comes first
        if not keys[0][1].origin:
            return ""
    parts = [pick.one(word.origin if origin and i == 0 else word.at) for i, (_, word) in enumerate(keys)]
    start = 1 if origin else 0
    for i in range(start, len(parts) - 1):
        if keys[i][0] == "distance" and pick.index(2) and _MEASURABLE.match(parts[i + 1]):
            parts[i : i + 2] = [("close " if keys[i][1].word == "near" else "far ") + parts[i + 1]]
            break
    joiner = pick.one((" ", ", ", " and ", ", "))
    return joiner.join(parts) if len(parts) == 2 else ", ".join(parts)


def _canonical(all_said: Said, room: str, pick: Picker) -> str:
    """The paper's own phrase: "from the far left of a large highly reverberant room"; "" without a direction."""
    known = dict(all_said.places)
    if "direction" not in known or not all(word.adjectives for word in known.values()):
        return ""
    own_words = pick.index(3) == 0
    chosen = []
    for name in ("distance", "elevation", "direction"):
        if name in known:
            options = known[name].adjectives
            chosen.append(options[0] if own_words else pick.one(options))
    phrase = " ".join(chosen)
    if own_words and room:
        room = " ".join(w.word for w in (all_said.size, all_said.reverberation) if w is not None) + " room"
        room = f"{article(room)} {room}"
    return f"from the {phrase} of {room}" if room else f"from the {phrase}"


def sentence(what: What | None, all_said: Said, pick: Picker) -> str:
    """One random sentence about one source; the caller checks that it can be read back."""
    frames: tuple[str, ...]
    if what is None:
        frames = WHERE_FRAMES
    else:
        own = {"noun": NOUN_FRAMES, "clause": CLAUSE_FRAMES}.get(what.kind, PLAIN_FRAMES)
        frames = own if pick.index(3) else PLAIN_FRAMES
    fields = {} if what is None else {"w": what.text, "s": what.sound}
    if all_said == _NOTHING:
        return finish(_unplaced(what, pick), fields, pick)
    room, place = room_phrase(all_said, pick), place_phrase(all_said.places, pick, origin=False)
    fields["room"] = room
    fields["place"] = place
    inside = pick.one(("in ", "in ", "inside ", "within ")) + room if room else ""
    joint = pick.one((" ", ", ", " "))
    fields["at"] = joint.join((place, inside)) if place and inside else place or inside
    fields["place_origin"] = origin = place_phrase(all_said.places, pick, origin=True)
    fields["origin"] = joint.join((origin, inside)) if origin and inside else origin
    fields["canonical"] = _canonical(all_said, room, pick)
    offset = pick.index(len(frames))
    for i in range(len(frames)):
        frame = frames[(offset + i) % len(frames)]
        if all(fields.get(name) for name in _FIELDS[frame]):
            return finish(frame, fields, pick)
    raise AssertionError("every set of frames has one that needs no more than {at}")  # pragma: no cover


def _unplaced(what: What | None, pick: Picker) -> str:
    if what is None:
        return pick.one(WHERE_UNKNOWN_FRAMES)
    return pick.one(WHAT_NOUN_FRAMES if what.kind == "noun" else WHAT_PLAIN_FRAMES)


def finish(frame: str, fields: dict[str, str], pick: Picker) -> str:
    """The frame with its fields filled in, a capital first, and mostly a full stop."""
    both = {**fields, **{name.capitalize(): _capitalised(value) for name, value in fields.items() if value}}
    text = _capitalised(frame.format_map(both))
    return text if pick.index(4) == 0 else text + "."


def brief(what: What | None, all_said: Said, pick: Picker) -> str:
    """A short text like a search query: "dog, left, far, large room"; facts in random order after the what."""
    words = [word for _, word in all_said.places]
    words += [word for word in (all_said.size, all_said.reverberation) if word is not None]
    for i in range(len(words) - 1, 0, -1):
        j = pick.index(i + 1)
        words[i], words[j] = words[j], words[i]
    parts = [] if what is None else [what.label]
    parts.extend(pick.one(word.brief) for word in words)
    return ", ".join(parts) if parts else "sound"
