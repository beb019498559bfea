"""The files of a collection through the model, and what is heard into the index bit by bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from open_elsa.errors import AudioError, ElsaError
from open_elsa.search.index_store import Problem, Stamp, add_part, make_stamp
from open_elsa.using.embedder import Embedder, WindowAnalysis

#: How often finished files are written to disk: what a kill can cost.
SECONDS_PER_PART = 20.0

Progress = Callable[[int, int], None]


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


def collect(
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
