"""One thread that uses the model, fed by a bounded queue: texts of many requests are embedded in one call."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import ConfigError

T = TypeVar("T")
Vectors = NDArray[np.float32]


class QueueFullError(Exception):
    """As many requests wait as may."""


class QueueClosedError(Exception):
    """The service is shutting down."""


class TextEmbedder(Protocol):
    """What the queue needs of a model."""

    def embed_text(self, texts: Sequence[str], /) -> Vectors:
        """Sentences to unit vectors (m, d)."""
        ...


@dataclass
class _Texts:
    texts: list[str]
    answer: Future[Vectors] = field(default_factory=Future)


@dataclass
class _Work:
    work: Callable[[], Any]
    answer: Future[Any] = field(default_factory=Future)


class ModelQueue:
    """Runs everything that needs the model on one thread, in order; a job whose future is cancelled is left out.

    most_waiting: how many jobs may wait, beside the one that runs. most_texts: how many texts are embedded in one call.
    on_batch is told the number of requests whose texts were embedded together. Texts and other work take turns, so that
    neither waits for all of the other.
    """

    def __init__(
        self,
        embedder: TextEmbedder,
        *,
        most_waiting: int = 64,
        most_texts: int = 64,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        if most_waiting < 1 or most_texts < 1:
            raise ConfigError(f"a queue holds at least one job and one text, got {most_waiting} and {most_texts}")
        self._embedder = embedder
        self._most_waiting = most_waiting
        self._most_texts = most_texts
        self._on_batch = on_batch
        self._texts: deque[_Texts] = deque()
        self._works: deque[_Work] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="elsa-model", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """How many jobs wait."""
        return len(self._texts) + len(self._works)

    def embed_text(self, texts: Sequence[str]) -> Future[Vectors]:
        """Embed texts, together with those of others that wait: a future of (m, d).

        Raises QueueFullError where too many jobs wait.
        """
        job = _Texts(list(texts))
        self._put(self._texts, job)
        return job.answer

    def run(self, work: Callable[[], T]) -> Future[T]:
        """Call `work` on the model's thread: a future of what it returns. Raises QueueFullError."""
        job = _Work(work)
        self._put(self._works, job)
        return job.answer

    def close(self) -> None:
        """Finish the job that runs, refuse those that wait, and end the thread."""
        with self._changed:
            self._closed = True
            waiting: list[_Texts | _Work] = [*self._texts, *self._works]
            self._texts.clear()
            self._works.clear()
            self._changed.notify()
        for job in waiting:
            if job.answer.set_running_or_notify_cancel():
                job.answer.set_exception(QueueClosedError())
        self._thread.join()

    def _put(self, queue: deque[Any], job: _Texts | _Work) -> None:
        with self._changed:
            if self._closed:
                raise QueueClosedError
            if self.depth >= self._most_waiting:  # those given up leave room
                for jobs in (self._texts, self._works):
                    alive = [j for j in jobs if not j.answer.cancelled()]
                    jobs.clear()
                    jobs.extend(alive)  # type: ignore[arg-type]
            if self.depth >= self._most_waiting:
                raise QueueFullError
            queue.append(job)
            self._changed.notify()

    def _run(self) -> None:
        texts_next = True
        while True:
            with self._changed:
                while not (self._texts or self._works or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                take_texts = bool(self._texts) and (texts_next or not self._works)
                batch = self._take_texts() if take_texts else []
                work = None if take_texts else self._works.popleft()
            texts_next = not take_texts
            if work is not None:
                _answer(work.answer, work.work)
            else:
                self._embed(batch)

    def _take_texts(self) -> list[_Texts]:
        batch = [self._texts.popleft()]
        count = len(batch[0].texts)
        while self._texts and count + len(self._texts[0].texts) <= self._most_texts:
            batch.append(self._texts.popleft())
            count += len(batch[-1].texts)
        return batch

    def _embed(self, batch: list[_Texts]) -> None:
        batch = [job for job in batch if job.answer.set_running_or_notify_cancel()]
        if not batch:
            return
        self._on_batch(len(batch))
        try:
            vectors = self._embedder.embed_text([text for job in batch for text in job.texts])
        except Exception as error:  # a text that cannot be embedded must not spoil the answers to the others
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for job in batch:
                try:
                    job.answer.set_result(self._embedder.embed_text(job.texts))
                except Exception as own:
                    job.answer.set_exception(own)
            return
        ends = np.cumsum([len(job.texts) for job in batch])
        for job, part in zip(batch, np.split(vectors, ends[:-1]), strict=True):
            job.answer.set_result(part)


def _answer(answer: Future[T], work: Callable[[], T]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(work())
    except Exception as error:
        answer.set_exception(error)
