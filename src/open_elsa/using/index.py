"""A folder of sounds as a table of windows that can be asked in words, by sound and by place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from open_elsa.errors import AudioError, DataError, ElsaError
from open_elsa.using.embedder import Embedder, WindowAnalysis
from open_elsa.using.index_store import (
    DEFAULT_NAME,
    MANIFEST,
    PLACE,
    Problem,
    Stamp,
    add_part,
    changed,
    compact,
    listing,
    make_stamp,
    manifest_for,
    matrix,
    other_weights,
    read_manifest,
    read_parts,
)
from open_elsa.using.pieces import AudioLike

#: How often finished files are written to disk: what a kill can cost.
SECONDS_PER_PART = 20.0

Progress = Callable[[int, int], None]
Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class BuildReport:
    """What a build did: numbers of files, and the files it could not read."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Hit:
    """One file found: its best window, the score (cosine, -1..1) and what the model heard of the place there."""

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
        content) are not read again; a build that was killed goes on where it stopped. Files that cannot be read are
        listed in `report.problems`. Raises DataError for a folder that cannot be listed or holds no sound, and for an
        index of other weights unless force=True, which makes it anew.
        """
        root = Path(folder)
        store = Path(out) if out is not None else root / DEFAULT_NAME
        sounds, problems = listing(root, store)
        manifest = manifest_for(root, store, embedder, convention, force)
        stamps = {name: Stamp(*values) for name, values in manifest["files"].items()}
        todo, renewed = changed(root, sounds, stamps)
        manifest["files"] = {n: list(renewed[n].__dict__.values()) for n in sounds if n in renewed}
        tidy = not todo and len(manifest["parts"]) == 1 and stamps.keys() == set(sounds)
        _collect(root, store, manifest, embedder, todo, problems, len(sounds), progress)
        failed = {p.file for p in problems}
        if not tidy:
            compact(store, manifest, embedder.dim)
        index = cls.open(store, embedder)
        added = [n for n in todo if n not in failed]
        index.report = BuildReport(
            added=sum(n not in stamps for n in added),
            changed=sum(n in stamps for n in added),
            unchanged=len(sounds) - len(todo),
            removed=len(stamps.keys() - set(sounds)),
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
            raise DataError(f"{path} holds no index; make one with: elsa index FOLDER")
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
        k: int = 10,
        azimuth_deg: tuple[float, float] | None = None,
        elevation_deg: Range | None = None,
        distance_m: Range | None = None,
        floor_area_m2: Range | None = None,
        t30_s: Range | None = None,
        spatial: bool | None = None,
        convention: str = "auto",
    ) -> list[Hit]:
        """Find the k files nearest to a text, a sound or a vector: exact, one hit a file (its best window).

        azimuth_deg: (from, to) counter-clockwise, so (150, -150) is behind; the other ranges are (least, most), None
        for no bound. A range on the place leaves out mono files, whose place nobody knows. spatial: True for ambisonic
        files only, False for mono only. Raises DataError unless exactly one of text, audio, vector is given.
        """
        if k < 1:
            raise DataError(f"k must be at least 1, got {k}")
        query = self._query(text, audio, vector, convention)
        ranges = {
            "elevation_deg": elevation_deg,
            "distance_m": distance_m,
            "floor_area_m2": floor_area_m2,
            "t30_s": t30_s,
        }
        keep = self._keep(azimuth_deg, ranges, spatial)
        scores = self.vectors[keep] @ query
        hits: dict[str, Hit] = {}
        for i in np.argsort(-scores, kind="stable"):
            row = keep[i]
            if self._files[row] not in hits:
                hits[self._files[row]] = self._hit(row, float(scores[i]))
                if len(hits) == k:
                    break
        return list(hits.values())

    def _query(
        self, text: str | None, audio: AudioLike | None, vector: NDArray[np.float32] | None, convention: str
    ) -> NDArray[np.float32]:
        if sum(q is not None for q in (text, audio, vector)) != 1:
            raise DataError("ask with exactly one of text, audio and vector")
        if vector is not None:
            query = np.asarray(vector, np.float32).reshape(-1)
        elif self.embedder is None:
            raise DataError("this index was opened without a model; pass the embedder to Index.open")
        elif text is not None:
            query = self.embedder.embed_text(text)[0]
        else:
            query = self.embedder.embed_audio([audio], convention=convention)[0]  # type: ignore[list-item]
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

    def _hit(self, row: int, score: float) -> Hit:
        values = {name: float(self._columns[name][row]) for name in (*PLACE, "start_s", "end_s")}
        place: dict[str, Any] = {n: None if np.isnan(v) else v for n, v in values.items()}
        file = str(self._files[row])
        spatial = bool(self._columns["is_spatial"][row])
        return Hit(file=file, path=str(self.root / file), score=score, is_spatial=spatial, **place)


def _analyse(
    root: Path, todo: list[str], embedder: Embedder, convention: str
) -> Iterator[tuple[str, Stamp | None, list[WindowAnalysis] | ElsaError]]:
    """Yield each file as it is finished: (name, stamp, windows), or (name, None, error) where it cannot be read."""
    read: list[tuple[str, Stamp]] = []
    failed: list[tuple[str, ElsaError]] = []

    def readable() -> Iterator[Path]:
        for name in todo:
            try:
                read.append(
                    (name, make_stamp(root / name))
                )  # before reading: a file that changes meanwhile is read again
            except OSError as error:
                failed.append((name, AudioError(f"{root / name}: cannot be read: {error.strerror}")))
            else:
                yield root / name

    def refuse(i: int, error: ElsaError) -> None:
        failed.append((read[i][0], error))

    for i, windows in embedder.stream(readable(), convention=convention, on_error=refuse):
        yield *read[i], windows
        while failed:
            name, error = failed.pop(0)
            yield name, None, error
    for name, error in failed:
        yield name, None, error


def _collect(
    root: Path,
    store: Path,
    manifest: dict[str, Any],
    embedder: Embedder,
    todo: list[str],
    problems: list[Problem],
    total: int,
    progress: Progress | None,
) -> None:
    """Analyse what is to be done and write it in parts, so that a kill costs at most SECONDS_PER_PART."""
    ready: dict[str, tuple[Stamp, list[WindowAnalysis]]] = {}
    done, written = total - len(todo), time.monotonic()
    try:
        for name, stamp, result in _analyse(root, todo, embedder, manifest["convention"]):
            done += 1
            if stamp is None or isinstance(result, ElsaError):
                problems.append(Problem(name, str(result)))
            else:
                ready[name] = (stamp, result)
            if progress is not None:
                progress(done, total)
            if ready and time.monotonic() - written > SECONDS_PER_PART:
                full, ready, written = ready, {}, time.monotonic()
                add_part(store, manifest, full, embedder.dim)
    finally:  # also when interrupted
        if ready:
            add_part(store, manifest, ready, embedder.dim)
