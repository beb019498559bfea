"""What the command line prints: JSON or tables on stdout, everything else on stderr."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from open_elsa.scenes.planning import Plan


class Progress(Protocol):
    """Told how far a work is, as the library calls it: done, of how many, and how many a second where it knows."""

    def __call__(self, done: int, total: int, per_second: float | None = None) -> None:
        """Tell it."""


class UsageError(Exception):
    """A command line that cannot mean anything: printed as one line, exit code 2."""


def plain(value: Any) -> Any:
    """A value as JSON knows it: dataclasses become objects, arrays lists, NaN and infinities null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy, without importing it
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def emit_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table on stdout; columns that start with ">" are right-aligned."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        shown.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:  # a pipe has no width: nothing is to be cut or folded
        longest = sum(max([len(c), *(len(row[i]) for row in rows)]) + 3 for i, c in enumerate(columns))
        console = Console(width=max(80, longest))
    console.print(shown)


def plan(made: Plan) -> None:
    """Print a plan: its stages, and what was measured."""
    sound = "" if made.hours is None else f", {made.hours:,.1f} hours of sound"
    crew = f"{made.machines} × {made.cores} cores"
    rows = []
    for stage in made.stages:
        times = ("–", "–") if not stage.core_hours else (f"{stage.core_hours:.3g}", duration(3600 * stage.wall_hours))
        rows.append((PLANNED[stage.name], *times, "–" if stage.bytes is None else size(stage.bytes)))
    table(("", ">core-hours", f">time on {crew}", ">on disk"), rows, f"{made.count:,} {made.what}{sound}")
    for name, measured in made.measured.items():
        rate = f"{1 / measured.each_s:.3g} /s" if measured.each_s else "too quick to tell"
        print(f"measured: {measured.n} {MEASURED[name]} in {measured.seconds:.2f} s ({rate})")
    print(f"on one core of a {made.machine}; all cores are taken to be as fast together as this one alone")


PLANNED = {
    "rows": "the scenes as rows",
    "rendered": "rendered, as training does",
    "exported": "rendered and written as 16-bit FLAC",
    "bank": "room responses",
}
MEASURED = {
    "clips": "clips looked at, once a process",
    "rows": "rows drawn",
    "rendered": "scenes rendered: decoding, response, convolution",
    "written": "scenes written as FLAC",
    "responses": "responses simulated",
}


def size(count: float) -> str:
    """Bytes for people: "1.05 TB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def say(text: str) -> None:
    """Print a line for people on stderr."""
    print(text, file=sys.stderr, flush=True)


def _unknown(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def degrees(value: float | None) -> str:
    """An angle for people."""
    return "–" if _unknown(value) else f"{value:.0f}°"


def number(value: float | None, unit: str, digits: int = 1) -> str:
    """A quantity for people, a dash where it is not known."""
    return "–" if _unknown(value) else f"{value:.{digits}f} {unit}"


def side(azimuth_deg: float | None) -> str:
    """An azimuth in words: "40° left"."""
    if azimuth_deg is None or not math.isfinite(azimuth_deg):
        return "–"
    size = abs(azimuth_deg)
    if round(size) in (0, 180):
        return "ahead" if size < 90 else "behind"
    return f"{size:.0f}° {'left' if azimuth_deg > 0 else 'right'}"


def span(start_s: float, end_s: float) -> str:
    """A stretch of time for people: "1:05.0-1:15.0"."""
    return f"{_clock(start_s)}-{_clock(end_s)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 10), 600)
    return f"{minutes}:{rest / 10:04.1f}"


class Pace:
    """How fast a long work goes, and how long it still takes; clock: seconds that only grow.

    The rate is that of the work itself where it is told, else it is counted from the first report on, so that what was
    finished before, in a run that goes on, does not make it look fast.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._first: tuple[float, int] | None = None

    def see(self, done: int, total: int, per_second: float | None = None) -> str:
        """Tell "12.3 /s, 0:01:40 left" of `done` out of `total`, "" while nothing is known."""
        now = self.clock()
        if self._first is None:
            self._first = (now, done)
        start, before = self._first
        if per_second is None and now > start:
            per_second = (done - before) / (now - start)
        if not per_second:
            return ""
        return f"{per_second:.3g} /s, {duration((total - done) / per_second)} left"


def duration(seconds: float) -> str:
    """A stretch of time for people, rounded to seconds: "1:02:05"."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


#: Where stderr is no terminal, a line comes after this many seconds, and from then on ever less often.
FIRST_LINE_S = 30.0


class Lines:
    """Progress in sparse lines: the first after FIRST_LINE_S, each next one after half as long again as so far."""

    def __init__(self, text: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.text, self.pace, self.clock = text, Pace(clock), clock
        self.start = clock()
        self.due = self.start + FIRST_LINE_S

    def __call__(self, done: int, total: int, per_second: float | None = None) -> None:
        """Print a line where one is due."""
        told, now = self.pace.see(done, total, per_second), self.clock()
        if now < self.due:
            return
        self.due = self.start + 1.5 * (now - self.start)
        say(f"{self.text}: {done} of {total}{', ' if told else ''}{told}")


@contextmanager
def progress(text: str, *, quiet: bool = False) -> Iterator[Progress]:
    """How far, how fast and how long yet, on stderr: a bar on a terminal, else sparse lines; `quiet` shows nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True, quiet=quiet)
    if quiet or not console.is_terminal:
        lines: Progress = _silent if quiet else Lines(text)
        yield lines
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}")
    pace = Pace()
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(text, total=None, pace="")

        def tell(done: int, total: int, per_second: float | None = None) -> None:
            bars.update(task, completed=done, total=total, pace=pace.see(done, total, per_second))

        yield tell


def likely(probability: float | None) -> str:
    """A probability for people: nothing is certain, and what was not measured is a dash."""
    if probability is None:
        return "–"
    return ">99%" if probability > 0.99 else "<1%" if probability < 0.01 else f"{probability:.0%}"


def _silent(done: int, total: int, per_second: float | None = None) -> None:
    """Tell nothing."""


def route_warnings() -> None:
    """Print warnings and the package's log as single lines on stderr."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        say(f"elsa: warning: {message}")

    warnings.showwarning = show
    logger = logging.getLogger("open_elsa")
    if not any(isinstance(h, _Lines) for h in logger.handlers):
        logger.addHandler(_Lines(logging.WARNING))


class _Lines(logging.Handler):
    """Log records as single lines on whatever stderr is now."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"elsa: note: {record.getMessage()}")
