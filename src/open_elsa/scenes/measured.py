"""Measured rooms: folders of recorded AmbiX responses with their places, read like a `RoomBank`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile
import soxr
from numpy.typing import NDArray

from open_elsa.errors import ConventionError, DataError
from open_elsa.scenes.scene import RoomResponse, SourcePosition
from open_elsa.sound.acoustics import estimate_arrival, measure

POSITIONS = "positions.csv"
_NEEDED = ("file", "azimuth_deg", "elevation_deg", "distance_m")
#: How far the arrival found in a response may lie from the stated one before the statement is refused.
_ARRIVAL_SLACK_S = 0.006


@dataclass(frozen=True)
class _Entry:
    """One row of a positions.csv."""

    response_id: str
    room_id: str
    path: Path
    position: SourcePosition
    floor_area_m2: float | None
    reverberation_s: float | None


class MeasuredRooms:
    """Recorded responses of one or more rooms; the reading surface of `RoomBank`. Open with `open_measured`.

    ids: "ROOM/FILE" without the suffix, in order. sample_rate in Hz. Sizes are unknown, so `RoomResponse.room` is None
    and `RoomResponse.floor_area_m2` is what the caller or the CSV gave.
    """

    def __init__(self, folder: Path, entries: list[_Entry], sample_rate: int, arrival_s: float | None) -> None:
        self.folder, self.sample_rate, self._entries, self._arrival_s = folder, sample_rate, entries, arrival_s
        self.ids: list[str] = [entry.response_id for entry in entries]
        self._places = {name: row for row, name in enumerate(self.ids)}
        self._held: dict[int, NDArray[np.float32]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_held": {}}  # workers read the files anew instead of copying them

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[RoomResponse]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> RoomResponse:
        """Response `i` with its place; acoustics are measured from it, above its noise floor."""
        entry = self._entries[i]
        samples = self.response(i)
        found_s = estimate_arrival(samples, self.sample_rate)
        arrival_s = found_s if self._arrival_s is None else self._arrival_s
        if abs(found_s - arrival_s) > _ARRIVAL_SLACK_S:
            raise DataError(
                f"{entry.path}: the direct sound is at {1000 * found_s:.1f} ms, not at {1000 * arrival_s:.1f} ms; "
                "give the right arrival_s, or None to have it found"
            )
        return RoomResponse(
            room=None,
            position=entry.position,
            sample_rate=self.sample_rate,
            response=samples,
            arrival_s=arrival_s,
            acoustics=measure(samples, self.sample_rate, arrival_s),
            seed=0,
            simulator="measured",
            known_room_id=entry.room_id,
            known_floor_area_m2=entry.floor_area_m2,
        )

    def response(self, i: int) -> NDArray[np.float32]:
        """The samples of response `i`, (4, n) float32 AmbiX at `sample_rate`; kept in memory after the first time."""
        row = range(len(self))[i]
        if row not in self._held:
            self._held[row] = self._read(row)
        return self._held[row].copy()

    def index(self, response_id: str) -> int:
        """Row of a response id; raises DataError for an unknown one."""
        try:
            return self._places[response_id]
        except KeyError:
            raise DataError(f"no response {response_id!r} among the measured rooms of {self.folder}") from None

    def published_t30_s(self, i: int) -> float | None:
        """The reverberation time that positions.csv states for response `i`, None where it states none."""
        return self._entries[i].reverberation_s

    @cached_property
    def table(self) -> pa.Table:
        """One row a response with the columns of `RoomBank.table` that a measured room has; reads every file."""
        rows = []
        for name, made in zip(self.ids, self, strict=True):
            acoustics = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(made.acoustics).items()}
            place = {name: getattr(made.position, name) for name in ("azimuth_deg", "elevation_deg", "distance_m")}
            rows.append(
                {
                    "response_id": name,
                    "room_id": made.room_id,
                    **place,
                    "floor_area_m2": made.floor_area_m2,
                    **acoustics,
                    "arrival_s": made.arrival_s,
                    "seed": 0,
                    "simulator": made.simulator,
                    "frames": made.response.shape[1],
                }
            )
        table = pa.Table.from_pylist(rows)
        area = table.schema.get_field_index("floor_area_m2")
        return table.set_column(area, "floor_area_m2", table["floor_area_m2"].cast(pa.float64()))

    def _read(self, i: int) -> NDArray[np.float32]:
        path = self._entries[i].path
        try:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        except (OSError, soundfile.LibsndfileError) as error:
            raise DataError(f"cannot read the response {path}: {error}; mend or remove its row") from error
        if rate != self.sample_rate:
            samples = soxr.resample(samples, rate, self.sample_rate, quality="HQ")
        if not np.isfinite(samples).all() or not np.any(samples[:, 0]):
            raise DataError(f"the response {path} is silent or not finite; mend it or remove its row")
        return np.ascontiguousarray(samples.T, dtype=np.float32)


def open_measured(
    folder: str | Path,
    *,
    sample_rate: int | None = None,
    arrival_s: float | None = 0.010,
    floor_area_m2: Mapping[str, float] | None = None,
) -> MeasuredRooms:
    """Open measured rooms: a folder with a positions.csv and its AmbiX files, or a folder of such folders.

    positions.csv: columns file, azimuth_deg, elevation_deg, distance_m; optional reverberation_s, floor_area_m2.
    sample_rate: resample to it; None keeps the files', which must then agree. arrival_s: where the direct sound is
    in every file; None finds it. floor_area_m2: areas by folder name where the CSV has none.
    Raises DataError for a missing or damaged CSV, a file that is absent or not four-channel, or mixed rates.
    """
    root = Path(folder)
    folders = [root] if (root / POSITIONS).is_file() else sorted(p.parent for p in root.glob(f"*/{POSITIONS}"))
    if not folders:
        raise DataError(f"{root} holds no measured rooms: neither it nor a folder in it has a {POSITIONS}")
    areas = dict(floor_area_m2 or {})
    unknown = sorted(set(areas) - {f.name for f in folders})
    if unknown:
        raise DataError(f"floor_area_m2 names rooms that {root} does not have: {', '.join(unknown)}")
    entries = [entry for room in folders for entry in _entries(room, areas.get(room.name))]
    rates = {_checked_rate(entry.path) for entry in entries}
    if sample_rate is None and len(rates) > 1:
        raise DataError(f"the responses in {root} have several sample rates, {sorted(rates)}; give sample_rate")
    return MeasuredRooms(root, entries, sample_rate or rates.pop(), arrival_s)


def _entries(folder: Path, area: float | None) -> Iterator[_Entry]:
    path = folder / POSITIONS
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} lacks the columns {', '.join(missing)}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if not rows:
        raise DataError(f"{path} has no rows; list at least one response")
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        sound = folder / row["file"]
        if not sound.is_file():
            raise DataError(f"{path} line {line}: there is no file {sound}")
        if row["file"] in seen:
            raise DataError(f"{path} line {line}: {row['file']} is listed twice")
        seen.add(row["file"])
        try:
            azimuth_deg, elevation_deg, distance_m = (float(row[name]) for name in _NEEDED[1:])
            position = SourcePosition(azimuth_deg, elevation_deg, distance_m)
            stated = _number(row.get("floor_area_m2"))
            reverberation = _number(row.get("reverberation_s"))
        except (TypeError, ValueError, ConventionError) as error:
            raise DataError(f"{path} line {line}: {error}") from error
        name = f"{folder.name}/{Path(row['file']).with_suffix('').as_posix()}"
        yield _Entry(name, folder.name, sound, position, area if stated is None else stated, reverberation)


def _number(text: str | None) -> float | None:
    if text is None or not text.strip():
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _checked_rate(path: Path) -> int:
    try:
        info = soundfile.info(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"cannot read the response {path}: {error}; mend or remove its row") from error
    if info.channels != 4:
        raise DataError(f"{path} has {info.channels} channels; a measured response is AmbiX with four (W, Y, Z, X)")
    return int(info.samplerate)
