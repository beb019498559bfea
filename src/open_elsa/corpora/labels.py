"""What a clip sounds like, in words: labels made equal where sounds are equal, and captions a person might write."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from open_elsa.corpora.label_rules import RULES
from open_elsa.corpora.label_tables import ESC50, OTHER, TITLE_WORDS

#: A title with one of these is no use as "what": it speaks of a place, which the caption must not contradict.
_PLACE_WORDS = re.compile(
    r"\b(left|right|front|back|behind|above|below|under\w*|over\w*|up|down|upstairs|downstairs|inside|outside|indoors?|"
    r"outdoors?|near|nearby|far|close|closeup|distan\w+|away|room|hall|chamber|small|large|big|huge|high|low|reverb\w*|"
    r"echo\w*|dry|wet|reflection|background|ambien\w+|stereo|mono)\b"
)
#: What file names carry besides words: takes, formats, sites, recorders.
_TITLE_NOISE = re.compile(
    r"\b(www|com|soundbyter|soundscalpel|lbs|fx|sfx|wav|mp3|aiff?|flac|ogg|loop\w*|edit\w*|final|normali[sz]ed|watermarked|"
    r"recording|recorded|sound|sounds|noise|effect|khz|bit|take|version|mix|part|misc|track|zoom|mic|[a-z])\b"
)
_MAX_TITLE_WORDS = 9


@dataclass(frozen=True)
class Named:
    """A normalised label (equal labels mean equal sounds) and its captions, the plainest last."""

    label: str
    captions: tuple[str, ...]


def esc50(category: str, title: str = "") -> Named:
    """Label and captions of an ESC-50 clip; the uploader's title is one too if it names the class and no place."""
    label = " ".join(re.split(r"[_\W]+", category.lower())).strip()
    captions = [*ESC50.get(label, ()), label]
    if (said := clean_title(title)) and set(said.split()) & set(TITLE_WORDS.get(label, "").split()):
        captions.append(said)
    return Named(label, tuple(dict.fromkeys(captions)))


def clean_title(title: str) -> str:
    """Take an uploader's title down to its words, or to "" where too little, too much, or a place is left."""
    text = re.sub(r"\([^)]*\)|\\\S*|[\d_]+", " ", title.lower())
    text = re.split(r",| \W+ |/", text.replace(".", " "))[0]
    text = re.sub(r"[^a-z' -]", " ", text)
    if _PLACE_WORDS.search(text):
        return ""
    words = _TITLE_NOISE.sub(" ", text).replace("-", " ").split()
    return " ".join(words) if 2 <= len(words) <= _MAX_TITLE_WORDS else ""


def names_a_place(text: str) -> bool:
    """Tell whether a text has a word of place or of rooms in it, which a caption must not state by itself."""
    return bool(_PLACE_WORDS.search(text.lower()))


def from_row(source: str, path: str, label: str, caption: str = "") -> Named | None:
    """Label and captions of a clip of another source by its rules; None where its name says nothing of its sound.

    Rules match the label, or, written with a leading slash, the path. Sources without rules keep their label.
    """
    written = caption.strip().rstrip(".").lower()
    written = re.sub(r"[^a-z0-9' ,-]", "", written) if len(written.split()) >= 2 and caption != label else ""
    plain = " ".join(re.sub(r"[\d_]+", " ", label.lower()).split())
    for pattern, on_path, meaning in _rules(source):
        if pattern.search(path.lower() if on_path else label.lower()):
            if meaning is None:
                return None
            target, said = meaning
            name = plain if target == "=" else target
            if not name:
                return None
            return common(name, [s.replace("{}", plain) for s in said] + ([written] if written else []))
    if not plain or source in RULES:
        return None
    return common(plain, [written] if written else [])


def common(label: str, captions: list[str]) -> Named:
    """Add what is usually said of that label to its own captions, and the bare label last."""
    usual = ESC50.get(label) or OTHER.get(label, ())
    return Named(label, tuple(dict.fromkeys([*captions, *usual, label])))


def spoken(names: list[str], title: str = "") -> Named | None:
    """Label and captions of a clip with one or several class names, as AudioSet writes them, the first the main one.

    Of "Male speech, man speaking" the first is taken; names of places ("Inside, small room") are left out. An
    uploader's title is a caption if it shares a word with a name. None where nothing is left to be said.
    """
    first = [re.sub(r"\([^)]*\)|\b(background|ambient) ", "", name.lower()).split(",")[0].strip() for name in names]
    first = [name.replace("open or close", "opening or closing") for name in first]
    heard = list(dict.fromkeys(word for word in first if word and not names_a_place(word)))
    if not heard:
        return None
    if len(heard) > 1:
        return Named(heard[0], (", ".join(heard[:-1]) + f" and {heard[-1]}", " with ".join(heard[:2])))
    said = clean_title(title)
    return common(heard[0], [said] if set(said.split()) & set(heard[0].split()) else [])


@functools.cache
def _rules(source: str) -> tuple[tuple[re.Pattern[str], bool, tuple[str, tuple[str, ...]] | None], ...]:
    """Parse the rules of a source into (pattern, whether it is for the path, (label, captions) or None)."""
    rules = []
    for line in RULES.get(source, "").strip().splitlines():
        pattern, _, meaning = line.partition(" -> ")
        label, _, said = meaning.strip().partition(": ")
        captions = tuple(c.strip() for c in said.split(";") if c.strip())
        rules.append(
            (re.compile(pattern.strip()), pattern.startswith("/"), None if label == "-" else (label, captions))
        )
    return tuple(rules)
