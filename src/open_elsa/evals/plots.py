"""Plots of results, drawn from the result files alone: where errors lie, and what is taken for what."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from open_elsa.evals.result import Result, load_items
from open_elsa.scenes.scene_files import write_whole

INK, ACCENT, PALE = "#2b2b33", "#2f6db5", "#c9d9ec"
_TITLES = {
    "azimuth_deg": "azimuth (°)",
    "elevation_deg": "elevation (°)",
    "distance_m": "distance (m)",
    "floor_area_m2": "floor area (m²)",
    "t30_s": "T30 (s)",
    "drr_db": "DRR (dB)",
}


def draw(result: Result, results_folder: str | Path, images: Path) -> dict[str, Path]:
    """Draw the plots that belong to a result into `images`; title -> PNG file, empty for a task without plots."""
    if result.task == "localization":
        items = load_items(results_folder, result.name) or {}
        made = {
            "direction error": save_figure(_histogram(result), images / f"{result.suite}-error.png"),
            "error by bin": save_figure(_bins(result), images / f"{result.suite}-bins.png"),
        }
        if "azimuth_deg_said" in items:
            made["azimuth, said and true"] = save_figure(_azimuths(items), images / f"{result.suite}-azimuth.png")
        return made
    if result.task == "geometry":
        from open_elsa.evals import geometry_plots  # it builds on this module

        return geometry_plots.draw(result, load_items(results_folder, result.name) or {}, images)
    name = {"zero_shot": "direction", "eight_way": "eight"}.get(result.task)
    if name is None or (drawn := _confusion(result, name)) is None:
        return {}
    stem = result.suite if result.task == "zero_shot" else f"{result.suite}-{result.task}"
    return {"direction in words": save_figure(drawn, images / f"{stem}-confusion.png")}


def new_figure(
    width: float, height: float, columns: int = 1, *, rows: int = 1, share: bool = True
) -> tuple[Any, list[Any]]:
    """A figure of `rows` x `columns` axes, row by row, in inches, without a display or pyplot's global state.

    share: one scale of y for all columns of a row.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, sharey="row" if share else False, squeeze=False).ravel())
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=INK, labelsize=8)
    return figure, axes


def _histogram(result: Result) -> Any:
    table = result.details["histogram"]
    edges, counts = table["edges"], np.asarray(table["counts"], float)
    figure, (axis,) = new_figure(6, 3)
    axis.bar(range(len(counts)), 100 * counts / max(counts.sum(), 1), color=ACCENT, width=0.85)
    axis.set_xticks(np.arange(len(edges)) - 0.5, [f"{e:g}" for e in edges])
    axis.set_xlabel("great-circle error (°)")
    axis.set_ylabel("scenes (%)")
    mean, median = result.metrics["direction.mean_deg"], result.metrics["direction.median_deg"]
    axis.set_title(f"{result.suite}: mean {mean:.1f}°, median {median:.1f}°, n = {result.n}", fontsize=10)
    return figure


def _bins(result: Result) -> Any:
    tables = {name: [r for r in rows if r["n"]] for name, rows in result.details["bins"].items()}
    tables = {name: rows for name, rows in tables.items() if rows}
    figure, axes = new_figure(2.6 * len(tables), 3, len(tables))
    for axis, (name, rows) in zip(axes, tables.items(), strict=True):
        axis.bar(range(len(rows)), [r["mean"] for r in rows], color=PALE, width=0.85)
        axis.plot(range(len(rows)), [r["median"] for r in rows], "o", color=ACCENT, markersize=4)
        axis.set_xticks(range(len(rows)), [f"{r['low']:g}…{r['high']:g}\nn={r['n']}" for r in rows], rotation=90)
        axis.set_xlabel(_TITLES.get(name, name))
        axis.tick_params(axis="x", labelsize=6)
    axes[0].set_ylabel("error (°): bar mean, dot median")
    return figure


def _azimuths(items: dict[str, list[Any]]) -> Any:
    pairs = [
        (t, s)
        for t, s in zip(items["azimuth_deg_true"], items["azimuth_deg_said"], strict=True)
        if t is not None and s is not None and math.isfinite(t) and math.isfinite(s)
    ]
    figure, (axis,) = new_figure(4.2, 4)
    axis.plot([-180, 180], [-180, 180], color=PALE, linewidth=4, zorder=0)
    axis.plot(*np.array(pairs).T, ".", color=ACCENT, markersize=3, alpha=0.4)
    axis.set(xlim=(-185, 185), ylim=(-185, 185), aspect="equal", xlabel="true azimuth (°)", ylabel="said azimuth (°)")
    ticks = range(-180, 181, 90)
    axis.set_xticks(ticks)
    axis.set_yticks(ticks)
    axis.set_title("90° is left", fontsize=8)
    return figure


def _confusion(result: Result, name: str) -> Any | None:
    table = result.details.get(f"{name}.confusion")
    if table is None:
        return None
    classes, counts = table["classes"], np.asarray(table["counts"], float)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(3.8, 0.7 * len(classes))
    figure, (axis,) = new_figure(side, side - 0.2)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (i, j), share in np.ndenumerate(shares):
        axis.text(j, i, f"{share:.0f}", ha="center", va="center", color="white" if share > 55 else INK, fontsize=9)
    axis.set_xticks(range(len(classes)), classes, rotation=45 if len(classes) > 4 else 0)
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="read as", ylabel="truth")
    axis.set_title(f"{result.suite}: per cent of each class", fontsize=10)
    return figure


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; the same numbers give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # no date and no version inside
    write_whole(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None}))
    return path
