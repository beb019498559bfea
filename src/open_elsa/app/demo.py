"""The demo: a dozen real recordings in rooms never trained on, asked in plain words what they are and where."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from open_elsa.app import report
from open_elsa.errors import DataError
from open_elsa.scenes.attributes import words_for
from open_elsa.scenes.render import render
from open_elsa.scenes.rooms import RoomRanges, draw_position, draw_room, simulate
from open_elsa.scenes.scene import RoomResponse, SpatialWords
from open_elsa.scenes.scene_files import write_text
from open_elsa.search.index import Hit, Index
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder, load

SOUNDS = Path(__file__).parent / "demo_sounds"
#: Rooms are drawn from this; training draws its rooms from seeds of its own.
SEED = 2026
SAMPLE_RATE = 48_000
SCENE_S = 5.0
REPORT = "report.html"
OUTCOME = "demo.json"
#: Short sounds are heard again after this pause, as a person would repeat them.
PAUSE_S = 0.7
START_S = 0.25

Progress = Callable[[str, int, int], None]

_AZIMUTH_DEG = {"front": 0.0, "left": 90.0, "back": 180.0, "right": -90.0}
_ELEVATION_DEG = {"level": (-20.0, 20.0), "up": (44.0, 58.0)}
_DISTANCE_M = {"near": (0.5, 0.95), "middle": (1.1, 1.9), "far": (2.1, 4.0)}
_ROOMS = {
    "small": RoomRanges(floor_area_m2=(15.0, 40.0), t30_s=(0.15, 0.19)),
    "middle": RoomRanges(floor_area_m2=(55.0, 95.0), t30_s=(0.3, 0.8), height_m=(3.0, 5.0)),
    "hall": RoomRanges(floor_area_m2=(110.0, 250.0), t30_s=(1.2, 2.2), height_m=(4.0, 6.0)),
}

#: Sound -> three places: direction, height, distance, room. The numbers inside each are drawn by the seed.
PLAN: dict[str, tuple[str, str, str]] = {
    "airplane": ("left level middle middle", "right level far hall", "back level near small"),
    "horse": ("front level far hall", "left level near small", "right level middle middle"),
    "bird": ("front up middle hall", "right level near small", "back level far middle"),
    "lion": ("back level far hall", "front level near small", "left level middle middle"),
    "steam whistle": ("right level far hall", "front level near small", "back level middle middle"),
    "ship horn": ("left level far hall", "back level near small", "right level middle middle"),
    "applause": ("right level far hall", "front level near small", "left level middle middle"),
    "helicopter": ("back up middle hall", "left level near small", "right level far middle"),
    "engine": ("front level far hall", "left level near small", "back level middle middle"),
    "jackhammer": ("left level far hall", "right level near small", "front level middle middle"),
    "doorbell": ("left level far hall", "right level near small", "back level middle middle"),
    "rain": ("back level far hall", "front up middle middle", "left level near small"),
}


@dataclass(frozen=True)
class Query:
    """A question and what makes an answer right: the sound's label, and every word in `wanted` true of the scene."""

    text: str
    label: str
    wanted: SpatialWords


QUERIES = (
    Query("an airplane passing on my left", "airplane", SpatialWords(direction="left")),
    Query("a horse neighing in front of me", "horse", SpatialWords(direction="front")),
    Query("rain falling behind me", "rain", SpatialWords(direction="back")),
    Query("a bird chirping above me", "bird", SpatialWords(elevation="up")),
    Query("a lion roaring far away behind me", "lion", SpatialWords(direction="back", distance="far")),
    Query("a doorbell ringing close to me", "doorbell", SpatialWords(distance="near")),
    Query(
        "an audience clapping on my right in a large room",
        "applause",
        SpatialWords(direction="right", room_size="large"),
    ),
    Query(
        "an engine starting in a highly reverberant room", "engine", SpatialWords(reverberation="highly reverberant")
    ),
)


@dataclass(frozen=True)
class Place:
    """Numbers of a scene: true ones, or what the model says (None where it doesn't say)."""

    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    floor_area_m2: float | None
    t30_s: float | None


@dataclass(frozen=True)
class DemoScene:
    """One scene: file below OUT, what it is, where it truly is, what the model said, and the angle between the two."""

    file: str
    label: str
    caption: str
    truth: Place
    words: SpatialWords
    heard: Place
    error_deg: float


@dataclass(frozen=True)
class Answer:
    """A query with the files found (best first), whether the first is right, and the rank of the first right one."""

    query: Query
    files: tuple[str, ...]
    scores: tuple[float, ...]
    what_right: bool
    where_right: bool
    rank: int

    @property
    def right(self) -> bool:
        """Both the sound and every spatial word are true of the first answer."""
        return self.what_right and self.where_right


@dataclass(frozen=True)
class DemoOutcome:
    """Everything the demo found; `as_dict` is what --json prints."""

    out: Path
    report: Path
    model: str
    seed: int
    scenes: tuple[DemoScene, ...]
    answers: tuple[Answer, ...]
    seconds: float

    @property
    def right(self) -> int:
        """How many queries were answered right."""
        return sum(a.right for a in self.answers)

    @property
    def mean_error_deg(self) -> float:
        """Mean great-circle error of direction over all scenes, in degrees."""
        return float(np.mean([s.error_deg for s in self.scenes]))

    @property
    def next_command(self) -> str:
        """What to try next, on one's own sounds."""
        return 'elsa index YOUR-FOLDER && elsa search "footsteps on the left" YOUR-FOLDER'

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        plain = asdict(self) | {"out": str(self.out), "report": str(self.report)}
        return plain | {"right": self.right, "mean_error_deg": self.mean_error_deg, "next_command": self.next_command}


def run_demo(
    out: str | Path,
    *,
    seed: int = SEED,
    force: bool = False,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> DemoOutcome:
    """Make the scenes, index them, ask the eight queries and write OUT/report.html and OUT/demo.json.

    out: a folder, made when absent. embedder: the shipped model unless given. progress(step, done, total).
    The same seed gives the same scenes, bit for bit. Raises DataError where `out` has files in it, unless force.
    """
    started = time.perf_counter()
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not force:
        raise DataError(
            f"{folder} isn't an empty folder; choose another --out, or pass --force to write over an older demo"
        )
    sounds = folder / "sounds"
    sounds.mkdir(parents=True, exist_ok=True)
    tell = progress or (lambda step, done, total: None)
    tell("loading the model", 0, 1)
    model = embedder or load()
    scenes = _make_scenes(sounds, seed, tell)
    tell("listening", 0, len(scenes))
    index = Index.build(sounds, model, force=force, progress=lambda done, total: tell("listening", done, total))
    if index.report.problems:
        raise DataError(f"{index.report.problems[0].file}: {index.report.problems[0].reason}")
    scenes = [_heard(scene, index) for scene in scenes]
    answers = tuple(_ask(query, index, scenes) for query in QUERIES)
    seconds = time.perf_counter() - started
    outcome = DemoOutcome(folder, folder / REPORT, model.name, seed, tuple(scenes), answers, seconds)
    tell("writing the report", 0, 1)
    found = index.vectors
    vectors = {file: found[i] for i, file in enumerate(index.rows()["file"].to_pylist())}
    write_text(folder / REPORT, report.render_demo(outcome, vectors, credits_of_sounds(), sounds))
    outcome = replace(outcome, seconds=time.perf_counter() - started)
    write_text(folder / OUTCOME, json.dumps(outcome.as_dict(), indent=1) + "\n")
    return outcome


def credits_of_sounds() -> list[dict[str, str]]:
    """The rows of credits.csv: file, title, label, caption, package, original_path, author, licence, source, sha256."""
    with (SOUNDS / "credits.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- scenes ----------------------------------------------------------------------------------------------------------


def _make_scenes(folder: Path, seed: int, tell: Progress) -> list[DemoScene]:
    rows = {row["label"]: row for row in credits_of_sounds()}
    total = sum(len(places) for places in PLAN.values())
    scenes: list[DemoScene] = []
    for i, (label, places) in enumerate(PLAN.items()):
        recording = audio.to_rate(audio.read(SOUNDS / rows[label]["file"]), SAMPLE_RATE).w
        for k, place in enumerate(places):
            tell("placing sounds in rooms", len(scenes), total)
            rng = np.random.default_rng([seed, i, k])
            response = _room_for(place, rng, f"demo-{i}-{k}")
            truth = _truth(response)
            name = f"{label.replace(' ', '-')}-{k + 1}.flac"
            audio.write(folder / name, _scene(recording, response, rng), SAMPLE_RATE, overwrite=True)
            words = words_for(**asdict(truth))
            scenes.append(DemoScene(name, label, rows[label]["caption"], truth, words, truth, 0.0))
    return scenes


def _room_for(place: str, rng: np.random.Generator, room_id: str) -> RoomResponse:
    """Draw rooms and places until one's measured numbers carry the words that the plan asks for."""
    direction, height, reach, room = place.split()
    centre = _AZIMUTH_DEG[direction]
    ranges = replace(
        _ROOMS[room],
        azimuth_deg=(centre - 25.0, centre + 25.0),
        elevation_deg=_ELEVATION_DEG[height],
        distance_m=_DISTANCE_M[reach],
    )
    low, high = ranges.distance_m
    for _ in range(100):
        drawn = draw_room(rng, ranges, room_id)
        try:
            position = draw_position(rng, drawn, ranges)
        except DataError:  # this room has no such place: draw another
            continue
        if not low <= position.distance_m <= high:
            continue
        response = simulate(drawn, position, rng, SAMPLE_RATE)
        words = words_for(**asdict(_truth(response)))
        wanted = {"small": "acoustically dampened", "middle": None, "hall": "highly reverberant"}[room]
        if words.direction == direction and words.reverberation == wanted:
            return response
    raise DataError(f"no room in 100 draws holds a place {place!r}; use another --seed")


def _truth(response: RoomResponse) -> Place:
    area = None if response.room is None else response.room.floor_area_m2
    at = response.position
    return Place(at.azimuth_deg, at.elevation_deg, at.distance_m, area, response.acoustics.t30_s)


def _scene(recording: NDArray[np.float32], response: RoomResponse, rng: np.random.Generator) -> NDArray[np.float32]:
    """The recording, repeated with pauses, heard in the room: (4, 5 s), peak -3 dBFS, noise 50 dB below."""
    length = round(SCENE_S * SAMPLE_RATE)
    dry = np.zeros(length, np.float32)
    at = round(START_S * SAMPLE_RATE)
    step = len(recording) + round(PAUSE_S * SAMPLE_RATE)
    # a repetition starts only where it fits whole; the first may be longer than the scene and is then cut
    while at == round(START_S * SAMPLE_RATE) or at + len(recording) <= length:
        piece = recording[: length - at]
        dry[at : at + len(piece)] = piece
        at += step
    wet = render(dry, response.response, noise=(50.0, rng), length=length)
    return np.asarray(10 ** (-3 / 20) / np.abs(wet).max() * wet, np.float32)


# -- asking ----------------------------------------------------------------------------------------------------------


def _heard(scene: DemoScene, index: Index) -> DemoScene:
    rows = index.rows()
    row = rows["file"].to_pylist().index(scene.file)

    def value(name: str) -> float:
        found = rows[name][row].as_py()
        return math.nan if found is None else float(found)

    area, t30 = (None if math.isnan(value(name)) else value(name) for name in ("floor_area_m2", "t30_s"))
    place = Place(value("azimuth_deg"), value("elevation_deg"), value("distance_m"), area, t30)
    true = foa.unit_vector(scene.truth.azimuth_deg, scene.truth.elevation_deg)
    error = foa.angular_error_deg(true, foa.unit_vector(place.azimuth_deg, place.elevation_deg))
    return replace(scene, heard=place, error_deg=float(error))


def _ask(query: Query, index: Index, scenes: list[DemoScene]) -> Answer:
    hits: list[Hit] = index.search(query.text, k=len(scenes))
    by_file = {scene.file: scene for scene in scenes}
    ranked = [by_file[hit.file] for hit in hits]
    rights = [is_right(query, scene) for scene in ranked]
    first = next((i for i, (what, where) in enumerate(rights) if what and where), len(rights)) + 1
    best = hits[:3]
    return Answer(query, tuple(h.file for h in best), tuple(h.score for h in best), *rights[0], first)


def is_right(query: Query, scene: DemoScene) -> tuple[bool, bool]:
    """(the sound is the one asked for, every spatial word asked for is true of the scene)."""
    wanted = {name: word for name, word in asdict(query.wanted).items() if word is not None}
    return scene.label == query.label, all(getattr(scene.words, name) == word for name, word in wanted.items())
