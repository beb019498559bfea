"""A caption of an embedding: a small transformer that writes word pieces after a prefix made of the embedding.

As ClipCap does with GPT-2 (Mokady, Hertz, Bermano 2021), and the paper with one prefix vector; here the language model
is a few layers of our own, trained on spatial captions alone.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from open_elsa.errors import CheckpointError, ConfigError
from open_elsa.model import beam
from open_elsa.model.config import build
from open_elsa.model.pieces import END, PAD, Vocabulary

FORMAT_VERSION = 1


@dataclass(frozen=True)
class SearchConfig:
    """How a caption is looked for. beams: 1 is greedy. length_power: see `beam.Hypothesis.score`.

    margin: sentences whose log-probability is further below the best one's are not proposed, in nats; the last beams
    of a search can be nonsense.
    """

    beams: int = 8
    length_power: float = 1.0
    margin: float = 5.0


@dataclass(frozen=True)
class DecoderConfig:
    """A decoder and the model whose embeddings it reads.

    model, weights: that model's name and the sha256 of its weights; embeddings of others mean something else.
    """

    model: str
    weights: str
    embedding_dim: int
    prefix: int = 4  # vectors that stand for the embedding
    prefix_hidden: int = 384
    width: int = 192
    layers: int = 2
    heads: int = 6
    dropout: float = 0.1
    max_tokens: int = 64
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    kind: Literal["own"] = "own"
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} must be a multiple of the {self.heads} heads")
        for name in ("embedding_dim", "prefix", "prefix_hidden", "layers", "max_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @staticmethod
    def from_raw(raw: Any) -> DecoderConfig:
        """From parsed JSON; raises ConfigError with the field's name for what is unknown or of a wrong type."""
        return typing.cast(DecoderConfig, build(DecoderConfig, raw, "captioner"))


class Reads(typing.Protocol):
    """What a captioner's configuration says of the embeddings it reads."""

    @property
    def model(self) -> str:
        """The name of the model that makes them."""

    @property
    def embedding_dim(self) -> int:
        """Their length."""


def check_embeddings(embeddings: Tensor, config: Reads) -> None:
    """Raises CheckpointError for embeddings that are not (n, embedding_dim)."""
    if embeddings.ndim != 2 or embeddings.shape[1] != config.embedding_dim:
        raise CheckpointError(
            f"this captioner reads embeddings (n, {config.embedding_dim}) of {config.model}, "
            f"got {tuple(embeddings.shape)}"
        )


class Written(typing.NamedTuple):
    """What a decoder remembers of rows being written: keys and values of every layer, (layers, 2, rows, h, t, c)."""

    cache: Tensor


class CaptionDecoder(nn.Module):
    """Embedding -> prefix -> word pieces; the piece vectors serve at both ends."""

    external_prefixes: tuple[str, ...] = ()

    def __init__(self, config: DecoderConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        width = config.width
        self.prefix = nn.Sequential(
            nn.Linear(config.embedding_dim, config.prefix_hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.prefix_hidden, config.prefix * width),
        )
        self.pieces = nn.Embedding(len(vocabulary), width)
        self.positions = nn.Parameter(0.02 * torch.randn(config.prefix + config.max_tokens, width))
        self.layers = nn.ModuleList(_Layer(width, config.heads, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.pieces.weight, std=0.02)

    def forward(self, embeddings: Float[Tensor, "b d"], ids: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Logits of each of the ids, given the embedding and the ids before it."""
        written = self.pieces(ids[:, :-1])
        x = torch.cat([self._prefix(embeddings), written], 1)
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x, _ = layer(x, None)
        return self._logits(x[:, self.config.prefix - 1 :])

    def encode(self, text: str) -> list[int]:
        """Ids of a text and of its end, for `loss`; raises DataError for a piece that is not in the vocabulary."""
        return self.vocabulary.encode(text)

    def loss(self, embeddings: Float[Tensor, "b d"], ids: Int[Tensor, "b t"], smoothing: float = 0.0) -> Tensor:
        """Mean cross-entropy in nats a piece of captions that are filled up with PAD; smoothing: of the labels."""
        logits = self(embeddings, ids).float()
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), ids.flatten(), ignore_index=PAD, label_smoothing=smoothing
        )

    def begin(self, embeddings: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b v"], Written]:
        """Logits of the first piece, and what is remembered (see beam.Model)."""
        x = self._prefix(embeddings) + self.positions[: self.config.prefix]
        kept = []
        for layer in self.layers:
            x, keys = layer(x, None)
            kept.append(keys)
        return self._logits(x[:, -1]), Written(torch.stack(kept))

    def go_on(self, tokens: Int[Tensor, " r"], parents: Int[Tensor, " r"], state: Written) -> tuple[Tensor, Written]:
        """Logits (r, v) after one more piece a row (see beam.Model)."""
        cache = state.cache[:, :, parents]
        x = self.pieces(tokens)[:, None] + self.positions[cache.shape[4]]
        kept = []
        for layer, past in zip(self.layers, cache, strict=True):
            x, keys = layer(x, past)
            kept.append(keys)
        return self._logits(x[:, -1]), Written(torch.stack(kept))

    @torch.inference_mode()
    def candidates(
        self, embeddings: Float[Tensor, "b d"], *, beams: int | None = None, batch_size: int = 64
    ) -> list[list[str]]:
        """The likeliest captions of each embedding, best first, the same every time.

        beams: how many, the configuration's by default; 1 gives the greedy caption. Raises CheckpointError for
        embeddings of another length than the decoder's.
        """
        check_embeddings(embeddings, self.config)
        found = []
        for start in range(0, len(embeddings), batch_size):
            found += beam.search(
                self,
                embeddings[start : start + batch_size],
                end=END,
                beams=beams or self.config.search.beams,
                max_tokens=self.config.max_tokens,
                length_power=self.config.search.length_power,
            )
        kept = [beam.within(row, self.config.search.margin) for row in found]
        return [list(dict.fromkeys(self.vocabulary.decode(h.ids) for h in row)) for row in kept]

    def _prefix(self, embeddings: Tensor) -> Tensor:
        scaled = embeddings * self.config.embedding_dim**0.5  # a unit vector's entries are small
        prefix: Tensor = self.prefix(scaled)
        return prefix.view(len(embeddings), self.config.prefix, self.config.width)

    def _logits(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.norm(x), self.pieces.weight)


class _Layer(nn.Module):
    """Causal self-attention and an MLP, normalised before each."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Float[Tensor, "b t d"], past: Tensor | None) -> tuple[Tensor, Tensor]:
        """The layer's output and its keys and values (2, b, heads, t, c); past: those of what was written before x."""
        b, t, width = x.shape
        q, k, v = self.attention(self.before(x)).view(b, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if past is not None:  # one more piece, which may look at all before it
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        dropout = self.dropout if self.training else 0.0
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=past is None)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, width))
        return x + self.mlp(x), torch.stack([k, v])
