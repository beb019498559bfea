"""Captions of heard scenes: what they state holds their scene, and by them the text encoder learns where, not what."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from open_elsa.model.checkpoints import own_state
from open_elsa.model.elsa import ElsaSmall, build
from open_elsa.scenes.attributes import ATTRIBUTES, EIGHT
from open_elsa.scenes.telling import Heard, read, tell
from open_elsa.training import objectives, train
from open_elsa.training.data import TARGET_COLUMNS
from open_elsa.training.examples import TrainData
from open_elsa.training.reading import NUMBERS, PLAIN_DEG, Reading, ReadingConfig, Readings, limits_of, within, words_of
from open_elsa.training.recipes import StageConfig, elsa_tiny
from open_elsa.training.remembered import Remembered
from open_elsa.training.train import Stopped

QUIET = Console(file=io.StringIO())
WHERE = dataclasses.replace(elsa_tiny().stages[1].data, seconds=0.6, spatial_share=1.0, caption_mix=(0.0, 1.0, 0.0))


def scenes(count: int, seed: int = 0) -> Remembered:
    """Scenes of which only the targets matter."""
    rng = np.random.default_rng(seed)
    targets = np.zeros((count, TARGET_COLUMNS), np.float32)
    xyz = rng.standard_normal((count, 3))
    targets[:, :3] = xyz / np.linalg.norm(xyz, axis=1, keepdims=True)
    targets[:, 3:7] = np.log(rng.uniform((0.5, 13, 30, 0.14), (5, 277, 900, 2.7), (count, 4)))
    nothing = torch.zeros(count, 1)
    return Remembered(nothing, nothing, nothing, torch.from_numpy(targets), nothing, nothing, nothing)


def readings(data: TrainData, *, seed: int = 0, **config: object) -> Readings:
    known = scenes(64)
    changed = dataclasses.replace(ReadingConfig(), **config)  # type: ignore[arg-type]
    return Readings(known, torch.eye(64), data.clips, changed, batch_size=16, seed=seed)


def holds(batch: Reading) -> torch.Tensor:
    return within(batch.limits, batch.numbers)


def test_a_batch_is_a_function_of_seed_and_step(anechoic: TrainData) -> None:
    first, again = readings(anechoic), readings(anechoic)
    again.batch(2)
    assert first.batch(1).texts == again.batch(1).texts
    assert torch.equal(first.batch(1).limits, again.batch(1).limits)
    assert readings(anechoic, seed=1).batch(1).texts != first.batch(1).texts
    named = readings(anechoic, nothing=1.0)  # of the sound alone, whatever the scene
    assert named.batch(0).texts != named.batch(1).texts


def test_every_caption_is_true_of_its_scene_and_untrue_of_most(anechoic: TrainData) -> None:
    made = readings(anechoic, nothing=0.0)
    for step in range(4):
        batch = made.batch(step)
        true = holds(batch)
        assert true.diagonal().all()
        assert true.float().mean() < 0.6
        for text, limits in zip(batch.texts, batch.limits, strict=True):
            np.testing.assert_allclose(limits_of(read(text)), limits, rtol=1e-6)
    seen = torch.cat([made.batch(step).where.argmax(1) for step in range(4)])
    assert sorted(seen.tolist()) == list(range(64))  # every scene once an epoch


def test_captions_come_in_every_detail_and_as_parts(anechoic: TrainData) -> None:
    texts = [t for step in range(12) for t in readings(anechoic, details=(0.25, 0.25, 0.25, 0.25)).batch(step).texts]
    for part in ("front left", "clock", "degrees", "metre"):
        assert any(part in text for text in texts), part
    only = readings(anechoic, nothing=1.0).batch(0)
    assert holds(only).all() and torch.isinf(only.limits[:, 1:]).all()
    alone = readings(anechoic, nothing=0.0, alone=1.0, everything=0.0, direction=1.0, details=(0.0, 1.0, 0.0, 0.0))
    assert torch.isinf(alone.batch(0).limits[:, 1:]).all()
    unnamed = readings(anechoic, nothing=0.0, named=0.0).batch(0).texts
    assert not any(clip.label in text.lower() for clip in anechoic.clips for text in unnamed)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("a dog on the left", (90, 0, 1, 30, 0.5), (50, 0, 1, 30, 0.5)),
        ("a dog behind me", (-170, 0, 1, 30, 0.5), (140, 0, 1, 30, 0.5)),
        ("a dog at the back left", (140, 0, 1, 30, 0.5), (90, 0, 1, 30, 0.5)),
        ("a dog at 11 o'clock", (30, 0, 1, 30, 0.5), (60, 0, 1, 30, 0.5)),
        ("a dog 170 degrees to the right", (-176, 0, 1, 30, 0.5), (179, 0, 1, 30, 0.5)),
        ("a dog 2 metres away", (0, 0, 2.4, 30, 0.5), (0, 0, 3.0, 30, 0.5)),
        ("a dog above me", (0, 60, 1, 30, 0.5), (0, 10, 1, 30, 0.5)),
        ("a dog in a small room", (0, 0, 1, 20, 0.5), (0, 0, 1, 80, 0.5)),
        ("a dog in a highly reverberant room", (0, 0, 1, 20, math.nan), (0, 0, 1, 20, 0.9)),
    ],
)
def test_limits_are_what_the_text_states(text: str, inside: tuple[float, ...], outside: tuple[float, ...]) -> None:
    limits = torch.from_numpy(limits_of(read(text))).float()[None]
    assert within(limits, torch.tensor([inside, outside])).tolist() == [[True], [False]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a dog on the left", {"direction": "left"}),
        ("a dog at the back left, above me", {"direction": "back left", "elevation": "up"}),
        ("a dog at 3 o'clock", {"direction": "right"}),
        ("a dog 50 degrees to the left, 3 metres away", {"direction": "front left", "distance": "far"}),
        ("a dog in a small, highly reverberant room", {"room_size": "small", "reverberation": "highly reverberant"}),
        ("a dog", {}),
    ],
)
def test_words_are_those_of_the_text_or_of_its_numbers(text: str, words: dict[str, str]) -> None:
    tables = {"direction": EIGHT, **{k: v for k, v in ATTRIBUTES.items() if k != "direction"}}
    names = [[w.word for w in table.words] for table in tables.values()]
    wanted = [0 if k not in words else 1 + names[i].index(words[k]) for i, k in enumerate(tables)]
    assert words_of(read(text)) == [0, *wanted]


def test_means_are_of_the_scenes_that_a_word_is_true_of(anechoic: TrainData) -> None:
    made = readings(anechoic)
    left = np.abs(made.numbers[:, 0] - 90.0) <= 17.5
    column = [w.word for w in EIGHT.words].index("left")
    np.testing.assert_array_equal(made.means[0][column].numpy() > 0, left)
    near = made.means[2][[w.word for w in ATTRIBUTES["distance"].words].index("near")]
    np.testing.assert_array_equal(near.numpy() > 0, made.numbers[:, 2] < 1.0)


def test_a_plain_direction_is_not_said_of_what_is_front_left(anechoic: TrainData) -> None:
    told = tell([Heard(None, 20.0)], np.random.default_rng(0), detail="words")
    assert limits_of(told.facts)[0].tolist() == [0.0, PLAIN_DEG]
    assert len(NUMBERS) == 5
    made = readings(anechoic, nothing=0.0, alone=1.0, everything=0.0, direction=1.0, details=(1.0, 0.0, 0.0, 0.0))
    said = {
        (round(float(azimuth) / 90.0) % 4, abs((float(azimuth) + 45.0) % 90.0 - 45.0) > PLAIN_DEG, limits[0, 1].item())
        for step in range(8)
        for azimuth, limits in zip(made.batch(step).numbers[:, 0], made.batch(step).limits, strict=True)
    }
    assert {half for _, corner, half in said if not corner} == {PLAIN_DEG}
    assert {half for _, corner, half in said if corner} == {17.5}


def config_of(steps: int) -> object:
    recall = StageConfig("recall", 2, 8, 1e-3, WHERE, scenes=32, warmup_steps=1)
    read_ = StageConfig("read", steps, 16, 5e-3, WHERE, scenes=32, warmup_steps=1)
    return dataclasses.replace(elsa_tiny(), stages=(recall, read_), ema=0.9)


def test_only_the_reading_of_where_learns_and_what_is_said_stays(anechoic: TrainData, tmp_path: Path) -> None:
    config = config_of(30)
    trained = train.train(config, anechoic, tmp_path, console=QUIET)  # type: ignore[arg-type]
    assert [p.name for p in (tmp_path / "remembered").iterdir()] == ["stage1-rank0"]  # heard once
    short = dataclasses.replace(config, stages=config.stages[:1])  # type: ignore[attr-defined,type-var]
    before = own_state(train.train(short, anechoic, tmp_path / "short", console=QUIET))  # type: ignore[arg-type]
    after = own_state(trained)
    changed = {k.split(".")[1] for k in after if k.startswith("text.") and not torch.equal(after[k], before[k])}
    assert changed == {"queries", "layers", "where"}
    heard = [k for k in after if not k.startswith(("text.", "spatial.", "where", "room", "votes", "steer", "bands"))]
    assert heard and all(torch.equal(after[k], before[k]) for k in heard if not k.startswith("spread"))
    log = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    contrast = [line["contrast"] for line in log if line["stage"] == "read" and "contrast" in line]
    assert len(contrast) == 30
    assert np.mean(contrast[-5:]) < np.mean(contrast[:5])


def test_what_captions_say_of_the_sound_costs_where_it_changes(anechoic: TrainData) -> None:
    torch.manual_seed(0)
    model = build(elsa_tiny().model)
    assert isinstance(model, ElsaSmall)
    model.eval()
    stage = config_of(1).stages[1]  # type: ignore[attr-defined]
    made = readings(anechoic).batch(0)
    dim = model.config.where_dim
    batch = made._replace(
        where=torch.nn.functional.normalize(torch.randn(16, dim), dim=1),
        means=[torch.randn(len(mean), dim) for mean in made.means],
    )
    taught = build(elsa_tiny().model).eval()
    taught.load_state_dict(model.state_dict())
    assert isinstance(taught, ElsaSmall)
    assert objectives.read_losses(model, stage, batch, taught.text)["kept"] < 1e-9
    with torch.no_grad():
        model.text.where[2].bias += 1.0  # where they are: free, but for captions that say nothing of it
    placed = batch._replace(limits=torch.tensor([[[0.0, 35.0], *[[-math.inf, math.inf]] * 4]]).expand(16, 5, 2))
    open_ = placed._replace(limits=torch.tensor([[[0.0, 360.0], *[[-math.inf, math.inf]] * 4]]).expand(16, 5, 2))
    costs = [float(objectives.read_losses(model, stage, b, taught.text)["kept"].detach()) for b in (placed, open_)]
    assert costs[1] > costs[0] > 0


def test_killed_in_the_middle_it_ends_at_the_same_weights(anechoic: TrainData, tmp_path: Path) -> None:
    config = config_of(4)
    whole = own_state(train.train(config, anechoic, tmp_path / "whole", console=QUIET))  # type: ignore[arg-type]
    with pytest.raises(Stopped):
        train.train(config, anechoic, tmp_path / "killed", stop_after=4, console=QUIET)  # type: ignore[arg-type]
    again = own_state(train.train(config, anechoic, tmp_path / "killed", console=QUIET))  # type: ignore[arg-type]
    assert [k for k in whole if not torch.equal(whole[k], again[k])] == []
