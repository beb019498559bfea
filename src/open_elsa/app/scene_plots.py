"""Plots of a report on scenes, drawn from the report alone: histograms, W's log-mel pictures, and small compasses."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from markupsafe import Markup

from open_elsa.evals.plots import ACCENT, INK, new_figure
from open_elsa.scenes.scene_counts import Distribution
from open_elsa.scenes.scene_report import MEL_RANGE_DB, Heard, Pictured

#: Colours of the sources of a scene, the loudest first.
SOURCE_COLOURS = (ACCENT, "#d9722a", "#168a72", "#9a4fb0")
_COLUMNS = 4
_REACH_M = 5.0


def histograms(quantities: Sequence[Distribution]) -> list[str]:
    """Rows of up to four histograms as PNG in data URIs; quantities that are known nowhere are left out."""
    known = [d for d in quantities if d.n]
    rows = [known[i : i + _COLUMNS] for i in range(0, len(known), _COLUMNS)]
    return [_uri(_row(row)) for row in rows]


def _row(row: Sequence[Distribution]) -> Any:
    figure, axes = new_figure(2.7 * _COLUMNS, 2.2, _COLUMNS, share=False)
    for axis, d in zip(axes, row, strict=False):
        edges = np.asarray(d.edges)
        width = 0.85 if d.name == "sources" else 1.0
        axis.bar(0.5 * (edges[:-1] + edges[1:]), d.counts, width * np.diff(edges), color=ACCENT, linewidth=0)
        if len(d.counts) > 1:
            axis.axvline(d.median, color=INK, linewidth=0.8, linestyle=":")
        else:  # one value needs no scale around it
            axis.set_xlim(d.median - 1.5, d.median + 1.5)
        if d.unit == "°":
            axis.set_xticks(np.arange(edges[0], edges[-1] + 1, 90 if d.name == "azimuth_deg" else 45))
        elif d.name == "sources":
            axis.set_xticks(range(math.ceil(edges[0]), math.floor(edges[-1]) + 1))
        else:
            axis.locator_params(axis="x", nbins=5)
        axis.locator_params(axis="y", nbins=4, integer=True)
        axis.set_title(f"{d.what} ({d.unit})" if d.unit else d.what, fontsize=9)
    for axis in axes[len(row) :]:
        axis.set_visible(False)
    return figure


def spectrogram(scene: Pictured) -> str:
    """A scene's log-mel picture with its time below, as PNG in a data URI."""
    figure, (axis,) = new_figure(3.6, 1.5)
    extent = (0.0, scene.duration_s, 0.0, 1.0)
    axis.imshow(scene.mel, "magma", origin="lower", aspect="auto", vmin=-MEL_RANGE_DB, vmax=0.0, extent=extent)
    axis.set_yticks([])
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.locator_params(axis="x", nbins=6)
    axis.tick_params(axis="x", labelsize=7, length=2)
    axis.set_xlabel("s", fontsize=7, labelpad=0)
    return _uri(figure)


def compass(sources: Sequence[Heard]) -> Markup:
    """Where the sources are, from above, the listener in the middle facing up: dots, and arrows where they walk.

    Rings at 1, 2 and 4 m, spaced by the square root so that near places keep apart.
    """
    size, reach = 120.0, 50.0
    middle = size / 2

    def at(azimuth_deg: float, distance_m: float) -> tuple[float, float]:
        r = reach * math.sqrt(min(distance_m, _REACH_M) / _REACH_M)
        a = math.radians(azimuth_deg)
        return middle - r * math.sin(a), middle - r * math.cos(a)

    parts = [f'<svg class="compass" viewBox="0 0 {size:g} {size:g}" role="img" aria-label="{escape(_told(sources))}">']
    for metres in (1.0, 2.0, 4.0):
        parts.append(
            f'<circle class="grid" cx="{middle}" cy="{middle}" r="{reach * math.sqrt(metres / _REACH_M):.1f}"/>'
        )
    low, high = middle - reach, middle + reach
    parts.append(f'<path class="grid" d="M{middle} {low} V{high} M{low} {middle} H{high}"/>')
    for word, x, y in (
        ("front", middle, 7.0),
        ("back", middle, size - 1),
        ("L", 4.0, middle + 2),
        ("R", size - 4, middle + 2),
    ):
        parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="middle">{word}</text>')
    parts.append(f'<path class="listener" d="M{middle} {middle - 4} l3 7 l-3 -1.5 l-3 1.5 z"/>')
    for source, colour in zip(sources, SOURCE_COLOURS, strict=False):
        x, y = at(source.azimuth_deg, source.distance_m)
        parts.append(f"<g><title>{escape(source.what)}</title>")
        if source.to_azimuth_deg is not None and source.to_distance_m is not None:
            u, v = at(source.to_azimuth_deg, source.to_distance_m)
            parts.append(f'<path d="M{x:.1f} {y:.1f} L{u:.1f} {v:.1f}" stroke="{colour}" stroke-width="1.6"/>')
            parts.append(
                f'<circle cx="{u:.1f}" cy="{v:.1f}" r="2.6" fill="none" stroke="{colour}" stroke-width="1.6"/>'
            )
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/></g>')
    return Markup("".join([*parts, "</svg>"]))


def _told(sources: Sequence[Heard]) -> str:
    return "; ".join(f"{s.what} at {s.azimuth_deg:.0f}°, {s.distance_m:.1f} m" for s in sources)


def _uri(figure: Any) -> str:
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=110, metadata={"Software": None})  # no version inside
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode("ascii")
