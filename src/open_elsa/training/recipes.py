"""How models are trained: frozen configurations, recipes as functions, saved as JSON with every run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from open_elsa.corpora.leaving_out import drawn_classes
from open_elsa.errors import ConfigError
from open_elsa.model import config as model_config
from open_elsa.model.config import ElsaConfig
from open_elsa.scenes.draw_rooms import MIXED_SOURCES, OMNIDIRECTIONAL, RoomRanges
from open_elsa.training.augment import AugmentConfig
from open_elsa.training.data import DataConfig
from open_elsa.training.reading import ReadingConfig


@dataclass(frozen=True)
class StageConfig:
    """One stage of training.

    kind: "place" trains the spatial encoder alone on direction, distance, volume, DRR and T30 per band; "align" trains
    everything by contrast of sounds and captions plus regression of direction, distance and floor area; "recall" hears
    `scenes` scenes once and trains what comes after the spatial encoder's convolutions on them, many times over; "read"
    trains the text encoder to read where, by captions of all details of such scenes, which are taken over from a recall
    stage before it that heard the same.
    """

    kind: Literal["place", "align", "recall", "read"]
    steps: int
    batch_size: int
    lr: float
    data: DataConfig
    tagger_lr: float = 1.0  # of the pretrained semantic encoder, as a share of lr; 0: it stays as it is
    optimizer: Literal["adamw", "lamb"] = "adamw"
    weight_decay: float = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"  # after the warm-up; the paper states none
    warmup_steps: int = 100
    regression: float = 1.0  # weight of the regression terms (the paper: an unweighted sum, as far as is known)
    # "recall" only: distance and T30 by their relative error |said / true - 1|, as they are judged; a squared error of
    # logarithms says too much where it is unsure. Floor areas are not: by that error the unsure ones come out too small
    relative: bool = False
    bands: float = 0.3  # weight of volume, DRR and T30 per band, where the model says them
    words: float = 0.5  # weight of the shared word prototypes: contrast alone was slow to tell left from right
    spread: float = 0.05  # weight of the error to expect; like every regression, it tells the encoder of the truth
    # "balanced": rooms and places whose word classes are equally frequent, T30 independent of size. They leave what
    # lies between two words out, 1 to 2 m above all: numbers are learned from "both"
    bank: Literal["drawn", "balanced", "both"] = "drawn"
    scenes: int = 0  # "recall" and "read" only
    reading: ReadingConfig = field(default_factory=ReadingConfig)  # "read" only: what its captions say
    # "align" only, where the tagger stays as it is: weight of the likeness of sounds and the tagger's own names
    # (training/naming.py), without which sounds of no clip take the names of others
    names: float = 0.0
    kept: float = 10.0  # "read" only: weight of what captions say of the sound itself, which is to stay as it was
    # how far to go from the weights before the stage to those it learned, the text encoder's aside: half-way a model
    # keeps more of what it knew of other sounds than at either end (Wortsman et al. 2022, arXiv:2109.01903)
    blend: float = 1.0
    all_negatives: bool = False  # True: the paper's loss, other captions that are true as well count as wrong


@dataclass(frozen=True)
class TrainConfig:
    """A whole run. Same configuration and data, same weights.

    Raises ConfigError for a stage that blends by a share outside 0..1, and for one that is taught the tagger's names
    while the tagger changes.
    """

    name: str
    model: ElsaConfig
    stages: tuple[StageConfig, ...]
    rooms: int = 2000
    positions_per_room: int = 4
    ranges: RoomRanges = OMNIDIRECTIONAL  # RoomRanges' own default draws directive sources as well
    bank_seed: int = 1  # evaluation banks use other seeds (evals.suites)
    seed: int = 0
    ema: float = 0.998  # moving average of the weights that is saved; 0: none
    bf16: bool = True  # where the processor computes in it; elsewhere float32
    clip_gradient: float = 1.0
    checkpoint_minutes: float = 5.0
    workers: int = 2
    left_out: tuple[str, ...] = ()  # classes of which no clip and no caption is trained on (corpora/leaving_out.py)
    freely_licensed_only: bool = True  # weights that are shipped may only learn from clips marked trainable

    def __post_init__(self) -> None:
        for number, stage in enumerate(self.stages, 1):
            if not 0 <= stage.blend <= 1:
                raise ConfigError(f"stage {number} of {self.name} blends by {stage.blend:g}; give a share in 0..1")
            if stage.names and (stage.kind != "align" or stage.tagger_lr):
                raise ConfigError(
                    f"stage {number} of {self.name} is taught the tagger's names: that takes kind 'align' and a tagger "
                    f"that stays as it is (tagger_lr 0), not {stage.kind!r} and {stage.tagger_lr:g}"
                )

    def to_json(self) -> str:
        """The resolved configuration as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2)


#: ESC-50's labels are the cleanest of the corpus.
_SMALL_DATA = DataConfig(seconds=3.0, repeats={"esc50": 5})
_TUNE_DATA = dataclasses.replace(
    _SMALL_DATA,
    seconds=3.5,
    augment=AugmentConfig(room_noise=0.4, room_snr_db=(18.0, 60.0), hiss_snr_db=(22.0, 75.0)),
)
# the second caption is the one that counts, and says only where
_WHERE_DATA = dataclasses.replace(
    _TUNE_DATA, seconds=4.0, spatial_share=1.0, caption_mix=(0.0, 1.0, 0.0), second_share=0.3
)


def elsa_small() -> TrainConfig:
    """The recipe of the shipped checkpoint, from nothing to its end: last come the stages of the next two recipes.

    The shipped weights themselves came of a sitting for each: what precedes `elsa_small_where` they heard in 4,000
    rooms of omnidirectional sources.
    """
    data = _SMALL_DATA
    place = dataclasses.replace(data, spatial_share=1.0)
    where = elsa_small_where()
    return dataclasses.replace(
        where,
        name="elsa-small",
        stages=(
            StageConfig("place", 400, 48, 2e-3, place),
            StageConfig("align", 800, 64, 1.2e-3, data, tagger_lr=0.3, bands=0.0),
            # drawn rooms hold more near places than far ones, which pulls every distance in: end on an even mix
            StageConfig(
                "align", 240, 64, 6e-4, data, tagger_lr=0.3, warmup_steps=20, regression=2.0, bands=0.0, bank="balanced"
            ),
            *elsa_small_tune().stages,
            *where.stages,
        ),
    )


def elsa_small_tune() -> TrainConfig:
    """Go on from a finished elsa-small, with more sounds or your own: the last stage of its recipe that names sounds.

    Longer pieces let the decay be heard, decay and DRR per band are asked for again, the words weigh more, and the
    noise is milder, since diffuse noise is hard to tell from a room's own sound.
    """
    last = StageConfig(
        "align", 600, 48, 8e-4, _TUNE_DATA, tagger_lr=0.3, warmup_steps=20, regression=2.0, words=1.0, bank="balanced"
    )
    # many rooms with few places each: how big a room is can only be learned from rooms
    return TrainConfig(
        name="elsa-small-tune", model=model_config.elsa_small(), stages=(last,), rooms=4000, positions_per_room=2
    )


def elsa_small_where() -> TrainConfig:
    """Go on from a finished elsa-small and teach it places anew, in more rooms; what it hears stays.

    Sources face somewhere, as loudspeakers and people do, and a third of the scenes hold a second, softer sound.
    """
    read = elsa_small_read()
    # half of what is learned here, and of that again 70 %: more of it costs direction with microphone errors and noise
    place = StageConfig(
        "place", 900, 48, 1e-3, _WHERE_DATA, warmup_steps=20, regression=2.0, bank="balanced", blend=0.35
    )
    return dataclasses.replace(read, name="elsa-small-where", stages=(place, *read.stages))


def elsa_small_read() -> TrainConfig:
    """Go on from a finished elsa-small and change only what it makes of what its convolutions hear, and what it reads.

    The ears first and the text then: captions are read against what the finished model will hear. Half of the rooms are
    drawn as they come, with sources up to 8 m away: a model that was shown none at 1.5 m or beyond 5 m says none.
    """
    stages = (
        StageConfig(
            "recall",
            2000,
            256,
            1e-3,
            _WHERE_DATA,
            weight_decay=0.02,
            regression=2.0,
            words=1.0,
            relative=True,
            bank="both",
            scenes=32_640,
            blend=0.7,
        ),
        StageConfig("read", 1200, 64, 5e-4, _WHERE_DATA, words=2.0, bank="both", scenes=32_640),
    )
    return TrainConfig(
        name="elsa-small-read",
        model=model_config.elsa_small(),
        stages=stages,
        rooms=9_000,
        positions_per_room=2,
        ranges=dataclasses.replace(MIXED_SOURCES, distance_m=(0.5, 8.0)),
    )


def elsa_small_left_out() -> TrainConfig:
    """Elsa-small without ten classes of ESC-50, two of each group, drawn by seed 0: what of a sound never heard?

    One stage from the pretrained tagger, half of it mono. The tagger stays as it is and its own names are taught beside
    the captions: what the classes that are there teach must not cost what the encoders know of the others.
    """
    data = dataclasses.replace(_SMALL_DATA, spatial_share=0.5)
    stage = StageConfig("align", 400, 64, 8e-4, data, tagger_lr=0.0, bands=0.0, bank="balanced", names=6.0)
    return TrainConfig(
        name="elsa-small-left-out",
        model=model_config.elsa_small(),
        stages=(stage,),
        rooms=4000,
        positions_per_room=2,
        left_out=drawn_classes(),
    )


def elsa_tiny() -> TrainConfig:
    """A run of seconds on a handful of sounds: for tests."""
    data = DataConfig(seconds=1.5)
    return TrainConfig(
        name="elsa-tiny",
        model=model_config.elsa_tiny(),
        stages=(
            StageConfig("place", 20, 8, 2e-3, dataclasses.replace(data, spatial_share=1.0), warmup_steps=5),
            StageConfig("align", 60, 16, 2e-3, data, warmup_steps=5),
        ),
        rooms=4,
        positions_per_room=4,
        ema=0.0,
        bf16=False,
        workers=0,
    )


def elsa_base() -> TrainConfig:
    """The paper's: stage 1 on 1,024 a batch for 100 epochs by LAMB, stage 2 on 2,304 for 40 epochs by Adam at 5e-5.

    Steps follow from the paper's 890,038 clips a stage-2 epoch; stage 1 counts Spatial LibriSpeech's 160,000 or so.
    Meant for a cluster: 96 GPUs in the paper.
    """
    data = DataConfig(seconds=10.0, spatial_share=0.655)  # 890,038 spatial of 1,357,278 clips
    place = dataclasses.replace(data, spatial_share=1.0)
    return TrainConfig(
        name="elsa-base",
        model=model_config.elsa_base(),
        stages=(
            StageConfig("place", 100 * 160_000 // 1024, 1024, 1e-3, place, optimizer="lamb", bands=1.0),
            StageConfig("align", 40 * 1_357_278 // 2304, 2304, 5e-5, data, weight_decay=0.0, all_negatives=True),
        ),
        rooms=8952,
        positions_per_room=1,
        ema=0.0,
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "elsa-small": elsa_small,
    "elsa-small-tune": elsa_small_tune,
    "elsa-small-where": elsa_small_where,
    "elsa-small-read": elsa_small_read,
    "elsa-small-left-out": elsa_small_left_out,
    "elsa-tiny": elsa_tiny,
    "elsa-base": elsa_base,
}


def recipe(name: str) -> TrainConfig:
    """The recipe of that name; raises ConfigError naming the known ones."""
    try:
        return RECIPES[name]()
    except KeyError:
        raise ConfigError(f"no recipe {name!r}; known: {', '.join(RECIPES)}") from None
