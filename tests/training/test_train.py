"""The loop: stopped anywhere and called again, it ends at the same weights, bit for bit."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor
from world import plane_waves

from open_elsa.errors import DataError, TrainingError
from open_elsa.model.checkpoints import own_state
from open_elsa.model.elsa import Elsa, build
from open_elsa.training import losses, state, train
from open_elsa.training.data import JoinedBanks
from open_elsa.training.examples import TrainData
from open_elsa.training.recipes import StageConfig, TrainConfig, elsa_tiny
from open_elsa.training.train import Stopped

QUIET = Console(file=io.StringIO())


def short(**changes: Any) -> TrainConfig:
    """Three steps of each kind of stage, with averaged weights."""
    place, align = elsa_tiny().stages
    data = dataclasses.replace(align.data, seconds=0.6)
    where = dataclasses.replace(data, spatial_share=1.0)
    stages = (
        dataclasses.replace(place, steps=3, batch_size=4, data=where),
        dataclasses.replace(align, steps=3, batch_size=6, data=data),
        StageConfig("recall", 3, 6, 1e-3, where, scenes=16, warmup_steps=1),
    )
    return dataclasses.replace(elsa_tiny(), **{"stages": stages, "ema": 0.9, **changes})


def weights(model: Elsa) -> dict[str, Tensor]:
    return own_state(model)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(anechoic: TrainData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, weights(train.train(short(), anechoic, folder, validation=anechoic, console=QUIET))


def test_stopped_and_resumed_is_bit_identical(
    whole: tuple[Path, dict[str, Tensor]], anechoic: TrainData, tmp_path: Path
) -> None:
    for stop_after in (2, 3, 5, 8):  # inside stage 1, at its last step, inside stages 2 and 3
        with pytest.raises(Stopped):
            train.train(short(), anechoic, tmp_path, validation=anechoic, stop_after=stop_after, console=QUIET)
        with (tmp_path / "metrics.jsonl").open("a") as log:  # steps that a kill lost after the state was saved
            log.write(json.dumps({"total": stop_after + 1, "loss": 99.0}) + "\n" + '{"total": 9, "lo')
    model = train.train(short(), anechoic, tmp_path, validation=anechoic, console=QUIET)
    wanted = whole[1]
    assert weights(model).keys() == wanted.keys()
    assert [k for k, v in weights(model).items() if not torch.equal(v, wanted[k])] == []
    assert lines(tmp_path) == lines(whole[0])
    assert not model.training


def test_the_log_has_every_step_once_and_what_validation_says(whole: tuple[Path, dict[str, Tensor]]) -> None:
    log = lines(whole[0])
    steps = [line for line in log if "loss" in line]
    assert [(line["total"], line["stage"], line["step"]) for line in steps] == [
        *((k, "place", k) for k in (1, 2, 3)),
        *((k, "align", k - 3) for k in (4, 5, 6)),
        *((k, "recall", k - 6) for k in (7, 8, 9)),
    ]
    for line in steps:
        parts = [v for k, v in line.items() if k not in ("total", "stage", "step", "loss", "lr", "gradient")]
        assert line["loss"] == pytest.approx(sum(parts), rel=1e-4)
    checks = [line for line in log if "loss" not in line]
    assert [line["stage"] for line in checks] == ["place", "align", "recall"]
    assert all(0 < line["val_direction_mean_deg"] < 180 for line in checks)
    assert 0 <= checks[1]["val_caption_true"] <= 1
    assert json.loads((whole[0] / "config.json").read_text())["name"] == "elsa-tiny"
    assert list((whole[0] / "tensorboard").iterdir())


def test_the_average_is_what_is_returned(whole: tuple[Path, dict[str, Tensor]]) -> None:
    stored = load_file(whole[0] / "state" / "state.safetensors")
    name = "what.0.weight"
    assert torch.equal(whole[1][name], stored[f"average/{name}"])
    assert not torch.equal(whole[1][name], stored[f"model/{name}"])


def test_a_finished_run_is_only_read(
    whole: tuple[Path, dict[str, Tensor]], anechoic: TrainData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.Run, "_update", lambda *_: pytest.fail("trained again"))
    model = train.train(short(), anechoic, whole[0], console=QUIET)
    assert all(torch.equal(v, whole[1][k]) for k, v in weights(model).items())


def test_blended_weights_lie_between_those_before_and_those_learned(anechoic: TrainData, tmp_path: Path) -> None:
    place, align, _ = short().stages
    torch.manual_seed(0)
    before = {k: v.clone() for k, v in own_state(build(short().model)).items()}
    for stages in ((place,), (place, align)):
        made = {}
        for share in (1.0, 0.25):
            config = short(stages=(*stages[:-1], dataclasses.replace(stages[-1], blend=share)))
            made[share] = weights(train.train(config, anechoic, tmp_path / f"{len(stages)}-{share}", console=QUIET))
        for name, learned in made[1.0].items():
            if learned.is_floating_point():
                share = 1.0 if name.startswith("text.") else 0.25
                torch.testing.assert_close(made[0.25][name], before[name].lerp(learned, share))
        before = made[1.0]  # what the next stage starts from
    with pytest.raises(Stopped):
        train.train(config, anechoic, tmp_path / "killed", stop_after=place.steps + 1, console=QUIET)
    again = weights(train.train(config, anechoic, tmp_path / "killed", console=QUIET))
    assert all(torch.equal(v, again[k]) for k, v in made[0.25].items())


def test_the_seed_decides(whole: tuple[Path, dict[str, Tensor]], anechoic: TrainData, tmp_path: Path) -> None:
    firsts = [lines(whole[0])[0]]
    for name, seed in (("same", 0), ("other", 1)):
        with pytest.raises(Stopped):
            train.train(short(seed=seed), anechoic, tmp_path / name, stop_after=1, console=QUIET)
        firsts.append(lines(tmp_path / name)[0])
    assert firsts[0] == firsts[1] != firsts[2]


def test_another_configuration_is_refused(whole: tuple[Path, dict[str, Tensor]], anechoic: TrainData) -> None:
    before = (whole[0] / "config.json").read_text()
    with pytest.raises(TrainingError, match="holds another configuration"):
        train.train(short(seed=5), anechoic, whole[0], console=QUIET)
    assert (whole[0] / "config.json").read_text() == before


def test_a_loss_that_is_no_number_stops_the_run(
    anechoic: TrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "direction", lambda *_: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(TrainingError, match="loss is nan at step 0 of stage 1"):
        train.train(short(), anechoic, tmp_path, console=QUIET)
    assert state.find(tmp_path / "state") is None


def test_stage_1_leaves_hearing_and_reading_alone() -> None:
    config = short()
    run = train.Run.__new__(train.Run)
    run.model = build(config.model)
    names = {id(p): name for name, p in run.model.named_parameters()}
    for stage in config.stages:
        stage = dataclasses.replace(stage, tagger_lr=0.3)
        groups = run._optimizer(stage).param_groups
        trained = {names[id(p)].split(".")[0] for group in groups for p in group["params"]}
        assert "spatial" in trained
        assert (trained >= {"semantic", "text"}) == (stage.kind == "align")
        assert not [names[id(p)] for g in groups for p in g["params"] if "backbone" in names[id(p)]]
        for group in groups:
            assert {names[id(p)].startswith("semantic.") for p in group["params"]} == {group["share"] == 0.3}
            assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] > 0}


def test_the_rate_warms_up_and_falls() -> None:
    stage = StageConfig("align", 100, 4, 1e-3, elsa_tiny().stages[1].data, warmup_steps=10)
    rates = [train._schedule(stage, k) for k in range(100)]
    assert rates[0] == pytest.approx(1e-4, rel=0.01)
    assert max(rates) == pytest.approx(1e-3, rel=0.03) and 8 <= rates.index(max(rates)) <= 10
    assert rates[55] == pytest.approx(0.43e-3, rel=0.05)
    assert rates[-1] < 0.02e-3
    constant = dataclasses.replace(stage, schedule="constant")
    assert train._schedule(constant, 99) == 1e-3


def test_a_stage_draws_from_the_bank_it_names(anechoic: TrainData) -> None:
    align = elsa_tiny().stages[1]
    for kind in ("balanced", "both"):
        with pytest.raises(TrainingError, match=f"'{kind}', and a bank of them was not given"):
            anechoic.bank_for(dataclasses.replace(align, bank=kind))
    balanced = plane_waves(7, seed=1)
    whole = dataclasses.replace(anechoic, balanced=balanced)
    assert whole.bank_for(align) is anechoic.bank
    assert whole.bank_for(dataclasses.replace(align, bank="balanced")) is balanced
    both = whole.bank_for(dataclasses.replace(align, bank="both"))
    assert isinstance(both, JoinedBanks) and both.banks == (anechoic.bank, balanced)


def test_joined_banks_are_read_one_behind_the_other(anechoic: TrainData) -> None:
    first, second = anechoic.bank, plane_waves(7, seed=1)
    assert first is not None
    joined = JoinedBanks([first, second])
    n = len(first)
    assert len(joined) == n + 7
    for i, (bank, row) in {0: (first, 0), n - 1: (first, n - 1), n: (second, 0), n + 6: (second, 6)}.items():
        np.testing.assert_array_equal(joined.response(i), bank.response(row))
    np.testing.assert_array_equal(joined.response(-1), second.response(6))
    for name in ("azimuth_deg", "distance_m", "t30_s"):
        assert joined.table[name].to_pylist() == first.table[name].to_pylist() + second.table[name].to_pylist()
    rooms = joined.table["room_id"].to_pylist()
    alone = [len(set(bank.table["room_id"].to_pylist())) for bank in (first, second)]
    assert set(rooms[:n]).isdisjoint(rooms[n:]) and len(set(rooms)) == sum(alone)


def test_banks_of_several_rates_are_not_joined(anechoic: TrainData) -> None:
    other = copy.copy(anechoic.bank)
    assert other is not None and anechoic.bank is not None
    other.sample_rate = 48000
    with pytest.raises(DataError, match=r"\[32000, 48000\] cannot be read as one"):
        JoinedBanks([anechoic.bank, other])
