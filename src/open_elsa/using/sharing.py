"""A loaded model handed on: copied to a folder, or uploaded to the hub with its card and what its licences ask for."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from open_elsa.errors import CheckpointError
from open_elsa.model import checkpoints
from open_elsa.using.embedder import Embedder

_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_FOLDER_IN_CARD = 'elsa.load("path/to/this/folder")'


def save(embedder: Embedder, folder: str | Path) -> Path:
    """Copy a model's checkpoint into a new folder, config.json last; see `Embedder.save`."""
    source, folder = _source(embedder), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder} is not an empty folder; choose another")
    files = [path for path in checkpoints.files(source) if path.name != checkpoints.CONFIG or path.parent != source]
    for path in [*files, source / checkpoints.CONFIG]:
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return folder


def push_to_hub(embedder: Embedder, repo_id: str, *, private: bool = False) -> str:
    """Upload a model's checkpoint; its card then tells how to load it from there; see `Embedder.push_to_hub`."""
    if not _REPO.fullmatch(repo_id):
        raise CheckpointError(f'the hub wants "user/name", got {repo_id!r}')
    with tempfile.TemporaryDirectory() as name:
        folder = save(embedder, Path(name) / "model")
        card = folder / checkpoints.CARD
        if not card.is_file():
            raise CheckpointError(
                f"{embedder.folder} has no model card ({checkpoints.CARD}); nobody would know its licence"
            )
        text = card.read_text(encoding="utf-8").replace(_FOLDER_IN_CARD, f'elsa.load("{repo_id}")')
        card.write_text(text, encoding="utf-8")
        return checkpoints.push_to_hub(folder, repo_id, private=private)


def _source(embedder: Embedder) -> Path:
    if embedder.folder is None or not (embedder.folder / checkpoints.WEIGHTS).is_file():
        raise CheckpointError(
            f"{embedder.name} was not loaded from a checkpoint; write one with open_elsa.model.checkpoints.save"
        )
    return embedder.folder
