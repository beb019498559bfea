"""elsa-tiny learns the small world in well under a minute: where from rooms it never heard, and which sound it is."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from world import RATE, SOUNDS

from open_elsa.model.elsa import Elsa, ElsaOutput
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.training.data import Batch, SceneBatches
from open_elsa.training.examples import TrainData
from open_elsa.training.losses import describes
from open_elsa.training.recipes import elsa_tiny
from open_elsa.training.train import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(world: TrainData, tmp_path_factory: pytest.TempPathFactory) -> Elsa:
    return train(elsa_tiny(), world, tmp_path_factory.mktemp("tiny"), console=Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> RoomBank:
    folder: Path = tmp_path_factory.mktemp("rooms")
    return make_bank(folder, rooms=3, positions_per_room=4, seed=77, sample_rate=RATE)


@torch.inference_mode()
def heard(model: Elsa, world: TrainData, bank: RoomBank, spatial_share: float) -> tuple[Batch, ElsaOutput]:
    data = dataclasses.replace(elsa_tiny().stages[1].data, spatial_share=spatial_share)
    batch = SceneBatches(model.config, data, world.clips, world.store, bank, batch_size=64, steps=1, seed=5)[0]
    return batch, model.encode_features(batch.features, batch.spatial)


def test_it_hears_where_in_rooms_it_never_heard(model: Elsa, world: TrainData, held_out: RoomBank) -> None:
    batch, out = heard(model, world, held_out, 1.0)
    error = torch.rad2deg(torch.arccos((out.direction * batch.truth.direction).sum(1).clamp(-1, 1)))
    assert float(error.mean()) < 60  # by chance 90
    assert float(error.median()) < 50


@torch.inference_mode()
def test_it_tells_the_sounds_apart(model: Elsa, world: TrainData, held_out: RoomBank) -> None:
    batch, out = heard(model, world, held_out, 0.0)
    labels = sorted(SOUNDS)
    texts = model.encode_text([SOUNDS[label][0][0] for label in labels])
    right = ((out.embedding @ texts.T).argmax(1) + 1 == batch.facts[:, 0]).float().mean()
    assert float(right) > 2 / len(SOUNDS)


@torch.inference_mode()
def test_it_finds_true_captions_above_chance(model: Elsa, world: TrainData, held_out: RoomBank) -> None:
    batch, out = heard(model, world, held_out, 1.0)
    true = describes(batch.text_facts[64:], batch.facts)
    best = (out.embedding @ model.encode_text(batch.texts[64:]).T).argmax(1)
    found, chance = true[torch.arange(64), best].float().mean(), true.float().mean()
    assert float(found) > 1.5 * float(chance)
