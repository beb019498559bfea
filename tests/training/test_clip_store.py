"""Decoded clips: made once, whole or not at all, with a few bad ones left out."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from world import RATE, SOUNDS, sound, write_corpus

from open_elsa.corpora import load
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip
from open_elsa.sound import audio
from open_elsa.training import clip_store
from open_elsa.training.clip_store import build_store


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return list(load(write_corpus(tmp_path / "sounds")).clips)


def spoil(clips: list[Clip]) -> None:
    """Delete the second clip, silence the third."""
    Path(clips[1].path).unlink()
    Path(clips[2].path).unlink()
    audio.write(clips[2].path, np.zeros((1, RATE), dtype=np.float32), RATE)


def test_samples_are_the_files(clips: list[Clip], tmp_path: Path) -> None:
    store = build_store(tmp_path / "cache", clips, RATE)
    assert store.ids == [c.id for c in clips]
    assert len(store) == len(SOUNDS)
    for k, label in enumerate(SOUNDS):
        start, stop = audio.active_span(sound(label), RATE)
        np.testing.assert_allclose(store[k], sound(label)[start:stop], atol=2 / 32768)


def test_silence_at_the_ends_is_cut_and_long_clips_too(tmp_path: Path) -> None:
    tone = sound("siren", 1.0)
    padded = np.concatenate([np.zeros(RATE // 2), tone, np.zeros(RATE)]).astype(np.float32)
    audio.write(tmp_path / "a.wav", padded[None], RATE)
    clip = Clip("a", str(tmp_path / "a.wav"), ("a siren",), "c", "train", "CC0-1.0", 2.5)
    assert len(build_store(tmp_path, [clip], RATE)[0]) == pytest.approx(len(tone), abs=RATE // 50)
    short = build_store(tmp_path, [clip], RATE, max_seconds=0.7)
    assert len(short[0]) == pytest.approx(0.2 * RATE, abs=RATE // 50)
    assert build_store(tmp_path, [clip], 16000).sample_rate == 16000
    assert len(build_store(tmp_path, [clip], 16000)[0]) == pytest.approx(len(tone) / 2, abs=320)


def test_bad_clips_are_left_out(clips: list[Clip], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spoil(clips)
    store = build_store(tmp_path / "cache", clips, RATE, max_problems=2)
    assert store.ids == [c.id for k, c in enumerate(clips) if k not in (1, 2)]
    assert sum("skipped" in message for message in caplog.messages) == 2
    start, stop = audio.active_span(sound(clips[3].label), RATE)
    np.testing.assert_allclose(store[1], sound(clips[3].label)[start:stop], atol=2 / 32768)


def test_too_many_bad_clips_stop_it(clips: list[Clip], tmp_path: Path) -> None:
    spoil(clips)
    with pytest.raises(DataError, match="more than 1 clips"):
        build_store(tmp_path / "cache", clips, RATE, max_problems=1)
    assert not list((tmp_path / "cache").glob("*/store.json"))


def test_no_usable_clip_is_an_error(clips: list[Clip], tmp_path: Path) -> None:
    spoil(clips)
    with pytest.raises(DataError, match="none of the 2 clips"):
        build_store(tmp_path / "cache", clips[1:3], RATE)


def test_a_store_is_made_once(clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_store(tmp_path / "cache", clips, RATE)
    monkeypatch.setattr(clip_store, "_decode", lambda *_: pytest.fail("decoded again"))
    again = build_store(tmp_path / "cache", clips, RATE)
    assert again.folder == first.folder
    np.testing.assert_array_equal(again[5], first[5])
    with pytest.raises(BaseException, match="decoded again"):
        build_store(tmp_path / "cache", clips[:-1], RATE)  # other clips, another store


def test_a_kill_before_the_table_leaves_nothing_half(
    clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if Path(target).name == "store.json":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        build_store(tmp_path / "cache", clips, RATE)
    whole = build_store(tmp_path / "other", clips, RATE)
    resumed = build_store(tmp_path / "cache", clips, RATE)
    assert resumed.ids == whole.ids
    assert (resumed.folder / "samples.int16").read_bytes() == (whole.folder / "samples.int16").read_bytes()
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_store_travels_without_its_map(clips: list[Clip], tmp_path: Path) -> None:
    store = build_store(tmp_path / "cache", clips, RATE)
    store[0]
    travelled = pickle.dumps(store)
    assert len(travelled) < 10_000
    np.testing.assert_array_equal(pickle.loads(travelled)[3], store[3])
