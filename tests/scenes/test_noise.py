"""Ambience: diffuse to second order, of the colour and at the level that was drawn, from noise and from recordings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.errors import AudioError, ConfigError, DataError
from open_elsa.scenes import noise
from open_elsa.scenes.bank import make_bank
from open_elsa.scenes.recipe import SceneRecipe
from open_elsa.scenes.scene import Ambience, Clip
from open_elsa.scenes.synthesis import SceneSet, make_scenes
from open_elsa.sound import audio, foa
from open_elsa.sound.files import SUFFIXES

RATE = 16_000
N = 8 * RATE


def covariance(field: np.ndarray) -> np.ndarray:
    """(4, 4) relative to W's power."""
    product = field.astype(np.float64) @ field.T.astype(np.float64)
    return product / product[0, 0]


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_noise_is_diffuse_and_coloured(colour: float) -> None:
    field = noise.ambience(Ambience(10.0, colour, seed=3), N, RATE)
    hz, spectrum = foa.stft(field, RATE)
    power = np.mean(np.abs(spectrum) ** 2, axis=2)
    for low in (200, 1000, 4000):  # bands hold enough independent samples, and a slope must hold in each
        band = (hz >= low) & (hz < 1.5 * low)
        shares = power[1:, band].sum(axis=1) / power[0, band].sum()
        np.testing.assert_allclose(shares, 1 / 3, atol=0.04)
    off = covariance(field) - np.diag(np.diag(covariance(field)))
    assert np.abs(off).max() < (0.02 if colour < 2 else 0.15)
    w = power[0]
    octaves = [10 * np.log10(w[np.argmin(np.abs(hz - f))]) for f in (500, 1000, 2000, 4000)]
    assert np.diff(octaves) == pytest.approx(-3.01 * colour, abs=0.8)


def test_the_level_is_exact() -> None:
    scene = foa.encode(0.1 * np.random.default_rng(0).standard_normal(N), 30.0)
    for snr_db in (-5.0, 0.0, 12.5, 40.0):
        mixed = scene.copy()
        field = noise.ambience(Ambience(snr_db, 1.0, seed=1), N, RATE)
        noise.add_ambience(mixed, field, snr_db)
        found = mixed.astype(np.float64) - scene
        assert 10 * np.log10(np.mean(scene[0] ** 2) / np.mean(found[0] ** 2)) == pytest.approx(snr_db, abs=0.01)
    with pytest.raises(AudioError, match="silent"):
        noise.add_ambience(mixed, np.zeros_like(field), 10.0)


def test_a_mono_recording_becomes_diffuse(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hall.wav", 0.1 * np.random.default_rng(5).standard_normal(N + RATE), RATE)
    fields = [noise.ambience(Ambience(10.0, None, "hall.wav", 0.5, 0.0, seed), N, RATE, tmp_path) for seed in range(24)]
    mean = np.mean([covariance(f) for f in fields], axis=0)
    np.testing.assert_allclose(np.diag(mean)[1:], 1 / 3, atol=0.05)
    np.testing.assert_allclose(mean - np.diag(np.diag(mean)), 0.0, atol=0.05)
    assert np.array_equal(fields[0], noise.ambience(Ambience(10.0, None, "hall.wav", 0.5), N, RATE, tmp_path))


def test_twelve_corners_are_isotropic() -> None:
    assert noise._CORNERS.shape == (12, 3)
    np.testing.assert_allclose(np.linalg.norm(noise._CORNERS, axis=1), 1.0)
    np.testing.assert_allclose(noise._CORNERS.T @ noise._CORNERS / 12, np.eye(3) / 3, atol=1e-12)


def test_a_spatial_recording_is_heard_as_it_is_but_turned(tmp_path: Path) -> None:
    field = foa.encode(0.1 * np.random.default_rng(5).standard_normal(3 * RATE), 30.0, 20.0)
    audio.write(tmp_path / "park.wav", field, RATE, subtype="FLOAT")
    heard = noise.ambience(Ambience(10.0, None, "park.wav", 1.0, 60.0), RATE, RATE, tmp_path)
    turned = foa.rotate(field[:, RATE : 2 * RATE], foa.rotation_matrix(60.0))
    np.testing.assert_allclose(heard, turned, atol=1e-6)


def test_recordings_by_every_name_are_found(tmp_path: Path) -> None:
    for suffix in SUFFIXES:  # what is in a file is told by its bytes
        soundfile.write(tmp_path / f"hall{suffix}", np.zeros(RATE), RATE, format="WAV")
    (tmp_path / "notes.txt").write_text("no sound")
    found = noise.Recordings.scan(tmp_path, 0.5).files
    assert {Path(name).suffix for name, _, _ in found} == set(SUFFIXES)


def test_scenes_with_recorded_ambience(tmp_path: Path) -> None:
    bank = make_bank(tmp_path / "bank", rooms=1, positions_per_room=2, seed=5, sample_rate=RATE)
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", 0.1 * np.random.default_rng(1).standard_normal(RATE), RATE)
    clip = Clip("a", str(tmp_path / "clips" / "a.wav"), ("a hiss",), "tiny", "train", "CC0", 1.0, label="hiss")
    folder = tmp_path / "places" / "indoors"
    folder.mkdir(parents=True)
    soundfile.write(folder / "hall.wav", 0.1 * np.random.default_rng(5).standard_normal(3 * 8_000), 8_000)
    recipe = SceneRecipe(duration_s=1.0, snr_db=None, ambience=str(tmp_path / "places"), ambience_snr_db=(12.0, 12.0))
    made = make_scenes(tmp_path / "s", [clip], bank, scenes=3, recipe=recipe)
    assert made.truth(0)["ambience"]["recording"] == "indoors/hall.wav"
    for i in range(3):
        alone = made.render_source(i, 0)
        power = [float(np.mean(np.square(x[0], dtype=np.float64))) for x in (alone, made.render(i) - alone)]
        assert 10 * np.log10(power[0] / power[1]) == pytest.approx(12.0, abs=0.1)
    sound = made.render(1)
    (tmp_path / "moved").mkdir()
    for name in ("bank", "clips", "places", "s"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert np.array_equal(SceneSet.open(tmp_path / "moved" / "s").render(1), sound)
    soundfile.write(tmp_path / "moved" / "places" / "more.wav", np.ones(3 * 8_000) * 0.1, 8_000)
    with pytest.raises(DataError, match=r"other settings .*recipe"):
        make_scenes(
            tmp_path / "moved" / "s",
            [replace(clip, path=str(tmp_path / "moved" / "clips" / "a.wav"))],
            type(bank).open(tmp_path / "moved" / "bank"),
            scenes=3,
            recipe=replace(recipe, ambience=str(tmp_path / "moved" / "places")),
        )


def test_recordings_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder of recordings that exists"):
        noise.check_kind(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no recordings"):
        noise.Recordings.scan(tmp_path, 1.0)
    soundfile.write(tmp_path / "short.wav", np.ones(RATE // 2) * 0.1, RATE)
    with pytest.raises(DataError, match=r"short\.wav lasts 0\.50 s, the scenes up to 1 s"):
        noise.Recordings.scan(tmp_path, 1.0)
    (tmp_path / "short.wav").write_text("no sound")
    with pytest.raises(DataError, match="cannot be used"):
        noise.Recordings.scan(tmp_path, 1.0)
    with pytest.raises(DataError, match="in which folder"):
        noise.ambience(Ambience(1.0, None, "x.wav"), N, RATE)
