"""Is a rewritten caption true? Every fact is read back, and no word may be there that nobody vouches for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache

from open_elsa.errors import ConfigError
from open_elsa.scenes.attributes import ATTRIBUTES
from open_elsa.scenes.captions import Claim, parse, spatial_claims
from open_elsa.scenes.rewriting import vocabulary
from open_elsa.scenes.scene import SpatialWords

#: A rewrite may be this many words longer than the sound's own text.
SPARE_WORDS = 40
#: Longer answers are not even looked into.
MAX_CHARACTERS = 4_000


class Reason(StrEnum):
    """Why an answer is refused, in the order in which it is looked at."""

    EMPTY = "empty"
    REFUSED = "the model would not answer"
    MARKUP = "markup or odd characters"
    LEAKED = "talks about the task"
    LONG = "too long"
    SENTENCES = "not one sentence"
    LANGUAGE = "not English"
    CHANGED = "a spatial fact changed"
    VANISHED = "a spatial fact vanished"
    INVENTED = "a spatial fact was invented"
    DENIED = "something is denied"
    LOST = "what is heard is gone"
    ADDED = "something was added"
    REORDERED = "what is heard changed places"


@dataclass(frozen=True)
class Verdict:
    """The answer made tidy, and why it is refused; reason None = it is true."""

    text: str
    reason: Reason | None = None
    detail: str = ""


_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’"}
_NO_ANSWER = re.compile(
    r"\b(?:as an ai|language model|i(?:'m| am) (?:sorry|afraid|unable|not able)|i (?:can't|cannot|won't|will not)"
    r"|(?:^|[.!] )sorry\b|unable to (?:help|assist|comply|provide|fulfil))"
)
_PREAMBLE = re.compile(
    r"^(?:sure|certainly|of course|absolutely|okay|ok)\b"
    r"|^(?:here (?:is|are)|here's|note|answer|output|assistant|user|(?:the )?(?:re(?:written|phrased) )?"
    r"(?:sentence|caption|version))\b[^.]{0,80}?:"
)
_TASK = re.compile(
    r"\b(?:rephras|rewrit|paraphras|reword|instruction|prompt\b|(?:original|given|following) (?:caption|sentence)"
    r"|say nothing about|keep (?:exactly )?these facts|english sentence)"
)
_PLAIN = frozenset(" .,;:!'\"“”‘’()–—-&/%°…")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)]*\s+(?=\S)")
#: What tells the order in time is a clause of its own: it must be kept, where it stood.
_ORDER = re.compile(r"\b(?:then|followed by|before|after)\b", re.IGNORECASE)
_CLAUSES = re.compile(r"\b(?:and|as|while|with)\b|[,;:.!?]", re.IGNORECASE)


def judge(answer: str, heard: str | None, words: SpatialWords, *, cut: bool = False, kept: float = 1.0) -> Verdict:
    """Judge one answer of a language model against what is heard and where.

    heard: the sound's text without spatial statements, None where only the place is told. cut: the model ran into its
    limit of tokens. kept: least share of the content words of `heard` that must be there, in (0, 1]; what is said
    must be all of it either way: a word that is neither of `heard`, nor read as a true fact, nor one of the
    neutral words of `vocabulary`, refuses the answer. Raises ConfigError for a share outside its range.
    """
    if not 0.0 < kept <= 1.0:
        raise ConfigError(f"kept is a share in (0, 1], got {kept:g}")
    text = _tidy(answer)
    said = unicodedata.normalize("NFC", heard or "")
    refusal = _form(text, said, cut) or _facts(text, words) or _content(text, said, words, kept)
    return Verdict(text, *refusal) if refusal else Verdict(text)


def _tidy(answer: str) -> str:
    """Without a reasoning model's thoughts, outer white space and one pair of quotes around it all."""
    text = unicodedata.normalize("NFC", _THOUGHT.sub("", answer[: 10 * MAX_CHARACTERS], count=1)).strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1] and text[-1] not in text[1:-1]:
        text = text[1:-1].strip()
    return text


Refusal = tuple[Reason, str] | None


def _form(text: str, heard: str, cut: bool) -> Refusal:
    """Is it one plain English sentence and nothing else?"""
    low, own = text.lower().replace("’", "'"), heard.lower().replace("’", "'")
    count = len(vocabulary.tokens(text))
    if not count:
        return Reason.EMPTY, ""
    if (match := _NO_ANSWER.search(low)) and match[0] not in own:
        return Reason.REFUSED, match[0]
    foreign = {c for c in text if c.isalpha() and not c.isascii()} - set(heard) - set(heard.lower())
    if foreign:
        return Reason.LANGUAGE, "letters: " + " ".join(sorted(foreign)[:5])
    odd = {c for c in text if not (c.isalnum() or c in _PLAIN or c.isspace() or c == "?")} - set(heard)
    if odd:
        return Reason.MARKUP, "characters: " + " ".join(sorted(f"U+{ord(c):04X}" for c in odd)[:5])
    for pattern in (_PREAMBLE, _TASK):
        if (match := pattern.search(low)) and match[0] not in own:
            return Reason.LEAKED, match[0]
    most = len(vocabulary.tokens(heard)) + SPARE_WORDS
    if cut or count > most or len(text) > MAX_CHARACTERS:
        return Reason.LONG, "cut at the limit of tokens" if cut else f"{count} words, {most} are the most"
    rest = low.replace(own.strip(" .!?"), "", 1)
    if _SENTENCE_END.search(rest) or set(rest) & set("\n\r?") or text[-1] in ",:;-–—(":
        return Reason.SENTENCES, ""
    return _language(text, heard)


def _language(text: str, heard: str) -> Refusal:
    """Another language in ASCII letters shows in how few of its words join an English sentence."""
    said = vocabulary.tokens(text)
    known = frozenset[str]().union(*map(vocabulary.forms, vocabulary.tokens(heard)))
    strange = [t for t in said if not vocabulary.holds_together(t) and known.isdisjoint(vocabulary.forms(t))]
    joined = sum(t in vocabulary.FUNCTION for t in said)
    if len(strange) > len(said) / 2 and joined < len(said) / 5:
        return Reason.LANGUAGE, "words: " + " ".join(strange[:5])
    return None


def _facts(text: str, words: SpatialWords) -> Refusal:
    """Is every fact there, once and as it was, and no other?"""
    stated: dict[str, set[str]] = {}
    for claim in spatial_claims(text):
        stated.setdefault(claim.attribute, set()).add(claim.word)
    invented = vanished = ""
    for attribute, word in asdict(words).items():
        found = stated.get(attribute, set())
        others = ", ".join(sorted(w or "neither of the words" for w in found - {word}))
        if word is not None and others and word not in found:
            return Reason.CHANGED, f"{attribute}: {word} → {others}"
        if others and not invented:
            invented = f"{attribute}: {others}"
        if word is not None and word not in found and not vanished:
            vanished = f"{attribute}: {word}"
    if vanished:
        return Reason.VANISHED, vanished
    if invented:
        return Reason.INVENTED, invented
    return None if parse(text) == words else (Reason.CHANGED, "what is read back differs")


def _content(text: str, heard: str, words: SpatialWords, kept: float) -> Refusal:
    """Does it say what is heard, all of it, nothing else, in the same order?"""
    own = _content_words(heard)
    places = [vocabulary.forms(word) for word, _ in own]
    met: list[int] = []
    new: list[str] = []
    for token in vocabulary.tokens(_without(text, spatial_claims(text))):
        found = vocabulary.forms(token)
        same = [i for i, place in enumerate(places) if not place.isdisjoint(found)]
        if same:  # a word that comes more often than in the sound's text is no new one
            met += [i for i in same if i not in met][:1]
        elif vocabulary.denies(token):
            return Reason.DENIED, token
        elif not vocabulary.holds_together(token) or (token == "hall" and words.room_size in (None, "small")):
            new.append(token)
    gone = [own[i][0] for i in range(len(own)) if i not in met]
    if len(gone) > (1.0 - kept) * len(own) + 1e-9:
        return Reason.LOST, ", ".join(gone[:6])
    if new:
        return Reason.ADDED, ", ".join(new[:6])
    order = [own[i][1] for i in met]
    return None if order == sorted(order) else (Reason.REORDERED, " ".join(own[i][0] for i in met[:8]))


def _without(text: str, claims: Sequence[Claim]) -> str:
    """The text, white space folded as the claims' places mean it, with the claims blanked out.

    The parser reads the core of "directly behind me" or "down by my feet"; the whole phrase of the table goes with it.
    """
    folded = " ".join(text.split())
    out, low = list(folded), folded.lower()
    for claim in claims:
        spans = [(claim.start, claim.stop)]
        if claim.word and len(low) == len(folded):
            spans += [m.span() for m in _phrases(claim.attribute, claim.word).finditer(low)]
        for start, stop in spans:
            if start <= claim.start and claim.stop <= stop:
                out[start:stop] = " " * (stop - start)
    return "".join(out)


@cache
def _phrases(attribute: str, word: str) -> re.Pattern[str]:
    """The table's phrases for a word, longest first; nothing for a word that only the parser knows."""
    table = ATTRIBUTES[attribute].words if attribute in ATTRIBUTES else ()
    said = {phrase for entry in table if entry.word == word for phrase in (*entry.at, *entry.origin)}
    return re.compile("|".join(rf"\b{re.escape(p)}\b" for p in sorted(said, key=len, reverse=True)) or r"(?!)")


def _content_words(heard: str) -> list[tuple[str, tuple[int, int]]]:
    """Each content word of the sound's text with its place in the order that a rewrite must keep.

    The order is that of the clauses and, in a clause, that of its words; the two words of a pair such as "glass
    breaking" may change places.
    """
    found: list[tuple[str, tuple[int, int]]] = []
    for n, clause in enumerate(_CLAUSES.split(_ORDER.sub(r", \g<0>, ", heard))):
        own = [t for t in vocabulary.tokens(clause) if not vocabulary.holds_together(t)]
        found += [(token, (n, 0 if len(own) <= 2 else i)) for i, token in enumerate(own)]
    return found
