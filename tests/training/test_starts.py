"""Where a run starts: a finished checkpoint of the same model, or other people's parts."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from open_elsa.errors import TrainingError
from open_elsa.model import checkpoints
from open_elsa.model.card import ModelCard
from open_elsa.model.config import elsa_tiny
from open_elsa.model.elsa import build
from open_elsa.training import starts, train
from open_elsa.training.examples import TrainData
from open_elsa.training.recipes import recipe
from open_elsa.training.train import Stopped
from tests.training.test_train import short

QUIET = Console(file=io.StringIO())
CARD = ModelCard(
    name="tiny", summary="s", recipe="r", date="2026-01-01", machine="m", seed=0, sources=(), credits=(), limits=()
)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    return checkpoints.save(tmp_path / "finished", build(elsa_tiny()), CARD)


def test_a_run_goes_on_from_every_weight_of_a_checkpoint(finished: Path) -> None:
    torch.manual_seed(6)
    model = build(elsa_tiny())
    wanted = checkpoints.own_state(checkpoints.load(finished))
    assert not torch.equal(checkpoints.own_state(model)["what.0.weight"], wanted["what.0.weight"])
    starts.give_weights(model, finished, None, None)
    found = checkpoints.own_state(model)
    assert found.keys() == wanted.keys()
    assert [k for k in wanted if not torch.equal(found[k], wanted[k])] == []


def test_a_model_goes_on_from_one_whose_velocity_stayed_as_it_came(tmp_path: Path) -> None:
    tiny = elsa_tiny()
    before = build(dataclasses.replace(tiny, spatial=dataclasses.replace(tiny.spatial, balance_db=0.0)))
    folder = checkpoints.save(tmp_path / "before", before, CARD)
    model = build(tiny)
    starts.give_weights(model, folder, None, None)
    wanted, found = checkpoints.own_state(checkpoints.load(folder)), checkpoints.own_state(model)
    assert [k for k in wanted if not torch.equal(found[k], wanted[k])] == []


def test_a_model_goes_on_from_one_that_had_no_beam_and_no_branch_for_reflections(tmp_path: Path) -> None:
    torch.manual_seed(7)
    tiny = elsa_tiny()
    before = dataclasses.replace(
        tiny,
        semantic=dataclasses.replace(tiny.semantic, beam=0.0),
        spatial=dataclasses.replace(tiny.spatial, comb=0, balance_db=0.0),
    )
    folder = checkpoints.save(tmp_path / "before", build(before), CARD)
    model = build(tiny).eval()
    starts.give_weights(model, folder, None, None)
    model.front_end.intensity.balance_db = 0.0  # or it would hear otherwise
    audio = 0.1 * torch.randn(2, 4, 32000, generator=torch.Generator().manual_seed(1))
    spatial = torch.tensor([True, False])
    with torch.inference_mode():
        found, wanted = model.encode_audio(audio, spatial), checkpoints.load(folder).encode_audio(audio, spatial)
    assert torch.equal(found.room, wanted.room) and torch.equal(found.direction, wanted.direction)
    assert torch.equal(found.embedding[1], wanted.embedding[1])  # mono sounds are heard as before
    assert torch.equal(found.embedding[0, -32:].sign(), wanted.embedding[0, -32:].sign())


def test_training_starts_there_and_a_resumed_run_does_not_start_again(
    finished: Path, anechoic: TrainData, tmp_path: Path
) -> None:
    config = dataclasses.replace(short(), stages=short().stages[1:], ema=0.0)
    first = train.train(config, anechoic, tmp_path / "whole", start=finished, console=QUIET)
    other = train.train(config, anechoic, tmp_path / "random", console=QUIET)
    with pytest.raises(Stopped):
        train.train(config, anechoic, tmp_path / "cut", start=finished, stop_after=2, console=QUIET)
    again = train.train(config, anechoic, tmp_path / "cut", start=finished, console=QUIET)
    one, two, three = (checkpoints.own_state(m)["what.0.weight"] for m in (first, again, other))
    assert torch.equal(one, two)
    assert not torch.allclose(one, three, atol=1e-2)
    before = checkpoints.own_state(checkpoints.load(finished))["what.0.weight"]
    assert 0 < float((one - before).abs().max()) < 0.05  # three small steps away


def test_another_model_and_useless_parts_are_refused(finished: Path, tmp_path: Path) -> None:
    other = build(dataclasses.replace(elsa_tiny(), fusion_hidden=32))
    with pytest.raises(TrainingError, match="not the recipe's 'elsa-tiny' in every setting"):
        starts.give_weights(other, finished, None, None)
    with pytest.raises(TrainingError, match="leave tagger and text out"):
        starts.give_weights(build(elsa_tiny()), finished, tmp_path, None)
    with pytest.raises(TrainingError, match="frozen encoder"):
        starts.give_weights(build(elsa_tiny()), None, None, tmp_path)


def test_the_recipes_that_go_on_take_the_shipped_model() -> None:
    whole, tune, where = (recipe(f"elsa-small{end}") for end in ("", "-tune", "-where"))
    assert where.model == tune.model == whole.model == checkpoints.read_config(checkpoints.find(None))
    assert whole.stages[-len(where.stages) :] == where.stages
    assert dataclasses.replace(whole, name=where.name, stages=where.stages) == where
    assert whole.stages[-len(where.stages) - 1] == tune.stages[-1]
    starts.give_weights(build(where.model), checkpoints.find(None), None, None)


def test_bf16_is_used_only_where_the_processor_computes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not train.computes_bf16(cpu) and train.computes_bf16(torch.device("cuda"))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert train.computes_bf16(cpu)
