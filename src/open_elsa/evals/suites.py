"""Named test sets, built the same way every time, and the one command that runs every task on one of them.

simulated: test clips in balanced simulated rooms that no training ever sees (their seed is kept for them).
measured: test clips at every place of measured rooms. mono: the test clips alone. Or the folder of any scene set.

What a recipe is chosen by is the validation split: the same suites of other clips in other rooms, under other names.
Measured rooms have no such counterpart, as they are all test rooms.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from open_elsa import corpora
from open_elsa.errors import ConfigError, DataError
from open_elsa.evals import baselines, captioning, localization, mono_classes, retrieval, zero_shot
from open_elsa.evals.observe import QUANTITIES, Embedder, EvalItem, Observations, observe
from open_elsa.evals.report import show, unit_of
from open_elsa.evals.result import Result
from open_elsa.scenes.bank import BANK_VERSION, make_bank
from open_elsa.scenes.draw_rooms import OMNIDIRECTIONAL
from open_elsa.scenes.measured import open_measured
from open_elsa.scenes.scene import Clip, SpatialWords
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes
from open_elsa.sound import audio

SUITES = ("simulated", "measured", "mono")
TASKS = ("retrieval", "zero_shot", "localization", "baselines", "classes", "captions")

#: Seeds of the rooms and scenes of each split; training recipes must use others.
SEEDS: dict[str, int] = {"test": 20_261_126, "val": 20_261_127}
#: Size of the simulated set: rooms x places, one scene for each; and the quick one.
ROOMS, PLACES = 150, 8
QUICK_ROOMS, QUICK_PLACES = 18, 4
#: Clips heard from every measured place.
CLIPS_A_PLACE, QUICK_CLIPS_A_PLACE = 20, 3
QUICK_MONO = 100

#: Measured rooms that are one room in several states are reported together under the first word of their names.
_FAMILY = re.compile(r"^(Lab)(\d+|RB?)$")
#: Floor areas that the recordings' papers state (R3VIVAL, Lab: 9.7 x 5.5 m) and positions.csv does not.
_KNOWN_AREAS_M2 = dict.fromkeys(("Lab025", "Lab050", "Lab075", "LabR", "LabRB"), 53.4)

#: The tests' scenes: clean enough that rooms, not noise, are tested. Measured rooms bring their own noise.
SIMULATED_RECIPE = SceneRecipe(duration_s=5.0, snr_db=(30.0, 60.0))
MEASURED_RECIPE = SceneRecipe(duration_s=5.0, snr_db=None)

#: Sources of the simulated suites radiate alike to all sides: a voice turned away sounds as one farther off does, and
#: "near or far" asks for the distance. Directive sources have a place in training banks and in `elsa rooms make`.
SIMULATED_RANGES = OMNIDIRECTIONAL

Split = Literal["test", "val"]

#: What a reader must know of the sets to judge a number; the classes' bounds are those of the balanced bank.
SIMULATED_ABOUT = (
    "{rooms} simulated shoebox rooms x {places} places of omnidirectional sources, one scene of 5 s each: one of "
    "{clips} {split} clips in a room whose seed no training uses, noise 30 to 60 dB below. The bank is balanced, not "
    "natural: size and reverberation of rooms and direction, elevation and distance of places go round their word "
    "classes in turn and lie inside them (azimuth within 34 degrees of front, left, back or right, so that no source "
    "stands between two words; elevation within 35 degrees or beyond 40; nearer than 1 m or, where the room allows, "
    "beyond 2 m)."
)
MEASURED_ABOUT = (
    "{places} places in measured rooms, {k} of {clips} test clips heard from each, 5 s a scene, no noise added "
    "to that of the measurement. Directions and distances are the recordings' own; places between two words count "
    "for errors and not for words."
)

Progressed = Callable[[int, int], None]


@dataclass(frozen=True)
class SceneItems:
    """A scene set as test items, rendered one at a time.

    family: groups measured rooms for reporting. about: how the set is made.
    """

    scenes: SceneSet
    name: str
    family: bool = False
    about: str = ""

    @property
    def revision(self) -> str:
        """Hash of every scene's id, clips and room responses."""
        digest = hashlib.sha256(str(self.scenes.manifest["bank"]).encode())
        for i in range(len(self)):
            digest.update(self.scenes[i].id.encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.scenes)

    def items(self) -> Iterator[EvalItem]:
        """Render scene after scene."""
        for i in range(len(self)):
            truth = self.scenes.truth(i)
            yield EvalItem(
                id=str(truth["id"]),
                samples=self.scenes.render(i),
                sample_rate=self.scenes.sample_rate,
                clip_id=str(truth["clip_id"]),
                label=str(truth["label"]),
                captions=self.scenes[i].captions,
                truth={q: truth[q] for q in QUANTITIES},
                words=SpatialWords(**truth["words"]),
                place=str(truth["response_id"]),
                group=family(str(truth["room_id"])) if self.family else "",
            )


@dataclass(frozen=True)
class MonoItems:
    """Clips alone, as mono sounds at their own rate; what comes after max_s is not heard."""

    clips: Sequence[Clip]
    name: str = "mono"
    max_s: float = 30.0
    split: Split = "test"

    @property
    def about(self) -> str:
        """How the set is made."""
        return f"{len(self)} {self.split} clips alone, mono at their own rate, the first {self.max_s:g} s of each."

    @property
    def revision(self) -> str:
        """Hash of the clips' ids, labels and durations."""
        rows = sorted(f"{c.id} {c.label} {c.duration_s:.3f}" for c in self.clips)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.clips)

    def items(self) -> Iterator[EvalItem]:
        """Read clip after clip."""
        for clip in self.clips:
            sound = audio.read(clip.path, duration_s=self.max_s)
            yield EvalItem(
                id=clip.id,
                samples=sound.w[None, :],
                sample_rate=sound.sample_rate,
                clip_id=clip.id,
                label=clip.label,
                captions=clip.captions,
            )


def family(room_id: str) -> str:
    """The name under which a measured room is reported: "Lab075" -> "Lab", "Vislab" -> "Vislab"."""
    found = _FAMILY.match(room_id)
    return found.group(1) if found else room_id


def held_out_clips(data_root: str | Path, split: Split = "test") -> list[Clip]:
    """The labelled clips of a split, by id: ESC-50's fold (4: test, 3: val) where the data has it, else every one.

    Raises DataError when the split has no labelled clip.
    """
    clips = sorted((c for c in corpora.load(data_root, splits=(split,)).clips if c.label), key=lambda c: c.id)
    chosen = [c for c in clips if c.corpus == "esc50"] or clips
    if not chosen:
        raise DataError(f"{data_root}: the split {split} has no clip with a label; evaluation needs classes")
    return chosen


def suite_name(name: str, split: Split) -> str:
    """What results are filed under: "simulated", or "simulated-val", so that no table mistakes one for the other."""
    return name if split == "test" else f"{name}-{split}"


def default_cache() -> Path:
    """Where test rooms and scenes are kept between runs: $XDG_CACHE_HOME/open-elsa/evals, or under ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "open-elsa" / "evals"


def simulated(
    data_root: str | Path,
    cache: Path,
    *,
    quick: bool = False,
    split: Split = "test",
    seed: int | None = None,
    workers: int = 1,
    progress: Progressed | None = None,
) -> SceneItems:
    """The simulated suite: a split's clips in balanced rooms of its own, one scene a response; kept in `cache`."""
    seed = SEEDS[split] if seed is None else seed
    rooms, places = (QUICK_ROOMS, QUICK_PLACES) if quick else (ROOMS, PLACES)
    stem = f"{rooms}x{places}-seed{seed}-bank{BANK_VERSION}"
    bank = make_bank(
        cache / f"rooms-{stem}",
        rooms=rooms,
        positions_per_room=places,
        seed=seed,
        ranges=SIMULATED_RANGES,
        balanced=True,
        workers=workers,
        progress=progress,
    )
    clips = held_out_clips(data_root, split)
    made = make_scenes(
        cache / f"simulated-{stem}-{MonoItems(clips).revision[:8]}",
        clips,
        bank,
        scenes=len(bank),
        seed=seed,
        recipe=SIMULATED_RECIPE,
    )
    about = SIMULATED_ABOUT.format(rooms=rooms, places=places, clips=len(clips), split=split)
    return SceneItems(made, suite_name("simulated", split), about=about)


def measured(
    data_root: str | Path,
    cache: Path,
    *,
    rooms: str | Path | None = None,
    quick: bool = False,
    seed: int = SEEDS["test"],
) -> SceneItems:
    """The measured suite: 20 test clips (quick: 3) at every place of every room under data_root/measured-rooms.

    The clips of a place are drawn without replacement from (seed, place). rooms: another folder of measured rooms.
    """
    folder = Path(rooms) if rooms is not None else Path(data_root) / "measured-rooms"
    if not folder.is_dir():
        raise DataError(f"there are no measured rooms at {folder}; name their folder or run the simulated suite")
    areas = {k: v for k, v in _KNOWN_AREAS_M2.items() if (folder / k).is_dir()}
    bank = open_measured(folder, floor_area_m2=areas)
    clips = held_out_clips(data_root)
    k = min(QUICK_CLIPS_A_PLACE if quick else CLIPS_A_PLACE, len(clips))
    pairs = [
        (clips[c].id, response)
        for place, response in enumerate(bank.ids)
        for c in np.random.default_rng([seed, place]).choice(len(clips), k, replace=False)
    ]
    name = f"measured-{k}-seed{seed}-{MonoItems(clips).revision[:8]}"
    made = make_scenes(cache / name, clips, bank, pairs=pairs, seed=seed, recipe=MEASURED_RECIPE)
    return SceneItems(
        made, "measured", family=True, about=MEASURED_ABOUT.format(k=k, places=len(bank), clips=len(clips))
    )


def run_suite(
    embedder: Embedder,
    name: str,
    out: str | Path,
    data_root: str | Path | None = None,
    *,
    tasks: Sequence[str] | None = None,
    quick: bool = False,
    cache: str | Path | None = None,
    split: Split = "test",
    seed: int | None = None,
    batch_size: int = 16,
    workers: int = 1,
    console: Console | None = None,
) -> list[Result]:
    """Run tasks on a suite ("simulated", "measured", "mono" or a folder of scenes) and save one JSON a task in `out`.

    data_root: folder of the captioned clips (and measured rooms); only a folder of scenes does without it. tasks: some
    of TASKS, all that the suite allows when None. split: "val" for the validation clips and rooms, by which recipes are
    chosen; its results are filed as "NAME-val". seed: of rooms and scenes, the split's own when None. Every sound is
    rendered and embedded once. console: where progress and a summary go, None = nowhere.
    Raises ConfigError for an unknown suite or task, and for measured rooms in validation: they are all test rooms.
    """
    console = console or Console(quiet=True)
    _check_names(name, tasks, split)
    seed = SEEDS[split] if seed is None else seed
    started = time.perf_counter()
    kept = Path(cache) if cache is not None else default_cache()
    with Progress(console=console, transient=True) as bars:

        def step(text: str) -> Progressed:
            task = bars.add_task(text, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        scenes: SceneItems | None = None
        if name == "simulated":
            root = _need(data_root, name)
            scenes = simulated(root, kept, quick=quick, split=split, seed=seed, workers=workers, progress=step("rooms"))
        elif name == "measured":
            scenes = measured(_need(data_root, name), kept, quick=quick, seed=seed)
        elif name != "mono":
            opened = SceneSet.open(name)
            scenes = SceneItems(opened, Path(name).resolve().name, about=f"{len(opened)} scenes of a folder given.")
        seen = None
        if scenes is not None:
            seen = observe(
                embedder, scenes, estimate=baselines.estimate, batch_size=batch_size, progress=step(f"{name} scenes")
            )
        alone = None
        if clips := _mono_clips(name, scenes, data_root, tasks, quick, split):
            mono = MonoItems(clips, suite_name("mono", split), split=split)
            alone = observe(embedder, mono, batch_size=batch_size, progress=step("mono clips"))
        options = [f"--task {task}" for task in tasks or ()] + (["--quick"] if quick else [])
        options += [] if split == "test" else [f"--split {split}"]
        command = " ".join([f"elsa eval {name}", *options])
        results = []
        for result in _tasks(embedder, seen, alone, tasks, name, out, console):
            results.append(replace(result, command=command))
            results[-1].save(out)
    console.print(summary(results))
    console.print(f"{len(results)} results in {out}, {time.perf_counter() - started:.0f} s")
    return results


def summary(results: Sequence[Result]) -> Table:
    """The main numbers of results as a table for the terminal."""
    table = Table("suite", "task", Column("metric", overflow="fold"), "value", "95 %", "n")
    for result in results:
        for metric in result.metrics:
            if metric not in result.intervals or ".facts." in metric:
                continue
            interval, unit = result.intervals[metric], unit_of(metric)
            span = f"{show(interval.low, unit, bare=True)}–{show(interval.high, unit, bare=True)}"
            n = result.metrics.get(f"{metric.rsplit('.', 1)[0]}.n", float(result.n))
            table.add_row(result.suite, result.task, metric, show(result.metrics[metric], unit), span, f"{n:.0f}")
    return table


def _tasks(
    embedder: Embedder,
    seen: Observations | None,
    alone: Observations | None,
    tasks: Sequence[str] | None,
    data_name: str,
    out: str | Path,
    console: Console,
) -> Iterator[Result]:
    """Run what is wanted and possible; a task that this set cannot do is left out, or raises where it was named."""
    where = seen or alone
    if where is None:
        raise ConfigError(f"none of the tasks {list(tasks or TASKS)} can be run on {data_name}")
    possible: dict[str, tuple[bool, Callable[[], Result]]] = {
        "retrieval": (any(where.captions), lambda: retrieval.run(embedder, where)),
        "zero_shot": (seen is not None, lambda: zero_shot.run(embedder, where)),
        "localization": (seen is not None, lambda: localization.run(where)),
        "baselines": (seen is not None, lambda: baselines.run(where)),
        "classes": (alone is not None, lambda: mono_classes.run(embedder, _given(alone), seen)),
        "captions": (seen is not None, lambda: captioning.run(embedder, where, out)),
    }
    for task, (can, run) in possible.items():
        if not can or task not in (tasks or TASKS):
            continue
        try:
            result = run()
        except DataError as error:
            if tasks:
                raise
            console.print(f"left out: {task}: {error}", markup=False)
        else:
            yield result


def _mono_clips(
    name: str,
    scenes: SceneItems | None,
    data_root: str | Path | None,
    tasks: Sequence[str] | None,
    quick: bool,
    split: Split,
) -> list[Clip]:
    """Clips to hear alone: all of the test's for "mono", else those of the scenes when classes are asked for."""
    if name == "mono":
        clips = held_out_clips(_need(data_root, name), split)
        return clips[:: max(1, len(clips) // QUICK_MONO)] if quick else clips
    if scenes is None or "classes" not in (tasks or TASKS):
        return []
    used = {scenes.scenes[i].clip_id for i in range(len(scenes))}
    clips = [clip for key, clip in sorted(scenes.scenes.clips.items()) if key in used]
    return clips if all(c.label for c in clips) and len({c.label for c in clips}) > 1 else []


def _check_names(name: str, tasks: Sequence[str] | None, split: Split) -> None:
    if split not in SEEDS:
        raise ConfigError(f"there is no split {split!r}; choose test or val")
    if split == "val" and name not in ("simulated", "mono"):
        raise ConfigError(f"{name} has no validation part: measured rooms and given scenes are only for tests")
    if name not in SUITES and not Path(name).is_dir():
        raise ConfigError(f"there is no suite {name!r}; choose one of {', '.join(SUITES)} or a folder of scenes")
    if unknown := [t for t in tasks or () if t not in TASKS]:
        raise ConfigError(f"there is no task {unknown[0]!r}; choose from {', '.join(TASKS)}")


def _need(data_root: str | Path | None, name: str) -> str | Path:
    if data_root is None:
        raise ConfigError(f"the suite {name!r} needs the folder of its clips: give the data folder")
    return data_root


def _given(observations: Observations | None) -> Observations:
    if observations is None:
        raise ConfigError("classes need mono clips")
    return observations
