"""The windows nearest to a query: an exact product in memory for small collections, LanceDB's index for large ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.search.queries import View
from open_elsa.search.window_table import WindowTable, quoted

Range = tuple[float | None, float | None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What a window must fulfil to be compared; None asks for nothing.

    azimuth_deg: (from, to) counter-clockwise, so (150, -150) is behind; ranges: column name to (least, most), either
    None for no bound; spatial: True for ambisonic windows only, False for mono; tags: one of these must be among the
    window's. A place that is not known is in no range. Raises DataError for an empty range.
    """

    azimuth_deg: tuple[float, float] | None = None
    ranges: tuple[tuple[str, Range], ...] = ()
    spatial: bool | None = None
    tags: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in self.ranges:
            if low is not None and high is not None and low > high:
                raise DataError(f"{name}: the range {low:g} to {high:g} is empty")

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
        terms = [] if self.azimuth_deg is None else [self._azimuth_sql()]
        for name, (low, high) in self.ranges:
            terms += [f"{name} >= {float(low)!r}"] if low is not None else []
            terms += [f"{name} <= {float(high)!r}"] if high is not None else []
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

    def _azimuth_sql(self) -> str:
        start, width = self._arc()
        if width >= 360.0:
            return "azimuth_deg IS NOT NULL"
        end = start + width
        if end <= 180.0:
            return f"azimuth_deg >= {start!r} AND azimuth_deg <= {end!r}"
        return f"(azimuth_deg >= {start!r} OR azimuth_deg <= {end - 360.0!r})"


class Ranking(Protocol):
    """Windows by their likeness to a query."""

    @property
    def scores(self) -> NDArray[np.float32] | None:
        """The scores of all windows that fulfil the limits, None where not all were compared."""

    def best_first(self, wanted: int) -> Iterator[tuple[Row, float]]:
        """Rows without vectors and their scores from the best on; `wanted`: how many will do if none is passed over."""


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
        return _Compared(view.scores(vectors, query), keep, self._rows)

    def _rows(self, places: NDArray[np.integer]) -> list[Row]:
        return list(self.rows.take(pa.array(places)).to_pylist())


class OnDisk:
    """An index too large for memory: LanceDB's approximate index for whole vectors, a scan for parts of them."""

    def __init__(self, table: WindowTable) -> None:
        self.table = table

    def rank(self, query: NDArray[np.floating], view: View, limits: Limits, *, exact: bool = False) -> Ranking:
        """Rank by the approximate index, or after comparing every window that fulfils the limits."""
        if view.about == "both" and not exact:
            return _Approximate(self.table, np.asarray(query, np.float32), limits.sql)
        parts = [(ids, view.scores(vectors, query)) for ids, vectors in self.table.scan(limits.sql)]
        ids = np.concatenate([ids for ids, _ in parts] or [np.zeros(0, np.int64)])
        scores = np.concatenate([scores for _, scores in parts] or [np.zeros(0, np.float32)])
        return _Compared(scores, ids, self.table.described)


@dataclass
class _Compared:
    """Every window's score, and where its row is found."""

    scores: NDArray[np.float32]
    places: NDArray[np.integer]
    rows: Any  # of places (n,) the rows, in order

    def best_first(self, wanted: int) -> Iterator[tuple[Row, float]]:
        """See `Ranking`; equal scores in the order of the rows."""
        for chosen in _chunks(self.scores, 8 * wanted):
            yield from zip(self.rows(self.places[chosen]), self.scores[chosen].tolist(), strict=True)


@dataclass
class _Approximate:
    table: WindowTable
    query: NDArray[np.float32]
    where: str | None
    scores: None = None

    def best_first(self, wanted: int) -> Iterator[tuple[Row, float]]:
        """See `Ranking`; more are looked for, twice as many each time, only when those are used up."""
        given, enough = 0, 3 * wanted
        while True:
            found = self.table.nearest(self.query, enough, self.where).to_pylist()
            for row in found[given:]:
                yield row, float(row.pop("score"))
            if len(found) < enough:
                return
            given, enough = len(found), 2 * enough


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
