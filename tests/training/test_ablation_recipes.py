"""Ablations: each changes what it says and nothing else, and each trains."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from world import RATE, plane_waves

from open_elsa.errors import ConfigError
from open_elsa.model.checkpoints import own_state
from open_elsa.model.config import elsa_tiny
from open_elsa.model.elsa import build
from open_elsa.training import train
from open_elsa.training.ablations import ABLATIONS, ablation, base
from open_elsa.training.augment import AugmentConfig, random_rotation
from open_elsa.training.data import DataConfig, SceneBatches, cut_after_direct
from open_elsa.training.examples import TrainData
from open_elsa.training.recipes import TrainConfig

#: Every field in which an ablation differs from the base, stages by number; a stage that is left out is "gone".
CHANGES: dict[str, dict[str, Any]] = {
    "base": {},
    "contrast": {"stages.1.regression": 0.0, "stages.1.spread": 0.0, "stages.1.words": 0.0},
    "contrast-regression": {"stages.1.words": 0.0},
    "fixed-intensity": {"model.spatial.kind": "statistics"},
    "no-stage-1": {"stages.0": "gone"},
    "mono-only": {"stages.0": "gone", "stages.1.data.spatial_share": 0.0},
    "spatial-only": {"stages.1.data.spatial_share": 1.0},
    "no-rotation": {"stages.0.data.augment.rotate": False, "stages.1.data.augment.rotate": False},
    "early-reflections": {"stages.0.data.keep_after_direct_ms": 50.0, "stages.1.data.keep_after_direct_ms": 50.0},
    "direct-sound": {"stages.0.data.keep_after_direct_ms": 2.5, "stages.1.data.keep_after_direct_ms": 2.5},
    "mono-model": {"model.spatial.kind": "mono", "model.semantic.beam": 0.0},
    "seldnet": {
        "model.spatial.kind": "crnn",
        "stages.1": "gone",
        "stages.0.steps": 280,
        "stages.0.bands": 0.0,
        "stages.0.lr": 5e-4,
    },
}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if not isinstance(value, dict) or prefix.endswith("repeats."):
        return {prefix.removesuffix("."): value}
    return {k: v for name, part in value.items() for k, v in flat(part, f"{prefix}{name}.").items()}


def flat_recipe(config: TrainConfig) -> dict[str, Any]:
    """The recipe's fields by path; stages are told apart by their kind: 0 places, 1 aligns."""
    rows = flat(dataclasses.replace(config, name="", stages=()))
    for stage in config.stages:
        rows |= flat(stage, f"stages.{('place', 'align').index(stage.kind)}.")
    return rows


def tiny(config: TrainConfig) -> TrainConfig:
    """The same ablation in elsa-tiny's sizes, a step of four examples a stage."""
    small = elsa_tiny()
    model = dataclasses.replace(
        small,
        spatial=dataclasses.replace(small.spatial, kind=config.model.spatial.kind),
        semantic=config.model.semantic,
    )
    stages = tuple(
        dataclasses.replace(s, steps=1, batch_size=4, bank="drawn", data=dataclasses.replace(s.data, seconds=0.6))
        for s in config.stages
    )
    return dataclasses.replace(config, model=model, stages=stages, ema=0.0, bf16=False, workers=0)


@pytest.mark.parametrize("name", list(ABLATIONS))
def test_an_ablation_changes_what_it_says(name: str) -> None:
    made, whole = flat_recipe(ABLATIONS[name].make()), flat_recipe(base())
    gone = {f"stages.{k}" for k in (0, 1) if not any(path.startswith(f"stages.{k}.") for path in made)}
    changed = {path: made[path] for path in made if made[path] != whole[path]}
    assert changed | dict.fromkeys(gone, "gone") == CHANGES[name]
    assert ABLATIONS[name].make().name in (f"ablation-{name}", "ablation-base")


@pytest.mark.parametrize("name", list(ABLATIONS))
def test_an_ablation_takes_a_step(name: str, anechoic: TrainData, tmp_path: Path) -> None:
    config = tiny(ABLATIONS[name].make())
    before = own_state(build(config.model))
    model = train.train(config, anechoic, tmp_path, console=Console(file=io.StringIO()))
    after = own_state(model)
    assert all(value.isfinite().all() for value in after.values() if value.is_floating_point())
    assert before.keys() == after.keys()


def test_there_is_no_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no ablation 'size'; known: base, contrast"):
        ablation("size")


def test_a_frozen_tagger_stays_as_it_is(anechoic: TrainData, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny(base()), stages=tiny(base()).stages[1:])
    run = train.Run(config, anechoic, tmp_path, None, Console(file=io.StringIO()))
    run.prepare(None, None, None)
    before = {name: value.clone() for name, value in own_state(run.model).items()}
    run.train_stage(0, None)
    changed = {n.split(".")[0] for n, value in own_state(run.model).items() if not torch.equal(value, before[n])}
    assert "semantic" not in changed and {"spatial", "text", "what", "where"} <= changed
    assert not any(p.requires_grad for p in run.model.semantic.parameters())


def test_a_response_is_cut_after_the_direct_sound() -> None:
    rng = np.random.default_rng(0)
    response = rng.standard_normal((4, 8000)).astype(np.float32)
    kept = cut_after_direct(response, RATE, 0.01, 50.0)
    whole = round(0.06 * RATE)
    assert kept.shape == (4, whole + 32)
    assert np.array_equal(kept[:, :whole], response[:, :whole])
    faded = kept[:, whole:] / response[:, whole : whole + 32]
    assert (np.diff(faded[0]) < 0).all() and faded[0, 0] > 0.95 and faded[0, -1] < 0.05
    assert np.array_equal(cut_after_direct(response, RATE, 0.01, 1e6), response)
    assert np.abs(response).max() > 0 and kept.base is None  # a copy: the bank's samples are left alone


def scenes(data: TrainData, **changes: Any) -> SceneBatches:
    config = dataclasses.replace(DataConfig(seconds=0.6, spatial_share=1.0), **changes)
    assert data.bank is not None
    return SceneBatches(elsa_tiny(), config, data.clips, data.store, data.bank, batch_size=4, steps=1, seed=3)


def test_cut_responses_leave_the_place_and_take_the_room(world: TrainData) -> None:
    whole, cut = scenes(world), scenes(world, keep_after_direct_ms=2.5)
    assert cut._response(3).shape[1] < whole._response(3).shape[1] / 5
    n = round((cut.arrival_s[3] + 0.0025) * RATE)  # type: ignore[index]
    assert np.array_equal(cut._response(3)[:, :n], whole._response(3)[:, :n])
    dry, wet = cut.example(5), whole.example(5)
    assert np.array_equal(dry.targets, wet.targets, equal_nan=True) and dry.says == wet.says
    assert not np.array_equal(dry.audio, wet.audio)


def test_without_rotation_a_scene_is_where_the_bank_says(anechoic: TrainData) -> None:
    still, turned = (scenes(anechoic, augment=AugmentConfig(rotate=rotate)) for rotate in (False, True))
    banked = still.truth[:, :3]
    for k in range(6):
        stands, moved = still.example(k), turned.example(k)
        assert np.abs(banked - stands.targets[:3]).max(1).min() < 1e-9
        assert np.abs(banked - moved.targets[:3]).max(1).min() > 1e-3
        assert stands.what_id == moved.what_id
    states = [np.random.default_rng(1) for _ in range(2)]
    random_rotation(states[0], AugmentConfig(rotate=False))
    random_rotation(states[1], AugmentConfig())
    assert states[0].random() == states[1].random()  # what is drawn next is the same
    assert len(plane_waves()) == len(banked)
