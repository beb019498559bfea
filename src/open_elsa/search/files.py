"""The sounds below a folder, and which of them have to be listened to again."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from open_elsa.errors import DataError
from open_elsa.sound.files import SUFFIXES


class NoSoundError(DataError):
    """A folder in which no sound is."""


@dataclass(frozen=True)
class Problem:
    """A file that could not be indexed, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Stamp:
    """By what a file is recognised as unchanged."""

    size: int
    mtime_ns: int
    sha256: str


def listing(root: Path, besides: Path | None) -> tuple[list[str], list[Problem]]:
    """Names of all sounds below root in a fixed order, and the folders that cannot be listed.

    besides: a folder below root that is passed over, the index's own. Raises NoSoundError where there is no sound.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    passed = None if besides is None else besides.resolve()
    problems: list[Problem] = []
    names: list[str] = []

    def refused(error: OSError) -> None:
        if Path(error.filename) == root:
            raise DataError(f"{root} cannot be listed: {error.strerror}") from error
        problems.append(
            Problem(Path(error.filename).relative_to(root).as_posix(), f"cannot be listed: {error.strerror}")
        )

    for folder, below, files in os.walk(root, onerror=refused):
        below[:] = sorted(d for d in below if Path(folder, d).resolve() != passed and not d.startswith("."))
        for file in files:
            name = Path(folder, file).relative_to(root).as_posix()
            if Path(file).suffix.lower() not in SUFFIXES:
                continue
            if not _is_text(name):
                problems.append(Problem(os.fsencode(name).decode(errors="replace"), "its name is not UTF-8; rename it"))
                continue
            names.append(name)
    if not names and not problems:
        raise NoSoundError(f"{root} holds no sound; looked for {' '.join(SUFFIXES)}")
    return sorted(names), problems


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def make_stamp(path: Path) -> Stamp:
    """Size, time and content hash of a file; raises OSError, also for pipes and devices, which may never end."""
    stat = path.stat()
    if not S_ISREG(stat.st_mode):
        raise OSError(errno.EINVAL, "not a file but a pipe or a device")
    with path.open("rb") as file:
        return Stamp(stat.st_size, stat.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True)
class Work:
    """What a build has to do.

    todo: names to listen to. same: names whose windows hold. touched: those of them with a new time, and their new
    stamps. moves: names that are gone, to where they lie now. arrived: stamps under the new names. gone: names whose
    windows go: deleted, or changed and in todo again. unread: known files that cannot be looked at now; their windows,
    and those of files below folders that cannot be listed, hold until it is known what became of them.
    """

    todo: list[str]
    same: list[str]
    touched: dict[str, Stamp]
    moves: dict[str, str]
    arrived: dict[str, Stamp]
    gone: list[str]
    unread: list[Problem]

    @classmethod
    def between(cls, root: Path, names: list[str], stamps: dict[str, Stamp], problems: list[Problem]) -> Work:
        """What turns an index with these stamps into one of these names; problems: as `listing` gave them."""
        todo, same, touched, unread = _changed(root, names, stamps)
        unseen = tuple(f"{problem.file}/" for problem in problems)
        hidden = {name for name in stamps if name.startswith(unseen)} if unseen else set()
        moves, arrived = _moved(root, todo, stamps, hidden.union(names))
        kept = {*same, *moves, *hidden, *(problem.file for problem in unread)}
        gone = [name for name in stamps if name not in kept]
        return cls([n for n in todo if n not in arrived], same, touched, moves, arrived, gone, unread)


def _changed(
    root: Path, names: list[str], stamps: dict[str, Stamp]
) -> tuple[list[str], list[str], dict[str, Stamp], list[Problem]]:
    todo: list[str] = []
    same: list[str] = []
    touched: dict[str, Stamp] = {}
    unread: list[Problem] = []
    for name in names:
        old = stamps.get(name)
        try:
            stat = (root / name).stat()
            if old is not None and (old.size, old.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                same.append(name)
                continue
            if old is not None and old.size == stat.st_size and (new := make_stamp(root / name)).sha256 == old.sha256:
                same.append(name)
                touched[name] = new
                continue
        except OSError as error:
            if old is not None and not isinstance(error, FileNotFoundError):
                unread.append(Problem(name, f"cannot be read now: {error.strerror or error}"))
                continue
        todo.append(name)  # if it cannot be read, reading it will say why
    return todo, same, touched, unread


def _moved(
    root: Path, todo: list[str], stamps: dict[str, Stamp], there: set[str]
) -> tuple[dict[str, str], dict[str, Stamp]]:
    """Which files that are gone lie under a new name, old to new, and the stamps under the new names."""
    gone = {stamp.sha256: name for name, stamp in stamps.items() if name not in there}
    sizes = {stamps[name].size for name in gone.values()}
    moves: dict[str, str] = {}
    arrived: dict[str, Stamp] = {}
    for name in todo:
        if name in stamps:
            continue
        try:
            if (root / name).stat().st_size not in sizes:
                continue  # not worth reading: no file of this size is gone
            stamp = make_stamp(root / name)
        except OSError:
            continue  # reading it will say what is wrong
        if stamp.sha256 in gone:
            moves[gone.pop(stamp.sha256)] = name
            arrived[name] = stamp
    return moves, arrived
