"""benchmarks/training_rooms.py: two models learn the same scenes in two kinds of rooms, and are compared fairly."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from world import write_corpus  # noqa: E402

from open_elsa.evals import report, suites  # noqa: E402
from open_elsa.evals.result import load_items, load_results  # noqa: E402
from open_elsa.scenes.bank import RoomBank  # noqa: E402
from open_elsa.scenes.rooms import simulate  # noqa: E402
from open_elsa.scenes.scene import Room, SourcePosition  # noqa: E402
from open_elsa.training.data import SceneBatches  # noqa: E402


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_rooms", ROOT / "benchmarks" / "training_rooms.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world, and two measured rooms of two places each."""
    root = write_corpus(tmp_path_factory.mktemp("data") / "sounds", ("train", "test"))
    rng, room = np.random.default_rng(0), Room("r", (5.0, 4.0, 3.0), (0.6,) * 8, (2.0, 2.0, 1.5))
    for name in ("Lab075", "Vislab"):
        folder = root / "measured-rooms" / name
        folder.mkdir(parents=True)
        rows = ["file,azimuth_deg,elevation_deg,distance_m"]
        for file, azimuth in (("a", 90.0), ("b", 180.0)):
            made = simulate(room, SourcePosition(azimuth, 0.0, 1.2), rng, 16_000)
            response = np.roll(made.response, 160 - round(made.arrival_s * 16_000), axis=1)
            soundfile.write(folder / f"{file}.wav", 0.9 * (response / abs(response).max()).T, 16_000, subtype="FLOAT")
            rows.append(f"{file}.wav,{azimuth},0,1.2")
        (folder / "positions.csv").write_text("\n".join(rows) + "\n")
    return root


def words(data: Path, folder: Path, out: str = "out") -> list[str]:
    numbers = {"rooms": 2, "places": 2, "steps": 3, "batch": 4, "seconds": 0.8, "clips": 2}
    shown = [f"--{name}={value}" for name, value in numbers.items()]
    return [f"--data={data}", f"--cache={folder / 'cache'}", f"--out={folder / out}", "--model=elsa-tiny", *shown]


def test_it_runs_from_clips_to_a_table_and_goes_on_where_it_was(
    benchmark: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    plain = SceneBatches.__getitem__
    monkeypatch.setattr(
        SceneBatches, "__getitem__", lambda self, k: heard.append((self, plain(self, k))) or heard[-1][1]
    )
    benchmark.main([*words(data, tmp_path), "--trainings=1"])
    # the same sounds at the same places in the same order, in other rooms; and nothing made that isn't trained
    ours, images = heard[:3], heard[3:]
    assert len(heard) == 6 and ours[0][0].bank.manifest["simulator"] != images[0][0].bank.manifest["simulator"]
    for (_, one), (_, other) in zip(ours, images, strict=True):
        assert one.texts and one.features.semantic.shape == other.features.semantic.shape == (4, 0)
        for truth in ("direction", "log_distance", "log_volume"):
            assert (getattr(one.truth, truth) == getattr(other.truth, truth)).all()
        assert not (one.truth.log_t30 == other.truth.log_t30).any()
        assert not (one.features.spatial == other.features.spatial).all()
    (result,) = load_results(tmp_path / "out")
    assert result.name == "benchmark.training_rooms" and result.n == 2 * 2 * 2
    assert result.metrics["direction.Lab.n"] == result.metrics["distance.Vislab.n"] == 4
    assert result.metrics["direction.places"] == 4
    for name in ("direction.mean_deg", "direction.Lab.median_deg", "distance.Vislab.mean_relative"):
        low_or_high = [result.intervals[f"{arm}.{name}"] for arm in ("ours", "images", "gain")]
        assert all(i.low <= i.high for i in low_or_high)
    gain = result.metrics["images.direction.mean_deg"] - result.metrics["ours.direction.mean_deg"]
    assert result.metrics["gain.direction.mean_deg"] == pytest.approx(gain) and gain != 0.0
    items = load_items(tmp_path / "out", result.name)
    assert items is not None and np.mean(items["ours_direction_error_deg"]) == pytest.approx(
        result.metrics["ours.direction.mean_deg"]
    )
    assert {training["simulator"] for (training,) in result.details["arms"].values()} == {
        RoomBank.open(next((tmp_path / "cache").glob(f"{kind}rooms-2x2-32000-seed1-bank2-*"))).manifest["simulator"]
        for kind in ("", "image-sources-10-")
    }
    assert "--steps 3" in result.command and "--model elsa-tiny" in result.command
    # the row of the results table is the paired difference
    row = next(line for line in report.headline([result]).splitlines() if "order-10 image sources" in line)
    assert f"**{gain:.1f}°**" in row and row.count("°") >= 4 and " 8 " in row
    # again: nothing is trained, and the numbers are the same
    benchmark.main([*words(data, tmp_path, "again"), "--trainings=1"])
    assert len(heard) == 6
    (again,) = load_results(tmp_path / "again")
    assert again.metrics == result.metrics and again.intervals == result.intervals
    # a second training of both, beside the first
    benchmark.main([*words(data, tmp_path, "twice"), "--trainings=2"])
    assert len(heard) == 12
    (twice,) = load_results(tmp_path / "twice")
    for arm in ("ours", "images", "gain"):
        whole, one, two = (
            twice.metrics[f"{arm}.direction{part}.mean_deg"] for part in ("", ".training_1", ".training_2")
        )
        assert one == pytest.approx(result.metrics[f"{arm}.direction.mean_deg"]) and two != one
        assert whole == pytest.approx((one + two) / 2)
    assert twice.metrics["direction.n"] == twice.n == 8 and twice.metrics["direction.places"] == 4


def test_the_interval_of_the_gain_is_paired(benchmark: ModuleType) -> None:
    """Scenes differ much from each other and the models little: apart their intervals overlap, paired they don't."""
    rng = np.random.default_rng(0)
    ours = rng.uniform(0.0, 60.0, 400)
    places = [str(i // 4) for i in range(400)]
    families = ["a"] * 200 + ["b"] * 200
    both = {"ours": ours, "images": ours + rng.uniform(0.5, 1.5, 400)}
    ids, once = [str(i) for i in range(400)], np.zeros(400, dtype=np.int64)
    heard = benchmark.Heard(ids, places, families, once, both, {k: v / 60 for k, v in both.items()})
    metrics, intervals = benchmark.compare(heard)
    assert intervals["ours.direction.mean_deg"].high > intervals["images.direction.mean_deg"].low
    for name in ("gain.direction.mean_deg", "gain.direction.a.median_deg", "gain.direction.b.mean_deg"):
        assert 0.5 < intervals[name].low <= metrics[name] <= intervals[name].high < 1.5 or "median" in name
        assert metrics[name] == pytest.approx(1.0, abs=0.5)
    assert metrics["direction.a.places"] == 50
    assert metrics["gain.distance.mean_relative"] == pytest.approx(metrics["gain.direction.mean_deg"] / 60)
    worse = benchmark.Heard(ids, places, families, once, {"ours": both["images"], "images": ours}, heard.distance)
    turned = benchmark.compare(worse)[1]["gain.direction.mean_deg"]
    assert turned.high < 0


def test_measured_scenes_of_other_lengths_do_not_meet_the_suites_own(data: Path, tmp_path: Path) -> None:
    whole = suites.measured(data, tmp_path, quick=True)
    short = suites.measured(data, tmp_path, clips_a_place=2, duration_s=0.8)
    assert (len(whole), len(short)) == (12, 8) and "0.8 s a scene" in short.about and "5 s a scene" in whole.about
    item = next(short.items())
    assert item.samples.shape[1] == round(0.8 * item.sample_rate)
    assert suites.measured(data, tmp_path, quick=True).revision == whole.revision
