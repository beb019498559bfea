"""Scenes that are heard once and kept as what the spatial encoder's convolutions made of them.

How far a sound is and how large its room takes many rooms and many looks to learn, and little of the network: only what
comes after the convolutions. Heard once and remembered, a scene costs a thousandth of what hearing it again would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from open_elsa.errors import TrainingError
from open_elsa.model.elsa import ElsaSmall, Pooled
from open_elsa.scenes.scene_files import write_whole
from open_elsa.training.data import Batch

#: Scenes in a file: what a kill costs at most.
PIECE = 960
_AT_ONCE = 4


class Remembered(NamedTuple):
    """n remembered scenes. Half precision but for the targets: its rounding is far below the noise of the scenes."""

    pooled: Tensor  # (n, p), votes (n, heads, 3) and bins (n, 8, bins): `Pooled`
    votes: Tensor
    bins: Tensor
    targets: Tensor  # (n, TARGET_COLUMNS)
    facts: Tensor  # (n, 6)
    text: Tensor  # (n, d): the scene's second caption as the frozen text encoder embeds it
    text_facts: Tensor  # (n, 6)

    def rows(self, index: Tensor) -> Remembered:
        """Some of the scenes, in single precision."""
        parts = (part[index] for part in self)
        return Remembered(*(part.float() if part.is_floating_point() else part for part in parts))

    @property
    def heard(self) -> Pooled:
        """What the convolutions heard."""
        return Pooled(self.pooled, self.votes, self.bins)


def remember(
    model: ElsaSmall,
    batches: Callable[[int], Iterable[Batch]],
    count: int,
    batch_size: int,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Remembered:
    """Hear `count` scenes and keep them in `folder`, PIECE of them a file; a call after a kill goes on where it was.

    batches: gives the batches from one number on, all of batch_size spatial scenes. The folder must be of this model,
    data and seed alone.
    Raises TrainingError when it holds files that can't be read.
    """
    per_piece = max(1, PIECE // batch_size)
    steps = -(-count // batch_size)
    files = [folder / f"{k:05d}.safetensors" for k in range(-(-steps // per_piece))]
    folder.mkdir(parents=True, exist_ok=True)
    done = next((k for k, file in enumerate(files) if not file.exists()), len(files))
    if done < len(files):
        _hear(model, batches(done * per_piece), steps, per_piece, files[done:], done * per_piece, progress)
    try:
        loaded = [load_file(file) for file in files]
        return Remembered(*(torch.cat([piece[name] for piece in loaded])[:count] for name in Remembered._fields))
    except (OSError, KeyError, SafetensorError) as error:
        raise TrainingError(f"{folder} holds remembered scenes that cannot be read ({error}); delete it") from error


def _hear(
    model: ElsaSmall,
    batches: Iterable[Batch],
    steps: int,
    per_piece: int,
    files: list[Path],
    step: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    was_training, threads = model.training, torch.get_num_threads()
    model.eval()
    torch.set_num_threads(max(1, threads // 2))  # the processes that render have use for the other cores
    kept: list[Remembered] = []
    rest = iter(files)
    for batch in batches:
        kept.append(_of(model, batch))
        step += 1
        if len(kept) == per_piece or step == steps:
            whole = {n: torch.cat([getattr(k, n) for k in kept]) for n in Remembered._fields}
            write_whole(next(rest), lambda path, whole=whole: save_file(whole, path))  # type: ignore[misc]
            kept = []
            if progress is not None:
                progress(step, steps)
    model.train(was_training)
    torch.set_num_threads(threads)


@torch.inference_mode()
def _of(model: ElsaSmall, batch: Batch) -> Remembered:
    device = next(model.parameters()).device
    bands, bins = (part.to(device).float() for part in batch.features[1:])
    # a few at a time: what the first convolutions make of a whole batch does not fit into any cache
    few = zip(torch.split(bands, _AT_ONCE), torch.split(bins, _AT_ONCE), strict=True)
    parts = [model.pool(*some) for some in few]
    heard = Pooled(*(torch.cat(part) for part in zip(*parts, strict=True)))
    n = len(batch.facts)
    text_facts = batch.text_facts[n:].clone()
    text_facts[:, 0] = 0  # what is heard plays no part
    pooled, votes, bins, text = (x.half().cpu().clone() for x in (*heard, model.encode_text(batch.texts[n:])))
    return Remembered(pooled, votes, bins, batch.targets.clone(), batch.facts.clone(), text, text_facts)


def order(count: int, batch_size: int, step: int, seed: int) -> Tensor:
    """Which scenes the step-th batch takes: every scene once an epoch, in an order of its own each time."""
    per_epoch = count // batch_size
    epoch, place = divmod(step, per_epoch)
    shuffled = np.random.default_rng([seed, epoch]).permutation(count)
    return torch.from_numpy(shuffled[place * batch_size : (place + 1) * batch_size])
