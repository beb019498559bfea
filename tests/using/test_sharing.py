"""A model handed on: copied bit by bit, uploaded with its card and its list of recordings, refused without a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from open_elsa.errors import CheckpointError
from open_elsa.model import checkpoints
from open_elsa.model.card import ModelCard
from open_elsa.model.config import elsa_tiny
from open_elsa.model.elsa import build
from open_elsa.using.embedder import Embedder, load

CARD = ModelCard("elsa-tiny", "For tests.", "elsa train elsa-tiny", "2026-11-25", "a core", 0, ())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    torch.manual_seed(0)
    folder = checkpoints.save(tmp_path_factory.mktemp("run") / "model", build(elsa_tiny()).eval(), CARD)
    (folder / "training_data.csv").write_text("clip,author\n")
    (folder / "captions").mkdir()
    (folder / "captions" / "vocabulary.json").write_text("{}")
    (folder / "state.pt").write_text("optimizer")
    return load(folder)


FILES = ["README.md", "captions/vocabulary.json", "config.json", "model.safetensors", "training_data.csv"]


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_saved_it_is_the_same_model(model: Embedder, tmp_path: Path) -> None:
    assert model.folder is not None
    saved = content(model.save(tmp_path / "copy"))
    assert list(saved) == FILES and all(saved[name] == (model.folder / name).read_bytes() for name in FILES)
    (tmp_path / "copy" / "captions" / "vocabulary.json").unlink()
    assert load(tmp_path / "copy").weights_sha256 == model.weights_sha256
    with pytest.raises(CheckpointError, match="not an empty folder"):
        model.save(tmp_path / "copy")
    with pytest.raises(CheckpointError, match=r"elsa-tiny was not loaded from a checkpoint"):
        Embedder(model.model).save(tmp_path / "other")


class Api:
    """What of huggingface_hub.HfApi is called, without a network: what was uploaded is kept."""

    calls: ClassVar[list[Any]] = []
    uploaded: ClassVar[dict[str, bytes]] = {}

    def create_repo(self, repo_id: str, **options: Any) -> None:
        self.calls.append((repo_id, options))

    def upload_folder(self, *, repo_id: str, folder_path: Path, allow_patterns: list[str]) -> Any:
        self.uploaded.clear()
        for pattern in allow_patterns:
            self.uploaded.update(
                {str(p.relative_to(folder_path)): p.read_bytes() for p in folder_path.glob(pattern) if p.is_file()}
            )
        return type("Commit", (), {"commit_url": f"https://hub/{repo_id}/commit/1"})()


def test_pushed_it_loads_from_the_hub(model: Embedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    assert model.push_to_hub("me/elsa", private=True) == "https://hub/me/elsa/commit/1"
    assert Api.calls == [("me/elsa", {"private": True, "exist_ok": True})]
    assert sorted(Api.uploaded) == FILES
    card = Api.uploaded["README.md"].decode()
    assert 'elsa.load("me/elsa")' in card and "license: apache-2.0" in card and "path/to" not in card
    assert model.folder is not None and "path/to/this/folder" in (model.folder / "README.md").read_text()

    def snapshot(repo_id: str, **_: Any) -> str:
        assert repo_id == "me/elsa"
        for name, data in Api.uploaded.items():
            if not name.startswith("captions"):
                (tmp_path / name).write_bytes(data)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert load("me/elsa").weights_sha256 == model.weights_sha256


def test_what_the_hub_does_not_take(model: Embedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Refusing(Api):
        def create_repo(self, repo_id: str, **options: Any) -> None:
            raise OSError("401 unauthorised")

    monkeypatch.setattr("huggingface_hub.HfApi", Refusing)
    with pytest.raises(CheckpointError, match="did not take me/elsa"):
        model.push_to_hub("me/elsa")
    with pytest.raises(CheckpointError, match='"user/name"'):
        model.push_to_hub("elsa")
    folder = model.save(tmp_path / "bare")
    (folder / "README.md").unlink()
    with pytest.raises(CheckpointError, match="no model card"):
        load(folder).push_to_hub("me/elsa")
