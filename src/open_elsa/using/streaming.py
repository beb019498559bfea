"""Many sounds through a model, read and computed at the same time by several threads, holding few windows in memory."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import TypeAlias

import torch

from open_elsa.errors import AudioError, ConventionError, ElsaError
from open_elsa.using.analysis import WindowAnalysis
from open_elsa.using.pieces import AudioLike, Piece

OnError = Callable[[int, ElsaError], None]
#: What reading yields: a window of sound i, or how many it had, or why it cannot be used.
Event: TypeAlias = "tuple[int, Piece | int | ElsaError]"
Cut = Callable[[AudioLike], Iterator[Piece]]
Encode = Callable[[Sequence[Piece]], list[WindowAnalysis]]
_PATIENCE_S = 10.0  # for threads that read when they are no longer wanted


def stream(
    sounds: Iterable[AudioLike],
    cut: Cut,
    encode: Encode,
    *,
    batch_size: int,
    workers: int,
    on_error: OnError | None,
) -> Iterator[tuple[int, list[WindowAnalysis]]]:
    """Yield (place in `sounds`, its windows) as they are finished, not in order.

    cut: a sound to its windows; encode: windows of one length to what is said of them. workers: 1 does all in this
    thread; more compute in so many threads of one core each, and half as many (at least one) read ahead of them.
    on_error takes (place, error) of a sound that cannot be used and lets the rest go on; without it it is raised.
    """
    with _computing(encode, workers) as compute, _reading(sounds, cut, workers) as events:
        yield from _gathered(events, compute, batch_size, on_error)


class _Waiting:
    """Windows that wait to be computed in batches of one length, and sounds whose windows are not yet all known."""

    def __init__(self) -> None:
        self.buckets: dict[int, list[tuple[int, int, Piece]]] = defaultdict(list)
        self.found: dict[int, dict[int, WindowAnalysis]] = defaultdict(dict)
        self.read: dict[int, int] = defaultdict(int)
        self.expected: dict[int, int] = {}
        self.refused: set[int] = set()

    def take(self, i: int, piece: Piece) -> int:
        """Put a window into its bucket; how many that bucket holds now."""
        bucket = self.buckets[piece.samples.shape[1]]
        bucket.append((i, self.read[i], piece))
        self.read[i] += 1
        return len(bucket)

    def refuse(self, i: int) -> None:
        """Forget a sound that cannot be used."""
        self.refused.add(i)
        self.found.pop(i, None)
        for length in list(self.buckets):
            self.buckets[length] = [entry for entry in self.buckets[length] if entry[0] != i]
            if not self.buckets[length]:
                del self.buckets[length]

    def finished(self) -> Iterator[tuple[int, list[WindowAnalysis]]]:
        """The sounds of which every window is known, which are then forgotten."""
        for i in [i for i, count in self.expected.items() if len(self.found[i]) == count]:
            del self.expected[i], self.read[i]
            windows = self.found.pop(i)
            yield i, [windows[k] for k in sorted(windows)]


def _gathered(
    events: Iterator[Event], compute: _Compute, batch_size: int, on_error: OnError | None
) -> Iterator[tuple[int, list[WindowAnalysis]]]:
    waiting = _Waiting()

    def settle(most: int) -> None:
        for batch, analysed in compute.done(most):
            for (i, k, _), window in zip(batch, analysed, strict=True):
                if i not in waiting.refused:
                    waiting.found[i][k] = window

    def flush(lengths: Iterable[int]) -> None:
        for length in list(lengths):
            compute.start(waiting.buckets.pop(length))
        settle(compute.spare)

    for i, event in events:
        if isinstance(event, Piece):
            held = waiting.take(i, event)
            if held == batch_size:
                flush([event.samples.shape[1]])
            elif sum(map(len, waiting.buckets.values())) >= 4 * batch_size:
                flush(waiting.buckets)
        elif isinstance(event, int):
            waiting.expected[i] = event
        else:
            if on_error is None:
                raise event
            waiting.refuse(i)
            on_error(i, event)
        yield from waiting.finished()
    flush(waiting.buckets)
    settle(0)
    yield from waiting.finished()


# -- computing -------------------------------------------------------------------------------------------------------

_Batch: TypeAlias = "list[tuple[int, int, Piece]]"


class _Compute:
    """Batches under way; `pool` None computes at once."""

    def __init__(self, encode: Encode, pool: ThreadPoolExecutor | None, spare: int) -> None:
        self.spare = spare
        self._encode, self._pool = encode, pool
        self._pending: dict[Future[list[WindowAnalysis]], _Batch] = {}

    def start(self, batch: _Batch) -> None:
        """Begin with a batch."""
        pieces = [piece for _, _, piece in batch]
        if self._pool is None:
            future: Future[list[WindowAnalysis]] = Future()
            future.set_result(self._encode(pieces))
        else:
            future = self._pool.submit(self._encode, pieces)
        self._pending[future] = batch

    def done(self, most: int) -> Iterator[tuple[_Batch, list[WindowAnalysis]]]:
        """Batches that are finished; waits until at most so many are under way."""
        while self._pending:
            ready = [future for future in self._pending if future.done()]
            if not ready and len(self._pending) <= most:
                return
            for future in ready or wait(self._pending, return_when=FIRST_COMPLETED).done:
                yield self._pending.pop(future), future.result()


@contextmanager
def _computing(encode: Encode, workers: int) -> Iterator[_Compute]:
    if workers == 1:
        yield _Compute(encode, None, 0)
        return
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(workers, "elsa-compute", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield _Compute(encode, pool, workers)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)  # what a worker set counts for threads that begin later, too


# -- reading ---------------------------------------------------------------------------------------------------------


def _events(i: int, sound: AudioLike, cut: Cut) -> Iterator[Event]:
    count = 0
    try:
        for piece in cut(sound):
            yield i, piece
            count += 1
        if count == 0:
            raise AudioError(f"{sound}: holds no sound")
    except (AudioError, ConventionError) as error:
        yield i, error
    else:
        yield i, count


@contextmanager
def _reading(sounds: Iterable[AudioLike], cut: Cut, workers: int) -> Iterator[Iterator[Event]]:
    numbered = enumerate(sounds)
    if workers == 1:
        yield (event for i, sound in numbered for event in _events(i, sound, cut))
        return
    readers = _Readers(numbered, cut, max(1, workers // 2))
    try:
        yield readers.events()
    finally:
        readers.stop()


class _Readers:
    """Threads that take sounds in turn and cut them, at most a few windows ahead of who computes."""

    def __init__(self, numbered: Iterator[tuple[int, AudioLike]], cut: Cut, count: int) -> None:
        self._numbered, self._cut = numbered, cut
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._queue: Queue[Event | BaseException | None] = Queue(maxsize=4 * count)
        self._threads = [threading.Thread(target=self._read, name="elsa-read", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def events(self) -> Iterator[Event]:
        """What they read; raises what stopped one of them."""
        left = len(self._threads)
        while left:
            event = self._queue.get()
            if event is None:
                left -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event

    def stop(self) -> None:
        """Let them end; one that waits for its source is left to it after a while."""
        self._stopped.set()
        until = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < until:
                try:
                    self._queue.get(timeout=0.05)
                except Empty:
                    thread.join(0.05)

    def _read(self) -> None:
        torch.set_num_threads(1)
        try:
            while (taken := self._next()) is not None:
                for event in _events(*taken, self._cut):
                    if not self._put(event):
                        return
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _next(self) -> tuple[int, AudioLike] | None:
        with self._turn:
            return next(self._numbered, None)

    def _put(self, event: Event | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(event, timeout=0.1)
            except Full:
                continue
            return True
        return False
