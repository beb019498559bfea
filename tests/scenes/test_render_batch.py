"""Batches on a torch device and data-loader workers: the sound that a scene has when it is rendered alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from torch.utils.data import DataLoader

from open_elsa.errors import DataError
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.microphone import MicrophoneRanges
from open_elsa.scenes.render_batch import RenderedScenes, render_batch
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.shard_reader import ShardReader
from open_elsa.scenes.shards import ShardSettings, export_shards
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes

RATE = 8_000
PLAIN = SceneRecipe(duration_s=1.2, min_duration_s=0.5, snr_db=(5.0, 20.0), clean_share=0.3)
BUSY = replace(PLAIN, sources=(1, 3), moving_share=0.3, ambience="pink", microphone=MicrophoneRanges())


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoomBank:
    return make_bank(tmp_path_factory.mktemp("bank"), rooms=2, positions_per_room=4, seed=5, sample_rate=RATE)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for n, (name, seconds) in enumerate([("dog", 0.4), ("rain", 3.0), ("bell", 0.7)]):
        path = folder / f"{name}.wav"
        soundfile.write(path, 0.2 * np.random.default_rng(n).standard_normal(round(seconds * RATE)), RATE)
        made.append(Clip(f"c{n}", str(path), (f"a {name}",), "tiny", "train", "CC0", seconds, label=name))
    return made


def agree(scenes: SceneSet, indices: Sequence[int]) -> None:
    batch = render_batch(scenes, indices).numpy()
    assert batch.dtype == np.float32
    for sound, i in zip(batch, indices, strict=True):
        wanted = scenes.render(i)
        assert np.abs(sound[:, : wanted.shape[1]] - wanted).max() <= 1e-5 * np.abs(wanted).max()
        assert not sound[:, wanted.shape[1] :].any()
    assert batch.shape[2] == max(scenes.render(i).shape[1] for i in indices)


def test_batches_are_what_single_scenes_are(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    plain = make_scenes(tmp_path / "plain", clips, bank, scenes=8, seed=1, recipe=PLAIN)
    assert {scene.snr_db is None for scene in plain} == {True, False}
    assert len({scene.duration_s for scene in plain}) > 1
    agree(plain, [5, 0, 1, 2, 2])
    agree(plain, [7])
    with pytest.raises(DataError, match="at least one"):
        render_batch(plain, [])


def test_several_sources_walks_ambience_and_microphones_too(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    busy = make_scenes(tmp_path / "busy", clips, bank, scenes=8, seed=2, recipe=BUSY)
    sources = [source for scene in busy for source in scene.sources]
    assert {source.path is None for source in sources} == {True, False}
    agree(busy, range(8))


def test_workers_and_an_export_give_the_same_sound(tmp_path: Path, clips: list[Clip], bank: RoomBank) -> None:
    made = make_scenes(tmp_path / "s", clips, bank, scenes=6, seed=3, recipe=PLAIN)
    export_shards(made, tmp_path / "shards", ShardSettings(bits=24))
    reader = ShardReader.open(tmp_path / "shards")
    loader = DataLoader(
        RenderedScenes(made), batch_size=None, num_workers=2, shuffle=True, multiprocessing_context="spawn"
    )
    seen = set()
    for i, sound in loader:
        wanted = made.render(i)
        assert np.array_equal(np.asarray(sound), wanted)
        gain = min(1.0, 0.97 / np.abs(wanted).max())
        assert np.abs(reader[i].audio - np.float32(gain) * wanted).max() <= 2.0**-23
        seen.add(i)
    assert seen == set(range(6))
