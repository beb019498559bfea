"""`elsa rooms check` and `elsa rooms import`: is the simulator right, and responses that others measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from open_elsa.app import show
from open_elsa.app.options import Common
from open_elsa.app.show import UsageError, say

if TYPE_CHECKING:
    from open_elsa.scenes.room_report import RoomReport


@dataclass(kw_only=True)
class RoomsCheck(Common):
    """Check the room simulator against geometry, theory and references, over many random rooms.

    With BANK, the stored responses of a bank are checked too. Exit code 1 when a bar is missed.

    Examples:
      elsa rooms check
      elsa rooms check --rooms 50 --references --out check
      elsa rooms check my-bank --out check
      elsa rooms check --simulator my_package.my_module:simulate
    """

    bank: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="BANK")] = None
    """A bank that `elsa rooms make` made."""
    rooms: int = 200
    """How many random rooms, and at most how many responses of the bank."""
    seed: int = 0
    """Other rooms."""
    sample_rate: int = 48000
    """Hertz."""
    references: bool = False
    """Also against full image sources and beside a ray tracer; takes minutes."""
    simulator: Annotated[str, tyro.conf.arg(metavar="NAME")] = "open-elsa"
    """open-elsa, image-sources, image-sources-10, ray-tracing, or another's function as package.module:function."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Write report.json and report.html with plots and sounds to listen to."""
    docs: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Write the documentation's page rooms-check.md with its plots."""
    workers: int = 1
    """Processes."""

    def run(self) -> int:
        """Run it."""
        import json as json_module

        from open_elsa.app import room_pages
        from open_elsa.scenes.room_references import simulator
        from open_elsa.scenes.room_report import to_json

        if min(self.rooms, self.workers) < 1 or self.seed < 0:
            raise UsageError("rooms check: --rooms and --workers are at least 1, --seed at least 0")
        reports = self._reports()
        written = []
        if self.out is not None:
            written += room_pages.write_report(reports, self.out, simulator(self.simulator), samples_seed=self.seed)
        if self.docs is not None:
            written += room_pages.write_docs(reports, self.docs)
        for path in written:
            say(f"wrote {path}")
        self.show(json_module.loads(to_json(reports)), lambda: self._text(reports))
        return 0 if all(report.passed for report in reports) else 1

    def _reports(self) -> list[RoomReport]:
        from open_elsa.scenes.bank import RoomBank
        from open_elsa.scenes.room_check import check_bank, check_rooms
        from open_elsa.scenes.room_references import simulator

        simulate = simulator(self.simulator)
        bank = None if self.bank is None else RoomBank.open(self.bank)  # a wrong name is told before minutes of work
        with show.progress("checking rooms", quiet=self.json) as tell:
            reports = [
                check_rooms(
                    simulate,
                    rooms=self.rooms,
                    seed=self.seed,
                    sample_rate=self.sample_rate,
                    references=self.references,
                    workers=self.workers,
                    progress=tell,
                )
            ]
        if bank is not None:
            with show.progress("checking the bank", quiet=self.json) as tell:
                reports.append(check_bank(bank, most=self.rooms, workers=self.workers, progress=tell))
        return [replace(report, command=self._command()) for report in reports]

    def _command(self) -> str:
        words = ["elsa rooms check"]
        words += [] if self.bank is None else [str(self.bank)]
        words += [f"--rooms {self.rooms} --seed {self.seed}"]
        words += [] if self.sample_rate == 48000 else [f"--sample-rate {self.sample_rate}"]
        words += ["--references"] if self.references else []
        words += [] if self.simulator == "open-elsa" else [f"--simulator {self.simulator}"]
        words += [] if self.docs is None else [f"--docs {self.docs}"]
        return " ".join(words)

    def _text(self, reports: Sequence[RoomReport]) -> None:
        from open_elsa.app.room_pages import line_of

        for report in reports:
            lines = [line_of(check) for check in report.checks]
            rows = [(line.name, line.measured, line.bar, line.spread, line.n, line.outcome) for line in lines]
            show.table(("check", ">measured", ">bar", ">spread", ">rooms", "outcome"), rows, report.subject)
            for check in report.missed:
                print(f"missed: {check.name}: {check.meaning}")
            for room in [r for r in report.rooms if r.problem][:5]:
                print(f"not whole: {room.room_id}: {room.problem}")
            told = f"{len(report.missed)} missed" if report.missed else "every bar is kept"
            print(f"{told if report.passed or report.missed else 'nothing was measured'}; {report.seconds:.0f} s")


@dataclass(kw_only=True)
class RoomsImport(Common):
    """Bring in room responses that others measured, as a folder that `elsa scenes make --bank` reads.

    FILE is a SOFA file, or a folder of ambisonic sound files with a positions.csv: file and azimuth_deg, elevation_deg,
    distance_m, or file and x_m, y_m, z_m; optional floor_area_m2. Each becomes a room OUT/NAME: AmbiX, with the direct
    sound 10 ms after the start.

    Examples:
      elsa rooms import measured hall.sofa church.sofa --convention ambix
      elsa rooms import measured drir.sofa --floor-area-m2 85
      elsa rooms import measured ~/my-room --convention fuma --clockwise
    """

    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder of the rooms; may hold others already."""
    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE…")]
    """SOFA files and folders of sound files."""
    convention: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """What the channels are: ambix, n3d, fuma, …; SOFA files of AmbisonicsDRIR say it themselves."""
    floor_area_m2: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Floor area of the rooms of SOFA files without corners."""
    clockwise: bool = False
    """In folders: azimuth counts to the right."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.scenes.measured import open_measured

        rooms = self._rooms()
        with show.progress("importing", quiet=self.json) as tell:
            for done, (source, room) in enumerate(rooms.items()):
                tell(done, len(rooms))
                self._bring(source, room)
        counts = {room.name: len(open_measured(room)) for room in rooms.values()}
        total = sum(counts.values())
        value = {"bank": self.out, "responses": total, "rooms": counts}
        self.show(value, lambda: print(f"{total} responses of {len(counts)} rooms in {self.out}"))

    def _rooms(self) -> dict[Path, Path]:
        """What each file becomes; a usage error for what is known to fail before anything is written."""
        if not self.files:
            raise UsageError("rooms import: name at least one SOFA file or folder")
        rooms = {source: self.out / (source.name if source.is_dir() else source.stem) for source in self.files}
        if len(set(rooms.values())) < len(self.files):
            names = ", ".join(sorted(room.name for room in rooms.values()))
            raise UsageError(f"rooms import: two of the files would become the same room ({names}); import them apart")
        folders = [source for source in rooms if source.is_dir()]
        if folders and self.convention is None:
            raise UsageError(f"rooms import: say with --convention what the channels in {folders[0]} are")
        return rooms

    def _bring(self, source: Path, room: Path) -> None:
        from open_elsa.corpora.responses import import_files, import_sofa
        from open_elsa.errors import DataError

        if source.is_dir():
            import_files(source, room, convention=self.convention or "", clockwise=self.clockwise)
        elif source.exists():
            import_sofa(source, room, convention=self.convention, floor_area_m2=self.floor_area_m2)
        else:
            raise DataError(f"there is no file {source}")
