"""Captioned source sounds (`Clip`) and spatial recordings (`SpatialRecording`): one file a data set.

`load("esc50", folder)` reads a data set we know; `load("my/sounds")` reads any folder with a table of captions;
`recordings("starss23", folder)` reads sounds that are spatial already, with what is heard when and where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from pathlib import Path

from open_elsa.corpora import (
    audiocaps,
    audioset_strong,
    clotho,
    dcase,
    elsa_clips,
    esc50,
    folder,
    fsd50k,
    huggingface,
    laion,
    librispeech,
    spatial_librispeech,
    tut2018,
    vctk,
    vggsound,
    wavcaps,
)
from open_elsa.corpora.base import (
    DEFAULT_MAX_PROBLEMS,
    CheckReport,
    Corpus,
    Loaded,
    Problem,
    check_clips,
    check_items,
    existing_folder,
    gather,
    read_clips,
)
from open_elsa.corpora.spatial import LoadedRecordings, SoundEvent, SpatialCorpus, SpatialRecording, read_recordings
from open_elsa.errors import DataError
from open_elsa.scenes import places

__all__ = [
    "CheckReport",
    "Corpus",
    "Loaded",
    "LoadedRecordings",
    "Problem",
    "SoundEvent",
    "SpatialCorpus",
    "SpatialRecording",
    "check",
    "corpora",
    "get",
    "load",
    "recordings",
]

_CAPTIONED = (
    *(esc50.CORPUS, folder.CORPUS, elsa_clips.CORPUS, audiocaps.CORPUS, clotho.CORPUS, fsd50k.CORPUS, laion.CORPUS),
    *(wavcaps.CORPUS, vggsound.CORPUS, audioset_strong.CORPUS, vctk.CORPUS, librispeech.CORPUS, huggingface.CORPUS),
)
_SPATIAL = (*dcase.CORPORA, *tut2018.CORPORA, spatial_librispeech.CORPUS)


def corpora() -> dict[str, Corpus | SpatialCorpus]:
    """Every data set by name: ours, and those that installed packages add (entry points `open_elsa.corpora`)."""
    found: dict[str, Corpus | SpatialCorpus] = {c.name: c for c in (*_CAPTIONED, *_SPATIAL)}
    for entry in entry_points(group="open_elsa.corpora"):
        if entry.name not in found:
            found[entry.name] = entry.load()
    return found


def get(name: str) -> Corpus | SpatialCorpus:
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

    A folder with captions.csv or .jsonl may be at a URL that fsspec knows.

    At most `max_problems` missing or broken files are skipped (None = any number) and returned as problems; raises
    DataError that names the first ones when there are more.
    """
    if places.is_url(root or name_or_path):
        if root is not None:
            raise DataError(f"{name_or_path} is read from a folder of this machine, not from {root}; copy it here")
        url, problems = str(name_or_path), list[Problem]()
        items = folder.read_url(url, folder.CORPUS.wanted(splits), problems)
        return Loaded(gather(folder.CORPUS, url, items, problems, max_problems), problems)
    corpus, where = _resolve(name_or_path, root)
    if not isinstance(corpus, Corpus):
        raise DataError(
            f"{corpus.name} holds spatial recordings, not clips to place; read it with corpora.recordings()"
        )
    return read_clips(corpus, where, splits, max_problems)


def recordings(
    name: str,
    root: str | Path,
    splits: Iterable[str] | None = None,
    max_problems: int | None = DEFAULT_MAX_PROBLEMS,
) -> LoadedRecordings:
    """Read a data set of spatial recordings by name and root folder; problems are skipped and raised as `load` does."""
    corpus = get(name)
    if not isinstance(corpus, SpatialCorpus):
        raise DataError(f"{corpus.name} holds clips without a place; read it with corpora.load()")
    return read_recordings(corpus, root, splits, max_problems)


def check(
    name_or_path: str | Path, root: str | Path | None = None, progress: Callable[[int], None] | None = None
) -> CheckReport:
    """Look at every file of a data set and report what is there, missing and broken."""
    corpus, where = _resolve(name_or_path, root)
    if isinstance(corpus, Corpus):
        return check_clips(corpus, where, progress)
    problems: list[Problem] = []
    return check_items(corpus, where, corpus.reader(existing_folder(where, corpus), None, problems), problems, progress)


def _resolve(name_or_path: str | Path, root: str | Path | None) -> tuple[Corpus | SpatialCorpus, Path]:
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
