"""Tasks on listeners whose scores are known: a perfect one gets 100 %, a deaf one chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from eval_fakes import Deaf, FakeSet, Perfect, mono_items, spatial_items

from open_elsa.errors import DataError
from open_elsa.evals import baselines, eight_way, localization, mono_classes, retrieval, two_sources, zero_shot
from open_elsa.evals.observe import EvalItem, Observations, observe
from open_elsa.scenes.attributes import ATTRIBUTES, words_for
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


def round_the_circle(step_deg: float = 5.0) -> list[EvalItem]:
    """Items all round the circle, four at each azimuth."""
    azimuths = np.arange(-180.0, 180.0, step_deg)
    rows = []
    for i, item in enumerate(spatial_items(4 * len(azimuths))):
        azimuth = float(azimuths[i % len(azimuths)])
        rows.append(
            replace(item, truth={**item.truth, "azimuth_deg": azimuth}, words=words_for(azimuth, 0.0, 1.5, None, None))
        )
    return rows


def test_perfect_listener_reads_eight_directions() -> None:
    embedder = Perfect(round_the_circle())
    result = eight_way.run(embedder, seen(embedder))
    # within 17.5 degrees of each word stand seven azimuths, with four items each; within 22.5, nine
    assert result.metrics["eight.accuracy"] == result.metrics["eight.all"] == 1
    assert result.metrics["eight.n"] == 8 * 7 * 4 and result.metrics["eight.chance"] == 1 / 8
    # in the gaps this listener hears only four directions: at 25 degrees "front", though "front left" is nearer
    assert result.metrics["sectors.n"] == 8 * 9 * 4
    assert result.metrics["sectors.accuracy"] == pytest.approx((4 * 9 + 4 * 7) / (8 * 9))
    assert result.metrics["sectors.recall.back left"] == pytest.approx(7 / 9)
    classes = result.details["eight.confusion"]["classes"]
    assert classes[:3] == ["front", "front left", "left"] and classes[-1] == "front right"
    items = result.items
    found = {}
    for azimuth in (45.0, -155.0):
        (at, *_) = [i for i, item in enumerate(embedder.rows) if item.truth["azimuth_deg"] == azimuth]
        found[azimuth] = (items["true"][at], items["nearest"][at], items["said"][at])
    assert found == {45.0: ("front left", "front left", "front left"), -155.0: (None, "back right", "back")}


def test_deaf_listener_is_at_chance_in_eight_directions() -> None:
    embedder = Deaf(round_the_circle(2.5))
    result = eight_way.run(embedder, seen(embedder))
    interval = result.intervals["eight.accuracy"]
    assert interval.low - 0.03 <= 1 / 8 <= interval.high + 0.03


def test_eight_directions_need_scenes_in_all_of_them() -> None:
    embedder = Perfect(spatial_items())
    with pytest.raises(DataError, match="front left: 0"):
        eight_way.run(embedder, seen(embedder))


def of_two(picked: str) -> two_sources.Result:
    """Two sources, the louder ahead and the other on the left, and a model that hears one of them, or between them."""
    rows = []
    for i, item in enumerate(spatial_items(60)):
        truth = {**item.truth, "azimuth_deg": 0.0, "elevation_deg": 0.0}
        more = {"other_below_db": 3.0 + 9.0 * i / 59, "other_azimuth_deg": 90.0, "other_elevation_deg": 0.0}
        rows.append(replace(item, truth=truth, more=more))
    embedder = Perfect(rows, turned_deg={"louder": 0.0, "other": 90.0, "between": 30.0}[picked])
    return two_sources.run(seen(embedder, estimate=lambda *_: {"ahead": np.array([2.0, 0.0, 0.0])}))


def test_who_hears_the_louder_source_makes_no_error() -> None:
    result = of_two("louder")
    assert result.metrics["louder.mean_deg"] == pytest.approx(0, abs=1e-9) and result.metrics["louder.picked"] == 1
    assert result.metrics["louder.n"] == result.n == 60 and result.metrics["ahead.mean_deg"] == 0
    assert result.metrics["louder.3-6dB.n"] == result.metrics["louder.6-9dB.n"] == 20


def test_who_hears_the_other_source_is_as_far_off_as_that_is() -> None:
    result = of_two("other")
    assert result.metrics["louder.mean_deg"] == pytest.approx(90) and result.metrics["louder.picked"] == 0
    assert result.metrics["louder.9-12dB.median_deg"] == pytest.approx(90)
    between = of_two("between")
    assert between.metrics["louder.mean_deg"] == pytest.approx(30) and between.metrics["louder.picked"] == 1
    assert between.details["levels"]["louder"][0]["mean"] == pytest.approx(30)


def test_one_source_has_no_louder_one() -> None:
    with pytest.raises(DataError, match="no scenes of two"):
        two_sources.run(seen(Perfect(spatial_items(8))))


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


def test_several_captions_an_item_by_hand() -> None:
    """Three items in a plane; vectors are written down, so that every rank can be read off."""

    angles = {"a": 0.0, "b": 10.0, "c": 50.0, "a1": 1.0, "a2": 46.0, "b1": 12.0, "both": 44.0, "c1": 20.0}

    class ByHand(Perfect):
        def vector(self, item: EvalItem) -> np.ndarray:  # type: ignore[type-arg]
            return self._at(item.id)

        def _text(self, text: str) -> np.ndarray:  # type: ignore[type-arg]
            return self._at(text)

        def _at(self, key: str) -> np.ndarray:  # type: ignore[type-arg]
            angle = np.radians(angles[key])
            return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)

    captions = {"a": ("a1", "a2"), "b": ("b1", "both"), "c": ("c1", "both")}
    rows = [replace(r, id=k, label=k, captions=captions[k]) for r, k in zip(spatial_items(3), captions, strict=True)]
    embedder = ByHand(rows)
    result = retrieval.run(embedder, seen(embedder))
    # queries a1, a2, b1, both, c1, both: the nearest item is a, c, b, c, b, c; "both" is right with b and with c
    assert result.metrics["t2a.R@1"] == pytest.approx(4 / 6)
    # a2 finds c, b, a; c1 finds b, a, c; "both" finds c first and b, which is right as well, second
    assert result.metrics["t2a.mAP@10"] == pytest.approx((1 + 1 / 3 + 1 + 1 + 1 / 3 + 1) / 6)
    # sounds against the five different sentences: a finds a1 b1 c1 both a2; b finds b1 a1 c1 both a2; c finds a2 both …
    assert result.metrics["a2t.R@1"] == pytest.approx(2 / 3) and result.metrics["a2t.R@5"] == 1
    a, b = (1 + 2 / 5) / 2, (1 + 2 / 4) / 2
    c = (1 / 2 + 2 / 3) / 2  # a2 (4 degrees off), both (6), c1 (30)
    assert result.metrics["a2t.mAP@10"] == pytest.approx((a + b + c) / 3)
    assert result.metrics["captions"] == 6 and result.metrics["sentences"] == 5
    assert result.metrics["a2t.chance.R@1"] == pytest.approx(2 / 5)
    assert result.metrics["t2a.chance.R@1"] == pytest.approx((4 * 1 / 3 + 2 * 2 / 3) / 6)


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


def test_errors_of_distance_and_drr_by_bin_and_class() -> None:
    class TwiceAsFar(Perfect):
        def analyse(self, sounds: object, /) -> list[object]:  # type: ignore[override]
            found = super().analyse(sounds)  # type: ignore[arg-type]
            for analysis in found:
                analysis.location.distance_m *= 2 if analysis.location.distance_m > 1 else 1
                analysis.location.drr_db += 3
            return found  # type: ignore[return-value]

    result = localization.run(seen(TwiceAsFar(spatial_items())))
    bins = result.details["number_bins"]
    near, far = [row for row in bins["distance"]["distance_m"] if row["n"]]
    assert (near["low"], near["n"], near["mean"]) == (0.5, 120, 0)
    assert (far["low"], far["n"], far["mean"]) == (3, 120, 1)
    (everything,) = [row for row in bins["drr"]["drr_db"] if row["n"]]
    assert (everything["low"], everything["n"], everything["median"]) == (0, 240, 3)
    assert result.metrics["distance.mean_relative"] == pytest.approx(0.5)
    assert result.intervals["distance.mean_relative"].low < 0.5 < result.intervals["distance.mean_relative"].high
    by_label = result.details["distance_labels"]
    assert by_label.keys() == result.details["labels"].keys() and {row["n"] for row in by_label.values()} == {80}


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
