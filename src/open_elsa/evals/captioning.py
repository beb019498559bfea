"""Captions: which of their spatial facts are true, and whether they name the right sound; a CSV for caption metrics."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from open_elsa.corpora import labels as corpus_labels
from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result
from open_elsa.model.text_minilm import sentence_vectors
from open_elsa.scenes.attributes import ATTRIBUTES, words_for
from open_elsa.scenes.binding import read
from open_elsa.scenes.captions import parse
from open_elsa.scenes.scene import SpatialWords
from open_elsa.scenes.scene_files import write_whole
from open_elsa.using import captioner, describe
from open_elsa.using import embedder as using
from open_elsa.using.sound_names import SOUND_NAMES

PROTOCOL = (
    "'decoder': of the sentences that the captioner proposes of a scene's embedding, the one whose own embedding lies "
    "nearest to it. 'described': what `elsa describe` says, the first of them that states nothing against the "
    "regressed numbers, or else the template ('described.templates' is that share). 'template': the most likely of "
    "the listed names and the words that hold of the regressed numbers, without any captioner. Every sentence is read "
    "back by the parser. A fact is an attribute's word; it is true when it is the table's word of the true number; "
    "what is said of a number in a gap between the words is false, and what is said of a number that nobody knows "
    "does not count. Precision is true over said facts, recall true over the facts there are, F1 their harmonic "
    "mean, 'facts' over all attributes together. 'what': the words that name the sound belong to the class one of "
    "whose sayings (its label and the usual captions of it) is nearest by all-MiniLM-L6-v2, a text encoder that is "
    "not this model's own; right when that is the clip's class, chance 1/classes. Intervals by bootstrap over places "
    "(facts) and clips (what)."
)

#: The number behind each attribute.
NUMBERS: Mapping[str, str] = {
    "direction": "azimuth_deg",
    "elevation": "elevation_deg",
    "distance": "distance_m",
    "room_size": "floor_area_m2",
    "reverberation": "t30_s",
}
_NUMBER_NAMES = tuple(NUMBERS.values())


def run(embedder: Embedder, observations: Observations, out: str | Path | None = None) -> Result:
    """Caption every scene in three ways and read what the captions say.

    Metrics "SYSTEM.ATTRIBUTE.f1", ".precision", ".recall", the same of "SYSTEM.facts", "SYSTEM.GROUP.facts.f1",
    "SYSTEM.what.accuracy"; systems: decoder, described, template. out: a folder for the captions as CSV
    (`write_predictions`). Raises DataError for a model without a captioner.
    """
    started = time.perf_counter()
    writer = captioner.of(embedder) if isinstance(embedder, using.Embedder) else None
    if writer is None:
        raise DataError("the model's checkpoint has no captioner; make one with `elsa captions train`")
    said = [words_for(*row) for row in _rows(observations.said)]
    names = _names(writer.embedder, observations.embeddings)
    template = [describe.sentence(name, words) for name, words in zip(names, said, strict=True)]
    proposals = writer.propose(observations.embeddings)
    chosen = [captioner.choose(row, words) for row, words in zip(proposals, said, strict=True)]
    captions = {
        "decoder": [row[0].text if row else "" for row in proposals],
        "described": [t if c is None else c.text for c, t in zip(chosen, template, strict=True)],
        "template": template,
    }
    numbers: dict[str, float] = {}
    intervals: dict[str, metrics.Interval] = {}
    items: dict[str, Sequence[object]] = {"id": list(observations.ids), "label": list(observations.labels)}
    for system, texts in captions.items():
        _score_facts(system, texts, observations, numbers, intervals)
        classes = _score_what(system, texts, observations, numbers, intervals)
        items[system], items[f"{system}_class"] = texts, classes
    numbers["described.templates"] = float(np.mean([c is None for c in chosen]))
    numbers["decoder.distinct"] = float(len(set(captions["decoder"])))
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        write_predictions(Path(out) / f"{observations.suite}.captions.csv", observations, captions["decoder"])
    return observations.result(
        "captions", numbers, protocol=PROTOCOL, intervals=intervals, items=items, started=started
    )


def fact_counts(stated: Sequence[SpatialWords], truth: Sequence[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Attribute -> (n, 3) counts of true, of said and of existing facts in each caption.

    stated: what each caption says. truth: the scene's numbers by name, NaN where nobody knows them.
    """
    counts = {name: np.zeros((len(stated), 3)) for name in ATTRIBUTES}
    for i, (words, row) in enumerate(zip(stated, truth, strict=True)):
        true = words_for(*(row[name] for name in _NUMBER_NAMES))
        for name, number in NUMBERS.items():
            if not np.isfinite(row[number]):
                continue
            claim, fact = getattr(words, name), getattr(true, name)
            counts[name][i] = (claim is not None and claim == fact, claim is not None, fact is not None)
    return counts


def write_predictions(path: Path, observations: Observations, captions: Sequence[str]) -> Path:
    """Write captions and references as aac-metrics reads them: file_name, caption_predicted, caption_1, caption_2, ...

    As many references as every item has (at most five). Raises DataError where an item has none.
    """
    count = min(5, min((len(texts) for texts in observations.captions), default=0))
    if count == 0:
        raise DataError(f"{observations.suite} has items without captions to compare with")

    def write(unfinished: Path) -> None:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("file_name", "caption_predicted", *(f"caption_{k + 1}" for k in range(count))))
            for key, caption, references in zip(observations.ids, captions, observations.captions, strict=True):
                rows.writerow((f"{key}.wav", caption, *references[:count]))

    write_whole(path, write)
    return path


def what_of(text: str) -> str | None:
    """The words of a caption that name its sound or sounds, None where it names none."""
    heard = [source.what for source in read(text).sources if source.what is not None]
    return " and ".join(heard) or None


def classes_of(whats: Sequence[str | None], labels: Sequence[str]) -> list[str | None]:
    """The label that each naming belongs to: the one with the nearest saying by MiniLM, None for None."""
    sayings = [(label, text) for label in labels for text in corpus_labels.common(label, []).captions]
    named = sorted({what for what in whats if what is not None})
    if not named:
        return [None] * len(whats)
    vectors = sentence_vectors([*(text for _, text in sayings), *named])
    nearest = np.argmax(vectors[len(sayings) :] @ vectors[: len(sayings)].T, axis=1)
    found = {what: sayings[k][0] for what, k in zip(named, nearest, strict=True)}
    return [None if what is None else found[what] for what in whats]


def _score_facts(
    system: str,
    texts: Sequence[str],
    observations: Observations,
    numbers: dict[str, float],
    intervals: dict[str, metrics.Interval],
) -> None:
    truth = [dict(zip(_NUMBER_NAMES, row, strict=True)) for row in _rows(observations.truth)]
    counts = fact_counts([parse(text) for text in texts], truth)
    everything = np.sum(list(counts.values()), axis=0)
    for name, rows in {**counts, "facts": everything}.items():
        if rows[:, 2].sum() == 0:  # the set can't test it
            continue
        right, said, there = rows.sum(0)
        numbers[f"{system}.{name}.f1"] = 2 * right / (said + there)
        numbers[f"{system}.{name}.precision"] = right / said if said else 0.0
        numbers[f"{system}.{name}.recall"] = right / there
        intervals[f"{system}.{name}.f1"] = metrics.ratio_interval(
            2 * rows[:, 0], rows[:, 1] + rows[:, 2], groups=observations.places
        )
    for group, mask in observations.group_masks().items():
        right, said, there = everything[mask].sum(0)
        if there:
            numbers[f"{system}.{group}.facts.f1"] = 2 * right / (said + there)


def _score_what(
    system: str,
    texts: Sequence[str],
    observations: Observations,
    numbers: dict[str, float],
    intervals: dict[str, metrics.Interval],
) -> list[str | None]:
    labels = sorted({label for label in observations.labels if label})
    if len(labels) < 2:
        return [None] * len(texts)
    said = classes_of([what_of(text) for text in texts], labels)
    right = np.array([a == b for a, b in zip(said, observations.labels, strict=True)], dtype=np.float64)
    numbers[f"{system}.what.accuracy"] = float(right.mean())
    numbers[f"{system}.what.chance"] = 1 / len(labels)
    intervals[f"{system}.what.accuracy"] = metrics.bootstrap_interval(right, groups=observations.clip_ids)
    return said


def _names(embedder: using.Embedder, vectors: NDArray[np.float32]) -> list[str]:
    prompts = describe.prompts_of(embedder, SOUND_NAMES)
    return [SOUND_NAMES[k] for k in np.argmax(vectors @ prompts.T, axis=1)]


def _rows(columns: Mapping[str, NDArray[np.float64]]) -> list[tuple[float, ...]]:
    return list(zip(*(columns[name].tolist() for name in _NUMBER_NAMES), strict=True))
