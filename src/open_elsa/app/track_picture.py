"""A recording on one picture: its waveform, where it was heard over time on a map of directions, words and numbers."""

from __future__ import annotations

import io
import itertools
import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.app.show import degrees, number, side
from open_elsa.evals.plots import ACCENT, INK, PALE
from open_elsa.scenes.scene_files import write_bytes
from open_elsa.sound import foa
from open_elsa.using.embedder import Location
from open_elsa.using.track import Point, Track

#: Points that are quieter than the loudest by more than this are not drawn on the map: mostly the room's noise.
SHOWN_DB = 30.0
#: Time's colours, from the first second to the last: dark enough on white at both ends.
_COLOURS = ("#2f6db5", "#7a54a8", "#c0437a", "#d9722a")
_GREY, _LINE = "#6d6d78", "#d5d5dc"
_GRID_DEG = 2.0
#: What the map is cut by: azimuths and the words people have for them, left of the picture is left of the listener.
_AZIMUTHS = ((180, "behind\n180°"), (90, "left\n90°"), (0, "ahead\n0°"), (-90, "right\n−90°"), (-180, "behind\n−180°"))


def draw(track: Track, path: str | Path) -> Path:
    """Draw a track into a PNG of 1650 x 1050 pixels, written whole or not at all; the same track, the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), facecolor="white")
    FigureCanvasAgg(figure)
    d = track.description
    figure.text(0.075, 0.965, f"{Path(d.source).name}, {_clock(track.duration_s)}", fontsize=9.5, color=_GREY, va="top")
    figure.text(0.075, 0.93, _wrapped(_sentence(d.text), 82), fontsize=15, color=INK, weight="bold", va="top")
    _waveform(figure.add_axes((0.075, 0.70, 0.655, 0.115)), track)
    _map(figure.add_axes((0.075, 0.105, 0.655, 0.51)), track)
    _names(figure.add_axes((0.77, 0.62, 0.205, 0.195)), track)
    _numbers(figure, track)
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=150, metadata={"Software": None})  # no version inside
    path = Path(path)
    write_bytes(path, held.getvalue())
    return path


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("time", _COLOURS)


def _waveform(axis: Any, track: Track) -> None:
    """The waveform in the colours of its time, which are those of the map."""
    wave = track.waveform
    times = (np.arange(len(wave.low)) + 0.5) * wave.step_s
    low, high = np.asarray(wave.low), np.asarray(wave.high)
    loudest = max(float(np.abs([low, high]).max()), 1e-6)
    colours = _colours()(times / max(track.duration_s, 1e-9))
    flat = 0.006 * loudest  # a line where there is silence
    axis.vlines(
        times, np.minimum(low, -flat), np.maximum(high, flat), colors=colours, linewidth=max(0.5, 520 / len(times))
    )
    axis.set_xlim(0, track.duration_s)
    axis.set_ylim(-1.08 * loudest, 1.08 * loudest)
    axis.set_yticks([])
    axis.spines[["left", "right", "top"]].set_visible(False)
    axis.spines["bottom"].set_color(_LINE)
    whole = track.duration_s >= 10
    axis.xaxis.set_major_formatter(lambda value, _: _minutes(value) if whole else f"{value:g} s")
    axis.tick_params(axis="x", labelsize=8, colors=_GREY, length=2.5)
    axis.locator_params(axis="x", nbins=9)
    d = track.description
    if d.end_s - d.start_s < 0.98 * track.duration_s:
        axis.plot([d.start_s, d.end_s], [1.0 * loudest] * 2, color=INK, linewidth=1.6, solid_capstyle="butt")
        axis.text((d.start_s + d.end_s) / 2, 1.14 * loudest, "told above", fontsize=7.5, color=INK, ha="center")


def _map(axis: Any, track: Track) -> None:
    """All directions as seen from inside, azimuth growing to the left: cones of uncertainty, track, the place told."""
    axis.set_xlim(180, -180)
    axis.set_ylim(-90, 90)
    axis.set_xticks([azimuth for azimuth, _ in _AZIMUTHS], [words for _, words in _AZIMUTHS])
    axis.set_yticks([-90, -45, 0, 45, 90], ["−90°", "−45°", "0°", "45°", "90°"])
    axis.set_xticks(range(-180, 181, 30), minor=True)
    for y, word in ((82, "above"), (-86, "below")):
        axis.text(176, y, word, fontsize=8.5, color=_GREY)
    axis.grid(color=_LINE, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8.5, colors=_GREY, length=0)
    axis.spines[:].set_color(_LINE)
    points = _shown(track)
    if not points:
        words = "silence" if track.description.text == "silence" else "mono: it is heard, but has no direction"
        axis.text(0, 0, words, ha="center", va="center", fontsize=12, color=_GREY, backgroundcolor="white")
        return
    azimuth, elevation = np.meshgrid(
        np.arange(-180, 180 + _GRID_DEG, _GRID_DEG), np.arange(-90, 90 + _GRID_DEG, _GRID_DEG)
    )
    everywhere = foa.unit_vector(azimuth, elevation)
    _cones(axis, azimuth, elevation, everywhere, points)
    _path(axis, points, track.duration_s)
    _told(axis, azimuth, elevation, everywhere, track.description.location)


def _shown(track: Track) -> list[Point]:
    """The points that a map can show: with a direction, and not much quieter than the loudest."""
    loudest = max((p.level_db for p in track.points), default=-math.inf)
    return [p for p in track.points if p.location.known and p.level_db > loudest - SHOWN_DB]


def _cones(axis: Any, azimuth: Any, elevation: Any, everywhere: NDArray[np.float64], points: list[Point]) -> None:
    """How likely each direction is over all points, each a cone as wide as it is unsure, the louder the heavier."""
    step = math.ceil(len(points) / 300)
    likely = np.zeros(azimuth.shape)
    loudest = max(p.level_db for p in points)
    for point in points[::step]:
        width = max(point.location.uncertainty_deg or 10.0, 4.0)
        angle = np.degrees(np.arccos(np.clip(everywhere @ _vector(point.location), -1, 1)))
        weight = 10 ** ((point.level_db - loudest) / 20)  # by amplitude, so that quiet ones are seen
        likely += weight * np.exp(-0.5 * (angle / width) ** 2) / width**2
    from matplotlib.colors import LinearSegmentedColormap

    pale = LinearSegmentedColormap.from_list("pale", ("#ffffff", "#e3ecf6", PALE, "#a9c4e2"))
    levels = np.linspace(0.04, 1.0, 9) * likely.max()
    axis.contourf(azimuth, elevation, likely, levels=levels, cmap=pale, zorder=0.5, extend="max")


def _path(axis: Any, points: list[Point], duration_s: float) -> None:
    """The points in the colour of their time, the louder the larger; lines between neighbours, also past 180°."""
    colours = _colours()
    loudest = max(p.level_db for p in points)
    if len(points) <= 240:
        for a, b in itertools.pairwise(points):
            if b.start_s > a.end_s:  # quiet between them
                continue
            x, y = (a.location.azimuth_deg or 0.0), (b.location.azimuth_deg or 0.0)
            y += 360 * round((x - y) / 360)  # the shorter way round
            colour = colours((a.start_s + b.end_s) / 2 / duration_s)
            for turn in (-360, 0, 360):
                axis.plot([x + turn, y + turn], [a.location.elevation_deg, b.location.elevation_deg],
                          color=colour, linewidth=1.0, alpha=0.6, zorder=2)  # fmt: skip
    sizes = [8 + 62 * 10 ** ((p.level_db - loudest) / 20) for p in points]
    axis.scatter(
        [p.location.azimuth_deg for p in points],
        [p.location.elevation_deg for p in points],
        s=np.asarray(sizes) * (1.0 if len(points) <= 240 else 0.3),
        c=colours([(p.start_s + p.end_s) / 2 / duration_s for p in points]),
        edgecolors="white",
        linewidths=0.5,
        alpha=0.9,
        zorder=3,
    )


def _told(axis: Any, azimuth: Any, elevation: Any, everywhere: NDArray[np.float64], at: Location) -> None:
    """The place that the sentence tells of, as a cross, and the circle around it that it expects to be off by."""
    if not at.known:
        return
    angle = np.degrees(np.arccos(np.clip(everywhere @ _vector(at), -1, 1)))
    if at.uncertainty_deg is not None:
        width = max(at.uncertainty_deg, _GRID_DEG)
        axis.contour(azimuth, elevation, angle, levels=[width], colors=INK, linewidths=1.3, linestyles="--", zorder=4)
    axis.plot(at.azimuth_deg, at.elevation_deg, "+", color=INK, markersize=13, markeredgewidth=1.8, zorder=5)


def _names(axis: Any, track: Track) -> None:
    """The likeliest names with their shares."""
    axis.set_axis_off()
    axis.set_xlim(0, 1)
    tags = track.description.tags[:5]
    axis.set_ylim(5, -0.75)
    axis.text(0, -0.6, "sounds like", fontsize=9, color=_GREY)
    for k, (name, share) in enumerate(tags):
        axis.text(0, k + 0.22, textwrap.shorten(name, 32, placeholder="…"), fontsize=9.5, color=INK)
        axis.text(1, k + 0.22, f"{share:.0%}", fontsize=9.5, color=INK, ha="right")
        axis.barh(k + 0.46, 1, height=0.11, color="#eeeef2")
        axis.barh(k + 0.46, share, height=0.11, color=ACCENT)
    if not tags:
        axis.text(0, 0.22, "silence", fontsize=9.5, color=INK)


def _numbers(figure: Any, track: Track) -> None:
    """The numbers behind the sentence."""
    at = track.description.location
    rows = [
        ("from", side(at.azimuth_deg)),
        ("elevation", degrees(at.elevation_deg)),
        ("expected error", "–" if at.uncertainty_deg is None else f"±{degrees(at.uncertainty_deg)}"),
        ("distance", number(at.distance_m, "m")),
        ("floor area", number(at.floor_area_m2, "m²", 0)),
        ("T30", number(at.t30_s, "s", 2)),
        ("direct to reverberant", number(at.drr_db, "dB")),
        ("level", number(max((p.level_db for p in track.points), default=-math.inf), "dBFS", 0)),
    ]
    figure.text(0.77, 0.575, "where, at the loudest", fontsize=9, color=_GREY)
    for k, (name, value) in enumerate(rows):
        y = 0.535 - 0.04 * k
        figure.text(0.77, y, name, fontsize=9.5, color=INK)
        figure.text(0.975, y, value, fontsize=9.5, color=INK, ha="right", weight="bold")
    key = "colour: time, size: level\npale blue: where it may be\ncross, dashes: the place told, its error"
    figure.text(0.77, 0.105, key if at.known else "", fontsize=7.5, color=_GREY, va="bottom")


def _vector(at: Location) -> NDArray[np.float64]:
    return foa.unit_vector(at.azimuth_deg or 0.0, at.elevation_deg or 0.0)


def _wrapped(text: str, width: int) -> str:
    """At most two lines."""
    return "\n".join(textwrap.wrap(text, width, max_lines=2, placeholder=" …"))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _clock(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else _minutes(seconds)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"
