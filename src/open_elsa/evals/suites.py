"""Named suites and the one command that runs every task on one of them.

simulated: test clips in balanced simulated rooms that no training ever sees (their seed is kept for them). eight: the
same scenes turned evenly round the circle. two: two sources at once in those rooms. measured: test clips at every place
of measured rooms. mono: the test clips alone. Or the folder of any scene set.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from open_elsa.errors import ConfigError, DataError
from open_elsa.evals import baselines
from open_elsa.evals.items import MonoItems, SceneItems, Split, TurnedItems, family
from open_elsa.evals.observe import Embedder, EvalSet, observe
from open_elsa.evals.report import show, unit_of
from open_elsa.evals.result import Result
from open_elsa.evals.sets import (
    SEEDS,
    Progressed,
    default_cache,
    eight,
    held_out_clips,
    measured,
    mono,
    simulated,
    suite_name,
    two,
)
from open_elsa.evals.tasks import TASKS, Heard
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.synthesis import SceneSet

__all__ = [
    "SEEDS",
    "SUITES",
    "TASKS",
    "MonoItems",
    "SceneItems",
    "Split",
    "Suite",
    "TurnedItems",
    "default_cache",
    "eight",
    "family",
    "held_out_clips",
    "measured",
    "mono",
    "run_suite",
    "simulated",
    "suite_name",
    "summary",
    "two",
]


@dataclass(frozen=True)
class Suite:
    """A test set that has a name.

    make: builds it from (data_root, cache, *, quick, split, seed, workers, progress). val: whether it has a validation
    part. alone: a set of clips alone, which are heard as mono sounds.
    """

    make: Callable[..., EvalSet]
    val: bool = True
    alone: bool = False


def _measured(data_root: str | Path, cache: Path, *, quick: bool, seed: int, **_: Any) -> EvalSet:
    return measured(data_root, cache, quick=quick, seed=seed)


def _mono(data_root: str | Path, _: Path, *, quick: bool, split: Split, **__: Any) -> EvalSet:
    return mono(data_root, quick=quick, split=split)


#: Suites by name; a new one is a line here.
SUITES: dict[str, Suite] = {
    "simulated": Suite(simulated),
    "eight": Suite(eight),
    "two": Suite(two),
    "measured": Suite(_measured, val=False),
    "mono": Suite(_mono, alone=True),
}


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
    """Run tasks on a suite (a name of SUITES or a folder of scenes) and save one JSON a task in `out`.

    data_root: folder of the captioned clips (and measured rooms); only a folder of scenes does without it. tasks: some
    of TASKS, all that are usual for the suite when None. split: "val" for the validation clips and rooms, by which
    recipes are chosen; its results are filed as "NAME-val". seed: of rooms and scenes, the split's own when None. Every
    sound is rendered and embedded once. console: where progress and a summary go, None = nowhere.
    Raises ConfigError for an unknown suite or task, and for measured rooms in validation: they are all test rooms.
    """
    console = console or Console(quiet=True)
    _check_names(name, tasks, split)
    wanted = [task for task in TASKS if task in (tasks or _usual(name))]
    seed = SEEDS[split] if seed is None else seed
    started = time.perf_counter()
    kept = Path(cache) if cache is not None else default_cache()
    with Progress(console=console, transient=True) as bars:

        def step(text: str) -> Progressed:
            task = bars.add_task(text, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        made: EvalSet
        if name in SUITES:
            if data_root is None:
                raise ConfigError(f"the suite {name!r} needs the folder of its clips: give the data folder")
            options = {"quick": quick, "split": split, "seed": seed, "workers": workers, "progress": step("rooms")}
            made = SUITES[name].make(data_root, kept, **options)
        else:
            opened = SceneSet.open(name)
            made = SceneItems(opened, Path(name).resolve().name, about=f"{len(opened)} scenes of a folder given.")
        estimate = baselines.estimate if any(TASKS[task].by_hand for task in wanted) else None
        found = observe(embedder, made, estimate=estimate, batch_size=batch_size, progress=step(made.name))
        heard = Heard(clips=found) if name in SUITES and SUITES[name].alone else Heard(scenes=found, out=Path(out))
        if heard.scenes is not None and any(TASKS[task].clips for task in wanted) and (clips := _clips_of(made)):
            alone = MonoItems(clips, suite_name("mono", split), split=split)
            heard = replace(heard, clips=observe(embedder, alone, batch_size=batch_size, progress=step("mono clips")))
        command = _command(name, tasks, quick, split)
        results = []
        for result in _answers(embedder, heard, wanted, bool(tasks), console):
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


def _answers(
    embedder: Embedder, heard: Heard, wanted: Sequence[str], named: bool, console: Console
) -> Iterator[Result]:
    """Run what is wanted and possible; a task that this set cannot do is left out, or raises where it was named."""
    for name in wanted:
        try:
            result = TASKS[name].run(embedder, heard)
        except DataError as error:
            if named:
                raise
            console.print(f"left out: {name}: {error}", markup=False)
            continue
        if result is not None:
            yield result
        elif named:
            console.print(f"left out: {name}: it needs {'clips alone' if TASKS[name].clips else 'scenes'}")


def _usual(name: str) -> list[str]:
    """The tasks that are asked of a suite, or a folder of scenes, unless some are named."""
    kind = name if name in SUITES else "folder"
    return [task for task, entry in TASKS.items() if kind in entry.suites]


def _clips_of(made: EvalSet) -> list[Clip]:
    """The clips of a set's scenes, to hear them alone; none where they have no classes."""
    if isinstance(made, TurnedItems):
        made = made.scenes
    clips = made.clips() if isinstance(made, SceneItems) else []
    return clips if all(c.label for c in clips) and len({c.label for c in clips}) > 1 else []


def _command(name: str, tasks: Sequence[str] | None, quick: bool, split: Split) -> str:
    options = [f"--task {task}" for task in tasks or ()] + (["--quick"] if quick else [])
    options += [] if split == "test" else [f"--split {split}"]
    return " ".join([f"elsa eval {name}", *options])


def _check_names(name: str, tasks: Sequence[str] | None, split: Split) -> None:
    if split not in SEEDS:
        raise ConfigError(f"there is no split {split!r}; choose test or val")
    if split == "val" and not (name in SUITES and SUITES[name].val):
        raise ConfigError(f"{name} has no validation part: measured rooms and given scenes are only for tests")
    if name not in SUITES and not Path(name).is_dir():
        raise ConfigError(f"there is no suite {name!r}; choose one of {', '.join(SUITES)} or a folder of scenes")
    if unknown := [t for t in tasks or () if t not in TASKS]:
        raise ConfigError(f"there is no task {unknown[0]!r}; choose from {', '.join(TASKS)}")
