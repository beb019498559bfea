"""The question put to a language model: the paper's sentence, and the facts that must survive."""

from __future__ import annotations

from dataclasses import asdict

from open_elsa.scenes.attributes import ATTRIBUTES
from open_elsa.scenes.rewriting.models import Prompt
from open_elsa.scenes.scene import SpatialWords
from open_elsa.scenes.vocabulary import Word

#: Changes whenever the text below does: answers to an older question are not taken for answers to this one.
TEMPLATE = 1

SYSTEM = (
    "You rephrase captions of sounds. Answer with one short English sentence and nothing else: no introduction, no "
    "quotation marks, no markup. Keep what is heard in its own words and in its order, keep every detail of where it "
    "comes from, and add nothing."
)
REQUEST = (
    "{told} Rephrase this as one short English sentence that keeps the sound and every detail of its source.\n"
    "Keep exactly these facts: {facts}.{silent}"
)
_NAMES = {"room_size": "the size of the room", "reverberation": "echo", "elevation": "height"}


def prompt_for(heard: str | None, words: SpatialWords, seed: int) -> Prompt:
    """The question for one caption; heard: what the sound is, None for a sentence that tells only where it is."""
    known = {name: word for name, word in asdict(words).items() if word is not None}
    facts = [f"{_name(n)}: {w} (as in {_examples(ATTRIBUTES[n][w])})" for n, w in known.items()]
    missing = [_name(n) for n in ATTRIBUTES if n not in known]
    silent = f"\nSay nothing about: {', '.join(missing)}." if missing else ""
    request = REQUEST.format(
        told=told(heard, words), facts="; ".join([*([] if heard is None else ["the sound"]), *facts]), silent=silent
    )
    return Prompt(SYSTEM, request, seed)


def _name(attribute: str) -> str:
    return _NAMES.get(attribute, attribute)


def _examples(word: Word) -> str:
    return f'"{word.at[0]}", "{word.origin[0]}"'


def told(heard: str | None, words: SpatialWords) -> str:
    """The paper's sentence: the sound "…" comes from the far upper left of a large highly reverberant room."""
    sound = f'The sound "{heard}"' if heard is not None else "A sound"
    places = [(n, w) for n in ("distance", "elevation", "direction") if (w := getattr(words, n)) is not None]
    said = " ".join(w for w in (words.room_size, words.reverberation) if w)
    room = f"{'an' if said[:1] in 'aeiou' else 'a'} {said} room" if said else ""
    if words.direction is not None:
        place = "from the " + " ".join(ATTRIBUTES[n][w].adjectives[0] for n, w in places)
        return f"{sound} comes {place} of {room}." if room else f"{sound} comes {place}."
    place = " and ".join(ATTRIBUTES[n][w].origin[0] for n, w in places)
    return f"{sound} {f'comes {place}' if place else 'is heard'}{f' in {room}' if room else ''}."
