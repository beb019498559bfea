from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from open_elsa.errors import DataError
from open_elsa.scenes import captions
from open_elsa.scenes.scene import SpatialWords
from open_elsa.sound import foa
from open_elsa.using.describe import describe, sentence, words_of
from open_elsa.using.embedder import Embedder, Location
from open_elsa.using.sound_names import SOUND_NAMES

Sine = Callable[..., np.ndarray]
NAMES = ["a low tone", "a middle tone", "a high tone"]


def test_what_and_where(embedder: Embedder, folder: Path) -> None:
    low, high = describe([folder / "low.wav", folder / "high.wav"], embedder, names=NAMES, tags=2)
    assert low.tags[0][0] == "a low tone" and len(low.tags) == 2 and low.tags[0][1] > low.tags[1][1]
    assert low.words.direction == "left" and captions.parse(low.text).direction == "left" and "low tone" in low.text
    assert high.tags[0][0] == "a high tone" and high.words.empty and captions.parse(high.text).empty
    assert describe(folder / "low.wav", embedder, names=NAMES, tags=2) == [low], "the same recording, the same sentence"


def test_silence(embedder: Embedder) -> None:
    with pytest.warns(UserWarning, match="silent"):
        (found,) = describe((np.zeros((4, 16000), np.float32), 16000), embedder)
    assert found.text == "silence" and found.tags == ()


def test_words_of_a_location() -> None:
    assert words_of(Location()).empty
    assert words_of(Location(-90, 50, 0.5, 150, 1.5)) == SpatialWords(
        "right", "up", "near", "large", "highly reverberant"
    )


def test_names_that_read_like_places() -> None:
    words = SpatialWords("left", None, "far", None, None)
    for name in ("a small dog", "a sound on the right", "someone waking up"):
        text = sentence(name, words)
        assert captions.parse(text) == words, text
        assert " ".join(name.split()[:2]) in text.lower() and text == sentence(name, words)


def test_every_shipped_name_makes_a_sentence() -> None:
    assert len(SOUND_NAMES) == len(set(SOUND_NAMES)) > 200
    for name in SOUND_NAMES:
        assert captions.parse(f"the sound of {name}").empty, name
        words = SpatialWords("left", "up", "far", "large", None)
        assert captions.parse(sentence(name, words)) == words, name


def test_nothing_to_choose_from(embedder: Embedder, sine: Sine) -> None:
    with pytest.raises(DataError):
        describe((foa.encode(sine(400, 1), 0), 16000), embedder, names=[])
