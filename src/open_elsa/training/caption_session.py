"""From a finished model to one that writes captions: embed scenes, write sentences of them, fit a decoder, save it."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from open_elsa.errors import DataError
from open_elsa.model import checkpoints, decoder_files
from open_elsa.model.decoder import CaptionDecoder, DecoderConfig
from open_elsa.model.decoder_files import AnyCaptioner, DecoderCard
from open_elsa.model.pieces import Vocabulary
from open_elsa.model.prefix_gpt2 import PrefixCaptioner
from open_elsa.scenes.scene import Clip
from open_elsa.training import session
from open_elsa.training.caption_fit import FitConfig, Pairs, fit, mean_loss
from open_elsa.training.caption_table import CaptionTable, embed_scenes, write_captions
from open_elsa.training.data import DataConfig
from open_elsa.training.recipes import TrainConfig, elsa_small_tune


@dataclass(frozen=True)
class CaptionRecipe:
    """How the shipped decoder is made. Same model, data and recipe, same decoder.

    scenes: how many training scenes are embedded, some of them mono (data.spatial_share); validation: scenes of
    validation clips in rooms of their own, for the loss alone. captions: sentences written of each. data: what a scene
    is. rooms: the training whose rooms are used, those of its last stage. shape: fields of the `DecoderConfig`.
    """

    scenes: int = 6000
    validation: int = 500
    captions: int = 8
    data: DataConfig = field(default_factory=lambda: replace(elsa_small_tune().stages[-1].data, seconds=4.0))
    rooms: TrainConfig = field(default_factory=elsa_small_tune)
    shape: dict[str, Any] = field(default_factory=dict)
    fit: FitConfig = field(default_factory=FitConfig)
    seed: int = 11


def train_captions(
    data: Path,
    out: Path,
    *,
    checkpoint: str | Path | None = None,
    corpus: str | None = None,
    cache: Path | None = None,
    recipe: CaptionRecipe | None = None,
    gpt2: str | Path | None = None,
    freeze_gpt2: bool = False,
    processes: int = 2,
    console: Console | None = None,
    command: str = "",
) -> Path:
    """Train a captioner on the embeddings of a finished model and write it into the folder `out`.

    In the folder `captions` of the model's checkpoint, `elsa describe` and `load` find it. data, corpus: as in
    `train_recipe`. checkpoint: folder or hub id of the model, None = the shipped one. cache: where decoded clips, rooms
    and embeddings are kept, out/cache by default; killed and called again, it goes on with the embeddings there.
    gpt2: a folder or cached hub id of GPT-2, to train a prefix into it (and it too, unless freeze_gpt2) instead of the
    small decoder. processes: that embed. Raises DataError for an unusable corpus.
    """
    recipe, console = recipe or CaptionRecipe(), console or Console(stderr=True)
    started = time.monotonic()
    folder = checkpoints.find(checkpoint)
    cache = cache or out / "cache"
    config = replace(
        recipe.rooms, model=checkpoints.read_config(folder), workers=processes, left_out=checkpoints.left_out(folder)
    )
    clips, _ = session.clips_of(config, data, corpus, console)
    tables = {}
    for split, scenes in (("train", recipe.scenes), ("val", recipe.validation)):
        if clips[split] and scenes:
            tables[split] = _table(split, scenes, clips[split], folder, cache, config, recipe, processes, console)
    embedded = time.monotonic()
    by_id = {clip.id: clip for split in clips.values() for clip in split}
    texts = {split: _sentences(table, by_id, recipe) for split, table in tables.items()}
    if not any(texts["train"]):
        raise DataError(f"no sentence can be written of the clips of {data}; give captions that say what is heard")
    model = _captioner(folder, [text for row in texts["train"] for text in row], gpt2, freeze_gpt2, recipe)
    pairs = {split: part for split, table in tables.items() if (part := _pairs(model, table, texts[split]))}
    fit(model, pairs["train"], recipe.fit, console=console)
    losses = {split: mean_loss(model, part) for split, part in pairs.items()}
    minutes = [(embedded - started) / 60, (time.monotonic() - embedded) / 60]
    card = DecoderCard(
        model=config.model.name,
        weights=checkpoints.weights_hash(folder),
        recipe=command or f"elsa captions train --data {data.name}",
        date=date.today().isoformat(),
        machine=(
            f"{platform.machine()}, {os.cpu_count()} CPU cores; embedding {minutes[0]:.1f} minutes (less where "
            f"embeddings were there), fitting {minutes[1]:.1f} minutes"
        ),
        seed=recipe.seed,
        scenes=len(tables["train"]),
        captions=len(pairs["train"]),
        losses=losses,
        code_revision=session.revision(),
    )
    decoder_files.save(out, model, card, dtype=torch.float16)
    console.print(f"saved {out}: " + ", ".join(f"{name} {loss:.3f} nats a piece" for name, loss in losses.items()))
    return out


def _table(
    split: str,
    scenes: int,
    clips: Sequence[Clip],
    folder: Path,
    cache: Path,
    config: TrainConfig,
    recipe: CaptionRecipe,
    processes: int,
    console: Console,
) -> CaptionTable:
    train = split == "train"
    seed, rooms = (config.bank_seed, config.rooms) if train else (config.bank_seed + 1, max(4, config.rooms // 20))
    prepared = session.prepare(config, clips, cache, seed, rooms, console)
    bank = prepared.bank_for(config.stages[-1])
    key = hashlib.sha256(f"{checkpoints.weights_hash(folder)} {recipe.data} {recipe.seed}".encode()).hexdigest()[:8]
    return embed_scenes(
        cache / f"embeddings-{split}-{key}",
        folder,
        prepared.clips,
        prepared.store,
        bank,
        data=recipe.data,
        scenes=scenes,
        seed=recipe.seed,
        processes=processes,
        progress=session.every(console, f"embedding {split}", 1000),
    )


def _sentences(table: CaptionTable, clips: dict[str, Clip], recipe: CaptionRecipe) -> list[list[str]]:
    """Sentences of each scene of a table."""
    return [
        write_captions(clips[clip_id].captions, words, recipe.captions, np.random.default_rng([recipe.seed, k]))
        for k, (clip_id, words) in enumerate(zip(table.clip_ids, table.words, strict=True))
    ]


def _captioner(
    folder: Path, texts: Sequence[str], gpt2: str | Path | None, freeze_gpt2: bool, recipe: CaptionRecipe
) -> AnyCaptioner:
    config, weights = checkpoints.read_config(folder), checkpoints.weights_hash(folder)
    torch.manual_seed(recipe.seed)
    if gpt2 is not None:
        return PrefixCaptioner.from_gpt2(
            gpt2, model=config.name, weights=weights, embedding_dim=config.embedding_dim, frozen=freeze_gpt2
        )
    shape = DecoderConfig(config.name, weights, config.embedding_dim, **recipe.shape)
    return CaptionDecoder(shape, Vocabulary.of(texts))


def _pairs(model: AnyCaptioner, table: CaptionTable, texts: Sequence[Sequence[str]]) -> Pairs | None:
    """Sentences as ids beside their embeddings, without those too long or of unknown words; None: none is left."""
    rows, ids = [], []
    for k, row in enumerate(texts):
        for text in row:
            try:
                encoded = model.encode(text)
            except DataError:  # validation clips have words of their own
                continue
            if len(encoded) <= model.config.max_tokens:
                rows.append(k)
                ids.append(encoded)
    return Pairs.of(table.embeddings, rows, ids) if ids else None
