"""What a set of scenes or a bank of rooms will cost, before it is made: a few seconds of the real work, and arithmetic.

`measure_scenes` and `measure_rooms` do the work and time it, `plan_scenes` and `plan_rooms` only calculate.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import machine
from open_elsa.scenes.bank import SHARD_RESPONSES, make_bank
from open_elsa.scenes.drawing import check_possible
from open_elsa.scenes.export import PEAK
from open_elsa.scenes.recipe import SceneRecipe
from open_elsa.scenes.room_references import OURS
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_files import Bank, truths_of
from open_elsa.scenes.scene_set import SceneSet
from open_elsa.scenes.set_files import SetFiles
from open_elsa.scenes.synthesis import PART_SCENES, _Maker, _Plan, make_scenes
from open_elsa.sound import audio

Clock = Callable[[], float]
#: How long the work is measured, in seconds, and the most rows that are drawn for it.
SECONDS, MOST_ROWS = 6.0, 2048


@dataclass(frozen=True)
class Measured:
    """Work of one core that was timed: n items in so many seconds, and the bytes that they made."""

    n: int
    seconds: float
    bytes: int = 0

    @property
    def each_s(self) -> float:
        """Seconds an item; 0 where nothing was timed."""
        return self.seconds / self.n if self.n else 0.0

    @property
    def each_bytes(self) -> float:
        """Bytes an item."""
        return self.bytes / self.n if self.n else 0.0


@dataclass(frozen=True)
class SceneRates:
    """What scenes cost on one core of `machine`.

    clips: looking at one for its silence and level, once a process. rows: drawing one whose clips are known, bytes as
    Parquet. rendered: decoding, response, convolution. written: as 16-bit FLAC. scene_s: mean length of a scene in
    seconds. sources: mean number of a scene. clips_held: clips that a process remembers.
    """

    clips: Measured
    rows: Measured
    rendered: Measured
    written: Measured
    scene_s: float
    sources: float
    clips_held: int
    machine: str


@dataclass(frozen=True)
class Stage:
    """One part of a plan: core-hours and hours on all machines together (0 for what is there), and bytes on disk."""

    name: str
    core_hours: float
    wall_hours: float
    bytes: int | None


@dataclass(frozen=True)
class Plan:
    """What making `count` scenes or responses takes on `machines` of `cores` cores.

    hours: of sound, None for responses. stages: its parts; rendered is part of exported. measured: what was timed, on
    `machine`. Cores are taken to be as fast together as one was alone.
    """

    what: str
    count: int
    hours: float | None
    machines: int
    cores: int
    stages: tuple[Stage, ...]
    measured: Mapping[str, Measured]
    machine: str

    def stage(self, name: str) -> Stage:
        """A part by its name."""
        return next(stage for stage in self.stages if stage.name == name)


def plan_scenes(
    rates: SceneRates, scenes: int, *, clips: int, machines: int = 1, cores: int = 1, bank_bytes: int | None = None
) -> Plan:
    """Calculate what `scenes` scenes of `clips` clips take. Raises ConfigError below one machine, core or scene."""
    spread = _Spread(machines, cores, scenes, PART_SCENES)
    uses = scenes * rates.sources
    # a process looks at each of its clips once, as long as it remembers them all
    looks = min(uses, clips * spread.processes) if clips <= rates.clips_held else uses
    rows = scenes * rates.rows.each_s + looks * rates.clips.each_s
    rendered = scenes * rates.rendered.each_s
    exported = rendered + scenes * rates.written.each_s
    return Plan(
        what="scenes",
        count=scenes,
        hours=scenes * rates.scene_s / 3600.0,
        machines=machines,
        cores=cores,
        stages=(
            spread.stage("rows", rows, round(scenes * rates.rows.each_bytes)),
            spread.stage("rendered", rendered, None),
            spread.stage("exported", exported, round(scenes * rates.written.each_bytes)),
            Stage("bank", 0.0, 0.0, bank_bytes),
        ),
        measured={name: getattr(rates, name) for name in ("clips", "rows", "rendered", "written")},
        machine=rates.machine,
    )


def plan_rooms(measured: Measured, responses: int, *, machines: int = 1, cores: int = 1) -> Plan:
    """Calculate what a bank of `responses` responses takes. Raises ConfigError as `plan_scenes` does."""
    spread = _Spread(machines, cores, responses, SHARD_RESPONSES)
    stage = spread.stage("bank", responses * measured.each_s, round(responses * measured.each_bytes))
    told = {"responses": measured}
    return Plan("responses", responses, None, machines, cores, (stage,), told, machine.described())


class _Spread:
    """How items spread over processes: in parts that one process makes whole."""

    def __init__(self, machines: int, cores: int, items: int, part: int) -> None:
        if min(machines, cores, items) < 1:
            raise ConfigError(f"a plan needs a machine, a core and an item at least, got {machines}, {cores}, {items}")
        self.parts = math.ceil(items / part)
        self.processes = min(machines * cores, self.parts)

    def stage(self, name: str, seconds: float, size: int | None) -> Stage:
        """The stage whose work takes one core so many seconds: the busiest process has one part more than others."""
        share = math.ceil(self.parts / self.processes) / self.parts
        return Stage(name, seconds / 3600.0, seconds / 3600.0 * share, size)


# -- measuring -------------------------------------------------------------------------------------------------------


def measure_scenes(
    clips: Sequence[Clip],
    bank: Bank,
    *,
    scenes: int | None = None,
    per_clip: int | None = None,
    seed: int = 0,
    recipe: SceneRecipe | None = None,
    seconds: float = SECONDS,
    clock: Clock = time.perf_counter,
) -> tuple[SceneRates, int]:
    """Make, render and write the first scenes of a set in a temporary folder: (rates, scenes that were asked for).

    Arguments are those of `make_scenes`; seconds: how long, about. clock: seconds that grow. Raises as `make_scenes`
    does, and DataError when no scene of the first ones can be made.
    """
    recipe = recipe or SceneRecipe()
    plan = _Plan.of(clips, bank, scenes, per_clip, None, seed, recipe)
    if not recipe.plain:
        check_possible(recipe, plan.clips, bank, truths_of(bank))
    rows, looked, drawn = _draw(plan, bank, seconds / 3.0, clock)
    with tempfile.TemporaryDirectory(prefix="elsa-plan-") as folder:
        pairs = [(clips[c].id, bank.ids[r]) for c, r in map(plan.choose, range(looked.tried))]
        made = make_scenes(
            Path(folder) / "scenes", clips, bank, pairs=pairs, seed=seed, recipe=recipe, max_problems=None
        )
        rendered, written = _render(made, Path(folder), seconds * 2.0 / 3.0, clock)
        size = _bytes_of_rows(made)
    return SceneRates(
        clips=looked.clips,
        rows=replace(drawn, bytes=size),
        rendered=rendered,
        written=written,
        scene_s=float(np.mean([row["scene"].duration_s for row in rows])),
        sources=float(np.mean([max(1, len(row["scene"].sources)) for row in rows])),
        clips_held=looked.held,
        machine=machine.described(),
    ), plan.total


def _draw(plan: _Plan, bank: Bank, seconds: float, clock: Clock) -> tuple[list[dict[str, Any]], _Looked, Measured]:
    """Rows of the first scenes; looking at their clips, and drawing the rows once those are known."""
    nowhere = SetFiles(Path())  # rows are drawn, not written
    first = _Maker(plan, bank, nowhere, PART_SCENES)
    rows: list[dict[str, Any]] = []
    start, spent, tried = clock(), 0.0, 0
    while tried < min(plan.total, MOST_ROWS) and (spent < seconds or not rows):
        row = first.row(tried)
        tried, spent = tried + 1, clock() - start
        if row is not None:
            rows.append(row)
    if not rows:
        path, reason = next(iter(first.take_problems().items()))
        raise DataError(f"none of the first {tried} scenes can be made; the first reason: {path}: {reason}")
    again = _Maker(plan, bank, nowhere, PART_SCENES)  # that has decoded nothing, but knows the clips
    again.profiles = first.profiles
    start = clock()
    for index in range(tried):
        again.row(index)
    drawn = clock() - start
    clips = len({clip for row in rows for clip in _clips_of(row)})
    looked = _Looked(tried, Measured(clips, max(0.0, spent - drawn)), first.profiles.size)
    return rows, looked, Measured(len(rows), drawn)


@dataclass(frozen=True)
class _Looked:
    """Scenes that were tried, the clips that were looked at for them, and how many a process remembers."""

    tried: int
    clips: Measured
    held: int


def _bytes_of_rows(made: SceneSet) -> int:
    """Bytes that the rows of a set take, without those that a file without rows has."""
    sizes = []
    for table in (made.table, made.table.slice(0, 0)):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        sizes.append(sink.getvalue().size)
    return int(sizes[0] - sizes[1])


def _clips_of(row: Mapping[str, Any]) -> list[str]:
    scene = row["scene"]
    return [source.clip_id for source in scene.sources] or [scene.clip_id]


def _render(made: SceneSet, folder: Path, seconds: float, clock: Clock) -> tuple[Measured, Measured]:
    """Render scenes in order and write each as 16-bit FLAC."""
    rendering = writing = 0.0
    size = n = 0
    path = folder / "scene.flac"
    while n < len(made) and (rendering + writing < seconds or not n):
        start = clock()
        sound = made.render(n)
        between = clock()
        sound *= np.float32(min(1.0, PEAK / max(float(np.abs(sound).max()), 1e-9)))
        audio.write(path, sound, made.sample_rate, subtype="PCM_16", overwrite=True)
        n, size = n + 1, size + path.stat().st_size
        rendering, writing = rendering + between - start, writing + clock() - between
    return Measured(n, rendering), Measured(n, writing, size)


def measure_rooms(
    *,
    rooms: int,
    positions_per_room: int,
    seed: int,
    sample_rate: int = 48_000,
    balanced: bool = False,
    simulator: str = OURS,
    seconds: float = SECONDS,
    clock: Clock = time.perf_counter,
) -> Measured:
    """Simulate the first rooms of a bank in temporary folders, ever more of them, until it took about `seconds`.

    Arguments are those of `make_bank`, which raises for impossible ones. The largest of these banks counts.
    """
    count, spent = 1, 0.0
    while True:
        with tempfile.TemporaryDirectory(prefix="elsa-plan-") as folder:
            start = clock()
            bank = make_bank(
                folder,
                rooms=min(count, rooms),
                positions_per_room=positions_per_room,
                seed=seed,
                sample_rate=sample_rate,
                balanced=balanced,
                simulator=simulator,
            )
            took = clock() - start
            found = Measured(len(bank), took, _size(Path(folder)))
        spent += took
        if count >= rooms or (spent + 2.0 * took > seconds and count > 1):
            return found
        count *= 2


def bytes_of(bank: Bank) -> int | None:
    """How much room a bank's folder takes; None where it has none."""
    folder = getattr(bank, "folder", None)
    return None if folder is None else _size(Path(folder))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
