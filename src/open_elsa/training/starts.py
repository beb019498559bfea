"""The weights that a run starts from: a whole checkpoint, or what others trained of its parts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import cast

import torch

from open_elsa.errors import TrainingError
from open_elsa.model import checkpoints
from open_elsa.model.config import ElsaConfig
from open_elsa.model.elsa import Elsa
from open_elsa.model.semantic import HtsatEncoder, MobileNetEncoder
from open_elsa.model.text_roberta import RobertaEncoder


def give_weights(model: Elsa, start: Path | None, tagger: Path | None, text: Path | None) -> None:
    """Fill a new model with the weights that are given; what none of them holds stays random.

    start: a checkpoint's folder, all weights of the very same model, of one whose velocity stayed as it came, or of one
    that heard W alone and had no branch for early reflections: the branch starts silent, the rest goes on. tagger: the
    semantic encoder's start (EfficientAT's file, or a folder with CLAP's weights for HTSAT). text: a folder with
    RoBERTa's weights.
    Raises TrainingError for a checkpoint of another model, and for parts that the model has no use for.
    """
    if start is not None:
        if tagger or text:
            raise TrainingError("start holds every weight already: leave tagger and text out")
        _go_on_from(model, start)
        return
    if tagger is None:
        _quick_statistics(model)
    elif isinstance(model.semantic, MobileNetEncoder):
        model.semantic.load_tagger(tagger)
    else:
        cast(HtsatEncoder, model.semantic).load_pretrained(tagger)
    if text is not None:
        if not isinstance(model.text, RobertaEncoder):
            raise TrainingError(f"{model.config.name} reads text with a frozen encoder of its own; leave `text` out")
        model.text.load_pretrained(text)


def _go_on_from(model: Elsa, start: Path) -> None:
    found = checkpoints.load(start)
    if found.config not in (model.config, *_as_it_was(model.config)):
        raise TrainingError(
            f"{start} holds a model {found.config.name!r} that is not the recipe's {model.config.name!r} in every "
            f"setting; compare its config.json, or go on by the recipe that made it"
        )
    model.load_state_dict(checkpoints.own_state(found), strict=False)  # what a package brings is there already


def _as_it_was(config: ElsaConfig) -> tuple[ElsaConfig, ElsaConfig]:
    """The models that earlier weights of elsa-small were trained for, the latest first."""
    unbalanced = dataclasses.replace(config, spatial=dataclasses.replace(config.spatial, balance_db=0.0))
    first = dataclasses.replace(
        unbalanced,
        semantic=dataclasses.replace(config.semantic, beam=0.0),
        spatial=dataclasses.replace(unbalanced.spatial, comb=0),
    )
    return unbalanced, first


def _quick_statistics(model: Elsa) -> None:
    """Let every BatchNorm's averages keep up: the tagger's slow ones suit pretrained weights only."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 0.1
