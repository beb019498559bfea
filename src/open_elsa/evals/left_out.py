"""Classes that the model was trained without: are they named all the same, by words that it knows from elsewhere?"""

from __future__ import annotations

import time

import numpy as np

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.mono_classes import prompt
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result
from open_elsa.evals.zero_shot import predict, prototypes

#: What the project asks of a model trained without ten of ESC-50's classes: right among the ten, and among all fifty.
BARS = {"among_left_out": 0.80, "among_all": 0.55}

PROTOCOL = (
    "Only clips of the classes that the model's card lists as left out: no clip of them, and no caption that names "
    "them by a synonym or by the sound they make, was trained on. 'among_left_out': the names to choose from are those "
    "classes alone; 'among_all': every class of the set. Each name is put into 'the sound of {}'; a sound takes the "
    "name of the highest cosine. 'mono': the clips alone, 95 % Wilson interval; 'rooms': as heard in rooms (4 "
    "channels), interval by bootstrap over clips. Bars: 80 % among ten, 55 % among fifty. The audio encoder's "
    "start (a tagger trained on AudioSet) and the frozen text encoder did know such sounds and words, each without the "
    "other; a recipe with `names` set also reads the names of the tagger's outputs, those of these classes among them, "
    "against the tagger's weights for them."
)


def run(embedder: Embedder, mono: Observations, spatial: Observations | None = None) -> Result:
    """Name clips of the classes that `embedder.left_out` lists, alone and, when `spatial` is given, in rooms.

    Metrics "mono.among_left_out.accuracy", "mono.among_all.accuracy", "mono.n", the same for "rooms", and
    "among_left_out.chance", "among_all.chance". details: "classes" left out, "bars", and "recall" by class among all.
    Raises DataError when the model left nothing out, or fewer than two of its classes have clips here.
    """
    started = time.perf_counter()
    left_out = tuple(getattr(embedder, "left_out", ()))
    if not left_out:
        raise DataError("this model left no class out (or its card was lost); train one with `elsa train --leave-out`")
    everything = sorted({label for label in mono.labels if label})
    if len(names := [name for name in everything if name in left_out]) < 2:
        raise DataError(f"{mono.suite} has clips of {len(names)} of the classes left out ({', '.join(left_out)})")
    choices = {"among_left_out": names, "among_all": everything}
    numbers = {f"{among}.chance": 1 / len(labels) for among, labels in choices.items()}
    intervals: dict[str, metrics.Interval] = {}
    items: dict[str, list[str]] = {"id": [], "true": [], **{among: [] for among in choices}}
    for part, seen in (("mono", mono), ("rooms", spatial)):
        rows = [] if seen is None else [i for i, label in enumerate(seen.labels) if label in names]
        if seen is None or not rows:
            continue
        true = [seen.labels[i] for i in rows]
        items["id"] += [seen.ids[i] for i in rows]
        items["true"] += true
        numbers[f"{part}.n"] = float(len(rows))
        for among, labels in choices.items():
            said = predict(seen.embeddings[rows], *prototypes(embedder, {label: [prompt(label)] for label in labels}))
            items[among] += said
            right = np.array([s == t for s, t in zip(said, true, strict=True)], dtype=np.float64)
            key = f"{part}.{among}.accuracy"
            numbers[key] = float(right.mean())
            intervals[key] = (
                metrics.wilson_interval(int(right.sum()), len(right))
                if part == "mono"
                else metrics.bootstrap_interval(right, groups=[seen.clip_ids[i] for i in rows])
            )
    return (mono if spatial is None else spatial).result(
        "left_out",
        numbers,
        protocol=PROTOCOL,
        intervals=intervals,
        details={
            "classes": names,
            "bars": BARS,
            "recall": metrics.class_recalls(items["among_all"], items["true"]),
        },
        items=items,
        started=started,
        n=len(items["id"]),
    )
