"""Retrieval of sounds by captions and captions by sounds: R@1/5/10 and mAP@10, both directions."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result

RANKS = (1, 5, 10)

PROTOCOL = (
    "Every caption of every scene is a text query; its correct answer is its own scene (and any scene with the very "
    "same sentence). Every scene is an audio query; each of its captions is correct (R@k: any of them within the "
    "first k; mAP@10 over all of them), as is usual for several captions an item in Clotho and AudioCaps. 'facts': "
    "any scene or caption with the same label and the same spatial words counts as correct. Gallery = the whole set. "
    "Interval: bootstrap over clips."
)


def run(embedder: Embedder, observations: Observations) -> Result:
    """Retrieve on scenes with captions; metrics "t2a.R@1" … "a2t.mAP@10" and "t2a.facts.R@1" …, 0 to 1.

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
    same_text = _where(texts, owners)
    same_facts = _where(facts, list(range(len(facts))))
    captions_of = _where(owners, list(range(len(owners))))
    captions_by_fact = _where([facts[i] for i in owners], list(range(len(owners))))

    t2a = metrics.top_k(sentences, audio)
    a2t = metrics.top_k(audio[asked], sentences)
    numbers: dict[str, float] = {}
    intervals: dict[str, metrics.Interval] = {}
    clips_t2a = [observations.clip_ids[i] for i in owners]
    clips_a2t = [observations.clip_ids[i] for i in asked]
    for prefix, ranked, relevant, clips in (
        ("t2a", t2a, [same_text[t] for t in texts], clips_t2a),
        ("a2t", a2t, [captions_of[i] for i in asked], clips_a2t),
        ("t2a.facts", t2a, [same_facts[facts[i]] for i in owners], clips_t2a),
        ("a2t.facts", a2t, [captions_by_fact[facts[i]] for i in asked], clips_a2t),
    ):
        _score(prefix, ranked, relevant, clips, numbers, intervals)
    numbers["t2a.chance.R@1"] = metrics.chance_recall_at_k(len(audio), 1, 1)
    numbers["captions"] = float(len(texts))
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


def _where(keys: Sequence[Hashable], values: Sequence[int]) -> dict[Hashable, set[int]]:
    """Values that share a key."""
    found: dict[Hashable, set[int]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key, set()).add(value)
    return found
