"""Zero-shot reading of the spatial attributes: the sound's vector against templated captions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result
from open_elsa.scenes.attributes import ATTRIBUTES, prompts

#: A class with fewer scenes than this says nothing: the attribute is then left out, and the result says so.
FEWEST = 5

PROTOCOL = (
    "Each class is the normalised mean vector of its templated captions ('a sound coming from the left', the templates "
    "of attributes.py); a scene takes the class of the highest cosine. Only scenes whose truth lies in one of the "
    "classes (the paper's bins) take part; classes are balanced by drawing as many of each as the rarest has (seed 0), "
    "so chance is 1/classes. 95 % Wilson interval. 'all' = balanced accuracy over every scene in the bins."
)


def prototypes(embedder: Embedder, prompts_of: Mapping[str, Sequence[str]]) -> tuple[list[str], NDArray[np.float32]]:
    """One unit vector a class, the normalised mean of its prompts' vectors: class names and (classes, d)."""
    names = list(prompts_of)
    vectors = embedder.embed_text([text for name in names for text in prompts_of[name]])
    ends = np.cumsum([len(prompts_of[name]) for name in names])
    means = np.stack([part.mean(axis=0) for part in np.split(vectors, ends[:-1])])
    return names, (means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def predict(embeddings: NDArray[np.float32], names: Sequence[str], vectors: NDArray[np.float32]) -> list[str]:
    """Class of the highest inner product for each row of embeddings (n, d)."""
    return [names[i] for i in np.argmax(embeddings @ vectors.T, axis=1)]


def run(embedder: Embedder, observations: Observations) -> Result:
    """Read every attribute that the set can test.

    Metrics "direction.accuracy" (balanced subset), ".n", ".chance", ".all", ".recall.CLASS", and per group
    "direction.GROUP.accuracy" with ".n". details: "ATTRIBUTE.confusion" with its classes, and "left_out".
    Raises DataError when no attribute can be tested.
    """
    started = time.perf_counter()
    numbers: dict[str, float] = {}
    intervals: dict[str, metrics.Interval] = {}
    details: dict[str, object] = {}
    left_out: dict[str, str] = {}
    items: dict[str, list[str | None]] = {"id": list(observations.ids)}
    for name, attribute in ATTRIBUTES.items():
        classes = list(attribute.classes)
        sentences = prompts(name)
        names, vectors = prototypes(embedder, {word: sentences[word] for word in classes})
        said = predict(observations.embeddings, names, vectors)
        true: list[str | None] = [getattr(words, name) for words in observations.words]
        if why := _lacking(true, classes):
            left_out[name] = why
            continue
        items[f"{name}_true"], items[f"{name}_said"] = true, list(said)
        inside = [i for i, word in enumerate(true) if word in classes]
        _score(name, [said[i] for i in inside], [str(true[i]) for i in inside], classes, numbers, intervals, details)
        for group, mask in observations.group_masks().items():
            within = [i for i in inside if mask[i]]
            if not _lacking([true[i] for i in within], classes):
                _score(
                    f"{name}.{group}",
                    [said[i] for i in within],
                    [str(true[i]) for i in within],
                    classes,
                    numbers,
                    intervals,
                    details,
                )
    if not numbers:
        raise DataError(
            f"{observations.suite} can test no attribute: {left_out}; it needs {FEWEST} scenes in each class"
        )
    return observations.result(
        "zero_shot",
        numbers,
        protocol=PROTOCOL,
        intervals=intervals,
        details={**details, "left_out": left_out},
        items=items,
        started=started,
    )


def _score(
    prefix: str,
    said: Sequence[str],
    true: Sequence[str],
    classes: Sequence[str],
    numbers: dict[str, float],
    intervals: dict[str, metrics.Interval],
    details: dict[str, object],
) -> None:
    chosen = metrics.balanced_subset(true)
    right = sum(said[i] == true[i] for i in chosen)
    numbers[f"{prefix}.accuracy"] = right / len(chosen)
    intervals[f"{prefix}.accuracy"] = metrics.wilson_interval(right, len(chosen))
    numbers[f"{prefix}.n"] = float(len(chosen))
    numbers[f"{prefix}.chance"] = 1 / len(classes)
    numbers[f"{prefix}.all"] = metrics.balanced_accuracy(said, true)
    for word, recall in metrics.class_recalls(said, true).items():
        numbers[f"{prefix}.recall.{word}"] = recall
    details[f"{prefix}.confusion"] = {
        "classes": list(classes),
        "counts": metrics.confusion(said, true, classes).tolist(),
    }


def _lacking(true: Sequence[str | None], classes: Sequence[str]) -> str:
    """Why these truths cannot test the classes; empty when they can."""
    short = [f"{word}: {true.count(word)}" for word in classes if true.count(word) < FEWEST]
    return f"scenes in class {', '.join(short)}" if short else ""
