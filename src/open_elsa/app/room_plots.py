"""Plots of a check of rooms, drawn from its report alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from open_elsa.evals.plots import ACCENT, INK, PALE, new_figure, save_figure
from open_elsa.scenes.room_measures import MODULATION_BANDS_HZ, Tail
from open_elsa.scenes.room_report import RoomReport
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ, THIRD_OCTAVE_BANDS_HZ

_WARM, _GREEN = "#d9722a", "#168a72"


def draw(report: RoomReport, folder: Path) -> dict[str, Path]:
    """Draw what a report has numbers for into `folder`: caption -> PNG file."""
    plots: dict[str, tuple[str, Callable[[RoomReport], Any]]] = {
        "Full-band T30 against its target, and T30 by octave over its target in rooms of 0.5 s and more. "
        "The shaded bands are the bars.": ("t30", _t30),
        "Direct-to-reverberant ratio and clarity, room by room, against a diffuse field and, where it finishes, "
        "against full image sources.": ("levels", _levels),
        "Level of the reverberation by third octave: mean and standard deviation over the rooms. Image sources lie "
        "above theory in the bass, where their pulses, all positive, pile up.": ("spectrum", _spectrum),
        "Energy of the tail along the room's axes over W's, less what is expected. Long tails scatter less.": (
            "shares",
            _shares,
        ),
        "The tail (filled) and Gaussian noise of the same decay (line): what shows combs, repeated noise, ringing, "
        "flutter and sparse echoes.": ("noise", _noise),
        "Modulation of the tail's envelope, mean over the rooms.": ("modulation", _modulation),
    }
    if report.comparisons:
        plots[
            "Three simulators in the same rooms: how much of the tail's directional energy is vertical (a third where "
            "it comes from everywhere), full-band T30 over its target, and the direction of the direct sound."
        ] = ("simulators", _simulators)
    made = {}
    for caption, (name, plot) in plots.items():
        if (figure := plot(report)) is not None:
            made[caption] = save_figure(figure, folder / f"{name}.png")
    return made


def _t30(report: RoomReport) -> Any:
    rooms = [r for r in report.rooms if math.isfinite(r.t30_s)]
    if not rooms:
        return None
    figure, (left, right) = _two(8.5, 3.6)
    ends = np.array([0.12, 3.2])
    left.fill_between(ends, 0.97 * ends, 1.03 * ends, color=PALE, linewidth=0)
    left.loglog([r.t30_wanted_s for r in rooms], [r.t30_s for r in rooms], ".", color=ACCENT, markersize=5, alpha=0.6)
    ticks = [0.15, 0.3, 0.6, 1.2, 2.4]
    for axis in (left.xaxis, left.yaxis):
        axis.set_ticks(ticks, [f"{t:g}" for t in ticks])
        axis.set_minor_locator(_no_ticks())
    left.set(xlabel="target T30 (s)", ylabel="measured T30 (s)", xlim=ends, ylim=ends, aspect="equal")
    lively = [r.octave_ratios[:7] for r in rooms if r.t30_wanted_s >= 0.5]
    right.axhspan(0.9, 1.1, xmin=0.29, xmax=0.86, color=PALE, linewidth=0)
    if lively:
        columns = [[v for v in column if math.isfinite(v)] for column in zip(*lively, strict=True)]
        _boxes(right, columns)
    right.set_xticks(range(7), [_hertz(f) for f in OCTAVE_BANDS_HZ[:7]])
    right.set(xlabel="octave (Hz)", ylabel="T30 over target", ylim=(0.7, 1.3))
    right.set_title(f"rooms of 0.5 s and more, n = {len(lively)}", fontsize=9)
    return figure


def _levels(report: RoomReport) -> Any:
    rooms = [r for r in report.rooms if math.isfinite(r.drr_db)]
    if not rooms:
        return None
    figure, (left, right) = _two(8.5, 3.8)
    pairs = [(r, r.reference) for r in rooms if r.reference is not None]
    for axis, name, unit in ((left, "drr", "DRR"), (right, "c50", "C50")):
        measured = [getattr(r, f"{name}_db") for r in rooms]
        theory = [getattr(r, f"{name}_theory_db") for r in rooms]
        low, high = min(measured + theory) - 1, min(max(measured + theory) + 1, 45.0)
        axis.plot([low, high], [low, high], color=PALE, linewidth=3, zorder=0)
        axis.plot(theory, measured, ".", color=ACCENT, markersize=5, alpha=0.6, label="diffuse field")
        if pairs:
            x = [getattr(i, f"{name}_db") for _, i in pairs]
            y = [getattr(r, f"{name}_db") for r, _ in pairs]
            axis.plot(x, y, "x", color=_WARM, markersize=4, alpha=0.8, label="image sources")
        axis.set(xlabel=f"{unit} of the reference (dB)", ylabel=f"{unit} measured (dB)", xlim=(low, high))
        axis.set_ylim(low, high)
        axis.set_aspect("equal")
        axis.legend(frameon=False, fontsize=8)
    return figure


def _spectrum(report: RoomReport) -> Any:
    table = np.array([r.late_db for r in report.rooms if r.late_db], dtype=float)
    if not table.size:
        return None
    figure, (axis,) = new_figure(7, 3.2)
    kept = np.isfinite(table).all(axis=0)
    hertz = np.asarray(THIRD_OCTAVE_BANDS_HZ)[kept]
    mean, deviation = table[:, kept].mean(axis=0), table[:, kept].std(axis=0)
    axis.fill_between(hertz, mean - deviation, mean + deviation, color=PALE, linewidth=0)
    axis.semilogx(hertz, mean, "o-", color=ACCENT, markersize=4, label="over a diffuse field")
    pairs = [(r, r.reference) for r in report.rooms if r.reference is not None and r.drr_bands_db]
    if pairs:
        off = np.array([np.asarray(i.drr_bands_db) - np.asarray(r.drr_bands_db) for r, i in pairs])[:, kept]
        axis.semilogx(hertz, off.mean(axis=0), "x-", color=_WARM, markersize=4, label="over image sources (from DRR)")
    axis.axhline(0.0, color=INK, linewidth=0.6)
    _log_hertz(axis, [125, 250, 500, 1000, 2000, 4000, 8000])
    axis.set(xlabel="third octave (Hz)", ylabel="level (dB)")
    axis.legend(frameon=False, fontsize=8)
    return figure


def _shares(report: RoomReport) -> Any:
    rooms = [(r, r.tail) for r in report.rooms if r.tail is not None]
    if not rooms:
        return None
    figure, (axis,) = new_figure(7, 3.2)
    for k, (name, colour) in enumerate((("Y", ACCENT), ("Z", _WARM), ("X", _GREEN))):
        off = [t.shares[k] - r.shares_wanted[k] for r, t in rooms]
        times = [r.t30_wanted_s for r, _ in rooms]
        axis.semilogx(times, off, ".", color=colour, markersize=5, alpha=0.6, label=f"{name}, mean {np.mean(off):+.4f}")
    axis.axhline(0.0, color=INK, linewidth=0.6)
    _log_hertz(axis, [0.15, 0.3, 0.6, 1.2, 2.4])
    reach = max(0.1, 1.1 * max(abs(t.shares[k] - r.shares_wanted[k]) for r, t in rooms for k in range(3)))
    axis.set(xlabel="target T30 (s)", ylabel="share less expected", ylim=(-reach, reach))
    axis.legend(frameon=False, fontsize=8, ncols=3)
    return figure


def _noise(report: RoomReport) -> Any:
    pairs = [(r.tail, r.noise) for r in report.rooms if r.tail is not None and r.noise is not None]
    if not pairs:
        return None
    panels: tuple[tuple[str, Callable[[Tail], float]], ...] = (
        ("coherence", lambda t: t.coherence),
        ("repetition", lambda t: t.echo),
        ("resonance", lambda t: t.resonance),
        ("flutter", lambda t: t.flutter),
        ("kurtosis", lambda t: t.kurtosis),
        ("echo density", lambda t: t.echo_density),
    )
    figure, axes = new_figure(9.5, 2.4, len(panels))
    for axis, (name, of) in zip(axes, panels, strict=True):
        tail, noise = [of(t) for t, _ in pairs], [of(n) for _, n in pairs]
        edges = np.linspace(min(tail + noise), max(tail + noise), 19)
        axis.hist(tail, edges, color=PALE)
        axis.hist(noise, edges, histtype="step", color=_WARM, linewidth=1.2)
        axis.set_title(name, fontsize=9)
        axis.locator_params(axis="x", nbins=4)
    axes[0].set_ylabel("rooms")
    return figure


def _modulation(report: RoomReport) -> Any:
    pairs = [(r.tail, r.noise) for r in report.rooms if r.tail is not None and r.noise is not None]
    if not pairs:
        return None
    figure, (axis,) = new_figure(7, 2.8)
    bands = np.asarray(MODULATION_BANDS_HZ)
    for k, (name, style, colour) in enumerate((("tail", "o-", ACCENT), ("Gaussian noise", "x--", _WARM))):
        table = np.array([pair[k].modulation for pair in pairs], dtype=float)
        counted = np.isfinite(table).sum(axis=0) >= max(3, 0.5 * len(table))
        level = 10.0 * np.log10(np.nanmean(table[:, counted], axis=0))
        axis.semilogx(bands[counted], level, style, color=colour, markersize=4, label=name)
    middle = sum(axis.get_ylim()) / 2
    axis.set_ylim(middle - 5, middle + 5)
    _log_hertz(axis, [8, 16, 32, 64, 128, 256, 512])
    axis.set(xlabel="modulation frequency (Hz)", ylabel="power density (dB)")
    axis.legend(frameon=False, fontsize=8)
    return figure


def _simulators(report: RoomReport) -> Any:
    few = max(len(numbers) for numbers in report.comparisons.values())
    groups = {report.subject: report.rooms[:few], **report.comparisons}
    figure, axes = new_figure(9, 3, 3, share=False)
    for k, numbers in enumerate(groups.values()):
        vertical = [r.tail.shares[1] / sum(r.tail.shares) for r in numbers if r.tail is not None]
        ratios = [r.t30_s / r.t30_wanted_s for r in numbers if math.isfinite(r.t30_s)]
        errors = [max(r.live.direction_error_deg, 1e-5) for r in numbers if r.live is not None]
        for axis, values in zip(axes, (vertical, ratios, errors), strict=True):
            shift = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(len(values))
            axis.plot(k + shift, values, "o", color=(ACCENT, _WARM, _GREEN)[k % 3], markersize=4, alpha=0.8)
    axes[0].axhline(1 / 3, color=INK, linewidth=0.6)
    axes[1].axhline(1.0, color=INK, linewidth=0.6)
    axes[2].set_yscale("log")
    axes[0].set_ylim(0, 1)
    titles = ("vertical share of the tail", "T30 over target", "direct sound's direction error (°)")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=9)
        axis.set_xticks(range(len(groups)), [name.replace("-", "-\n", 1) for name in groups], fontsize=8)
        axis.set_xlim(-0.5, len(groups) - 0.5)
    return figure


def _two(width: float, height: float) -> tuple[Any, list[Any]]:
    return new_figure(width, height, 2, share=False)


def _boxes(axis: Any, columns: list[list[float]]) -> None:
    axis.boxplot(
        columns,
        positions=range(len(columns)),
        whis=(5, 95),
        showfliers=False,
        widths=0.6,
        boxprops={"color": ACCENT},
        whiskerprops={"color": ACCENT},
        capprops={"color": ACCENT},
        medianprops={"color": _WARM},
    )


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _log_hertz(axis: Any, ticks: list[float]) -> None:
    axis.set_xticks(ticks, [_hertz(t) for t in ticks])
    axis.xaxis.set_minor_locator(_no_ticks())


def _hertz(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
