"""The one table of what can be asked of a model: a task is a line in TASKS, with a row in headline.py for its bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from open_elsa.evals import (
    baselines,
    captioning,
    eight_way,
    geometry,
    left_out,
    localization,
    mono_classes,
    retrieval,
    swap,
    two_sources,
    zero_shot,
)
from open_elsa.evals.observe import Embedder, Observations
from open_elsa.evals.result import Result

#: Where a task is asked unless it is named: the suites of one source a scene, and folders that a user gives.
USUAL = ("simulated", "measured", "mono", "folder")


@dataclass(frozen=True)
class Heard:
    """What a suite was heard as: its scenes, its clips alone as mono sounds, or both.

    out: where a task may leave files beside its result.
    """

    scenes: Observations | None = None
    clips: Observations | None = None
    out: Path | None = None


@dataclass(frozen=True)
class Task:
    """A question to a model.

    run: answers it, None where the set lacks what it needs; it raises DataError that says why a set cannot answer.
    suites: where it is asked unless it is named. clips: whether the clips have to be heard alone for it; by_hand:
    whether the hand-made estimators of direction have to hear the scenes, too.
    """

    run: Callable[[Embedder, Heard], Result | None]
    suites: tuple[str, ...] = USUAL
    clips: bool = False
    by_hand: bool = False


def of_scenes(
    run: Callable[[Embedder, Observations], Result], suites: tuple[str, ...] = USUAL, *, by_hand: bool = False
) -> Task:
    """A task that needs scenes."""

    def ask(model: Embedder, heard: Heard) -> Result | None:
        return None if heard.scenes is None else run(model, heard.scenes)

    return Task(ask, suites, by_hand=by_hand)


def of_any(run: Callable[[Embedder, Observations], Result], suites: tuple[str, ...] = USUAL) -> Task:
    """A task for scenes, or for clips alone where there are no scenes."""

    def ask(model: Embedder, heard: Heard) -> Result | None:
        where = heard.scenes or heard.clips
        return None if where is None else run(model, where)

    return Task(ask, suites)


def _classes(model: Embedder, heard: Heard) -> Result | None:
    return None if heard.clips is None else mono_classes.run(model, heard.clips, heard.scenes)


def _left_out(model: Embedder, heard: Heard) -> Result | None:
    return None if heard.clips is None else left_out.run(model, heard.clips, heard.scenes)


def _captions(model: Embedder, heard: Heard) -> Result | None:
    return None if heard.scenes is None else captioning.run(model, heard.scenes, heard.out)


#: Tasks by name, in the order in which they run; a new one is a line here.
TASKS: dict[str, Task] = {
    "retrieval": of_any(retrieval.run),
    "zero_shot": of_scenes(zero_shot.run),
    "eight_way": of_scenes(eight_way.run, suites=("eight", "measured", "folder")),
    "localization": of_scenes(lambda _, scenes: localization.run(scenes)),
    "baselines": of_scenes(lambda _, scenes: baselines.run(scenes), by_hand=True),
    "swap": of_scenes(swap.run, suites=("simulated", "measured", "folder")),
    "two_sources": of_scenes(lambda _, scenes: two_sources.run(scenes), suites=("two", "folder"), by_hand=True),
    "classes": Task(_classes, clips=True),
    "captions": Task(_captions, suites=("simulated", "measured", "folder")),
    "left_out": Task(_left_out, suites=(), clips=True),  # only of a model that left classes out: named
    "geometry": of_scenes(geometry.run, suites=("simulated", "measured", "folder")),
}
