"""BERT out of torch's layers is transformers' BertModel: the same tensors, vectors and gradients."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from open_elsa.errors import CheckpointError
from open_elsa.model.bert import BertEncoder, BertSizes, bert_names

SIZES = BertSizes(
    vocab_size=60,
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=40,
    max_position_embeddings=20,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
)


@pytest.fixture
def theirs() -> BertModel:
    torch.manual_seed(0)
    model = BertModel(BertConfig(**asdict(SIZES)), add_pooling_layer=True).eval()
    for parameter in model.parameters():  # transformers starts biases at zero, where a mix-up would not show
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def ours(theirs: BertModel) -> BertEncoder:
    with torch.device("meta"):
        model = BertEncoder(SIZES)
    model.load_bert(theirs.state_dict(), where="here")
    return model.eval()


def sentences() -> tuple[Tensor, Tensor]:
    ids = torch.randint(1, 60, (5, 20), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(20) < torch.tensor([20, 1, 7, 13, 2])[:, None]
    return ids * mask, mask


@pytest.mark.parametrize("fused", [True, False])
def test_the_vectors_are_those_of_transformers(theirs: BertModel, ours: BertEncoder, fused: bool) -> None:
    ids, mask = sentences()
    torch.backends.mha.set_fastpath_enabled(fused)
    try:
        with torch.no_grad():
            found = ours(ids, mask)[mask]
            wanted = theirs(input_ids=ids, attention_mask=mask.long()).last_hidden_state[mask]
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert float(wanted.abs().mean()) > 0.1


def test_the_gradients_are_those_of_transformers(theirs: BertModel, ours: BertEncoder) -> None:
    ids, mask = sentences()
    for tensors in (ours(ids, mask), theirs(input_ids=ids, attention_mask=mask.long()).last_hidden_state):
        tensors[mask].square().mean(0).sin().sum().backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    names = bert_names([name for name, _ in ours.named_parameters()])
    for name, parameter in ours.named_parameters():
        wanted = torch.cat([gradients[source] for source in names[name]])
        torch.testing.assert_close(parameter.grad, wanted, atol=2e-6, rtol=1e-4)
        assert bool(wanted.any())


def test_every_tensor_of_theirs_has_its_place(theirs: BertModel, ours: BertEncoder) -> None:
    names = bert_names(ours.state_dict())
    used = [source for sources in names.values() for source in sources]
    left = {name for name in theirs.state_dict() if not name.startswith("pooler.") and "position_ids" not in name}
    assert sorted(used) == sorted(left)
    for name, tensor in ours.state_dict().items():  # and back again: what was joined splits into what it was
        for part, source in zip(tensor.chunk(len(names[name])), names[name], strict=True):
            assert torch.equal(part, theirs.state_dict()[source])


def test_company_changes_nothing(ours: BertEncoder) -> None:
    ids, mask = sentences()
    with torch.no_grad():
        together = ours(ids, mask)
        for k, n in enumerate(mask.sum(1).tolist()):
            alone = ours(ids[k : k + 1, :n], mask[k : k + 1, :n])
            torch.testing.assert_close(together[k : k + 1, :n], alone, atol=2e-6, rtol=0)
        assert torch.equal(ours(ids, mask), together)


def test_training_drops_out_and_use_does_not(ours: BertEncoder) -> None:
    ids, mask = sentences()
    ours.train()
    torch.manual_seed(3)
    first, second = ours(ids, mask), ours(ids, mask)
    assert not torch.equal(first[mask], second[mask])
    torch.manual_seed(3)
    assert torch.equal(ours(ids, mask)[mask], first[mask])


def test_autocast_keeps_the_residuals_in_float32(theirs: BertModel, ours: BertEncoder) -> None:
    ids, mask = sentences()
    with torch.no_grad():
        exact = ours(ids, mask)[mask]
        with torch.autocast("cpu", torch.bfloat16):
            found = ours(ids, mask)
            wanted = theirs(input_ids=ids, attention_mask=mask.long()).last_hidden_state[mask]
    assert found.dtype == wanted.dtype == torch.float32
    lost = float((wanted - exact).abs().mean())
    assert 0 < float((found[mask] - exact).abs().mean()) < 1.5 * lost
    assert torch.backends.mha.get_fastpath_enabled()


def test_what_does_not_fit_is_named(theirs: BertModel) -> None:
    state = theirs.state_dict()
    key = "encoder.layer.1.attention.self.key.weight"
    with pytest.raises(CheckpointError, match=f"here has no tensor '{key}'"):
        BertEncoder(SIZES).load_bert({k: v for k, v in state.items() if k != key}, where="here")
    shape = "embeddings.word_embeddings.weight"
    with pytest.raises(CheckpointError, match=rf"here: '{shape}' .*\(7, 24\).*\(60, 24\)"):
        BertEncoder(SIZES).load_bert(state | {shape: torch.zeros(7, 24)}, where="here")
