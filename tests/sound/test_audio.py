"""Reading, writing, resampling and windowing sounds that are as they should be."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from open_elsa.sound import audio, foa

RATE = 48_000


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "_told", set())


def tone(channels: int = 1, seconds: float = 0.5, rate: int = RATE, hz: float = 440.0) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    scale = np.linspace(0.5, 0.2, channels)[:, None]
    return (scale * np.sin(2 * np.pi * hz * t)[None]).astype(np.float32)


def raw(path: Path, samples: np.ndarray, rate: int = RATE, **more: str) -> Path:
    """A file as another program would write it: no comment of ours."""
    soundfile.write(path, samples.T, rate, **more)
    return path


@pytest.mark.parametrize(("suffix", "error"), [(".wav", 5e-5), (".flac", 5e-5), (".ogg", 0.02), (".opus", 0.02)])
def test_ambix_survives_writing_and_reading(tmp_path: Path, suffix: str, error: float) -> None:
    scene = foa.encode(tone()[0], 70, 20)
    path = audio.write(tmp_path / f"scene{suffix}", scene, RATE)
    back = audio.read(path)
    assert back.is_spatial and back.sample_rate == RATE and back.samples.dtype == np.float32
    inner = slice(480, -960)  # lossy codecs fade at the ends
    np.testing.assert_allclose(back.samples[:, : scene.shape[1]][:, inner], scene[:, inner], atol=error)
    assert back.notes == ()  # our own files say what they are
    direction = foa.intensity_direction(back.samples, RATE)
    assert foa.angular_error_deg(direction, foa.unit_vector(70, 20)) < 1.0


def test_mono_survives_mp3(tmp_path: Path) -> None:
    back = audio.read(audio.write(tmp_path / "tone.mp3", tone()[0], RATE))
    assert not back.is_spatial
    assert back.duration_s == pytest.approx(0.5, abs=0.1)
    assert audio.level_dbfs(back.samples) == pytest.approx(audio.level_dbfs(tone()), abs=0.5)


def test_float_wav_is_exact_even_beyond_full_scale(tmp_path: Path) -> None:
    loud = tone(4) * 7
    np.testing.assert_array_equal(
        audio.read(audio.write(tmp_path / "x.wav", loud, RATE, subtype="FLOAT")).samples, loud
    )


@pytest.mark.parametrize("convention", foa.CONVENTIONS)
def test_every_convention_is_read_into_ambix(tmp_path: Path, convention: str) -> None:
    scene = foa.encode(tone()[0], -120, 35)
    path = raw(tmp_path / "x.wav", foa.to_convention(scene, convention), subtype="FLOAT")
    np.testing.assert_allclose(audio.read(path, convention=convention).samples, scene, atol=1e-6)


@pytest.mark.parametrize("convention", foa.CONVENTIONS)
def test_our_files_say_which_convention_they_hold(tmp_path: Path, convention: str) -> None:
    scene = foa.encode(tone()[0], -120, 35)
    path = audio.write(tmp_path / "x.wav", scene, RATE, subtype="FLOAT", convention=convention)
    stored, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(stored.T, foa.to_convention(scene, convention), atol=1e-6)
    sound = audio.read(path)
    np.testing.assert_allclose(sound.samples, scene, atol=1e-6)
    assert sound.notes == ()


def test_an_amb_file_is_fuma(tmp_path: Path) -> None:
    scene = foa.encode(tone()[0], 30, 0)
    path = raw(tmp_path / "x.amb", foa.to_convention(scene, "fuma"), subtype="FLOAT", format="WAVEX")
    np.testing.assert_allclose(audio.read(path).samples, scene, atol=1e-6)


def test_four_unmarked_channels_are_ambix_and_the_reader_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = raw(tmp_path / "a.wav", tone(4)), raw(tmp_path / "b.wav", tone(4))
    with caplog.at_level(logging.WARNING, logger="open_elsa"):
        sounds = [audio.read(first), audio.read(second)]
    assert all(audio.ASSUMED_AMBIX in s.notes for s in sounds)
    assert [r.name for r in caplog.records if "AmbiX" in r.message] == ["open_elsa"]
    assert "a.wav" in caplog.text


def test_arrays_are_ambix_by_definition_and_need_no_note(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="open_elsa"):
        sounds = [audio.as_sound((tone(4), RATE)), *(w.sound for w in audio.windows((tone(4), RATE), 0.1, 0.1))]
    assert [s.notes for s in sounds] == [()] * len(sounds)
    assert caplog.text == ""
    np.testing.assert_array_equal(sounds[0].samples, tone(4))
    turned = audio.as_sound((tone(4), RATE), convention="fuma").samples
    np.testing.assert_allclose(turned, foa.from_convention(tone(4), "fuma"))


def test_naming_the_convention_needs_no_note(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert audio.read(raw(tmp_path / "a.wav", tone(4)), convention="ambix").notes == ()
    assert caplog.text == ""


@pytest.mark.parametrize(("channels", "order"), [(9, 2), (16, 3), (25, 4)])
def test_higher_orders_are_cut_to_the_first_with_a_note(tmp_path: Path, channels: int, order: int) -> None:
    samples = tone(channels)
    sound = audio.read(raw(tmp_path / "x.wav", samples, subtype="FLOAT"))
    np.testing.assert_array_equal(sound.samples, samples[:4])
    assert any(f"order {order}" in note for note in sound.notes)


def test_stereo_is_folded_and_its_balance_kept(tmp_path: Path) -> None:
    stereo = tone(2)
    stereo[1] = stereo[0] / 2
    sound = audio.read(raw(tmp_path / "x.wav", stereo, subtype="FLOAT"))
    np.testing.assert_allclose(sound.samples, stereo.mean(axis=0, keepdims=True), atol=1e-7)
    assert not sound.is_spatial
    assert sound.stereo_balance_db == pytest.approx(6.02, abs=0.01)  # left is louder: positive
    assert audio.FOLDED_STEREO in sound.notes
    assert audio.to_rate(sound, 16_000).stereo_balance_db == sound.stereo_balance_db


def test_stereo_with_one_silent_side_or_one_reversed_stays_finite() -> None:
    one_sided = tone(2)
    one_sided[1] = 0
    assert audio.as_sound((one_sided, RATE)).stereo_balance_db == pytest.approx(60.0)
    reversed_ = np.concatenate([tone(), -tone()])
    assert audio.CANCELLING_STEREO in audio.as_sound((reversed_, RATE)).notes
    assert audio.as_sound((np.zeros((2, 100)), RATE)).stereo_balance_db == 0.0


def test_arrays_mono_and_integer() -> None:
    assert audio.as_sound((tone()[0], RATE)).samples.shape == (1, RATE // 2)
    assert audio.as_sound((tone(4).astype(np.float64), RATE)).samples.dtype == np.float32
    integers = np.array([-32768, 0, 16384], dtype=np.int16)
    np.testing.assert_array_equal(audio.as_sound((integers, RATE)).samples, [[-1.0, 0.0, 0.5]])
    np.testing.assert_array_equal(audio.as_sound((np.array([0, 128], np.uint8), RATE)).samples, [[-1.0, 0.0]])
    sound = audio.as_sound((tone(), RATE))
    assert audio.as_sound(sound) is sound


def test_reading_a_part_is_the_crop_of_the_whole(tmp_path: Path) -> None:
    path = audio.write(tmp_path / "x.flac", tone(4, 1.0), RATE)
    whole, part = audio.read(path), audio.read(path, start_s=0.25, duration_s=0.5)
    np.testing.assert_array_equal(part.samples, whole.samples[:, 12_000:36_000])
    assert audio.read(path, start_s=0.9, duration_s=5.0).duration_s == pytest.approx(0.1)


def test_info_reads_the_header(tmp_path: Path) -> None:
    header = audio.info(audio.write(tmp_path / "x.flac", tone(4), RATE))
    assert (header.channels, header.sample_rate, header.frames, header.format) == (4, RATE, RATE // 2, "FLAC")
    assert header.duration_s == 0.5
    assert "AmbiX" in header.comment


def test_resampling_keeps_a_tone_its_level_and_its_place() -> None:
    out = audio.resample(tone(4, 0.5), 48_000, 16_000)
    assert out.shape == (4, 8000) and out.dtype == np.float32
    np.testing.assert_allclose(out[:, 500:-500], tone(4, 0.5, 16_000)[:, 500:-500], atol=1e-4)
    assert audio.resample(out, 16_000, 16_000) is out


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_threads_change_no_bit_of_a_resampled_sound(channels: int) -> None:
    noise = np.random.default_rng(0).standard_normal((channels, 120_000)).astype(np.float32)
    out = audio.resample(noise, 48_000, 32_000)
    for threads in (2, 9):
        again = audio.resample(noise, 48_000, 32_000, threads=threads)
        np.testing.assert_array_equal(again, out)
        assert again.flags.c_contiguous and again.dtype == np.float32


@pytest.mark.parametrize("channels", [1, 4])
def test_a_sound_keeps_its_samples_when_the_array_changes(channels: int) -> None:
    mine = tone(channels)
    sound = audio.as_sound((mine, RATE))
    mine[:] = 0
    np.testing.assert_array_equal(sound.samples, tone(channels))


def test_resampling_removes_what_the_new_rate_cannot_hold() -> None:
    assert audio.level_dbfs(audio.resample(tone(hz=12_000), 48_000, 16_000)[:, 500:-500]) < -80


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3000), st.integers(1, 800), st.integers(1, 1200))
def test_windows_cover_everything_and_end_with_the_sound(n: int, size: int, hop: int) -> None:
    rate = 1000
    ramp = np.arange(n, dtype=np.float32) / n
    found = list(audio.windows((ramp, rate), size / rate, hop / rate))
    starts = [round(w.start_s * rate) for w in found]
    assert starts == sorted(set(starts))  # never twice
    assert round(found[-1].end_s * rate) == n
    for window, start in zip(found, starts, strict=True):
        assert window.sound.samples.shape[1] == min(size, n)
        np.testing.assert_array_equal(window.sound.samples[0], ramp[start : start + size])
    assert starts[:-1] == [k * hop for k in range(len(starts) - 1)]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("hop_s", [0.1, 0.3, 0.45])
def test_windows_of_a_file_equal_the_same_part_read_alone(tmp_path: Path, suffix: str, hop_s: float) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 63_000)).astype(np.float32)
    path = audio.write(tmp_path / f"x{suffix}", noise, RATE)
    whole = audio.read(path)
    found = list(audio.windows(path, 0.3, hop_s))
    assert found[-1].end_s == pytest.approx(whole.duration_s)
    for window in found:
        alone = audio.read(path, start_s=window.start_s, duration_s=0.3)
        np.testing.assert_array_equal(window.sound.samples, alone.samples)
        start = round(window.start_s * RATE)
        np.testing.assert_array_equal(window.sound.samples, whole.samples[:, start : start + 14_400])


def test_windows_of_sounds_arrays_and_files_agree(tmp_path: Path) -> None:
    samples = tone(2, 1.1)
    path = audio.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
    from_file = list(audio.windows(path, 0.5, 0.5))
    from_array = list(audio.windows((samples, RATE), 0.5, 0.5))
    from_sound = list(audio.windows(audio.read(path), 0.5, 0.5))
    assert [w.start_s for w in from_file] == pytest.approx([0.0, 0.5, 0.6])
    for a, b, c in zip(from_file, from_array, from_sound, strict=True):
        np.testing.assert_array_equal(a.sound.samples, b.sound.samples)
        np.testing.assert_array_equal(a.sound.samples, c.sound.samples)


def test_level_silence_and_active_span() -> None:
    square = np.ones(1000)
    assert audio.level_dbfs(square) == pytest.approx(0.0)
    assert audio.level_dbfs(square / 10) == pytest.approx(-20.0)
    assert audio.level_dbfs(np.stack([square / 10] + [square] * 3)) == pytest.approx(-20.0)  # W only
    assert audio.level_dbfs(np.zeros(5)) == float("-inf")
    assert audio.is_silent(np.zeros((4, 10))) and audio.is_silent(np.full(10, 2.0**-15))
    assert not audio.is_silent(np.full(10, 1e-4))
    padded = np.concatenate([np.zeros(4800), tone()[0], np.zeros(9600)])
    start, stop = audio.active_span(padded, RATE)
    assert (start, stop) == (4800, 4800 + 24_000)
    assert audio.active_span(np.zeros(100), RATE) == (0, 0)
