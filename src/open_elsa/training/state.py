"""What a killed run needs to go on: weights, optimizer, averages, step; safetensors and JSON, swapped in whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from open_elsa.errors import TrainingError
from open_elsa.model.checkpoints import own_state


class Average:
    """Exponential moving average of a model's own parameters and buffers."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {k: v.clone() for k, v in own_state(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards the model; early steps move further, so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in own_state(model).items():
            if value.is_floating_point():
                self.values[name].lerp_(value.to(self.values[name].dtype), 1 - decay)
            else:
                self.values[name].copy_(value)

    def copy_to(self, model: nn.Module) -> None:
        """Put the averages into a model."""
        model.load_state_dict(self.values, strict=False)


def save(
    folder: Path, progress: dict[str, Any], model: nn.Module, average: Average | None, optimizer: torch.optim.Optimizer
) -> None:
    """Write everything to a new folder beside `folder`, then swap: a kill at any moment leaves one whole state."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    tensors = {f"model/{k}": v for k, v in own_state(model).items()}
    if average is not None:
        tensors |= {f"average/{k}": v for k, v in average.values.items()}
    for k, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{k}/{name}": torch.as_tensor(value) for name, value in entry.items()}
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, fresh / "state.safetensors")
    (fresh / "progress.json").write_text(json.dumps(progress, indent=2))
    for file in fresh.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    fresh.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def find(folder: Path) -> Path | None:
    """The newest whole state: the folder itself, or what a kill in the middle of the swap left beside it."""
    for candidate in (folder, folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")):
        if (candidate / "progress.json").exists() and (candidate / "state.safetensors").exists():
            return candidate
    return None


def progress_of(folder: Path) -> dict[str, Any]:
    """The progress that a state was saved with."""
    progress: dict[str, Any] = json.loads((folder / "progress.json").read_text())
    return progress


def load(folder: Path, model: nn.Module, average: Average | None, optimizer: torch.optim.Optimizer | None) -> None:
    """Put a saved state back; raises TrainingError when it belongs to another model."""
    tensors = load_file(folder / "state.safetensors")

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        _, unexpected = model.load_state_dict(part("model/"), strict=False)
    except RuntimeError as error:
        raise TrainingError(f"{folder} was saved by another model: {error}") from error
    if unexpected:
        raise TrainingError(f"{folder} was saved by another model: it has {unexpected[0]!r}; start in another folder")
    if average is not None:
        average.values.update(part("average/"))
    if optimizer is None:
        return
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimizer/").items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
