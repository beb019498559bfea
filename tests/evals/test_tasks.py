"""Tasks on listeners whose scores are known: a perfect one gets 100 %, a deaf one chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from eval_fakes import Deaf, FakeSet, Perfect, mono_items, spatial_items

from open_elsa.errors import DataError
from open_elsa.evals import baselines, localization, mono_classes, retrieval, zero_shot
from open_elsa.evals.observe import Observations, observe
from open_elsa.scenes.attributes import ATTRIBUTES
from open_elsa.scenes.scene import SpatialWords


def seen(embedder: Perfect, **options: object) -> Observations:
    return observe(embedder, FakeSet(embedder.rows), **options)  # type: ignore[arg-type]


def test_every_scene_is_embedded_once_in_batches() -> None:
    embedder = Perfect(spatial_items(50))
    steps: list[tuple[int, int]] = []
    seen(embedder, batch_size=16, progress=lambda done, total: steps.append((done, total)))
    assert embedder.calls == [16, 16, 16, 2] and steps == [(16, 50), (32, 50), (48, 50), (50, 50)]


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        observe(Perfect([]), FakeSet([]))


def test_perfect_listener_reads_every_attribute() -> None:
    embedder = Perfect(spatial_items())
    result = zero_shot.run(embedder, seen(embedder))
    for name, attribute in ATTRIBUTES.items():
        assert result.metrics[f"{name}.accuracy"] == result.metrics[f"{name}.all"] == 1
        assert result.metrics[f"{name}.chance"] == 1 / len(attribute.classes)
        assert result.intervals[f"{name}.accuracy"].low > 0.9
    assert result.metrics["direction.n"] == 240
    assert np.trace(result.details["direction.confusion"]["counts"]) == 240
    # each group has only two of the four directions, so it cannot test direction, but it can test the rest
    assert "direction.A.accuracy" not in result.metrics and result.metrics["distance.A.accuracy"] == 1
    assert result.model == {"name": "perfect", "weights_sha256": "00ff"} and result.data_revision == "r1"


def test_deaf_listener_is_at_chance() -> None:
    embedder = Deaf(spatial_items(480))
    result = zero_shot.run(embedder, seen(embedder))
    for name in ATTRIBUTES:
        interval, chance = result.intervals[f"{name}.accuracy"], result.metrics[f"{name}.chance"]
        assert interval.low - 0.03 <= chance <= interval.high + 0.03


def test_unbalanced_classes_do_not_flatter() -> None:
    # 200 far, 10 near, and a model that says far to everything: half right, not 95 %
    rows = [
        replace(r, words=SpatialWords(distance="far" if i < 200 else "near")) for i, r in enumerate(spatial_items(210))
    ]

    class SaysFar(Perfect):
        def vector(self, item: object) -> np.ndarray:  # type: ignore[type-arg]
            return self.meaning["a sound far away"] if "a sound far away" in self.meaning else self._far()

        def _far(self) -> np.ndarray:  # type: ignore[type-arg]
            from open_elsa.scenes.attributes import prompts

            return self.meaning[prompts("distance")["far"][0]]

    embedder = SaysFar(rows)
    result = zero_shot.run(embedder, seen(embedder))
    assert result.metrics["distance.accuracy"] == 0.5 and result.metrics["distance.n"] == 20
    assert result.metrics["distance.all"] == 0.5 and "direction" in result.details["left_out"]


def test_perfect_listener_retrieves_its_own_captions() -> None:
    embedder = Perfect(spatial_items(60))
    result = retrieval.run(embedder, seen(embedder))
    for prefix in ("t2a", "a2t", "t2a.facts", "a2t.facts"):
        assert result.metrics[f"{prefix}.R@1"] == 1
    assert result.metrics["a2t.mAP@10"] == 1 and result.metrics["captions"] == 120
    assert result.metrics["t2a.chance.R@1"] == pytest.approx(1 / 60)


def test_deaf_listener_retrieves_at_chance() -> None:
    class DeafToSound(Perfect):
        def analyse(self, sounds: object, /) -> list[object]:  # type: ignore[override]
            found = super().analyse(sounds)  # type: ignore[arg-type]
            for k, analysis in enumerate(found):
                analysis.embedding = np.random.default_rng([len(self.calls), k]).standard_normal(512).astype(np.float32)
            return found  # type: ignore[return-value]

    embedder = DeafToSound(spatial_items(400))
    result = retrieval.run(embedder, seen(embedder))
    assert result.metrics["t2a.R@10"] == pytest.approx(10 / 400, abs=0.02)


def test_the_same_sentence_twice_is_right_twice() -> None:
    rows = [replace(r, captions=("a dog",)) for r in spatial_items(2)]
    embedder = Perfect(rows)
    result = retrieval.run(embedder, seen(embedder))
    assert result.metrics["t2a.R@1"] == 1


def test_without_captions_retrieval_says_so() -> None:
    embedder = Perfect([replace(r, captions=()) for r in spatial_items(4)])
    with pytest.raises(DataError, match="caption"):
        retrieval.run(embedder, seen(embedder))


def test_localization_of_a_listener_turned_by_ten_degrees() -> None:
    embedder = Perfect(spatial_items(), turned_deg=10.0)
    result = localization.run(seen(embedder))
    # turning the azimuth moves a source at elevation e by less: 2 asin(sin 5 cos e)
    expected = [2 * np.degrees(np.arcsin(np.sin(np.radians(5)) * np.cos(np.radians(e)))) for e in (60.0, 55.0)]
    assert result.metrics["direction.mean_deg"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert result.metrics["located"] == 1 and result.metrics["distance.median_m"] == 0
    assert result.metrics["area.median_relative"] == result.metrics["drr.mean_db"] == 0
    assert sum(result.details["histogram"]["counts"]) == 240
    high = [b for b in result.details["bins"]["elevation_deg"] if b["n"]]
    assert [b["mean"] for b in high] == pytest.approx(expected[::-1])
    assert result.metrics["direction.A.n"] == result.metrics["direction.B.n"] == 120


def test_localization_counts_what_was_not_located() -> None:
    rows = spatial_items(40)

    class Shy(Perfect):
        def analyse(self, sounds: object, /) -> list[object]:  # type: ignore[override]
            found = super().analyse(sounds)  # type: ignore[arg-type]
            found[0].location.azimuth_deg = None
            return found  # type: ignore[return-value]

    result = localization.run(seen(Shy(rows), batch_size=10))
    assert result.metrics["located"] == pytest.approx(0.9) and result.n == 36


def test_classes_of_mono_and_of_the_same_clips_in_rooms() -> None:
    mono, spatial = Perfect(mono_items()), Perfect(spatial_items())
    alone = observe(mono, FakeSet(mono.rows, name="mono"))
    result = mono_classes.run(mono, alone)
    assert result.name == "mono.classes" and result.metrics["mono.accuracy"] == 1 and result.metrics["classes"] == 3
    result = mono_classes.run(mono, alone, seen(spatial))
    assert result.name == "fake.classes" and result.metrics["lost_points"] == 0
    deaf = Deaf(spatial_items())
    result = mono_classes.run(mono, alone, seen(deaf))
    assert result.metrics["lost_points"] == pytest.approx(100 * (1 - result.metrics["spatial.accuracy"]))
    assert result.metrics["spatial.accuracy"] == pytest.approx(1 / 3, abs=0.1)


def test_a_scene_of_an_unknown_clip_is_refused() -> None:
    mono, spatial = Perfect(mono_items()[:3]), Perfect(spatial_items(30))
    with pytest.raises(DataError, match="not among the mono clips"):
        mono_classes.run(mono, observe(mono, FakeSet(mono.rows)), seen(spatial))


def test_prompt_is_plain_english() -> None:
    assert mono_classes.prompt("church_bells") == "the sound of church bells"


def test_baselines_are_scored_on_the_same_scenes() -> None:
    rows = []
    for i, item in enumerate(spatial_items(16)):
        azimuth = np.radians(float(item.truth["azimuth_deg"] or 0))
        exact = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        rows.append((replace(item, truth={**item.truth, "elevation_deg": 0.0}), exact, i))
    embedder = Perfect([r[0] for r in rows])
    made = iter(rows)

    def estimate(_: object, __: int) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        _, exact, _ = next(made)
        return {"right": exact, "opposite": -exact}

    result = baselines.run(seen(embedder, estimate=estimate))
    assert result.metrics["right.mean_deg"] == pytest.approx(0, abs=1e-5)
    assert result.metrics["opposite.mean_deg"] == pytest.approx(180, abs=1e-5)
    assert result.metrics["opposite.A.mean_deg"] == pytest.approx(180, abs=1e-5)
