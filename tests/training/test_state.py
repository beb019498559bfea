"""Saved states: whole after a kill at any moment, equal when put back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from open_elsa.errors import TrainingError
from open_elsa.model.checkpoints import own_state
from open_elsa.training import state
from open_elsa.training.lamb import Lamb


class Model(nn.Module):
    external_prefixes = ("frozen.",)

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.layer, self.norm, self.frozen = nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(2, 2)


def trained(steps: int, optimizer: str = "adamw") -> tuple[Model, state.Average, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = Model()
    average = state.Average(model, 0.9)
    made = torch.optim.AdamW if optimizer == "adamw" else Lamb
    updater = made([{"params": list(model.layer.parameters())}, {"params": list(model.norm.parameters())}], lr=0.1)
    for step in range(steps):
        go_on(model, average, updater, step)
    return model, average, updater


def go_on(model: Model, average: state.Average, optimizer: torch.optim.Optimizer, step: int) -> None:
    torch.manual_seed(100 + step)
    optimizer.zero_grad()
    model.norm(model.layer(torch.randn(5, 2))).pow(3).sum().backward()
    optimizer.step()
    average.update(model, step)


def values(model: Model) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in own_state(model).items()}


@pytest.mark.parametrize("optimizer", ["adamw", "lamb"])
def test_going_on_from_a_state_is_as_if_never_stopped(tmp_path: Path, optimizer: str) -> None:
    whole, whole_average, _ = trained(6, optimizer)
    model, average, updater = trained(3, optimizer)
    state.save(tmp_path / "state", {"step": 3}, model, average, updater)

    again, fresh_average, fresh = trained(0, optimizer)
    found = state.find(tmp_path / "state")
    assert found is not None and state.progress_of(found) == {"step": 3}
    state.load(found, again, fresh_average, fresh)
    for step in range(3, 6):
        go_on(again, fresh_average, fresh, step)
    assert all(torch.equal(v, values(whole)[k]) for k, v in values(again).items())
    assert all(torch.equal(v, whole_average.values[k]) for k, v in fresh_average.values.items())


def test_the_average_follows_slowly_and_forgets_the_start() -> None:
    model = Model()
    average = state.Average(model, 0.998)
    nn.init.constant_(model.layer.bias, 0.0)
    average.update(model, 0)
    nn.init.constant_(model.layer.bias, 1.0)
    average.update(model, 0)
    # the first steps weigh 9 / 10; later ones 0.002
    before = average.values["layer.bias"].clone()
    assert float(before[0]) > 0.8
    nn.init.constant_(model.layer.bias, 2.0)
    average.update(model, 100_000)
    torch.testing.assert_close(average.values["layer.bias"], before + 0.002 * (2 - before))
    assert not [k for k in average.values if k.startswith("frozen")]
    average.copy_to(model)
    torch.testing.assert_close(model.layer.bias.detach(), average.values["layer.bias"])


def test_external_weights_are_not_saved_and_not_touched(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model, average, updater = trained(1)
    state.save(tmp_path / "state", {}, model, average, updater)
    assert not [k for k in load_file(tmp_path / "state" / "state.safetensors") if "frozen" in k]
    other = Model()
    before = other.frozen.weight.detach().clone()
    state.load(tmp_path / "state", other, None, None)
    assert torch.equal(other.frozen.weight, before)
    assert torch.equal(other.layer.weight, model.layer.weight)


@pytest.mark.parametrize("moment", range(3))
def test_a_kill_while_saving_leaves_a_whole_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Killed before, between and after the two renames of the second save."""
    folder = tmp_path / "state"
    model, average, updater = trained(1)
    state.save(folder, {"step": 1}, model, average, updater)
    calls = 0
    replace, remove = Path.replace, shutil.rmtree

    def rename(self: Path, target: Path) -> Path:
        nonlocal calls
        if calls == moment:
            raise KeyboardInterrupt
        calls += 1
        return replace(self, target)

    def delete(path: Path, ignore_errors: bool = False) -> None:
        if calls == 2:
            raise KeyboardInterrupt
        remove(path, ignore_errors=ignore_errors)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", rename)
        patch.setattr(shutil, "rmtree", delete)
        state.save(folder, {"step": 2}, model, average, updater)
    found = state.find(folder)
    assert found is not None
    assert state.progress_of(found) == {"step": 1 if moment == 0 else 2}
    state.load(found, *trained(0))

    state.save(folder, {"step": 3}, model, average, updater)  # and the next save mends it
    assert state.find(folder) == folder and state.progress_of(folder) == {"step": 3}
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_half_written_states_are_passed_over(tmp_path: Path) -> None:
    model, average, updater = trained(1)
    folder, new, old = (tmp_path / name for name in ("state", "state.new", "state.old"))
    assert state.find(folder) is None
    state.save(folder, {"step": 1}, model, average, updater)
    folder.replace(old)
    new.mkdir()
    (new / "state.safetensors").write_bytes(b"half")
    assert state.find(folder) == old


def test_another_models_state_is_refused(tmp_path: Path) -> None:
    model, average, updater = trained(1)
    state.save(tmp_path / "state", {}, model, average, updater)
    with pytest.raises(TrainingError, match="another model"):
        state.load(tmp_path / "state", Model(width=4), None, None)
    with pytest.raises(TrainingError, match=r"another model: it has '(layer|norm)"):
        state.load(tmp_path / "state", nn.ModuleDict({"head": nn.Linear(2, 2)}), None, None)
