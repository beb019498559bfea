"""Text, the paper's way: RoBERTa-base, trained, its pooled vector through a two-layer MLP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor, nn

from open_elsa.errors import CheckpointError
from open_elsa.model.config import TextConfig
from open_elsa.model.pretrained import fit_weights, local_folder, read_weights
from open_elsa.model.tokens import token_rows

PRETRAINED = ("FacebookAI/roberta-base", "roberta-base")
"""Where the hub's cache is searched for a tokenizer when none was given."""

_SPECIALS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


class RobertaEncoder(nn.Module):
    """Captions -> (b, dim), unnormalised: RoBERTa-base's pooled 768 -> Linear -> ReLU -> Linear.

    Made with random weights (`load_pretrained` reads real ones) and never downloads. The tokenizer is the one given,
    else the one beside the checkpoint or the weights, else the hub cache's. With `backbone_layers` set (tests) the
    model is small and reads bytes.
    """

    def __init__(self, config: TextConfig, dim: int, *, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        from transformers import RobertaConfig, RobertaModel

        self.max_tokens = config.max_tokens
        small = config.backbone_layers is not None
        self._tokenizer = byte_tokenizer() if tokenizer is None and small else tokenizer
        width = (config.backbone_dim or 48) if small else 768
        sizes: dict[str, Any] = {
            "vocab_size": len(_SPECIALS) + 256 if small else 50265,
            "hidden_size": width,
            "num_hidden_layers": config.backbone_layers or 12,
            "num_attention_heads": 2 if small else 12,
            "intermediate_size": 4 * width,
        }
        roberta = RobertaConfig(
            **sizes, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1
        )
        self.backbone = RobertaModel(roberta, add_pooling_layer=True)
        self.mlp = nn.Sequential(nn.Linear(width, config.hidden), nn.ReLU(), nn.Linear(config.hidden, dim))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer; raises CheckpointError where none was given, loaded or cached."""
        if self._tokenizer is None:
            for name in PRETRAINED:
                try:
                    self._tokenizer = read_tokenizer(local_folder(name))
                except CheckpointError:
                    continue
                return self._tokenizer
            raise CheckpointError(
                "RoBERTa's tokenizer is neither beside the checkpoint nor in the hub's cache; "
                f"call load_pretrained(folder), or fetch it once with `hf download {PRETRAINED[0]}`"
            )
        return self._tokenizer

    def tokenize(self, texts: Sequence[str]) -> tuple[Int[Tensor, "b t"], Int[Tensor, "b t"]]:
        """Token ids and mask (1 = token, 0 = padding); longer texts are cut with a warning, empty ones DataError."""
        rows = token_rows(self.tokenizer, texts, self.max_tokens)
        width = max(map(len, rows), default=0)
        padding = _SPECIALS["<pad>"]
        ids_t = torch.tensor([row + [padding] * (width - len(row)) for row in rows], dtype=torch.long)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], dtype=torch.long)
        return ids_t, mask

    def forward(self, texts: Sequence[str]) -> Float[Tensor, "b dim"]:
        """The vectors of captions; raises DataError for an empty one."""
        ids, mask = (t.to(self.device) for t in self.tokenize(texts))
        pooled = self.backbone(input_ids=ids, attention_mask=mask).pooler_output
        vectors: Tensor = self.mlp(pooled)
        return vectors

    def load_pretrained(self, source: str | Path) -> None:
        """Start from RoBERTa in a folder or the hub's cache (also from the text half of a CLAP checkpoint).

        The pooler is read where the file has one (roberta-base has none; it then starts random). Raises
        CheckpointError where nothing is there or a tensor doesn't fit.
        """
        folder = local_folder(source)
        state = read_weights(folder, "roberta.", "text_model.", "")
        fit_weights(self.backbone, state, where=str(folder), may_miss=("pooler.", "embeddings.position_ids"))
        self._tokenizer = read_tokenizer(folder)

    def tokenizer_json(self) -> str:
        """What checkpoints keep as tokenizer.json, so that they read their own text wherever they go."""
        return str(self.tokenizer.to_str())

    def load_tokenizer(self, folder: Path) -> None:
        """Read folder/tokenizer.json, or vocab.json and merges.txt; raises CheckpointError where they're absent."""
        self._tokenizer = read_tokenizer(folder)


def read_tokenizer(folder: Path) -> Tokenizer:
    """RoBERTa's tokenizer from tokenizer.json, or from vocab.json and merges.txt as older releases have them."""
    if (folder / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        bpe = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
        tokenizer = _byte_level(bpe)
    else:
        raise CheckpointError(f"{folder} has neither tokenizer.json nor vocab.json and merges.txt")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def byte_tokenizer() -> Tokenizer:
    """A tokenizer of RoBERTa's kind without any merges: each byte is a token (260 in all); for tests."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = _SPECIALS | {letter: len(_SPECIALS) + k for k, letter in enumerate(letters)}
    return _byte_level(models.BPE(vocabulary, [], unk_token="<unk>"))


def _byte_level(bpe: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in _SPECIALS])
    ends = (("</s>", _SPECIALS["</s>"]), ("<s>", _SPECIALS["<s>"]))
    tokenizer.post_processor = processors.RobertaProcessing(*ends, trim_offsets=True, add_prefix_space=False)
    return tokenizer
