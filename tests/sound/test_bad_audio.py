"""Sounds that users really have: broken, empty, odd, huge; each ends in a clear error or in a right answer."""

from __future__ import annotations

import os
import resource
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.errors import AudioError, ConventionError
from open_elsa.sound import audio, files, writing

RATE = 48_000


def noise(channels: int = 1, n: int = RATE) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (channels, n)).astype(np.float32)


def cut(path: Path, keep: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.touch()
    with pytest.raises(AudioError, match=r"x\..*empty \(0 bytes\)"):
        audio.read(path)


def test_header_without_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros((0, 1)), RATE)
    with pytest.raises(AudioError, match="no samples"):
        audio.read(tmp_path / "x.wav")
    with pytest.raises(AudioError, match="no samples"):
        audio.as_sound((np.zeros((4, 0)), RATE))


def test_what_might_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to("/dev/zero")
    for name in ("pipe.wav", "link.wav"):
        with pytest.raises(AudioError, match="a pipe or a device"):
            audio.read(tmp_path / name)


def test_silence_reads_fine(tmp_path: Path) -> None:
    sound = audio.read(audio.write(tmp_path / "x.wav", np.zeros((4, RATE)), RATE))
    assert audio.is_silent(sound.samples)
    assert sound.duration_s == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_samples(tmp_path: Path, bad: float) -> None:
    samples = noise(4)
    samples[2, 24_000] = bad
    soundfile.write(tmp_path / "x.wav", samples.T, RATE, subtype="FLOAT")
    for use in (lambda: audio.read(tmp_path / "x.wav"), lambda: audio.as_sound((samples, RATE))):
        with pytest.raises(AudioError, match=r"1 samples are NaN or infinite, the first at 0\.500 s"):
            use()
    with pytest.raises(AudioError, match="NaN or infinite"):
        audio.write(tmp_path / "y.wav", samples, RATE)
    assert not (tmp_path / "y.wav").exists()


def test_not_finite_far_into_a_stream_is_found_at_its_time(tmp_path: Path) -> None:
    samples = np.zeros(8000 * 30, dtype=np.float32)
    samples[8000 * 29] = np.nan
    soundfile.write(tmp_path / "x.wav", samples, 8000, subtype="FLOAT")
    stream = audio.windows(tmp_path / "x.wav", 5, 5)
    assert next(stream).start_s == 0.0  # what is good is still given
    with pytest.raises(AudioError, match=r"29\.000 s"):
        list(stream)


def test_samples_far_beyond_full_scale(tmp_path: Path) -> None:
    samples = noise(4)
    samples[1, 24_000] = -1e38
    soundfile.write(tmp_path / "x.wav", samples.T, RATE, subtype="FLOAT")
    for use in (lambda: audio.read(tmp_path / "x.wav"), lambda: audio.as_sound((samples, RATE))):
        with pytest.raises(AudioError, match=r"reach 1e\+38 at 0\.500 s, where full scale is 1"):
            use()
    with pytest.raises(AudioError, match=r"reach 1e\+300"):
        audio.as_sound((np.array([0.0, 1e300]), RATE))
    integers = np.float32(2**31) * noise(1)  # 32 bits taken for floats: loud, but a sound
    assert audio.as_sound((integers, RATE)).samples.max() > 1e8


@pytest.mark.parametrize("channels", [3, 5, 6, 8])
def test_impossible_channel_counts(tmp_path: Path, channels: int) -> None:
    soundfile.write(tmp_path / "x.wav", noise(channels).T, RATE)
    for use in (
        lambda: audio.read(tmp_path / "x.wav"),
        lambda: audio.as_sound((noise(channels), RATE)),
        lambda: list(audio.windows(tmp_path / "x.wav", 1, 1)),
    ):
        with pytest.raises(AudioError, match=rf"{channels} channels .* mono \(1\), stereo \(2\)"):
            use()


def test_eight_kilohertz_works_and_is_resampled(tmp_path: Path) -> None:
    t = np.arange(8000) / 8000
    path = audio.write(tmp_path / "x.wav", 0.5 * np.sin(2 * np.pi * 440 * t), 8000)
    sound = audio.to_rate(audio.read(path), RATE)
    assert sound.sample_rate == RATE and sound.samples.shape == (1, RATE)
    assert np.argmax(np.abs(np.fft.rfft(sound.samples[0]))) == 440


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_one_millisecond_works(tmp_path: Path, rate: int) -> None:
    path = audio.write(tmp_path / "x.flac", noise(4, rate // 1000), rate)
    sound = audio.read(path)
    assert sound.duration_s == pytest.approx(0.001)
    assert audio.to_rate(sound, 16_000).samples.shape == (4, 16)
    (window,) = audio.windows(path, 10, 10)
    np.testing.assert_array_equal(window.sound.samples, sound.samples)


def test_a_single_sample_survives_every_step(tmp_path: Path) -> None:
    sound = audio.as_sound((np.array([0.5]), RATE))
    assert audio.to_rate(sound, 8000).samples.shape == (1, 1)
    assert audio.active_span(sound.w, RATE) == (0, 1)


def test_two_hours_stream_in_flat_memory(tmp_path: Path) -> None:
    rate, hours = 8000, 2
    path = tmp_path / "long.flac"
    minute = np.round(8000 * np.sin(np.arange(rate * 60) * (2 * np.pi * 100 / rate))).astype(np.int16)
    with soundfile.SoundFile(path, "w", rate, 1, subtype="PCM_16") as f:
        for _ in range(60 * hours):
            f.write(minute)
    tracemalloc.start()
    try:
        count, last = 0, 0.0
        for window in audio.windows(path, 10, 10):
            count, last = count + 1, window.end_s
            assert window.sound.samples.shape == (1, rate * 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (count, last) == (720, 7200.0)
    assert peak < 8e6  # the whole file is 230 MB as float32


def test_text_file_named_wav(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_text("<!DOCTYPE html><html><body>404 not found</body></html>\n" * 50)
    with pytest.raises(AudioError, match=r"holds text, not sound .*DOCTYPE"):
        audio.read(path)


def test_bytes_that_are_no_sound_and_formats_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.flac").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(AudioError, match="not a sound file"):
        audio.read(tmp_path / "x.flac")
    (tmp_path / "x.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    with pytest.raises(AudioError, match="convert it first"):
        audio.read(tmp_path / "x.m4a")
    (tmp_path / "x.raw").write_bytes(bytes(1000))
    with pytest.raises(AudioError, match="headerless"):
        audio.read(tmp_path / "x.raw")


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.97])
@pytest.mark.parametrize("suffix", [".flac", ".wav", ".mp3"])
def test_truncated_files_are_not_read_as_if_whole(tmp_path: Path, suffix: str, keep: float) -> None:
    path = cut(audio.write(tmp_path / f"x{suffix}", noise(2, 3 * RATE), RATE), keep)
    with pytest.raises(AudioError, match="cut off"):
        audio.read(path)
    with pytest.raises(AudioError, match="cut off"):
        list(audio.windows(path, 0.5, 0.5))


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_truncated_ogg_is_read_with_a_note_for_it_does_not_state_its_length(tmp_path: Path, suffix: str) -> None:
    path = audio.write(tmp_path / f"x{suffix}", noise(1, 3 * RATE), RATE)
    assert audio.read(path).notes == ()
    assert any("may be cut off" in note for note in audio.read(cut(path, 0.6)).notes)


def test_a_wav_from_a_pipe_has_no_length_and_is_read_whole(tmp_path: Path) -> None:
    path = audio.write(tmp_path / "x.wav", noise(), RATE)
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert audio.read(path).duration_s == 1.0


def without_length(path: Path, mode: str) -> Path:
    """An MP3 whose first frame, which states the length, is gone."""
    how = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": mode, "compression_level": 0.5}
    with soundfile.SoundFile(path, "w", RATE, 1, **how) as f:
        f.write(np.concatenate([noise()[0] / 1000, noise()[0], noise()[0] / 1000]))
    data = path.read_bytes()
    at = next(i for i in range(100, len(data)) if data[i : i + 2] == data[:2])
    path.write_bytes(data[at:])
    return path


def test_an_mp3_that_states_no_length_is_counted(tmp_path: Path) -> None:
    sound = audio.read(without_length(tmp_path / "x.mp3", "CONSTANT"))
    assert sound.duration_s == pytest.approx(3.0, abs=0.15)


def test_an_mp3_whose_end_the_library_would_lose_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="doesn't state its length"):
        audio.read(without_length(tmp_path / "x.mp3", "VARIABLE"))


def test_folder_instead_of_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder"):
        audio.read(tmp_path)
    with pytest.raises(AudioError, match="is a folder"):
        audio.write(_mkdir(tmp_path / "x.wav"), noise(), RATE, overwrite=True)


def _mkdir(path: Path) -> Path:
    path.mkdir()
    return path


def test_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may read everything, so the refusal is played: first by the folder, then by the library.
    path = audio.write(tmp_path / "x.wav", noise(), RATE)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as m:
        m.setattr(Path, "open", refuse)
        with pytest.raises(AudioError, match="no permission to read"):
            audio.read(path)
    with monkeypatch.context() as m:
        m.setattr(files, "StraightFile", refuse)
        with pytest.raises(AudioError, match="no permission to read"):
            audio.info(path)
    with monkeypatch.context() as m:
        m.setattr(writing.tempfile, "mkstemp", refuse)
        with pytest.raises(AudioError, match=r"cannot write into .*Permission denied"):
            audio.write(tmp_path / "y.wav", noise(), RATE)


def test_transposed_arrays(tmp_path: Path) -> None:
    for shape in ((RATE, 4), (RATE, 2), (RATE, 1), (RATE, 9)):
        with pytest.raises(AudioError, match=r"looks transposed; pass samples\.T"):
            audio.as_sound((np.zeros(shape, dtype=np.float32), RATE))
    with pytest.raises(AudioError, match="transposed"):
        audio.write(tmp_path / "x.wav", noise(4).T, RATE)


def test_missing_file_suggests_a_near_name(tmp_path: Path) -> None:
    audio.write(tmp_path / "kitchen.wav", noise(), RATE)
    with pytest.raises(AudioError, match=r"did you mean .*kitchen\.wav\?"):
        audio.read(tmp_path / "kitchn.wav")
    with pytest.raises(AudioError, match="nor its folder"):
        audio.read(tmp_path / "nowhere" / "x.wav")
    with pytest.raises(AudioError, match="no such file"):
        audio.read(tmp_path / "entirely different.ogg")


@pytest.mark.parametrize("rate", [0, -48_000, 999, 10**6, 44_100.5, float("nan"), "48000"])
def test_impossible_rates(tmp_path: Path, rate: float) -> None:
    with pytest.raises(AudioError, match="sample rate"):
        audio.as_sound((noise(), rate))
    with pytest.raises(AudioError, match="sample rate"):
        audio.write(tmp_path / "x.wav", noise(), rate)


@pytest.mark.parametrize(
    "bad",
    [np.zeros((2, 2, 8)), np.array("text"), np.array(["a", "b"]), np.zeros(8, complex), np.zeros(8, np.int64)],
    ids=["3-d", "0-d", "text", "complex", "int64"],
)
def test_arrays_that_are_no_sound(bad: np.ndarray) -> None:
    with pytest.raises(AudioError, match="array: "):
        audio.as_sound((bad, RATE))


def test_things_that_are_no_sound_at_all() -> None:
    for bad in (noise(), 3, None):
        with pytest.raises(AudioError, match="a sound is a file name"):
            audio.as_sound(bad)  # type: ignore[arg-type]


def test_parts_outside_the_file(tmp_path: Path) -> None:
    path = audio.write(tmp_path / "x.wav", noise(), RATE)
    for start_s, duration_s in ((-1.0, None), (1.0, None), (float("nan"), None), (0.0, 0.0), (0.0, -1.0)):
        with pytest.raises(AudioError, match=r"start_s|duration_s"):
            audio.read(path, start_s=start_s, duration_s=duration_s)
    for window_s, hop_s in ((0, 1), (1, 0), (float("nan"), 1)):
        with pytest.raises(AudioError, match="must be positive"):
            list(audio.windows(path, window_s, hop_s))


def test_wrong_conventions(tmp_path: Path) -> None:
    path = audio.write(tmp_path / "x.wav", noise(9), RATE)
    with pytest.raises(ConventionError, match="A-format has 4 channels, this has 9"):
        audio.read(path, convention="a-format")
    with pytest.raises(ConventionError, match="use one of"):
        audio.read(path, convention="ambisonics")


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    path = audio.write(tmp_path / "x.wav", noise(), RATE)
    before = path.read_bytes()
    with pytest.raises(AudioError, match="overwrite=True"):
        audio.write(path, noise() / 2, RATE)
    assert path.read_bytes() == before
    audio.write(path, noise() / 2, RATE, overwrite=True)
    assert path.read_bytes() != before


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path: Path, suffix: str) -> None:
    path = audio.write(tmp_path / f"x{suffix}", noise(n=2000), RATE)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # the kernel refuses to write more, as a full disk does
    try:
        with pytest.raises(AudioError, match="Nothing was changed"):
            audio.write(path, noise(4, 2 * RATE), RATE, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_disk_that_fails_late_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    path = audio.write(tmp_path / "x.wav", noise(), RATE)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((writing.os, "fsync", full) if where == "fsync" else (Path, "replace", full)))
    with pytest.raises(AudioError, match="No space left on device"):
        audio.write(path, noise() / 2, RATE, overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]


@pytest.mark.parametrize(
    ("name", "samples", "rate", "words"),
    [
        ("x.wav", noise() * 3, RATE, "would clip"),
        ("x.mp3", noise(4), RATE, "at most 2 channels"),
        ("x.opus", noise(), 44_100, "resample to 48000"),
        ("x.m4a", noise(), RATE, "cannot write .m4a"),
        ("x", noise(), RATE, "name without suffix"),
        ("no/folder/x.wav", noise(), RATE, "create it first"),
        ("x.wav", np.zeros((1, 0), np.float32), RATE, "samples must be floats"),
        ("x.wav", np.zeros((1, 9), np.int16), RATE, "samples must be floats"),
    ],
)
def test_what_cannot_be_written_says_why(tmp_path: Path, name: str, samples: np.ndarray, rate: int, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        audio.write(tmp_path / name, samples, rate)
    assert list(tmp_path.iterdir()) == []


def test_flac_cannot_hold_floats(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="PCM_16"):
        audio.write(tmp_path / "x.flac", noise(), RATE, subtype="FLOAT")


def test_errors_can_be_told_apart_from_any_suffix_case(tmp_path: Path) -> None:
    make: Callable[[str], Path] = lambda name: audio.write(tmp_path / name, noise(), RATE)  # noqa: E731
    assert audio.read(make("LOUD.WAV")).duration_s == 1.0
