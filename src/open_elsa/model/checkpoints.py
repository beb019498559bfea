"""What a checkpoint holds: a folder with config.json, model.safetensors and README.md (the model card). No pickles."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from open_elsa.errors import CheckpointError, ConfigError
from open_elsa.model.card import ModelCard, left_out_of
from open_elsa.model.config import ElsaConfig
from open_elsa.model.elsa import Elsa, build
from open_elsa.model.pretrained import NoRandomStart

CONFIG, WEIGHTS, CARD, TOKENIZER = "config.json", "model.safetensors", "README.md", "tokenizer.json"
SHIPPED = "elsa-small"
#: What makes a checkpoint: some licences ask that the list of recordings goes wherever the weights go.
_PARTS = [CONFIG, WEIGHTS, CARD, TOKENIZER, "training_data.csv", "captions/*"]
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
_FLOAT16_LARGEST = 65504.0


def save(folder: str | Path, model: nn.Module, card: ModelCard, *, dtype: torch.dtype = torch.float32) -> Path:
    """Write a checkpoint: each file whole or not at all, config.json last.

    dtype: of the stored weights; torch.float16 halves the file (tensors it can't hold stay float32). Parameters under
    the model's `external_prefixes` aren't stored: a package brings them. Raises CheckpointError for a weight that isn't
    finite; nothing is written then.
    """
    folder = Path(folder)
    weights = to_bytes(stored(model, dtype), metadata={"format": "pt"})
    card = dataclasses.replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    config: ElsaConfig = model.config  # type: ignore[assignment]
    folder.mkdir(parents=True, exist_ok=True)
    if (text := getattr(model, "text", None)) is not None and hasattr(text, "tokenizer_json"):
        write(folder / TOKENIZER, text.tokenizer_json().encode())
    write(folder / WEIGHTS, weights)
    write(folder / CARD, card.to_markdown().encode())
    write(folder / CONFIG, (config.to_json() + "\n").encode())
    return folder


def load(source: str | Path | None = None, *, make: Callable[[ElsaConfig], nn.Module] = build) -> Elsa:
    """Read a checkpoint from a folder, a hub id ("user/name" or "user/name@revision"), or None = the shipped one.

    Returns the model in evaluation mode, float32, on the CPU. A hub id is downloaded (safetensors, JSON and Markdown
    only) unless it's cached or HF_HUB_OFFLINE is set. `make` builds the model from its configuration; random weights
    are not drawn meanwhile, so it must fill what `external_prefixes` names from elsewhere. Raises CheckpointError for
    what is missing, broken, a pickle, of another format, or has a tensor that doesn't fit (the first one is named).
    """
    folder = find(source)
    config = read_config(folder)
    with torch.random.fork_rng(devices=[]), NoRandomStart():  # the caller's generator must not move either
        model = make(config)
    state = read(folder / WEIGHTS, own_state(model))
    model.load_state_dict(state, strict=False)  # strictness is read's; what is external isn't in the file
    if (text := getattr(model, "text", None)) is not None and hasattr(text, "load_tokenizer"):
        text.load_tokenizer(folder)
    return cast(Elsa, model.eval())


def find(source: str | Path | None) -> Path:
    """The local folder of a checkpoint, downloaded first where `source` is a hub id; raises CheckpointError."""
    if source is None:
        folder = Path(str(resources.files("open_elsa"))) / "weights" / SHIPPED
        if not (folder / WEIGHTS).is_file():
            raise CheckpointError(f"this copy of open-elsa has no weights in {folder}; reinstall it, or give a folder")
        return folder
    path = Path(source)
    if path.suffix in _PICKLES:
        raise CheckpointError(
            f"{path} looks like a pickle, which can run any code when it's opened; a checkpoint is a folder with "
            f"{CONFIG} and {WEIGHTS}"
        )
    if path.is_dir():
        return path
    if path.is_file():
        if path.name in (WEIGHTS, CONFIG):
            return path.parent
        raise CheckpointError(f"{path} is a file; a checkpoint is a folder with {CONFIG} and {WEIGHTS}")
    if isinstance(source, str) and _HUB_ID.fullmatch(source):
        return _download(source)
    raise CheckpointError(f"no checkpoint folder {source}; give a folder with {CONFIG} and {WEIGHTS}, or a hub id")


def read_config(folder: Path) -> ElsaConfig:
    """The configuration of a checkpoint; raises CheckpointError with the file's and the field's name."""
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {CONFIG}; a checkpoint is a folder with {CONFIG} and {WEIGHTS}")
    try:
        return ElsaConfig.from_json(path.read_text(encoding="utf-8"))
    except (ConfigError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def weights_hash(folder: str | Path) -> str:
    """The sha256 of a checkpoint's model.safetensors in hex: an index is bound to it."""
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise CheckpointError(_no_weights(Path(folder)))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def left_out(folder: str | Path) -> tuple[str, ...]:
    """The classes that a checkpoint was trained without, by its card; empty without a card."""
    card = Path(folder) / CARD
    return left_out_of(card.read_text(encoding="utf-8")) if card.is_file() else ()


def push_to_hub(folder: str | Path, repo_id: str, *, private: bool = False) -> str:
    """Upload a checkpoint with its captioner (nothing else in the folder) to the hub; returns the commit's address."""
    from huggingface_hub import HfApi

    folder = Path(folder)
    read_config(folder)
    weights_hash(folder)
    api = HfApi()
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repo_id, folder_path=folder, allow_patterns=_PARTS)
    except (OSError, ValueError) as error:  # every error of the hub's own is one of these
        raise CheckpointError(f"the hub did not take {repo_id} ({error}); log in with `hf auth login`") from error
    return str(commit.commit_url)


def files(folder: Path) -> list[Path]:
    """The files of a checkpoint, with its captioner and the list of what it was trained on where they are there."""
    return sorted(path for part in _PARTS for path in folder.glob(part) if path.is_file())


def stored(model: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """A model's own tensors as a file holds them; raises CheckpointError for one that isn't finite."""
    state: dict[str, Tensor] = {}
    for name, tensor in own_state(model).items():
        if tensor.is_floating_point():
            if not bool(tensor.isfinite().all()):
                raise CheckpointError(f"{name!r} holds values that aren't finite; the training diverged, nothing saved")
            fits = dtype != torch.float16 or float(tensor.abs().max() if tensor.numel() else 0.0) <= _FLOAT16_LARGEST
            tensor = tensor.to(dtype if fits else torch.float32)
        state[name] = tensor.cpu().contiguous().clone()  # safetensors takes no shared or strided memory
    return state


def own_state(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, less those that a package brings (`external_prefixes`)."""
    external: tuple[str, ...] = getattr(model, "external_prefixes", ())
    return {name: tensor.detach() for name, tensor in model.state_dict().items() if not name.startswith(external)}


def read(path: Path, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors, after a check of each name, shape and kind against the model's own."""
    if not path.is_file():
        raise CheckpointError(_no_weights(path.parent))
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            for name, tensor in own.items():
                if name not in names:
                    raise CheckpointError(f"{path} has no tensor {name!r}; it doesn't belong to its {CONFIG}")
                if (shape := tuple(file.get_slice(name).get_shape())) != tuple(tensor.shape):
                    raise CheckpointError(
                        f"{path}: tensor {name!r} has shape {shape}, {CONFIG} asks for {tuple(tensor.shape)}"
                    )
            if extra := sorted(names - set(own)):
                raise CheckpointError(f"{path} has a tensor {extra[0]!r} that its {CONFIG} has no place for")
            state = {name: file.get_tensor(name) for name in own}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is broken ({error}); copy or fetch it again") from error
    for name, tensor in state.items():
        if tensor.is_floating_point() != own[name].is_floating_point():
            raise CheckpointError(f"{path}: tensor {name!r} is {tensor.dtype}, the model's is {own[name].dtype}")
    return state


def _no_weights(folder: Path) -> str:
    pickles = sorted(p.name for p in folder.glob("*") if p.suffix in _PICKLES) if folder.is_dir() else []
    hint = f"; {pickles[0]} is a pickle, which can run any code, and isn't read" if pickles else ""
    return f"{folder} has no {WEIGHTS}{hint}; a checkpoint is a folder with {CONFIG} and {WEIGHTS}"


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    repo_id, _, revision = hub_id.partition("@")
    wanted: dict[str, Any] = {"revision": revision or None, "allow_patterns": ["*.safetensors", "*.json", "*.md"]}
    try:
        return Path(snapshot_download(repo_id, **wanted))
    except (OSError, ValueError) as error:  # every error of the hub's own is one of these
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"no folder {hub_id} here, and the hub did not give {repo_id} ({reason}); offline, give a local folder, "
            "or None for the model inside the package"
        ) from error


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
