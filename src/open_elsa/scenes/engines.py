"""Where work that can be cut into items runs: in processes of this machine or on a cluster, by one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from open_elsa.errors import ConfigError
from open_elsa.scenes import cluster, workers
from open_elsa.scenes.cluster import RayCluster

Item = TypeVar("Item")
Result = TypeVar("Result")

#: So many processes of this machine, or a cluster.
Engine = int | RayCluster
PROCESSES, RAY = "processes", "ray"
NAMES = (PROCESSES, RAY)


def engine(name: str = PROCESSES, *, workers: int = 1, address: str | None = None) -> Engine:
    """The engine of a name: so many processes, or Ray at an address (see `RayCluster`); ConfigError for another name.

    On a local Ray `workers` above 1 says how many tasks run at once; the number of cores where it is 1.
    """
    if name not in NAMES:
        raise ConfigError(f"scenes are made by {' or '.join(NAMES)}, not {name!r}")
    if name == PROCESSES:
        if address is not None:
            raise ConfigError(f"an address ({address}) is of a Ray cluster: add --engine ray (engine='ray')")
        return workers
    options = {"num_cpus": workers} if workers > 1 and address in (None, cluster.LOCAL) else {}
    return RayCluster(address or cluster.LOCAL, options=options)


def run(
    setup: Callable[..., Any],
    arguments: tuple[Any, ...],
    task: Callable[[Any, Item], Result],
    items: Sequence[Item],
    engine: Engine,
) -> Iterator[tuple[Item, Result]]:
    """Give (item, task(setup(*arguments), item)) for every item as it is done, wherever the engine has it run.

    setup and task: functions of a module that every process can import, arguments and results picklable. Raises what
    `workers.run` or `cluster.run` raise.
    """
    if isinstance(engine, RayCluster):
        yield from cluster.run(setup, arguments, task, items, engine)
    else:
        yield from workers.run(setup, arguments, task, items, engine)
