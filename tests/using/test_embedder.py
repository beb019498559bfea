from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake import FakeModel

import open_elsa
from open_elsa.errors import AudioError, CheckpointError, ConfigError, ConventionError, DataError
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder, Location

Sine = Callable[..., np.ndarray]


def noise(seed: int, n: int, channels: int = 4) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, n))).astype(np.float32)


def test_public_names_are_lazy_and_all_there() -> None:
    code = "import sys, open_elsa; assert 'torch' not in sys.modules and 'numpy' not in sys.modules; open_elsa.load"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(open_elsa, name) is not None for name in open_elsa.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = open_elsa.nothing


def test_shapes_units_and_single_items(embedder: Embedder, folder: Path, sine: Sine) -> None:
    one = (sine(400, 1.0), 16000)
    many = embedder.embed_audio([folder / "low.wav", str(folder / "high.wav"), one, audio.as_sound(one)])
    assert many.shape == (4, 16) and many.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-5)
    assert embedder.embed_audio(one).shape == (1, 16)
    assert embedder.embed_audio(str(folder / "low.wav")).shape == (1, 16)
    assert embedder.embed_audio([]).shape == (0, 16) and embedder.embed_text([]).shape == (0, 16)
    texts = embedder.embed_text(["a low tone", "a high tone"])
    scores = embedder.similarity(many, texts)
    assert scores.shape == (4, 2) and scores[0, 0] > scores[0, 1] and scores[1, 1] > scores[1, 0]
    assert embedder.embed_text("a low tone").shape == (1, 16)


def test_batch_equals_single_and_repeats_bit_for_bit(embedder: Embedder) -> None:
    lengths = [16000, 20000, 16000, 90000, 300, 48000, 16000, 100001] * 4
    sounds = [(noise(i, n, 4 if i % 3 else 1), 16000) for i, n in enumerate(lengths)]
    together = embedder.embed_audio(sounds)
    assert max(size for size, _ in embedder.model.batches) == 8, "windows of one length must be computed together"
    alone = np.concatenate([embedder.embed_audio([s]) for s in sounds])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(together, embedder.embed_audio(sounds))
    backwards = embedder.embed_audio(sounds[::-1])[::-1]
    np.testing.assert_allclose(together, backwards, atol=1e-5)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_window_k_is_the_crop(embedder: Embedder, rate: int) -> None:
    x = noise(1, round(5.3 * rate))
    found = embedder.embed_windows((x, rate))
    np.testing.assert_allclose([(w.start_s, w.end_s) for w in found], [(0, 2), (1, 3), (2, 4), (3, 5), (3.3, 5.3)])
    for w in found:
        crop = x[:, round(w.start_s * rate) : round(w.end_s * rate)]
        np.testing.assert_allclose(embedder.embed_audio([(crop, rate)])[0], w.vector, atol=1e-5)
    mean = np.mean([w.vector for w in found], axis=0)
    np.testing.assert_allclose(embedder.embed_audio([(x, rate)])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_a_file_and_its_samples_agree(embedder: Embedder, folder: Path) -> None:
    sound = audio.read(folder / "low.wav")
    a = embedder.embed_audio([folder / "low.wav", (sound.samples, sound.sample_rate), sound])
    np.testing.assert_allclose(a[0], a[1], atol=1e-6)
    np.testing.assert_allclose(a[0], a[2], atol=1e-6)


def test_many_lengths_do_not_pile_up(embedder: Embedder) -> None:
    held: list[int] = []
    finished = 0
    for i, _ in embedder.stream([(noise(i, 8000 + i, 1), 16000) for i in range(100)]):
        finished += 1
        held.append(i + 1 - finished)
    assert finished == 100 and max(held) <= 4 * embedder.batch_size


def test_locate(embedder: Embedder, sine: Sine) -> None:
    places = [(90.0, 0.0), (-170.0, 40.0), (0.0, -60.0)]
    found = embedder.locate([(foa.encode(sine(500, 1), *p), 16000) for p in places])
    assert [(f.azimuth_deg, f.elevation_deg) for f in found] == [pytest.approx(p, abs=0.1) for p in places]
    assert found[0].floor_area_m2 == 60 and found[0].uncertainty_deg == 5
    assert found[0].t30_s is None and found[0].drr_db is None, "None where the model lacks it or gives NaN"


def test_a_long_sound_is_where_its_loudest_window_is(embedder: Embedder, sine: Sine) -> None:
    quiet, loud = foa.encode(sine(500, 6.0, level=0.05), 90), foa.encode(sine(500, 2.0, level=0.5), -90)
    (found,) = embedder.analyse([(np.concatenate([quiet, loud], 1), 16000)])
    assert found.location.azimuth_deg == pytest.approx(-90, abs=1)
    assert (found.start_s, found.end_s) == pytest.approx((6, 8))


def test_mono_and_w_only_have_no_location(embedder: Embedder, sine: Sine) -> None:
    x = sine(500, 1)
    w_only = np.zeros((4, len(x)), np.float32)
    w_only[0] = x
    mono, padded = embedder.analyse([(x, 16000), (w_only, 16000)])
    assert mono.location == padded.location == Location() and not mono.location.known
    assert any("only W" in note for note in padded.notes)
    np.testing.assert_allclose(mono.embedding, padded.embedding, atol=1e-6)


def test_silence_embeds_but_is_nowhere(embedder: Embedder, sine: Sine) -> None:
    with pytest.warns(UserWarning, match="silent"):
        (found,) = embedder.analyse([(np.zeros((4, 16000), np.float32), 16000)])
    assert np.isfinite(found.embedding).all() and found.location == Location() and found.silent
    quiet_start = np.concatenate([np.zeros((4, 64000), np.float32), foa.encode(sine(500, 2.0), 45)], 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = embedder.analyse([(quiet_start, 16000)])
    assert found.location.azimuth_deg == pytest.approx(45, abs=0.1) and not found.silent
    heard = embedder.embed_audio([(foa.encode(sine(500, 2.0), 45), 16000)])[0]
    assert found.embedding @ heard > 0.99, "silence must not dilute what is heard"


def test_short_sounds_are_repeated(embedder: Embedder, sine: Sine) -> None:
    (found,) = embedder.analyse([(sine(1000, 0.001), 16000)])
    assert embedder.model.batches[-1] == (1, 8000)
    assert found.end_s == pytest.approx(0.001) and any("repeated" in n for n in found.notes)
    whole = Embedder(FakeModel(repeat_to_window=True))
    whole.embed_audio([(sine(1000, 0.001), 16000)])
    assert whole.model.batches[-1] == (1, 32000)


@pytest.mark.parametrize(
    ("sound", "error", "says"),
    [
        ((np.zeros((3, 9000), np.float32), 16000), AudioError, "3 channels"),
        ((np.zeros((5, 9000), np.float32), 16000), AudioError, "5 channels"),
        ((np.zeros((9000, 4), np.float32), 16000), AudioError, "transposed"),
        ((np.full((1, 9000), np.nan, np.float32), 16000), AudioError, "NaN"),
        ((np.full(9000, np.inf, np.float32), 16000), AudioError, "infinite"),
        ((np.zeros(0, np.float32), 16000), AudioError, "no samples"),
        ((np.zeros(9000, np.float32), 0), AudioError, "sample rate"),
        (np.zeros(9000, np.float32), AudioError, r"pass \(samples, sample_rate\)"),
        ([np.zeros(9000, np.float32)], AudioError, r"pass \(samples, sample_rate\)"),
        ("nowhere.wav", AudioError, r"nowhere\.wav"),
    ],
)
def test_bad_sounds(embedder: Embedder, sound: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        embedder.embed_audio(sound)


def test_bad_files(embedder: Embedder, folder: Path) -> None:
    (folder / "text.wav").write_text("this is no sound")
    (folder / "empty.wav").write_bytes(b"")
    audio.write(folder / "cut.flac", noise(0, 64000), 16000)
    whole = (folder / "cut.flac").read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    for name in ("text.wav", "empty.wav", "cut.flac"):
        with pytest.raises(AudioError, match=name):
            embedder.embed_audio([folder / name])
    with pytest.raises(ConventionError, match="wxyz"):
        embedder.embed_audio([folder / "low.wav"], convention="wxyz")


def test_one_bad_sound_among_good_ones(embedder: Embedder, sine: Sine) -> None:
    failed: list[int] = []
    bad = sine(400, 5.0)
    bad[-1] = np.nan
    sounds = [(sine(400, 1.0), 16000), (bad, 16000), (sine(400, 1.0), 16000)]
    got = dict(embedder.stream(sounds, on_error=lambda i, error: failed.append(i)))
    assert sorted(got) == [0, 2] and failed == [1]


def test_eight_kilohertz(embedder: Embedder, sine: Sine) -> None:
    low, full = embedder.embed_audio([(sine(400, 1.0, 8000), 8000), (sine(400, 1.0), 16000)])
    assert low @ full > 0.99


def test_texts(embedder: Embedder) -> None:
    for empty in ("", "  \n"):
        with pytest.raises(DataError, match="text 1 is empty"):
            embedder.embed_text(["a dog", empty])
    with pytest.raises(DataError, match="string"):
        embedder.embed_text(["a dog", None])  # type: ignore[list-item]
    with pytest.warns(UserWarning, match="10000 words; the first 20"):
        long = embedder.embed_text(["dog " * 10000])
    np.testing.assert_array_equal(long, embedder.embed_text(["dog " * 20]))
    assert embedder.embed_text(["x"] * 150).shape == (150, 16)


def test_classify(embedder: Embedder, sine: Sine) -> None:
    (found,) = embedder.classify([(sine(1200, 1.0), 16000)], ["low", "middle", "high"], "a {} tone")
    assert next(iter(found)) == "middle" and sum(found.values()) == pytest.approx(1, abs=1e-5)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    for labels, template in ((["low", "low"], "a {}"), ([], "a {}"), ("low", "a {}"), (["low"], "a tone")):
        with pytest.raises(DataError):
            embedder.classify([(sine(1200, 1.0), 16000)], labels, template)


def test_similarity_checks_shapes(embedder: Embedder) -> None:
    with pytest.raises(DataError, match=r"\(1, 3\)"):
        embedder.similarity(np.ones((2, 16), np.float32), np.ones(3, np.float32))


def test_hash_follows_the_weights(embedder: Embedder) -> None:
    assert embedder.weights_sha256 == Embedder(FakeModel()).weights_sha256
    assert embedder.weights_sha256 != Embedder(FakeModel(seed=1)).weights_sha256


def test_damaged_weights_and_wrong_devices(sine: Sine) -> None:
    model = FakeModel()
    model.mix[:] = float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        Embedder(model).embed_audio([(sine(400, 1.0), 16000)])
    with pytest.raises(ConfigError, match="quantum"):
        Embedder(FakeModel(), device="quantum")
    with pytest.raises(ConfigError, match="batch_size"):
        Embedder(FakeModel(), batch_size=0)


def test_load_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        open_elsa.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        open_elsa.load(tmp_path)
    (tmp_path / "config.json").write_text(FakeModel().config.to_json())
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        open_elsa.load(tmp_path)
