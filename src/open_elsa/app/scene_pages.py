"""A report on scenes for people: one HTML file that holds its plots, and report.json with every number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from open_elsa.app import scene_plots
from open_elsa.app.room_pages import template
from open_elsa.scenes import places
from open_elsa.scenes.scene_report import SceneReport
from open_elsa.scenes.store import Store

#: Labels, clips that were left out and words that the page shows; report.json holds all.
MOST_LABELS, MOST_DROPPED = 60, 50


def write_report(report: SceneReport, folder: str | Path) -> list[str]:
    """Write report.html and report.json into a folder or URL, each whole or not at all; returns where they are.

    The same report makes the same bytes. Raises DataError where the folder cannot be made or the disk is full.
    """
    store = Store(folder)
    store.write_whole("report.html", page_of(report).encode())
    store.write_whole("report.json", report.to_json().encode())
    return [places.inside(folder, name) for name in ("report.html", "report.json")]


def page_of(report: SceneReport) -> str:
    """The page as text: it loads nothing from anywhere."""
    loud = report.loudness
    cards = [
        (
            scene,
            scene_plots.spectrogram(scene),
            scene_plots.compass(scene.sources),
            zip(scene.sources, scene_plots.SOURCE_COLOURS, strict=False),
        )
        for scene in report.sheet
    ]
    shown = dict(list(report.dropped.items())[:MOST_DROPPED])
    return str(
        template("scenes.html.j2").render(
            report=report,
            known=[d for d in report.quantities if d.n],
            rows=scene_plots.histograms(report.quantities),
            loud_rows=scene_plots.histograms([loud.lufs, loud.rms_dbfs, loud.peak_dbfs]),
            words={name.replace("_", " "): bars(counts) for name, counts in report.words.items()},
            labels=bars(dict(list(report.labels.items())[:MOST_LABELS])),
            granularity=bars(report.captions.granularity),
            says=bars(report.captions.says),
            cards=cards,
            dropped=shown,
        )
    )


def bars(counts: Mapping[str, float]) -> list[tuple[str, float, Markup]]:
    """Names with their numbers and a bar of that length beside the largest."""
    most = max(counts.values(), default=0) or 1
    return [
        (name or "none", count, Markup(f'<span class="bar" style="width:{100 * count / most:.1f}%"></span>'))
        for name, count in counts.items()
    ]
