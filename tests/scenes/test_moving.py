"""Walking sources: they are heard where the truth says, without clicks, and alike the still source where they stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from open_elsa.errors import DataError
from open_elsa.scenes import moving
from open_elsa.scenes.render import render
from open_elsa.scenes.rooms import RoomRanges, draw_position, draw_room, mixing_time_s, simulate
from open_elsa.scenes.scene import Path, Room, SourcePosition
from open_elsa.sound import foa

RATE = 16_000
DRY_ROOM = Room("dry", (7.0, 6.0, 3.0), (0.9,) * 8, (3.5, 3.0, 1.5), 20.0)
LIVE_ROOM = replace(DRY_ROOM, room_id="live", absorption=(0.15,) * 8)
LEFT, RIGHT = SourcePosition(80.0, 5.0, 2.0), SourcePosition(-70.0, -5.0, 1.6)
PATH = Path(RIGHT, 0.5, 2.5, 11)
LENGTH = 3 * RATE


def noise(seed: int = 0) -> np.ndarray:
    """White up to 6 kHz, where the delay line's interpolation is exact."""
    spectrum = np.fft.rfft(0.1 * np.random.default_rng(seed).standard_normal(LENGTH))
    spectrum[np.fft.rfftfreq(LENGTH, 1 / RATE) > 6_000] = 0
    return np.fft.irfft(spectrum, LENGTH).astype(np.float32)


def still(place: SourcePosition, room: Room, dry: np.ndarray) -> np.ndarray:
    """The same source standing at a place of its walk."""
    return render(dry, simulate(room, place, np.random.default_rng(PATH.seed), RATE).response, length=LENGTH)


def test_the_sound_follows_the_trajectory() -> None:
    heard = moving.render_moving(noise(), DRY_ROOM, LEFT, PATH, RATE, LENGTH)
    errors = []
    for begin in np.arange(0.1, 2.9, 0.1):
        part = heard[:, round(begin * RATE) : round((begin + 0.1) * RATE)]
        where = moving.trajectory(LEFT, PATH, np.array([begin + 0.05]))[0]
        errors.append(float(foa.angular_error_deg(foa.intensity_direction(part, RATE, 200, 5000), where)))
    # what the intensity of a nearly dry room is off for the still source at both ends bounds what it may be on the way
    assert max(errors) < 8.0
    assert np.median(errors) < 3.0
    wrong_way = moving.render_moving(noise(), DRY_ROOM, RIGHT, replace(PATH, to=LEFT), RATE, LENGTH)
    part = wrong_way[:, : RATE // 2]
    assert float(foa.angular_error_deg(foa.intensity_direction(part, RATE, 200, 5000), moving.point(LEFT))) > 100.0


def test_before_and_after_the_walk_it_is_the_still_source() -> None:
    dry = noise()
    heard = moving.render_moving(dry, LIVE_ROOM, LEFT, PATH, RATE, LENGTH)
    before = slice(0, round(0.45 * RATE))
    reference = still(LEFT, LIVE_ROOM, dry)
    assert np.abs(heard - reference)[:, before].max() < 0.01 * np.abs(reference).max()
    # after it, once what was sent on the way has died away: in a dry room
    heard = moving.render_moving(dry, DRY_ROOM, LEFT, PATH, RATE, LENGTH)
    reference = still(RIGHT, DRY_ROOM, dry)
    after = slice(round(2.8 * RATE), LENGTH)
    assert np.abs(heard - reference)[:, after].max() < 0.01 * np.abs(reference).max()


def test_no_clicks_where_pieces_meet() -> None:
    t = np.arange(LENGTH) / RATE
    dry = (0.1 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    heard = moving.render_moving(dry, LIVE_ROOM, LEFT, PATH, RATE, LENGTH)
    loudest = max(np.abs(np.diff(still(p, LIVE_ROOM, dry), 3)[:, 2000:]).max() for p in (LEFT, RIGHT))
    # the walk passes nearer than either end, so it may be louder by as much as that, but not rougher
    nearer = RIGHT.distance_m / np.linalg.norm(moving.trajectory(LEFT, PATH, t), axis=1).min()
    assert np.abs(np.diff(heard, 3)[:, 2000:]).max() < 1.5 * nearer * loudest
    shares = moving._shares(moving.point(LEFT), moving.point(RIGHT))
    joints = np.round((PATH.start_s + shares * (PATH.stop_s - PATH.start_s)) * RATE).astype(int)
    rough = np.abs(np.diff(heard[0], 3))
    at_joints = max(rough[j - 3 : j + 3].max() for j in joints[1:-1])
    assert at_joints <= 1.05 * max(rough[j + 5 : j + 400].max() for j in joints[1:-1])


def test_a_click_would_be_found() -> None:
    t = np.arange(LENGTH) / RATE
    dry = (0.1 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    hard = np.concatenate(
        [still(LEFT, LIVE_ROOM, dry)[:, : LENGTH // 2], still(RIGHT, LIVE_ROOM, dry)[:, LENGTH // 2 :]], axis=1
    )
    loudest = max(np.abs(np.diff(still(p, LIVE_ROOM, dry), 3)[:, 2000:]).max() for p in (LEFT, RIGHT))
    assert np.abs(np.diff(hard, 3)).max() > 3.0 * loudest


def test_responses_on_the_way_share_their_tail_and_pieces_add_up() -> None:
    """Else the reverberation would sag where two pieces fade into each other."""
    away = replace(PATH, to=SourcePosition(0.0, 0.0, 2.9))  # from beside the array to a wall
    near = SourcePosition(0.0, 0.0, 0.6)
    shares = moving._shares(moving.point(near), moving.point(away.to))
    places = [moving.moved(near, xyz) for xyz in moving.trajectory(near, away, 0.5 + 2.0 * shares)]
    responses = list(moving._responses(LIVE_ROOM, places, PATH.seed, RATE))
    late = round(2.0 * mixing_time_s(LIVE_ROOM) * RATE)
    for response in responses[1:]:
        assert np.abs(response - responses[0])[:, late:].max() < 1e-3 * np.abs(responses[0][:, late:]).max()
    assert np.abs(responses[-1] - responses[0])[:, :late].max() > 0.1
    total = np.zeros(LENGTH)
    for begin, window in moving._windows(PATH, shares, LENGTH, RATE):
        total[begin : begin + window.size] += window
    assert total == pytest.approx(1.0, abs=1e-5)


def test_pitch_bends_as_the_source_comes_and_goes() -> None:
    room = Room("anechoic", (30.0, 8.0, 4.0), (0.99,) * 8, (15.0, 4.0, 2.0))
    start, path = SourcePosition(0.0, 0.0, 12.0), Path(SourcePosition(0.0, 0.0, 2.0), 0.0, 2.0, 1)  # 5 m/s nearer
    t = np.arange(2 * RATE) / RATE
    heard = moving.render_moving(
        (0.1 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32), room, start, path, RATE, t.size
    )
    part = heard[0, RATE // 2 : 3 * RATE // 2] * np.hanning(RATE)
    spectrum = np.abs(np.fft.rfft(part, 16 * RATE))
    assert np.argmax(spectrum) / 16 == pytest.approx(1000 * 343 / (343 - 5), abs=0.5)


def test_nothing_is_heard_before_the_sound_or_of_places_that_come_after_it() -> None:
    dry = np.zeros(LENGTH, dtype=np.float32)
    dry[RATE : RATE + 4000] = noise()[:4000]
    path = replace(PATH, start_s=1.0, stop_s=20.0)  # the scene ends long before it arrives
    heard = moving.render_moving(dry, DRY_ROOM, LEFT, path, RATE, LENGTH)
    assert np.abs(heard[:, : RATE - 40]).max() < 1e-6
    assert np.abs(heard[:, RATE:]).max() > 0.005


def test_drawn_walks_are_legal_audible_and_of_the_drawn_speed() -> None:
    ranges = RoomRanges()
    rng = np.random.default_rng(0)
    drawn = 0
    for n in range(40):
        room = draw_room(rng, ranges, f"r{n}")
        start = draw_position(rng, room, ranges)
        path = moving.draw_path(rng, room, start, ranges, (0.5, 4.5), (0.5, 2.0))
        if path is None:
            continue
        drawn += 1
        assert path.start_s == 0.5 and path.stop_s <= 4.5
        ways = moving.trajectory(start, path, np.linspace(0, 5, 200))
        assert np.linalg.norm(ways, axis=1).min() >= ranges.distance_m[0] - 1e-3
        simulate(room, path.to, rng, 8_000)  # inside the room
        speed = np.linalg.norm(ways[-1] - ways[0]) / (path.stop_s - path.start_s)
        assert 0.49 <= speed <= 2.01
        turned = float(foa.angular_error_deg(ways[0], ways[-1]))
        near, far = sorted((start.distance_m, path.to.distance_m))
        assert turned >= 29.9 or far / near >= 1.99
    assert drawn > 25


def test_a_path_must_take_time() -> None:
    with pytest.raises(DataError, match="end after it starts"):
        Path(LEFT, 1.0, 1.0, 0)
