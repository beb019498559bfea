"""Directions in vectors: exchanged and removed where they are, with all else untouched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fake import FakeModel

from open_elsa.errors import DataError
from open_elsa.scenes.attributes import DIRECTION, EIGHT, prompts
from open_elsa.using import edit
from open_elsa.using.embedder import Embedder

#: The four directions in three dimensions of eight, not orthogonal, beside what all these texts share.
CORNERS = {"front": (1.0, 0.1, 0.0), "left": (0.1, 1.0, 0.3), "back": (-0.9, 0.2, 0.4), "right": (0.0, -1.0, 0.2)}


class Texts:
    """Every sentence about a direction is that direction's corner and a share that they have in common."""

    def __init__(self) -> None:
        self.known = {text: word for word in CORNERS for text in edit.direction_sentences(word)}

    def embed_text(self, texts: Sequence[str], /) -> np.ndarray:  # type: ignore[type-arg]
        rows = np.zeros((len(texts), 8))
        rows[:, 5] = 0.7
        for row, text in zip(rows, texts, strict=True):
            row[:3] = CORNERS[self.known[text]]
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def sounds(n: int = 5) -> np.ndarray:  # type: ignore[type-arg]
    rows = np.random.default_rng(0).standard_normal((n, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_move_turns_the_direction_and_nothing_else() -> None:
    where = edit.Directions.of(Texts())
    before = sounds()
    after = where.move(before, 90.0)
    assert after.shape == before.shape and after.dtype == np.float32
    assert np.allclose(np.linalg.norm(after, axis=1), 1, atol=1e-6)
    outside = np.eye(8) - where.basis.T @ where.basis
    assert np.allclose(after @ outside, before @ outside, atol=1e-6)
    # what lies inside keeps its length and points at the corner of left
    inside = after @ where.basis.T
    assert np.allclose(np.linalg.norm(inside, axis=1), np.linalg.norm(before @ where.basis.T, axis=1), atol=1e-6)
    left = where.corners[1] / np.linalg.norm(where.corners[1])
    assert np.allclose(inside / np.linalg.norm(inside, axis=1, keepdims=True), left, atol=1e-5)


def test_moves_forget_where_a_sound_was() -> None:
    where = edit.Directions.of(Texts())
    there = where.move(sounds(), 30.0)
    assert np.allclose(where.move(where.move(sounds(), -120.0), 30.0), there, atol=1e-6)
    assert np.allclose(where.move(sounds(), 390.0), there, atol=1e-6)


def test_between_two_words_theirs_are_mixed() -> None:
    where = edit.Directions.of(Texts())
    inside = where.move(sounds(1), 45.0) @ where.basis.T
    middle = where.corners[0] + where.corners[1]
    assert float(inside[0] @ middle) == pytest.approx(np.linalg.norm(inside) * np.linalg.norm(middle), rel=1e-5)
    # the nearer word weighs more
    near = (where.move(sounds(1), 20.0) @ where.basis.T)[0]
    assert near @ where.corners[0] > near @ where.corners[1]


def test_a_removed_direction_is_no_longer_there() -> None:
    where = edit.Directions.of(Texts())
    after = where.remove(sounds())
    assert np.allclose(after @ where.basis.T, 0, atol=1e-6) and np.allclose(np.linalg.norm(after, axis=1), 1, atol=1e-6)
    assert np.allclose(edit.remove_direction(Texts(), sounds()), after)


@pytest.mark.parametrize(
    ("text", "azimuth_deg"),
    [
        ("on my right", -90.0),
        ("left", 90.0),
        ("straight ahead", 0.0),
        ("from behind me", 180.0),
        ("in front of me to the left", 45.0),
        ("back right", -135.0),
        ("at three o'clock", -90.0),
        ("30 degrees to the left", 30.0),
    ],
)
def test_words_for_where_to(text: str, azimuth_deg: float) -> None:
    assert (edit.azimuth_of(text) - azimuth_deg) % 360 == 0
    assert np.allclose(edit.move(Texts(), sounds(), text), edit.move(Texts(), sounds(), azimuth_deg), atol=1e-6)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "above me", "far away", "on my right, far away", "not on the left", "on the left and on the right",
     "from the left to the right", "on the left in a large room", "a dog on the left; rain on the right"],
)  # fmt: skip
def test_words_that_are_not_one_direction_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="one direction and nothing else"):
        edit.move(Texts(), sounds(), text)


def test_vectors_of_another_model_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(n, 8\), got \(2, 9\)"):
        edit.move(Texts(), np.ones((2, 9)), 0.0)
    with pytest.raises(DataError, match="finite"):
        edit.move(Texts(), sounds(), float("nan"))


def test_editing_texts_and_test_prompts_share_no_sentence() -> None:
    said = {text.lower() for word in DIRECTION.classes for text in edit.direction_sentences(word)}
    asked = {text.lower() for name in ("direction", EIGHT.name) for texts in prompts(name).values() for text in texts}
    assert len(said) > 60 and not said & asked
    # and every sentence says its own direction
    for word in DIRECTION.classes:
        assert {edit.azimuth_of(text) % 360 for text in edit.direction_sentences(word)} == {edit.AZIMUTHS[word] % 360}


def test_a_model_moves_its_own_vectors() -> None:
    model = Embedder(FakeModel(window_s=10.0))
    rng = np.random.default_rng(1)
    here = model.embed_audio([((0.1 * rng.standard_normal((4, 16_000))).astype(np.float32), 16_000)])
    there = model.move(here, "on my right")
    assert there.shape == (1, model.dim) and np.allclose(there, edit.move(model, here, -90.0))
    assert model.move(here[0], -90.0).shape == (1, model.dim)
