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
}

PROTOCOL = (
    "Great-circle angle in degrees between the true direction and the model's, one answer a scene, over the scenes for "
    "which it gives one ('located' is their share). Distance, floor area and T30: absolute error and error relative to "
    "the truth; DRR: absolute error in dB. 95 % interval by bootstrap over source places, because clips heard from one "
    "place share its error."
)


def run(observations: Observations) -> Result:
    """Errors of direction, distance and room.

    Metrics "direction.mean_deg", ".median_deg", ".p90_deg", "direction.GROUP.mean_deg", "located",
    "distance.median_m", "distance.median_relative", and the same for area (m2), t30 (s) and drr (dB).
    details: "histogram" (edges in degrees, counts), "bins" (by quantity) and "labels" (by sound class).
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
    for short, quantity, unit in (
        ("distance", "distance_m", "m"),
        ("area", "floor_area_m2", "m2"),
        ("t30", "t30_s", "s"),
    ):
        _quantity(short, quantity, unit, observations, numbers, intervals)
    _quantity("drr", "drr_db", "db", observations, numbers, intervals, relative=False)
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
            "labels": {
                str(label): {"n": int(mask.sum()), **metrics.error_statistics(errors[mask])}
                for label in sorted(set(observations.labels))
                if (mask := known & (labels == label)).any()
            },
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
    intervals[f"{prefix}.median_deg"] = metrics.bootstrap_interval(errors, _median, groups=places)


def _quantity(
    short: str,
    quantity: str,
    unit: str,
    observations: Observations,
    numbers: dict[str, float],
    intervals: dict[str, metrics.Interval],
    relative: bool = True,
) -> None:
    """Errors of one quantity, overall and by group; nothing where truth or answer are missing everywhere."""
    truth, errors = observations.truth[quantity], observations.said[quantity] - observations.truth[quantity]
    masks = {short: np.ones(len(errors), dtype=np.bool_)}
    masks |= {f"{short}.{group}": mask for group, mask in observations.group_masks().items()}
    for prefix, mask in masks.items():
        known = np.isfinite(errors) & mask
        if not known.any():
            continue
        size = np.abs(errors[known])
        numbers[f"{prefix}.n"] = float(known.sum())
        numbers[f"{prefix}.mean_{unit}"], numbers[f"{prefix}.median_{unit}"] = float(size.mean()), _median(size)
        numbers[f"{prefix}.bias_{unit}"] = float(errors[known].mean())
        if relative:
            share = size / truth[known]
            numbers[f"{prefix}.mean_relative"], numbers[f"{prefix}.median_relative"] = (
                float(share.mean()),
                _median(share),
            )
            places = [p for p, k in zip(observations.places, known, strict=True) if k]
            intervals[f"{prefix}.median_relative"] = metrics.bootstrap_interval(
                share, _median, groups=places, rounds=300
            )


def _median(values: Floats) -> float:
    return float(np.median(values))


def _listed(values: Floats) -> list[object]:
    return [None if math.isnan(v) else float(v) for v in values]
