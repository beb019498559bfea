"""What read speech sounds like, in words: who speaks, and what is said where saying it claims nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base, labels
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.scenes.scene import Clip

_LABELS = {"F": "woman speaking", "M": "man speaking"}
_MAX_WORDS = 12


def utterance(
    corpus: Corpus, path: Path, key: str, split: str, speaker: str, sex: str, transcript: str, problems: list[Problem]
) -> Iterator[Clip]:
    """Yield the clip of one utterance: captions by the speaker's sex ("F", "M", or unknown), and the words if they fit.

    A transcript is quoted only if it is short and speaks of no place: a caption must not state a place of its own.
    """
    seconds = base.probe(path, problems)
    if seconds is None:
        return
    label = _LABELS.get(sex.upper(), "speech")
    who = {"F": "a woman", "M": "a man"}.get(sex.upper(), "a person")
    words = " ".join(transcript.strip().split()).rstrip(".")
    fits = words and len(words.split()) <= _MAX_WORDS and not labels.names_a_place(words)
    yield Clip(
        id=f"{corpus.name}/{key}",
        path=str(path),
        captions=labels.common(label, [f'{who} says "{words}"'] if fits else []).captions,
        corpus=corpus.name,
        split=split,
        licence=corpus.licence,
        duration_s=seconds,
        label=label,
        recording=speaker,
        source_url=corpus.url,
        trainable=base.may_train(corpus.licence),
    )
