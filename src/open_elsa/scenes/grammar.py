"""The sentences of spatial captions: frames for what, phrases for where, put together at random."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from open_elsa.scenes.attributes import ATTRIBUTES
from open_elsa.scenes.scene import SpatialWords


class Picker:
    """Draws many small choices out of one large random number: a call of a generator costs more than a sentence."""

    __slots__ = ("_state",)

    def __init__(self, state: int) -> None:
        self._state = state

    def index(self, n: int) -> int:
        """Uniform integer in [0, n)."""
        self._state, choice = divmod(self._state, n)
        return choice

    def one(self, options: tuple[str, ...]) -> str:
        """One of the options."""
        return options[self.index(len(options))]


_AT = {(name, w.word): w.at for name, a in ATTRIBUTES.items() for w in a.words}
_ORIGIN = {(name, w.word): w.origin for name, a in ATTRIBUTES.items() for w in a.words}
_ADJECTIVES = {(name, w.word): w.adjectives for name, a in ATTRIBUTES.items() for w in a.words}
_BRIEF = {(name, w.word): w.brief for name, a in ATTRIBUTES.items() for w in a.words}

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

_NO_WORDS = SpatialWords()
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


def _room(words: SpatialWords, pick: Picker) -> str:
    """A noun phrase such as "a large, echoing hall", or "" when nothing is known about the room."""
    size, reverb = words.room_size, words.reverberation
    if size is None and reverb is None:
        return ""
    noun = pick.one(_NOUNS.get(size or "", ("room", "space")))
    if size is None or reverb is None:
        key = ("room_size", size) if size is not None else ("reverberation", reverb or "")
        adjective, tail = pick.one(_AT[key]), pick.one(_ORIGIN[key])
        return f"a {noun} {tail}" if pick.index(4) == 0 else f"{article(adjective)} {adjective} {noun}"
    big, wet = pick.one(_AT["room_size", size]), pick.one(_AT["reverberation", reverb])
    noun = "room" if big == "spacious" else noun  # a spacious space says it twice
    form = pick.index(6)
    if form == 0:
        return f"{article(big)} {big} {noun} {pick.one(_ORIGIN['reverberation', reverb])}"
    if form == 1:
        return f"{article(wet)} {wet} {noun} {pick.one(_ORIGIN['room_size', size])}"
    first, second = (big, wet) if form < 4 else (wet, big)
    return f"{article(first)} {first}{', ' if form % 2 else ' '}{second} {noun}"


def _place(words: SpatialWords, pick: Picker, origin: bool) -> str:
    """Where the source is ("far to the left, high up"), or comes from when `origin`; "" when no word is known."""
    keys = [(n, w) for n in ("direction", "elevation", "distance") if (w := getattr(words, n)) is not None]
    if not keys:
        return ""
    for i in range(len(keys) - 1, 0, -1):  # Fisher–Yates from the picker's own randomness
        j = pick.index(i + 1)
        keys[i], keys[j] = keys[j], keys[i]
    parts = [pick.one((_ORIGIN if origin and i == 0 else _AT)[key]) for i, key in enumerate(keys)]
    start = 1 if origin else 0
    for i in range(start, len(parts) - 1):
        if keys[i][0] == "distance" and pick.index(2) and _MEASURABLE.match(parts[i + 1]):
            parts[i : i + 2] = [("close " if keys[i][1] == "near" else "far ") + parts[i + 1]]
            break
    joiner = pick.one((" ", ", ", " and ", ", "))
    return joiner.join(parts) if len(parts) == 2 else ", ".join(parts)


def _canonical(words: SpatialWords, room: str, pick: Picker) -> str:
    """The paper's own phrase: "from the far left of a large highly reverberant room"; "" without a direction."""
    if words.direction is None:
        return ""
    own_words = pick.index(3) == 0
    said = []
    for name, word in (("distance", words.distance), ("elevation", words.elevation), ("direction", words.direction)):
        if word is not None:
            options = _ADJECTIVES[name, word]
            said.append(options[0] if own_words else pick.one(options))
    phrase = " ".join(said)
    if own_words and room:
        room = " ".join(w for w in (words.room_size, words.reverberation) if w) + " room"
        room = f"{article(room)} {room}"
    return f"from the {phrase} of {room}" if room else f"from the {phrase}"


def sentence(what: What | None, words: SpatialWords, pick: Picker) -> str:
    """One random sentence; the caller checks that it can be read back."""
    frames: tuple[str, ...]
    if what is None:
        frames = WHERE_FRAMES
    else:
        own = {"noun": NOUN_FRAMES, "clause": CLAUSE_FRAMES}.get(what.kind, PLAIN_FRAMES)
        frames = own if pick.index(3) else PLAIN_FRAMES
    fields = {} if what is None else {"w": what.text, "s": what.sound}
    if words == _NO_WORDS:
        return _finish(_unplaced(what, pick), fields, pick)
    room, place = _room(words, pick), _place(words, pick, origin=False)
    fields["room"] = room
    fields["place"] = place
    inside = pick.one(("in ", "in ", "inside ", "within ")) + room if room else ""
    joint = pick.one((" ", ", ", " "))
    fields["at"] = joint.join((place, inside)) if place and inside else place or inside
    fields["place_origin"] = origin = _place(words, pick, origin=True)
    fields["origin"] = joint.join((origin, inside)) if origin and inside else origin
    fields["canonical"] = _canonical(words, room, pick)
    offset = pick.index(len(frames))
    for i in range(len(frames)):
        frame = frames[(offset + i) % len(frames)]
        if all(fields.get(name) for name in _FIELDS[frame]):
            return _finish(frame, fields, pick)
    raise AssertionError("every set of frames has one that needs no more than {at}")  # pragma: no cover


def _unplaced(what: What | None, pick: Picker) -> str:
    if what is None:
        return pick.one(WHERE_UNKNOWN_FRAMES)
    return pick.one(WHAT_NOUN_FRAMES if what.kind == "noun" else WHAT_PLAIN_FRAMES)


def _finish(frame: str, fields: dict[str, str], pick: Picker) -> str:
    both = {**fields, **{name.capitalize(): _capitalised(value) for name, value in fields.items() if value}}
    text = _capitalised(frame.format_map(both))
    return text if pick.index(4) == 0 else text + "."


def brief(what: What | None, words: SpatialWords, pick: Picker) -> str:
    """A short text like a search query: "dog, left, far, large room"; facts in random order after the what."""
    keys = [(n, w) for n in ATTRIBUTES if (w := getattr(words, n)) is not None]
    for i in range(len(keys) - 1, 0, -1):
        j = pick.index(i + 1)
        keys[i], keys[j] = keys[j], keys[i]
    parts = [] if what is None else [what.label]
    parts.extend(pick.one(_BRIEF[key]) for key in keys)
    return ", ".join(parts) if parts else "sound"
