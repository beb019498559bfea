"""A recording over time: each window located on its own, told together by power and certainty."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake import FakeModel

from open_elsa.errors import DataError
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder, Location
from open_elsa.using.track import MOST_EXTREMES, Point, Track, describe_track, stretches

Sine = Callable[..., np.ndarray]
NAMES = ["a low tone", "a high tone"]


@pytest.fixture
def walk(tmp_path: Path, sine: Sine) -> Path:
    """Four seconds low on the left, four loud and high at the right and up, two of silence."""
    parts = [
        foa.encode(sine(400, 4.0, level=0.1), 90),
        foa.encode(sine(4500, 4.0, level=0.4), -90, 45),
        np.zeros((4, 32000)),
    ]
    audio.write(tmp_path / "walk.wav", np.concatenate(parts, axis=1).astype(np.float32), 16000)
    return tmp_path / "walk.wav"


def test_the_track_follows(embedder: Embedder, walk: Path) -> None:
    track = describe_track(walk, embedder, window_s=1.0, hop_s=0.5, names=NAMES, tags=2)
    assert [p.start_s for p in track.points] == [0.5 * k for k in range(19)]
    assert track.points[-1].end_s == track.duration_s == 10.0 and track.known
    left, right, silent = track.points[2], track.points[10], track.points[17]
    assert left.location.azimuth_deg == pytest.approx(90, abs=1) and left.name == "a low tone"
    assert right.location.azimuth_deg == pytest.approx(-90, abs=1) and right.name == "a high tone"
    assert right.location.elevation_deg == pytest.approx(45, abs=1)
    assert right.level_db - left.level_db == pytest.approx(12.04, abs=0.1)
    assert not silent.location.known and silent.name is None
    assert track.description.location.azimuth_deg == pytest.approx(-90, abs=1), "the loudest window is told"
    again = describe_track(walk, Embedder(FakeModel(), batch_size=1), window_s=1.0, hop_s=0.5, names=NAMES, tags=2)
    assert [(p.start_s, p.name) for p in again.points] == [(p.start_s, p.name) for p in track.points]


def test_an_array_gives_what_its_file_gives(embedder: Embedder, walk: Path) -> None:
    sound = audio.read(walk)
    file = describe_track(walk, embedder, window_s=1.0, hop_s=1.0, names=NAMES)
    array = describe_track((sound.samples, 16000), embedder, window_s=1.0, hop_s=1.0, names=NAMES)
    assert [(p.start_s, p.end_s, p.name) for p in file.points] == [(p.start_s, p.end_s, p.name) for p in array.points]
    assert file.waveform == array.waveform


def test_the_waveform_has_every_sample_once(embedder: Embedder, tmp_path: Path) -> None:
    samples = np.zeros((1, 16000 * 40), np.float32)
    samples[0, 16000 * 7 + 5], samples[0, 16000 * 31 + 5] = 0.9, -0.7
    samples[0, :: 16000 // 4] += 0.01
    track = describe_track((samples, 16000), embedder, window_s=2.0, hop_s=0.7, names=NAMES)
    wave = track.waveform
    assert len(wave.low) == len(wave.high) <= MOST_EXTREMES
    assert len(wave.low) * wave.step_s == pytest.approx(40, abs=0.5)
    assert np.argmax(wave.high) * wave.step_s == pytest.approx(7, abs=0.2) and max(wave.high) == pytest.approx(0.9)
    assert np.argmin(wave.low) * wave.step_s == pytest.approx(31, abs=0.4) and min(wave.low) == pytest.approx(-0.7)
    assert sum(x > 0.5 for x in wave.high) == 1


def test_stretches(embedder: Embedder, walk: Path) -> None:
    track = describe_track(walk, embedder, window_s=0.5, hop_s=0.5, names=NAMES)
    rows = stretches(track, 5)
    assert [(s.start_s, s.end_s) for s in rows] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]
    assert rows[0].azimuth_deg == pytest.approx(90, abs=1) and rows[0].name == "a low tone"
    assert rows[0].spread_deg == pytest.approx(0, abs=1) and rows[0].uncertainty_deg == 5
    assert rows[4].azimuth_deg is None and rows[4].name is None and rows[4].level_db == -np.inf
    (whole,) = stretches(track, 1)
    assert whole.name == "a high tone" and whole.azimuth_deg == pytest.approx(-90, abs=8), "power decides"


def test_directions_are_averaged_on_the_sphere(embedder: Embedder, walk: Path) -> None:
    track = describe_track(walk, embedder, window_s=1.0, hop_s=1.0, names=NAMES)
    points = [Point(k, k + 1, Location(az, 0, uncertainty_deg=u), -20, "x") for k, (az, u) in enumerate(
        ((170, 10), (-170, 10), (0, 1000)))]  # fmt: skip
    (row,) = stretches(dataclasses.replace(track, points=tuple(points)), 1)
    assert abs(row.azimuth_deg or 0) == pytest.approx(180, abs=0.1), "never through the front"
    assert row.spread_deg == pytest.approx(10, abs=0.2), "what is unsure hardly counts"


def test_mono_has_no_track(embedder: Embedder, sine: Sine) -> None:
    track = describe_track((sine(400, 3.0), 16000), embedder, window_s=1.0, names=NAMES)
    assert not track.known and {p.name for p in track.points} == {"a low tone"}
    assert stretches(track)[0].azimuth_deg is None and stretches(track)[0].level_db == pytest.approx(-13.5, abs=0.1)


def test_refusals(embedder: Embedder, walk: Path) -> None:
    for window, hop, says in ((0.2, 0.1, "0.5 to 2 s"), (3.0, 1.0, "0.5 to 2 s"), (1.0, 1.5, "at most its window")):
        with pytest.raises(DataError, match=says):
            describe_track(walk, embedder, window_s=window, hop_s=hop)
    with pytest.raises(DataError, match="at least one row"):
        stretches(describe_track(walk, embedder, window_s=1.0, names=NAMES), 0)
    assert isinstance(describe_track(walk, embedder, names=NAMES), Track)
