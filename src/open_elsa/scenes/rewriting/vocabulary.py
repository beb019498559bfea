"""English words as the check of rewrites needs them: which say nothing of their own, and which are the same word."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that hold a sentence together: they may come and go, and prove nothing about what is heard.
FUNCTION = _words(
    "a an the this that these those which whose it its i me my we us our you your there where is are was were be been"
    " being am has have had do does can and as while with of in on at to from by for inside within into through"
    " throughout along together all what"
)

#: What a sentence about a sound may say without adding to what is heard: that it sounds, comes, is placed, is heard.
NEUTRAL = _words(
    "sound noise something source come emanate originate arise arrive reach hear audible audibly listen listener notice"
    " perceive locate position situate place direction somewhere happen occur take make produce emit recording record"
    " room space hall acoustic acoustics environment setting accompany"
)

#: Words that deny; a denied place reads as no place at all, and a denied sound as a sound.
DENIALS = _words("no not never nor neither without none nothing nobody nowhere hardly barely cannot")

_IRREGULAR = {
    form: base
    for base, said in {
        "be": "is are was were been being am",
        "blow": "blew blown",
        "break": "broke broken",
        "buzz": "buzzes",
        "child": "children",
        "come": "came",
        "die": "dying",
        "drive": "drove driven",
        "fall": "fell fallen",
        "fly": "flew flown flies",
        "foot": "feet",
        "go": "goes went gone",
        "goose": "geese",
        "grind": "ground",
        "hear": "heard",
        "knife": "knives",
        "laugh": "laughter",
        "leaf": "leaves",
        "make": "made",
        "man": "men",
        "mouse": "mice",
        "person": "people",
        "ring": "rang rung",
        "run": "ran",
        "say": "said",
        "shake": "shook shaken",
        "sing": "sang sung",
        "speak": "spoke spoken",
        "strike": "struck",
        "sweep": "swept",
        "take": "took taken",
        "wolf": "wolves",
        "woman": "women",
    }.items()
    for form in said.split()
}

#: Words that name the same thing of a sound; each stands for the others.
_GROUPS = (
    "talk speak speech voice",
    "man male",
    "woman female lady",
    "child kid",
    "baby infant",
    "person someone somebody",
    "applaud applause",
    "car automobile",
    "engine motor",
    "motorcycle motorbike",
    "bicycle bike",
    "plane airplane aeroplane",
    "telephone phone",
    "television tv",
    "rain rainfall",
    "chirp tweet",
    "start begin",
    "big large",
    "small little",
    "fast quick rapid",
    "continuous continual constant",
    "then follow before subsequent afterwards",
)
_SAME = {word: f"={group.split()[0]}" for group in _GROUPS for word in group.split()}
_VOWEL = re.compile(r"[aeiouy]")


def tokens(text: str) -> list[str]:
    """Words of a text in lower case; hyphens part words, apostrophes don't."""
    return _TOKEN.findall(text.lower().replace("’", "'"))


def denies(token: str) -> bool:
    """True for "not", "without", "isn't" and their like."""
    return token in DENIALS or token.endswith("n't")


def _shorter(word: str) -> set[str]:
    """The word with one ending taken off, in each way that English may have put it on."""
    found = set()
    if word.endswith(("ies", "ied")):
        found.add(f"{word[:-3]}y")
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        found.add(word[:-1])
    if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
        found.add(word[:-2])
    for ending in ("ing", "ed"):
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            found |= {stem, f"{stem}e"}
            if len(stem) > 3 and stem[-1] == stem[-2]:
                found.add(stem[:-1])
    if word.endswith("ily"):
        found.add(f"{word[:-3]}y")
    elif word.endswith("ly"):
        found.add(word[:-2])
    return {f for f in found if len(f) > 2 and _VOWEL.search(f)}


@lru_cache(maxsize=65536)
def forms(token: str) -> frozenset[str]:
    """What a word may be an inflection of, and the group it is synonymous with; two words are one if these meet.

    "driving" → driving, driv, drive; "men" → men, man, =man. Candidates that are no words do no harm: they meet
    nothing.
    """
    word = token.removesuffix("'s").rstrip("'")
    found = {word}
    for _ in range(2):  # "recordings" loses two endings
        for known in tuple(found):
            found |= _shorter(known)
            if known in _IRREGULAR:
                found.add(_IRREGULAR[known])
    return frozenset(found | {_SAME[f] for f in found if f in _SAME})


def holds_together(token: str) -> bool:
    """True for a word that adds nothing to what is heard."""
    return token.removesuffix("'s") in FUNCTION or not NEUTRAL.isdisjoint(forms(token))
