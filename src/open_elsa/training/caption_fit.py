"""How a caption decoder learns: from pairs of an embedding and a sentence, a minute or a few on two cores."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from open_elsa.errors import DataError, TrainingError
from open_elsa.model.pieces import PAD
from open_elsa.training.train import computes_bf16

#: Batches that are sorted by length together, so that little is filled up.
_SORTED = 8


@dataclass(frozen=True)
class FitConfig:
    """One fit. noise: length of what is added to every unit embedding, against learning the training clips by heart."""

    steps: int = 1200
    batch_size: int = 192
    lr: float = 2e-3
    warmup_steps: int = 60
    weight_decay: float = 0.02
    noise: float = 0.3
    smoothing: float = 0.0
    clip_gradient: float = 1.0
    bf16: bool = True  # where the processor computes in it
    seed: int = 0


@dataclass(frozen=True)
class Pairs:
    """Sentences with the row of the embedding that each belongs to.

    embeddings: (n, d) float32. rows: (m,). ids: (m, t) filled up with PAD. lengths: (m,).
    """

    embeddings: NDArray[np.float32]
    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, embeddings: NDArray[np.float32], rows: Sequence[int], ids: Sequence[Sequence[int]]) -> Pairs:
        """Pairs of lists. Raises DataError where there is none."""
        if not ids:
            raise DataError("there is no caption to learn from")
        lengths = np.array([len(row) for row in ids])
        filled = np.full((len(ids), int(lengths.max())), PAD, dtype=np.int64)
        for k, row in enumerate(ids):
            filled[k, : len(row)] = row
        return cls(embeddings, np.asarray(rows, dtype=np.int64), filled, lengths)

    def __len__(self) -> int:
        return len(self.rows)


class Captioner(Protocol):
    """What is fitted: `CaptionDecoder`, or a language model behind a prefix."""

    def loss(self, embeddings: Tensor, ids: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean cross-entropy in nats a piece."""


def fit(model: Captioner, pairs: Pairs, config: FitConfig, *, console: Console | None = None) -> list[float]:
    """Train a module in place by AdamW with a cosine schedule; the loss of every step. Same pairs and seed, same bytes.

    Raises TrainingError when the loss stops being a number.
    """
    assert isinstance(model, torch.nn.Module)
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98))
    losses: list[float] = []
    started = time.monotonic()
    model.train()
    for step, chosen in zip(range(config.steps), _batches(pairs, config), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * _schedule(step, config)
        embeddings = noisy(torch.from_numpy(pairs.embeddings[pairs.rows[chosen]]), config.noise, generator)
        ids = torch.from_numpy(pairs.ids[chosen, : pairs.lengths[chosen].max()])
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16 and computes_bf16(torch.device("cpu"))):
            loss = model.loss(embeddings, ids, config.smoothing)
        if not math.isfinite(value := float(loss.detach())):
            raise TrainingError(
                f"the captions' loss is {value} at step {step}; train with a lower rate than {config.lr}"
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, config.clip_gradient)
        optimizer.step()
        losses.append(value)
        if console is not None and (step + 1) % 100 == 0:
            console.print(
                f"step {step + 1}/{config.steps}: {np.mean(losses[-100:]):.3f} nats a piece, "
                f"{(time.monotonic() - started) / (step + 1):.2f} s a step"
            )
    model.eval()
    return losses


@torch.inference_mode()
def mean_loss(model: Captioner, pairs: Pairs, batch_size: int = 256) -> float:
    """Mean cross-entropy in nats a piece of pairs that are not trained on."""
    total, count = 0.0, 0
    for start in range(0, len(pairs), batch_size):
        part = slice(start, start + batch_size)
        ids = torch.from_numpy(pairs.ids[part])
        n = int((ids != PAD).sum())
        total += n * float(model.loss(torch.from_numpy(pairs.embeddings[pairs.rows[part]]), ids))
        count += n
    return total / count


def noisy(embeddings: Tensor, length: float, generator: torch.Generator) -> Tensor:
    """Unit vectors (b, d) with a random vector of about that length added, unit again."""
    if length == 0.0:
        return embeddings
    noise = torch.randn(embeddings.shape, generator=generator) * (length / embeddings.shape[1] ** 0.5)
    return torch.nn.functional.normalize(embeddings + noise, dim=-1)


def _batches(pairs: Pairs, config: FitConfig) -> Iterator[NDArray[np.int64]]:
    """Batches for ever: every pair once an epoch, pairs of like length together."""
    epoch = 0
    while True:
        rng = np.random.default_rng([config.seed, epoch])
        order = rng.permutation(len(pairs))
        for start in range(0, len(order), _SORTED * config.batch_size):
            block = order[start : start + _SORTED * config.batch_size]
            block = block[np.argsort(pairs.lengths[block], kind="stable")]
            parts = [block[k : k + config.batch_size] for k in range(0, len(block), config.batch_size)]
            yield from (parts[k] for k in rng.permutation(len(parts)))
        epoch += 1


def _schedule(step: int, config: FitConfig) -> float:
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * share))
