"""The windows nearest to a query: an exact product in memory for small collections, LanceDB's index for large ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.search.queries import View
from open_elsa.search.window_table import WindowTable, quoted, step_column, steps_of

#: How many are always asked of the approximate index: it knows the order of the first only roughly.
_FEWEST = 20
#: How many rows are made at once when more have to be looked through than were thought to do.
_AT_ONCE = 1000

Range = tuple[float | None, float | None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What a window must fulfil to be compared; None asks for nothing, and so does an infinite bound.

    azimuth_deg: (from, to) counter-clockwise, so (150, -150) is behind; ranges: column name to (least, most), either
    None for no bound; spatial: True for ambisonic windows only, False for mono; tags: one of these must be among the
    window's. A place that is not known is in no range. Raises DataError for an empty range.
    """

    azimuth_deg: tuple[float, float] | None = None
    ranges: tuple[tuple[str, Range], ...] = ()
    spatial: bool | None = None
    tags: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.azimuth_deg is not None and not np.isfinite(self.azimuth_deg).all():
            raise DataError(f"azimuths must be finite, got {self.azimuth_deg[0]:g} to {self.azimuth_deg[1]:g}")
        for name, (low, high) in self.ranges:
            if any(bound is not None and np.isnan(bound) for bound in (low, high)):
                raise DataError(f"{name}: a bound is not a number")
            if low is not None and high is not None and low > high:
                raise DataError(f"{name}: the range {low:g} to {high:g} is empty")
        bounded = [
            (name, (None if low == -np.inf else low, None if high == np.inf else high))
            for name, (low, high) in self.ranges
        ]
        object.__setattr__(self, "ranges", tuple(bounded))

    def mask(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Which of the rows (n,) fulfil it."""
        keep = np.ones(len(rows), bool)
        if self.azimuth_deg is not None:
            (start, width), azimuth = self._arc(), _numbers(rows, "azimuth_deg")
            keep &= (azimuth - start) % 360.0 <= width  # NaN compares False: mono is left out
        for name, (low, high) in self.ranges:
            if low is not None:
                keep &= _numbers(rows, name) >= low
            if high is not None:
                keep &= _numbers(rows, name) <= high
        if self.spatial is not None:
            keep &= rows["is_spatial"].to_numpy() == self.spatial
        if self.tags is not None:
            keep &= _with_tags(rows["tags"].combine_chunks(), self.tags)
        return keep

    @property
    def sql(self) -> str | None:
        """The same as a condition in SQL, None where everything fulfils it."""
        return self._sql(steps=False)

    @property
    def sql_of_steps(self) -> str | None:
        """A condition that large tables answer quickly, which holds of all windows that fulfil it and of few others."""
        return self._sql(steps=True)

    def _sql(self, *, steps: bool) -> str | None:
        terms = [] if self.azimuth_deg is None else [self._azimuth_sql(steps=steps)]
        for name, (low, high) in self.ranges:
            terms += [_compared(name, ">=", low, steps)] if low is not None else []
            terms += [_compared(name, "<=", high, steps)] if high is not None else []
        if self.spatial is not None:
            terms.append("is_spatial" if self.spatial else "NOT is_spatial")
        if self.tags is not None:
            terms.append(f"array_has_any(tags, [{', '.join(map(quoted, self.tags))}])")
        return " AND ".join(terms) or None

    def _arc(self) -> tuple[float, float]:
        """Where the range of azimuths begins, in (-180, 180], and how far it goes."""
        start, stop = self.azimuth_deg or (0.0, 0.0)
        width = (stop - start) % 360.0 if abs(stop - start) < 360.0 else 360.0
        return 180.0 - (180.0 - start) % 360.0, width

    def _azimuth_sql(self, *, steps: bool) -> str:
        start, width = self._arc()
        if width >= 360.0:
            return "azimuth_deg IS NOT NULL"
        end = start + width
        join, end = ("AND", end) if end < 180.0 else ("OR", end - 360.0)  # 180 is -180 as well
        first, last = (_compared("azimuth_deg", s, v, steps) for s, v in ((">=", start), ("<=", end)))
        return f"({first} {join} {last})"


def _compared(name: str, sign: str, bound: float, steps: bool) -> str:
    if not steps:
        return f"{name} {sign} {float(bound)!r}"
    return f"{step_column(name)} {sign} {int(steps_of(name, np.array([bound]))[0])}"


class Ranking(Protocol):
    """Windows by their likeness to a query."""

    @property
    def scores(self) -> NDArray[np.float32] | None:
        """The scores of all windows that fulfil the limits, None where not all were compared."""

    def best_first(self, wanted: int, full: Collection[str]) -> Iterator[tuple[Row, float]]:
        """Rows without vectors and their scores from the best on; `wanted`: how many will do if none is passed over.

        full: files of which no more are wanted, which the caller adds to; it is looked at when more have to be fetched.
        """


class InMemory:
    """All windows of an index held in memory; searched by a product with each."""

    def __init__(self, rows: pa.Table, vectors: NDArray[np.float32]) -> None:
        self.rows, self.vectors = rows, vectors

    @classmethod
    def read(cls, table: WindowTable) -> InMemory:
        """Read an index whole."""
        rows = table.rows()
        ids = rows["_rowid"].to_numpy().astype(np.int64)
        order = np.argsort(ids)
        vectors = np.empty((len(rows), table.origin.dim), np.float32)
        for found, part in table.scan():
            vectors[order[np.searchsorted(ids, found, sorter=order)]] = part
        return cls(rows, vectors)

    def rank(self, query: NDArray[np.floating], view: View, limits: Limits) -> Ranking:
        """Compare every window that fulfils the limits."""
        keep = np.flatnonzero(limits.mask(self.rows))
        vectors = self.vectors if len(keep) == len(self.rows) else self.vectors[keep]  # all of them need no copy
        return _Compared(view.scores(vectors, query), keep, lambda places: self.rows.take(pa.array(places)))


class OnDisk:
    """An index too large for memory: LanceDB's approximate index for whole vectors, a scan for parts of them."""

    def __init__(self, table: WindowTable) -> None:
        self.table = table
        self._held: tuple[pa.Table, NDArray[np.int64], NDArray[np.intp]] | None = None

    def hold(self, rows: pa.Table) -> None:
        """Look rows up in these, all that `WindowTable.rows` gave, not on disk: ten milliseconds less a search."""
        ids = rows["_rowid"].to_numpy().astype(np.int64)
        order = np.argsort(ids)
        self._held = rows, ids[order], order

    def described(self, ids: NDArray[np.int64]) -> pa.Table:
        """Rows without their vectors, in the order asked for."""
        if self._held is None:
            return self.table.described(ids)
        rows, known, order = self._held
        return rows.take(pa.array(order[np.searchsorted(known, ids)]))

    def rank(self, query: NDArray[np.floating], view: View, limits: Limits, *, exact: bool = False) -> Ranking:
        """Rank by the approximate index, or after comparing every window that fulfils the limits."""
        if view.about == "both" and not exact:
            return _Approximate(self, np.asarray(query, np.float32), limits)
        parts = [(ids, view.scores(vectors, query)) for ids, vectors in self.table.scan(limits.sql)]
        ids = np.concatenate([ids for ids, _ in parts] or [np.zeros(0, np.int64)])
        scores = np.concatenate([scores for _, scores in parts] or [np.zeros(0, np.float32)])
        return _Compared(scores, ids, self.described)


@dataclass
class _Compared:
    """Every window's score, and where its row is found."""

    scores: NDArray[np.float32]
    places: NDArray[np.integer]
    rows: Callable[[Any], pa.Table]  # of places (n,) the rows, in order

    def best_first(self, wanted: int, full: Collection[str]) -> Iterator[tuple[Row, float]]:
        """See `Ranking`; equal scores in the order of the rows."""
        for chosen in _chunks(self.scores, 8 * wanted):
            while len(chosen):
                rows = self.rows(self.places[chosen])
                open_ = ~pc.is_in(rows["file"], pa.array(list(full), pa.string())).to_numpy()
                rows, chosen = rows.filter(pa.array(open_)), chosen[open_]
                now = rows.slice(0, _AT_ONCE).to_pylist()
                yield from zip(now, self.scores[chosen[:_AT_ONCE]].tolist(), strict=True)
                chosen = chosen[_AT_ONCE:]


@dataclass
class _Approximate:
    windows: OnDisk
    query: NDArray[np.float32]
    limits: Limits
    scores: None = None

    def best_first(self, wanted: int, full: Collection[str]) -> Iterator[tuple[Row, float]]:
        """See `Ranking`; more are looked for, twice as many each time, only when those are used up."""
        where = self.limits.sql_of_steps
        given: set[int] = set()
        enough = max(2 * wanted, _FEWEST)
        while True:
            ids, scores = self.windows.table.nearest(self.query, enough, where)
            rows = self.windows.described(ids)
            for row, score, fits in zip(rows.to_pylist(), scores.tolist(), self.limits.mask(rows), strict=True):
                if fits and row["_rowid"] not in given:  # a wider search may put others between
                    given.add(row["_rowid"])
                    yield row, score
            if len(ids) < enough:
                return
            enough *= 2
            if full:
                others = f"file NOT IN ({', '.join(map(quoted, full))})"
                where = f"{self.limits.sql_of_steps} AND {others}" if self.limits.sql_of_steps else others


def _chunks(scores: NDArray[np.float32], enough: int) -> Iterator[NDArray[np.intp]]:
    """Places of scores from the highest on, equal ones in order; only `enough` are sorted unless more are asked for."""
    if enough >= len(scores):
        yield np.argsort(-scores, kind="stable")
        return
    least = np.partition(scores, len(scores) - enough)[len(scores) - enough]
    for part in (np.flatnonzero(scores >= least), np.flatnonzero(scores < least)):
        yield part[np.argsort(-scores[part], kind="stable")]


def _numbers(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of numbers, NaN where null."""
    return np.asarray(rows[name].to_numpy(zero_copy_only=False), np.float64)


def _with_tags(tags: pa.Array, wanted: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows have one of the tags."""
    keep = np.zeros(len(tags), bool)
    hits = pc.is_in(pc.list_flatten(tags), pa.array(list(wanted), pa.string())).to_numpy(zero_copy_only=False)
    keep[pc.list_parent_indices(tags).to_numpy()[hits]] = True
    return keep
