"""What each kind of stage minimises: the terms of its loss by name, weighted as the stage says."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from open_elsa.model.elsa import BANDS, Elsa, ElsaSmall, Truth, whole
from open_elsa.model.text_minilm import MiniLMTextEncoder
from open_elsa.training import losses
from open_elsa.training.data import Batch, truth_of
from open_elsa.training.naming import Namer
from open_elsa.training.reading import Reading, within
from open_elsa.training.recipes import StageConfig
from open_elsa.training.remembered import Remembered

#: Of the likeness of a caption and the scenes that a word is true of, as `ElsaSmall.where_logits` takes it.
_SHARPNESS = 10.0
#: Weight of a relative error against a squared error of logarithms; no other was tried.
_RELATIVE = 0.5


def recall_losses(model: ElsaSmall, stage: StageConfig, scenes: Remembered) -> dict[str, Tensor]:
    """The terms of stage 2 that concern where, on remembered scenes: captions and prototypes stay as they are."""
    said, truth = model.say_where(scenes.heard), truth_of(scenes.targets)
    mask = torch.ones(len(said.room), dtype=torch.bool, device=said.room.device)
    room = model.room_targets(truth)
    facts = scenes.facts.clone()
    facts[:, 0] = 0
    audio = _where_alone(model, said.where)
    heard = losses.words(model.where_logits(said.where), facts)
    return {
        "contrast": losses.contrastive(audio, scenes.text, model.logit_scale.exp().detach(), facts, scenes.text_facts),
        "direction": stage.regression * losses.direction(said.direction, truth.direction, mask),
        "room": stage.regression * _room_losses(stage, said.room, room),
        "words": stage.words * heard,
        "spread": stage.spread * losses.spread(said.uncertainty_deg, said.direction, truth.direction, mask),
        **_said_bands(stage, said.bands, truth, mask),
    }


def _room_losses(stage: StageConfig, said: Tensor, true: Tensor) -> Tensor:
    """Sum over distance, floor area, T30 and DRR, of which the first three are logarithms."""
    every = torch.ones_like(true, dtype=torch.bool)
    if not stage.relative:
        return true.shape[1] * losses.squared(said, true, every)
    judged, others = [0, 2], [1, 3]  # distance and T30; floor area and DRR
    off = losses.relative(said[:, judged], true[:, judged], every[:, judged])
    squared = losses.squared(said[:, others], true[:, others], every[:, others])
    return len(judged) * _RELATIVE * off + len(others) * squared


def read_losses(model: ElsaSmall, stage: StageConfig, batch: Reading, taught: MiniLMTextEncoder) -> dict[str, Tensor]:
    """Captions against the where halves of fixed sounds; what they say of the sound stays as `taught` reads it."""
    tokens = model.text.tokens(batch.texts)
    text = whole(*model.text.read(tokens))
    with torch.no_grad():
        before = whole(*taught.read(tokens))
    placeless = torch.isinf(batch.limits[:, 1:]).all((1, 2)) & (batch.limits[:, 0, 1] >= 180)
    off = (text - before).square()
    off = torch.cat([off[:, : -model.config.where_dim], off[:, -model.config.where_dim :] * placeless[:, None]], 1)
    audio = _where_alone(model, batch.where)
    scale = model.logit_scale.exp().detach()
    said = nn.functional.normalize(text[:, -model.config.where_dim :], dim=-1)
    return {
        "contrast": losses.contrastive(audio, text, scale, batch.numbers, batch.limits, within),
        "words": stage.words * losses.words([_SHARPNESS * said @ mean.T for mean in batch.means], batch.facts),
        "kept": stage.kept * off.sum(1).mean(),
    }


def _where_alone(model: ElsaSmall, where: Tensor) -> Tensor:
    """Where halves as they stand in whole embeddings, what is heard left out."""
    silent = where.new_zeros(len(where), model.config.embedding_dim - model.config.where_dim)
    return torch.cat([silent, where / math.sqrt(2)], 1)


def place_losses(model: Elsa, stage: StageConfig, batch: Batch) -> dict[str, Tensor]:
    """Stage 1: minus the cosine of the direction, squared errors of log distance, volume, DRR and T30 per band."""
    said, truth, mask = model.place(batch.features), batch.truth, batch.spatial
    return {
        "direction": stage.regression * losses.direction(said.direction, truth.direction, mask),
        "distance": stage.regression * losses.squared(said.log_distance, truth.log_distance, mask),
        **_band_losses(stage, said.log_volume, said.log_t30_bands, said.drr_bands, truth, mask),
    }


def _said_bands(stage: StageConfig, bands: Tensor, truth: Truth, mask: Tensor) -> dict[str, Tensor]:
    parts = torch.split(bands, [1, BANDS, BANDS], dim=1)
    return _band_losses(stage, parts[0][:, 0], parts[1], parts[2], truth, mask)


def _band_losses(
    stage: StageConfig, log_volume: Tensor, log_t30: Tensor, drr: Tensor, truth: Truth, mask: Tensor
) -> dict[str, Tensor]:
    rows = mask[:, None].expand(-1, BANDS)
    return {
        "volume": stage.bands * losses.squared(log_volume, truth.log_volume, mask),
        "t30": stage.bands * losses.squared(log_t30, truth.log_t30_bands, rows),
        "drr": stage.bands * losses.squared(drr, truth.drr_bands, rows),
    }


def align_losses(model: Elsa, stage: StageConfig, batch: Batch, namer: Namer | None = None) -> dict[str, Tensor]:
    """Stage 2: contrast of sounds and captions, and the regressions on sounds that have a place.

    namer: the tagger's own names, for a stage that is taught them.
    """
    output = model.encode_features(batch.features, batch.spatial)
    texts = batch.texts[: len(batch.spatial)] if stage.all_negatives else batch.texts
    text = model.encode_text(texts)
    facts = (None, None) if stage.all_negatives else (batch.facts, batch.text_facts)
    truth, mask = batch.truth, batch.spatial
    room = model.room_targets(truth)
    terms = {
        "contrast": losses.contrastive(output.embedding, text, model.logit_scale.exp(), *facts),
        "direction": stage.regression * losses.direction(output.direction, truth.direction, mask),
        "room": stage.regression * room.shape[1] * losses.squared(output.room, room, mask[:, None].expand_as(room)),
    }
    if isinstance(model, ElsaSmall):
        heard = losses.words(model.word_logits(output.embedding), batch.facts)
        read = losses.words(model.word_logits(text), batch.text_facts[: len(texts)])
        terms["words"] = stage.words * (heard + read)
        if namer is not None and stage.names:
            terms["names"] = stage.names * namer.loss(model, batch.features.semantic)
    if output.bands is not None and stage.bands:
        terms |= _said_bands(stage, output.bands, truth, mask)
    if output.uncertainty_deg is not None:
        terms["spread"] = stage.spread * losses.spread(output.uncertainty_deg, output.direction, truth.direction, mask)
    return terms
