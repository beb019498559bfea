"""BERT's encoder made of torch's own transformer layers: the tokens of all-MiniLM-L6-v2 without importing transformers.

transformers takes three seconds to import its BERT; the layers are the ones torch has (post-norm, GELU), and only the
names in the file differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from open_elsa.errors import CheckpointError

#: Names of a layer's tensors here and in a checkpoint of transformers' BertModel; in_proj joins three of them.
_LAYER = {
    "self_attn.in_proj": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "self_attn.out_proj": ("attention.output.dense",),
    "norm1": ("attention.output.LayerNorm",),
    "linear1": ("intermediate.dense",),
    "linear2": ("output.dense",),
    "norm2": ("output.LayerNorm",),
}
_EMBEDDINGS = {
    "words.weight": "embeddings.word_embeddings.weight",
    "positions.weight": "embeddings.position_embeddings.weight",
    "types.weight": "embeddings.token_type_embeddings.weight",
    "norm.weight": "embeddings.LayerNorm.weight",
    "norm.bias": "embeddings.LayerNorm.bias",
}


@dataclass(frozen=True)
class BertSizes:
    """The numbers of a BERT that its weights' shapes follow from, by the names in transformers' config.json."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float


class BertEncoder(nn.Module):
    """BERT's encoder for sentences alone (token type 0), without its pooler.

    (b, t) token ids and mask (b, t), True at tokens, False at padding, t at most max_position_embeddings -> (b, t,
    hidden_size); what stands at padding means nothing. Equal to transformers' BertModel (tested).
    """

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.width = width = sizes.hidden_size
        self.words = nn.Embedding(sizes.vocab_size, width)
        self.positions = nn.Embedding(sizes.max_position_embeddings, width)
        self.types = nn.Embedding(sizes.type_vocab_size, width)
        self.norm = nn.LayerNorm(width, eps=sizes.layer_norm_eps)
        self.dropout = nn.Dropout(0.1)
        layer = nn.TransformerEncoderLayer(
            width,
            sizes.num_attention_heads,
            sizes.intermediate_size,
            dropout=0.1,
            activation="gelu",
            layer_norm_eps=sizes.layer_norm_eps,
            batch_first=True,
        )
        # nested tensors would sum in another order where a batch has padding
        self.layers = nn.TransformerEncoder(layer, sizes.num_hidden_layers, enable_nested_tensor=False)

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        """The last layer's vectors, one a token."""
        x = self.words(ids) + self.types.weight[0] + self.positions.weight[: ids.shape[1]]
        with _precise(x.device.type):
            tokens: Tensor = self.layers(self.dropout(self.norm(x)), src_key_padding_mask=~mask)
        return tokens

    def load_bert(self, state: Mapping[str, Tensor], *, where: str) -> None:
        """Take over the tensors of a transformers BertModel; the encoder may have been made on the meta device.

        What the encoder has no place for (the pooler, saved position numbers) is left out. Raises CheckpointError,
        naming the tensor, where one is missing or has another shape.
        """
        own = self.state_dict()
        joined = {name: _joined(sources, state, where) for name, sources in bert_names(own).items()}
        for name, tensor in joined.items():
            if tensor.shape != own[name].shape:
                raise CheckpointError(
                    f"{where}: {bert_names([name])[name][0]!r} gives {name!r} the shape {tuple(tensor.shape)}, "
                    f"its config.json asks for {tuple(own[name].shape)}"
                )
        self.load_state_dict(joined, assign=True)


@contextmanager
def _precise(device: str) -> Iterator[None]:
    """Keep torch's fused layer from autocast: it would sum the residuals in bf16, which the plain layer does not."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(fused and not torch.is_autocast_enabled(device))
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def bert_names(names: Mapping[str, Tensor] | list[str]) -> dict[str, tuple[str, ...]]:
    """For names of a BertEncoder's tensors the names in transformers' BertModel: one, or the three in_proj joins."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        if name in _EMBEDDINGS:
            found[name] = (_EMBEDDINGS[name],)
            continue
        number, _, tensor = name.removeprefix("layers.layers.").partition(".")
        part, kind = tensor[: -len("weight")], "weight"
        if tensor.endswith("bias"):
            part, kind = tensor[: -len("bias")], "bias"
        found[name] = tuple(f"encoder.layer.{number}.{source}.{kind}" for source in _LAYER[part[:-1]])
    return found


def _joined(sources: tuple[str, ...], state: Mapping[str, Tensor], where: str) -> Tensor:
    for name in sources:
        if name not in state:
            raise CheckpointError(f"{where} has no tensor {name!r}; is it a BertModel's?")
    return state[sources[0]] if len(sources) == 1 else torch.cat([state[name] for name in sources])
