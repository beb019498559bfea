"""`elsa rooms check`: is the simulator right, and what it made."""

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
    """open-elsa, image-sources, ray-tracing, or another's function as package.module:function."""
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
