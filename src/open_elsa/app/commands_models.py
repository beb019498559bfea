"""Commands for people who make models: training, evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from open_elsa.app.options import Common, WithModel
from open_elsa.app.show import UsageError, say

if TYPE_CHECKING:
    from open_elsa.evals.result import Result


@dataclass(kw_only=True)
class Train(Common):
    """Train a model from captioned sounds; the checkpoint is a folder that every other command takes as --model.

    PRESET is elsa-small (the shipped model), elsa-small-tune (to go on from it with your sounds), elsa-small-where (to
    teach a finished one places, and captions of every detail), elsa-small-read (the same without training the ears),
    elsa-small-left-out (ten classes are never heard, to test what of them is known all the same), elsa-tiny (seconds,
    to try the path) or elsa-base (the paper's, for a cluster; start it with torchrun). Your own data: a folder with
    captions.csv that has the columns path, caption and split (train, val). Interrupted, it goes on where it stopped.

    Examples:
      elsa train elsa-tiny --data my-sounds --out runs/try
      elsa train elsa-small --data my-sounds --out runs/small --seed 1
      elsa train elsa-small-tune --start shipped --data my-sounds --out runs/mine
      elsa train elsa-small --data ~/ESC-50 --corpus esc50 --out runs/esc
    """

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PRESET")]
    """Name of a recipe: elsa-small, elsa-small-tune, elsa-small-where, elsa-small-read, elsa-small-left-out,
    elsa-tiny, elsa-base."""
    data: Path
    """Folder of captioned sounds."""
    out: Path
    """Folder of the run: configuration, metrics, state, checkpoint."""
    corpus: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The data set's name, where the folder is an official layout."""
    cache: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where decoded clips and rooms are kept; OUT/cache by default."""
    start: Annotated[str | None, tyro.conf.arg(metavar="CHECKPOINT")] = None
    """A finished checkpoint of the same model to go on from: a folder, or "shipped" for the one in the package."""
    tagger: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Weights that the encoder of what is heard starts from: the tagger's file, or CLAP's folder for elsa-base."""
    text: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """RoBERTa's weights, for elsa-base."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Same seed, same run."""
    rooms: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """How many rooms to train in."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Processes that make the scenes."""
    leave_out: Annotated[str | None, tyro.conf.arg(metavar="CLASS,CLASS")] = None
    """Classes of which no clip and no caption is trained on, so that `elsa eval --task left_out` can test them."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.corpora.leaving_out import known
        from open_elsa.model import checkpoints
        from open_elsa.scenes.memory import keep_memory
        from open_elsa.training import distributed
        from open_elsa.training.recipes import recipe
        from open_elsa.training.session import train_recipe
        from open_elsa.training.train import resolved

        keep_memory()  # a step's activations, hundreds of megabytes, would come from the system anew each time
        changes: dict[str, Any] = {k: v for k in ("seed", "rooms", "workers") if (v := getattr(self, k)) is not None}
        told = changes if self.start is None else {"start": self.start, **changes}
        if self.leave_out is not None:
            left_out = tuple(name for part in self.leave_out.split(",") if (name := known(part)))
            changes, told = {"left_out": left_out, **changes}, {**told, "leave-out": f'"{self.leave_out}"'}
        config = resolved(recipe(self.preset), **changes)
        command = " ".join(
            [f"elsa train {self.preset} --data {self.data.name}", *(f"--{k} {v}" for k, v in told.items())]
        )
        folder = train_recipe(
            config,
            self.data,
            self.out,
            corpus=self.corpus,
            cache=self.cache,
            start=None if self.start is None else checkpoints.find(None if self.start == "shipped" else self.start),
            tagger=self.tagger,
            text=self.text,
            command=command,
        )
        if distributed.rank() == 0:  # under torchrun one of the processes speaks
            said = f"checkpoint: {folder}\ntry it: elsa describe FILE --model {folder}"
            self.show({"checkpoint": folder}, lambda: print(said))


@dataclass(kw_only=True)
class Evaluate(WithModel):
    """Measure a model: one Result file a task, with its protocol, its numbers and their 95 % intervals.

    A SUITE is simulated (rooms never trained on), eight (its scenes turned evenly round the circle), two (two sources
    at once in its rooms), measured (rooms that were recorded), mono (the clips alone), or a folder that
    `elsa scenes make` made. A TASK is retrieval, zero_shot, eight_way, localization, baselines, swap, two_sources,
    classes, captions, geometry or left_out (classes that the model was trained without). Without a SUITE, --readme,
    --docs and --card are written from the results that --out already holds.

    With --corpus a SUITE is the folder of a data set of spatial recordings in its official layout, and --split its own:
    tut2018_real, tut2018_ansyn, tau_nigens_2021, starss23, spatial_librispeech … (docs/recorded-sets.md). Its TASKs are
    zero_shot, localization, baselines, classes and seld, the DCASE metrics.

    Examples:
      elsa eval simulated --data data --out results
      elsa eval simulated eight two measured mono --data data --out results --quick
      elsa eval my-scenes --task retrieval --task localization --out results
      elsa eval simulated --data data --model runs/small/checkpoint --out results --card runs/small/checkpoint
      elsa eval ~/STARSS23 --corpus starss23 --split dev-test --out results
      elsa eval --out results --readme README.md --docs docs
    """

    suites: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SUITE…")] = ()
    """What to measure on."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the captioned test clips (and of measured-rooms)."""
    out: Path = Path("results")
    """Folder for the results."""
    task: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Only this task; may be repeated."""
    quick: bool = False
    """A small part of each suite, to see that it runs."""
    split: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """val: the validation clips in rooms of their own, to choose a recipe by; filed under other names. Else test."""
    corpus: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The data set's name, where the folder is an official layout of spatial recordings."""
    overlapping: bool = False
    """With --corpus: places of sounds that sound together with others too, not only of those alone."""
    threshold: Annotated[float | None, tyro.conf.arg(metavar="COSINE")] = None
    """With --corpus: a second without a class as near as this holds nothing; 0.2 by default."""
    cache: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where test rooms and scenes are kept between runs."""
    workers: int = 1
    """Processes that make the test rooms."""
    readme: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Put the table of results between its markers in this file."""
    docs: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Write results.md with plots into this folder."""
    card: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Put the table of results into the model card of this checkpoint, which they must be of."""

    def run(self) -> None:
        """Run it."""
        import json as json_module

        from open_elsa.evals.report import write_report

        pages = {"readme": self.readme, "docs": self.docs, "card": self.card}
        if not self.suites and not any(pages.values()):
            raise UsageError("eval: name a suite: simulated, eight, two, measured, mono, or a folder of scenes")
        results = self._measure() if self.suites else []
        if any(pages.values()):
            for path in write_report(self.out, **pages):
                say(f"wrote {path}")
        self.show([json_module.loads(r.to_json()) for r in results], lambda: None)

    def _measure(self) -> list[Result]:
        from rich.console import Console

        from open_elsa.evals.suites import run_suite

        if self.corpus is not None:
            return self._measure_recordings(self.corpus)
        if self.overlapping or self.threshold is not None:
            raise UsageError("eval: --overlapping and --threshold go with --corpus, a data set of spatial recordings")
        if self.split not in (None, "test", "val"):
            raise UsageError(f"eval: --split is test or val, not {self.split!r}, unless --corpus names a data set")
        model, console = self.load(), Console(stderr=self.json)
        results: list[Result] = []
        for suite in self.suites:
            results += run_suite(
                model,
                suite,
                self.out,
                self.data,
                tasks=self.task or None,
                quick=self.quick,
                split="val" if self.split == "val" else "test",
                cache=self.cache,
                workers=self.workers,
                console=console,
            )
        return results

    def _measure_recordings(self, corpus: str) -> list[Result]:
        from rich.console import Console

        from open_elsa.evals.framewise import THRESHOLD
        from open_elsa.evals.recordings import run_recordings

        model, console = self.load(), Console(stderr=self.json)
        results: list[Result] = []
        for folder in self.suites:
            results += run_recordings(
                model,
                corpus,
                Path(folder).expanduser(),
                self.out,
                splits=None if self.split is None else [self.split],
                tasks=self.task or None,
                quick=self.quick,
                overlapping=self.overlapping,
                threshold=THRESHOLD if self.threshold is None else self.threshold,
                console=console,
            )
        return results
