"""What + where ↔ sentence: write a spatial caption, read the facts of any text, check that every fact survived."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes import grammar
from open_elsa.scenes.attributes import ATTRIBUTES, DIRECTION, DISTANCE
from open_elsa.scenes.reading import BRIEF, DENIED, READERS
from open_elsa.scenes.scene import SpatialCaption, SpatialWords

#: How often another sentence is tried when one cannot be read back.
MAX_TRIES = 24

_PIECE = re.compile(r"[,;|/]")
_FOLD = re.compile(r"\s+")
_NO_WORDS = SpatialWords()
_WORD = re.compile(r"\w")
_DIGIT = re.compile(r"\d")
_METRES = re.compile(r"\b(\d{1,4}(?:\.\d{1,3})?) ?(?:m|metres?|meters?) (?:away|off|from me|ahead|behind)\b")
_DEGREES = re.compile(
    r"\b(\d{1,3}(?:\.\d{1,3})?) ?(?:°|deg|degrees?) (?:(?:on|to|off to) )?(?:(?:the|my) )?(left|right)\b"
)
_EDGE = " \t.!?;,:\"'“”"


@dataclass(frozen=True, slots=True)
class Claim:
    """One spatial statement found in a text: text[start:stop] says that `attribute` is `word`."""

    attribute: str
    word: str
    start: int
    stop: int
    phrase: str


def _folded(text: str) -> str:
    return _FOLD.sub(" ", text).strip()


def _lower(text: str) -> str:
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


def _read(low: str) -> list[tuple[int, int, str, str]]:
    """(start, stop, attribute, word) of each statement in folded lower-case text, contained ones dropped."""
    found = []
    for attribute, word, stems, pattern in READERS:
        for stem in stems:
            if stem in low:
                break
        else:
            continue
        for match in pattern.finditer(low):
            start, stop = match.span()
            if not DENIED.search(low, max(0, start - 16), start):
                found.append((start, stop, attribute, word))
    found.extend(_read_pieces(low))
    if _DIGIT.search(low):
        found.extend(_read_numbers(low))
    if len(found) == len({f[2] for f in found}):
        return found
    return [f for f in found if not any(_swallows(g, f, low) for g in found)]


def _swallows(outer: tuple[int, int, str, str], inner: tuple[int, int, str, str], low: str) -> bool:
    """True for "no echo" over "echo"; but "to the back left" states both its words, only "45° left" is one number."""
    if outer[2] != inner[2] or outer[0] > inner[0] or inner[1] > outer[1] or outer[:2] == inner[:2]:
        return False
    return outer[2] != "direction" or low[outer[0]].isdigit()


def _read_pieces(low: str) -> list[tuple[int, int, str, str]]:
    """Bare words count only where a whole comma-separated piece is made of them: "dog, far left"."""
    if "," not in low and not any(c in low for c in ";|/") and len(low) > 24:
        return []
    found = []
    at = 0
    for piece in _PIECE.split(low):
        tokens = piece.strip(_EDGE).split(" ")
        if len(tokens) <= 3 and all(t in BRIEF for t in tokens) and tokens != ["up", "close"]:
            place = at
            for token in tokens:
                start = low.index(token, place)
                found.append((start, start + len(token), *BRIEF[token]))
                place = start + len(token)
        at += len(piece) + 1
    return found


def _read_numbers(low: str) -> list[tuple[int, int, str, str]]:
    """Metres and degrees go through the table like any measurement; a value in a gap zone reads as the word ""."""
    found = []
    for match in _METRES.finditer(low):
        found.append((*match.span(), "distance", DISTANCE.word_for(float(match[1])) or ""))
    for match in _DEGREES.finditer(low):
        azimuth_deg = float(match[1]) * (1 if match[2] == "left" else -1)
        if abs(azimuth_deg) <= 180.0:
            found.append((*match.span(), "direction", DIRECTION.word_for(azimuth_deg) or ""))
    return found


def spatial_claims(text: str) -> list[Claim]:
    """Every spatial statement in a text, in order; positions refer to the text with white space folded and trimmed."""
    folded = _folded(text)
    return [Claim(a, w, i, j, folded[i:j].strip()) for i, j, a, w in sorted(_read(_lower(folded)))]


def parse(text: str) -> SpatialWords:
    """Read the spatial words that a text states.

    Two different words of one attribute leave it None: "behind me on the left" is in the gap between the table's
    sectors, where no word is true, and "near and far" says nothing. A statement that is denied ("not on the left")
    says nothing either.
    """
    words: dict[str, str | None] = {}
    for _, _, attribute, word in _read(_lower(_folded(text))):
        words[attribute] = word if word and words.get(attribute, word) == word else None
    return SpatialWords(**words)


def _bare(text: str) -> str:
    return _folded(_lower(text)).strip(_EDGE)


def check(caption: str, what: str | None, words: SpatialWords) -> bool:
    """True when the caption states exactly `words`, and holds `what` (or what is left of it without its claims)."""
    if parse(caption) != words:
        return False
    if what is None:
        return True
    low = _folded(_lower(caption))
    return _bare(what) in low or _bare(strip_claims(what)) in low


# How a claim leaves a sentence without breaking it.
_COPULA = re.compile(r"\b(?:is|are|was|were)$", re.IGNORECASE)
_BECOMES = re.compile(
    r"(?:,| and| as it| as they)? ?\b(?:gets?|getting|grows?|growing|becomes?|becoming)$", re.IGNORECASE
)
_CLAUSE_END = re.compile(r"(?:$|[,.;:!?]| (?:and|as|while|then|when|with|but|or|before|after|followed)\b)")
_ARTICLE = re.compile(r"\b(a|an)$", re.IGNORECASE)
_DANGLING = re.compile(r"\b(?:and|or|with|of|from|a|an|the|but)(?=$|\.$)", re.IGNORECASE)
_RINGS = r"(?:echo(?:es|ing|ed)?|reverberat(?:es?|ing|ed))"
#: Echo is mostly a verb, which cannot just be cut out: (pattern, what takes its place), in this order.
_ECHOES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), plain)
    for pattern, plain in (
        (
            r",?(?: and| as| with| while)? (?:his|her|their|its|the|whose|who's)(?: \w+)? (?:voices?|speech|barks?|it)"
            rf" (?:is |are )?{_RINGS}\b(?: (?:very|a bit|slightly|loudly)\b(?: much)?)?",
            "",
        ),
        (rf"(?:,? and|,)(?: as)?(?: it)? {_RINGS}(?= ?(?:$|[,.;]| and| as| then))", ""),
        (rf" (?:that|which|as it) (?:is )?{_RINGS}\b", ""),
        (r",? (?:with|full of) (?:\w+ ){0,4}(?:echo(?:es)?|reverb(?:eration)?)\b", ""),
        (r"\ban? echo\b(?! chamber)", "a sound"),
        (r"\b(?:echoes|reverberates)\b", "sounds"),
        (r"\b(?:echo|reverberate)\b(?!-| chamber)", "sound"),
        (r"\b(?:echoed|reverberated)\b", "sounded"),
        (
            rf"\b(?:echoing|reverberating)(?={_CLAUSE_END.pattern}| (?:in|through|throughout|over|off|from)\b)",
            "sounding",
        ),
    )
)


def strip_claims(text: str) -> str:
    """The text without its spatial statements, mended around the cuts; "" when nothing is left.

    "A woman talks nearby as water pours" → "A woman talks as water pours"; "in a large hall" → "in a hall".
    """
    out = _folded(text)
    claims = _read(_lower(out))
    if not claims:
        return out
    out = _cut_all(out, [c for c in claims if c[3] != "highly reverberant"])
    if any(c[3] == "highly reverberant" for c in claims):
        for pattern, plain in _ECHOES:
            shorter = pattern.sub(plain, out)
            out = shorter if shorter.strip(_EDGE) else out
    for _ in range(4):  # a cut can bring a new statement together
        if not (claims := _read(_lower(out))):
            break
        out = _cut_all(out, claims)
    out = re.sub(r" +([,.;:!?])", r"\1", _folded(out))
    out = re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", out)
    out = _DANGLING.sub("", out).strip(" ,;:-")
    out = re.sub(r"^(?:and|or|but) ", "", out)
    if not _WORD.search(out) or _read(_lower(out)):
        return ""
    return out[0].upper() + out[1:] if text.strip()[:1].isupper() else out


_stripped = lru_cache(maxsize=8192)(strip_claims)


def _cut_all(text: str, claims: list[tuple[int, int, str, str]]) -> str:
    """Cut from the end, so that earlier positions stay valid; overlapping claims are cut as one."""
    limit = len(text)
    for start, stop, _, _ in sorted(claims, reverse=True):
        if start < limit:
            text, limit = _cut(text, start, min(stop, limit)), start
    return text


def _cut(text: str, start: int, stop: int) -> str:
    before, after = text[:start].rstrip(), text[stop:]
    after = after if after[:1] in " ,.;:!?" else f" {after}"
    if _COPULA.search(before) and _CLAUSE_END.match(after):
        return f"{before} heard{after}"
    before = _BECOMES.sub("", before)
    following = after.lstrip(" ,")
    if _ARTICLE.search(before) and following[:1].isalpha():
        article = grammar.article(following)
        before = _ARTICLE.sub(lambda m: article.capitalize() if m[1][0].isupper() else article, before)
        after = f" {following}"
    return before + after


@lru_cache(maxsize=8192)
def _known(text: str) -> tuple[str, SpatialWords, bool]:
    """(folded text, its words, whether it contradicts itself): training writes about the same clips again and again."""
    folded = _folded(text)
    kinds = {(attribute, word) for _, _, attribute, word in _read(_lower(folded))}
    return folded, parse(folded), len(kinds) > len({attribute for attribute, _ in kinds})


def _agrees(stated: SpatialWords, words: SpatialWords) -> bool:
    return all(getattr(stated, n) is None or getattr(stated, n) == getattr(words, n) for n in ATTRIBUTES)


def _usable(what: str, words: SpatialWords) -> str:
    """The what-text with its spatial statements taken out unless they are all true of the scene."""
    text, stated, torn = _known(what)
    if torn or (stated != _NO_WORDS and not _agrees(stated, words)):
        text = _stripped(what)
    if not _WORD.search(text):
        phrases = ", ".join(repr(c.phrase) for c in spatial_claims(what)) or "no word"
        raise DataError(
            f"the sound's text {what[:120]!r} states {phrases}, which is not true of this scene ({words}) and leaves "
            "nothing when taken out; give a text that says what is heard"
        )
    return text


def write_caption(
    what: str | None, words: SpatialWords, rng: np.random.Generator, *, style: str = "full"
) -> SpatialCaption:
    """Write one checked caption that says what is heard and where.

    what: a label, noun phrase or sentence; None gives a sentence that says only where. Spatial statements inside `what`
    that are not true of `words` are taken out. style: "full" sentence or "brief" query. The caption is read back
    before it is returned, so `checked` is always True. Raises DataError for a what-text that stays contradictory.
    """
    if style not in ("full", "brief"):
        raise DataError(f"caption style {style!r} is unknown; use 'full' or 'brief'")
    usable = None if what is None else _usable(what, words)
    subject = None if usable is None else grammar.understand(usable)
    if subject is not None and not subject.text:
        raise DataError(
            f"the sound's text {what!r} holds no word; give a text, or None for a caption of the place alone"
        )
    write = grammar.sentence if style == "full" else grammar.brief
    for _ in range(MAX_TRIES):
        pick = grammar.Picker(int.from_bytes(rng.bytes(16), "little"))
        text = write(subject, words, pick)
        if parse(text) == words and (subject is None or _bare(subject.label) in _lower(text)):
            return SpatialCaption(text, what or "", words, f"grammar:{style}", True)
    raise DataError(
        f"no caption of {what!r} with {words} can be read back after {MAX_TRIES} tries; say the sound in plainer words"
    )
