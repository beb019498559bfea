"""A folder of sounds as a table of windows that can be asked in words, by sound and by place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from open_elsa.errors import AudioError, DataError
from open_elsa.search.index_store import (
    DEFAULT_NAME,
    MANIFEST,
    PLACE,
    NoIndexError,
    Problem,
    Stamp,
    changed,
    compact,
    listing,
    manifest_for,
    matrix,
    moved,
    other_weights,
    read_manifest,
    read_parts,
    rename,
)
from open_elsa.search.listening import Progress, collect
from open_elsa.search.queries import About, View, query_vector
from open_elsa.search.scores import Calibration, curve_for, percentile
from open_elsa.sound.audio import read as read_audio
from open_elsa.sound.files import AudioReader
from open_elsa.sound.writing import write as write_audio
from open_elsa.using.embedder import Embedder
from open_elsa.using.pieces import AudioLike

Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class BuildReport:
    """What a build did: numbers of files (moved: renamed, known by their content), and the files it could not read."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    removed: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Hit:
    """One window found, and what the model heard of the place there.

    score: cosine with the query, -1..1, of the whole vectors or of the part that `about` asked for.
    probability: 0..1, of plain text queries with weights that were calibrated, else None (sounds, vectors, `minus`,
    `move_to`, other weights). It answers: this sentence and this recording, and a coin was tossed whether the sentence
    is the recording's own or that of another one; how often is it its own, at such a cosine? It weighs one text against
    one recording. It doesn't know how many recordings the index holds: of ten thousand that have nothing to do with the
    query some score high, so look at `percentile` too, and at the first hits rather than at a threshold.
    percentile: how many percent of all windows that were compared (those within the ranges asked for) score below.
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
    percentile: float = 0.0


class Index:
    """A searchable index, bound to the weights that made its vectors.

    Made by `build` or `open`. `table` holds one row a window: file, start_s, end_s, azimuth_deg, elevation_deg,
    distance_m, floor_area_m2, t30_s, is_spatial, vector. `report` says what the build that made it did.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], table: pa.Table, embedder: Embedder | None) -> None:
        self.path = path
        self.manifest = manifest
        self.table = table
        self.embedder = embedder
        self.report = BuildReport()
        self.vectors = matrix(table, int(manifest["dim"]))
        self._files = np.asarray(table["file"].to_pylist(), dtype=object)
        self._columns = {n: table[n].to_numpy(zero_copy_only=False) for n in (*PLACE, "start_s", "end_s", "is_spatial")}

    def __len__(self) -> int:
        return len(self.table)

    @property
    def files(self) -> list[str]:
        """The files that are in it, relative to `root`."""
        return sorted(set(self._files.tolist()))

    @property
    def root(self) -> Path:
        """The folder of sounds."""
        return (self.path / str(self.manifest["root"])).resolve()

    # -- making ------------------------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        folder: str | Path,
        embedder: Embedder,
        *,
        out: str | Path | None = None,
        progress: Progress | None = None,
        convention: str = "auto",
        force: bool = False,
    ) -> Index:
        """Index every sound below a folder, or bring an index up to date with it.

        out: where the index is kept (default: FOLDER/elsa-index). Files that did not change (size and time, else
        content) are not read again, nor are those moved, which are known by their content; a build that was killed goes
        on where it stopped. Files that cannot be read are listed in `report.problems`. Raises DataError for a folder
        that cannot be listed or holds no sound, and for an index of other weights unless force=True, which makes it
        anew.
        """
        root = Path(folder)
        store = Path(out) if out is not None else root / DEFAULT_NAME
        sounds, problems = listing(root, store)
        manifest = manifest_for(root, store, embedder, convention, force)
        stamps = {name: Stamp(*values) for name, values in manifest["files"].items()}
        todo, renewed = changed(root, sounds, stamps)
        moves, arrived = moved(root, todo, stamps, set(sounds))
        if moves:
            rename(store, manifest, moves, arrived)
            renewed |= arrived
            todo = [n for n in todo if n not in arrived]
        manifest["files"] = {n: list(renewed[n].__dict__.values()) for n in sounds if n in renewed}
        tidy = not todo and not moves and len(manifest["parts"]) == 1 and stamps.keys() == set(sounds)
        collect(root, store, manifest, embedder, todo, problems, len(sounds), progress)
        failed = {p.file for p in problems}
        if not tidy:
            compact(store, manifest, embedder.dim)
        index = cls.open(store, embedder)
        added = [n for n in todo if n not in failed]
        index.report = BuildReport(
            added=sum(n not in stamps for n in added),
            changed=sum(n in stamps for n in added),
            moved=len(moves),
            unchanged=len(sounds) - len(todo) - len(moves),
            removed=len(stamps.keys() - set(sounds)) - len(moves),
            problems=tuple(problems),
        )
        return index

    @classmethod
    def open(cls, path: str | Path, embedder: Embedder | None = None) -> Index:
        """Open an index: its folder, or the folder of sounds it was made of.

        Raises DataError where there is none, where it is damaged or of another version, and where its vectors come
        from other weights than the embedder's.
        """
        store = Path(path)
        if not (store / MANIFEST).is_file() and (store / DEFAULT_NAME / MANIFEST).is_file():
            store = store / DEFAULT_NAME
        manifest = read_manifest(store)
        if manifest is None:
            raise NoIndexError(f"{path} holds no index; make one with: elsa index FOLDER")
        if embedder is not None and manifest["weights_sha256"] != embedder.weights_sha256:
            raise DataError(other_weights(store, manifest, embedder))
        return cls(store, manifest, read_parts(store, manifest), embedder)

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
        convention: str = "auto",
    ) -> list[Hit]:
        """Find what is nearest to a text, a sound or a vector, best first; windows that overlap count once.

        minus: a text to be without: "a dog", minus "barking". move_to: the query heard from another direction, in words
        ("on my right") or as an azimuth in degrees, +90 left. about: "what" compares what is heard wherever it is,
        "where" the place whatever is heard there. k: how many hits; per_file: how many of one file.
        azimuth_deg: (from, to) counter-clockwise, so (150, -150) is behind; the other ranges are (least, most), None
        for no bound. A range on the place leaves out mono files, whose place nobody knows. spatial: True for ambisonic
        files only, False for mono only. Raises DataError unless exactly one of text, audio, vector is given, and for
        words in move_to that name no direction.
        """
        if k < 1 or per_file < 1:
            raise DataError(f"k and per_file must be at least 1, got {k} and {per_file}")
        whole = self._query(text, audio, vector, minus, move_to, convention)
        view = View.of(about, self.embedder)
        query = view.query(whole)
        ranges = {
            "elevation_deg": elevation_deg,
            "distance_m": distance_m,
            "floor_area_m2": floor_area_m2,
            "t30_s": t30_s,
        }
        keep = self._keep(azimuth_deg, ranges, spatial)
        vectors = self.vectors if len(keep) == len(self) else self.vectors[keep]  # all of them need no copy
        scores = view.scores(vectors, query)
        curve = curve_for(str(self.manifest["weights_sha256"]), about, text=text, minus=minus, move_to=move_to)
        return [
            self._hit(keep[i], float(scores[i]), curve, percentile(scores, scores[i]))
            for i in self._chosen(keep, scores, k, per_file)
        ]

    def rows(self) -> pa.Table:
        """Every window without its vector, in the order of `vectors`: file, times, place, is_spatial."""
        return self.table.drop_columns(["vector"])

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
            convention = str(self.manifest["convention"])
            seconds = (stop - start) / rate
            samples = read_audio(source, convention=convention, start_s=start / rate, duration_s=seconds).samples
        return write_audio(path, samples, rate, overwrite=overwrite, subtype="FLOAT")

    def _chosen(self, keep: NDArray[np.intp], scores: NDArray[np.float32], k: int, per_file: int) -> Iterator[np.intp]:
        """The best windows, at most so many a file and none that overlaps a better one."""
        taken: dict[str, list[tuple[float, float]]] = {}
        found = 0
        for i in _best_first(scores, 8 * k * per_file):
            file = self._files[keep[i]]
            start, end = (float(self._columns[name][keep[i]]) for name in ("start_s", "end_s"))
            others = taken.setdefault(file, [])
            if len(others) < per_file and all(end <= a or start >= b for a, b in others):
                others.append((start, end))
                found += 1
                yield i
                if found == k:
                    return

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
        if query.shape[0] != self.vectors.shape[1]:
            raise DataError(f"the vector has {query.shape[0]} numbers, the index {self.vectors.shape[1]}")
        return query

    def _keep(
        self, azimuth_deg: tuple[float, float] | None, ranges: dict[str, Range | None], spatial: bool | None
    ) -> NDArray[np.intp]:
        keep = np.ones(len(self), bool)
        if azimuth_deg is not None:
            start, stop = azimuth_deg
            width = (stop - start) % 360.0 if abs(stop - start) < 360.0 else 360.0
            keep &= (self._columns["azimuth_deg"] - start) % 360.0 <= width  # NaN compares False: mono is left out
        for name, bounds in ranges.items():
            if bounds is None:
                continue
            low, high = (-np.inf if bounds[0] is None else bounds[0], np.inf if bounds[1] is None else bounds[1])
            if low > high:
                raise DataError(f"{name}: the range {low:g} to {high:g} is empty")
            keep &= (self._columns[name] >= low) & (self._columns[name] <= high)
        if spatial is not None:
            keep &= self._columns["is_spatial"] == spatial
        return np.flatnonzero(keep)

    def _hit(self, row: int, score: float, curve: Calibration | None, percent: float) -> Hit:
        values = {name: float(self._columns[name][row]) for name in (*PLACE, "start_s", "end_s")}
        place: dict[str, Any] = {n: None if np.isnan(v) else v for n, v in values.items()}
        file = str(self._files[row])
        spatial = bool(self._columns["is_spatial"][row])
        return Hit(
            file=file,
            path=str(self.root / file),
            score=score,
            is_spatial=spatial,
            probability=None if curve is None else curve.probability(score),
            percentile=percent,
            **place,
        )


def _best_first(scores: NDArray[np.float32], enough: int) -> Iterator[np.intp]:
    """Places of scores from the highest on, equal ones in order; only `enough` are sorted unless more are asked for."""
    if enough < len(scores):
        least = np.partition(scores, len(scores) - enough)[len(scores) - enough]
        first = np.flatnonzero(scores >= least)
        yield from first[np.argsort(-scores[first], kind="stable")]
        rest = np.flatnonzero(scores < least)
        yield from rest[np.argsort(-scores[rest], kind="stable")]
    else:
        yield from np.argsort(-scores, kind="stable")
