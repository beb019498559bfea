"""What + where ↔ sentence: write a spatial caption, read the facts of any text, check that every fact survived."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes import grammar
from open_elsa.scenes.reading import BRIEF, DENIED, READERS
from open_elsa.scenes.scene import SpatialCaption, SpatialWords

#: How often another sentence is tried when one cannot be read back.
MAX_TRIES = 24

_PIECE = re.compile(r"[,;|/]")
_FOLD = re.compile(r"\s+")
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
    if len(found) < 2:
        return found
    return [
        f
        for f in found
        if not any(g[2] == f[2] and g[0] <= f[0] and f[1] <= g[1] and g[1] - g[0] > f[1] - f[0] for g in found)
    ]


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
        words[attribute] = word if words.get(attribute, word) == word else None
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


# How a claim leaves a sentence without breaking it; each pattern runs on the text around the claim.
_COPULA = re.compile(r"\b(is|are|was|were)$", re.IGNORECASE)
_CLAUSE_END = re.compile(r"(?:$|[,.;:!?]| (?:and|as|while|then|when|with|but|or|before|after|followed)\b)")
_VOICE_ECHO = re.compile(
    r",?(?: and| as| with| while)? (?:his|her|their|its|the|whose|who's)(?: \w+)? (?:voices?|speech|sounds?|barks?|it)"
    r" (?:is |are )?(?:echo(?:es|ing|ed)?|reverberat(?:es?|ing|ed))(?: (?:very|a bit|slightly|loudly)\b(?: much)?)?",
    re.IGNORECASE,
)
_ECHO_VERB = re.compile(
    r"(?: and|,)? (?:as it |it )?(?:echo(?:es|ing)?|reverberat(?:es|ing))(?= ?(?:$|[,.;]| and| as| then))", re.I
)
_ARTICLE = re.compile(r"\b(a|an)$", re.IGNORECASE)


def strip_claims(text: str) -> str:
    """The text without its spatial statements, mended around the cuts; "" when nothing is left.

    "A woman talks nearby as water pours" → "A woman talks as water pours"; "in a large hall" → "in a hall".
    """
    out = _folded(text)
    if not _read(_lower(out)):
        return out
    for pattern in (_VOICE_ECHO, _ECHO_VERB):
        shorter = pattern.sub("", out)
        if shorter.strip(_EDGE):
            out = shorter
    for _ in range(4):  # a cut can bring a new construction together
        claims = _read(_lower(out))
        if not claims:
            break
        for start, stop, _, _ in sorted(claims, reverse=True):
            out = _cut(out, start, stop)
    out = re.sub(r" +([,.;:!?])", r"\1", _folded(out))
    out = re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", out)
    out = re.sub(r"\b(?:and|or|with|of|from|a|an|the|but)(?=$|\.$)", "", out, flags=re.IGNORECASE).strip(" ,;:-")
    out = re.sub(r"^(?:and|or|but) ", "", out)
    if not re.search(r"\w", out):
        return ""
    return out[0].upper() + out[1:] if text.strip()[:1].isupper() else out


def _cut(text: str, start: int, stop: int) -> str:
    before, after = text[:start].rstrip(), text[stop:]
    after = after if after[:1] in " ,.;:!?" else f" {after}"
    if _COPULA.search(before) and _CLAUSE_END.match(after):
        return f"{before} heard{after}"
    following = after.lstrip(" ,")
    if _ARTICLE.search(before) and following[:1].isalpha():
        article = grammar.article(following)
        before = _ARTICLE.sub(lambda m: article.capitalize() if m[1][0].isupper() else article, before)
        after = f" {following}"
    return before + after


def _agrees(stated: SpatialWords, words: SpatialWords) -> bool:
    true = asdict(words)
    return all(word is None or word == true[name] for name, word in asdict(stated).items())


def _usable(what: str, words: SpatialWords) -> str:
    """The what-text with its spatial statements taken out unless they are all true of the scene."""
    text = _folded(what)
    claims = _read(_lower(text))
    if claims and (len({c[2:] for c in claims}) > len({c[2] for c in claims}) or not _agrees(parse(text), words)):
        text = strip_claims(text)
    if not re.search(r"\w", text) or not _agrees(parse(text), words):
        phrases = ", ".join(repr(c.phrase) for c in spatial_claims(what)) or "no word at all"
        raise DataError(
            f"the sound's text {what[:120]!r} states {phrases}, which is not true of this scene ({words}) and cannot be "
            "taken out; give a text that says only what is heard"
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
        if parse(text) == words and (subject is None or _bare(subject.text) in _lower(text)):
            return SpatialCaption(text, what or "", words, f"grammar:{style}", True)
    raise DataError(
        f"no caption of {what!r} with {words} can be read back after {MAX_TRIES} tries; say the sound in plainer words"
    )
