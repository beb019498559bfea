"""Exchanging directions on vectors that are written down, so that accuracy and change of recall are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from eval_fakes import FakeSet, Perfect, code, spatial_items

from open_elsa.errors import DataError
from open_elsa.evals import swap
from open_elsa.evals.observe import EvalItem, observe
from open_elsa.evals.report import full
from open_elsa.evals.result import Result
from open_elsa.scenes.attributes import DIRECTION, prompts, words_for
from open_elsa.using.edit import direction_sentences


class Plain(Perfect):
    """A sound is what it is plus a share of its direction; a caption is what it is, or, for decoys, a direction.

    said: whether the texts that edit vectors say directions at all.
    """

    def __init__(self, rows: list[EvalItem], place: float, said: bool = True) -> None:
        super().__init__(rows)
        self.place = place
        if not said:
            self.meaning |= {t: code("nothing") for w in DIRECTION.classes for t in direction_sentences(w)}

    def vector(self, item: EvalItem) -> np.ndarray:  # type: ignore[type-arg]
        v = code(f"clip={item.clip_id}") + self.place * code(f"direction={item.words.direction}")
        return (v / np.linalg.norm(v)).astype(np.float32)

    def _text(self, text: str) -> np.ndarray:  # type: ignore[type-arg]
        kind, _, rest = text.partition(" ")
        if kind == "clip":
            return code(f"clip={rest}")
        if kind == "decoy":
            return code(f"direction={rest.split(' ')[-1]}")
        return super()._text(text)


def rows_with_decoys() -> list[EvalItem]:
    """240 scenes of 12 clips in four directions, and 40 between them whose captions say nothing but a direction."""
    clips = [f"c{i // 4 % 12}" for i in range(240)]  # every clip is heard from everywhere
    rows = [replace(r, clip_id=c, plain=(f"clip {c}",)) for r, c in zip(spatial_items(240), clips, strict=True)]
    for k, spare in enumerate(spatial_items(280)[240:]):
        word = DIRECTION.classes[k % 4]
        words = words_for(45.0, 0.0, 1.5, None, None)
        rows.append(
            replace(spare, words=words, truth={**spare.truth, "azimuth_deg": 45.0}, plain=(f"decoy {k} {word}",))
        )
    return rows


def swapped(place: float, said: bool = True) -> Result:
    embedder = Plain(rows_with_decoys(), place, said)
    return swap.run(embedder, observe(embedder, FakeSet(embedder.rows)))


def test_directions_that_are_added_can_be_exchanged() -> None:
    result = swapped(place=0.5)
    for way in ("paper", "own"):
        assert result.metrics[f"{way}.accuracy"] == result.metrics[f"{way}.sounds.accuracy"] == 1
        assert result.metrics[f"{way}.n"] == result.n == 240 and result.intervals[f"{way}.accuracy"].low > 0.98
        assert result.metrics[f"{way}.azimuth_deg"] < 20
    assert result.metrics["misread"] == 0
    pairs = result.details["pairs"]
    assert len(pairs) == 2 * (12 + 4) and all(p["n"] == 60 for p in pairs)
    assert {(p["old"], p["new"]) for p in pairs if p["way"] == "own"} >= {("left", "right"), ("left", None)}


def test_what_is_heard_is_found_as_before_where_the_place_is_quiet() -> None:
    # a clip's caption lies at 1 / sqrt(1.25) = 0.89, the ten decoys of the direction at 0.45, before and after
    result = swapped(place=0.5)
    assert result.metrics["R@10"] == 1
    assert result.metrics["own.change_R@10_points"] == result.metrics["own.removed.change_R@10_points"] == 0


def test_taking_a_loud_place_out_lets_what_is_heard_be_found() -> None:
    # now the ten decoys of the direction lie at 0.89 and the clip's caption at 0.45, in eleventh place
    result = swapped(place=2.0)
    assert result.metrics["R@10"] == 0
    assert result.metrics["own.change_R@10_points"] == 0  # ten others are in the way after the move
    assert result.metrics["own.removed.change_R@10_points"] == 100
    assert result.metrics["own.removed.accuracy"] < 0.6 and result.metrics["own.accuracy"] == 1


def test_a_model_whose_texts_say_no_direction_moves_nothing() -> None:
    result = swapped(place=0.5, said=False)
    assert result.metrics["paper.accuracy"] == 0 and result.metrics["paper.removed.accuracy"] == 1
    assert result.metrics["paper.sounds.accuracy"] == 0


def test_a_model_that_reads_no_direction_cannot_be_tested() -> None:
    embedder = Perfect(spatial_items())
    embedder.meaning |= {t: code("same") for texts in prompts("direction").values() for t in texts}
    with pytest.raises(DataError, match="well-read scenes of each direction"):
        swap.run(embedder, observe(embedder, FakeSet(embedder.rows)))


def test_without_captions_of_the_clips_the_recall_is_left_out() -> None:
    embedder = Perfect([replace(r, plain=()) for r in spatial_items()])
    result = swap.run(embedder, observe(embedder, FakeSet(embedder.rows)))
    assert "R@10" not in result.metrics and "R@10" in result.details["left_out"]
    page = full([result])
    assert "| own | left | right | 60 | 100.0 % | – |" in page and "Not tested here: R@10" in page
    assert result.metrics["paper.accuracy"] == 1
