"""The windows of an index as one LanceDB table, in a folder of this machine or in an object store.

Every step of a build is one commit of LanceDB: one that is killed leaves the table as before or after a step. What
all windows have in common (weights, convention, root) stands in the table's own metadata, so that it can't be lost.
"""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes.places import Place, is_url
from open_elsa.search.files import Stamp
from open_elsa.using.analysis import WindowAnalysis

FORMAT_VERSION = 2  # 1 were Parquet parts
#: The name of the table, and of the folder beside sounds that holds it.
TABLE = "windows"
DEFAULT_NAME = "elsa-index"
#: The columns that say what was heard of the place, null where it is not known.
PLACE = ("azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "t30_s")
#: How many steps of the place a column of whole numbers has, for filters of large tables: angles in steps of
#: ten degrees, the others of an eighth of an octave. A bitmap of those is many times quicker than a B-tree.
STEPS_A_DEGREE, STEPS_AN_OCTAVE = 0.1, 8.0
#: Up to so many windows an index is held in memory and searched exactly; beyond, LanceDB searches it on disk by an
#: approximate index: see docs/searching.md for what was measured.
MOST_IN_MEMORY = 100_000
#: What a change leaves unused is kept so long, for those who are reading: a small table is read at once, a large one is
#: searched on disk as it was when it was opened, and put together only when it lies in many parts.
KEPT_FOR, KEPT_FOR_LARGE, PARTS_OF_LARGE = timedelta(minutes=1), timedelta(days=1), 16
#: The approximate index: windows in one of its parts, the share of the parts that is looked at (and at least how many),
#: and how many times more windows than asked for are compared exactly.
WINDOWS_A_PART, PROBED, LEAST_PROBES, REFINED = 4000, 1 / 5, 20, 5
_KEY = b"open_elsa"
_NAMES_A_CHANGE = 100  # in one statement of SQL


class NoIndexError(DataError):
    """A place in which no index is."""


@dataclass(frozen=True)
class Origin:
    """What all windows of an index have in common.

    model, weights_sha256: whose vectors they are, of dim numbers; window_s: the longest window; convention: what
    four-channel files were taken for; root: the folder of sounds, seen from the index where both are of this machine.
    """

    model: str
    weights_sha256: str
    dim: int
    window_s: float
    convention: str
    root: str


class WindowTable:
    """The windows of an index; see `open` and `create`.

    place: path or URL. Raises DataError from every method where the store fails, saying what stood in the way.
    """

    def __init__(
        self, place: Place, table: Any, origin: Origin, options: Mapping[str, str] | None = None, made: str = ""
    ) -> None:
        self.place, self.origin = place, origin
        self._table, self._options, self._made = table, options, made

    def __len__(self) -> int:
        return int(self._table.count_rows())

    @property
    def large(self) -> bool:
        """Whether it is searched on disk."""
        return len(self) > MOST_IN_MEMORY

    @classmethod
    def open(cls, place: Place, options: Mapping[str, str] | None = None) -> WindowTable:
        """Open the table there.

        options: what LanceDB's object store takes, such as {"aws_endpoint": …}; credentials are best left to the
        environment. Raises NoIndexError where there is none, DataError where it is damaged or of another version.
        """
        if not is_url(place):
            if (Path(place) / "index.json").is_file() and not (Path(place) / f"{TABLE}.lance").is_dir():
                raise DataError(f"{place} holds an index of an earlier version; delete that folder and index again")
            if not (Path(place) / f"{TABLE}.lance").is_dir():
                raise NoIndexError(f"{place} holds no index; make one with: elsa index FOLDER")
        with _told(place, "cannot be opened"):
            try:
                table = _connect(place, options).open_table(TABLE)
            except ValueError as error:
                if "was not found" not in str(error):
                    raise
                raise NoIndexError(f"{place} holds no index; make one with: elsa index FOLDER") from error
            about = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
        version = about.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise DataError(
                f"{place}: index format {version}, this version reads {FORMAT_VERSION}; build anew with --force"
            )
        made = about.pop("made", "")
        return cls(place, table, Origin(**about), options, made)

    def newer(self) -> WindowTable | None:
        """The table as it is there now, None where that is what this one shows; raises as `open` does."""
        now = WindowTable.open(self.place, self._options)
        # a table that was made anew counts its versions from one again
        same = (now._made, now._table.version) == (self._made, self._table.version)
        return None if same else now

    @classmethod
    def create(cls, place: Place, origin: Origin, options: Mapping[str, str] | None = None) -> WindowTable:
        """Make an empty table, in place of one that is there, whatever state that is in."""
        made = secrets.token_hex(8)
        about = json.dumps({"format_version": FORMAT_VERSION, "made": made, **asdict(origin)})
        schema = schema_of(origin.dim).with_metadata({_KEY: about.encode()})
        with _told(place, "cannot be made"):
            database = _connect(place, options)
            database.drop_table(TABLE, ignore_missing=True)  # "overwrite" would have to read what may be damaged
            table = database.create_table(TABLE, schema=schema)
        return cls(place, table, origin, options, made)

    # -- reading -----------------------------------------------------------------------------------------------------

    def stamps(self) -> dict[str, Stamp]:
        """The files that are in it, with the stamps they had when they were listened to."""
        found = self._read(["file", "size", "mtime_ns", "sha256"], where="start_s = 0")  # every file's first window
        columns = [found[name].to_pylist() for name in ("file", "size", "mtime_ns", "sha256")]
        return {name: Stamp(*stamp) for name, *stamp in zip(*columns, strict=True)}

    def rows(self) -> pa.Table:
        """Every window without its vector, by file and time; `_rowid` names its row for `vectors`."""
        return self._read(_DESCRIBING, ids=True).sort_by([("file", "ascending"), ("start_s", "ascending")])

    def vectors(self, ids: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """The vectors (n, d) of rows, in the order asked for; few at once, for all of them see `scan`."""
        return _matrix(self._taken(ids, ["vector"])["vector"], self.origin.dim)

    def described(self, ids: Sequence[int] | NDArray[np.integer]) -> pa.Table:
        """Rows without their vectors, in the order asked for."""
        return self._taken(ids, _DESCRIBING)

    def _taken(self, ids: Sequence[int] | NDArray[np.integer], names: Sequence[str]) -> pa.Table:
        with _told(self.place, "cannot be read"):
            found = self._table.take_row_ids([int(i) for i in ids]).select(list(names)).with_row_id().to_arrow()
        place = {i: k for k, i in enumerate(found["_rowid"].to_pylist())}
        return found.take(pa.array([place[int(i)] for i in ids], pa.int64()))

    def scan(self, where: str | None = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """All rows that a condition in SQL holds of, some thousands at a time: ids (n,) and vectors (n, d)."""
        with _told(self.place, "cannot be read"):
            query = self._table.search().select(["vector"]).with_row_id(True)
            for batch in (query if where is None else query.where(where)).to_batches(8192):
                yield batch["_rowid"].to_numpy().astype(np.int64), _matrix(batch["vector"], self.origin.dim)

    def nearest(
        self, query: NDArray[np.float32], n: int, where: str | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The n rows whose vectors (d,) are nearest by the approximate index, best first: ids and scores, (n,) each.

        where: a condition in SQL that is kept before the search, so that n are found where so many fit.
        """
        with _told(self.place, "cannot be searched"):
            asked = self._table.search(np.asarray(query, np.float32)).distance_type("dot").limit(n)
            asked = asked.nprobes(self._probes).refine_factor(REFINED).select(["_distance"]).with_row_id(True)
            found = (asked if where is None else asked.where(where, prefilter=True)).to_arrow()
        scores = 1.0 - found["_distance"].to_numpy().astype(np.float32)  # LanceDB's dot distance is 1 - the product
        return found["_rowid"].to_numpy().astype(np.int64), scores

    @property
    def _probes(self) -> int:
        return max(LEAST_PROBES, round(PROBED * len(self) / WINDOWS_A_PART))

    def _read(self, names: Sequence[str], *, ids: bool = False, where: str | None = None) -> pa.Table:
        with _told(self.place, "is damaged or cannot be read"):
            query = self._table.search().select(list(names)).with_row_id(ids)
            return (query if where is None else query.where(where)).to_arrow()

    # -- writing -----------------------------------------------------------------------------------------------------

    def add(self, heard: Mapping[str, tuple[Stamp, Sequence[WindowAnalysis], Sequence[Sequence[str]]]]) -> None:
        """Add the windows of files that are not in it: their stamps, the windows and the tags of each window."""
        rows = [
            (name, stamp, window, tags)
            for name, (stamp, windows, tagged) in sorted(heard.items())
            for window, tags in zip(windows, tagged, strict=True)
        ]
        flat = np.concatenate([w.embedding for _, _, w, _ in rows]).astype(np.float32)
        columns: dict[str, Any] = {
            "file": [name for name, _, _, _ in rows],
            **{n: [getattr(w, n) for _, _, w, _ in rows] for n in ("start_s", "end_s")},
            **{n: [getattr(w.location, n) for _, _, w, _ in rows] for n in PLACE},
            "is_spatial": [w.location.known for _, _, w, _ in rows],
            "tags": [list(tags) for _, _, _, tags in rows],
            **{n: [getattr(stamp, n) for _, stamp, _, _ in rows] for n in ("size", "mtime_ns", "sha256")},
        }
        schema = schema_of(self.origin.dim)
        arrays = [pa.array(columns[name], type=schema.field(name).type) for name in columns]
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), self.origin.dim)
        schema = pa.schema([schema.field(name) for name in (*columns, "vector")])
        self.append(pa.Table.from_arrays([*arrays, vectors], schema=schema))

    def append(self, rows: pa.Table) -> None:
        """Add rows in one commit; of the columns of `schema_of` those of the steps may be missing."""
        for name in PLACE:
            if step_column(name) not in rows.column_names:
                steps = steps_of(name, rows[name].to_numpy(zero_copy_only=False))
                rows = rows.append_column(step_column(name), pa.array(steps, pa.int16(), from_pandas=True))
        with _told(self.place, "cannot be written"):
            self._table.add(rows.select(schema_of(self.origin.dim).names))

    def remove(self, files: Sequence[str]) -> None:
        """Take the windows of files out of it."""
        with _told(self.place, "cannot be written"):
            for condition in _named(files):
                self._table.delete(condition)

    def rename(self, moves: Mapping[str, str], stamps: Mapping[str, Stamp]) -> None:
        """Give the windows of files, old name to new, their new names; a kill between leaves them under both."""
        for rows in self._whole(list(moves)):
            renamed = [moves[name] for name in rows["file"].to_pylist()]
            self.append(_stamped(rows.set_column(0, "file", pa.array(renamed, pa.string())), stamps))
        self.remove(list(moves))

    def restamp(self, stamps: Mapping[str, Stamp]) -> None:
        """Write down the new times of files that did not change."""
        for rows in self._whole(list(stamps)):
            with _told(self.place, "cannot be written"):
                merge = self._table.merge_insert(["file", "start_s"])
                merge.when_matched_update_all().execute(_stamped(rows, stamps))

    def tidy(self) -> None:
        """Put the parts together, forget what is no longer used, and bring the approximate index of a large one up."""
        large = self.large
        with _told(self.place, "cannot be tidied"), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that those who read what is cleaned away would fail
            if not large:
                self._table.optimize(cleanup_older_than=KEPT_FOR)
            elif self.lacks_index:
                self._table.optimize(cleanup_older_than=KEPT_FOR_LARGE)
                self.make_indices()
            elif self._table.stats()["fragment_stats"]["num_fragments"] >= PARTS_OF_LARGE:
                self._table.optimize(cleanup_older_than=KEPT_FOR_LARGE)

    @property
    def lacks_index(self) -> bool:
        """Whether it is large and has no approximate index, as after a kill while that was made."""
        return self.large and not any(index.columns == ["vector"] for index in self._table.list_indices())

    def make_indices(self) -> None:
        """Make the indices for large tables anew: RaBitQ for the vectors, bitmaps for the steps of the place.

        Later changes are taken up by `tidy`.
        """
        from lancedb.index import Bitmap, IvfRq

        parts = max(1, len(self) // WINDOWS_A_PART)
        with _told(self.place, "cannot be tidied"):
            for name in PLACE:
                self._table.create_index(step_column(name), config=Bitmap(), replace=True)
            self._table.create_index("vector", config=IvfRq(distance_type="dot", num_partitions=parts), replace=True)

    def _whole(self, files: Sequence[str]) -> Iterator[pa.Table]:
        for condition in _named(files):
            with _told(self.place, "is damaged or cannot be read"):
                rows = self._table.search().where(condition).to_arrow()
            yield rows.cast(schema_of(self.origin.dim))


def _connect(place: Place, options: Mapping[str, str] | None) -> Any:
    os.environ.setdefault("LANCEDB_LOG", "error")  # it tells people of every table it makes; read as it is imported
    import lancedb

    return lancedb.connect(str(place), storage_options=None if options is None else dict(options))


@contextmanager
def _told(place: Place, what: str) -> Iterator[None]:
    """LanceDB's errors as DataErrors that say where and how to go on."""
    try:
        yield
    except DataError:
        raise
    except (RuntimeError, ValueError, OSError, KeyError, pa.ArrowException) as error:
        why = " ".join(str(error).split())[:300]
        mend = "if it is damaged, build anew with --force"
        if "not found" in why.lower():  # its files were put together since
            mend = f"it may have changed since it was opened: open it again; {mend}"
        raise DataError(f"{place}: the index {what} ({why}); {mend}") from error


def step_column(name: str) -> str:
    """The name of the column of whole numbers beside a column of the place."""
    return f"{name}_step"


def schema_of(dim: int) -> pa.Schema:
    """The columns of a window with a vector of that many numbers."""
    return pa.schema(
        [
            pa.field("file", pa.string()),
            pa.field("start_s", pa.float64()),
            pa.field("end_s", pa.float64()),
            *(pa.field(name, pa.float32()) for name in PLACE),
            pa.field("is_spatial", pa.bool_()),
            pa.field("tags", pa.list_(pa.string())),
            pa.field("size", pa.int64()),
            pa.field("mtime_ns", pa.int64()),
            pa.field("sha256", pa.string()),
            *(pa.field(step_column(name), pa.int16()) for name in PLACE),
            pa.field("vector", pa.list_(pa.float32(), dim)),
        ]
    )


#: The columns that say what a window is.
_DESCRIBING = [name for name in schema_of(1).names if name != "vector" and not name.endswith("_step")]


def steps_of(name: str, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The steps of values (n,) of a column of the place: whole numbers that rise with the values; NaN stays NaN."""
    values = np.asarray(values, np.float64)
    if name.endswith("_deg"):
        return np.asarray(np.floor(values * STEPS_A_DEGREE))
    with np.errstate(divide="ignore"):
        octaves = np.log2(np.maximum(values, 2.0**-100))
    return np.asarray(np.clip(np.floor(octaves * STEPS_AN_OCTAVE), -1000, 1000))


def _matrix(column: pa.Array | pa.ChunkedArray, dim: int) -> NDArray[np.float32]:
    """A column of vectors as (rows, dim)."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [np.asarray(c.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(-1, dim) for c in chunks]
    return np.concatenate(parts) if parts else np.zeros((0, dim), np.float32)


def _stamped(rows: pa.Table, stamps: Mapping[str, Stamp]) -> pa.Table:
    """The rows with the stamps of their files."""
    names = rows["file"].to_pylist()
    for column in ("size", "mtime_ns", "sha256"):
        place = rows.schema.get_field_index(column)
        values = pa.array([getattr(stamps[name], column) for name in names], rows.schema.field(column).type)
        rows = rows.set_column(place, column, values)
    return rows


def _named(files: Sequence[str]) -> Iterator[str]:
    """Conditions in SQL that hold of the windows of these files, some hundred files each."""
    for start in range(0, len(files), _NAMES_A_CHANGE):
        yield f"file IN ({', '.join(map(quoted, files[start : start + _NAMES_A_CHANGE]))})"


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
