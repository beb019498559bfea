"""Other people's weights, from a folder or the hub's cache: found, read, fitted; no downloads, no pickles."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from open_elsa.errors import CheckpointError

logger = logging.getLogger("open_elsa")

_DRAWS = {"normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_"}


class NoRandomStart(TorchFunctionMode):
    """While entered, modules are made without drawing their random weights, which hold anything until they are loaded.

    For modules whose every parameter is then read from a file: drawing them only to overwrite them takes time, and on
    the meta device it imports torch's compiler, a whole second.
    """

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Give an initialiser's tensor back as it is; call everything else."""
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def local_folder(source: str | Path) -> Path:
    """The folder `source`, or the newest snapshot of the hub id `source` in the hub's cache.

    Raises CheckpointError where there is neither.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(source), local_files_only=True))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"no folder {source}, and no {source} in the hub's cache; give the folder, or fetch it once with "
            f"`hf download {source}`"
        ) from error


def read_weights(folder: Path, *prefixes: str) -> dict[str, Tensor]:
    """The tensors of folder/model.safetensors under the first of the prefixes that occurs, without it.

    An empty prefix takes all. Raises CheckpointError where the file is missing (also where there is only a pickle,
    which could run code), broken, or has nothing under any of the prefixes.
    """
    path = folder / "model.safetensors"
    if not path.is_file():
        pickles = sorted(p.name for p in folder.glob("*.bin")) + sorted(p.name for p in folder.glob("*.pt"))
        hint = f" ({pickles[0]} is a pickle, which can run code)" if pickles else ""
        raise CheckpointError(
            f"{folder} has no model.safetensors{hint}; write one with transformers' "
            "from_pretrained(...).save_pretrained(...)"
        )
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is broken ({error}); fetch it again") from error
    for prefix in prefixes:
        if found := {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}:
            return found
    raise CheckpointError(f"{path} has no tensors under {' or '.join(prefixes)}; is it of another kind of model?")


def fit_weights(module: nn.Module, state: dict[str, Tensor], *, where: str, may_miss: tuple[str, ...] = ()) -> None:
    """Copy the tensors into the module; what the module doesn't have is ignored, what it misses is an error.

    may_miss: prefixes of names that may be absent and stay as they are. Raises CheckpointError naming the first
    tensor that is missing or of another shape; the module is unchanged then.
    """
    own = module.state_dict()
    for name, tensor in own.items():
        if name not in state:
            if name.startswith(may_miss) if may_miss else False:
                logger.info("%s has no %s; it starts from random values", where, name)
                continue
            raise CheckpointError(f"{where} has no tensor {name!r}; is it of another architecture?")
        if state[name].shape != tensor.shape:
            raise CheckpointError(
                f"{where}: {name!r} has shape {tuple(state[name].shape)}, the model needs {tuple(tensor.shape)}"
            )
    with torch.no_grad():
        for name, tensor in own.items():
            if name in state:
                tensor.copy_(state[name])
