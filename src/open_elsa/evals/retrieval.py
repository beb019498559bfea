"""Retrieval of sounds by captions and captions by sounds: R@1/5/10 and mAP@10, both directions."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result

RANKS = (1, 5, 10)

PROTOCOL = (
    "The protocol of Clotho and AudioCaps, where an item has several captions. Text to audio: every caption of every "
    "item is a query of its own, all items are the gallery, and the correct answer is the caption's own item (and any "
    "item with the very same sentence). Audio to text: every item is a query, all different sentences are the gallery, "
    "and each of its captions is correct. R@k: share of queries with a correct answer among the first k, so that any "
    "one of an item's captions is enough. mAP@10: precision at each correct rank up to 10, summed and divided by the "
    "number of correct answers (at most 10), as in DCASE's language-based retrieval; with one correct answer it is the "
    "reciprocal rank. 'facts': an item or sentence with the same label and the same spatial words counts as correct, "
    "too. 'chance': R@k of a random order. Interval: bootstrap over clips."
)


def run(embedder: Embedder, observations: Observations) -> Result:
    """Retrieve on items with captions; metrics "t2a.R@1" … "a2t.mAP@10", "t2a.facts.R@1" …, "t2a.chance.R@1" …, 0 to 1.

    Raises DataError when no scene has a caption.
    """
    started = time.perf_counter()
    owners = [i for i, captions in enumerate(observations.captions) for _ in captions]
    texts = [text for captions in observations.captions for text in captions]
    if not texts:
        raise DataError(f"no scene of {observations.suite} has a caption, so there is nothing to retrieve by")
    audio, sentences = observations.embeddings, embedder.embed_text(texts)
    facts: list[Hashable] = [
        (label, words) for label, words in zip(observations.labels, observations.words, strict=True)
    ]
    asked = sorted(set(owners))
    first = {text: k for k, text in reversed([*enumerate(texts)])}
    different = sorted(first.values())  # a sentence that several items share stands once in the gallery
    place = {texts[k]: n for n, k in enumerate(different)}
    said = [place[text] for text in texts]
    with_text = _where(said, owners)
    with_facts = _where(facts, range(len(facts)))
    texts_of = _where(owners, said)
    texts_by_fact = _where([facts[i] for i in owners], said)

    t2a = metrics.top_k(sentences, audio)
    a2t = metrics.top_k(audio[asked], sentences[different])
    numbers: dict[str, float] = {}
    intervals: dict[str, metrics.Interval] = {}
    clips_t2a = [observations.clip_ids[i] for i in owners]
    clips_a2t = [observations.clip_ids[i] for i in asked]
    for prefix, ranked, relevant, clips, gallery in (
        ("t2a", t2a, [with_text[k] for k in said], clips_t2a, len(audio)),
        ("a2t", a2t, [texts_of[i] for i in asked], clips_a2t, len(different)),
        ("t2a.facts", t2a, [with_facts[facts[i]] for i in owners], clips_t2a, len(audio)),
        ("a2t.facts", a2t, [texts_by_fact[facts[i]] for i in asked], clips_a2t, len(different)),
    ):
        _score(prefix, ranked, relevant, clips, numbers, intervals)
        for k in RANKS:
            chances = [metrics.chance_recall_at_k(gallery, len(right), k) for right in relevant]
            numbers[f"{prefix}.chance.R@{k}"] = float(np.mean(chances))
    numbers["captions"], numbers["sentences"] = float(len(texts)), float(len(different))
    found = [[observations.ids[i] for i in row] for row in t2a]
    return observations.result(
        "retrieval",
        numbers,
        protocol=PROTOCOL,
        intervals=intervals,
        items={"caption": texts, "scene": [observations.ids[i] for i in owners], "retrieved": found},
        started=started,
        n=len(asked),
    )


def _score(
    prefix: str,
    ranked: NDArray[np.int64],
    relevant: Sequence[Collection[int]],
    clips: Sequence[str],
    numbers: dict[str, float],
    intervals: dict[str, metrics.Interval],
) -> None:
    for k in RANKS:
        hits = metrics.hits_at_k(ranked, relevant, k)
        numbers[f"{prefix}.R@{k}"] = float(hits.mean())
        intervals[f"{prefix}.R@{k}"] = metrics.bootstrap_interval(hits, groups=clips)
    precision = metrics.average_precision_at_k(ranked, relevant, 10)
    numbers[f"{prefix}.mAP@10"] = float(precision.mean())
    intervals[f"{prefix}.mAP@10"] = metrics.bootstrap_interval(precision, groups=clips)


def _where(keys: Iterable[Hashable], values: Iterable[int]) -> dict[Hashable, set[int]]:
    """Values that share a key."""
    found: dict[Hashable, set[int]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key, set()).add(value)
    return found
