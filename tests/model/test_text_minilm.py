"""The text encoder: all-MiniLM-L6-v2 as its authors meant it, frozen, and clear words on what cannot be read."""

from __future__ import annotations

import dataclasses
import logging

import pytest
import torch

from open_elsa.errors import CheckpointError, DataError
from open_elsa.model import text_minilm
from open_elsa.model.config import TextConfig, elsa_tiny
from open_elsa.model.text_minilm import MiniLMTextEncoder, minilm_folder

TEXTS = ["a dog barking on my left", "rain", "the sound of a church bell from far away, high above, in a large hall"]


@pytest.fixture(scope="module")
def tiny() -> MiniLMTextEncoder:
    torch.manual_seed(0)
    return MiniLMTextEncoder(elsa_tiny().text, 24, 8).eval()


def test_the_backbone_is_the_packages_model() -> None:
    """Against transformers' own loading of the same folder, tokenizer and pooling as sentence-transformers has them."""
    from transformers import AutoModel, AutoTokenizer

    encoder = MiniLMTextEncoder(TextConfig(layers=1, hidden=8), 4, 4).eval()
    ids, mask = encoder.tokenize(TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    theirs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert torch.equal(ids, theirs["input_ids"])
    assert torch.equal(mask.long(), theirs["attention_mask"])
    reference = AutoModel.from_pretrained(minilm_folder()).eval()
    with torch.inference_mode():
        wanted = reference(**theirs).last_hidden_state * mask[..., None]
        tokens = encoder.backbone(ids, mask) * mask[..., None]
    sentences = [(t.sum(1) / mask.sum(1, keepdim=True)) for t in (tokens, wanted)]
    torch.testing.assert_close(sentences[0], sentences[1], atol=1e-5, rtol=0)
    assert float(wanted.abs().mean()) > 0.1


def test_other_weights_in_the_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_minilm, "MINILM_SHA256", "0" * 64)
    minilm_folder.cache_clear()
    with pytest.raises(CheckpointError, match="not all-MiniLM-L6-v2"):
        minilm_folder()


def test_company_and_order_do_not_matter(tiny: MiniLMTextEncoder) -> None:
    many = [*TEXTS, *(f"sound number {k} of {'many ' * (k % 7)}" for k in range(40))]
    with torch.inference_mode():
        what, where = tiny(many)
        again = tiny(many)
        backwards = tiny(many[::-1])
        alone = [tiny([text]) for text in many]
    assert torch.equal(what, again[0]) and torch.equal(where, again[1])
    torch.testing.assert_close(backwards[0].flip(0), what, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat([a[0] for a in alone]), what, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat([a[1] for a in alone]), where, atol=1e-5, rtol=0)
    assert what.shape == (43, 24) and where.shape == (43, 8)


def test_long_texts_are_cut_with_a_warning(tiny: MiniLMTextEncoder, caplog: pytest.LogCaptureFixture) -> None:
    long = "a dog and " * 100
    with caplog.at_level(logging.WARNING, "open_elsa"):
        ids, mask = tiny.tokenize(["rain", long])
    assert ids.shape == (2, tiny.max_tokens)
    assert int(ids[1, -1]) == int(ids[0, int(mask[0].sum()) - 1])  # it still ends as a text does
    assert [m for m in caplog.messages if m.startswith("text 1 (1000 characters) is longer than 77 tokens")]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "open_elsa"):
        tiny.tokenize([" ".join(["dog"] * 75)])  # 77 with both ends
    assert not caplog.messages


def test_a_book_is_cut_before_it_is_read(tiny: MiniLMTextEncoder, caplog: pytest.LogCaptureFixture) -> None:
    ids, _ = tiny.tokenize(["x" * 10_000_000])
    assert ids.shape[1] <= tiny.max_tokens
    assert "is not read" in caplog.text


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_empty_texts_are_refused(tiny: MiniLMTextEncoder, empty: str) -> None:
    with pytest.raises(DataError, match="text 1 of 2 is empty"):
        tiny(["rain", empty])


def test_the_backbone_is_frozen_and_never_drops_out(tiny: MiniLMTextEncoder) -> None:
    tiny.train()
    assert not tiny.backbone.training and tiny.layers.training
    what, where = tiny(TEXTS)
    (what.sum() + where.sum()).backward()
    assert all(p.grad is None and not p.requires_grad for p in tiny.backbone.parameters())
    assert all(p.grad is not None and bool(p.grad.any()) for p in (tiny.queries, tiny.what[0].weight))
    tiny.eval()


def test_a_tests_backbone_is_the_same_at_every_start() -> None:
    config = dataclasses.replace(elsa_tiny().text, layers=1)
    torch.manual_seed(1)
    one = MiniLMTextEncoder(config, 4, 4).backbone.state_dict()
    torch.manual_seed(2)
    other = MiniLMTextEncoder(config, 4, 4).backbone.state_dict()
    assert all(torch.equal(one[k], other[k]) for k in one)
