"""Geometry of embeddings that were made: kept apart, mixed up, fused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from eval_fakes import FakeSet, Perfect, spatial_items
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import clusters, geometry, plots, projection
from open_elsa.evals.explained import explained
from open_elsa.evals.mono_classes import prompt
from open_elsa.evals.observe import EvalItem, Observations, observe
from open_elsa.evals.result import Result, load_items, load_results
from open_elsa.scenes.attributes import ATTRIBUTES, prompts

WHAT, WHERE = 24, 40
PROJECT = projection.project


def vector(key: str, dim: int) -> NDArray[np.float32]:
    """A random unit vector that belongs to a key for ever."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    v = np.random.default_rng(seed).standard_normal(dim)
    return (v / np.linalg.norm(v)).astype(np.float32)


class Halves(Perfect):
    """[what | where]: what comes of the label and some noise, where of the words and some noise."""

    def __init__(self, rows: Sequence[EvalItem], *, where_dim: int = WHERE) -> None:
        super().__init__(rows)
        self.config = SimpleNamespace(where_dim=where_dim)

    def half(self, keys: Sequence[str], dim: int, noise: str) -> Any:
        v = sum((vector(key, dim) for key in keys), np.zeros(dim)) + 0.5 * vector(noise, dim)
        return v / np.linalg.norm(v)

    def joined(self, label: str, words: Sequence[str], noise: str) -> NDArray[np.float32]:
        what, where = self.half([label], WHAT, f"what {noise}"), self.half(words, WHERE, f"where {noise}")
        return (np.concatenate([what, where]) / np.sqrt(2)).astype(np.float32)

    def vector(self, item: EvalItem) -> NDArray[np.float32]:
        words = [f"{a}={w}" for a in ATTRIBUTES if (w := getattr(item.words, a))]
        return self.joined(item.label, words, item.id)

    def _text(self, text: str) -> NDArray[np.float32]:
        if text in self.by_caption:
            item = self.by_caption[text]
            words = [f"{a}={w}" for a in ATTRIBUTES if (w := getattr(item.words, a))]
            return self.joined(item.label, words, text)
        for attribute in ATTRIBUTES:
            for word, sentences in prompts(attribute).items():
                if text in sentences:
                    where = vector(f"{attribute}={word}", WHERE)
                    return np.concatenate([np.zeros(WHAT), where]).astype(np.float32)
        label = next(r.label for r in self.rows if prompt(r.label) == text)
        return np.concatenate([vector(label, WHAT), np.zeros(WHERE)]).astype(np.float32)


def items() -> list[EvalItem]:
    """Scenes whose rooms hold each direction, and whose clips are heard from everywhere."""
    rng = np.random.default_rng(0)
    found = []
    for i, item in enumerate(spatial_items(256)):
        label = ("dog", "rain", "church bells")[int(rng.integers(3))]
        clip = f"{label} {rng.integers(8)}"
        found.append(
            replace(
                item,
                label=label,
                clip_id=clip,
                recording=clip,
                place=f"p{i}",
                room=f"room {i // 16}",
                captions=(f"{label}, take {i}",),
                group="",
            )
        )
    return found


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Smaller samples, fewer repetitions and simpler maps than a measurement needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "MOST", 24)
        patch.setattr(clusters, "ROUNDS", 4)
        patch.setattr(clusters, "RESAMPLINGS", 12)
        patch.setattr(geometry, "explained", partial(explained, rounds=99))
        patch.setattr(projection, "project", lambda vectors, seed: (np.asarray(vectors[:, :2], float), "none"))
        yield


@pytest.fixture(scope="module")
def apart() -> tuple[Halves, Observations, Result]:
    return ready(Halves(items()))


def ready(model: Halves) -> tuple[Halves, Observations, Result]:
    seen = observe(model, FakeSet(model.rows, name="simulated"))
    return model, seen, geometry.run(model, seen)


def test_halves_that_are_kept_apart_hold_only_their_own(apart: tuple[Halves, Observations, Result]) -> None:
    found, spans = apart[2].metrics, apart[2].intervals
    for name, attribute in ATTRIBUTES.items():
        chance = found[f"probe.{name}.chance"]
        assert chance == 1 / len(attribute.classes)
        assert found[f"probe.where.{name}.accuracy"] > 0.95 < found[f"probe.whole.{name}.accuracy"] + 0.1
        assert found[f"probe.what.{name}.accuracy"] == pytest.approx(chance, abs=0.15)
        assert spans[f"clusters.where.{name}.audio"].low > 1.05 < found[f"clusters.where.{name}.match"]
        assert found[f"clusters.what.{name}.audio"] == pytest.approx(1.0, abs=0.07)
        assert found[f"clusters.where.{name}.gap"] == pytest.approx(1.0, abs=0.05)  # captions are made as sounds are
        assert found[f"query_what.what.{name}.explained"] < 0.06 and found[f"query_what.what.{name}.p"] > 0.01
        assert found[f"query_where.where.{name}.explained"] < 0.06
    assert found["probe.what.sound.accuracy"] > 0.95 and found["probe.where.sound.accuracy"] < 0.5
    assert found["clusters.what.sound.audio"] > 1.5 and found["clusters.where.sound.audio"] < 1.05
    assert found["probe.what.azimuth.mean_deg"] > 75 and found["probe.where.azimuth.mean_deg"] < 25
    assert found["probe.azimuth.chance_deg"] == pytest.approx(90, abs=1)
    assert apart[2].details["left_out"] == {}
    # halves are asked only for what they are for
    assert not any(k.startswith(("query_what.where", "query_where.what")) for k in found)


def test_halves_that_leak_are_caught(apart: tuple[Halves, Observations, Result]) -> None:
    model, seen, clean = apart
    front = np.array([w.direction == "front" for w in seen.words])
    dog = np.array([label == "dog" for label in seen.labels])
    vectors = seen.embeddings.copy()
    vectors[front, :WHAT] += 0.6 * vector("heard from ahead", WHAT)
    vectors[dog, WHAT:] += 0.6 * vector("it barked", WHERE)
    found = geometry.run(model, replace(seen, embeddings=vectors)).metrics
    # one direction of four and one class of three are given away: half of the balanced accuracy, and two thirds
    assert found["probe.what.direction.accuracy"] == pytest.approx(0.5, abs=0.1)
    assert found["probe.where.sound.accuracy"] == pytest.approx(2 / 3, abs=0.1)
    for name in ("query_what.what.direction", "query_where.where.direction"):
        assert found[f"{name}.explained"] > 3 * found[f"{name}.chance"] and found[f"{name}.p"] == 0.01
    assert found["clusters.what.direction.audio"] > clean.metrics["clusters.what.direction.audio"] + 0.02


def test_a_fused_model_is_only_seen_whole() -> None:
    found = ready(Halves(items(), where_dim=0))[2]
    views = {k.split(".")[1] for k in found.metrics if k.startswith(("clusters.", "query_"))}
    assert views == {"whole"} and set(found.details["projection"]) == {"whole"}
    assert geometry.views_of(object(), 8) == [geometry.View("whole", slice(0, 8))]  # type: ignore[arg-type]


def test_halves_are_of_unit_length_and_zeros_stay() -> None:
    whole, what, where = geometry.views_of(Halves(items()), WHAT + WHERE)
    assert (what.name, where.name) == ("what", "where")
    vectors = np.array([[3.0] * WHAT + [0.0] * WHERE], dtype=np.float32)
    assert np.linalg.norm(what.of(vectors)) == pytest.approx(1) == np.linalg.norm(whole.of(vectors))
    assert what.of(vectors).shape == (1, WHAT) and not where.of(vectors).any()


def test_without_captions_only_sounds_are_compared(apart: tuple[Halves, Observations, Result]) -> None:
    model, seen, _ = apart
    result = geometry.run(model, replace(seen, captions=[()] * len(seen)))
    assert "clusters.whole.direction.audio" in result.metrics
    assert not any(k.startswith("clusters.") and k.endswith((".text", ".gap", ".match")) for k in result.metrics)


def test_few_scenes_say_what_is_missing(apart: tuple[Halves, Observations, Result]) -> None:
    model, seen, _ = apart
    with pytest.raises(DataError, match=r"no attribute.*fewer than 10 scenes"):
        geometry.run(model, seen.subset(range(9)))
    labelless = replace(seen, labels=[""] * len(seen)).subset(range(128))
    result = geometry.run(model, labelless)
    assert "sound" in result.details["left_out"] and "probe.whole.sound.accuracy" not in result.metrics
    # one room: nothing to test a probe on, and its size can't be compared with another
    alone = replace(seen, rooms=["r"] * len(seen)).subset(range(128))
    result = geometry.run(model, alone)
    assert {"probe", "room_size"} <= set(result.details["left_out"])
    assert "clusters.whole.direction.audio" in result.metrics


def test_a_subset_keeps_rows_together(apart: tuple[Halves, Observations, Result]) -> None:
    seen = apart[1]
    part = seen.subset([5, 2])
    assert list(part.ids) == ["s5", "s2"] and part.rooms[1] == seen.rooms[2] and len(part) == 2
    assert np.array_equal(part.embeddings[0], seen.embeddings[5])
    assert part.truth["azimuth_deg"].tolist() == [seen.truth["azimuth_deg"][i] for i in (5, 2)]
    assert part.model == seen.model and part.suite == seen.suite


def test_saved_drawn_and_the_same_again(apart: tuple[Halves, Observations, Result], tmp_path: Path) -> None:
    model, seen, result = apart
    result.save(tmp_path)
    (loaded,) = load_results(tmp_path)
    columns = load_items(tmp_path, loaded.name)
    assert columns is not None and len(columns["where_x"]) == len(seen) and columns["id"][:2] == ["s0", "s1"]
    made = plots.draw(loaded, tmp_path, tmp_path / "images")
    assert {p.name for p in made.values()} == {
        "simulated-geometry.png",
        "simulated-clouds.png",
        "simulated-map-whole.png",
        "simulated-map-what.png",
        "simulated-map-where.png",
    }
    assert all(p.stat().st_size > 20_000 for p in made.values())
    part = seen.subset(range(128))
    once, again = (replace(geometry.run(model, part), seconds=0.0, made_at="") for _ in range(2))
    assert once.to_json() == again.to_json() and once.items == again.items
    # without the items' file there are no maps
    assert len(plots.draw(replace(loaded, suite="elsewhere"), tmp_path, tmp_path / "images")) == 2


def test_prompts_are_on_the_maps_of_what_they_speak_of(apart: tuple[Halves, Observations, Result]) -> None:
    shown = apart[2].details["projection"]
    spoken = {view: {p["attribute"] for p in drawn["prompts"]} for view, drawn in shown.items()}
    assert spoken == {"whole": {*ATTRIBUTES, "sound"}, "what": {"sound"}, "where": set(ATTRIBUTES)}
    model, _, _ = apart
    (dog,) = [p for p in shown["what"]["prompts"] if p["word"] == "dog"]
    assert dog["text"] == "the sound of dog"
    assert [dog["x"], dog["y"]] == pytest.approx(model.embed_text([dog["text"]])[0, :2].tolist())


def test_neighbours_stay_neighbours_on_a_map() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 12), 12, axis=0)
    points, method = PROJECT((centres + 0.05 * rng.standard_normal((36, 12))).astype(np.float32))
    assert method in ("t-SNE", "UMAP") and np.abs(points).max() == 1.0
    apart = np.linalg.norm(points[:, None] - points, axis=2) + 9 * np.eye(36)
    assert np.array_equal(apart.argmin(axis=1) // 12, np.arange(36) // 12)


def test_too_few_points_make_no_map() -> None:
    with pytest.raises(DataError, match="10 at least"):
        PROJECT(np.eye(9, dtype=np.float32))
