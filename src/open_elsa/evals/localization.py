"""How far off the model's directions, distances and rooms are, overall and by bin of what makes it hard."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Observations
from open_elsa.evals.result import Result
from open_elsa.sound.foa import angular_error_deg

Floats = NDArray[np.float64]

#: Bins of the error analysis (the paper's section on where the direction regressor fails), by quantity.
BINS: dict[str, tuple[float, ...]] = {
    "azimuth_deg": (-180, -135, -90, -45, 0, 45, 90, 135, 180),
    "elevation_deg": (-90, -60, -40, -20, 0, 20, 40, 60, 90),
    "distance_m": (0, 0.5, 1, 1.5, 2, 3, 4, 6),
    "floor_area_m2": (0, 25, 50, 100, 150, 200, 300),
    "t30_s": (0, 0.2, 0.4, 0.6, 1.0, 1.5, 2.0, 4.0),
    "drr_db": (-40, -15, -10, -5, 0, 5, 10, 40),
}
#: Numbers beside the direction: short name -> (quantity, unit in metrics' names, whether also as a share).
NUMBERS: dict[str, tuple[str, str, bool]] = {
    "distance": ("distance_m", "m", True),
    "area": ("floor_area_m2", "m2", True),
    "t30": ("t30_s", "s", True),
    "drr": ("drr_db", "db", False),
}

PROTOCOL = (
    "Great-circle angle in degrees between the true direction and the model's, one answer a scene, over the scenes for "
    "which it gives one ('located' is their share). Distance, floor area and T30: absolute error and error relative to "
    "the truth; DRR: absolute error in dB. 95 % interval by bootstrap over source places, because clips heard from one "
    "place share its error. The tables by bin and by sound class give each bin's number of scenes."
)


def run(observations: Observations) -> Result:
    """Errors of direction, distance and room.

    Metrics "direction.mean_deg", ".median_deg", ".p90_deg", "direction.GROUP.mean_deg", "located",
    "distance.median_m", "distance.median_relative", and the same for area (m2), t30 (s) and drr (dB).
    details: "histogram" (edges in degrees, counts); "bins" (direction error by quantity); "number_bins" (errors of
    distance, area and T30 as shares of the truth, and of DRR in dB, by quantity); "labels" (direction error by sound
    class) and "distance_labels" (distance error, as a share, by sound class).
    Raises DataError when no scene has a true and an estimated direction.
    """
    started = time.perf_counter()
    errors = np.asarray(angular_error_deg(observations.said_vectors, observations.true_vectors), dtype=np.float64)
    known = np.isfinite(errors)
    truly = np.isfinite(observations.true_vectors).all(axis=1)
    if not known.any():
        raise DataError(f"{observations.suite}: no scene has both a true direction and one that the model says")
    numbers: dict[str, float] = {"located": float(known.sum() / truly.sum())}
    intervals: dict[str, metrics.Interval] = {}
    _direction(
        "direction",
        errors[known],
        [p for p, k in zip(observations.places, known, strict=True) if k],
        numbers,
        intervals,
    )
    for group, mask in observations.group_masks().items():
        inside = known & mask
        if inside.any():
            places = [p for p, k in zip(observations.places, inside, strict=True) if k]
            _direction(f"direction.{group}", errors[inside], places, numbers, intervals)
    items: dict[str, list[object]] = {"id": list(observations.ids), "label": list(observations.labels)}
    items["group"], items["direction_error_deg"] = list(observations.groups), _listed(errors)
    for name in observations.truth:
        items[f"{name}_true"], items[f"{name}_said"] = (
            _listed(observations.truth[name]),
            _listed(observations.said[name]),
        )
    sizes = {short: _number(short, observations, numbers, intervals) for short in NUMBERS}
    labels = np.asarray(observations.labels, dtype=object)
    return observations.result(
        "localization",
        numbers,
        protocol=PROTOCOL,
        intervals=intervals,
        details={
            "histogram": {
                "edges": list(metrics.ERROR_EDGES_DEG),
                "counts": metrics.histogram(errors[known]).tolist(),
            },
            "bins": {name: metrics.by_bin(errors, observations.truth[name], edges) for name, edges in BINS.items()},
            "number_bins": {
                short: {name: metrics.by_bin(size, observations.truth[name], edges) for name, edges in BINS.items()}
                for short, size in sizes.items()
                if np.isfinite(size).any()
            },
            "labels": _by_label(errors, labels),
            "distance_labels": _by_label(sizes["distance"], labels),
        },
        items=items,
        started=started,
        n=int(known.sum()),
    )


def _direction(
    prefix: str,
    errors: Floats,
    places: list[str],
    numbers: dict[str, float],
    intervals: dict[str, metrics.Interval],
) -> None:
    for name, value in metrics.error_statistics(errors).items():
        numbers[f"{prefix}.{name}_deg"] = value
    numbers[f"{prefix}.n"] = float(len(errors))
    intervals[f"{prefix}.mean_deg"] = metrics.bootstrap_interval(errors, groups=places)
    intervals[f"{prefix}.median_deg"] = metrics.bootstrap_interval(errors, metrics.median, groups=places)


def _number(
    short: str, observations: Observations, numbers: dict[str, float], intervals: dict[str, metrics.Interval]
) -> Floats:
    """Score one of NUMBERS, overall and by group, where truth and answer are known; gives the size of each error."""
    quantity, unit, relative = NUMBERS[short]
    truth, errors = observations.truth[quantity], observations.said[quantity] - observations.truth[quantity]
    sizes = np.abs(errors) / (truth if relative else 1.0)
    masks = {short: np.ones(len(errors), dtype=np.bool_)}
    masks |= {f"{short}.{group}": mask for group, mask in observations.group_masks().items()}
    for prefix, mask in masks.items():
        known = np.isfinite(errors) & mask
        if not known.any():
            continue
        size = np.abs(errors[known])
        numbers[f"{prefix}.n"] = float(known.sum())
        numbers[f"{prefix}.mean_{unit}"], numbers[f"{prefix}.median_{unit}"] = float(size.mean()), metrics.median(size)
        numbers[f"{prefix}.bias_{unit}"] = float(errors[known].mean())
        places = [p for p, k in zip(observations.places, known, strict=True) if k]
        if not relative:
            intervals[f"{prefix}.mean_{unit}"] = metrics.bootstrap_interval(size, groups=places)
            continue
        share = sizes[known]
        numbers[f"{prefix}.mean_relative"], numbers[f"{prefix}.median_relative"] = (
            float(share.mean()),
            metrics.median(share),
        )
        intervals[f"{prefix}.mean_relative"] = metrics.bootstrap_interval(share, groups=places)
        intervals[f"{prefix}.median_relative"] = metrics.bootstrap_interval(
            share, metrics.median, groups=places, rounds=300
        )
    return sizes


def _by_label(errors: Floats, labels: NDArray[np.object_]) -> dict[str, dict[str, float]]:
    """Statistics of errors by sound class, without the classes that have none."""
    return {
        str(label): {"n": int(mask.sum()), **metrics.error_statistics(errors[mask])}
        for label in sorted(set(labels))
        if (mask := np.isfinite(errors) & (labels == label)).any()
    }


def _listed(values: Floats) -> list[object]:
    return [None if math.isnan(v) else float(v) for v in values]
