"""The recordings beside the checkout: every name understood, captions of people readable, scenes in measured rooms."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from open_elsa import corpora
from open_elsa.corpora import audiocaps, clotho, elsa_clips, label_tables
from open_elsa.scenes import captions
from open_elsa.scenes.measured import open_measured
from open_elsa.scenes.synthesis import SceneRecipe, make_scenes

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def loaded(shared_data: Path) -> corpora.Loaded:
    return corpora.load("elsa_clips", shared_data)


def test_clips_are_there_and_named(loaded: corpora.Loaded, shared_data: Path) -> None:
    assert not loaded.problems
    assert len(loaded.clips) > 4500
    assert len(elsa_clips.unnamed(shared_data)) < 250
    assert all(clip.captions and clip.label in clip.captions for clip in loaded.clips)


def test_esc50_is_whole_and_no_recording_crosses_into_test(loaded: corpora.Loaded) -> None:
    esc50 = [c for c in loaded.clips if c.corpus == "esc50"]
    assert Counter(c.split for c in esc50) == {"train": 800, "val": 400, "test": 400}
    assert {c.label for c in esc50} == set(label_tables.ESC50)
    splits: dict[str, set[str]] = {}
    for clip in esc50:
        splits.setdefault(clip.recording, set()).add(clip.split)
    # two originals hold two classes each, which the data set put into folds 2 and 3
    assert {r for r, found in splits.items() if len(found) > 1} == {"131943", "134049"}
    assert all(found == {"test"} for found in splits.values() if "test" in found)


def test_captions_do_not_speak_of_places(loaded: corpora.Loaded) -> None:
    said = {text for clip in loaded.clips for text in clip.captions}
    placed = [text for text in said if not captions.parse(text).empty]
    assert not placed


def test_human_captions_are_read(shared_data: Path) -> None:
    folder = shared_data / "captions"
    five = [len(c) for c in audiocaps.captions(folder / "audiocaps" / "test.csv").values()]
    assert len(five) == 975
    assert set(five) == {5}
    assert len(clotho.captions(folder / "clotho" / "evaluation_captions.csv")) == 1045


def test_scenes_in_a_measured_room(loaded: corpora.Loaded, shared_data: Path, tmp_path: Path) -> None:
    bank = open_measured(shared_data / "measured-rooms" / "MainChurch")
    clips = [c for c in loaded.clips if c.split == "test" and c.corpus == "esc50"][::100]
    pairs = [(clip.id, name) for name in bank.ids[:3] for clip in clips]
    made = make_scenes(tmp_path, clips, bank, pairs=pairs, recipe=SceneRecipe(snr_db=None, captions_per_scene=1))
    assert len(made) == 12
    for i in range(0, 12, 5):
        sound = made.render(i)
        assert sound.shape == (4, 240_000)
        assert np.isfinite(sound).all()
        assert np.abs(sound[0]).max() > 1e-4
        assert made.truth(i)["floor_area_m2"] is None
