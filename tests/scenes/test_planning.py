"""Plans: the arithmetic on rates worked out by hand, and measuring with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.errors import ConfigError, DataError
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.planning import (
    Measured,
    SceneRates,
    bytes_of,
    measure_rooms,
    measure_scenes,
    plan_rooms,
    plan_scenes,
)
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.synthesis import SceneRecipe

RATE = 16_000
RATES = SceneRates(
    clips=Measured(10, 0.1),
    rows=Measured(1000, 1.0, 400_000),
    rendered=Measured(100, 2.0),
    written=Measured(100, 1.0, 50_000_000),
    scene_s=18.0,
    sources=1.0,
    clips_held=20_000,
    machine="a machine",
)


def test_the_numbers_of_a_plan_worked_out_by_hand() -> None:
    plan = plan_scenes(RATES, 256_000, clips=1000, machines=4, cores=5, bank_bytes=77)
    assert plan.hours == pytest.approx(256_000 * 18 / 3600)
    # a row takes 1 ms; each of 20 processes looks at 1000 clips for 10 ms each
    assert plan.stage("rows").core_hours == pytest.approx((256.0 + 200.0) / 3600)
    assert plan.stage("rendered").core_hours == pytest.approx(5120.0 / 3600)
    assert plan.stage("exported").core_hours == pytest.approx(7680.0 / 3600)
    # 1000 parts on 20 processes: 50 each
    assert plan.stage("exported").wall_hours == pytest.approx(7680.0 / 20 / 3600)
    assert (plan.stage("rows").bytes, plan.stage("exported").bytes) == (102_400_000, 128_000_000_000)
    assert (plan.stage("rendered").bytes, plan.stage("bank").bytes) == (None, 77)


def test_no_more_processes_than_parts_and_the_busiest_decides() -> None:
    # 3 parts: on 2 processes one makes 2 of them; on 100 only 3 work
    two = plan_scenes(RATES, 3 * 256, clips=10, cores=2).stage("exported")
    assert two.wall_hours == pytest.approx(two.core_hours * 2 / 3)
    many = plan_scenes(RATES, 3 * 256, clips=10, machines=50, cores=2)
    assert many.stage("exported").wall_hours == pytest.approx(many.stage("exported").core_hours / 3)
    # three processes look at 10 clips each
    assert many.stage("rows").core_hours == pytest.approx((0.768 + 0.3) / 3600)


def test_clips_that_a_process_cannot_remember_are_looked_at_for_every_scene() -> None:
    few = plan_scenes(RATES, 256_000, clips=20_000).stage("rows")
    many = plan_scenes(RATES, 256_000, clips=20_001).stage("rows")
    assert few.core_hours == pytest.approx((256.0 + 200.0) / 3600)
    assert many.core_hours == pytest.approx((256.0 + 2560.0) / 3600)


def test_a_plan_of_rooms() -> None:
    plan = plan_rooms(Measured(50, 0.5, 10_000_000), 8972 * 10, machines=2, cores=2)
    assert plan.hours is None and plan.stage("bank").core_hours == pytest.approx(897.2 / 3600)
    assert plan.stage("bank").bytes == 89_720 * 200_000
    parts = -(-89_720 // 256)
    assert plan.stage("bank").wall_hours == pytest.approx(897.2 / 3600 * -(-parts // 4) / parts)
    assert Measured(0, 0.0).each_s == 0.0
    for wrong in ({"machines": 0}, {"cores": 0}):
        with pytest.raises(ConfigError, match="at least"):
            plan_rooms(Measured(1, 1.0), 5, **wrong)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoomBank:
    folder = tmp_path_factory.mktemp("bank")
    return make_bank(folder, rooms=2, positions_per_room=3, seed=1, sample_rate=RATE)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    for n, name in enumerate(("dog", "bell", "rain")):
        soundfile.write(folder / f"{name}.wav", 0.1 * np.random.default_rng(n).standard_normal(RATE), RATE)
    return [
        Clip(n, str(folder / f"{n}.wav"), (f"a {n}",), "tiny", "test", "CC0", 1.0, label=n)
        for n in ("dog", "bell", "rain")
    ]


@pytest.fixture
def ticking() -> Callable[[], float]:
    """A clock that goes on by a second whenever it is read."""
    at = iter(range(1_000_000))
    return lambda: float(next(at))


def test_scenes_are_measured_until_the_time_is_up(
    clips: list[Clip], bank: RoomBank, ticking: Callable[[], float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    recipe = SceneRecipe(duration_s=0.5)
    rates, total = measure_scenes(clips, bank, scenes=890_038, recipe=recipe, seconds=18.0, clock=ticking)
    assert total == 890_038 and rates.scene_s == 0.5 and rates.sources == 1.0
    # six rows in the six seconds of rows; drawing them again took one tick, looking at three clips the other five
    assert rates.rows.n == 6 and rates.rows.seconds == 1.0
    assert (rates.clips.n, rates.clips.seconds) == (3, 5.0)
    # a tick for rendering and one for writing a scene; no more scenes than rows
    assert (rates.rendered.n, rates.rendered.seconds, rates.written.seconds) == (6, 6.0, 6.0)
    assert 100 < rates.rows.each_bytes < 5000
    raw = 0.5 * RATE * 4 * 2
    assert 0.3 * raw < rates.written.each_bytes < 1.1 * raw
    assert not list(tmp_path.iterdir())  # nothing stays
    assert bytes_of(bank) == sum(p.stat().st_size for p in bank.folder.iterdir())


def test_busy_scenes_are_measured_too(clips: list[Clip], bank: RoomBank, ticking: Callable[[], float]) -> None:
    recipe = SceneRecipe(duration_s=0.5, sources=(2, 2), ambience="pink")
    rates, total = measure_scenes(clips, bank, per_clip=2, recipe=recipe, seconds=60.0, clock=ticking)
    assert (total, rates.rows.n, rates.sources, rates.clips.n) == (6, 6, 2.0, 3)


def test_clips_that_cannot_be_read_are_an_error(bank: RoomBank, tmp_path: Path) -> None:
    gone = Clip("gone", str(tmp_path / "gone.wav"), ("a cat",), "tiny", "test", "CC0", 1.0)
    with pytest.raises(DataError, match=r"none of the first 4 scenes.*gone.wav"):
        measure_scenes([gone], bank, scenes=4)


def test_rooms_are_measured_in_ever_larger_banks(ticking: Callable[[], float]) -> None:
    recipe = {"positions_per_room": 2, "seed": 1, "sample_rate": RATE}
    found = measure_rooms(rooms=1000, seconds=3.5, clock=ticking, **recipe)
    assert (found.n, found.seconds) == (4, 1.0) and found.bytes > 10_000  # one room, two rooms, and time is up
    assert measure_rooms(rooms=1, seconds=9.0, clock=ticking, **recipe).n == 2
