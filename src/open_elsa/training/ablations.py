"""One short recipe and what of it is taken away or exchanged: each ablation changes one thing, so that it alone counts.

The base is elsa-small in little: pieces of two seconds, a few hundred steps, the tagger frozen, because most questions
are about space. Its scores are far below the shipped model's; only differences between rows mean something.
`benchmarks/ablations.py` trains and measures them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from open_elsa.errors import ConfigError
from open_elsa.model import config as model_config
from open_elsa.sound.acoustics import DIRECT_WINDOW_S
from open_elsa.training.data import DataConfig
from open_elsa.training.recipes import StageConfig, TrainConfig

#: What is left of a response where only early reflections are heard: up to so many ms after the direct sound (ISO
#: 3382-1 counts the first 50 ms as early for speech).
EARLY_MS = 50.0
#: Where only the direct sound is: what the direct-to-reverberant ratio counts as direct.
DIRECT_MS = 1000 * DIRECT_WINDOW_S


@dataclass(frozen=True)
class Ablation:
    """A row of the table. about: what is other than in the base, in words. says: what the trained model can be asked,
    "everything", or "direction" where no words were trained."""

    about: str
    make: Callable[[], TrainConfig]
    says: Literal["everything", "direction"] = "everything"


def base() -> TrainConfig:
    """The recipe that every ablation changes: stage 1, then contrast, regression and shared words, in whole rooms."""
    data = DataConfig(seconds=2.0, repeats={"esc50": 5})
    place = dataclasses.replace(data, spatial_share=1.0)
    return TrainConfig(
        name="ablation-base",
        model=model_config.elsa_small(),
        stages=(
            StageConfig("place", 120, 32, 2e-3, place, warmup_steps=20, bank="balanced"),
            StageConfig("align", 200, 32, 1.2e-3, data, tagger_lr=0.0, warmup_steps=20, bands=0.0, bank="balanced"),
        ),
        rooms=4000,
        positions_per_room=2,
    )


def _changed(name: str, config: TrainConfig, **changes: Any) -> TrainConfig:
    return dataclasses.replace(config, name=f"ablation-{name}", **changes)


def _align(name: str, **changes: Any) -> TrainConfig:
    """The base with fields of its last stage changed."""
    config = base()
    return _changed(name, config, stages=(*config.stages[:-1], dataclasses.replace(config.stages[-1], **changes)))


def _data(name: str, **changes: Any) -> TrainConfig:
    """The base with fields of the data of every stage changed."""
    config = base()
    stages = (dataclasses.replace(s, data=dataclasses.replace(s.data, **changes)) for s in config.stages)
    return _changed(name, config, stages=tuple(stages))


def _spatial(name: str, kind: Literal["mono", "statistics", "crnn"]) -> TrainConfig:
    """The base with another spatial encoder; one that hears W alone has no direction to turn a beam to."""
    model = base().model
    beam = 0.0 if kind == "mono" else model.semantic.beam
    spatial, semantic = dataclasses.replace(model.spatial, kind=kind), dataclasses.replace(model.semantic, beam=beam)
    return _changed(name, base(), model=dataclasses.replace(model, spatial=spatial, semantic=semantic))


def contrast() -> TrainConfig:
    """Nothing but the contrastive loss in stage 2: no regression, no shared words."""
    return _align("contrast", regression=0.0, spread=0.0, words=0.0)


def contrast_regression() -> TrainConfig:
    """The paper's losses: contrast and regression, without the shared words that elsa-small adds."""
    return _align("contrast-regression", words=0.0)


def fixed_intensity() -> TrainConfig:
    """Fixed statistics of intensity through one hidden layer instead of the learned branch."""
    return _spatial("fixed-intensity", "statistics")


def no_stage_1() -> TrainConfig:
    """The spatial encoder starts stage 2 untrained."""
    config = base()
    return _changed("no-stage-1", config, stages=config.stages[1:])


def mono_only() -> TrainConfig:
    """Clips without a room alone; stage 1 would have nothing to hear."""
    config = _data("mono-only", spatial_share=0.0)
    return dataclasses.replace(config, stages=config.stages[1:])


def spatial_only() -> TrainConfig:
    """No clip without a room."""
    return _data("spatial-only", spatial_share=1.0)


def no_rotation() -> TrainConfig:
    """Scenes are heard as they are in the bank: not turned, mirrored or tilted."""
    return _data("no-rotation", augment=dataclasses.replace(base().stages[-1].data.augment, rotate=False))


def early_reflections() -> TrainConfig:
    """Responses end 50 ms after the direct sound; tests are in whole rooms."""
    return _data("early-reflections", keep_after_direct_ms=EARLY_MS)


def direct_sound() -> TrainConfig:
    """Nothing but the direct sound is heard in training; tests are in whole rooms."""
    return _data("direct-sound", keep_after_direct_ms=DIRECT_MS)


def mono_model() -> TrainConfig:
    """A model of the same size, layer by layer, that hears W alone: what it says of directions is chance."""
    return _spatial("mono-model", "mono")


def seldnet() -> TrainConfig:
    """A SELDnet-style network of the selector's size, taught direction and distance alone.

    As many spatial scenes as in both stages of the base: its one stage is as long as stage 1 and the spatial share of
    stage 2 together. The rate is a quarter of stage 1's, at which the network stalls even on four plane waves
    (tests/model/test_spatial_rivals.py learns them at a still lower one).
    """
    config = _spatial("seldnet", "crnn")
    place, align = config.stages
    steps = place.steps + round(align.steps * align.data.spatial_share * align.batch_size / place.batch_size)
    return dataclasses.replace(config, stages=(dataclasses.replace(place, steps=steps, lr=place.lr / 4, bands=0.0),))


ABLATIONS: dict[str, Ablation] = {
    "base": Ablation("the base: two stages, all losses, mono and spatial clips, whole rooms", base),
    "contrast": Ablation("stage 2 by contrastive loss alone", contrast),
    "contrast-regression": Ablation("stage 2 by contrast and regression, no shared words", contrast_regression),
    "fixed-intensity": Ablation("fixed intensity statistics, no learned branch", fixed_intensity),
    "no-stage-1": Ablation("no stage 1", no_stage_1),
    "mono-only": Ablation("trained on mono clips only", mono_only),
    "spatial-only": Ablation("trained on spatial clips only", spatial_only),
    "no-rotation": Ablation("no rotations in training", no_rotation),
    "early-reflections": Ablation(f"responses end {EARLY_MS:g} ms after the direct sound", early_reflections),
    "direct-sound": Ablation("the direct sound alone", direct_sound),
    "mono-model": Ablation("baseline: the same model hearing W alone", mono_model),
    "seldnet": Ablation("baseline: SELDnet-style network, direction only", seldnet, says="direction"),
}


def ablation(name: str) -> Ablation:
    """The ablation of that name; raises ConfigError naming the known ones."""
    try:
        return ABLATIONS[name]
    except KeyError:
        raise ConfigError(f"no ablation {name!r}; known: {', '.join(ABLATIONS)}") from None
