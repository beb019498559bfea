"""Reading any folder of AmbiX responses with a positions.csv."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.errors import DataError
from open_elsa.scenes.measured import open_measured

HEADER = "file,azimuth_deg,elevation_deg,distance_m,reverberation_s,floor_area_m2\n"


def room(folder: Path, rate: int = 16_000, rows: str = "a.wav,90,10,1.5,0.3,20\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    n = rate // 2
    samples = rng.standard_normal((n, 4)) * 10 ** (-3 * np.arange(n) / rate / 0.3)[:, None] * 0.1
    samples[: round(0.01 * rate)] = 0
    samples[round(0.01 * rate)] = (0.9, 0.8, 0.1, 0.0)
    soundfile.write(folder / "a.wav", samples, rate, subtype="FLOAT")
    (folder / "positions.csv").write_text(HEADER + rows)
    return folder


def test_a_folder_reads_like_a_bank(tmp_path: Path) -> None:
    room(tmp_path / "kitchen")
    room(tmp_path / "hall", rows="a.wav,-90,0,3,,\n")
    rooms = open_measured(tmp_path, floor_area_m2={"hall": 120.0})
    assert rooms.ids == ["hall/a", "kitchen/a"]
    assert [item.floor_area_m2 for item in rooms] == [120.0, 20.0]
    item = rooms[rooms.index("kitchen/a")]
    assert item.room is None
    assert item.room_id == "kitchen"
    assert (item.position.azimuth_deg, item.position.distance_m, item.arrival_s) == (90.0, 1.5, 0.010)
    assert item.acoustics.t30_s == pytest.approx(0.3, rel=0.1)
    assert item.response.shape == (4, 8000)
    assert rooms.published_t30_s(0) is None
    assert rooms.published_t30_s(1) == 0.3
    assert rooms.table["room_id"].to_pylist() == ["hall", "kitchen"]
    assert rooms[-1].room_id == "kitchen"
    rooms.response(0)[:] = 0  # the caller's copy
    assert rooms.response(0).any()
    assert np.array_equal(pickle.loads(pickle.dumps(rooms)).response(1), rooms.response(1))  # travels to workers


def test_mixed_rates_need_a_decision(tmp_path: Path) -> None:
    room(tmp_path / "a", 16_000)
    room(tmp_path / "b", 32_000)
    with pytest.raises(DataError, match="several sample rates"):
        open_measured(tmp_path)
    rooms = open_measured(tmp_path, sample_rate=16_000)
    assert rooms.response(0).shape == rooms.response(1).shape
    assert rooms[1].arrival_s == 0.010


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "no rows"),
        ("b.wav,0,0,1,,\n", "no file"),
        ("a.wav,left,0,1,,\n", "line 2"),
        ("a.wav,0,95,1,,\n", "elevation_deg"),
        ("a.wav,0,0,1,,\na.wav,0,0,1,,\n", "twice"),
    ],
)
def test_a_bad_table_says_where(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_measured(room(tmp_path, rows=rows))


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no measured rooms"):
        open_measured(tmp_path)
    folder = room(tmp_path / "r")
    with pytest.raises(DataError, match="names rooms"):
        open_measured(folder, floor_area_m2={"other": 1.0})
    with pytest.raises(DataError, match=r"10\.0 ms, not at 100"):
        open_measured(folder, arrival_s=0.1)[0]
    assert open_measured(folder, arrival_s=None)[0].arrival_s == pytest.approx(0.010, abs=1e-4)
    soundfile.write(folder / "a.wav", np.zeros((100, 4)), 16_000)
    with pytest.raises(DataError, match="silent"):
        open_measured(folder)[0]
    soundfile.write(folder / "a.wav", np.zeros((100, 2)), 16_000)
    with pytest.raises(DataError, match="2 channels"):
        open_measured(folder)
    (folder / "positions.csv").write_text("file,azimuth\n")
    with pytest.raises(DataError, match="lacks the columns"):
        open_measured(folder)
