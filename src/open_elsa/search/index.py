"""A folder of sounds as a table of windows that can be asked in words, by sound and by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from open_elsa.errors import AudioError, DataError
from open_elsa.scenes.places import Place, is_busy, is_url
from open_elsa.search.building import BuildReport, is_index, other_weights, update
from open_elsa.search.listening import Progress, known_tags
from open_elsa.search.nearest import InMemory, Limits, OnDisk, Range, Ranking, Row
from open_elsa.search.queries import About, View, query_vector
from open_elsa.search.scores import Calibration, curve_for, percentile
from open_elsa.search.window_table import DEFAULT_NAME, PLACE, WindowTable
from open_elsa.sound.audio import read as read_audio
from open_elsa.sound.files import AudioReader
from open_elsa.sound.writing import write as write_audio
from open_elsa.using.embedder import Embedder
from open_elsa.using.pieces import AudioLike


@dataclass(frozen=True)
class Hit:
    """One window found, and what the model heard of the place there.

    score: cosine with the query, -1..1, of the whole vectors or of the part that `about` asked for.
    probability: 0..1, of plain text queries with weights that were calibrated, else None (sounds, vectors, `minus`,
    `move_to`, other weights). It answers: this sentence and this recording, and a coin was tossed whether the sentence
    is the recording's own or that of another one; how often is it its own, at such a cosine? It weighs one text against
    one recording. It doesn't know how many recordings the index holds: of ten thousand that have nothing to do with the
    query some score high, so look at `percentile` too, and at the first hits rather than at a threshold.
    percentile: how many percent of all windows that were compared (those within the ranges asked for) score below; None
    where a collection is so large that not all were compared. tags: the three likeliest of a list of everyday sounds.
    """

    file: str
    path: str
    score: float
    start_s: float
    end_s: float
    azimuth_deg: float | None
    elevation_deg: float | None
    distance_m: float | None
    floor_area_m2: float | None
    t30_s: float | None
    is_spatial: bool
    probability: float | None = None
    percentile: float | None = 0.0
    tags: tuple[str, ...] = ()


class Index:
    """A searchable index, bound to the weights that made its vectors; made by `build` or `open`.

    Up to `window_table.MOST_IN_MEMORY` windows it is held in memory and searched by an exact product with each; beyond,
    by LanceDB's approximate index. `report` says what the build that made it did; `origin` what all its windows have in
    common.
    """

    def __init__(self, table: WindowTable, embedder: Embedder | None) -> None:
        self.place = table.place
        self.origin = table.origin
        self.embedder = embedder
        self.report = BuildReport()
        self._table = table
        self._count = len(table)
        large = table.large
        self._memory = None if large else InMemory.read(table)
        self._disk = OnDisk(table) if large else None
        self._rows = None if self._memory is None else self._memory.rows

    def __len__(self) -> int:
        return self._count

    @property
    def files(self) -> list[str]:
        """The files that are in it, relative to `root`."""
        return sorted(set(self.rows()["file"].to_pylist()))

    @property
    def root(self) -> Path:
        """The folder of sounds."""
        return Path(self.origin.root) if is_url(self.place) else (Path(self.place) / self.origin.root).resolve()

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Every vector (n, d), in the order of `rows`; of a large collection read anew, two kilobytes a window."""
        if self._memory is not None:
            return self._memory.vectors
        return self.vectors_of(np.arange(len(self)))

    def vectors_of(self, places: NDArray[np.integer]) -> NDArray[np.float32]:
        """The vectors (m, d) of windows by their places (m,) in `rows`."""
        if self._memory is not None:
            return np.asarray(self._memory.vectors[places])
        return self._table.vectors(self._all_rows()["_rowid"].to_numpy()[places])

    def rows(self) -> pa.Table:
        """Every window without its vector, by file and time.

        Columns: file, start_s, end_s, azimuth_deg, elevation_deg, distance_m, floor_area_m2, t30_s, is_spatial, tags.
        """
        return self._all_rows().drop_columns(["size", "mtime_ns", "sha256", "_rowid"])

    def _all_rows(self) -> pa.Table:
        if self._rows is None:
            self._rows = self._table.rows()
            if self._disk is not None:
                self._disk.hold(self._rows)
        return self._rows

    # -- making ------------------------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        folder: str | Path,
        embedder: Embedder,
        *,
        out: Place | None = None,
        progress: Progress | None = None,
        convention: str = "auto",
        workers: int = 0,
        force: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> Index:
        """Index every sound below a folder, or bring an index up to date with it.

        out: where the index is kept: a folder (default: FOLDER/elsa-index), or the URL of one in an object store, such
        as s3://bucket/index, with `options` for LanceDB. workers: threads that listen, each with one core (0: as many
        as torch uses). Files that did not change (size and time, else content) are not read again, nor are those moved,
        which are known by their content; a build that was killed goes on where it stopped. Files that cannot be read
        are listed in `report.problems`. Raises DataError for a folder that cannot be listed or holds no sound, and for
        an index of other weights unless force=True, which makes it anew.
        """
        table, report = update(
            folder,
            embedder,
            out=out,
            progress=progress,
            convention=convention,
            workers=workers,
            force=force,
            options=options,
        )
        index = cls(table, embedder)
        index.report = report
        return index

    @classmethod
    def open(cls, place: Place, embedder: Embedder | None = None, *, options: Mapping[str, str] | None = None) -> Index:
        """Open an index: its folder or URL, or the folder of sounds it was made of.

        options: what LanceDB's object store takes. Raises DataError where there is none, where it is damaged or of
        another version, and where its vectors come from other weights than the embedder's.
        """
        if not is_url(place) and not is_index(Path(place)) and is_index(Path(place) / DEFAULT_NAME):
            place = Path(place) / DEFAULT_NAME
        table = WindowTable.open(place, options)
        if embedder is not None and table.origin.weights_sha256 != embedder.weights_sha256:
            raise DataError(other_weights(table, embedder))
        return cls(table, embedder)

    def newer(self) -> Index | None:
        """The index as it is in its place now, None where nothing changed there since this one was opened.

        Nor is there a newer one while a process of this machine is still making it. This one goes on showing what it
        showed. Raises DataError where there is no index any more, and for one that was
        made anew by other weights.
        """
        if not is_url(self.place) and is_busy(Path(self.place)):
            return None
        table = self._table.newer()
        if table is None:
            return None
        if self.embedder is not None and table.origin.weights_sha256 != self.embedder.weights_sha256:
            raise DataError(other_weights(table, self.embedder))
        return Index(table, self.embedder)

    # -- asking ------------------------------------------------------------------------------------------------------

    def search(
        self,
        text: str | None = None,
        audio: AudioLike | None = None,
        *,
        vector: NDArray[np.float32] | None = None,
        minus: str | None = None,
        move_to: str | float | None = None,
        about: About = "both",
        k: int = 10,
        per_file: int = 1,
        azimuth_deg: tuple[float, float] | None = None,
        elevation_deg: Range | None = None,
        distance_m: Range | None = None,
        floor_area_m2: Range | None = None,
        t30_s: Range | None = None,
        spatial: bool | None = None,
        tags: Sequence[str] | None = None,
        exact: bool = False,
        convention: str = "auto",
    ) -> list[Hit]:
        """Find what is nearest to a text, a sound or a vector, best first; windows that overlap count once.

        minus: a text to be without: "a dog", minus "barking". move_to: the query heard from another direction, in words
        ("on my right") or as an azimuth in degrees, +90 left. about: "what" compares what is heard wherever it is,
        "where" the place whatever is heard there. k: how many hits; per_file: how many of one file.
        azimuth_deg: (from, to) counter-clockwise, so (150, -150) is behind; the other ranges are (least, most), None
        for no bound. A range on the place leaves out mono files, whose place nobody knows. spatial: True for ambisonic
        files only, False for mono only. tags: names of `open_elsa.using.sound_names`, one of which must be among a
        window's. exact: compare every window also where the collection is so large that an approximate index is used;
        seconds for a million.
        Raises DataError unless exactly one of text, audio, vector is given, and for words in move_to that name no
        direction.
        """
        if k < 1 or per_file < 1:
            raise DataError(f"k and per_file must be at least 1, got {k} and {per_file}")
        whole = self._query(text, audio, vector, minus, move_to, convention)
        view = View.of(about, self.embedder)
        ranges = (
            ("elevation_deg", elevation_deg),
            ("distance_m", distance_m),
            ("floor_area_m2", floor_area_m2),
            ("t30_s", t30_s),
        )
        asked = tuple((name, bounds) for name, bounds in ranges if bounds is not None)
        limits = Limits(azimuth_deg, asked, spatial, None if tags is None else known_tags(tags))
        ranking: Ranking
        if self._disk is not None:
            ranking = self._disk.rank(view.query(whole), view, limits, exact=exact)
        else:
            assert self._memory is not None
            ranking = self._memory.rank(view.query(whole), view, limits)
        curve = curve_for(self.origin.weights_sha256, about, text=text, minus=minus, move_to=move_to)
        return [
            self._hit(row, score, curve, None if ranking.scores is None else percentile(ranking.scores, score))
            for row, score in sorted(_chosen(ranking, k, per_file), key=lambda hit: -hit[1])
        ]

    def snippet(self, hit: Hit, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the window of a hit as a WAV file of 32-bit floats, whole, all its channels at its own rate.

        Four channels are written as AmbiX, whatever convention the index was built with; others as they are. Raises
        AudioError where the recording is gone or changed to shorter, and for an existing file unless overwrite.
        """
        path = Path(path)
        if path.suffix.lower() != ".wav":
            raise DataError(f"{path}: a snippet is a .wav file")
        source, rate = self.root / hit.file, 0
        with AudioReader(source) as reader:
            rate, channels = reader.sample_rate, reader.channels
            start, stop = round(hit.start_s * rate), round(hit.end_s * rate)
            if stop > reader.frames:
                raise AudioError(f"{source} has changed since it was indexed: it is shorter; index the folder again")
            if channels != 4:
                reader.skip(start)
                samples = reader.read(stop - start)
        if channels == 4:
            convention = self.origin.convention
            seconds = (stop - start) / rate
            samples = read_audio(source, convention=convention, start_s=start / rate, duration_s=seconds).samples
        return write_audio(path, samples, rate, overwrite=overwrite, subtype="FLOAT")

    def _query(
        self,
        text: str | None,
        audio: AudioLike | None,
        vector: NDArray[np.float32] | None,
        minus: str | None,
        move_to: str | float | None,
        convention: str,
    ) -> NDArray[np.float32]:
        if sum(q is not None for q in (text, audio, vector)) != 1:
            raise DataError("ask with exactly one of text, audio and vector")
        if vector is not None:
            if minus is not None or move_to is not None:
                raise DataError("minus and move_to change a text or a sound, not a vector")
            query = np.asarray(vector, np.float32).reshape(-1)
        elif self.embedder is None:
            raise DataError("this index was opened without a model; pass the embedder to Index.open")
        else:
            query = query_vector(self.embedder, text, audio, minus, move_to, convention)
        if query.shape[0] != self.origin.dim:
            raise DataError(f"the vector has {query.shape[0]} numbers, the index {self.origin.dim}")
        return query

    def _hit(self, row: Row, score: float, curve: Calibration | None, percent: float | None) -> Hit:
        return Hit(
            path=str(self.root / row["file"]),
            score=score,
            probability=None if curve is None else curve.probability(score),
            percentile=percent,
            tags=tuple(row["tags"]),
            **{name: row[name] for name in ("file", "start_s", "end_s", *PLACE, "is_spatial")},
        )


def _chosen(ranking: Ranking, k: int, per_file: int) -> Iterator[tuple[Row, float]]:
    """The best windows, at most so many a file and none that overlaps a better one."""
    taken: dict[str, list[tuple[float, float]]] = {}
    full: set[str] = set()
    found = 0
    for row, score in ranking.best_first(k * per_file, full):
        start, end = row["start_s"], row["end_s"]
        others = taken.setdefault(row["file"], [])
        if len(others) < per_file and all(end <= a or start >= b for a, b in others):
            others.append((start, end))
            found += 1
            if len(others) == per_file:
                full.add(row["file"])
            yield row, score
            if found == k:
                return
