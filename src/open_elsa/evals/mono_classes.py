"""What is heard: zero-shot class of a sound by "the sound of LABEL", on mono clips and on the same clips in rooms."""

from __future__ import annotations

import time

import numpy as np

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result
from open_elsa.evals.zero_shot import predict, prototypes

TEMPLATE = "the sound of {}"

PROTOCOL = (
    "Every class name of the set is put into 'the sound of {}'; a sound takes the class of the highest cosine. "
    "'spatial': the clips as heard in rooms (4 channels); 'lost_points' = mono minus spatial accuracy in percentage "
    "points, each scene against its own clip, interval by bootstrap over clips. Chance is 1/classes."
)


def prompt(label: str) -> str:
    """The zero-shot caption of a class name: "church_bells" -> "the sound of church bells"."""
    return TEMPLATE.format(label.replace("_", " ").strip())


def run(embedder: Embedder, mono: Observations, spatial: Observations | None = None) -> Result:
    """Class accuracy of mono clips, and of the same clips in rooms when `spatial` is given.

    Metrics "mono.accuracy", "mono.balanced", "classes", "chance"; "spatial.accuracy", "spatial.n", "lost_points".
    Raises DataError when clips carry no class, or a scene's clip is not among the mono ones.
    """
    started = time.perf_counter()
    labels = sorted({label for label in mono.labels if label})
    if len(labels) < 2:
        raise DataError(f"{mono.suite}: clips need labels of at least two classes, found {labels}")
    names, vectors = prototypes(embedder, {label: [prompt(label)] for label in labels})
    said = predict(mono.embeddings, names, vectors)
    right = np.array([s == t for s, t in zip(said, mono.labels, strict=True)], dtype=np.float64)
    numbers = {
        "mono.accuracy": float(right.mean()),
        "mono.balanced": metrics.balanced_accuracy(said, mono.labels),
        "mono.n": float(len(mono)),
        "classes": float(len(labels)),
        "chance": 1 / len(labels),
    }
    intervals = {"mono.accuracy": metrics.wilson_interval(int(right.sum()), len(right))}
    items: dict[str, list[str]] = {"id": list(mono.ids), "true": list(mono.labels), "said": said}
    if spatial is not None:
        in_rooms = predict(spatial.embeddings, names, vectors)
        heard = np.array([s == t for s, t in zip(in_rooms, spatial.labels, strict=True)], dtype=np.float64)
        alone = dict(zip(mono.clip_ids, right, strict=True))
        if unknown := sorted(set(spatial.clip_ids) - set(alone)):
            raise DataError(f"{spatial.suite}: clip {unknown[0]} is not among the mono clips of {mono.suite}")
        lost = 100 * (np.array([alone[clip] for clip in spatial.clip_ids]) - heard)
        numbers |= {
            "spatial.accuracy": float(heard.mean()),
            "spatial.n": float(len(heard)),
            "lost_points": float(lost.mean()),
        }
        intervals["spatial.accuracy"] = metrics.bootstrap_interval(heard, groups=spatial.clip_ids)
        intervals["lost_points"] = metrics.bootstrap_interval(lost, groups=spatial.clip_ids)
        items = {
            "id": items["id"] + list(spatial.ids),
            "true": items["true"] + list(spatial.labels),
            "said": said + in_rooms,
        }
    where = mono if spatial is None else spatial
    return where.result(
        "classes",
        numbers,
        protocol=PROTOCOL,
        intervals=intervals,
        details={"recall": metrics.class_recalls(said, mono.labels)},
        items=items,
        started=started,
        n=len(mono) if spatial is None else len(spatial),
    )
