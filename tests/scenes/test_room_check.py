"""The check of rooms must pass the simulator, and fail the right check for every way to break a response."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes import room_check, room_physics, rooms
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.room_check import check_bank, check_rooms, even_shares, shaped_shares
from open_elsa.scenes.room_measures import direct_sound, echo_density, gaussian_tail, measure_tail
from open_elsa.scenes.room_references import (
    diffuse_field,
    image_count,
    image_sources,
    images,
    ray_tracing,
    simulator,
)
from open_elsa.scenes.room_report import RoomReport, from_json, judge, to_json
from open_elsa.scenes.rooms import RoomRanges, mixing_time_s, simulate
from open_elsa.scenes.scene import Room, RoomResponse, SourcePosition
from open_elsa.sound import foa

RATE = 16_000
#: Rooms that ring for a while, so that a few of them say something about tails.
LIVE = RoomRanges(
    t30_s=(0.5, 0.9),
    floor_area_m2=(30.0, 120.0),
    t30_shares=(0, 1, 0),
    directivity_shares=(1, 0, 0),
    scattering=(0.5, 0.6),
)
ROOM = Room("test", (6.0, 5.0, 2.8), (0.25,) * 8, (2.6, 2.2, 1.4), 30.0)
PLACE = SourcePosition(40.0, 10.0, 1.5)

Break = Callable[[np.ndarray, Room, np.random.Generator], np.ndarray]


def check(broken: Break | None = None, count: int = 10, ranges: RoomRanges = LIVE, **options: object) -> RoomReport:
    """A report on the simulator with every response put through `broken`."""

    def made(room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int) -> RoomResponse:
        response = simulate(room, position, rng, sample_rate)
        if broken is None:
            return response
        changed = broken(response.response.astype(np.float64), room, rng).astype(np.float32)
        return room_check_again(replace(response, response=changed))

    return check_rooms(made, rooms=count, sample_rate=RATE, ranges=ranges, **options)  # type: ignore[arg-type]


def room_check_again(response: RoomResponse) -> RoomResponse:
    """The response with the acoustics that its samples have, where they can be measured."""
    if not np.isfinite(response.response).all() or not response.response[0].any():
        return response
    found = rooms.measure(response.response, response.sample_rate, response.arrival_s, noise_floor=False)
    return replace(response, acoustics=found)


def late(room: Room) -> int:
    """First sample of the tail."""
    return round(mixing_time_s(room) * RATE)


def swapped(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    return x[[0, 3, 2, 1]]


def shifted(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    return np.roll(x, 1, axis=1)


def scaled(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    return 1.01 * x


def n3d(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    return x * np.array([[1], [math.sqrt(3)], [math.sqrt(3)], [math.sqrt(3)]])


def dull(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    hertz = np.fft.rfftfreq(x.shape[1], 1 / RATE)
    return np.fft.irfft(np.fft.rfft(x) / (1 + hertz / 2000), x.shape[1])


def combed(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    out = x.copy()
    out[:, 80:] += 0.4 * x[:, :-80]  # 5 ms
    return out


def repeated(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    """One block of noise again and again, as a careless noise bank would have it."""
    out, start = x.copy(), late(room)
    decay = np.exp(-0.5 * rooms.band_damping(room)[3] * np.arange(x.shape[1] - start) / RATE)
    size = min(RATE // 10, decay.size)
    block = x[:, start : start + size] / decay[:size]
    out[:, start:] = np.tile(block, math.ceil(decay.size / size))[:, : decay.size] * decay
    return out


def upright(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    out = x.copy()
    out[2, late(room) :] *= 1.2
    return out


def coherent(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    """X is half of W, a millisecond later."""
    out, start = x.copy(), late(room)
    out[3, start:] = math.sqrt(0.5) * x[3, start:] + math.sqrt(0.5 / 3) * x[0, start - 16 : -16]
    return out


def ringing(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    out, start = x.copy(), late(room)
    time = np.arange(x.shape[1] - start) / RATE
    level = np.sqrt(np.mean(x[0, start : start + RATE // 50] ** 2))
    out[:, start:] += 0.6 * level * np.sin(2 * np.pi * 1234 * time) * np.exp(-0.5 * rooms.band_damping(room)[3] * time)
    return out


def fluttering(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    return x * (1 + 0.5 * (np.arange(x.shape[1]) >= late(room)) * np.sin(2 * np.pi * 40 * np.arange(x.shape[1]) / RATE))


def sparse(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    out, start = x.copy(), late(room)
    out[:, start:] *= 2.0 * (rng.random(x.shape[1] - start) < 0.25)
    return out


def quiet(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    """Reverberation 3 dB down."""
    out = x.copy()
    out[:, late(room) // 2 :] *= 0.7
    return out


def not_finite(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    out = x.copy()
    out[1, -1] = np.nan
    return out


def without_x(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    return x * np.array([[1], [1], [1], [0]])


def cut(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    return x[:, : late(room) + 500]


def chance(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
    return x * (1 + 1e-6 * np.random.default_rng().random())


@pytest.fixture(scope="module")
def sound() -> RoomReport:
    """The simulator as it is."""
    return check(count=12, references=False)


def test_the_simulator_passes(sound: RoomReport) -> None:
    assert sound.passed and not sound.missed
    assert {c.name for c in sound.checks if c.n == 0} <= {"T30 of dry rooms"}
    assert len(sound.rooms) == 12 and all(r.direct is not None and r.tail is not None for r in sound.rooms)


@pytest.mark.parametrize(
    ("broken", "missed", "kept"),
    [
        (swapped, {"direct direction", "direct gains", "direct direction in the room"}, {"direct delay", "T30"}),
        (shifted, {"direct delay", "direct delay in the room"}, {"direct direction", "T30", "tail shares"}),
        (scaled, {"direct level"}, {"direct direction", "direct delay", "T30", "DRR against theory"}),
        (n3d, {"direct gains", "tail shares"}, {"direct direction", "direct delay", "coherence"}),
        (dull, {"direct spectrum", "spectrum"}, {"direct direction", "tail shares", "coherence"}),
        (combed, {"repetition"}, {"direct direction", "tail shares"}),
        (repeated, {"repetition"}, {"direct direction", "direct delay"}),
        (upright, {"tail shares", "tail shares by room"}, {"direct direction", "T30", "repetition"}),
        (coherent, {"coherence"}, {"direct direction", "T30", "repetition"}),
        (ringing, {"resonance"}, {"direct direction", "direct level"}),
        (fluttering, {"flutter", "modulation"}, {"direct direction", "coherence"}),
        (sparse, {"kurtosis", "echo density"}, {"direct direction", "tail shares"}),
        (not_finite, {"whole"}, set()),
        (without_x, {"whole"}, set()),
        (cut, {"whole"}, set()),
        (chance, {"repeatable"}, {"direct direction", "direct level", "T30"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_response_fails_its_check(broken: Break, missed: set[str], kept: set[str]) -> None:
    report = check(broken)
    assert not report.passed
    names = {c.name for c in report.missed}
    assert missed <= names
    assert not kept & names


def test_a_wrong_t30_fails_and_so_do_acoustics_that_are_not_measured() -> None:
    def livelier(room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int) -> RoomResponse:
        absorption = tuple(1 - (1 - a) ** 0.8 for a in room.absorption)  # dead walls stay dead
        return simulate(replace(room, absorption=absorption), position, rng, sample_rate)

    def boastful(room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int) -> RoomResponse:
        made = simulate(room, position, rng, sample_rate)
        wished = replace(made.acoustics, t30_s=rooms.predicted_t30(rooms.band_damping(room)), drr_db=0.0)
        return replace(made, acoustics=wished)

    missed = {c.name for c in check_rooms(livelier, rooms=10, sample_rate=RATE, ranges=LIVE).missed}
    assert {"T30", "T30 at 500 Hz", "T30 at 1 kHz", "T30 at 2 kHz"} <= missed and "direct direction" not in missed
    missed = {c.name for c in check_rooms(boastful, rooms=4, sample_rate=RATE, ranges=LIVE).missed}
    assert {"recorded T30", "recorded DRR"} <= missed and not {"T30", "direct level", "tail shares"} & missed


def test_a_wrong_rate_and_a_refusal_are_no_whole_responses() -> None:
    def half(room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int) -> RoomResponse:
        return simulate(room, position, rng, sample_rate // 2)

    def choosy(room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int) -> RoomResponse:
        if room.room_id.endswith("1"):
            raise DataError("not this one")
        return simulate(room, position, rng, sample_rate)

    wrong, refused = (check_rooms(s, rooms=3, sample_rate=RATE, ranges=LIVE) for s in (half, choosy))
    assert wrong.check("whole").value == 3 and "8000 Hz" in wrong.rooms[0].problem
    assert refused.check("whole").value == 1 and refused.rooms[1].problem == "refused: not this one"


def test_references_are_met_and_a_quiet_tail_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_check, "SIMULATORS", {})  # the ray tracer takes long; it has its own test
    names = ("DRR against image sources", "C50 against image sources")
    mirrors = replace(LIVE, scattering=(0.0, 0.0))  # image sources know no other walls
    whole, broken = (check(b, count=6, ranges=mirrors, references=True) for b in (None, quiet))
    assert all(whole.check(name).passed and whole.check(name).n == 6 for name in names)
    assert not broken.check(names[0]).passed
    assert whole.check("spectrum against image sources").value < 2.0  # dB of six rooms: they say no more than that


def test_expected_shares_can_be_given(sound: RoomReport) -> None:
    flat = check(count=10, expected_shares=lambda room: (0.4, 0.2, 0.4))
    assert {"tail shares", "tail shares by room"} == {c.name for c in flat.missed}
    squashed = check(
        lambda x, room, rng: np.where(np.arange(x.shape[1]) >= late(room), x * np.sqrt([[1], [1.2], [0.6], [1.2]]), x),
        expected_shares=lambda room: np.multiply(shaped_shares(room), (1.2, 0.6, 1.2)),
    )
    assert squashed.check("tail shares").passed and squashed.check("tail shares by room").passed
    assert even_shares(ROOM) == pytest.approx((1 / 3,) * 3)


def test_a_tail_that_differs_along_the_rooms_axes_is_seen_there_and_is_not_called_coherent() -> None:
    def long_room(x: np.ndarray, room: Room, rng: np.random.Generator) -> np.ndarray:
        turned = foa.rotate(x, foa.rotation_matrix(room.array_yaw_deg)).astype(np.float64)
        turned[:, late(room) :] *= np.sqrt([[1.0], [0.7], [1.0], [1.3]])  # Y is across, X along
        return foa.rotate(turned, foa.rotation_matrix(-room.array_yaw_deg)).astype(np.float64)

    report = check(long_room, expected_shares=lambda room: np.multiply(shaped_shares(room), (0.7, 1.0, 1.3)))
    assert report.check("tail shares").passed and report.check("tail shares by room").passed
    assert report.check("coherence").passed
    across, along = (np.mean([r.tail.shares[k] for r in report.rooms if r.tail]) for k in (0, 2))
    assert across == pytest.approx(0.7 / 3, abs=0.02) and along == pytest.approx(1.3 / 3, abs=0.03)
    assert not check(long_room).check("tail shares").passed


def test_a_report_is_read_back_and_does_not_depend_on_workers(sound: RoomReport) -> None:
    text = to_json([sound])
    assert json.loads(text)["format"] == 1 and json.loads(text)["reports"][0]["passed"] is True
    (again,) = from_json(text)
    assert again.checks == sound.checks or to_json([again]) == text  # NaN is never equal to itself
    assert again.passed and again.rooms[0].direct == sound.rooms[0].direct
    for bad in ("{", "[]", '{"format": 99}', '{"format": 1, "reports": [{}]}'):
        with pytest.raises(DataError, match="rooms check"):
            from_json(bad)
    one, two = (check_rooms(rooms=5, sample_rate=RATE, ranges=LIVE, workers=w) for w in (1, 2))
    same = [replace(r, seconds=0.0, made_at="") for r in (one, two)]
    assert to_json(same[:1]) == to_json(same[1:])


def test_a_bank_is_checked_against_its_table(tmp_path: Path) -> None:
    bank = make_bank(tmp_path / "bank", rooms=6, positions_per_room=2, seed=3, sample_rate=RATE, ranges=LIVE)
    report = check_bank(bank, most=9)
    assert report.passed and len(report.rooms) == 9
    assert report.subject == "bank bank: 9 of 12 responses"
    path = next((tmp_path / "bank").glob("*.parquet"))
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["t30_s"] *= 1.05
    for row in rows[1:7]:
        row["azimuth_deg"] += 3.0
    for row in rows[7:]:
        row["distance_m"] *= 1.02
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    missed = {c.name for c in check_bank(RoomBank.open(tmp_path / "bank")).missed}
    assert {"recorded T30", "direct direction in the room", "direct delay in the room"} <= missed


def test_impossible_numbers_are_refused(tmp_path: Path) -> None:
    for bad in ({"rooms": 0}, {"workers": 0}, {"seed": -1}, {"sample_rate": 8000}):
        with pytest.raises(ConfigError, match="check_rooms needs"):
            check_rooms(**bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="image-sources"):
        simulator("nonsense")
    with pytest.raises(ConfigError, match="cannot be imported"):
        simulator("open_elsa.scenes.rooms:absent")
    assert simulator("open_elsa.scenes.rooms:simulate") is simulate


# -- references ------------------------------------------------------------------------------------------------------


def test_images_are_those_of_pyroomacoustics() -> None:
    import pyroomacoustics as pra

    source, reach = rooms.source_place(ROOM, PLACE), 14.0
    box = pra.ShoeBox(ROOM.size_m, fs=RATE, materials=pra.Material(0.5), max_order=14)
    box.add_source(list(source))
    box.add_microphone(list(ROOM.array_m))
    box.image_source_model()
    theirs = np.asarray(box.sources[0].images, float) - np.asarray(ROOM.array_m)[:, None]
    orders = np.asarray(box.sources[0].orders)
    keep = np.linalg.norm(theirs, axis=0) <= reach
    ours, our_orders = next(iter(images(ROOM, source, reach)))
    assert ours.shape[1] == keep.sum() > 100
    a, b = (np.round(np.vstack([p, o[None]]).T, 2) for p, o in ((theirs[:, keep], orders[keep]), (ours, our_orders)))
    assert np.abs(a[np.lexsort(a.T)] - b[np.lexsort(b.T)]).max() <= 0.0101
    assert image_count(ROOM, reach / 343.0) == pytest.approx(keep.sum(), rel=0.1)


def test_image_sources_agree_with_the_simulator_before_the_tail() -> None:
    mirrors = replace(ROOM, scattering=0.0)
    full = image_sources(mirrors, PLACE, np.random.default_rng(0), 48_000).response
    ours = simulate(mirrors, PLACE, np.random.default_rng(0), 48_000).response
    n = round(0.5 * mixing_time_s(ROOM) * 48_000) - 400
    spectra = [np.fft.rfft(x[:, :n], axis=1)[:, 20 : n // 6] for x in (full, ours)]
    error = np.linalg.norm(spectra[0] - spectra[1], axis=1) / np.linalg.norm(spectra[1], axis=1)
    assert error.max() < 0.1
    with pytest.raises(DataError, match="image sources"):
        image_sources(replace(ROOM, absorption=(0.01,) * 8), PLACE, np.random.default_rng(0))


def test_the_diffuse_field_is_the_textbook_formula() -> None:
    dead = replace(ROOM, absorption=(0.5,) * 8)
    area = -dead.surface_m2 * math.log1p(-0.5)
    rate = 343.0 * area / (4 * dead.volume_m3)
    start = 1.5 / 343.0
    late_share = 16 * math.pi / area * math.exp(-rate * (start + 0.0025))
    found = diffuse_field(dead, 1.5, 2000)  # up to 1 kHz the air takes next to nothing
    assert found.drr_db == pytest.approx(10 * math.log10(1 / 1.5**2 / late_share), abs=0.05)
    beyond = 16 * math.pi / area * math.exp(-rate * (start + 0.05))
    assert found.c50_db == pytest.approx(10 * math.log10((1 / 1.5**2 + late_share - beyond) / beyond), abs=0.2)


@pytest.mark.slow
def test_the_ray_tracer_is_a_simulator_whose_direct_sound_is_right() -> None:
    # deaf walls: nothing but the direct sound, so what is tested is how it is called, not its tail
    room = replace(ROOM, absorption=(0.98,) * 8)
    made = ray_tracing(room, PLACE, np.random.default_rng(0), RATE)
    gap = made.arrival_s + 0.002
    found = direct_sound(
        made.response, RATE, PLACE, made.arrival_s, room_physics.air_per_m(), until_s=gap, band_hz=(1500, 6000)
    )
    assert found.direction_error_deg < 3.0 and abs(found.delay_error_samples) < 0.3 and abs(found.level_error) < 0.05
    assert made.response.shape[0] == 4 and made.response.dtype == np.float32
    again = ray_tracing(room, PLACE, np.random.default_rng(0), RATE)
    assert again.response.tobytes() == made.response.tobytes()


# -- measures --------------------------------------------------------------------------------------------------------


def test_a_tail_of_gaussian_noise_is_measured_as_what_it_is() -> None:
    damping = np.full(8, 6 * math.log(10) / 1.0)
    found = [
        measure_tail(gaussian_tail(RATE, RATE, damping, 0.05, np.random.default_rng(s)), RATE, 0.05, damping)
        for s in range(5)
    ]
    tails = [t for t in found if t is not None]
    assert len(tails) == 5
    assert np.mean([t.shares for t in tails], axis=0) == pytest.approx(1 / 3, abs=0.015)
    assert np.mean([t.kurtosis for t in tails]) == pytest.approx(3.0, abs=0.1)
    assert np.mean([t.echo_density for t in tails]) == pytest.approx(1.0, abs=0.02)
    assert max(t.coherence for t in tails) < 0.1 and max(t.echo for t in tails) < 0.1
    assert tails[0].seconds == pytest.approx(0.667, abs=0.03)
    short = gaussian_tail(2000, RATE, damping, 0.05, np.random.default_rng(0))
    assert measure_tail(short, RATE, 0.05, damping) is None


def test_echo_density_counts() -> None:
    pulses = np.zeros(RATE)
    pulses[::160] = 1.0  # two in each 20 ms, all of them beyond one standard deviation
    assert echo_density(pulses, RATE) == pytest.approx((2 / 320) / math.erfc(math.sqrt(0.5)))


def test_judging() -> None:
    worst = judge("a", "", "", 1.0, "worst", [0.2, -1.5, 0.3])
    assert worst.value == 1.5 and worst.passed is False and worst.n == 3
    assert judge("a", "", "", 1.0, "mean", [0.5, -0.7]).value == pytest.approx(0.6)
    assert judge("a", "", "", 1.0, "count", [True, False, True]).value == 2
    assert judge("a", "", "", 1.0, "mean", [0.5, math.nan]).passed is False
    assert judge("a", "", "", 1.0, "mean", []).passed is None
    noisy = judge("a", "", "", 0.1, "bias", [3.0, -2.0, 1.0, -1.5, 2.0])
    assert noisy.value == pytest.approx(0.5) and noisy.passed is True  # the interval holds zero
    assert judge("a", "", "", 0.1, "bias", [0.5, 0.6, 0.55]).passed is False
    ratio = judge("a", "", "×", 1.1, "ratio", [2.0, 2.2, 2.1], [1.0, 1.1, 1.05])
    assert ratio.value == pytest.approx(2.0) and ratio.low == pytest.approx(2.0) and ratio.passed is False
    with pytest.raises(DataError, match="statistic"):
        judge("a", "", "", 1.0, "mode", [1.0])
