"""An index made, or brought up to date with its folder, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from open_elsa.errors import DataError
from open_elsa.scenes.places import LOCK, Place, alone, is_url
from open_elsa.search.files import Problem, Work, listing
from open_elsa.search.listening import Progress, collect
from open_elsa.search.window_table import DEFAULT_NAME, TABLE, NoIndexError, Origin, WindowTable
from open_elsa.using.embedder import Embedder


@dataclass(frozen=True)
class BuildReport:
    """What a build did: numbers of files (moved: renamed, known by their content), and the files it could not read."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    removed: int = 0
    problems: tuple[Problem, ...] = ()


def update(
    folder: str | Path,
    embedder: Embedder,
    *,
    out: Place | None = None,
    progress: Progress | None = None,
    convention: str = "auto",
    workers: int = 0,
    force: bool = False,
    options: Mapping[str, str] | None = None,
) -> tuple[WindowTable, BuildReport]:
    """Index every sound below a folder, or bring an index up to date with it: `Index.build`, without opening it."""
    root = Path(folder)
    place = out if out is not None else root / DEFAULT_NAME
    sounds, problems = listing(root, None if is_url(place) else Path(place))
    with _by_one(place):
        table = _table_for(root, place, embedder, convention, force, options)
        return table, _brought_up(table, root, embedder, sounds, problems, progress, workers)


def _brought_up(
    table: WindowTable,
    root: Path,
    embedder: Embedder,
    sounds: list[str],
    problems: list[Problem],
    progress: Progress | None,
    workers: int,
) -> BuildReport:
    """Make the table that of these sounds below root."""
    stamps = table.stamps()
    work = Work.between(root, sounds, stamps, problems)
    problems += work.unread
    if work.moves:
        table.rename(work.moves, work.arrived)
    table.remove(work.gone)
    table.restamp(work.touched)
    collect(root, table, embedder, work.todo, problems, len(sounds), progress, workers)
    if work.todo or work.moves or work.gone or work.touched or table.lacks_index:
        table.tidy()
    failed = {p.file for p in problems}
    added = [n for n in work.todo if n not in failed]
    return BuildReport(
        added=sum(n not in stamps for n in added),
        changed=sum(n in stamps for n in added),
        moved=len(work.moves),
        unchanged=len(work.same),
        removed=len(set(work.gone).difference(sounds)),
        problems=tuple(problems),
    )


@contextmanager
def _by_one(place: Place) -> Iterator[None]:
    """Let one process at a time change an index of this machine; raises DataError where another is at it."""
    if is_url(place) or (_is_taken(Path(place)) and not is_index(Path(place))):
        yield  # whoever comes next says what is wrong with the place
        return
    Path(place).mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(alone(Path(place), wait=False))
        except BlockingIOError:
            raise DataError(f"{place}: another process is indexing into it; wait until it is done") from None
        yield


def _table_for(
    root: Path, place: Place, embedder: Embedder, convention: str, force: bool, options: Mapping[str, str] | None
) -> WindowTable:
    """The table there, or a new one; raises DataError where it can't be gone on with."""
    if not is_url(place) and not is_index(Path(place)) and _is_taken(Path(place)):
        raise DataError(f"{place} exists and is not an index of this version; delete it, or choose another --out")
    way = str(root.resolve()) if is_url(place) else os.path.relpath(root.resolve(), Path(place).resolve())
    origin = Origin(
        embedder.name, embedder.weights_sha256, embedder.dim, float(embedder.config.window_s), convention, way
    )
    if force:
        return WindowTable.create(place, origin, options)
    try:
        table = WindowTable.open(place, options)
    except NoIndexError:
        return WindowTable.create(place, origin, options)
    if table.origin.weights_sha256 != embedder.weights_sha256:
        raise DataError(other_weights(table, embedder))
    for name in ("root", "convention"):
        old, new = getattr(table.origin, name), getattr(origin, name)
        if old != new:
            raise DataError(f"{place} was built with {name} {old!r}, not {new!r}; build anew with --force")
    return table


def other_weights(table: WindowTable, embedder: Embedder) -> str:
    """What to say when an index and a model do not belong together."""
    theirs, ours = table.origin.weights_sha256[:12], embedder.weights_sha256[:12]
    return (
        f"{table.place} was built with {table.origin.model} (weights {theirs}), this is {embedder.name} ({ours}): "
        "their vectors cannot be compared; use that model, or build anew with --force"
    )


def is_index(folder: Path) -> bool:
    """Whether an index is kept in a folder."""
    return (folder / f"{TABLE}.lance").is_dir()


def _is_taken(folder: Path) -> bool:
    """Whether something else than an index is there."""
    return folder.exists() and not (folder.is_dir() and all(p.name == LOCK for p in folder.iterdir()))
