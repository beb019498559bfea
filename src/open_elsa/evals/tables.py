"""Tables of a result's details for docs/results.md: errors by bin and by sound class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from open_elsa.evals.numbers import show
from open_elsa.evals.result import Result

#: How the quantities of the bins are named and counted.
QUANTITIES = {
    "azimuth_deg": ("azimuth", "°"),
    "elevation_deg": ("elevation", "°"),
    "distance_m": ("distance", "m"),
    "floor_area_m2": ("floor area", "m²"),
    "t30_s": ("T30", "s"),
    "drr_db": ("DRR", "dB"),
}
#: How the numbers beside the direction are named.
NUMBERS = {"distance": "distance", "area": "floor area", "t30": "T30", "drr": "DRR"}


def of(result: Result) -> list[str]:
    """Markdown tables of a result, folded up; none for a task without any."""
    make = TABLES.get(result.task)
    return [] if make is None else make(result)


def _localization(result: Result) -> list[str]:
    details = result.details
    all_numbers: Mapping[str, Mapping[str, Any]] = details.get("number_bins", {})
    numbers = {short: all_numbers[short] for short in NUMBERS if short in all_numbers}
    head = ["", "n", "direction, mean", "median", "90 %", *(f"{NUMBERS[short]}, median" for short in numbers)]
    rows = []
    for quantity, (name, unit) in QUANTITIES.items():
        for k, row in enumerate(details.get("bins", {}).get(quantity, ())):
            if row["n"]:
                others = [show(_value(found[quantity][k]["median"]), _unit(n)) for n, found in numbers.items()]
                where = f"{name} {row['low']:g} to {row['high']:g} {unit}".replace(" °", "°")
                rows.append([where, str(row["n"]), *_direction(row), *others])
    parts = [_folded("Errors by bin", head, rows)] if rows else []
    distances = details.get("distance_labels", {})
    head = ["sound", "n", "direction, mean", "median", "90 %", *(["distance, median"] if distances else [])]
    rows = [
        [
            label,
            str(row["n"]),
            *_direction(row),
            *([show(_value(distances.get(label, {}).get("median")), "%")] if distances else []),
        ]
        for label, row in sorted(details.get("labels", {}).items(), key=lambda item: -item[1]["mean"])
    ]
    return [*parts, *([_folded("Errors by sound class, the hardest first", head, rows)] if rows else [])]


def _two_sources(result: Result) -> list[str]:
    levels: Mapping[str, Sequence[Mapping[str, Any]]] = result.details.get("levels", {})
    names = {"louder": "the model", **{name: name.replace("_", " ") for name in levels if name != "louder"}}
    rows = []
    for k, row in enumerate(levels.get("louder", ())):
        cells = [levels[name][k] for name in names]
        errors = [f"{show(_value(c['mean']), '°')} ({show(_value(c['median']), '°')})" for c in cells]
        rows.append([f"{row['low']:g} to {row['high']:g} dB", str(row["n"]), *errors])
    head = ["the louder lies above the other by", "n", *(f"{text}, mean (median)" for text in names.values())]
    return [_folded("Errors by level difference", head, rows)] if rows else []


def _swap(result: Result) -> list[str]:
    rows = [
        [
            row["way"],
            row["old"],
            row["new"] or "none (removed)",
            str(row["n"]),
            show(row["accuracy"], "%"),
            show(_value(row.get("change_R@10_points")), "points"),
        ]
        for row in result.details.get("pairs", ())
    ]
    head = ["way", "old", "new", "n", "read as new (removed: still as old)", "change of R@10"]
    return [_folded("Every pair of directions", head, rows)] if rows else []


#: Tables by task; a task with details to read adds a line here.
TABLES: dict[str, Callable[[Result], list[str]]] = {
    "localization": _localization,
    "two_sources": _two_sources,
    "swap": _swap,
}


def _direction(row: Mapping[str, Any]) -> list[str]:
    return [show(_value(row[k]), "°") for k in ("mean", "median", "p90")]


def _unit(number: str) -> str:
    return "dB" if number == "drr" else "%"


def _value(number: float | None) -> float:
    return float("nan") if number is None else float(number)


def _folded(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    table = "\n".join(lines)
    return f'<details markdown="1">\n<summary>{title}</summary>\n\n{table}\n\n</details>\n'
