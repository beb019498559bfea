"""RoBERTa: tokens, batches, loading, and no download ever."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import RobertaConfig, RobertaForMaskedLM

from open_elsa.errors import CheckpointError, DataError
from open_elsa.model.config import TextConfig
from open_elsa.model.text_roberta import RobertaEncoder, byte_tokenizer, read_tokenizer

SMALL = TextConfig(kind="roberta", backbone_layers=1, backbone_dim=32, hidden=24, max_tokens=20)


@pytest.fixture(scope="module")
def encoder() -> RobertaEncoder:
    torch.manual_seed(0)
    return RobertaEncoder(SMALL, 16).eval()


def test_bytes_between_start_and_end(encoder: RobertaEncoder) -> None:
    ids, mask = encoder.tokenize(["a dog", "é"])
    assert ids.shape == (2, 7)
    assert ids[0, 0] == 0
    assert ids[0, -1] == 2
    assert ids[1].tolist()[3:] == [2, 1, 1, 1]
    assert mask.sum(1).tolist() == [7, 4]
    assert byte_tokenizer().decode(ids[0].tolist()) == "a dog"


@torch.no_grad()
def test_padding_does_not_matter(encoder: RobertaEncoder) -> None:
    together = encoder(["a dog", "rain on a roof"])
    assert together.shape == (2, 16)
    torch.testing.assert_close(encoder(["a dog"]), together[:1], atol=1e-5, rtol=0)
    assert (together[0] - together[1]).abs().max() > 1e-5


def test_long_texts_are_cut_with_a_warning(encoder: RobertaEncoder, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="open_elsa"):
        ids, _ = encoder.tokenize(["x" * 10_000])
    assert ids.shape == (1, 20)
    assert ids[0, -1] == 2
    assert "longer than 20 tokens" in caplog.text
    with pytest.raises(DataError, match="text 1 of 2 is empty"):
        encoder.tokenize(["dog", "  "])


def small_roberta() -> RobertaForMaskedLM:
    config = RobertaConfig(
        vocab_size=260, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128,
        max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1,
    )  # fmt: skip
    return RobertaForMaskedLM(config).eval()


@torch.no_grad()
def test_roberta_weights_are_loaded_from_a_folder(tmp_path: Path) -> None:
    torch.manual_seed(3)
    theirs = small_roberta()
    save_file({name: t.clone() for name, t in theirs.state_dict().items()}, tmp_path / "model.safetensors")
    byte_tokenizer().save(str(tmp_path / "tokenizer.json"))
    ours = RobertaEncoder(SMALL, 16).eval()
    ours.load_pretrained(tmp_path)
    ids, mask = ours.tokenize(["a dog barks"])
    expected = theirs.roberta(input_ids=ids, attention_mask=mask).last_hidden_state
    found = ours.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(found, expected)


def test_tokenizer_files_of_either_kind(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither tokenizer\.json nor vocab\.json"):
        read_tokenizer(tmp_path)
    byte_tokenizer().model.save(str(tmp_path))  # vocab.json, merges.txt
    assert read_tokenizer(tmp_path).encode("a dog").ids == byte_tokenizer().encode("a dog").ids


def test_a_tokenizer_travels_as_text(encoder: RobertaEncoder, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(encoder.tokenizer_json())
    other = RobertaEncoder(SMALL, 16)
    other.load_tokenizer(tmp_path)
    assert torch.equal(other.tokenize(["rain"])[0], encoder.tokenize(["rain"])[0])


def test_full_size_is_made_without_a_network_and_asks_for_its_tokenizer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with torch.device("meta"):
        full = RobertaEncoder(TextConfig(kind="roberta"), 512)
    assert sum(p.numel() for p in full.backbone.parameters()) == pytest.approx(125e6, rel=0.01)
    assert [layer.out_features for layer in full.mlp if isinstance(layer, torch.nn.Linear)] == [640, 512]
    with pytest.raises(CheckpointError, match="neither beside the checkpoint nor in the hub's cache"):
        full.tokenize(["a dog"])
