"""Work in several processes: the same task for many items, each item's result as soon as it is there."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from open_elsa.errors import DataError
from open_elsa.scenes.memory import keep_memory

Item = TypeVar("Item")
Result = TypeVar("Result")

#: What is said when a process is ended from outside, by makers that go on where they stopped.
ENDED = (
    "a working process was ended from outside, perhaps for want of memory; what is finished is kept, run again with "
    "fewer workers"
)
#: What `setup` made, once a process.
_held: Any = None


def run(
    setup: Callable[..., Any],
    arguments: tuple[Any, ...],
    task: Callable[[Any, Item], Result],
    items: Sequence[Item],
    workers: int,
    ended: str = ENDED,
) -> Iterator[tuple[Item, Result]]:
    """Give (item, task(setup(*arguments), item)) for every item; with one worker in order and in this process.

    setup and task: functions of a module, arguments and results picklable. Raises DataError with the text `ended` when
    a process is ended from outside, and what a task raises; items that have not begun by then are dropped.
    """
    if workers == 1 or len(items) < 2:
        held = setup(*arguments) if items else None
        for item in items:
            yield item, task(held, item)
        return
    # spawn: a forked child would inherit the locks of whatever threads the caller runs
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(items)), mp_context=context, initializer=_begin, initargs=(setup, arguments)
    ) as pool:
        futures = {pool.submit(_go_on, task, item): item for item in items}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise DataError(ended) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def spread(
    task: Callable[[Item], Result], items: Sequence[Item], workers: int, ended: str = ENDED
) -> Iterator[tuple[Item, Result]]:
    """Give (item, task(item)) for every item, as `run` does for a task that needs nothing set up."""
    return run(_itself, (task,), _call, items, workers, ended)


def _itself(task: Callable[[Item], Result]) -> Callable[[Item], Result]:
    return task


def _call(task: Callable[[Item], Result], item: Item) -> Result:
    return task(item)


def _begin(setup: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    global _held
    keep_memory()
    _held = setup(*arguments)


def _go_on(task: Callable[[Any, Item], Result], item: Item) -> Result:
    return task(_held, item)
