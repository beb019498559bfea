"""The paper's captioner: an MLP makes one prefix vector of the embedding, GPT-2 goes on from there.

ClipCap (Mokady, Hertz, Bermano 2021) in its MLP form. GPT-2 is the user's own: a folder, or a hub id in the hub's
cache; nothing is downloaded, and the package ships none.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from open_elsa.errors import CheckpointError, ConfigError
from open_elsa.model.beam import Hypothesis, within
from open_elsa.model.config import build
from open_elsa.model.decoder import SearchConfig, check_embeddings
from open_elsa.model.pretrained import fit_weights, local_folder, read_weights
from open_elsa.model.text_roberta import read_tokenizer

#: Ids of texts are GPT-2's plus one: 0 fills rows up, as in every captioner.
_SHIFT = 1
_ENDS = "<|endoftext|>"


@dataclass(frozen=True)
class PrefixConfig:
    """A prefix network, its GPT-2, and the model whose embeddings it reads (see `DecoderConfig`).

    gpt2: the fields of transformers' GPT2Config. frozen: GPT-2 keeps its weights and only the MLP learns.
    """

    model: str
    weights: str
    embedding_dim: int
    gpt2: str  # JSON
    prefix: int = 1  # the paper's
    prefix_hidden: int = 0  # 0: half-way between both ends, as ClipCap's
    frozen: bool = False
    max_tokens: int = 64
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    kind: Literal["gpt2"] = "gpt2"
    format_version: int = 1

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @staticmethod
    def from_raw(raw: Any) -> PrefixConfig:
        """From parsed JSON; raises ConfigError with the field's name for what is unknown or of a wrong type."""
        return typing.cast(PrefixConfig, build(PrefixConfig, raw, "captioner"))


class PrefixCaptioner(nn.Module):
    """Embedding -> prefix -> GPT-2. tokenizer: GPT-2's."""

    external_prefixes = ("gpt2.lm_head.",)  # the same tensor as GPT-2's word vectors

    def __init__(self, config: PrefixConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        transformers = _transformers()
        self.config, self.tokenizer = config, tokenizer
        sizes = transformers.GPT2Config(**json.loads(config.gpt2))
        self.gpt2 = transformers.GPT2LMHeadModel(sizes)
        self.gpt2.requires_grad_(not config.frozen)
        width = sizes.n_embd
        hidden = config.prefix_hidden or width * (config.prefix + 1) // 2
        self.prefix = nn.Sequential(
            nn.Linear(config.embedding_dim, hidden), nn.Tanh(), nn.Linear(hidden, config.prefix * width)
        )
        end = tokenizer.token_to_id(_ENDS)
        if end is None:
            raise CheckpointError(f"the tokenizer has no {_ENDS!r}; is it GPT-2's?")
        self.end = int(end)

    @classmethod
    def from_gpt2(
        cls, source: str | Path, *, model: str, weights: str, embedding_dim: int, **changes: Any
    ) -> PrefixCaptioner:
        """A captioner that starts from a trained GPT-2; its prefix network is random.

        source: a folder with config.json, model.safetensors and the tokenizer's files, or a hub id in the hub's cache.
        changes: other fields of `PrefixConfig`. Raises CheckpointError where something is missing or doesn't fit.
        """
        folder = local_folder(source)
        try:
            raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            sizes = {name: raw[name] for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")}
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(f"{folder}/config.json is missing or not GPT-2's ({error!r})") from error
        config = PrefixConfig(model, weights, embedding_dim, json.dumps(sizes), **changes)
        captioner = cls(config, read_tokenizer(folder))
        state = read_weights(folder, "transformer.", "")
        fit_weights(captioner.gpt2.transformer, state, where=str(folder))
        return captioner

    def encode(self, text: str) -> list[int]:
        """Ids of a text and of its end, for `loss`."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [k + _SHIFT for k in (*ids, self.end)]

    def loss(self, embeddings: Float[Tensor, "b d"], ids: Int[Tensor, "b t"], smoothing: float = 0.0) -> Tensor:
        """Mean cross-entropy in nats a token of texts that are filled up with 0."""
        tokens = (ids - _SHIFT).clamp(min=0)
        written = self.gpt2.transformer.wte(tokens[:, :-1])
        logits = self.gpt2(inputs_embeds=torch.cat([self._prefix(embeddings), written], 1)).logits
        logits = logits[:, self.config.prefix - 1 :].float()
        targets = torch.where(ids > 0, ids - _SHIFT, -100)
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=-100, label_smoothing=smoothing
        )

    @torch.inference_mode()
    def candidates(
        self, embeddings: Float[Tensor, "b d"], *, beams: int | None = None, batch_size: int = 16
    ) -> list[list[str]]:
        """The likeliest captions of each embedding, best first, the same every time (see `CaptionDecoder`)."""
        check_embeddings(embeddings, self.config)
        beams = beams or self.config.search.beams
        search = self.config.search
        found: list[list[str]] = []
        for start in range(0, len(embeddings), batch_size):
            prefix = self._prefix(embeddings[start : start + batch_size])
            out = self.gpt2.generate(
                inputs_embeds=prefix,
                attention_mask=torch.ones(prefix.shape[:2], dtype=torch.long),
                do_sample=False,
                num_beams=beams,
                num_return_sequences=beams,
                length_penalty=search.length_power,
                max_new_tokens=self.config.max_tokens,
                eos_token_id=self.end,
                pad_token_id=self.end,
                return_dict_in_generate=True,
                output_scores=True,
            )
            rows = [self._ended(row) for row in out.sequences.tolist()]
            # of one beam there is no score, and nothing to compare
            scores = [0.0] * len(rows) if beams == 1 else out.sequences_scores.tolist()
            texts = [
                Hypothesis(row, score * (len(row) + 1) ** search.length_power)
                for row, score in zip(rows, scores, strict=True)
            ]
            for k in range(0, len(texts), beams):
                kept = within(texts[k : k + beams], search.margin)
                found.append(list(dict.fromkeys(self.tokenizer.decode(list(h.ids)).strip() for h in kept)))
        return found

    def _prefix(self, embeddings: Tensor) -> Tensor:
        prefix: Tensor = self.prefix(embeddings * self.config.embedding_dim**0.5)
        return prefix.view(len(embeddings), self.config.prefix, -1)

    def _ended(self, ids: Sequence[int]) -> tuple[int, ...]:
        return tuple(ids[: ids.index(self.end)] if self.end in ids else ids)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ConfigError("captions by GPT-2 need transformers: pip install transformers") from error
    return transformers
