"""Two sounds at once: whether the model's one direction is that of the louder source."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import metrics
from open_elsa.evals.observe import Observations
from open_elsa.evals.result import Result
from open_elsa.sound.foa import angular_error_deg, unit_vector

Floats = NDArray[np.float64]

#: Edges in dB of how far the louder source lies above the other.
LEVELS_DB = (3.0, 6.0, 9.0, 12.0)

PROTOCOL = (
    "Great-circle angle in degrees between the model's one direction and that of the louder of two sources, over all "
    "scenes of two still sources, and by how many dB the louder lies above the other (W's level while each sounds). "
    "'picked': share of scenes in which the direction is nearer to the louder source than to the other, chance 50 %. "
    "Beside it the hand-made estimators on the same scenes, which need no training. 95 % interval by bootstrap over "
    "the louder sources' places."
)


def run(observations: Observations) -> Result:
    """Error of the direction to the louder source.

    Metrics "louder.mean_deg", ".median_deg", ".p90_deg", ".picked", ".n"; "louder.3-6dB.mean_deg" and so on by level;
    the same of each hand-made estimator as "ESTIMATOR.mean_deg" and "ESTIMATOR.3-6dB.mean_deg". details: "levels",
    rows by level difference of model and estimators. Raises DataError for a set without scenes of two still sources.
    """
    started = time.perf_counter()
    more = observations.more
    if "other_below_db" not in more:
        raise DataError(f"{observations.suite} has no scenes of two still sources; the suite two has")
    levels = more["other_below_db"]
    other = unit_vector(more["other_azimuth_deg"], more["other_elevation_deg"])
    known = np.isfinite(levels) & np.isfinite(observations.true_vectors).all(axis=1)
    said = {"louder": observations.said_vectors, **observations.baselines}
    errors = {name: _errors(vectors, observations.true_vectors) for name, vectors in said.items()}
    if not (known & np.isfinite(errors["louder"])).any():
        raise DataError(f"{observations.suite}: the model says no direction of any scene of two sources")
    numbers: dict[str, float] = {}
    intervals: dict[str, metrics.Interval] = {}
    bins = {f"{low:g}-{high:g}dB": _between(levels, low, high) for low, high in pairwise(LEVELS_DB)}
    for name, values in errors.items():
        nearer = np.where(np.isfinite(values), values < _errors(said[name], other), np.nan).astype(np.float64)
        for part, mask in {"": known, **{k: known & inside for k, inside in bins.items()}}.items():
            inside = mask & np.isfinite(values)
            if inside.any():
                prefix = f"{name}.{part}" if part else name
                _score(prefix, values[inside], nearer[inside], _of(observations.places, inside), numbers, intervals)
    return observations.result(
        "two_sources",
        numbers,
        protocol=PROTOCOL,
        intervals=intervals,
        details={"levels": {name: metrics.by_bin(values, levels, LEVELS_DB) for name, values in errors.items()}},
        items={
            "id": list(observations.ids),
            "other_below_db": _listed(levels),
            **{f"{name}_deg": _listed(values) for name, values in errors.items()},
        },
        started=started,
        n=int(numbers["louder.n"]),
    )


def _score(
    prefix: str,
    errors: Floats,
    nearer: Floats,
    places: list[str],
    numbers: dict[str, float],
    intervals: dict[str, metrics.Interval],
) -> None:
    statistics = metrics.error_statistics(errors)
    numbers |= {f"{prefix}.{k}_deg": statistics[k] for k in ("mean", "median", "p90")}
    numbers[f"{prefix}.picked"] = float(nearer.mean())
    numbers[f"{prefix}.n"] = float(len(errors))
    intervals[f"{prefix}.mean_deg"] = metrics.bootstrap_interval(errors, groups=places)
    intervals[f"{prefix}.median_deg"] = metrics.bootstrap_interval(errors, metrics.median, groups=places, rounds=300)
    intervals[f"{prefix}.picked"] = metrics.bootstrap_interval(nearer, groups=places)


def _errors(vectors: Floats, true: Floats) -> Floats:
    return np.asarray(angular_error_deg(vectors, true), dtype=np.float64)


def _between(values: Floats, low: float, high: float) -> NDArray[np.bool_]:
    """Values in [low, high), the last bin closed."""
    inside = (values >= low) & ((values <= high) if high == LEVELS_DB[-1] else (values < high))
    return np.asarray(inside, dtype=np.bool_)


def _of(values: Iterable[str], mask: NDArray[np.bool_]) -> list[str]:
    return [v for v, inside in zip(values, mask, strict=True) if inside]


def _listed(values: Floats) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]
