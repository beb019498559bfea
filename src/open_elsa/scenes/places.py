"""Where things lie: folders of this machine or URLs, what lies where seen from where, and copies on this machine."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import posixpath
import shutil
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from open_elsa.errors import AudioError, DataError
from open_elsa.scenes.scene_files import write_bytes, write_whole
from open_elsa.scenes.store import Store, cache_folder

Place = str | Path
#: The file in a folder by which `alone` keeps processes apart.
LOCK = ".lock"


def is_url(place: Place) -> bool:
    """Whether a place is a URL that needs fsspec, not a path of this machine."""
    return "://" in str(place)


def folder_of(paths: Sequence[str]) -> str:
    """The deepest folder that holds all the files; DataError where some are of this machine and others are not."""
    kinds = {_root(path) for path in paths}
    if len(kinds) > 1:
        raise DataError(f"clips must lie in one place, these are in {' and '.join(sorted(k or '/' for k in kinds))}")
    root = kinds.pop()
    if not root:
        return os.path.commonpath([Path(p).absolute().parent for p in paths])
    inner = posixpath.commonpath([posixpath.dirname("/" + p[len(root) :].strip("/")) for p in paths])
    return (root + inner).rstrip("/")


def seen_from(folder: Place, place: Place) -> str:
    """The way from a folder to a place: relative where both are on this machine or in one bucket, else in full."""
    root = _root(str(folder))
    if _root(str(place)) != root:
        return str(place) if is_url(place) else Path(place).absolute().as_posix()
    if not root:
        return Path(os.path.relpath(Path(place).absolute(), Path(folder).absolute())).as_posix()
    inner, start = ("/" + str(p)[len(root) :].strip("/") for p in (place, folder))
    return posixpath.relpath(inner, start)


def reach(folder: Place, way: str) -> Place:
    """The place that `seen_from` described, from the same folder or wherever it moved with its neighbours."""
    if is_url(way):
        return way
    if Path(way).is_absolute() or not is_url(folder):
        return Path(folder) / way
    root = _root(str(folder))
    return (root + posixpath.normpath(posixpath.join("/" + str(folder)[len(root) :].strip("/"), way))).rstrip("/")


def inside(folder: Place, name: str) -> str:
    """Path or URL of a file in a folder."""
    return f"{str(folder).rstrip('/')}/{name}" if is_url(folder) else str(Path(folder) / name)


def sound_file(path: str) -> Path:
    """A clip as a file of this machine: itself, or a copy in the cache that is made anew when the clip changed.

    Raises AudioError where there is no such clip, and DataError where the store does not answer, which says nothing
    about the clip.
    """
    if not is_url(path):
        return Path(path)
    url, _, name = path.rpartition("/")
    store = Store(url)
    try:
        return store.fetch(name)
    except DataError:
        if store.exists(name):
            raise
        raise AudioError(f"{path} does not exist") from None


def fetched_bank(url: str, manifest: str) -> Path:
    """The folder of this machine that holds a copy of a room bank; fetched once, however many processes ask for it.

    manifest: the name of the file that says all that the bank's bytes depend on, so that copies never grow old.
    """
    store = Store(url)
    if not store.exists(manifest):
        raise DataError(f"{url} holds no room bank (no {manifest}); make one with `elsa rooms make` and copy it there")
    about = store.read(manifest)
    folder = cache_folder() / f"bank-{hashlib.sha256(url.encode() + about).hexdigest()[:24]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            if not (folder / manifest).is_file():
                for name in store.list("responses-*"):
                    if not (folder / name).is_file():
                        write_whole(folder / name, partial(shutil.move, store.fetch(name)))
                write_bytes(folder / manifest, about)
    except OSError as error:
        raise DataError(f"{url} cannot be kept in {folder}: {error.strerror or error}; make room there") from error
    return folder


@contextlib.contextmanager
def alone(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Let one process of this machine at a time go on; without `wait`, raise BlockingIOError where another is at it."""
    with (folder / LOCK).open("w") as lock:
        for attempt in range(10):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == 9:
                    raise
                time.sleep(0.02)  # `is_busy` may be looking
        yield  # closing the file, or the end of the process, gives the lock back


def is_busy(folder: Path) -> bool:
    """Whether a process of this machine is just in `alone` with that folder."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # nobody ever was
        return False
    return False


def _root(place: str) -> str:
    """Scheme and bucket of a URL, "" for a path of this machine."""
    scheme, mark, rest = place.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0]}" if mark else ""
