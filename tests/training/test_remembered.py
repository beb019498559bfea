"""Scenes heard once: what is kept is what the convolutions say, whole after a kill, and only what follows learns."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console

from open_elsa.errors import TrainingError
from open_elsa.model.checkpoints import own_state
from open_elsa.model.config import elsa_base
from open_elsa.model.elsa import ElsaSmall, build
from open_elsa.training import objectives, remembered, train
from open_elsa.training.data import Batch, SceneBatches
from open_elsa.training.examples import StageExamples, TrainData
from open_elsa.training.recipes import StageConfig, elsa_tiny

DATA = dataclasses.replace(elsa_tiny().stages[1].data, seconds=0.6, spatial_share=1.0, caption_mix=(0.0, 1.0, 0.0))


@pytest.fixture(scope="module")
def model() -> ElsaSmall:
    torch.manual_seed(0)
    made = build(elsa_tiny().model)
    assert isinstance(made, ElsaSmall)
    return made


@pytest.fixture(scope="module")
def batches(anechoic: TrainData) -> SceneBatches:
    assert anechoic.bank is not None
    return SceneBatches(
        elsa_tiny().model, DATA, anechoic.clips, anechoic.store, anechoic.bank, batch_size=4, steps=5, seed=1,
        where_only=True,
    )  # fmt: skip


def from_step(batches: SceneBatches, first: int) -> Iterator[Batch]:
    return (batches[k] for k in range(first, 5))


def test_what_is_kept_says_the_same_as_the_scenes(model: ElsaSmall, batches: SceneBatches, tmp_path: Path) -> None:
    kept = remembered.remember(model, lambda k: from_step(batches, k), 18, 4, tmp_path)
    assert all(len(part) == 18 for part in kept)
    model.eval()
    batch = batches[1]
    with torch.inference_mode():
        heard = model.say_where(model.pool(batch.features.spatial, batch.features.bins))
        recalled = model.say_where(kept.rows(torch.arange(4, 8)).heard)
        captions = model.encode_text(batch.texts[4:])
    torch.testing.assert_close(recalled.where, heard.where, atol=2e-3, rtol=0)
    torch.testing.assert_close(recalled.room, heard.room, atol=5e-3, rtol=0)
    torch.testing.assert_close(kept.text[4:8].float(), captions, atol=1e-3, rtol=0)
    torch.testing.assert_close(kept.targets[4:8], batch.targets, equal_nan=True)
    assert torch.equal(kept.facts[4:8], batch.facts)
    assert torch.equal(kept.text_facts[4:8, 1:], batch.text_facts[4:, 1:]) and not kept.text_facts[:, 0].any()


def test_a_kill_costs_a_piece_at_most(
    model: ElsaSmall, batches: SceneBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "PIECE", 8)
    whole = remembered.remember(model, lambda k: from_step(batches, k), 20, 4, tmp_path / "whole")
    asked: list[int] = []

    def killed(first: int) -> Iterator[Batch]:
        for k in range(first, 5):
            if k == 3:
                raise KeyboardInterrupt
            yield batches[k]

    def again(first: int) -> Iterator[Batch]:
        asked.append(first)
        return from_step(batches, first)

    with pytest.raises(KeyboardInterrupt):
        remembered.remember(model, killed, 20, 4, tmp_path / "killed")
    mended = remembered.remember(model, again, 20, 4, tmp_path / "killed")
    assert asked == [2]  # two batches a piece: the first piece stands
    assert all(torch.equal(a, b) or bool(a.isnan().any()) for a, b in zip(mended, whole, strict=True))
    remembered.remember(model, again, 20, 4, tmp_path / "killed")
    assert asked == [2]
    next((tmp_path / "killed").iterdir()).write_bytes(b"half a file")
    with pytest.raises(TrainingError, match="cannot be read"):
        remembered.remember(model, again, 20, 4, tmp_path / "killed")


def test_every_scene_comes_once_an_epoch_in_another_order() -> None:
    epochs = [torch.cat([remembered.order(10, 3, step, 7) for step in range(e, e + 3)]) for e in (0, 3)]
    assert all(len(set(epoch.tolist())) == 9 for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert torch.equal(remembered.order(10, 3, 4, 7), epochs[1][3:6])
    assert not torch.equal(remembered.order(10, 3, 0, 8), epochs[0][:3])


def test_only_what_follows_the_convolutions_learns(anechoic: TrainData, tmp_path: Path) -> None:
    stage = StageConfig("recall", 12, 8, 3e-3, DATA, scenes=16, warmup_steps=1)
    config = dataclasses.replace(elsa_tiny(), stages=(stage,))
    torch.manual_seed(config.seed)
    before = {k: v.clone() for k, v in own_state(build(config.model)).items()}
    trained = train.train(config, anechoic, tmp_path, console=Console(file=io.StringIO()))
    changed = {k.split(".")[0] for k, v in own_state(trained).items() if not torch.equal(v, before[k])}
    assert changed == {"spatial", "votes", "steer", "room", "spread", "bands", "where", "where_said"}
    convolutions = [
        k for k in before if k.startswith("spatial.") and not k.startswith(("spatial.out.", "spatial.comb."))
    ]
    after = own_state(trained)
    assert convolutions and all(torch.equal(after[k], before[k]) for k in convolutions)
    kept = remembered.remember(trained, lambda _: iter(()), 16, 16, tmp_path / "remembered" / "stage1-rank0")
    losses = [
        objectives.recall_losses(m.train(), stage, kept.rows(torch.arange(16)))["room"]
        for m in (trained, _with(config.model, before))
    ]
    assert losses[0] < 0.9 * losses[1]


def _with(config: object, weights: dict[str, torch.Tensor]) -> ElsaSmall:
    made = build(config)  # type: ignore[arg-type]
    made.load_state_dict(weights, strict=False)
    assert isinstance(made, ElsaSmall)
    return made


def test_a_model_without_such_convolutions_is_refused(anechoic: TrainData, tmp_path: Path) -> None:
    stage = StageConfig("recall", 2, 8, 3e-3, DATA, scenes=16)
    config = dataclasses.replace(elsa_tiny(), stages=(stage,))
    model = torch.nn.Linear(1, 1)
    model.config = elsa_base()  # type: ignore[assignment]
    with pytest.raises(TrainingError, match="elsa-base has no convolutions to be kept"):
        next(StageExamples(config, anechoic, tmp_path, Console(quiet=True)).of(0, model, 0))  # type: ignore[arg-type]


def test_what_is_said_of_the_room_is_judged_by_ratios_where_a_stage_asks_for_it() -> None:
    true = torch.tensor([[0.0, 3.0, -0.5, 0.2]])
    said = true + torch.tensor([[math.log(2.0), math.log(0.5), math.log(1.2), 0.3]])
    stage = StageConfig("recall", 1, 1, 1e-3, DATA, relative=True)
    ratios, others = 1.0 + 0.2, math.log(2.0) ** 2 + 0.3**2  # distance and T30; floor area and DRR
    assert float(objectives._room_losses(stage, said, true)) == pytest.approx(0.5 * ratios + others, rel=1e-5)
    logs = math.log(2.0) ** 2 + math.log(2.0) ** 2 + math.log(1.2) ** 2
    plain = dataclasses.replace(stage, relative=False)
    assert float(objectives._room_losses(plain, said, true)) == pytest.approx(logs + 0.3**2, rel=1e-5)
