"""Commands for people who make data: rooms, scenes, data sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from open_elsa.app import show
from open_elsa.app.options import Common, WithPlan
from open_elsa.app.show import UsageError, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from open_elsa.corpora.base import CheckReport
    from open_elsa.scenes.recipe import SceneRecipe
    from open_elsa.scenes.scene import Clip
    from open_elsa.scenes.scene_files import Bank

Out = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]


@dataclass(kw_only=True)
class RoomsMake(WithPlan):
    """Simulate a bank of room responses: shoebox rooms with the array and the sources at random legal places.

    The same numbers give the same bytes, whatever the number of workers. Interrupted, it goes on where it stopped.

    Examples:
      elsa rooms make rooms --rooms 200 --positions-per-room 4 --seed 1
      elsa rooms make test-rooms --rooms 50 --seed 99 --balanced --workers 2
      elsa rooms make all-rooms --rooms 8972 --plan --machines 4 --cores 16
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
    simulator: Annotated[str, tyro.conf.arg(metavar="NAME")] = "open-elsa"
    """open-elsa; image-sources-10, which has no tail, to compare with; or another that `elsa rooms check` takes."""
    workers: int = 1
    """Processes."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.scenes.bank import make_bank

        if self.plan:
            self._plan()
            return
        with show.progress("simulating", quiet=self.json) as tell:
            bank = make_bank(
                self.out,
                rooms=self.rooms,
                positions_per_room=self.positions_per_room,
                seed=self.seed,
                sample_rate=self.sample_rate,
                balanced=self.balanced,
                simulator=self.simulator,
                workers=self.workers,
                progress=tell,
            )
        value = {"bank": self.out, "responses": len(bank), "rooms": self.rooms, "sample_rate": bank.sample_rate}
        self.show(value, lambda: print(f"{len(bank)} responses of {self.rooms} rooms in {self.out}"))

    def _plan(self) -> None:
        from open_elsa.scenes.planning import measure_rooms, plan_rooms

        crew = self.crew()
        measured = measure_rooms(
            rooms=self.rooms,
            positions_per_room=self.positions_per_room,
            seed=self.seed,
            sample_rate=self.sample_rate,
            balanced=self.balanced,
            simulator=self.simulator,
        )
        self.show_plan(plan_rooms(measured, self.rooms * self.positions_per_room, **crew))


@dataclass(kw_only=True)
class ScenesMake(WithPlan):
    """Place captioned sounds in the rooms of a bank, as a table: sound is rendered from it when it is needed.

    CLIPS is a folder with captions.csv (path,caption) or the name of a data set whose folder --root gives.
    Interrupted, it goes on where it stopped.

    Examples:
      elsa scenes make scenes --clips my-sounds --bank rooms --scenes 1000
      elsa scenes make scenes --clips esc50 --root ~/ESC-50 --split train --bank rooms --per-clip 2
      elsa scenes make busy --clips my-sounds --bank rooms --scenes 1000 --sources 1 3 --moving-share 0.3
      elsa scenes make real --clips my-sounds --bank rooms --scenes 1000 --ambience pink --microphone
      elsa scenes make all --clips my-sounds --bank rooms --scenes 890038 --plan --machines 4 --cores 16
      elsa scenes make s3://my/scenes --clips s3://my/sounds --bank s3://my/rooms --per-clip 9 --engine ray
    """

    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder of the scenes, or a URL."""
    clips: str
    """A folder of captioned sounds, its URL, or the name of a data set."""
    bank: Annotated[str, tyro.conf.arg(metavar="PATH")]
    """A bank that `elsa rooms make` made or `elsa rooms import` brought in, or its URL."""
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
    no_report: bool = False
    """Leave out report.html and report.json, which are written beside the finished scenes."""
    engine: Annotated[str, tyro.conf.arg(metavar="{processes,ray}")] = "processes"
    """Where the work is done: processes of this machine, or a Ray cluster."""
    address: Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT|auto|local")] = None
    """The Ray cluster; local starts one here."""

    def run(self) -> None:
        """Run it."""
        from open_elsa import corpora
        from open_elsa.app.commands_scenes import write_report
        from open_elsa.scenes import engines, places
        from open_elsa.scenes.microphone import MicrophoneRanges
        from open_elsa.scenes.scene_set import open_bank
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
        bank = open_bank(self.bank)
        loaded = corpora.load(self.clips, self.root, [self.split] if self.split else None)
        for problem in loaded.problems:
            say(f"elsa: skipped: {problem}")
        if self.plan:
            self._plan(loaded.clips, bank, recipe)
            return
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
                progress=lambda p: tell(p.done, p.total, p.per_second),
            )
        for path, reason in made.problems.items():
            say(f"elsa: skipped: {path}: {reason}")
        report = None if self.no_report else write_report(made, made.folder, quiet=self.json)
        value = {"scenes": self.out, "count": len(made), "clips": len(loaded.clips), "problems": made.problems}
        if report is not None:
            value["report"] = places.inside(made.folder, "report.html")
        lines = [f"{len(made)} scenes of {len(loaded.clips)} clips in {self.out}", *(report.lines() if report else ())]
        self.show(value, lambda: print("\n".join(lines)))

    def _plan(self, clips: Sequence[Clip], bank: Bank, recipe: SceneRecipe) -> None:
        from open_elsa.scenes.planning import bytes_of, measure_scenes, plan_scenes

        crew = self.crew()
        rates, count = measure_scenes(
            clips, bank, scenes=self.scenes, per_clip=self.per_clip, seed=self.seed, recipe=recipe
        )
        self.show_plan(plan_scenes(rates, count, clips=len(clips), bank_bytes=bytes_of(bank), **crew))


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
