"""Commands for people who make data and models: rooms, scenes, data sets, training, evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from open_elsa.app import show
from open_elsa.app.options import Common, WithModel
from open_elsa.app.show import UsageError, say

if TYPE_CHECKING:
    from open_elsa.corpora.base import CheckReport
    from open_elsa.evals.result import Result

Out = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]


@dataclass(kw_only=True)
class RoomsMake(Common):
    """Simulate a bank of room responses: shoebox rooms with the array and the sources at random legal places.

    The same numbers give the same bytes, whatever the number of workers. Interrupted, it goes on where it stopped.

    Examples:
      elsa rooms make rooms --rooms 200 --positions-per-room 4 --seed 1
      elsa rooms make test-rooms --rooms 50 --seed 99 --balanced --workers 2
    """

    out: Out
    """Folder of the bank."""
    rooms: int = 100
    """How many rooms."""
    positions_per_room: int = 8
    """How many source positions in each room."""
    seed: int = 0
    """Banks of different seeds share no room."""
    sample_rate: int = 48000
    """Hertz."""
    balanced: bool = False
    """For test banks: every spatial word about equally often."""
    workers: int = 1
    """Processes."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.scenes.bank import make_bank

        with show.progress("simulating", quiet=self.json) as tell:
            bank = make_bank(
                self.out,
                rooms=self.rooms,
                positions_per_room=self.positions_per_room,
                seed=self.seed,
                sample_rate=self.sample_rate,
                balanced=self.balanced,
                workers=self.workers,
                progress=tell,
            )
        value = {"bank": self.out, "responses": len(bank), "rooms": self.rooms, "sample_rate": bank.sample_rate}
        self.show(value, lambda: print(f"{len(bank)} responses of {self.rooms} rooms in {self.out}"))


@dataclass(kw_only=True)
class ScenesMake(Common):
    """Place captioned sounds in the rooms of a bank, as a table: sound is rendered from it when it is needed.

    CLIPS is a folder with captions.csv (path,caption) or the name of a data set whose folder --root gives.
    Interrupted, it goes on where it stopped.

    Examples:
      elsa scenes make scenes --clips my-sounds --bank rooms --scenes 1000
      elsa scenes make scenes --clips esc50 --root ~/ESC-50 --split train --bank rooms --per-clip 2
      elsa scenes make busy --clips my-sounds --bank rooms --scenes 1000 --sources 1 3 --moving-share 0.3
      elsa scenes make real --clips my-sounds --bank rooms --scenes 1000 --ambience pink --microphone
      elsa scenes make s3://my/scenes --clips s3://my/sounds --bank s3://my/rooms --per-clip 9 --engine ray
    """

    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder of the scenes, or a URL."""
    clips: str
    """A folder of captioned sounds, its URL, or the name of a data set."""
    bank: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """A bank that `elsa rooms make` made, or its URL."""
    root: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where the named data set is."""
    split: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Only clips of this split."""
    scenes: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """How many scenes in all."""
    per_clip: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """How many scenes for each clip."""
    seed: int = 0
    """Another seed pairs and places differently."""
    duration_s: float = 5.0
    """Length of every scene."""
    min_duration_s: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Scenes as long as their sound, between this and --duration-s (the paper: 4)."""
    captions_per_scene: int = 2
    """Different sentences for one scene."""
    sources: Annotated[tuple[int, int], tyro.conf.arg(metavar="FEWEST MOST")] = (1, 1)
    """Sounds of one scene, 1 to 4, each at its own place of one room."""
    moving_share: float = 0.0
    """How many of the sources walk, 0 to 1."""
    ambience: Annotated[str | None, tyro.conf.arg(metavar="COLOUR|FOLDER")] = None
    """Diffuse sound under the scene: white, pink, brown, coloured, or recordings."""
    ambience_snr_db: Annotated[tuple[float, float], tyro.conf.arg(metavar="LEAST MOST")] = (5.0, 30.0)
    """How far the ambience lies below the sources."""
    microphone: bool = False
    """An array with errors: gains, phases, capsules, a turned stand, aliasing."""
    workers: int = 1
    """Processes; any number makes the same bytes."""
    engine: Annotated[str, tyro.conf.arg(metavar="{processes,ray}")] = "processes"
    """Where the work is done: processes of this machine, or a Ray cluster."""
    address: Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT|auto|local")] = None
    """The Ray cluster; local starts one here."""

    def run(self) -> None:
        """Run it."""
        from open_elsa import corpora
        from open_elsa.scenes import engines
        from open_elsa.scenes.bank import RoomBank
        from open_elsa.scenes.microphone import MicrophoneRanges
        from open_elsa.scenes.synthesis import SceneRecipe, make_scenes

        if (self.scenes is None) == (self.per_clip is None):
            raise UsageError("scenes make: give --scenes or --per-clip, one of the two")
        recipe = SceneRecipe(
            duration_s=self.duration_s,
            min_duration_s=self.min_duration_s,
            captions_per_scene=self.captions_per_scene,
            sources=self.sources,
            moving_share=self.moving_share,
            ambience=self.ambience,
            ambience_snr_db=self.ambience_snr_db,
            microphone=MicrophoneRanges() if self.microphone else None,
        )
        engine = engines.engine(self.engine, workers=self.workers, address=self.address)
        bank = RoomBank.open(self.bank)
        loaded = corpora.load(self.clips, self.root, [self.split] if self.split else None)
        for problem in loaded.problems:
            say(f"elsa: skipped: {problem}")
        with show.progress("making scenes", quiet=self.json) as tell:
            made = make_scenes(
                self.out,
                loaded.clips,
                bank,
                scenes=self.scenes,
                per_clip=self.per_clip,
                seed=self.seed,
                recipe=recipe,
                engine=engine,
                progress=lambda p: tell(p.done, p.total),
            )
        for path, reason in made.problems.items():
            say(f"elsa: skipped: {path}: {reason}")
        value = {"scenes": self.out, "count": len(made), "clips": len(loaded.clips), "problems": made.problems}
        self.show(value, lambda: print(f"{len(made)} scenes of {len(loaded.clips)} clips in {self.out}"))


@dataclass(kw_only=True)
class ScenesExport(Common):
    """Write scenes as four-channel AmbiX files with truth.jsonl beside them, to listen to and to compare with.

    NNNNNN.csv beside each file says every 100 ms what sounds where, as DCASE and STARSS23 label it; classes.txt names
    the classes.

    Interrupted, it goes on where it stopped.

    Examples:
      elsa scenes export scenes exported
      elsa scenes export scenes exported --format wav
    """

    scenes: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SCENES")]
    """A folder that `elsa scenes make` made, or its URL."""
    out: Out
    """Folder for the sound files."""
    format: Annotated[str, tyro.conf.arg(metavar="{flac,wav}")] = "flac"
    """Format of the files."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.scenes.scene_set import SceneSet

        opened = SceneSet.open(self.scenes)
        with show.progress("exporting", quiet=self.json) as tell:
            report = opened.export(self.out, self.format, progress=lambda p: tell(p.done, p.total))
        for path, reason in report.problems.items():
            say(f"elsa: skipped: {path}: {reason}")
        self.show(report, lambda: print(f"{report.files} files and truth.jsonl in {report.folder}"))


@dataclass(kw_only=True)
class DataCheck(Common):
    """Look at every file of a data set and say what is there, what is missing and what is broken.

    Exit code 1 when anything is missing or broken.

    Examples:
      elsa data check esc50 ~/ESC-50
      elsa data check my-sounds
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """Name of a data set, or a folder with captions.csv or captions.jsonl."""
    root: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")] = None
    """Where the named data set is."""
    most: int = 20
    """How many problems to print (all with --json)."""

    def run(self) -> int:
        """Run it."""
        from open_elsa import corpora

        say("looking at every file …")
        report = corpora.check(self.data, self.root)
        corpus = report.corpus
        value = {
            "data": corpus.name,
            "root": report.root,
            "licence": corpus.licence,
            "citation": corpus.citation,
            "url": corpus.url,
            "found": report.found,
            "expected": dict(corpus.expected),
            "seconds": report.seconds,
            "missing": [p.path for p in report.missing],
            "broken": [{"path": p.path, "reason": p.reason} for p in report.broken],
            "complete": report.complete,
        }
        self.show(value, lambda: self._text(report))
        return 0 if report.complete else 1

    def _text(self, report: CheckReport) -> None:
        corpus = report.corpus
        rows = []
        for split in dict.fromkeys([*report.found, *corpus.expected]):
            rows.append((split, str(report.found.get(split, 0)), str(corpus.expected.get(split, "–"))))
        show.table(("split", ">found", ">expected"), rows, f"{corpus.name} in {report.root}")
        print(f"{report.seconds / 3600:.1f} hours; licence: {corpus.licence}; {corpus.citation}")
        for problem in report.problems[: self.most]:
            print(problem)
        if len(report.problems) > self.most:
            print(f"… and {len(report.problems) - self.most} more (--most, --json)")
        if report.complete:
            print("complete")
        else:
            print(f"{len(report.missing)} missing, {len(report.broken)} broken; where to get it: {corpus.url or '–'}")


@dataclass(kw_only=True)
class Train(Common):
    """Train a model from captioned sounds; the checkpoint is a folder that every other command takes as --model.

    PRESET is elsa-small (the shipped model), elsa-small-tune (to go on from it with your sounds), elsa-tiny (seconds,
    to try the path) or elsa-base (the paper's, for a cluster; start it with torchrun). Your own data: a folder with
    captions.csv that has the columns path, caption and split (train, val). Interrupted, it goes on where it stopped.

    Examples:
      elsa train elsa-tiny --data my-sounds --out runs/try
      elsa train elsa-small --data my-sounds --out runs/small --seed 1
      elsa train elsa-small-tune --start shipped --data my-sounds --out runs/mine
      elsa train elsa-small --data ~/ESC-50 --corpus esc50 --out runs/esc
    """

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PRESET")]
    """Name of a recipe: elsa-small, elsa-small-tune, elsa-tiny, elsa-base."""
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

    def run(self) -> None:
        """Run it."""
        from open_elsa.model import checkpoints
        from open_elsa.training import distributed
        from open_elsa.training.recipes import recipe
        from open_elsa.training.session import train_recipe
        from open_elsa.training.train import resolved

        changes = {k: v for k in ("seed", "rooms", "workers") if (v := getattr(self, k)) is not None}
        config = resolved(recipe(self.preset), **changes)
        told = changes if self.start is None else {"start": self.start, **changes}
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

    A SUITE is simulated (rooms never trained on), measured (rooms that were recorded), mono (the clips alone), or a
    folder that `elsa scenes make` made. A TASK is retrieval, zero_shot, localization, baselines or classes. Without a
    SUITE, --readme, --docs and --card are written from the results that --out already holds.

    Examples:
      elsa eval simulated --data data --out results
      elsa eval simulated measured mono --data data --out results --quick
      elsa eval my-scenes --task retrieval --task localization --out results
      elsa eval simulated --data data --model runs/small/checkpoint --out results --card runs/small/checkpoint
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
    split: Literal["test", "val"] = "test"
    """val: the validation clips in rooms of their own, to choose a recipe by; filed under other names."""
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
            raise UsageError("eval: name a suite: simulated, measured, mono, or a folder of scenes")
        results = self._measure() if self.suites else []
        if any(pages.values()):
            for path in write_report(self.out, **pages):
                say(f"wrote {path}")
        self.show([json_module.loads(r.to_json()) for r in results], lambda: None)

    def _measure(self) -> list[Result]:
        from rich.console import Console

        from open_elsa.evals.suites import run_suite

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
                split=self.split,
                cache=self.cache,
                workers=self.workers,
                console=console,
            )
        return results
