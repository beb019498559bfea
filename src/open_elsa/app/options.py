"""Options that several commands share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from open_elsa.app import show

if TYPE_CHECKING:
    from open_elsa.scenes.planning import Plan
    from open_elsa.scenes.scene_set import SceneSet
    from open_elsa.using.embedder import Embedder

Files = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE…", name="files")]
Convention = Literal["auto", "ambix", "fuma", "n3d", "a-format"]
Bounds = Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="LEAST MOST")]


@dataclass(kw_only=True)
class Common(ABC):
    """What every command takes."""

    json: bool = False
    """Print one JSON document on stdout instead of text."""
    debug: bool = False
    """Print the traceback of an error."""

    @abstractmethod
    def run(self) -> int | None:
        """Do it; the exit code, None for 0."""

    def show(self, value: Any, text: Callable[[], None]) -> None:
        """Print the value as JSON, or call `text` to print it for people."""
        if self.json:
            show.emit_json(value)
        else:
            text()


@dataclass(kw_only=True)
class WithPlan(Common):
    """What every command takes that can say beforehand what its work costs."""

    plan: bool = False
    """Make nothing: measure the work for some seconds, and say core-hours, bytes and time of the whole."""
    machines: int = 1
    """With --plan: how many machines would work."""
    cores: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """With --plan: cores of each machine; those of this one by default."""

    def crew(self) -> dict[str, int]:
        """The machines and cores to plan for."""
        crew = {"machines": self.machines, "cores": self.cores if self.cores is not None else os.cpu_count() or 1}
        if min(crew.values()) < 1:
            raise show.UsageError("--machines and --cores are at least 1")
        return crew

    def show_plan(self, plan: Plan) -> None:
        """Print a plan."""
        self.show(plan, lambda: show.plan(plan))


@dataclass(kw_only=True)
class WithModel(Common):
    """What every command takes that needs a model."""

    model: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A checkpoint folder or hub id; the shipped elsa-small by default."""
    device: str = "cpu"
    """Where to compute: cpu, cuda."""

    def load(self) -> Embedder:
        """The model that was asked for."""
        from open_elsa.using import embedder

        return embedder.load(self.model, device=self.device)


@dataclass(kw_only=True)
class WithScenes(Common):
    """What every command takes that reads finished scenes."""

    scenes: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SCENES")]
    """A folder that `elsa scenes make` made, or its URL."""

    def opened(self, *, rewritten: bool = False) -> SceneSet:
        """The scenes that were named; rewritten: with the captions that `elsa captions rewrite` put beside them."""
        from open_elsa.scenes.scene_set import SceneSet

        return SceneSet.open(self.scenes, rewritten=rewritten)


def need(values: tuple[str, ...], what: str) -> list[str | Path]:
    """The values, or a usage error when there is none."""
    if not values:
        raise show.UsageError(f"name at least one {what}")
    return list(values)
