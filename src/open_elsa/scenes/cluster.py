"""Work on a cluster: the same task for many items on the nodes of Ray, redone where a node or a worker is lost.

Plain tasks of Ray, not its Data: an item is a number that a worker turns into a file of its own, so no blocks of data
flow through a plan of operators, and each item is retried, counted and named when it fails for good.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from open_elsa.errors import ConfigError, DataError

Item = TypeVar("Item")
Result = TypeVar("Result")

LOCAL, AUTO = "local", "auto"
#: Memory of a local Ray for what tasks share, in bytes: the plan of a set, not its sounds.
_SHARED_BYTES = 256 * 2**20
#: Tasks handed to Ray for each core, so that none waits for the next.
_AHEAD = 2

#: What `setup` made, once a process; the key tells one run from another.
_held: dict[str, Any] = {}


@dataclass(frozen=True)
class RayCluster:
    """Where tasks run instead of in processes of this machine.

    address: "local" starts Ray on this machine for as long as the run lasts, "auto" takes the cluster of which this
    machine is a node, HOST:PORT a cluster by its head. attempts: how often an item is tried, whatever stopped it.
    options: for `ray.init`.
    """

    address: str = LOCAL
    attempts: int = 4
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigError(f"a task needs at least one attempt, got {self.attempts}")
        if self.address not in (LOCAL, AUTO):
            _host_and_port(self.address)


def run(
    setup: Callable[..., Any],
    arguments: tuple[Any, ...],
    task: Callable[[Any, Item], Result],
    items: Sequence[Item],
    cluster: RayCluster,
) -> Iterator[tuple[Item, Result]]:
    """Give (item, task(setup(*arguments), item)) for every item as it is done; the contract of `workers.run`.

    setup runs once a worker process. Raises ConfigError when Ray is not installed, and DataError when the cluster
    cannot be reached or an item failed `cluster.attempts` times, naming it and why.
    """
    if not items:
        return
    with _joined(cluster) as ray:
        shared, key = ray.put((setup, arguments, task)), uuid.uuid4().hex
        # SPREAD: a try again lands on another node where there is one; Ray itself repeats nothing, so that tries count
        remote = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(_go_on)
        waiting = deque((item, 1) for item in items)
        running: dict[Any, tuple[Item, int]] = {}
        try:
            while waiting or running:
                room = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1))) - len(running)
                for _ in range(min(room, len(waiting))):
                    item, attempt = waiting.popleft()
                    # in a list, so that a worker fetches what is shared once, not for every item
                    running[remote.remote([shared], key, item)] = (item, attempt)
                for done in ray.wait(list(running), timeout=5.0)[0]:
                    item, attempt = running.pop(done)
                    try:
                        result = ray.get(done)
                    except ray.exceptions.RayError as error:
                        waiting.append((item, _next_attempt(item, attempt, error, cluster)))
                        continue
                    yield item, result
        finally:
            for unfinished in running:
                ray.cancel(unfinished, force=True)


def _go_on(shared: list[Any], key: str, item: Any) -> Any:
    import ray

    if key not in _held:
        setup, arguments, task = ray.get(shared[0])
        _held.clear()  # of a run before this one
        _held[key] = setup(*arguments), task
    held, task = _held[key]
    return task(held, item)


def _next_attempt(item: Any, attempt: int, error: Exception, cluster: RayCluster) -> int:
    cause = getattr(error, "cause", None)
    reason = f"{type(cause).__name__}: {cause}" if cause is not None else _first_line(error)
    if attempt >= cluster.attempts or isinstance(cause, ConfigError):
        raise DataError(
            f"part {item} failed {attempt} times on the cluster, the last time by {reason}; what is finished is kept: "
            "mend this and run the same command again"
        ) from (cause or error)
    return attempt + 1


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), 'a node or a worker was lost')}"


@contextlib.contextmanager
def _joined(cluster: RayCluster) -> Iterator[Any]:
    """Ray, connected: as the caller has it already, else for as long as this lasts."""
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unless somebody asks for it
        import ray
    except ImportError as error:
        raise ConfigError('the engine "ray" needs Ray: pip install "open-elsa[ray]"') from error
    if ray.is_initialized():
        yield ray
        return
    options = {"log_to_driver": False, "logging_level": "error", "include_dashboard": False}
    if cluster.address == LOCAL:
        options["object_store_memory"] = _SHARED_BYTES
    else:
        del options["include_dashboard"]  # the cluster's own affair
    if cluster.address not in (LOCAL, AUTO):
        _check_reached(cluster.address)
    try:
        ray.init(address=cluster.address, **{**options, **cluster.options})
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DataError(
            f"no Ray cluster can be joined at {cluster.address!r} ({_first_line(error)}); start one with `ray start "
            "--head`, and run this on one of its nodes"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"the address of a Ray cluster is local, auto or HOST:PORT, not {address!r}")
    return host, int(port)


def _check_reached(address: str) -> None:
    """Ray itself tries for minutes."""
    try:
        socket.create_connection(_host_and_port(address), timeout=10.0).close()
    except OSError as error:
        raise DataError(
            f"no Ray cluster answers at {address} ({error}); check the address that `ray start --head` printed"
        ) from error
