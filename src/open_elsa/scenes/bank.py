"""A bank of room responses on disk: simulated once, read in about a millisecond, the same bytes from any workers."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import balanced, places
from open_elsa.scenes.room_references import OURS, revision
from open_elsa.scenes.room_references import simulator as find_simulator
from open_elsa.scenes.rooms import RoomRanges, draw_position, draw_room
from open_elsa.scenes.scene import Room, RoomResponse, SourcePosition
from open_elsa.scenes.scene_files import remove_leftovers, write_whole
from open_elsa.scenes.workers import spread
from open_elsa.sound.acoustics import Acoustics

#: Revision of the files; a bank of another one is refused.
BANK_VERSION = 2
MANIFEST = "bank.json"
#: Responses that share one file.
SHARD_RESPONSES = 256
#: Peak of a stored response: high in float16's range, so that a tail 130 dB below it keeps its precision.
_STORED_PEAK = 16_384.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Recipe:
    """What a bank's bytes depend on, and nothing else."""

    seed: int
    rooms: int
    positions_per_room: int
    sample_rate: int
    ranges: RoomRanges
    balanced: bool
    shard_responses: int
    simulator: str = OURS

    @property
    def responses(self) -> int:
        return self.rooms * self.positions_per_room

    @property
    def shards(self) -> int:
        return math.ceil(self.responses / self.shard_responses)

    def manifest(self) -> dict[str, Any]:
        numbers = json.loads(json.dumps(asdict(self)))
        del numbers["simulator"]  # recorded with its revision
        if not self.ranges.facing_share:
            del numbers["ranges"]["facing_share"]  # banks are older than this field
        return {"version": BANK_VERSION, "simulator": revision(self.simulator), **numbers}


class RoomBank:
    """Room responses in a folder, read by memory mapping; make one with `make_bank`, open it with `RoomBank.open`.

    ids: response ids in order, "ROOM-POSITION". table: one row a response (pyarrow). sample_rate in Hz.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], table: pa.Table) -> None:
        self.folder, self.manifest, self.table = folder, manifest, table
        self.sample_rate = int(manifest["sample_rate"])
        self.ids: list[str] = table["response_id"].to_pylist()
        self._places = {name: row for row, name in enumerate(self.ids)}
        self._shard, self._offset, self._frames, self._scale = (
            table[name].to_numpy() for name in ("shard", "offset", "frames", "scale")
        )
        self._maps: dict[int, NDArray[np.float16]] = {}
        #: Where the folder was copied from, None where it is the original.
        self.url: str | None = None

    @classmethod
    def open(cls, folder: str | Path) -> RoomBank:
        """Open a finished bank; raises DataError when it is missing, unfinished or of another version.

        folder: of this machine, or a URL that fsspec knows, which is then copied into the user's cache once a machine.
        """
        if places.is_url(folder):
            made = cls.open(places.fetched_bank(str(folder), MANIFEST))
            made.url = str(folder)
            return made
        root = Path(folder)
        manifest = _read_manifest(root)
        if manifest is None:
            raise DataError(f"{root} holds no room bank (no {MANIFEST}); make one with `elsa rooms make`")
        shards = math.ceil(manifest["rooms"] * manifest["positions_per_room"] / manifest["shard_responses"])
        missing = [k for k in range(shards) if not _shard_is_whole(root, k)]
        if missing:
            raise DataError(
                f"the room bank {root} is unfinished: {len(missing)} of {shards} shards are missing; "
                "run the command that makes it again, it goes on where it stopped"
            )
        return cls(root, manifest, pa.concat_tables([pq.read_table(_table_path(root, k)) for k in range(shards)]))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> RoomResponse:
        """Response `i` with its room, place and measured acoustics."""
        row = {name: column[0] for name, column in self.table.slice(self._row(i), 1).to_pydict().items()}
        acoustics = Acoustics(
            t30_s=row["t30_s"],
            drr_db=row["drr_db"],
            edt_s=row["edt_s"],
            c50_db=row["c50_db"],
            t30_bands_s=tuple(row["t30_bands_s"]),
            drr_bands_db=tuple(row["drr_bands_db"]),
        )
        return RoomResponse(
            room=_room_of(row),
            position=SourcePosition(**{f.name: row[f.name] for f in fields(SourcePosition)}),
            sample_rate=self.sample_rate,
            response=self.response(i),
            arrival_s=row["arrival_s"],
            acoustics=acoustics,
            seed=row["seed"],
            simulator=row["simulator"],
        )

    def __iter__(self) -> Iterator[RoomResponse]:
        return (self[i] for i in range(len(self)))

    def response(self, i: int) -> NDArray[np.float32]:
        """The samples of response `i`, (4, n) float32 AmbiX: the quick path for training."""
        row = self._row(i)
        shard = int(self._shard[row])
        if shard not in self._maps:
            try:
                self._maps[shard] = np.load(_samples_path(self.folder, shard), mmap_mode="r")
            except (OSError, ValueError) as error:
                raise DataError(f"the room bank {self.folder} lost shard {shard}: {error}; make it again") from error
        start, frames = int(self._offset[row]), int(self._frames[row])
        stored = self._maps[shard][start : start + 4 * frames]
        return stored.reshape(4, frames).astype(np.float32) * np.float32(self._scale[row])

    def index(self, response_id: str) -> int:
        """Row of a response id; raises DataError for an id of another bank."""
        try:
            return self._places[response_id]
        except KeyError:
            raise DataError(f"no response {response_id!r} in the room bank {self.folder}; was it made anew?") from None

    def fingerprint(self) -> str:
        """Hash of all that the bank's bytes depend on; equal banks have equal ones."""
        return hashlib.sha256(json.dumps(self.manifest, sort_keys=True).encode()).hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # workers map the files anew instead of copying them

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.url is not None:  # another machine has its own copy, perhaps in another place
            self.folder = places.fetched_bank(self.url, MANIFEST)

    def _row(self, i: int) -> int:
        if not -len(self.ids) <= i < len(self.ids):
            raise IndexError(f"response {i} of a bank of {len(self.ids)}")
        return i % len(self.ids)


def make_bank(
    folder: str | Path,
    *,
    rooms: int,
    positions_per_room: int,
    seed: int,
    sample_rate: int = 48_000,
    ranges: RoomRanges | None = None,
    balanced: bool = False,
    simulator: str = OURS,
    workers: int = 1,
    progress: Progress | None = None,
) -> RoomBank:
    """Simulate a bank, or finish one that was broken off; the bytes depend on nothing but these numbers.

    A response is a pure function of (seed, room, position), so banks of different seeds share no room and any number
    of `workers` (processes) writes the same files. balanced: for test banks, every attribute's words come about
    equally often. simulator: a name that `room_references.simulator` knows; every one is given the same rooms and
    places. progress: called with (responses done, of all). Raises ConfigError for impossible numbers and an unknown
    simulator, and DataError when the folder holds a bank made from other numbers or by another simulator.
    """
    find_simulator(simulator)  # a wrong name is told before anything is written
    if min(rooms, positions_per_room, workers) < 1 or sample_rate < 8_000 or seed < 0:
        raise ConfigError("make_bank needs at least one room, place and worker, 8000 Hz or more, and a seed >= 0")
    drawn = ranges or RoomRanges()
    recipe = _Recipe(seed, rooms, positions_per_room, sample_rate, drawn, balanced, SHARD_RESPONSES, simulator)
    root = Path(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{root} cannot be made: {error.strerror}; name another folder") from error
    found = _read_manifest(root)
    if found is not None and found != recipe.manifest():
        different = sorted(k for k in {*found, *recipe.manifest()} if found.get(k) != recipe.manifest().get(k))
        raise DataError(f"{root} holds a bank with another {', '.join(different)}; choose another folder or delete it")
    if found is None:
        write_whole(root / MANIFEST, lambda p: p.write_text(json.dumps(recipe.manifest(), indent=1) + "\n"))
    remove_leftovers(root)
    todo = [k for k in range(recipe.shards) if not _shard_is_whole(root, k)]
    ended = (
        f"a process that made the bank {root} was ended from outside, perhaps for want of memory; what is finished is "
        "kept, run again with fewer workers"
    )
    done = recipe.responses - sum(_shard_size(recipe, k) for k in todo)
    for shard, _ in spread(functools.partial(_make_shard, root, recipe), todo, workers, ended):
        done += _shard_size(recipe, shard)
        if progress is not None:
            progress(done, recipe.responses)
    return RoomBank.open(root)


def response_of(
    recipe_seed: int, room: Room, ranges: RoomRanges, key: tuple[int, int], sample_rate: int, simulator: str = OURS
) -> RoomResponse:
    """The response of one place, a pure function of the bank's seed and `key` = (room index, position index).

    The place is drawn before anything else: it is the same whatever the simulator.
    """
    seed = int(np.random.SeedSequence(recipe_seed, spawn_key=(1, *key)).generate_state(1, np.uint64)[0] >> np.uint64(1))
    rng = np.random.default_rng(seed)
    made = find_simulator(simulator)(room, draw_position(rng, room, ranges), rng, sample_rate)
    return replace(made, seed=seed)


def _shard_size(recipe: _Recipe, shard: int) -> int:
    return min(recipe.shard_responses, recipe.responses - shard * recipe.shard_responses)


def _make_shard(root: Path, recipe: _Recipe, shard: int) -> None:
    """Simulate and write one shard: samples first, its table last, since the table says that the shard is whole."""
    rows: list[dict[str, Any]] = []
    parts: list[NDArray[np.float16]] = []
    offset = 0
    rooms: dict[int, Room] = {}
    first = shard * recipe.shard_responses
    for index in range(first, first + _shard_size(recipe, shard)):
        key = divmod(index, recipe.positions_per_room)
        if key[0] not in rooms:
            rooms[key[0]] = _bank_room(recipe, key[0])
        made = _first_possible(recipe, rooms[key[0]], _place_ranges(recipe, rooms[key[0]], index), key)
        scale = float(np.float32(np.abs(made.response).max() / _STORED_PEAK))
        parts.append((made.response / np.float32(scale)).astype(np.float16).ravel())
        rows.append(_row_of(made, f"{made.room_id}-{key[1]:03d}", shard, offset, scale))
        offset += parts[-1].size
    samples = np.concatenate(parts)
    write_whole(_samples_path(root, shard), lambda p: _save_array(p, samples))
    write_whole(_table_path(root, shard), lambda p: pq.write_table(pa.Table.from_pylist(rows), p))


def _bank_room(recipe: _Recipe, index: int) -> Room:
    """Room `index` of a bank."""
    ranges = balanced.room_ranges(recipe.ranges, index) if recipe.balanced else recipe.ranges
    rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(0, index)))
    return draw_room(rng, ranges, f"s{recipe.seed}-r{index:06d}")


def _place_ranges(recipe: _Recipe, room: Room, index: int) -> list[RoomRanges]:
    """Ranges of the place of response `index`, the wanted first."""
    return balanced.place_ranges(recipe.ranges, room, recipe.seed, index) if recipe.balanced else [recipe.ranges]


def _first_possible(recipe: _Recipe, room: Room, choices: Sequence[RoomRanges], key: tuple[int, int]) -> RoomResponse:
    """The response of the first ranges in which its own draw finds a place; DataError of the last where none does."""
    for ranges in choices[:-1]:
        try:
            return response_of(recipe.seed, room, ranges, key, recipe.sample_rate, recipe.simulator)
        except DataError:
            continue
    return response_of(recipe.seed, room, choices[-1], key, recipe.sample_rate, recipe.simulator)


def _row_of(made: RoomResponse, name: str, shard: int, offset: int, scale: float) -> dict[str, Any]:
    room = cast(Room, made.room)
    return {
        "response_id": name,
        "room_id": room.room_id,
        **{f"size_{axis}_m": side for axis, side in zip("xyz", room.size_m, strict=True)},
        **{f"array_{axis}_m": place for axis, place in zip("xyz", room.array_m, strict=True)},
        "array_yaw_deg": room.array_yaw_deg,
        "absorption": list(room.absorption),
        "scattering": room.scattering,
        **asdict(made.position),
        "floor_area_m2": room.floor_area_m2,
        "volume_m3": room.volume_m3,
        **{k: list(v) if isinstance(v, tuple) else v for k, v in vars(made.acoustics).items()},
        "arrival_s": made.arrival_s,
        "seed": made.seed,
        "simulator": made.simulator,
        "shard": shard,
        "offset": offset,
        "frames": made.response.shape[1],
        "scale": scale,
    }


def _room_of(row: dict[str, Any]) -> Room:
    return Room(
        room_id=row["room_id"],
        size_m=(row["size_x_m"], row["size_y_m"], row["size_z_m"]),
        absorption=tuple(row["absorption"]),
        array_m=(row["array_x_m"], row["array_y_m"], row["array_z_m"]),
        array_yaw_deg=row["array_yaw_deg"],
        scattering=row["scattering"],
    )


def _samples_path(root: Path, shard: int) -> Path:
    return root / f"responses-{shard:05d}.npy"


def _table_path(root: Path, shard: int) -> Path:
    return root / f"responses-{shard:05d}.parquet"


def _shard_is_whole(root: Path, shard: int) -> bool:
    """Whether a shard's table is there and its samples have the length that the table says."""
    try:
        table = pq.read_table(_table_path(root, shard), columns=["offset", "frames"])
        stored = np.load(_samples_path(root, shard), mmap_mode="r")
    except (OSError, ValueError, pa.ArrowInvalid):
        return False
    last = table.slice(table.num_rows - 1).to_pydict()
    return bool(stored.dtype == np.float16 and stored.size == last["offset"][0] + 4 * last["frames"][0])


def _read_manifest(root: Path) -> dict[str, Any] | None:
    path = root / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text())
        version = manifest["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); delete the folder and make the bank again") from error
    if version != BANK_VERSION:
        raise DataError(
            f"{path} is a bank of version {version}, this program reads version {BANK_VERSION} (rooms with scattering, "
            "sources with a directivity); delete the folder and make the bank again"
        )
    absent = [f.name for f in fields(_Recipe) if f.name not in manifest]
    if absent:
        raise DataError(f"{path} is damaged (no {', '.join(absent)}); delete the folder and make the bank again")
    return cast(dict[str, Any], manifest)


def _save_array(path: Path, samples: NDArray[np.float16]) -> None:
    with path.open("wb") as file:
        np.save(file, samples)
