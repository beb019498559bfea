"""The files of a collection through the model, and what is heard into the index bit by bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from open_elsa.errors import AudioError, DataError, ElsaError
from open_elsa.search.files import Problem, Stamp, make_stamp
from open_elsa.search.window_table import WindowTable
from open_elsa.using.describe import prompts_of
from open_elsa.using.embedder import Embedder, WindowAnalysis
from open_elsa.using.sound_names import SOUND_NAMES

#: How often finished files are written to disk: what a kill can cost.
SECONDS_PER_PART = 20.0
#: How many names a window is given.
TAGS = 3

Progress = Callable[[int, int], None]


class Tagger:
    """Names of what is heard, from the model's vectors, as `describe` finds them."""

    def __init__(self, embedder: Embedder) -> None:
        self._prompts = prompts_of(embedder, SOUND_NAMES)

    def tags(self, windows: list[WindowAnalysis]) -> list[list[str]]:
        """The most likely names of each window, the likeliest first; none of silence."""
        scores = np.stack([window.embedding for window in windows]) @ self._prompts.T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :TAGS]
        return [[] if w.silent else [SOUND_NAMES[i] for i in row] for w, row in zip(windows, best, strict=True)]


def known_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags; raises DataError for one that no window can have, with those that are spelt alike."""
    for tag in tags:
        if tag not in SOUND_NAMES:
            near = get_close_matches(tag, SOUND_NAMES, cutoff=0.4) or SOUND_NAMES[:3]
            raise DataError(f"no sound is tagged {tag!r}; did you mean {' or '.join(map(repr, near))}?")
    return tuple(tags)


def collect(
    root: Path,
    table: WindowTable,
    embedder: Embedder,
    todo: list[str],
    problems: list[Problem],
    total: int,
    progress: Progress | None,
    workers: int,
) -> None:
    """Listen to what is to be done and write it in parts, so that a kill costs at most SECONDS_PER_PART."""
    if not todo:
        return
    tagger = Tagger(embedder)
    ready: dict[str, tuple[Stamp, list[WindowAnalysis], list[list[str]]]] = {}
    done, written = total - len(todo), time.monotonic()
    try:
        for name, stamp, result in _analyse(root, todo, embedder, table.origin.convention, workers):
            done += 1
            if stamp is None or isinstance(result, ElsaError):
                problems.append(Problem(name, str(result)))
            else:
                ready[name] = (stamp, result, tagger.tags(result))
            if progress is not None:
                progress(done, total)
            if ready and time.monotonic() - written > SECONDS_PER_PART:
                full, ready, written = ready, {}, time.monotonic()
                table.add(full)
    finally:  # also when interrupted
        if ready:
            table.add(ready)


def _analyse(
    root: Path, todo: list[str], embedder: Embedder, convention: str, workers: int
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

    for i, windows in embedder.stream(readable(), convention=convention, on_error=refuse, workers=workers):
        yield *read[i], windows
        while failed:
            name, error = failed.pop(0)
            yield name, None, error
    for name, error in failed:
        yield name, None, error
