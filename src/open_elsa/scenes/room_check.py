"""Is a room simulator right? Its responses in many random rooms against geometry, theory and references."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import machine, room_physics
from open_elsa.scenes import rooms as simulator_module
from open_elsa.scenes.bank import RoomBank
from open_elsa.scenes.draw_rooms import OMNIDIRECTIONAL
from open_elsa.scenes.room_checks import bank_checks, simulator_checks
from open_elsa.scenes.room_measures import (
    TAIL_OCTAVES,
    DirectSound,
    direct_sound,
    gaussian_tail,
    measure_tail,
    tail_end_s,
    third_octave_energies,
)
from open_elsa.scenes.room_references import (
    MAX_IMAGES,
    REFERENCES,
    SIMULATORS,
    Simulator,
    diffuse_field,
    image_acoustics,
    image_count,
    images,
    reference_length_s,
)
from open_elsa.scenes.room_report import Reference, RoomNumbers, RoomReport
from open_elsa.scenes.rooms import RoomRanges, band_damping, draw_position, draw_room, mixing_time_s, predicted_t30
from open_elsa.scenes.scene import Room, RoomResponse, SourcePosition
from open_elsa.scenes.tail_shares import tail_shares
from open_elsa.scenes.workers import spread
from open_elsa.sound import foa
from open_elsa.sound.acoustics import DIRECT_WINDOW_S, OCTAVE_BANDS_HZ, THIRD_OCTAVE_BANDS_HZ, Acoustics, measure

#: Energy of Y, Z, X over that of W, (3,), that the tail of a room should have, along the room's own axes.
ExpectedShares = Callable[[Room], Sequence[float]]
Progress = Callable[[int, int], None]

#: Other simulators are compared on this many of the rooms; the ray tracer takes seconds for each.
COMPARED_ROOMS = 8
#: Rooms that are simulated twice, to see the same bytes.
REPEATED_ROOMS = 10
#: Absorption of walls that reflect nothing, so that the direct sound is alone.
_DEAD = 1.0 - 1e-9
#: Samples that a band-limited pulse may reach to either side.
_PULSE = 20
#: The direct sound is looked at in the room itself where the first echo's pulse starts at least this much later.
_ALONE_S = 0.0011
_REFUSED = "refused"
_ENDED = (
    "a process that checked rooms was ended from outside, perhaps for want of memory, or it could not import the "
    "simulator; run again with --workers 1"
)
_LIVE_HZ = (1500.0, 8000.0)
_WATCHED = ("open-elsa", "numpy", "scipy", "pyroomacoustics")


#: What is checked where nothing else is asked for: theory knows no other sources than these …
CHECKED_RANGES = OMNIDIRECTIONAL
#: … and image sources no other walls than mirrors.
REFERENCE_RANGES = replace(CHECKED_RANGES, scattering=(0.0, 0.0))


def even_shares(room: Room) -> tuple[float, float, float]:
    """Shares of a diffuse field that is the same from everywhere, of Y, Z, X: a third each (SN3D)."""
    return (1 / 3, 1 / 3, 1 / 3)


def shaped_shares(room: Room) -> tuple[float, float, float]:
    """Shares of late energy that the room's shape, absorption and scattering give by our Monte Carlo: of Y, Z, X.

    Averaged as `measure_tail` hears them: white over its octaves, so that each counts by its width.
    """
    octaves = tail_shares(room)[TAIL_OCTAVES]
    x, y, z = (float(share) for share in np.average(octaves, axis=0, weights=2.0 ** np.arange(len(octaves))))
    return y, z, x


def check_rooms(
    simulate: Simulator = simulator_module.simulate,
    *,
    rooms: int = 200,
    seed: int = 0,
    workers: int = 1,
    sample_rate: int = 48_000,
    ranges: RoomRanges | None = None,
    expected_shares: ExpectedShares = shaped_shares,
    references: bool = False,
    progress: Progress | None = None,
) -> RoomReport:
    """Check a simulator over `rooms` random rooms, one place each.

    simulate: any function of the signature `Simulator`; with several workers (processes) it and `expected_shares`
    must be importable. references: also against full image sources, where at most MAX_IMAGES are needed, and, on the
    first COMPARED_ROOMS rooms, beside the ray tracer; rooms are then of mirror walls. Numbers depend on seed and rooms,
    not on workers. progress: called with (rooms done, of all). Raises ConfigError for impossible numbers.
    """
    if min(rooms, workers) < 1 or seed < 0 or sample_rate < 16_000:
        raise ConfigError("check_rooms needs at least one room and worker, a seed >= 0 and 16000 Hz or more")
    drawn = ranges or (REFERENCE_RANGES if references else CHECKED_RANGES)
    task = _Task(simulate, seed, sample_rate, drawn, expected_shares, references)
    known = {n: s for n, s in SIMULATORS.items() if n in REFERENCES and s is not simulate}
    compared = known if references else {}
    others = min(rooms, COMPARED_ROOMS)
    total = rooms + others * len(compared)
    started = time.monotonic()
    numbers = _measured(task.numbers, rooms, workers, 0, total, progress)
    comparisons: dict[str, tuple[RoomNumbers, ...]] = {}
    for k, (name, other) in enumerate(compared.items()):
        quick = replace(task, simulate=other, references=False, short=True)
        found = _measured(quick.numbers, others, workers, rooms + k * others, total, progress)
        comparisons[name] = tuple(f for f in found if not f.problem.startswith(_REFUSED))
    return RoomReport(
        subject=_name_of(simulate),
        seed=seed,
        sample_rate=sample_rate,
        checks=simulator_checks(numbers, references=references),
        rooms=tuple(numbers),
        comparisons=comparisons,
        **_provenance(started),
    )


def check_bank(
    bank: RoomBank,
    *,
    most: int = 200,
    workers: int = 1,
    expected_shares: ExpectedShares = shaped_shares,
    progress: Progress | None = None,
) -> RoomReport:
    """Check up to `most` responses of a bank, evenly spaced: whole, as their table says, and acoustically right.

    The stored samples are measured anew and compared with the table. Raises ConfigError for impossible numbers.
    """
    if min(most, workers) < 1:
        raise ConfigError("check_bank needs at least one response and worker")
    rows = np.unique(np.linspace(0, len(bank) - 1, min(most, len(bank))).round().astype(int))
    started = time.monotonic()
    task = functools.partial(_bank_numbers, bank, rows, expected_shares)
    numbers = _measured(task, len(rows), workers, 0, len(rows), progress)
    return RoomReport(
        subject=f"bank {bank.folder.name}: {len(rows)} of {len(bank)} responses",
        seed=int(bank.manifest["seed"]),
        sample_rate=bank.sample_rate,
        checks=bank_checks(numbers),
        rooms=tuple(numbers),
        **_provenance(started),
    )


@dataclass(frozen=True)
class _Task:
    """What the numbers of a room depend on; goes to the workers."""

    simulate: Simulator
    seed: int
    sample_rate: int
    ranges: RoomRanges
    expected_shares: ExpectedShares
    references: bool
    short: bool = False

    def numbers(self, index: int) -> RoomNumbers:
        """The numbers of room `index`: a pure function of the seed and the index."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index, 0)))
        room = draw_room(rng, self.ranges, f"check{self.seed}-r{index:06d}")
        position = draw_position(rng, room, self.ranges)
        try:
            made = self._made(room, position, index)
        except DataError as error:
            wanted_s = predicted_t30(band_damping(room))
            return RoomNumbers(room.room_id, room.size_m, position.distance_m, wanted_s, f"{_REFUSED}: {error}")
        noise = np.random.default_rng([self.seed, index])
        numbers = response_numbers(made, room, position, noise, self.sample_rate)
        numbers = replace(numbers, shares_wanted=_three(self.expected_shares(room)))
        if self.short:
            return numbers
        dead = self._made(replace(room, absorption=(_DEAD,) * len(room.absorption)), position, index)
        if not _problem(dead, sample_rate=self.sample_rate):
            arrival_s = position.distance_m / simulator_module.SPEED_OF_SOUND_M_S
            direct = direct_sound(dead.response, self.sample_rate, position, arrival_s, room_physics.air_per_m())
            numbers = replace(numbers, direct=direct)
        if index < REPEATED_ROOMS:
            again = self._made(room, position, index).response
            numbers = replace(numbers, repeats=again.tobytes() == made.response.tobytes())
        if self.references and image_count(room, reference_length_s(room)) <= MAX_IMAGES:
            a = image_acoustics(room, position, self.sample_rate)
            numbers = replace(numbers, reference=Reference(a.t30_s, a.drr_db, a.c50_db, a.drr_bands_db))
        return numbers

    def _made(self, room: Room, position: SourcePosition, index: int) -> RoomResponse:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index, 1)))
        return self.simulate(room, position, rng, self.sample_rate)


def response_numbers(
    made: RoomResponse, room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int
) -> RoomNumbers:
    """Everything that can be measured of one response of a known room and place; rng draws the noise it is held to."""
    damping, rate = band_damping(room), sample_rate
    numbers = RoomNumbers(room.room_id, room.size_m, position.distance_m, predicted_t30(damping))
    start_s = mixing_time_s(room)
    least_s = min(tail_end_s(start_s, damping), 6.0 * math.log(10.0) / float(damping.min()))
    if problem := _problem(made, sample_rate=rate, least_s=least_s):
        return replace(numbers, problem=problem)
    arrival_s = position.distance_m / simulator_module.SPEED_OF_SOUND_M_S
    found = measure(made.response, rate, arrival_s, noise_floor=False)
    theory = diffuse_field(room, position.distance_m, rate)
    late = third_octave_energies(made.response[0, round((arrival_s + DIRECT_WINDOW_S) * rate) + 1 :], rate)
    # along the room's axes the tails of a flat or a long room differ in energy, but their channels are independent
    turned = foa.rotate(made.response, foa.rotation_matrix(room.array_yaw_deg))
    ideal = gaussian_tail(made.response.shape[1], rate, damping, start_s, rng)
    return replace(
        numbers,
        t30_s=found.t30_s,
        octave_ratios=_octave_ratios(found, damping),
        live=_live(made, room, position, arrival_s),
        drr_db=found.drr_db,
        drr_theory_db=theory.drr_db,
        c50_db=found.c50_db,
        c50_theory_db=theory.c50_db,
        drr_bands_db=found.drr_bands_db,
        late_db=tuple(float(v) for v in 10.0 * np.log10(np.maximum(late, 1e-30)) - np.asarray(theory.late_db)),
        tail=measure_tail(turned, rate, start_s, damping),
        noise=measure_tail(ideal, rate, start_s, damping),
        recorded_t30=made.acoustics.t30_s / found.t30_s - 1.0,
        recorded_drr_db=made.acoustics.drr_db - found.drr_db,
    )


def _bank_numbers(bank: RoomBank, rows: NDArray[np.int64], expected_shares: ExpectedShares, k: int) -> RoomNumbers:
    made = bank[int(rows[k])]
    if made.room is None:
        raise DataError(f"the bank {bank.folder} holds a response without a room; only simulated rooms are checked")
    noise = np.random.default_rng([made.seed, k])
    numbers = response_numbers(made, made.room, made.position, noise, bank.sample_rate)
    return replace(numbers, shares_wanted=_three(expected_shares(made.room)))


def _problem(made: RoomResponse, *, sample_rate: int, least_s: float = 0.0) -> str:
    """Why a response isn't whole, "" where it is."""
    x = made.response
    if made.sample_rate != sample_rate or x.dtype != np.float32:
        return f"{x.dtype} samples at {made.sample_rate} Hz, not float32 at {sample_rate} Hz"
    if not np.isfinite(x).all():
        return "samples that are not finite"
    if not (np.abs(x).max(axis=1) > 0).all():
        return "a silent channel"
    if x.shape[1] < least_s * sample_rate:
        return f"ends after {x.shape[1] / sample_rate:.2f} s, before its tail has decayed at {least_s:.2f} s"
    return ""


def _live(made: RoomResponse, room: Room, position: SourcePosition, arrival_s: float) -> DirectSound | None:
    """The direct sound in the room itself, None where an echo comes too soon to tell them apart."""
    reach_m = position.distance_m + 2.0
    places = np.concatenate(
        [p for p, _ in images(room, simulator_module.source_place(room, position), reach_m)], axis=1
    )
    nearest = np.sort(np.sqrt(np.square(places).sum(axis=0)))
    gap_s = (nearest[1] if nearest.size > 1 else reach_m) / simulator_module.SPEED_OF_SOUND_M_S - arrival_s
    alone_s = min(gap_s, 0.004) - _PULSE / made.sample_rate
    if alone_s < _ALONE_S:
        return None
    air = room_physics.air_per_m()
    return direct_sound(
        made.response, made.sample_rate, position, arrival_s, air, until_s=arrival_s + alone_s, band_hz=_LIVE_HZ
    )


def _octave_ratios(found: Acoustics, damping: NDArray[np.float64]) -> tuple[float, ...]:
    """T30 over target by octave (8,), from the third octave in its middle; NaN for 16 kHz, which isn't measured."""
    wanted = 6.0 * math.log(10.0) / damping
    thirds = dict(zip(THIRD_OCTAVE_BANDS_HZ, found.t30_bands_s, strict=True))
    return tuple(float(thirds.get(f, math.nan) / w) for f, w in zip(OCTAVE_BANDS_HZ, wanted, strict=True))


def _three(shares: Sequence[float]) -> tuple[float, float, float]:
    y, z, x = (float(s) for s in shares)
    return y, z, x


def _name_of(simulate: Simulator) -> str:
    for name, known in SIMULATORS.items():
        if known is simulate:
            return name
    function: Any = getattr(simulate, "func", simulate)
    return f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def _provenance(started: float) -> dict[str, Any]:
    versions = {}
    for name in _WATCHED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.described(),
        "seconds": round(time.monotonic() - started, 1),
        "versions": versions,
    }


def _measured(
    task: Callable[[int], RoomNumbers], count: int, workers: int, before: int, total: int, progress: Progress | None
) -> list[RoomNumbers]:
    """Results of task(0) … task(count - 1) in order, from one process or several."""
    found: dict[int, RoomNumbers] = {}
    for k, numbers in spread(task, range(count), workers, _ENDED):
        found[k] = numbers
        if progress is not None:
            progress(before + len(found), total)
    return [found[k] for k in range(count)]
