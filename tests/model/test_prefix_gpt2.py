"""A prefix into GPT-2: a tiny one made on the spot learns captions by heart, and its files come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel

from open_elsa.errors import CheckpointError
from open_elsa.model import decoder_files
from open_elsa.model.decoder_files import DecoderCard
from open_elsa.model.prefix_gpt2 import PrefixCaptioner
from open_elsa.training.caption_fit import FitConfig, Pairs, fit, mean_loss

WEIGHTS = "ab" * 32
TEXTS = ("a dog on the left", "rain far away", "a bell behind me", "wind")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random GPT-2 that reads bytes."""
    folder = tmp_path_factory.mktemp("gpt2")
    letters = {letter: k for k, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(letters | {"<|endoftext|>": 256}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    sizes = {"vocab_size": 257, "n_positions": 48, "n_embd": 32, "n_layer": 1, "n_head": 2}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=256, eos_token_id=256)).save_pretrained(folder)
    return folder


def vectors() -> np.ndarray:
    found = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def captioner(gpt2: Path, **changes: object) -> PrefixCaptioner:
    torch.manual_seed(1)
    return PrefixCaptioner.from_gpt2(gpt2, model="tiny", weights=WEIGHTS, embedding_dim=8, max_tokens=24, **changes)


def test_captions_by_heart_and_back_from_a_file(gpt2: Path, tmp_path: Path) -> None:
    model = captioner(gpt2)
    pairs = Pairs.of(vectors(), range(4), [model.encode(text) for text in TEXTS])
    before = mean_loss(model.eval(), pairs)
    fit(model, pairs, FitConfig(steps=120, batch_size=4, lr=1e-2, warmup_steps=5, noise=0.0, bf16=False))
    assert mean_loss(model, pairs) < 0.1 < before
    rows = model.candidates(torch.from_numpy(vectors()), beams=3)
    assert [row[0] for row in rows] == list(TEXTS)
    assert model.candidates(torch.from_numpy(vectors()), beams=1) == [[text] for text in TEXTS]
    card = DecoderCard("tiny", WEIGHTS, "-", "2026-11-24", "-", 0, 4, 4, {})
    folder = decoder_files.save(tmp_path / "captions", model, card)
    loaded = decoder_files.load(folder, weights=WEIGHTS)
    assert isinstance(loaded, PrefixCaptioner) and loaded.config == model.config
    assert loaded.candidates(torch.from_numpy(vectors()), beams=3) == rows
    with pytest.raises(CheckpointError, match="train one for this model"):
        decoder_files.load(folder, weights="cd" * 32)
    with pytest.raises(CheckpointError, match=r"\(n, 8\) of tiny"):
        loaded.candidates(torch.zeros(1, 16))


def test_frozen_gpt2_stays_as_it_was(gpt2: Path) -> None:
    model = captioner(gpt2, frozen=True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pairs = Pairs.of(vectors(), range(4), [model.encode(text) for text in TEXTS])
    fit(model, pairs, FitConfig(steps=3, batch_size=4, bf16=False))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.startswith("gpt2."), name


def test_it_starts_from_the_weights_of_the_folder(gpt2: Path) -> None:
    given = GPT2LMHeadModel.from_pretrained(gpt2)
    assert torch.equal(captioner(gpt2).gpt2.transformer.wte.weight, given.transformer.wte.weight)
    assert torch.equal(captioner(gpt2).gpt2.lm_head.weight, given.transformer.wte.weight)


def test_what_is_missing(gpt2: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="hub's cache"):
        captioner(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"config\.json is missing or not GPT-2's"):
        captioner(tmp_path)
    (tmp_path / "config.json").write_text((gpt2 / "config.json").read_text())
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        captioner(tmp_path)
    (tmp_path / "tokenizer.json").write_text((gpt2 / "tokenizer.json").read_text())
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        captioner(tmp_path)
