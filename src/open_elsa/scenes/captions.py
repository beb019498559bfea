"""What + where ↔ sentence: write a spatial caption, read the facts of any text, check that every fact survived."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes import grammar
from open_elsa.scenes.attributes import ATTRIBUTES, DIRECTION, DISTANCE, ELEVATION, wrapped
from open_elsa.scenes.reading import BRIEF, DENIED, READERS
from open_elsa.scenes.reading_numbers import Measure, approaches, masked, measures
from open_elsa.scenes.scene import SpatialCaption, SpatialWords

#: How often another sentence is tried when one cannot be read back.
MAX_TRIES = 24

_PIECE = re.compile(r"[,;|/]")
_FOLD = re.compile(r"\s+")
_NO_WORDS = SpatialWords()
_FOUR = {word.word for word in DIRECTION.words}
_WORD = re.compile(r"\w")
#: What may surround a text without belonging to it.
EDGE = " \t.!?;,:\"'“”"


@dataclass(frozen=True, slots=True)
class Claim:
    """One spatial statement found in a text: text[start:stop] says that `attribute` is `word`."""

    attribute: str
    word: str
    start: int
    stop: int
    phrase: str


def folded(text: str) -> str:
    """The text with white space, line ends included, folded to single spaces and trimmed."""
    return _FOLD.sub(" ", text).strip()


def lowered(text: str) -> str:
    """The text in lower case and of the same length, so that positions agree."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


def _read(low: str) -> list[tuple[int, int, str, str]]:
    """(start, stop, attribute, word) of each statement in folded lower-case text, contained ones dropped."""
    numbers = measures(low)
    if not numbers:
        return word_claims(low)
    return [claim for number in numbers for claim in _in_words(number)] + word_claims(masked(low, numbers))


def word_claims(low: str) -> list[tuple[int, int, str, str]]:
    """(start, stop, attribute, word) of each statement in the table's words alone, in folded lower-case text."""
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
    if len(found) == len({f[2] for f in found}):
        return found
    return [f for f in found if not any(_swallows(g, f) for g in found)]


def _swallows(outer: tuple[int, int, str, str], inner: tuple[int, int, str, str]) -> bool:
    """True for "no echo" over "echo"; but "to the back left" states both its words."""
    if outer[2] != inner[2] or outer[0] > inner[0] or inner[1] > outer[1] or outer[:2] == inner[:2]:
        return False
    return outer[2] != "direction"


def _read_pieces(low: str) -> list[tuple[int, int, str, str]]:
    """Bare words count only where a whole comma-separated piece is made of them: "dog, far left"."""
    if "," not in low and not any(c in low for c in ";|/") and len(low) > 24:
        return []
    found = []
    at = 0
    for piece in _PIECE.split(low):
        tokens = piece.strip(EDGE).split(" ")
        if len(tokens) <= 3 and all(t in BRIEF for t in tokens) and tokens != ["up", "close"]:
            place = at
            for token in tokens:
                start = low.index(token, place)
                found.append((start, start + len(token), *BRIEF[token]))
                place = start + len(token)
        at += len(piece) + 1
    return found


def _in_words(number: Measure) -> list[tuple[int, int, str, str]]:
    """A measure as claims of the table's words, "" in a gap zone; a movement claims both its ends."""
    claims = []
    for name, value in ((number.name, number.value), (number.end_name.removeprefix("end_"), number.end_value)):
        if value is None:
            continue
        if name == "direction":
            word = str(value) if value in _FOUR else ""
        else:
            name, word = _word_of(name, float(value))
        claims.append((number.start, number.stop, name, word))
    return claims


def _word_of(name: str, value: float) -> tuple[str, str]:
    if name == "distance_m":
        return "distance", DISTANCE.word_for(value) or ""
    if name == "elevation_deg":
        return "elevation", ELEVATION.word_for(value) or ""
    azimuth_deg = -30.0 * value if name == "clock" else value
    return "direction", DIRECTION.word_for(wrapped(azimuth_deg)) or ""


def spatial_claims(text: str) -> list[Claim]:
    """Every spatial statement in a text, in order; positions refer to the text with white space folded and trimmed."""
    plain = folded(text)
    return [Claim(a, w, i, j, plain[i:j].strip()) for i, j, a, w in sorted(_read(lowered(plain)))]


def parse(text: str) -> SpatialWords:
    """Read the spatial words that a text states.

    Two different words of one attribute leave it None: "behind me on the left" is in the gap between the table's
    sectors, where no word is true, and "near and far" says nothing. A statement that is denied ("not on the left")
    says nothing either.
    """
    words: dict[str, str | None] = {}
    for _, _, attribute, word in _read(lowered(folded(text))):
        words[attribute] = word if word and words.get(attribute, word) == word else None
    return SpatialWords(**words)


def _bare(text: str) -> str:
    return folded(lowered(text)).strip(EDGE)


def check(caption: str, what: str | None, words: SpatialWords) -> bool:
    """True when the caption states exactly `words`, and holds `what` (or what is left of it without its claims)."""
    if parse(caption) != words:
        return False
    if what is None:
        return True
    low = folded(lowered(caption))
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


def _read_with_moves(low: str) -> list[tuple[int, int, str, str]]:
    moves = approaches(low)
    return [*((m.start, m.stop, m.name, str(m.value)) for m in moves), *_read(masked(low, moves))]


def strip_claims(text: str, *, moves: bool = False) -> str:
    """The text without its spatial statements, mended around the cuts; "" when nothing is left.

    "A woman talks nearby as water pours" → "A woman talks as water pours"; "in a large hall" → "in a hall".
    moves: take out "coming closer", "moving away from me" and their like too.
    """
    claims_of = _read_with_moves if moves else _read
    out = folded(text)
    claims = claims_of(lowered(out))
    if not claims:
        return out
    out = _cut_all(out, [c for c in claims if c[3] != "highly reverberant"])
    if any(c[3] == "highly reverberant" for c in claims):
        for pattern, plain in _ECHOES:
            shorter = pattern.sub(plain, out)
            out = shorter if shorter.strip(EDGE) else out
    out = _mended(_cut_again(out, claims_of))
    if claims_of(lowered(out)):  # and so can the mending: "close and far away" → "close"
        out = _mended(_cut_again(out, claims_of))
    if not _WORD.search(out) or claims_of(lowered(out)):
        return ""
    return out[0].upper() + out[1:] if text.strip()[:1].isupper() else out


_stripped = lru_cache(maxsize=8192)(strip_claims)


def _cut_again(text: str, claims_of: Callable[[str], list[tuple[int, int, str, str]]]) -> str:
    for _ in range(4):  # a cut can bring a new statement together
        if not (claims := claims_of(lowered(text))):
            break
        text = _cut_all(text, claims)
    return text


def _mended(text: str) -> str:
    """The text with the blanks, commas and joining words that a cut left behind put right."""
    text = re.sub(r" +([,.;:!?])", r"\1", folded(text))
    text = re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", text)
    text = re.sub(r"[,;:]+\.$", ".", _DANGLING.sub("", text)).strip(" ,;:-")
    return re.sub(r"^(?:and|or|but) ", "", text)


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
    plain = folded(text)
    kinds = {(attribute, word) for _, _, attribute, word in _read(lowered(plain))}
    return plain, parse(plain), len(kinds) > len({attribute for attribute, _ in kinds})


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
    write, said = grammar.sentence if style == "full" else grammar.brief, grammar.said(words)
    for _ in range(MAX_TRIES):
        pick = grammar.Picker(int.from_bytes(rng.bytes(16), "little"))
        text = write(subject, said, pick)
        if parse(text) == words and (subject is None or _bare(subject.label) in lowered(text)):
            return SpatialCaption(text, what or "", words, f"grammar:{style}", True)
    raise DataError(
        f"no caption of {what!r} with {words} can be read back after {MAX_TRIES} tries; say the sound in plainer words"
    )
