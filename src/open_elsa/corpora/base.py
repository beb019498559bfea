"""What every source data set states about itself, and the one way to read it: clips, and problems by name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from open_elsa.errors import DataError, ElsaError
from open_elsa.scenes.scene import Clip
from open_elsa.sound import audio

#: Suffixes taken for audio when a data set names its sounds without one.
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
#: How many missing or broken files `load` accepts unless told otherwise.
DEFAULT_MAX_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """A file or a row that could not be used: path (with a line number where it is a row of a table) and reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Reader(Protocol):
    """Yields the usable clips of a data set under `root`; what is not usable is appended to `problems`."""

    def __call__(self, root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
        """Yield clips of the given splits (None = all of them)."""


@dataclass(frozen=True)
class Corpus:
    """What a data set is: name, licence, citation, where to get it, and how many clips each split should have."""

    name: str
    licence: str
    citation: str
    url: str
    splits: tuple[str, ...]
    reader: Reader
    expected: Mapping[str, int] = field(default_factory=dict)

    def clips(self, root: str | Path, splits: Iterable[str] | None = None) -> Iterator[Clip]:
        """Yield every usable clip; the first problem raises DataError (use `load` to tolerate some)."""
        problems: list[Problem] = []
        for clip in self.reader(existing_folder(root, self), self.wanted(splits), problems):
            _refuse(problems, 0, self.name)
            yield clip
        _refuse(problems, 0, self.name)

    def wanted(self, splits: Iterable[str] | None) -> frozenset[str] | None:
        """Check split names; raises DataError for a split that the data set does not have."""
        if splits is None:
            return None
        chosen = frozenset([splits] if isinstance(splits, str) else splits)
        if self.splits and (unknown := sorted(chosen - set(self.splits))):
            raise DataError(f"{self.name} has no split {', '.join(unknown)}; it has {', '.join(self.splits)}")
        return chosen


@dataclass(frozen=True)
class Loaded:
    """The clips of a data set and the problems that were skipped (at most the limit that was stated)."""

    clips: list[Clip]
    problems: list[Problem]


@dataclass(frozen=True)
class CheckReport:
    """What `elsa data check` prints: usable clips a split, missing and broken files, counts that should be there."""

    corpus: Corpus
    root: str
    found: dict[str, int]
    seconds: float
    problems: list[Problem]

    @property
    def complete(self) -> bool:
        """True when nothing is wrong and every expected clip is there."""
        return not self.problems and not self.short()

    @property
    def missing(self) -> list[Problem]:
        """Files that a table names and that are not there."""
        return [p for p in self.problems if p.reason.startswith("missing")]

    @property
    def broken(self) -> list[Problem]:
        """Files and rows that are there and cannot be used."""
        return [p for p in self.problems if not p.reason.startswith("missing")]

    def short(self) -> dict[str, tuple[int, int]]:
        """Splits with fewer clips than expected: split → (found, expected)."""
        wanted = self.corpus.expected
        return {s: (self.found.get(s, 0), n) for s, n in wanted.items() if self.found.get(s, 0) < n}


def read_clips(
    corpus: Corpus,
    root: str | Path,
    splits: Iterable[str] | None = None,
    max_problems: int | None = DEFAULT_MAX_PROBLEMS,
) -> Loaded:
    """Read a data set, skipping at most `max_problems` missing or broken files (None = any number).

    Raises DataError, naming the first problems, as soon as there are more, or when nothing at all can be used.
    """
    problems: list[Problem] = []
    clips: list[Clip] = []
    ids: dict[str, str] = {}
    for clip in corpus.reader(existing_folder(root, corpus), corpus.wanted(splits), problems):
        if clip.id in ids:
            problems.append(Problem(clip.path, f"the id {clip.id!r} is already taken by {ids[clip.id]}"))
        else:
            ids[clip.id] = clip.path
            clips.append(clip)
        _refuse(problems, max_problems, corpus.name)
    _refuse(problems, max_problems, corpus.name)
    if not clips:
        first = "".join(f"\n  {p}" for p in problems[:5]) or " (the table has no rows for these splits)"
        raise DataError(f"no usable clip of {corpus.name} under {root}{first}")
    return Loaded(clips, problems)


def check_clips(corpus: Corpus, root: str | Path, progress: Callable[[int], None] | None = None) -> CheckReport:
    """Open every file's header and count what is there; never raises for the state of a file."""
    problems: list[Problem] = []
    found: dict[str, int] = {}
    seconds = 0.0
    for n, clip in enumerate(corpus.reader(existing_folder(root, corpus), None, problems)):
        try:
            seconds += audio.info(clip.path).duration_s
        except ElsaError as error:
            problems.append(Problem(clip.path, str(error)))
            continue
        found[clip.split] = found.get(clip.split, 0) + 1
        if progress is not None:
            progress(n + 1)
    return CheckReport(corpus, str(root), found, seconds, problems)


def existing_folder(root: str | Path, corpus: Corpus) -> Path:
    """Return the folder as a Path, or raise DataError that says where the data set comes from."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        where = f"; get it from {corpus.url}" if corpus.url else ""
        raise DataError(f"{corpus.name}: there is no folder {folder}{where}")
    return folder


def probe(path: Path, problems: list[Problem]) -> float | None:
    """Duration of a sound file in seconds from its header; None, with a problem noted, if it cannot be used."""
    if not path.is_file():
        problems.append(Problem(str(path), "missing"))
        return None
    try:
        seconds = audio.info(path).duration_s
    except (ElsaError, OSError) as error:
        problems.append(Problem(str(path), str(error)))
        return None
    if seconds <= 0:
        problems.append(Problem(str(path), "holds no sound"))
        return None
    return seconds


def table(path: Path, required: Iterable[str] = (), separator: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a CSV with a header, values stripped; a byte order mark is ignored.

    Raises DataError for a missing or unreadable file and for missing columns, naming those that are there.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = [c.strip() for c in reader.fieldnames or []]
    except csv.Error as error:
        raise DataError(f"{path}, line 1: {error}") from None
    if absent := [c for c in required if c not in columns]:
        has = ", ".join(columns) or "none"
        raise DataError(f"{path} lacks the column {', '.join(absent)}; its first line has: {has}")
    try:
        for row in reader:
            yield reader.line_num, {k.strip(): (v or "").strip() for k, v in row.items() if isinstance(k, str)}
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def json_lines(path: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield (line number, object) of a JSONL file; lines that are not objects become problems."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines() would cut at U+2028 inside a caption
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(Problem(f"{path}, line {number}", f"is not JSON: {error.msg} at column {error.colno}"))
            continue
        if not isinstance(value, dict):
            problems.append(Problem(f"{path}, line {number}", "is not a JSON object"))
            continue
        yield number, value


def _refuse(problems: list[Problem], limit: int | None, name: str) -> None:
    if limit is None or len(problems) <= limit:
        return
    first = "".join(f"\n  {p}" for p in problems[:5])
    raise DataError(f"{name}: more than {limit} missing or broken (raise the limit to skip them); the first:{first}")
