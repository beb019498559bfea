"""Reading shards: in order or shuffled by a seed, shared out without doubles, resumed exactly, or one by its place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from open_elsa.errors import ConfigError, DataError, ElsaError
from open_elsa.scenes import shard_files
from open_elsa.scenes.store import Store
from open_elsa.sound import coded

Float32 = NDArray[np.float32]
_CHUNK = 1 << 24


@dataclass(frozen=True, eq=False)
class ShardSample:
    """One scene of a set of shards. audio: (4, n) float32 AmbiX; truth: all of its JSON; row: its row in the index."""

    key: str
    row: int
    audio: Float32
    sample_rate: int
    captions: tuple[str, ...]
    truth: dict[str, Any]


@dataclass(frozen=True)
class Order:
    """In which order samples come, and which part of them.

    seed: None for the order of the index; else shards are shuffled, and samples among `window` shards at a time (a
    window of all shards shuffles fully; a small one keeps reading near together). rank of world, worker of workers:
    this reader's part; all parts together are every sample once. even: leave out the last few samples, so that all
    parts are of one size.
    """

    seed: int | None = None
    window: int = 8
    rank: int = 0
    world: int = 1
    worker: int = 0
    workers: int = 1
    even: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.rank < self.world and 0 <= self.worker < self.workers and self.window >= 1):
            raise ConfigError(f"no such part of a set of shards: {self}")

    def rows(self, sizes: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Rows of the index in this reader's order; sizes: samples of each shard; a pure function of the arguments."""
        starts = np.cumsum(sizes) - sizes
        if self.seed is None:
            rows = np.arange(int(sizes.sum()))
        else:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch]))
            shards = rng.permutation(sizes.size)
            groups = [shards[i : i + self.window] for i in range(0, shards.size, self.window)]
            spans = [np.concatenate([np.arange(starts[s], starts[s] + sizes[s]) for s in group]) for group in groups]
            rows = np.concatenate([rng.permutation(span) for span in spans]) if spans else np.arange(0)
        parts = self.world * self.workers
        if self.even:
            rows = rows[: rows.size - rows.size % parts]
        return np.asarray(rows[self.rank * self.workers + self.worker :: parts], dtype=np.int64)


class ShardReader:
    """Samples of a finished set of shards; open one with `ShardReader.open`. Picklable, for workers.

    Iterating goes through the rest of an epoch, and then stands at the start of the next; `reader[i]` is row i of the
    index, whatever the order.
    """

    def __init__(
        self, store: Store, manifest: dict[str, Any], table: pa.Table, order: Order, on_error: str, max_errors: int
    ) -> None:
        self.store, self.manifest, self.table, self.order = store, manifest, table, order
        self.on_error, self.max_errors, self.verify = on_error, max_errors, False
        self.epoch, self.position = 0, 0
        #: Samples that could not be read and were skipped: key → reason.
        self.errors: dict[str, str] = {}
        self._shards = [shard["name"] for shard in manifest["shards"]]
        self._sizes = np.array([shard["samples"] for shard in manifest["shards"]], dtype=np.int64)
        columns = [f"{member}_{what}" for member in shard_files.MEMBERS for what in ("offset", "bytes")]
        self._places = np.stack([table[name].to_numpy() for name in columns], 1).reshape(len(table), -1, 2)

    @classmethod
    def open(
        cls,
        url: str | Path,
        order: Order | None = None,
        *,
        state: Mapping[str, Any] | None = None,
        on_error: str = "raise",
        max_errors: int = 100,
        verify: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> ShardReader:
        """Open the shards at a folder or URL; raises DataError if they are missing, unfinished or damaged.

        state: what `state()` gave: the reader goes on with exactly the samples that it had not given yet. on_error:
        "raise", or "skip" samples that cannot be read, up to max_errors, with the reasons in `errors`. verify: hold
        each sound against its SHA-256. options: what fsspec's file system takes, see `Store`.
        """
        if on_error not in ("raise", "skip"):
            raise ConfigError(f'on_error is "raise" or "skip", not {on_error!r}')
        store = Store(url, options)
        manifest, table = shard_files.read_manifest(store), shard_files.read_index(store)
        if len(table) != manifest["samples"]:
            raise DataError(f"{store.where(shard_files.INDEX)} has {len(table)} rows, not {manifest['samples']}")
        if state is not None:
            order = _order_of(state, manifest, order, store)
        reader = cls(store, manifest, table, order or Order(), on_error, max_errors)
        reader.verify = verify
        if state is not None:
            reader.epoch, reader.position = int(state["epoch"]), int(state["position"])
            reader.errors = dict(state["errors"])
        return reader

    def __len__(self) -> int:
        return len(self.table)

    @property
    def licences(self) -> dict[str, int]:
        """How many clips of each licence are heard in the set: what a model card of a model trained on it says."""
        return dict(self.manifest["licences"])

    def remaining(self) -> int:
        """How many samples of this epoch are still to come in this reader's part."""
        return int(self._order().size) - self.position

    def state(self) -> dict[str, Any]:
        """Where the reader is, as JSON has it; see `open`."""
        return {
            "version": 1,
            "set": self._digest,
            "order": dict(vars(self.order)),
            "epoch": self.epoch,
            "position": self.position,
            "errors": dict(self.errors),
        }

    def __iter__(self) -> Iterator[ShardSample]:
        rows = self._order()
        while self.position < rows.size:
            row = int(rows[self.position])
            # before the sample is out of the hand, so that a state taken with it does not give it again
            self.position += 1
            try:
                sample = self[row]
            except ElsaError as error:
                self._note(row, error)
                continue
            yield sample
        self.epoch, self.position = self.epoch + 1, 0

    def __getitem__(self, row: int) -> ShardSample:
        """Read a sample by its row in the index (negative: from the end), in one read of its bytes."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        shard, key = self.table["shard"][row].as_py(), self.table["key"][row].as_py()
        where = f"{self.store.where(shard)}: sample {key}"
        places = self._places[row]
        first = int(places[:, 0].min())
        data = self.store.read(shard, first, int(places.sum(axis=1).max()) - first)
        told, _, sound = (data[at - first : at - first + size] for at, size in places.tolist())
        try:
            truth = json.loads(told)
            if truth["key"] != key:
                raise ValueError(f"it is {truth['key']}")
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{where} is not what the index says ({error}); copy the shard anew") from error
        if self.verify and hashlib.sha256(sound).hexdigest() != self.table["sha256"][row].as_py():
            raise DataError(f"{where}: the sound is not what was written; copy the shard anew")
        heard = coded.decoded(sound, where)
        return ShardSample(key, row, heard.samples, heard.sample_rate, tuple(truth["captions"]), truth)

    @property
    def _digest(self) -> str:
        return _digest(self.manifest)

    def _order(self) -> NDArray[np.int64]:
        return self.order.rows(self._sizes, self.epoch)

    def _note(self, row: int, error: ElsaError) -> None:
        if self.on_error == "raise":
            raise error
        self.errors[self.table["key"][row].as_py()] = str(error)
        if len(self.errors) > self.max_errors:
            first = "".join(f"\n  {reason}" for reason in list(self.errors.values())[:5])
            raise DataError(f"more than {self.max_errors} samples cannot be read; the first:{first}") from error


@dataclass(frozen=True)
class ShardCheck:
    """What `check_shards` found; broken: file → what is wrong with it."""

    url: str
    shards: int
    samples: int
    bytes: int
    broken: dict[str, str] = field(default_factory=dict)


def check_shards(
    url: str | Path,
    *,
    sizes_only: bool = False,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ShardCheck:
    """Hold every shard against the size and SHA-256 in shards.json; raises DataError where no finished set is."""
    store = Store(url, options)
    manifest = shard_files.read_manifest(store)
    broken: dict[str, str] = {}
    try:
        rows = len(shard_files.read_index(store))
        if rows != manifest["samples"]:
            broken[shard_files.INDEX] = f"has {rows} rows, not {manifest['samples']}"
    except DataError as error:
        broken[shard_files.INDEX] = str(error)
    shards = manifest["shards"]
    for number, shard in enumerate(shards):
        size = store.size(shard["name"])
        if size is None:
            broken[shard["name"]] = "is missing"
        elif size != shard["bytes"]:
            broken[shard["name"]] = f"has {size} bytes, not {shard['bytes']}"
        elif not sizes_only and _sha256(store, shard["name"], size) != shard["sha256"]:
            broken[shard["name"]] = "holds other bytes than were written"
        if progress is not None:
            progress(number + 1, len(shards))
    return ShardCheck(store.url, len(shards), manifest["samples"], manifest["bytes"], broken)


def _sha256(store: Store, name: str, size: int) -> str:
    told = hashlib.sha256()
    for at in range(0, size, _CHUNK):
        told.update(store.read(name, at, min(_CHUNK, size - at)))
    return told.hexdigest()


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest["shards"], sort_keys=True).encode()).hexdigest()[:16]


def _order_of(state: Mapping[str, Any], manifest: Mapping[str, Any], asked: Order | None, store: Store) -> Order:
    """The order of a state; raises DataError when it is of other shards, or another order is asked for beside it."""
    try:
        order = Order(**state["order"])
        if state["version"] != 1 or {"epoch", "position", "errors"} - set(state):
            raise KeyError("version")
    except (KeyError, TypeError) as error:
        raise DataError(f"this is no state of a reader of shards ({error}); give what state() gave") from error
    if state["set"] != _digest(manifest):
        raise DataError(f"the state is of other shards than those at {store.url}")
    if asked is not None and asked != order:
        raise DataError(f"the state is of another order or part, {order}; leave the order out, or the state")
    return order
