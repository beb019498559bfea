"""The dry side of scenes: where clips sound, and cuts through them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.scenes import material, synthesis
from open_elsa.scenes.synthesis import SceneRecipe


def test_stretch_pads_and_fades_only_where_it_cuts() -> None:
    x = np.ones(1000, dtype=np.float32)
    out = material.stretch(x, 1000, -0.1, 0.5, 600)
    assert np.array_equal(out[:100], np.zeros(100))
    assert out[100] == 1.0  # the clip's own beginning
    assert out[499] < 0.1  # cut through
    assert np.array_equal(out[500:], np.zeros(100))
    assert np.array_equal(material.stretch(x, 1000, 5.0, 0.5, 10), np.zeros(10))


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100])
def test_levels_are_found_at_their_moment_at_any_rate(tmp_path: Path, rate: int) -> None:
    x = np.zeros(60 * rate, dtype=np.float32)
    x[0], x[-1] = 0.5, 0.5
    x[59 * rate : round(59.1 * rate)] = 0.5
    soundfile.write(tmp_path / "x.wav", x, rate, subtype="FLOAT")
    found = material.profile(str(tmp_path / "x.wav"))
    assert found.level_dbfs(59.02, 0.06) == pytest.approx(-6.02, abs=0.1)
    assert found.level_dbfs(58.8, 0.1) == -np.inf
    assert found.loudest[0] == pytest.approx(59.0, abs=0.02)
    assert found.loudest[1] == pytest.approx(-6.02, abs=0.1)


def test_a_scene_never_falls_into_a_long_pause(tmp_path: Path) -> None:
    rate = 8_000
    x = np.zeros(120 * rate, dtype=np.float32)
    x[: rate // 10] = 0.1
    x[90 * rate : round(90.1 * rate)] = 0.5
    x[-rate // 10 :] = 0.1
    soundfile.write(tmp_path / "x.wav", x, rate, subtype="FLOAT")
    found = material.profile(str(tmp_path / "x.wav"))
    for seed in range(20):
        start_s, level_dbfs = synthesis._place(found, SceneRecipe(duration_s=1.0), 1.0, np.random.default_rng(seed))
        assert np.isfinite(level_dbfs)
        assert level_dbfs > -40
        assert 0 <= start_s <= 119
