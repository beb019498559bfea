"""A check of rooms for people: rows for a table, an HTML report with plots and sounds, and the documentation page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from open_elsa.app import room_plots
from open_elsa.app.room_samples import Sample, write_samples
from open_elsa.errors import DataError
from open_elsa.scenes.room_checks import T30_CLASSES, t30_class
from open_elsa.scenes.room_references import Simulator
from open_elsa.scenes.room_report import Check, RoomNumbers, RoomReport, to_json
from open_elsa.scenes.scene_files import write_text


@dataclass(frozen=True)
class Line:
    """A check as a table shows it."""

    name: str
    meaning: str
    bar: str
    measured: str
    spread: str
    what: str
    n: str
    outcome: str


def line_of(check: Check) -> Line:
    """A check in text."""
    unit = {"": "", "responses": "", "°": "°", "%": " %", "×": " ×"}.get(check.unit, f" {check.unit}")
    spread = "" if math.isnan(check.low) else f"{number(check.low)} to {number(check.high)}"
    outcome = {True: "passed", False: "missed", None: "not measured"}[check.passed]
    measured = "–" if check.n == 0 else f"{number(check.value)}{unit}"
    bar = f"≤ {number(check.bar)}{unit}"
    return Line(check.name, check.meaning, bar, measured, spread, check.spread, str(check.n), outcome)


def number(value: float) -> str:
    """A number with as many digits as it deserves; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    if abs(value) < 1e-3:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def by_class(report: RoomReport) -> list[dict[str, str]]:
    """Medians with 5th to 95th percentile, one row a class of target T30: ratios of T30, DRR and C50 over theory."""
    rows = []
    for low, high in T30_CLASSES:
        rooms = [r for r in report.rooms if low <= r.t30_wanted_s < high and not r.problem]
        if not rooms:
            continue
        octaves = [[r.octave_ratios[k] for r in rooms] for k in range(7)]
        rows.append(
            {
                "class": t30_class(low),
                "n": str(len(rooms)),
                "T30": _middle([r.t30_s / r.t30_wanted_s for r in rooms]),
                "bass": _middle(octaves[0] + octaves[1]),
                "middle": _middle([v for k in range(2, 6) for v in octaves[k]]),
                "treble": _middle(octaves[6]),
                "DRR": _middle([r.drr_db - r.drr_theory_db for r in rooms]),
                "C50": _middle([r.c50_db - r.c50_theory_db for r in rooms]),
            }
        )
    return rows


def compared(report: RoomReport) -> list[dict[str, str]]:
    """One row a simulator, over the rooms that all comparisons began with."""
    if not report.comparisons:
        return []
    few = max(len(numbers) for numbers in report.comparisons.values())
    return [_simulator_row(n, r) for n, r in {report.subject: report.rooms[:few], **report.comparisons}.items()]


def _simulator_row(name: str, rooms: Sequence[RoomNumbers]) -> dict[str, str]:
    tails = [r.tail.shares for r in rooms if r.tail is not None]
    errors = [r.live.direction_error_deg for r in rooms if r.live is not None]
    return {
        "simulator": name,
        "n": str(len(rooms)),
        "vertical": _middle([s[1] / sum(s) for s in tails]),
        "T30": _middle([r.t30_s / r.t30_wanted_s for r in rooms]),
        "direction": _middle(errors),
        "DRR": _middle([r.drr_db - r.drr_theory_db for r in rooms]),
    }


def _middle(values: Sequence[float]) -> str:
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return "–"
    low, middle, high = (number(float(v)) for v in np.percentile(finite, (5, 50, 95)))
    return f"{middle} ({low} to {high})"


def write_report(
    reports: Sequence[RoomReport], folder: Path, simulate: Simulator, *, samples_seed: int = 0
) -> list[Path]:
    """Write report.json, report.html, plots/ and sounds/ into a folder; returns the two files.

    The first report is the simulator's. Raises DataError where the folder cannot be made.
    """
    make_folder(folder)
    samples = write_samples(simulate, folder / "sounds", samples_seed, reports[0].sample_rate)
    parts = [_part(report, folder, f"plots/{k}") for k, report in enumerate(reports)]
    page = template("rooms.html.j2").render(parts=parts, samples=_by_room(samples), folder=folder)
    written = [folder / "report.json", folder / "report.html"]
    write_text(written[0], to_json(reports))
    write_text(written[1], str(page))
    return written


def write_docs(reports: Sequence[RoomReport], docs: Path) -> list[Path]:
    """Write rooms-check.md and assets/rooms/*.png into a documentation folder; returns the files."""
    make_folder(docs)
    parts = [_part(report, docs, "assets/rooms" if k == 0 else f"assets/rooms/{k}") for k, report in enumerate(reports)]
    page = docs / "rooms-check.md"
    text = str(template("rooms.md.j2").render(parts=parts)).rstrip() + "\n"
    write_text(page, text)
    return [page, *(docs / path for part in parts for path in part["plots"].values())]


def _part(report: RoomReport, root: Path, images: str) -> dict[str, Any]:
    drawn = room_plots.draw(report, root / images)
    return {
        "report": report,
        "lines": [line_of(check) for check in report.checks],
        "classes": by_class(report),
        "simulators": compared(report),
        "plots": {caption: path.relative_to(root).as_posix() for caption, path in drawn.items()},
    }


def _by_room(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    rooms: dict[str, list[Sample]] = {}
    for sample in samples:
        rooms.setdefault(sample.room, []).append(sample)
    return rooms


def template(name: str) -> Any:
    """A page's template; names that are missing are errors, and `number` is a filter."""
    environment = Environment(
        loader=PackageLoader("open_elsa.app"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(name)


def make_folder(folder: Path) -> None:
    """Make a folder for pages; raises DataError where that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}; name another folder") from error
