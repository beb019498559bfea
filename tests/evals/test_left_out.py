"""Classes left out of training: only their clips count, among themselves and among all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from eval_fakes import Deaf, FakeSet, Perfect, code, mono_items, spatial_items

from open_elsa.errors import DataError
from open_elsa.evals import left_out
from open_elsa.evals.observe import observe

LEFT_OUT = ("dog", "rain")


class Confused(Perfect):
    """Takes every dog for church bells, and never heard of either dog or rain."""

    left_out = LEFT_OUT

    def embed_text(self, texts: Sequence[str], /) -> np.ndarray:  # type: ignore[type-arg]
        swapped = [{"the sound of church bells": "the sound of dog"}.get(t, t) for t in texts]
        near = [0.9 if t == "the sound of dog" else 1.0 for t in texts]  # bells fit a dog better than "dog" does
        rows = np.stack([k * self._text(t) + (1 - k) * code("other") for t, k in zip(swapped, near, strict=True)])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def run(make: type[Perfect], **attributes: Any) -> Any:
    mono, scenes = mono_items(), spatial_items(60)
    model, rooms = make(mono), make(scenes)
    for name, value in attributes.items():
        setattr(model, name, value)
    seen_mono, seen_scenes = observe(model, FakeSet(mono, "mono")), observe(rooms, FakeSet(scenes))
    return left_out.run(model, seen_mono, seen_scenes)


def test_a_perfect_listener_names_what_it_never_heard() -> None:
    result = run(Perfect, left_out=LEFT_OUT)
    assert result.task == "left_out" and result.details["classes"] == ["dog", "rain"]
    for part, n in (("mono", 8), ("rooms", 40)):
        assert result.metrics[f"{part}.n"] == n
        for among in ("among_left_out", "among_all"):
            assert result.metrics[f"{part}.{among}.accuracy"] == 1
            assert 0.5 < result.intervals[f"{part}.{among}.accuracy"].low <= 1
    assert result.metrics["among_left_out.chance"] == 1 / 2 and result.metrics["among_all.chance"] == 1 / 3
    assert result.n == 48 and set(result.items["true"]) == {"dog", "rain"}


def test_another_class_can_only_be_mistaken_among_all() -> None:
    result = run(Confused)
    assert result.metrics["mono.among_left_out.accuracy"] == 1
    assert result.metrics["mono.among_all.accuracy"] == 0.5  # every rain, no dog
    assert result.details["recall"] == {"dog": 0.0, "rain": 1.0}


def test_a_deaf_one_is_near_chance() -> None:
    result = run(Deaf, left_out=LEFT_OUT)
    assert result.metrics["rooms.among_left_out.accuracy"] == pytest.approx(0.5, abs=0.25)


def test_a_model_that_left_nothing_out_is_not_asked() -> None:
    with pytest.raises(DataError, match="left no class out"):
        run(Perfect)
    with pytest.raises(DataError, match="clips of 1 of the classes left out"):
        run(Perfect, left_out=("dog", "unicorn"))
