"""Training examples: the same wherever they are made, and their words, facts, targets and sound all agree."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from world import RATE, SOUNDS, PlaneWaves, plane_waves

from open_elsa.errors import DataError
from open_elsa.model.config import SemanticConfig, elsa_tiny
from open_elsa.scenes import attributes, captions
from open_elsa.scenes.scene import SpatialWords
from open_elsa.sound import foa
from open_elsa.training import augment
from open_elsa.training.augment import AugmentConfig
from open_elsa.training.data import (
    TARGET_COLUMNS,
    Batch,
    DataConfig,
    Example,
    SceneBatches,
    _Second,
    _with_second,
    facts_of,
)
from open_elsa.training.examples import TrainData
from open_elsa.training.losses import describes

#: Six examples of seed 3, each weighed by fixed random numbers.
HEARD = (-8.092372, 0.911437, -30.292843, -3.453285, 83.383025, 100.363046)
FAITHFUL = AugmentConfig(gain_db=0, leak=0, alias_leak=0, tone_db=0, hiss=0, room_noise=0)


def scenes(data: TrainData, *, seed: int = 3, size: int = 4, **changes: object) -> SceneBatches:
    places = {k: changes.pop(k) for k in ("rank", "world", "model", "bank", "where_only") if k in changes}
    config = dataclasses.replace(DataConfig(seconds=0.8), **changes)  # type: ignore[arg-type]
    model, bank = places.pop("model", elsa_tiny()), places.pop("bank", data.bank)
    return SceneBatches(  # type: ignore[call-overload,no-any-return]
        model, config, data.clips, data.store, bank, batch_size=size, steps=3, seed=seed, **places
    )


def examples(data: TrainData, count: int, **changes: object) -> list[Example]:
    batches = scenes(data, **changes)
    return [batches.example(k) for k in range(count)]


def equal(a: Batch, b: Batch) -> bool:
    """Byte for byte, NaN equal to NaN."""
    pairs = [(a.features.semantic, b.features.semantic), (a.features.spatial, b.features.spatial)]
    pairs += [(a.features.bins, b.features.bins)]
    pairs += [(a.targets, b.targets), (a.spatial, b.spatial), (a.facts, b.facts), (a.text_facts, b.text_facts)]
    return a.texts == b.texts and all(x.numpy().tobytes() == y.numpy().tobytes() for x, y in pairs)


def words_of(row: list[int]) -> SpatialWords:
    """The words behind a facts row."""
    names = zip(attributes.ATTRIBUTES.items(), row[1:], strict=True)
    return SpatialWords(**{name: table.words[k - 1].word if k else None for (name, table), k in names})


def test_a_second_sound_is_softer_elsewhere_and_changes_nothing_that_is_said(anechoic: TrainData) -> None:
    alone = examples(anechoic, 12, augment=FAITHFUL, spatial_share=1.0)
    bank = anechoic.bank
    assert bank is not None
    rooms = bank.table["room_id"].to_pylist()
    batches = scenes(anechoic, augment=FAITHFUL, spatial_share=1.0, second_share=1.0, second_below_db=(6.0, 6.0))
    assert all(rooms[other] == rooms[k] and other != k for k, places in batches.neighbours.items() for other in places)
    both = [batches.example(k) for k in range(12)]
    for one, two in zip(alone, both, strict=True):
        assert one.clip == two.clip  # drawn before the second sound is
        np.testing.assert_allclose(np.sqrt(np.mean(one.audio[0] ** 2)), np.sqrt(np.mean(two.audio[0] ** 2)), rtol=1e-3)
        assert not np.array_equal(one.audio, two.audio)
    heard, softer = np.zeros((4, 100), np.float32), np.zeros((4, 100), np.float32)
    heard[:, :50], softer[:, 40:] = 1.0, 8.0
    dry = [np.zeros(100, np.float32) for _ in range(2)]
    dry[0][:50], dry[1][40:] = 1.0, 1.0
    mixed = _with_second(heard, dry[0], softer, _Second(dry[1], 0, 6.0))
    np.testing.assert_allclose(mixed[0, 60:], 10 ** (-6 / 20), rtol=1e-5)  # by its level while it sounds
    np.testing.assert_array_equal(
        _with_second(heard, dry[0], softer, _Second(np.zeros(100, np.float32), 0, 6.0)), heard
    )


def test_an_example_is_a_function_of_seed_and_number(anechoic: TrainData) -> None:
    first, again = scenes(anechoic), scenes(anechoic)
    again[1]  # what was made before must not matter
    assert equal(first[0], again[0])
    assert not equal(first[0], first[1])
    assert not equal(first[0], scenes(anechoic, seed=4)[0])


def test_workers_make_the_same_batches(anechoic: TrainData) -> None:
    batches = scenes(anechoic)
    loader = DataLoader(batches, batch_size=None, sampler=range(3), num_workers=2, multiprocessing_context="fork")
    for step, made in enumerate(loader):
        assert equal(made, batches[step])


def test_two_ranks_share_one_batch(anechoic: TrainData) -> None:
    whole = scenes(anechoic)[1]
    parts = [scenes(anechoic, rank=rank, world=2)[1] for rank in (0, 1)]
    for name in ("targets", "spatial", "facts"):
        joined = torch.cat([getattr(p, name) for p in parts])
        torch.testing.assert_close(joined, getattr(whole, name), rtol=0, atol=0, equal_nan=True)
    for k in (0, 1):
        joined = torch.cat([p.features[k] for p in parts])
        torch.testing.assert_close(joined, whole.features[k], rtol=1e-5, atol=1e-5)
    firsts, seconds = ([text for p in parts for text in p.texts[at : at + 2]] for at in (0, 2))
    assert firsts + seconds == whole.texts


def test_every_clip_is_heard_once_an_epoch(anechoic: TrainData) -> None:
    made = examples(anechoic, 3 * len(SOUNDS), spatial_share=0.0)
    for epoch in range(3):
        heard = [e.what_id for e in made[epoch * len(SOUNDS) : (epoch + 1) * len(SOUNDS)]]
        assert sorted(heard) == list(range(1, len(SOUNDS) + 1))
    assert [e.what_id for e in made[: len(SOUNDS)]] != [e.what_id for e in made[len(SOUNDS) : 2 * len(SOUNDS)]]


def test_repeated_corpora_are_heard_more_often(anechoic: TrainData) -> None:
    made = examples(anechoic, 2 * len(SOUNDS), spatial_share=0.0, repeats={anechoic.clips[0].corpus: 2})
    assert sorted(e.what_id for e in made) == sorted(2 * list(range(1, len(SOUNDS) + 1)))


def test_the_sound_comes_from_where_the_target_says(anechoic: TrainData) -> None:
    for made in examples(anechoic, 24, spatial_share=1.0, augment=FAITHFUL):
        vector = made.audio[0].astype(np.float64) @ made.audio[[3, 1, 2]].T.astype(np.float64)
        assert foa.angular_error_deg(vector, made.targets[:3]) < 0.5


def test_words_and_facts_are_those_of_the_targets(world: TrainData) -> None:
    sides = set()
    for made in examples(world, 40, spatial_share=1.0):
        azimuth, elevation = (float(a) for a in foa.angles(made.targets[:3]))
        distance, area, _, t30 = np.exp(made.targets[3:7])
        assert made.words == attributes.words_for(azimuth, elevation, distance, area, t30)
        assert words_of(facts_of(made.what_id, made.words)) == made.words
        sides.add(made.words.direction)
    assert {"left", "right", "front", "back"} <= sides


def test_a_left_source_is_right_in_the_mirror(anechoic: TrainData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "random_rotation", lambda *_: np.diag([1.0, -1.0, 1.0]))
    left = PlaneWaves(np.array([90.0]), np.array([0.0]))
    for made in examples(anechoic, 6, bank=left, spatial_share=1.0, augment=FAITHFUL):
        assert made.words.direction == "right"
        assert all(said.words.direction in (None, "right") for said in made.says)
        assert float(made.audio[0] @ made.audio[1]) < 0  # Y against W


def test_captions_say_what_their_facts_say(world: TrainData) -> None:
    batches = scenes(world, size=16)
    for step in range(3):
        batch = batches[step]
        for text, row in zip(batch.texts, batch.text_facts.tolist(), strict=True):
            assert captions.parse(text) == words_of(row), text
        true = describes(batch.text_facts, batch.facts)
        own = torch.arange(16)
        assert bool(true[own, own].all() and true[own, own + 16].all())  # a sound's own captions are true of it
        assert bool((batch.text_facts[:16, 0] == batch.facts[:, 0]).all())  # the first always says what


def test_what_texts_say_is_the_clip(world: TrainData) -> None:
    for made in examples(world, 12):
        clip = next(c for c in world.clips if sorted(SOUNDS).index(c.label) + 1 == made.what_id)
        for said in made.says:
            assert said.what is None or said.what in clip.captions
            assert said.what is None or captions.check(said.text, said.what, said.words), said.text


def test_mono_sounds_have_no_place(anechoic: TrainData) -> None:
    made = examples(anechoic, 8, spatial_share=0.0)
    assert not any(e.spatial for e in made)
    for e in made:
        assert not e.audio[1:].any() and e.audio[0].any()
        assert np.isnan(e.targets).all() and e.targets.shape == (TARGET_COLUMNS,)
        assert e.words.empty
        assert all(said.words.empty and said.what is not None for said in e.says)


def test_the_share_of_spatial_sounds_is_kept(anechoic: TrainData) -> None:
    share = np.mean([e.spatial for e in examples(anechoic, 120)])
    assert share == pytest.approx(0.8, abs=0.12)


def test_unknown_targets_are_nan_and_known_ones_right(anechoic: TrainData) -> None:
    bank = plane_waves(2)
    truth = scenes(anechoic, bank=bank, spatial_share=1.0)[0].truth
    torch.testing.assert_close(truth.direction.norm(dim=1), torch.ones(4))
    for value, number in ((truth.log_distance, 2.0), (truth.log_area, 60.0), (truth.log_volume, 180.0)):
        torch.testing.assert_close(value.exp(), torch.full((4,), number))
    torch.testing.assert_close(truth.drr, torch.ones(4))
    assert bool(truth.log_t30_bands[:, -1].isnan().all() and truth.log_t30_bands[:, :-1].isfinite().all())
    assert truth.drr_bands.shape == (4, 20)


def test_a_batch_must_divide_among_the_processes(anechoic: TrainData) -> None:
    with pytest.raises(DataError, match=r"batch size 4 .* 3 processes"):
        scenes(anechoic, rank=0, world=3)


def test_clips_and_rooms_must_have_the_models_rate(anechoic: TrainData) -> None:
    other = dataclasses.replace(plane_waves(), sample_rate=48000)
    with pytest.raises(DataError, match=r"32000 Hz.*48000"):
        scenes(anechoic, bank=other)
    with pytest.raises(DataError, match="--sample-rate 24000"):
        scenes(anechoic, model=dataclasses.replace(elsa_tiny(), sample_rate=24000))


def test_examples_are_those_that_the_shipped_model_heard(anechoic: TrainData) -> None:
    probe = np.random.default_rng(99).standard_normal((4, int(0.8 * RATE)))
    told = [float(np.sum(probe * e.audio)) for e in examples(anechoic, 6, seed=3)]
    assert told == pytest.approx(HEARD, rel=1e-4, abs=1e-4)


def test_what_trains_the_place_alone_hears_the_same_place_and_no_more(anechoic: TrainData) -> None:
    whole, where = (scenes(anechoic, where_only=only)[0] for only in (False, True))
    assert torch.equal(whole.features.spatial, where.features.spatial)
    assert torch.equal(whole.features.bins, where.features.bins)
    assert whole.features.semantic.numel() and where.features.semantic.shape == (4, 0)
    assert whole.texts == where.texts and torch.equal(whole.spatial, where.spatial)


def test_the_semantic_encoder_learns_from_what_a_beam_towards_the_source_hears(anechoic: TrainData) -> None:
    faithful = dataclasses.replace(FAITHFUL, tilt_deg=0.0, beam_error_deg=0.0)
    omni = dataclasses.replace(elsa_tiny(), semantic=SemanticConfig(beam=0.0))
    wide = dataclasses.replace(elsa_tiny(), semantic=SemanticConfig(beam=0.5))
    heard, through = (scenes(anechoic, size=8, model=m, augment=faithful)[0] for m in (omni, wide))
    assert torch.equal(heard.features.spatial, through.features.spatial) and not heard.spatial.all()
    # sources without a room: a beam that points at them hears what W hears, one that points elsewhere would not
    torch.testing.assert_close(heard.features.semantic, through.features.semantic, atol=2e-3, rtol=0)
    astray = dataclasses.replace(faithful, beam_error_deg=60.0)
    off = scenes(anechoic, size=8, model=wide, augment=astray)[0]
    difference = (off.features.semantic - heard.features.semantic).abs().amax((1, 2, 3))
    assert (difference[heard.spatial] > 0.05).any() and not difference[~heard.spatial].any()
