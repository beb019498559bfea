"""A caption decoder on disk: the folder `captions` of the checkpoint whose embeddings it reads. No pickles.

It holds config.json, model.safetensors, vocabulary.json and README.md (its card).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save as to_bytes

from open_elsa.errors import CheckpointError, ConfigError, DataError
from open_elsa.model import checkpoints
from open_elsa.model.decoder import FORMAT_VERSION, CaptionDecoder, DecoderConfig
from open_elsa.model.pieces import Vocabulary
from open_elsa.model.prefix_gpt2 import PrefixCaptioner, PrefixConfig
from open_elsa.model.pretrained import NoRandomStart
from open_elsa.model.text_roberta import read_tokenizer

#: The decoder's folder in a checkpoint's.
FOLDER = "captions"
VOCABULARY = "vocabulary.json"


@dataclass(frozen=True)
class DecoderCard:
    """What the README.md of a decoder says. captions: how many it learned from; losses: nats a piece, by data set."""

    model: str
    weights: str
    recipe: str
    date: str
    machine: str
    seed: int
    scenes: int
    captions: int
    losses: dict[str, float]
    code_revision: str = ""

    def to_markdown(self, weights_sha256: str) -> str:
        """The card as Markdown."""
        losses = ", ".join(f"{name} {value:.3f}" for name, value in self.losses.items())
        facts = {
            "date": self.date,
            "machine": self.machine,
            "seed": str(self.seed),
            "scenes embedded": f"{self.scenes:,}",
            "captions": f"{self.captions:,}",
            "loss, nats a word piece": losses,
            "code revision": self.code_revision,
            "sha256 of model.safetensors": weights_sha256,
        }
        rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items() if value)
        return _CARD.format(model=self.model, weights=self.weights[:12], recipe=self.recipe.strip(), rows=rows)


_CARD = """---
license: apache-2.0
library_name: open-elsa
pipeline_tag: text-generation
---

# Captions for {model}

Writes an English sentence of what is heard and where, from an embedding of {model}, weights `{weights}`, and of no
other.

## Limits

- It was trained on sentences of a grammar: what it says of a place are the grammar's words, and its sounds are those of
  a few thousand clips. A sound that is none of them gets the name of one that resembles it.
- Like the embedding it says one static source.

## Training

The same clips as the model's own, in the same simulated rooms; the model's card lists them with their licences. The
model is frozen.

```
{recipe}
```

| | |
| --- | --- |
{rows}
"""


#: What writes captions: a decoder of our own, or a user's GPT-2 behind a prefix.
AnyCaptioner = CaptionDecoder | PrefixCaptioner


def save(folder: str | Path, decoder: AnyCaptioner, card: DecoderCard, *, dtype: torch.dtype = torch.float32) -> Path:
    """Write a decoder into a folder: each file whole or not at all, config.json last.

    dtype: of the stored weights. Raises CheckpointError for a weight that isn't finite; nothing is written then.
    """
    folder = Path(folder)
    weights = to_bytes(checkpoints.stored(decoder, dtype), metadata={"format": "pt"})
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(decoder, PrefixCaptioner):
        checkpoints.write(folder / checkpoints.TOKENIZER, str(decoder.tokenizer.to_str()).encode())
    else:
        text = json.dumps(decoder.vocabulary.pieces, indent=0, ensure_ascii=False) + "\n"
        checkpoints.write(folder / VOCABULARY, text.encode())
    checkpoints.write(folder / checkpoints.WEIGHTS, weights)
    checkpoints.write(folder / checkpoints.CARD, card.to_markdown(hashlib.sha256(weights).hexdigest()).encode())
    checkpoints.write(folder / checkpoints.CONFIG, (decoder.config.to_json() + "\n").encode())
    return folder


def load(folder: str | Path, *, weights: str) -> AnyCaptioner:
    """Read a decoder, in evaluation mode on the CPU, for embeddings of the model with these weights.

    weights: the sha256 of the model's weights. Raises CheckpointError for what is missing or broken, and for a decoder
    that was trained on another model's embeddings.
    """
    folder = Path(folder)
    config = _read_config(folder)
    if config.weights != weights:
        raise CheckpointError(
            f"the caption decoder in {folder} reads embeddings of {config.model} with weights {config.weights[:12]}, "
            f"not of weights {weights[:12]}; train one for this model with `elsa captions train`"
        )
    with torch.random.fork_rng(devices=[]), NoRandomStart():
        decoder = (
            CaptionDecoder(config, _vocabulary(folder))
            if isinstance(config, DecoderConfig)
            else PrefixCaptioner(config, read_tokenizer(folder))
        )
    state = checkpoints.read(folder / checkpoints.WEIGHTS, checkpoints.own_state(decoder))
    decoder.load_state_dict(state, strict=False)  # strictness is read's
    return decoder.eval()


def find(checkpoint: Path) -> Path | None:
    """The folder of a checkpoint's decoder, None where it has none."""
    folder = checkpoint / FOLDER
    return folder if (folder / checkpoints.CONFIG).is_file() else None


def _vocabulary(folder: Path) -> Vocabulary:
    path = folder / VOCABULARY
    try:
        return Vocabulary(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, DataError) as error:
        raise CheckpointError(f"{path} is missing or broken ({error}); copy or fetch it again") from error


def _read_config(folder: Path) -> DecoderConfig | PrefixConfig:
    path = folder / checkpoints.CONFIG
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {checkpoints.CONFIG}; `elsa captions train` makes a decoder")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        version = raw.get("format_version") if isinstance(raw, dict) else None
        if version != FORMAT_VERSION:
            raise ConfigError(f"decoder format {version!r}, this version reads {FORMAT_VERSION}; train it again")
        return PrefixConfig.from_raw(raw) if raw.get("kind") == "gpt2" else DecoderConfig.from_raw(raw)
    except (ConfigError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error
