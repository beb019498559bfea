from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.errors import AudioError
from open_elsa.sound import foa
from open_elsa.using.check import AudioCheck, check_audio

Sine = Callable[..., np.ndarray]
RATE = 48000


def scene(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Noise from a few directions that move about, as a recording has."""
    rng = np.random.default_rng(seed)
    parts = [(30, 0), (-80, 10), (150, -5), (70, 0)]
    n = round(seconds * RATE)
    mix = sum(foa.encode(0.05 * rng.standard_normal(n), *p) for p in parts)
    return np.asarray(mix, np.float32)


def check(path: Path, samples: np.ndarray, rate: int = RATE, convention: str = "auto") -> AudioCheck:
    soundfile.write(path, samples.T, rate, subtype="FLOAT")
    return check_audio(path, convention=convention)


def test_a_good_recording_has_no_hints(tmp_path: Path) -> None:
    found = check(tmp_path / "a.wav", scene())
    assert found.hints == () and found.channels == 4 and found.sample_rate == RATE and "AmbiX" in found.read_as
    assert [c.name for c in found.levels] == ["W", "Y", "Z", "X"]
    w = scene()[0].astype(float)
    assert found.levels[0].rms_dbfs == pytest.approx(10 * np.log10(np.mean(w**2)), abs=0.01)
    assert found.levels[0].peak_dbfs == pytest.approx(20 * np.log10(np.abs(w).max()), abs=0.01)


def test_directions_over_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    turns = [foa.encode(0.1 * rng.standard_normal(RATE), az, el) for az, el in [(90, 0), (-45, 30), (180, 0)]]
    found = check(tmp_path / "a.wav", np.concatenate([*turns, np.zeros((4, RATE // 2))], 1))
    assert [(round(h.start_s, 3), round(h.end_s, 3)) for h in found.directions] == [(0, 1), (1, 2), (2, 3), (3, 3.5)]
    for heard, (azimuth, elevation) in zip(found.directions, [(90, 0), (-45, 30), (180, 0)], strict=False):
        assert foa.angular_error_deg(
            foa.unit_vector(heard.azimuth_deg, heard.elevation_deg), foa.unit_vector(azimuth, elevation)
        ) == pytest.approx(0, abs=1)
        assert heard.diffuseness == pytest.approx(0, abs=0.05)
    assert found.directions[3].azimuth_deg is None and found.directions[3].level_dbfs is None
    assert found.directions[0].level_dbfs == pytest.approx(-20, abs=0.2)


def test_long_recordings_stay_readable(tmp_path: Path) -> None:
    x = np.tile(foa.encode(0.1 * np.random.default_rng(0).standard_normal(8000), 20), 200)
    found = check(tmp_path / "long.wav", x, 8000)
    assert len(found.directions) == 50 and found.directions[-1].end_s == pytest.approx(200)
    assert any("8000 Hz" in hint for hint in found.hints)


@pytest.mark.parametrize("convention", ["fuma", "n3d", "a-format"])
def test_other_conventions_are_recognised(tmp_path: Path, convention: str) -> None:
    x = foa.to_convention(scene(), convention)
    hints = check(tmp_path / "a.wav", x).hints
    assert any(f"--convention {convention}" in hint for hint in hints), hints
    assert check(tmp_path / "a.wav", x, convention=convention).hints == ()


def test_channels_in_the_wrong_place(tmp_path: Path) -> None:
    x = scene()
    assert any("channel order" in h for h in check(tmp_path / "a.wav", x * np.array([[0], [1], [1], [1]])).hints)
    hints = check(tmp_path / "b.wav", x[[0, 3, 1, 2]]).hints  # W X Y Z with full W
    assert any("W X Y Z" in h for h in hints)
    assert any("channel Z is silent" in h for h in check(tmp_path / "c.wav", x * np.array([[1], [1], [0], [1]])).hints)
    assert any("mono sound copied" in h for h in check(tmp_path / "d.wav", np.repeat(x[:1], 4, 0)).hints)


def test_levels(tmp_path: Path, sine: Sine) -> None:
    loud = np.clip(sine(300, 1, RATE, 2.0), -1, 1)[None]
    found = check(tmp_path / "a.wav", loud)
    assert found.levels[0].clipped == int((np.abs(loud) >= 0.999).sum()) and any("clipped" in h for h in found.hints)
    assert any("constant offset" in h for h in check(tmp_path / "b.wav", sine(300, 1, RATE)[None] + 0.4).hints)
    assert any("quiet" in h for h in check(tmp_path / "c.wav", sine(300, 1, RATE, 2e-4)[None]).hints)
    silent = check(tmp_path / "d.wav", np.zeros((4, RATE)))
    assert silent.hints == ("the whole recording is silent",) and silent.levels[0].rms_dbfs is None


def test_mono_and_stereo(tmp_path: Path, sine: Sine) -> None:
    mono = check(tmp_path / "a.wav", sine(300, 1, RATE)[None])
    assert mono.read_as == "mono" and mono.directions[0].azimuth_deg is None
    assert any("one channel" in hint for hint in mono.hints)
    stereo = check(tmp_path / "b.wav", np.stack([sine(300, 1, RATE)] * 2))
    assert "stereo" in stereo.read_as and stereo.channels == 2


@pytest.mark.parametrize("channels", [3, 5])
def test_impossible_channels(tmp_path: Path, channels: int) -> None:
    with pytest.raises(AudioError, match=f"{channels} channels"):
        check(tmp_path / "a.wav", np.zeros((channels, 9000)))
