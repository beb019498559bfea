"""The demo's page: one HTML file with players, a map of directions, a map of meanings, and credits."""

from __future__ import annotations

import base64
import math
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from numpy.typing import NDArray

from open_elsa.scenes.attributes import ATTRIBUTES
from open_elsa.scenes.scene import SpatialWords
from open_elsa.sound import audio

if TYPE_CHECKING:
    from open_elsa.app.demo import DemoOutcome, DemoScene, Place

Float32 = NDArray[np.float32]

PLAYER_RATE = 32_000
LICENCES = {
    "CC0-1.0": ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "CC-BY-3.0": ("CC BY 3.0", "https://creativecommons.org/licenses/by/3.0/"),
    "CC-BY-SA-3.0": ("CC BY-SA 3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
    "CC-BY-SA-4.0": ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
}


@dataclass(frozen=True)
class Row:
    """A scene as the page shows it."""

    scene: DemoScene
    place: str
    sound: Markup
    error: str


def render_demo(outcome: DemoOutcome, vectors: dict[str, Float32], sounds: list[dict[str, str]], folder: Path) -> str:
    """The page as text: outcome, the embedding of every file, credits.csv's rows, and the folder of the FLAC files."""
    rows = [
        Row(scene, place_in_words(scene.words), player(folder / scene.file), f"{scene.error_deg:.0f}°")
        for scene in outcome.scenes
    ]
    by_file = {row.scene.file: row for row in rows}
    matrix = np.stack([vectors[row.scene.file] for row in rows])
    environment = Environment(
        loader=PackageLoader("open_elsa.app"), autoescape=select_autoescape(["j2", "html"]), undefined=StrictUndefined
    )
    environment.filters |= {"angle": angle, "metres": metres, "number": number}
    page = environment.get_template("demo.html.j2").render(
        outcome=outcome,
        rows=rows,
        by_file=by_file,
        answers=[(a, by_file[a.files[0]]) for a in outcome.answers],
        errors=error_summary(outcome),
        compass=compass(outcome.scenes),
        elevations=elevations(outcome.scenes),
        meanings=meaning_map([row.scene for row in rows], matrix),
        sounds=[row | {"terms": LICENCES.get(row["licence"], (row["licence"], ""))} for row in sounds],
    )
    return str(page)


def place_in_words(words: SpatialWords) -> str:
    """The words of a scene, in the order of the table: "left, far, large room, highly reverberant"."""
    said = []
    for name in ATTRIBUTES:
        word = getattr(words, name)
        if word is not None:
            said.append(f"{word} room" if name == "room_size" else str(word))
    return ", ".join(said) or "no word fits"


def error_summary(outcome: DemoOutcome) -> dict[str, str]:
    """Median direction error and mean distance error over all scenes, as text."""
    distances = [abs(s.heard.distance_m - s.truth.distance_m) for s in outcome.scenes]
    angles = [s.error_deg for s in outcome.scenes]
    return {
        "mean": f"{np.mean(angles):.1f}°",
        "median": f"{np.median(angles):.1f}°",
        "distance": f"{np.mean(distances):.2f} m",
    }


# -- sound -----------------------------------------------------------------------------------------------------------


def player(path: Path) -> Markup:
    """An audio element that carries the scene within the page, folded to stereo."""
    sound = audio.read(path, convention="ambix")
    stereo = audio.resample(fold_to_stereo(sound.samples), sound.sample_rate, PLAYER_RATE)
    stereo *= 0.7 / max(float(np.abs(stereo).max()), 1e-9)
    with tempfile.TemporaryDirectory() as folder:
        mp3 = audio.write(Path(folder) / "scene.mp3", stereo, PLAYER_RATE)
        data = base64.b64encode(mp3.read_bytes()).decode("ascii")
    name = escape(path.stem.replace("-", " "))
    return Markup(f'<audio controls preload="none" aria-label="{name}" src="data:audio/mpeg;base64,{data}"></audio>')


def fold_to_stereo(foa: Float32) -> Float32:
    """AmbiX (4, n) as heard by two cardioids back to back, one to the left and one to the right: (2, n)."""
    return np.stack([0.5 * (foa[0] + foa[1]), 0.5 * (foa[0] - foa[1])]).astype(np.float32)


# -- pictures --------------------------------------------------------------------------------------------------------


def compass(scenes: tuple[DemoScene, ...], rings_m: tuple[float, ...] = (1.0, 2.0, 4.0)) -> Markup:
    """A map from above, listener in the middle facing up: true places (dots), heard places (rings), a line between."""
    size, reach = 400.0, 170.0
    middle = size / 2

    def at(place: Place, far_m: float = 5.0) -> tuple[float, float]:
        # the square root keeps near places apart; azimuth 0 is up and +90 is to the left, as the listener has it
        r = reach * math.sqrt(min(place.distance_m, far_m) / far_m)
        a = math.radians(place.azimuth_deg)
        return middle - r * math.sin(a), middle - r * math.cos(a)

    parts = [f'<svg viewBox="0 0 {size:g} {size:g}" role="img" aria-label="True and heard places, seen from above">']
    for metre in rings_m:
        r = reach * math.sqrt(metre / 5.0)
        parts.append(f'<circle class="grid" cx="{middle}" cy="{middle}" r="{r:.1f}"/>')
        parts.append(f'<text class="tick" x="{middle + 3}" y="{middle - r - 3:.1f}">{metre:g} m</text>')
    for degrees in range(0, 180, 45):
        dx, dy = reach * math.sin(math.radians(degrees)), reach * math.cos(math.radians(degrees))
        ends = f'x1="{middle - dx:.1f}" y1="{middle - dy:.1f}" x2="{middle + dx:.1f}" y2="{middle + dy:.1f}"'
        parts.append(f'<line class="grid" {ends}/>')
    for word, x, y in (
        ("front", middle, 16.0), ("back", middle, size - 6), ("left", 4.0, middle - 8), ("right", size - 4, middle - 8),
    ):  # fmt: skip
        anchor = {"left": "start", "right": "end"}.get(word, "middle")
        parts.append(f'<text class="side" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{word}</text>')
    parts.append(f'<path class="listener" d="M{middle} {middle - 8} l6 13 l-6 -3 l-6 3 z"/>')
    for scene in scenes:
        (x, y), (u, v) = at(scene.truth), at(scene.heard)
        parts.append(
            f'<g class="pair"><title>{escape(_told(scene))}</title>'
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{u:.1f}" y2="{v:.1f}"/>'
            f'<circle class="true" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
            f'<circle class="heard" cx="{u:.1f}" cy="{v:.1f}" r="5.5"/></g>'
        )
    return Markup("".join([*parts, "</svg>"]))


def elevations(scenes: tuple[DemoScene, ...]) -> Markup:
    """True elevation across, heard elevation up; on the diagonal the model is right."""
    size, low, high = 300.0, -60.0, 90.0
    left, bottom, span = 38.0, 264.0, 250.0

    def along(value: float) -> float:
        return span * (min(max(value, low), high) - low) / (high - low)

    parts = [f'<svg viewBox="0 0 {size:g} {size:g}" role="img" aria-label="True and heard elevation">']
    for tick in (-45, 0, 45, 90):
        x, y = left + along(tick), bottom - along(tick)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + span}" y2="{y:.1f}"/>')
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom - span}"/>')
        parts.append(f'<text class="tick" x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{tick}°</text>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{tick}°</text>')
    parts.append(f'<line class="diagonal" x1="{left}" y1="{bottom}" x2="{left + span}" y2="{bottom - span}"/>')
    parts.append(f'<text class="tick" x="{left + span}" y="{size - 5:g}" text-anchor="end">true elevation</text>')
    parts.append(f'<text class="tick" x="{left + 4}" y="{bottom - span - 4:g}">heard elevation</text>')
    for scene in scenes:
        x, y = left + along(scene.truth.elevation_deg), bottom - along(scene.heard.elevation_deg)
        parts.append(
            f'<circle class="heard" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{escape(_told(scene))}</title></circle>'
        )
    return Markup("".join([*parts, "</svg>"]))


def meaning_map(scenes: list[DemoScene], vectors: Float32) -> Markup:
    """The embeddings (n, d) on their two widest axes, coloured by true direction, each sound named above."""
    width, height, edge = 640.0, 440.0, 46.0
    points = project(vectors)
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - low) / np.maximum(high - low, 1e-9)
    xs, ys = edge + points[:, 0] * (width - 2 * edge), height - edge - points[:, 1] * (height - 2 * edge)
    parts = [f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="Map of the embeddings">']
    labels = list(dict.fromkeys(scene.label for scene in scenes))
    middles = {}
    for label in labels:
        mine = [i for i, scene in enumerate(scenes) if scene.label == label]
        x, y = float(np.mean(xs[mine])), float(np.mean(ys[mine]))
        middles[label] = (x, float(np.min(ys[mine])) - 10)
        parts += [f'<line class="thread" x1="{x:.1f}" y1="{y:.1f}" x2="{xs[i]:.1f}" y2="{ys[i]:.1f}"/>' for i in mine]
    for i, scene in enumerate(scenes):
        kind = scene.words.direction or "between"
        told = f"<title>{escape(_told(scene))}</title>"
        parts.append(f'<circle class="dot {kind}" cx="{xs[i]:.1f}" cy="{ys[i]:.1f}" r="6">{told}</circle>')
    for label, (x, y) in spread(middles).items():
        parts.append(f'<text class="name" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(label)}</text>')
    return Markup("".join([*parts, "</svg>"]))


def project(vectors: Float32) -> NDArray[np.float64]:
    """The two widest principal axes of (n, d) vectors: (n, 2); each axis' sign is set so that it is reproducible."""
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2, np.abs(axes[:2]).argmax(axis=1)].diagonal())[:, None]
    return np.asarray(centred @ axes.T)


def spread(places: dict[str, tuple[float, float]], line: float = 15.0) -> dict[str, tuple[float, float]]:
    """Move names apart up and down until none covers another; names and places in, the same out."""
    settled: dict[str, tuple[float, float]] = {}
    for name, (x, y) in sorted(places.items(), key=lambda item: item[1][1]):
        for other, (u, v) in sorted(settled.items(), key=lambda item: item[1][1]):
            if abs(u - x) < 4.0 * (len(name) + len(other)) and abs(v - y) < line:
                y = v + line
        settled[name] = (x, y)
    return settled


# -- numbers in words ------------------------------------------------------------------------------------------------


def angle(value: float | None) -> str:
    """Degrees for people: "−35°"; a dash for None."""
    return "–" if value is None else f"{value:.0f}°".replace("-", "−").replace("−0°", "0°")


def metres(value: float | None) -> str:
    """Metres with one decimal."""
    return "–" if value is None else f"{value:.1f} m"


def number(value: float | None, decimals: int = 0, unit: str = "") -> str:
    """A number with a unit."""
    return "–" if value is None else f"{value:.{decimals}f}{unit}"


def _told(scene: DemoScene) -> str:
    def one(place: Place) -> str:
        return f"azimuth {angle(place.azimuth_deg)}, elevation {angle(place.elevation_deg)}, {metres(place.distance_m)}"

    return f"{scene.label}: true {one(scene.truth)}; heard {one(scene.heard)}; off by {scene.error_deg:.0f}°"
