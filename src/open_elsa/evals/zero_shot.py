"""Zero-shot reading of the spatial attributes: the sound's vector against templated captions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result
from open_elsa.scenes.attributes import ATTRIBUTES, prompts
from open_elsa.using.vectors import group_means

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
    return names, group_means(vectors, [len(prompts_of[name]) for name in names])


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
    scores = Scores()
    items: dict[str, list[str | None]] = {"id": list(observations.ids)}
    for name, attribute in ATTRIBUTES.items():
        true: list[str | None] = [getattr(words, name) for words in observations.words]
        said = read(embedder, observations, name, attribute.classes)
        if scores.add(name, said, true, attribute.classes, observations):
            items[f"{name}_true"], items[f"{name}_said"] = true, list(said)
    return scores.result("zero_shot", observations, protocol=PROTOCOL, items=items, started=started)


def read(embedder: Embedder, observations: Observations, attribute: str, classes: Sequence[str]) -> list[str]:
    """Class of each item by the prompts of an attribute."""
    sentences = prompts(attribute)
    names, vectors = prototypes(embedder, {word: sentences[word] for word in classes})
    return predict(observations.embeddings, names, vectors)


@dataclass
class Scores:
    """The numbers of several classifications, gathered one by one; left_out: name -> why it was not possible."""

    numbers: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, metrics.Interval] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        said: Sequence[str],
        true: Sequence[str | None],
        classes: Sequence[str],
        observations: Observations,
    ) -> bool:
        """Score the items whose truth is one of the classes, and each group; False where a class has too few."""
        if why := _lacking(true, classes):
            self.left_out[name] = why
            return False
        inside = [i for i, word in enumerate(true) if word in classes]
        everyone = np.ones(len(true), dtype=np.bool_)
        masks = {name: everyone, **{f"{name}.{g}": mask for g, mask in observations.group_masks().items()}}
        for prefix, mask in masks.items():
            within = [i for i in inside if mask[i]]
            if not _lacking([true[i] for i in within], classes):
                self._score(prefix, [said[i] for i in within], [str(true[i]) for i in within], classes)
        return True

    def result(
        self,
        task: str,
        observations: Observations,
        *,
        protocol: str,
        items: Mapping[str, Sequence[str | None]],
        started: float,
    ) -> Result:
        """Everything that was scored; DataError where nothing was."""
        if not self.numbers:
            raise DataError(
                f"{observations.suite} can test no attribute: {self.left_out}; it needs {FEWEST} scenes in each class"
            )
        return observations.result(
            task,
            self.numbers,
            protocol=protocol,
            intervals=self.intervals,
            details={**self.details, "left_out": self.left_out},
            items=items,
            started=started,
        )

    def _score(self, prefix: str, said: Sequence[str], true: Sequence[str], classes: Sequence[str]) -> None:
        chosen = metrics.balanced_subset(true)
        right = sum(said[i] == true[i] for i in chosen)
        self.numbers[f"{prefix}.accuracy"] = right / len(chosen)
        self.intervals[f"{prefix}.accuracy"] = metrics.wilson_interval(right, len(chosen))
        self.numbers[f"{prefix}.n"] = float(len(chosen))
        self.numbers[f"{prefix}.chance"] = 1 / len(classes)
        self.numbers[f"{prefix}.all"] = metrics.balanced_accuracy(said, true)
        for word, recall in metrics.class_recalls(said, true).items():
            self.numbers[f"{prefix}.recall.{word}"] = recall
        self.details[f"{prefix}.confusion"] = {
            "classes": list(classes),
            "counts": metrics.confusion(said, true, classes).tolist(),
        }


def _lacking(true: Sequence[str | None], classes: Sequence[str]) -> str:
    """Why these truths cannot test the classes; empty when they can."""
    short = [f"{word}: {true.count(word)}" for word in classes if true.count(word) < FEWEST]
    return f"scenes in class {', '.join(short)}" if short else ""
