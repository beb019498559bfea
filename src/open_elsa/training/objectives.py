"""What each kind of stage minimises: the terms of its loss by name, weighted as the stage says."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from open_elsa.model.elsa import BANDS, Elsa, ElsaSmall, Truth
from open_elsa.training import losses
from open_elsa.training.data import Batch, truth_of
from open_elsa.training.recipes import StageConfig
from open_elsa.training.remembered import Remembered


def recall_losses(model: ElsaSmall, stage: StageConfig, scenes: Remembered) -> dict[str, Tensor]:
    """The terms of stage 2 that concern where, on remembered scenes: captions and prototypes stay as they are."""
    said, truth = model.say_where(scenes.heard), truth_of(scenes.targets)
    mask = torch.ones(len(said.room), dtype=torch.bool, device=said.room.device)
    room = model.room_targets(truth)
    facts = scenes.facts.clone()
    facts[:, 0] = 0
    silent = said.where.new_zeros(len(mask), model.config.embedding_dim - model.config.where_dim)
    audio = torch.cat([silent, said.where / math.sqrt(2)], 1)  # as in the whole embedding, what left out
    heard = losses.words(model.where_logits(said.where), facts)
    return {
        "contrast": losses.contrastive(audio, scenes.text, model.logit_scale.exp().detach(), facts, scenes.text_facts),
        "direction": stage.regression * losses.direction(said.direction, truth.direction, mask),
        "room": stage.regression * room.shape[1] * losses.squared(said.room, room, mask[:, None].expand_as(room)),
        "words": stage.words * heard,
        "spread": stage.spread * losses.spread(said.uncertainty_deg, said.direction, truth.direction, mask),
        **_said_bands(stage, said.bands, truth, mask),
    }


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


def align_losses(model: Elsa, stage: StageConfig, batch: Batch) -> dict[str, Tensor]:
    """Stage 2: contrast of sounds and captions, and the regressions on sounds that have a place."""
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
    if output.bands is not None and stage.bands:
        terms |= _said_bands(stage, output.bands, truth, mask)
    if output.uncertainty_deg is not None:
        terms["spread"] = stage.spread * losses.spread(output.uncertainty_deg, output.direction, truth.direction, mask)
    return terms
