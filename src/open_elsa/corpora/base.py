"""What every source data set states about itself, and the one way to read it: clips, and problems by name."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from open_elsa.errors import DataError, ElsaError
from open_elsa.scenes.scene import Clip
from open_elsa.sound import audio

#: Suffixes taken for audio when a data set names its sounds without one.
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
#: How many missing or broken files `load` accepts unless told otherwise.
DEFAULT_MAX_PROBLEMS = 20
#: What a clip's licence says when its data set says nothing.
NOT_STATED = "not stated"

_FREE = re.compile(r"cc-?0|public ?domain|\bcc[- ]by|licenses/by|attribution|\bodc-by|\bmit\b|\bapache", re.IGNORECASE)
_BOUND = re.compile(r"\bnc\b|non-?commercial|sampling|\bnd\b|academic|research", re.IGNORECASE)


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


class Item(Protocol):
    """What a data set consists of: captioned clips, or spatial recordings."""

    @property
    def id(self) -> str:
        """Name of the item, once in a data set."""

    @property
    def path(self) -> str:
        """Its sound file."""

    @property
    def split(self) -> str:
        """The split it belongs to."""


ItemT = TypeVar("ItemT", bound=Item)


@dataclass(frozen=True)
class DataSet:
    """What a data set is: name, licence, citation, where to get it, and how many items each split should have."""

    name: str
    licence: str
    citation: str
    url: str
    splits: tuple[str, ...]
    expected: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def wanted(self, splits: Iterable[str] | None) -> frozenset[str] | None:
        """Check split names; raises DataError for a split that the data set does not have."""
        if splits is None:
            return None
        chosen = frozenset([splits] if isinstance(splits, str) else splits)
        if self.splits and (unknown := sorted(chosen - set(self.splits))):
            raise DataError(f"{self.name} has no split {', '.join(unknown)}; it has {', '.join(self.splits)}")
        return chosen


@dataclass(frozen=True)
class Corpus(DataSet):
    """A data set of captioned sounds."""

    reader: Reader

    def clips(self, root: str | Path, splits: Iterable[str] | None = None) -> Iterator[Clip]:
        """Yield every usable clip; the first problem raises DataError (use `load` to tolerate some)."""
        problems: list[Problem] = []
        for clip in self.reader(existing_folder(root, self), self.wanted(splits), problems):
            _refuse(problems, 0, self.name)
            yield clip
        _refuse(problems, 0, self.name)


@dataclass(frozen=True)
class Loaded:
    """The clips of a data set and the problems that were skipped (at most the limit that was stated)."""

    clips: list[Clip]
    problems: list[Problem]


@dataclass(frozen=True)
class CheckReport:
    """What `elsa data check` prints: usable items a split, missing and broken files, counts that should be there."""

    corpus: DataSet
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
    items = corpus.reader(existing_folder(root, corpus), corpus.wanted(splits), problems)
    return Loaded(gather(corpus, root, items, problems, max_problems), problems)


def gather(
    data_set: DataSet, root: str | Path, items: Iterator[ItemT], problems: list[Problem], max_problems: int | None
) -> list[ItemT]:
    """Collect what a reader yields; an id that comes twice is a problem. Raises DataError as `read_clips` does."""
    found: list[ItemT] = []
    ids: dict[str, str] = {}
    for item in items:
        if item.id in ids:
            problems.append(Problem(item.path, f"the id {item.id!r} is already taken by {ids[item.id]}"))
        else:
            ids[item.id] = item.path
            found.append(item)
        _refuse(problems, max_problems, data_set.name)
    _refuse(problems, max_problems, data_set.name)
    if not found:
        first = "".join(f"\n  {p}" for p in problems[:5]) or " (the table has no rows for these splits)"
        raise DataError(f"no usable clip of {data_set.name} under {root}{first}")
    return found


def check_clips(corpus: Corpus, root: str | Path, progress: Callable[[int], None] | None = None) -> CheckReport:
    """Open every file's header and count what is there; never raises for the state of a file."""
    problems: list[Problem] = []
    items = corpus.reader(existing_folder(root, corpus), None, problems)
    return check_items(corpus, root, items, problems, progress)


def check_items(
    data_set: DataSet,
    root: str | Path,
    items: Iterator[ItemT],
    problems: list[Problem],
    progress: Callable[[int], None] | None = None,
) -> CheckReport:
    """Open the header of everything that a reader yields and count it by split."""
    found: dict[str, int] = {}
    ids: dict[str, str] = {}
    seconds = 0.0
    for n, item in enumerate(items):
        if item.id in ids:
            problems.append(Problem(item.path, f"the id {item.id!r} is already taken by {ids[item.id]}"))
            continue
        ids[item.id] = item.path
        try:
            seconds += audio.info(item.path).duration_s
        except ElsaError as error:
            problems.append(Problem(item.path, str(error)))
            continue
        found[item.split] = found.get(item.split, 0) + 1
        if progress is not None:
            progress(n + 1)
    return CheckReport(data_set, str(root), found, seconds, problems)


def existing_folder(root: str | Path, corpus: DataSet) -> Path:
    """Return the folder as a Path, or raise DataError that says where the data set comes from."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        where = f"; get it from {corpus.url}" if corpus.url else ""
        raise DataError(f"{corpus.name}: there is no folder {folder}{where}")
    return folder


def may_train(licence: str) -> bool:
    """Tell whether a licence is known to let weights that are shipped learn from a sound: CC0, CC BY, CC BY-SA, …"""
    return bool(_FREE.search(licence)) and not _BOUND.search(licence)


def audio_index(root: Path) -> dict[str, list[Path]]:
    """File name without suffix → the audio files of that name under `root`, in a fixed order."""
    index: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES:
            index.setdefault(path.stem, []).append(path)
    return index


def segment(index: dict[str, list[Path]], video: str, start_s: int, split: str, *, bare: bool = True) -> Path | None:
    """Find the ten seconds of a video by the names that common tools give them; a file in the split's folder first.

    bare: whether the video's id alone will do, which it must not where a video may be cut into several clips.
    """
    ms = 1000 * start_s
    times = (f"_{start_s}", f"_{start_s:06d}", f"_{ms}_{ms + 10_000}", f"_{ms}", *([""] if bare else []))
    for stem in (f"{prefix}{video}{time}" for time in times for prefix in ("", "Y")):
        if paths := index.get(stem):
            return next((p for p in paths if split in p.parts), paths[0])
    return None


def find(root: Path, names: Iterable[str], folders: Iterable[str] = (".",)) -> Path | None:
    """Return the first of the named files that is in one of the folders under `root`, or None."""
    places = [root / folder for folder in folders]
    return next((path for name in names for place in places if (path := place / name).is_file()), None)


def need(root: Path, names: Sequence[str], data_set: DataSet, folders: Iterable[str] = (".",)) -> Path:
    """Find a file as `find` does; raises DataError that says what was looked for and where the data set comes from."""
    folders = list(folders)
    found = find(root, names, folders)
    if found is None:
        where = "" if folders == ["."] else f" in {', '.join('the root' if f == '.' else f for f in folders)}"
        raise DataError(
            f"{root} is not {data_set.name}: it has no {' or '.join(names)}{where}; "
            f"unpack {data_set.url} and name its top folder"
        )
    return found


def header(path: Path, problems: list[Problem]) -> audio.AudioInfo | None:
    """Read the header of a sound file; None, with a problem noted, if the file cannot be used."""
    if not path.is_file():
        problems.append(Problem(str(path), "missing"))
        return None
    try:
        return audio.info(path)
    except (ElsaError, OSError) as error:
        problems.append(Problem(str(path), str(error)))
        return None


def probe(path: Path, problems: list[Problem]) -> float | None:
    """Duration of a sound file in seconds from its header; None, with a problem noted, if it cannot be used."""
    found = header(path, problems)
    return None if found is None else found.duration_s


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, without its byte order mark; raises DataError if it is missing or something else."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from None


def read_json(path: Path) -> object:
    """Read a JSON file; raises DataError if it is missing or not JSON."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: is not JSON: {error.msg}") from None


def rows(
    path: Path, columns: Sequence[str], separator: str = ",", optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a CSV without a header, values stripped; columns beyond the named are left out.

    Raises DataError for a missing or unreadable file and for a row with fewer than `columns`.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=separator, strict=True)
    try:
        for values in reader:
            if not any(v.strip() for v in values):
                continue
            if len(values) < len(columns):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(values)} columns where {len(columns)} are expected: "
                    f"{', '.join(columns)}"
                )
            yield reader.line_num, {c: v.strip() for c, v in zip((*columns, *optional), values, strict=False)}
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def table(path: Path, required: Iterable[str] = (), separator: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a CSV with a header, values stripped; a byte order mark is ignored.

    Raises DataError for a missing or unreadable file and for missing columns, naming those that are there.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), delimiter=separator, strict=True)
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
    lines = read_text(path).split("\n")  # splitlines() would cut at U+2028 inside a caption
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
