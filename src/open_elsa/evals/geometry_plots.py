"""Pictures of the embedding space, drawn from a result of `geometry` and its items alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.evals.geometry import SOUND
from open_elsa.evals.plots import ACCENT, INK, PALE, new_figure, save_figure
from open_elsa.evals.result import Result
from open_elsa.scenes.attributes import ATTRIBUTES

Floats = NDArray[np.float64]

#: Colour and shape of the embedding and its halves; the shapes tell them apart in grey, too.
_VIEWS = {"whole": (INK, "o"), "what": ("#d9722a", "s"), "where": (ACCENT, "^")}
_NAMES = {"whole": "the whole embedding", "what": "the 'what' half", "where": "the 'where' half"}
#: Quantity by which each attribute's panel is coloured: its column, its name on the scale, and the scale's ticks.
_QUANTITIES: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "direction": ("azimuth_deg", "azimuth", ()),
    "elevation": ("elevation_deg", "elevation (°)", (-60, -30, 0, 30, 60)),
    "distance": ("distance_m", "distance (m)", (0.5, 1, 2, 4)),
    "room_size": ("floor_area_m2", "floor area (m²)", (15, 50, 100, 250)),
    "reverberation": ("t30_s", "T30 (s)", (0.15, 0.3, 0.6, 1.2, 2.4)),
}
#: A ring of colours for azimuth, from front over left, back and right: ahead and behind differ as blue and orange, left
#: and right as light and dark, which every kind of colour blindness leaves apart.
_RING = ("#1f63d1", "#cfa6cf", "#e58a00", "#33192b")
#: Sounds: ten colours (Okabe & Ito, and two greys) times five shapes.
_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#000000", "#b8a900", "#7a7a7a", "#5b3a8e",
)  # fmt: skip
_SHAPES = "osD^v"


def draw(result: Result, items: Mapping[str, Sequence[Any]], images: Path) -> dict[str, Path]:
    """Draw what a result of geometry holds into `images`: title -> PNG file. Without items no maps are drawn."""
    made = {"what each part holds": save_figure(_summary(result), images / f"{result.suite}-geometry.png")}
    if (figure := _matrices(result)) is not None:
        made["distances between clouds"] = save_figure(figure, images / f"{result.suite}-clouds.png")
    for view, drawn in result.details.get("projection", {}).items():
        if f"{view}_x" in items:
            path = images / f"{result.suite}-map-{view}.png"
            made[f"map of {_NAMES[view]}"] = save_figure(_map(result.suite, view, drawn, items), path)
    return made


def _summary(result: Result) -> Any:
    """Three panels of dots: how far apart classes are, what probes read, and what leaks into queries."""
    figure, (apart, probes, leaks) = new_figure(12.5, 4.2, 3, share=False)
    targets = ["direction", "elevation", "distance", "room_size", "reverberation", SOUND]
    _dots(apart, result, targets, "clusters.{{view}}.{target}.audio")
    apart.axvline(1.0, color=INK, linewidth=0.8, linestyle=":")
    apart.set(xlabel="distance between classes / within one", title="sounds' clouds; 1 = not apart")
    _dots(probes, result, targets, "probe.{{view}}.{target}.accuracy", 100.0, "probe.{target}.chance")
    probes.set(xlabel="accuracy (%)", xlim=(0, 102), title="read by a linear probe; bar = chance")
    asked = [f"query_what.{{view}}.{target}" for target in targets[:-1]]
    asked += [f"query_where.{{view}}.{target}" for target in targets[:-1]]
    _dots(leaks, result, asked, "{target}.explained", 100.0, "{target}.chance")
    leaks.set(xlabel="variance of the query's score explained (%)", title="leaks into queries; bar = chance")
    leaks.set_xlim(left=0)
    for axis in (apart, probes, leaks):
        axis.title.set_fontsize(9)
    shown = [v for v in _VIEWS if any(k.startswith(f"clusters.{v}.") for k in result.metrics)]
    handles = [
        apart.plot([], [], _VIEWS[v][1], color=_VIEWS[v][0], label=_NAMES[v], linestyle="none", markersize=5)[0]
        for v in shown
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.suptitle(f"{result.suite}: where the embedding holds what, with 95 % intervals", fontsize=10)
    return figure


def _dots(
    axis: Any, result: Result, targets: Sequence[str], pattern: str, scale: float = 1.0, chance: str = ""
) -> None:
    """A row for each target that was measured: a dot a view with its interval, and a bar where chance lies."""
    shown = [t for t in targets if any(_metric(pattern, view, t) in result.metrics for view in _VIEWS)]
    for row, target in enumerate(shown):
        for k, (view, (colour, shape)) in enumerate(_VIEWS.items()):
            metric, y = _metric(pattern, view, target), row + 0.25 * (k - 1)
            if metric not in result.metrics:
                continue
            if (bar := _metric(chance, view, target)) in result.metrics:
                axis.plot([scale * result.metrics[bar]] * 2, [y - 0.125, y + 0.125], color=INK, linewidth=1.2)
            if (interval := result.intervals.get(metric)) is not None:
                axis.plot([scale * interval.low, scale * interval.high], [y, y], color=colour, linewidth=1.4, alpha=0.6)
            axis.plot(scale * result.metrics[metric], y, shape, color=colour, markersize=5, markeredgewidth=0)
    axis.set_yticks(range(len(shown)), [_row_name(t) for t in shown])
    axis.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    for row in range(1, len(shown)):
        axis.axhline(row - 0.5, color=PALE, linewidth=0.6, zorder=0)


def _metric(pattern: str, view: str, target: str) -> str:
    return pattern.format(target=target).format(view=view) if "{target}" in pattern else pattern


def _row_name(target: str) -> str:
    """A row of the plot in words: "query_what.{view}.room_size" -> "room size in what-queries"."""
    query, _, rest = target.rpartition(".{view}.")
    if not query:
        return target.replace("_", " ")
    word = rest.replace("_", " ")
    return f"{word} in what-queries" if query == "query_what" else f"sound in {word}-queries"


def _matrices(result: Result) -> Any | None:
    """The paper's pairs: distances between clouds of directions and of near and far, for sounds and captions."""
    tables = result.details.get("clusters", {}).get("whole", {})
    shown = [name for name in ("direction", "distance") if name in tables]
    kinds = [k for k in ("audio", "text", "across") if shown and tables[shown[0]].get(k) is not None]
    if not kinds:
        return None
    titles = {"audio": "sounds – sounds", "text": "captions – captions", "across": "sounds (rows) – captions"}
    figure, axes = new_figure(2.7 * len(kinds), 2.6 * len(shown), len(kinds), rows=len(shown), share=False)
    for axis, (name, kind) in zip(axes, product(shown, kinds), strict=True):
        values, classes = np.asarray(tables[name][kind], float), tables[name]["classes"]
        axis.imshow(values, cmap="Blues", vmin=values.min() - 0.5 * np.ptp(values), vmax=values.max())
        for (i, j), value in np.ndenumerate(values):
            dark = value > values.min() + 0.55 * np.ptp(values)
            axis.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if dark else INK, fontsize=9)
        axis.set_xticks(range(len(classes)), classes)
        axis.set_yticks(range(len(classes)), classes)
        axis.set_title(titles[kind], fontsize=9)
    figure.suptitle(f"{result.suite}, the whole embedding: Wasserstein distances; diagonal: two halves", fontsize=10)
    return figure


def _map(suite: str, view: str, drawn: Mapping[str, Any], items: Mapping[str, Sequence[Any]]) -> Any:
    """Six panels of the same points, coloured by each attribute and by sound; prompts are stars."""
    kept = [i for i, x in enumerate(items[f"{view}_x"]) if x is not None]
    points = np.array([[items[f"{view}_x"][i], items[f"{view}_y"][i]] for i in kept])
    figure, axes = new_figure(12, 8, 3, rows=2, share=False)
    for axis, (name, (column, title, ticks)) in zip(axes, _QUANTITIES.items(), strict=False):
        values = np.array([np.nan if items[column][i] is None else float(items[column][i]) for i in kept])
        norm, colours = _scale(name, values)
        known = np.isfinite(values)
        axis.scatter(*points[~known].T, s=9, color="#dddddd", linewidths=0)
        axis.scatter(*points[known].T, s=11, c=colours(norm(values[known])), linewidths=0, alpha=0.85)
        stars = [p for p in drawn["prompts"] if p["attribute"] == name]
        for word in dict.fromkeys(p["word"] for p in stars):
            own = np.array([[p["x"], p["y"]] for p in stars if p["word"] == word])
            _stars(axis, own, word, colours(norm(_middle(name, word, values))))
        axis.set_title(title, fontsize=10)
        _ring(axis, colours) if name == "direction" else _bar(figure, axis, norm, colours, ticks)
    _sounds(axes[-1], points, [str(items["label"][i]) for i in kept], drawn["prompts"])
    for axis in axes:
        axis.set(xticks=[], yticks=[], aspect="equal", xlim=(-1.08, 1.08), ylim=(-1.08, 1.08))
        axis.spines[["left", "bottom"]].set_visible(False)
    figure.suptitle(
        f"{suite}: {drawn['method']} of {_NAMES[view]}, {len(kept)} scenes (dots) and prompts (stars)", fontsize=11
    )
    return figure


def _scale(name: str, values: Floats) -> tuple[Any, Any]:
    """Norm and colour map of an attribute: a ring for azimuth, logarithmic for what is said in ratios."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize

    if name == "direction":
        return (lambda v: (np.asarray(v) / 360.0) % 1.0), LinearSegmentedColormap.from_list("ring", [*_RING, _RING[0]])
    colours = LinearSegmentedColormap.from_list("v", colormaps["viridis"](np.linspace(0, 0.93, 64)))
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 2.0)
    return (Normalize if name == "elevation" or low <= 0 else LogNorm)(low, max(high, low + 1e-3)), colours


def _middle(name: str, word: str, values: Floats) -> float:
    """The typical value of the scenes that a word is true of, which gives its stars their colour."""
    own = np.array([v for v in values if ATTRIBUTES[name].word_for(float(v)) == word])
    if not len(own):
        return 0.0 if name == "direction" else float(np.nanmedian(values))
    if name == "direction":
        return float(np.degrees(np.angle(np.exp(1j * np.radians(own)).mean())))
    return float(np.median(own))


def _stars(axis: Any, own: Floats, word: str, colour: Any) -> None:
    from matplotlib.patheffects import withStroke

    axis.scatter(*own.T, s=110, marker="*", color=[colour], edgecolors="black", linewidths=0.8, zorder=3)
    middle = np.median(own, axis=0)
    x, y = own[np.argmin(((own - middle) ** 2).sum(axis=1))]  # a star near the others, not a place between them
    label = axis.annotate(word, (x, y), (0, 9), textcoords="offset points", ha="center", fontsize=9, zorder=4)
    label.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _ring(axis: Any, colours: Any) -> None:
    """A small wheel in the corner: which colour is which direction, front at the top."""
    inset = axis.inset_axes((-0.06, 0.0, 0.2, 0.2), projection="polar")
    edges = np.linspace(-180, 180, 121)
    inset.set_theta_zero_location("N")  # counter-clockwise, as azimuth goes
    inset.pcolormesh(np.radians(edges), [0.6, 1.0], (edges[None, :-1] / 360) % 1, cmap=colours, vmin=0, vmax=1)
    inset.set_ylim(0, 1)
    inset.set_yticks([])
    inset.set_xticks(np.radians([0, 90, 180, 270]), ["front", "left", "back", "right"], fontsize=7)
    inset.tick_params(axis="x", pad=-1)
    inset.spines["polar"].set_visible(False)
    inset.grid(visible=False)


def _bar(figure: Any, axis: Any, norm: Any, colours: Any, ticks: Sequence[float]) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axis, shrink=0.6, aspect=25, pad=0.01)
    bar.set_ticks([t for t in ticks if norm.vmin <= t <= norm.vmax])
    bar.ax.minorticks_off()
    bar.ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _sounds(axis: Any, points: Floats, labels: Sequence[str], prompts: Sequence[Mapping[str, Any]]) -> None:
    """A colour and shape a class, its name where most of its scenes are, its prompt as a star of that colour."""
    from matplotlib.patheffects import withStroke

    names = np.asarray(labels, dtype=object)
    stars = {p["word"]: (p["x"], p["y"]) for p in prompts if p["attribute"] == SOUND}
    for k, name in enumerate(sorted(set(labels))):
        own, colour = points[names == name], _COLOURS[k % len(_COLOURS)]
        shape = _SHAPES[k // len(_COLOURS) % len(_SHAPES)]
        axis.scatter(*own.T, s=11, marker=shape, color=colour, linewidths=0, alpha=0.8)
        if name in stars:
            axis.scatter(*stars[name], s=60, marker="*", color=colour, edgecolors="black", linewidths=0.6, zorder=3)
            x, y = np.median(own, axis=0)
            text = axis.text(x, y, name.replace("_", " "), fontsize=5, ha="center", va="center", zorder=4)
            text.set_path_effects([withStroke(linewidth=1.5, foreground="white")])
    axis.set_title("sound", fontsize=10)
