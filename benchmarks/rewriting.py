"""How many lies about captions get past the check of rewrites, and how many true sentences it lets through.

    python benchmarks/rewriting.py ../shared/data/captions/audiocaps/test.csv
    python benchmarks/rewriting.py ../shared/data/captions/audiocaps/test.csv --gguf MODEL.gguf --count 150

CSV has a column `caption`. True sentences are the grammar's own; lies are made of them, one kind at a time. With a
model, its answers are judged instead, and those that were believed are printed to be read.
"""

from __future__ import annotations

import argparse
import csv
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes import grammar
from open_elsa.scenes.attributes import ATTRIBUTES, words_for
from open_elsa.scenes.captions import strip_claims, write_caption
from open_elsa.scenes.rewriting import LocalGGUF, Reason, Sampling, judge, rewrite, vocabulary
from open_elsa.scenes.scene import SpatialWords

Case = tuple[str, str, SpatialWords]  # what is heard, a true caption, the words
Liar = Callable[[Case, Case, np.random.Generator], str | None]


def said_with(case: Case, words: SpatialWords, rng: np.random.Generator) -> str | None:
    """The case's sound with other words about the place."""
    try:
        return write_caption(case[0], words, rng).text
    except DataError:
        return None


def change_a_fact(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """One stated fact becomes another word of its attribute."""
    known = [n for n in ATTRIBUTES if getattr(case[2], n) is not None]
    if not known:
        return None
    name = known[rng.integers(len(known))]
    words = [w.word for w in ATTRIBUTES[name].words if w.word != getattr(case[2], name)]
    return said_with(case, replace(case[2], **{name: words[rng.integers(len(words))]}), rng)


def drop_a_fact(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """One stated fact is not stated."""
    known = [n for n in ATTRIBUTES if getattr(case[2], n) is not None]
    return said_with(case, replace(case[2], **{known[rng.integers(len(known))]: None}), rng) if known else None


def invent_a_fact(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """A fact that is not known is stated."""
    unknown = [n for n in ATTRIBUTES if getattr(case[2], n) is None]
    if not unknown:
        return None
    name = unknown[rng.integers(len(unknown))]
    words = ATTRIBUTES[name].words
    return said_with(case, replace(case[2], **{name: words[rng.integers(len(words))].word}), rng)


def add_a_place(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """A second direction beside the true one."""
    words = [w for w in ATTRIBUTES["direction"].words if w.word != case[2].direction]
    phrases = words[rng.integers(len(words))].at
    return f"{case[1].rstrip('.')} and {phrases[rng.integers(len(phrases))]}."


def add_a_sound(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """Another clip's sound beside the true one."""
    return f"{case[1].rstrip('.')} while {grammar.understand(other[0]).text}." if not same_words(case, other) else None


def other_sound(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """Another clip's sound instead of the true one."""
    return said_with(other, case[2], rng) if not same_words(case, other) else None


def same_words(case: Case, other: Case) -> bool:
    """True where the other sound's text says nothing that the case's does not."""
    own = {f for t in vocabulary.tokens(case[0]) for f in vocabulary.forms(t)}
    said = [t for t in vocabulary.tokens(other[0]) if not vocabulary.holds_together(t)]
    return all(not own.isdisjoint(vocabulary.forms(t)) for t in said)


def change_a_word(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """One word of the sound's text becomes a word of another clip's."""
    own = [t for t in case[0].split() if t.isalpha() and len(t) > 3 and not vocabulary.holds_together(t.lower())]
    new = [t.lower() for t in other[0].split() if t.isalpha() and len(t) > 3 and t.lower()[:3] not in case[0].lower()]
    known = {f for t in vocabulary.tokens(case[0]) for f in vocabulary.forms(t)}  # a synonym would be no lie
    new = [t for t in new if not vocabulary.holds_together(t) and known.isdisjoint(vocabulary.forms(t))]
    if not own or not new or own[0].lower() not in case[1].lower():
        return None
    word = own[rng.integers(len(own))]
    text = case[1].replace(word, new[rng.integers(len(new))], 1)
    return text if text != case[1] else None


def swap_two_words(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """Two words of the sound's text change places, but not those of a pair: "a crying infant" is no lie."""
    clauses = [c.split() for c in re.split(r"[,.;:]|\b(?:and|as|while|with|then|followed by|before|after)\b", case[0])]
    own = [
        (n, t, len([u for u in clause if not vocabulary.holds_together(u.lower())]))
        for n, clause in enumerate(clauses)
        for t in clause
        if t.isalpha() and len(t) > 3 and not vocabulary.holds_together(t.lower())
    ]
    if len(own) < 3:
        return None
    (n, one, size), (m, two, _) = (own[i] for i in sorted(rng.choice(len(own), 2, replace=False)))
    alike = not vocabulary.forms(one.lower()).isdisjoint(vocabulary.forms(two.lower()))
    if alike or (n == m and size < 3) or case[1].count(one) != 1 or case[1].count(two) != 1:
        return None
    return case[1].replace(one, "\0").replace(two, one).replace("\0", two)


def deny(case: Case, other: Case, rng: np.random.Generator) -> str | None:
    """Something is denied beside what is true."""
    return f"{case[1].rstrip('.')}, but not {('loudly', 'in front of me', 'in the distance')[rng.integers(3)]}."


LIARS: tuple[Liar, ...] = (
    change_a_fact,
    drop_a_fact,
    invent_a_fact,
    add_a_place,
    add_a_sound,
    other_sound,
    change_a_word,
    swap_two_words,
    deny,
)


def drawn_words(rng: np.random.Generator) -> SpatialWords:
    """Words of a random place in a random room."""
    return words_for(
        rng.uniform(-180, 180), rng.uniform(-60, 60), rng.uniform(0.5, 4), rng.uniform(13, 277), rng.uniform(0.1, 2)
    )


def cases(texts: list[str], rng: np.random.Generator) -> list[Case]:
    """A true caption of one sentence for each text."""
    found = []
    for text in texts:
        words, heard = drawn_words(rng), strip_claims(text)
        if not heard or ". " in heard:
            continue
        caption = write_caption(heard, words, rng).text
        if ". " not in caption:
            found.append((heard, caption, words))
    return found


def main() -> None:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("captions", type=Path)
    parser.add_argument("--count", type=int, help="captions to use, all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with options.captions.open(encoding="utf-8", newline="") as f:
        texts = [row["caption"] for row in csv.DictReader(f)][: options.count]
    if options.gguf is not None:
        model = LocalGGUF(options.gguf, sampling=Sampling(max_tokens=60), concurrency=2, threads=options.threads)
        report = rewrite([(text, drawn_words(rng)) for text in texts], model, seed=options.seed)
        print("\n".join(report.lines()))
        for made in report.captions:
            if made.writer.startswith("rewrite"):
                print(f"believed: {made.original!r} {made.words} → {made.text!r}")
        return
    true = cases(texts, rng)
    started = time.perf_counter()
    refused = [(c, v) for c in true if (v := judge(c[1], c[0], c[2])).reason is not None]
    seconds = time.perf_counter() - started
    print(f"true: {len(true) - len(refused)} of {len(true)} believed, {1e3 * seconds / len(true):.2f} ms each")
    for case, verdict in refused[:10]:
        print(f"  refused, {verdict.reason} ({verdict.detail}): {case[1]!r}")
    for liar in LIARS:
        others = rng.permutation(len(true))
        lies = [(c, lie) for c, o in zip(true, others, strict=True) if (lie := liar(c, true[o], rng)) is not None]
        told = [(c, lie) for c, lie in lies if Reason.SENTENCES is not judge(lie, c[0], c[2]).reason]
        missed = [(c, lie) for c, lie in told if judge(lie, c[0], c[2]).reason is None]
        print(f"{liar.__name__.replace('_', ' ')}: {len(told) - len(missed)} of {len(told)} caught")
        for case, lie in missed[:5]:
            print(f"  missed: {case[0]!r} {case[2]} → {lie!r}")


if __name__ == "__main__":
    main()
