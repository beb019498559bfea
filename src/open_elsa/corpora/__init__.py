"""Captioned source sounds: one file a data set, each an iterator of `Clip`.

`load("esc50", folder)` reads a data set we know; `load("my/sounds")` reads any folder with a table of captions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from pathlib import Path

from open_elsa.corpora import audiocaps, clotho, elsa_clips, esc50, folder
from open_elsa.corpora.base import (
    DEFAULT_MAX_PROBLEMS,
    CheckReport,
    Corpus,
    Loaded,
    Problem,
    check_clips,
    read_clips,
)
from open_elsa.errors import DataError

__all__ = ["CheckReport", "Corpus", "Loaded", "Problem", "check", "corpora", "get", "load"]

_BUILT_IN = (esc50.CORPUS, folder.CORPUS, elsa_clips.CORPUS, audiocaps.CORPUS, clotho.CORPUS)


def corpora() -> dict[str, Corpus]:
    """Every data set by name: ours, and those that installed packages add (entry points `open_elsa.corpora`)."""
    found = {c.name: c for c in _BUILT_IN}
    for entry in entry_points(group="open_elsa.corpora"):
        if entry.name not in found:
            found[entry.name] = entry.load()
    return found


def get(name: str) -> Corpus:
    """Return the data set of that name; raises DataError that lists the names we know."""
    known = corpora()
    if name not in known:
        raise DataError(f"there is no data set called {name!r}; known: {', '.join(sorted(known))}, or name a folder")
    return known[name]


def load(
    name_or_path: str | Path,
    root: str | Path | None = None,
    splits: Iterable[str] | None = None,
    max_problems: int | None = DEFAULT_MAX_PROBLEMS,
) -> Loaded:
    """Read a data set by name and root folder, or any folder of sounds that has captions.csv, .jsonl or clips.csv.

    At most `max_problems` missing or broken files are skipped (None = any number) and returned as problems; raises
    DataError that names the first ones when there are more.
    """
    corpus, where = _resolve(name_or_path, root)
    return read_clips(corpus, where, splits, max_problems)


def check(
    name_or_path: str | Path, root: str | Path | None = None, progress: Callable[[int], None] | None = None
) -> CheckReport:
    """Look at every file of a data set and report what is there, missing and broken."""
    corpus, where = _resolve(name_or_path, root)
    return check_clips(corpus, where, progress)


def _resolve(name_or_path: str | Path, root: str | Path | None) -> tuple[Corpus, Path]:
    if root is not None:
        return get(str(name_or_path)), Path(root)
    path = Path(name_or_path).expanduser()
    if not path.is_dir():
        known = corpora()
        if str(name_or_path) in known:
            raise DataError(f"where is {name_or_path}? Give the folder it is in")
        raise DataError(f"{name_or_path} is neither a folder nor a data set; known: {', '.join(sorted(known))}")
    if (path / "meta" / "esc50.csv").is_file():
        return esc50.CORPUS, path
    return (elsa_clips.CORPUS if (path / elsa_clips.TABLE).is_file() else folder.CORPUS), path
