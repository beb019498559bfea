"""Captions of every detail for scenes that were heard, by which the text encoder learns to read where.

What a caption in eight directions, hours, degrees or metres means is a matter of the text alone: the sounds are heard
already, and neither they nor what captions say of *what* is heard should change for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from open_elsa.errors import DataError
from open_elsa.model.elsa import ElsaSmall, Truth
from open_elsa.scenes.attributes import DIRECTION, DISTANCE, EIGHT, ELEVATION, REVERBERATION, ROOM_SIZE, wrapped
from open_elsa.scenes.facts import DETAILS, Heard, SceneFacts, SourceFacts
from open_elsa.scenes.measures import DEGREES, METRES, hour_word
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.telling import Told, tell
from open_elsa.scenes.vocabulary import Attribute, Steps, Word
from open_elsa.sound.foa import angles
from open_elsa.training.data import truth_of
from open_elsa.training.remembered import Remembered, order

Numbers = NDArray[np.float64]

#: Columns of a scene's numbers, and rows of a caption's limits.
NUMBERS = ("azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "t30_s")
#: The words of each number; directions are eight, so that a caption of four is still one of them.
_WORDS = (EIGHT, ELEVATION, DISTANCE, ROOM_SIZE, REVERBERATION)
#: A stated number is no negative of a sound this many rounding steps off.
_STEPS_OFF = 1.5
#: Further from its middle than this, a plain direction ("in front") is not said and counts as untrue, since there
#: "front left" begins: who knows that word would use it.
PLAIN_DEG = 90.0 - EIGHT["front left"].bins[0].high
_AT_ONCE = 512


@dataclass(frozen=True)
class ReadingConfig:
    """How captions are drawn. Shares of four kinds sum up to one; the rest are chances."""

    # in the paper's words, in eight directions, by the clock, in numbers (scenes/facts.py's order)
    details: tuple[float, float, float, float] = (0.35, 0.4, 0.08, 0.17)
    named: float = 0.5  # say what is heard too
    nothing: float = 0.1  # say only what is heard
    alone: float = 0.45  # say one thing of the place or the room, as a query would; else some, or all
    everything: float = 0.25
    direction: float = 0.4  # chance that what is said alone is the direction
    brief: float = 0.2


class Reading(NamedTuple):
    """Captions of n scenes that were heard."""

    texts: list[str]
    limits: Tensor  # (n, 5, 2) what each caption states, see `limits_of`
    where: Tensor  # (n, where_dim) unit: the where half of each scene, fixed
    numbers: Tensor  # (n, 5) what is true of each scene, in the order of NUMBERS
    facts: Tensor  # (n, 6) the word of each number that a caption states, as in `losses.words`
    means: list[Tensor]  # (words, where_dim) each: the mean where half of the scenes that a word is true of


def within(limits: Float[Tensor, "m 5 2"], numbers: Float[Tensor, "n 5"]) -> Bool[Tensor, "n m"]:
    """Which captions are true of which scenes: no known number lies outside the caption's limits."""
    given, found = limits[None], numbers[:, None]
    off = torch.remainder(found[..., 0] - given[..., 0, 0] + 180.0, 360.0) - 180.0
    outside = (found[..., 1:] < given[..., 1:, 0]) | (found[..., 1:] > given[..., 1:, 1])  # what is unknown is not
    return (off.abs() <= given[..., 0, 1]) & ~outside.any(-1)


def limits_of(facts: SceneFacts) -> Numbers:
    """What a text of at most one source states, (5, 2): centre and half width of the azimuth, then (low, high) each.

    Rows as in NUMBERS; what is not stated is open. Numbers are as wide as a listener would let pass.
    """
    limits = np.array([[0.0, 360.0], *([-np.inf, np.inf] for _ in NUMBERS[1:])])
    source = facts.sources[0] if facts.sources else None
    if source is not None:
        for word in (_direction(source.direction), None if source.clock is None else hour_word(source.clock)):
            if word is not None:
                limits[0] = _sector(word)
        if source.azimuth_deg is not None:
            limits[0] = (source.azimuth_deg, _STEPS_OFF * DEGREES.step(source.azimuth_deg))
        limits[1] = _range(ELEVATION, source.elevation, DEGREES, source.elevation_deg)
        limits[2] = _range(DISTANCE, source.distance, METRES, source.distance_m)
    limits[3] = _range(ROOM_SIZE, facts.room_size)
    limits[4] = _range(REVERBERATION, facts.reverberation)
    return limits


def words_of(facts: SceneFacts) -> list[int]:
    """The word behind each number that a text of at most one source states, counted from 1, 0 = none: (6,), first 0."""
    source = facts.sources[0] if facts.sources else SourceFacts()
    azimuth = source.azimuth_deg if source.clock is None else -30.0 * source.clock
    said = (
        source.direction or EIGHT.word_for(wrapped(azimuth)),
        source.elevation or ELEVATION.word_for(source.elevation_deg),
        source.distance or DISTANCE.word_for(source.distance_m),
        facts.room_size,
        facts.reverberation,
    )
    return [0, *(_place(attribute, word) for attribute, word in zip(_WORDS, said, strict=True))]


def _place(attribute: Attribute, word: str | None) -> int:
    return 0 if word is None else 1 + [entry.word for entry in attribute.words].index(word)


def _direction(word: str | None) -> Word | None:
    if word is None:
        return None
    return DIRECTION[word] if word in DIRECTION.classes else EIGHT[word]


def _sector(word: Word) -> tuple[float, float]:
    """Centre and half width, at most PLAIN_DEG, of a word's azimuths; what lies behind goes through 180."""
    low, high = word.bins[0].low, word.bins[0].high
    if high == 180.0:
        high = word.bins[-1].high + 360.0
    return 0.5 * (low + high), min(0.5 * (high - low), PLAIN_DEG)


def _range(
    attribute: Attribute, word: str | None, steps: Steps | None = None, value: float | None = None
) -> tuple[float, float]:
    if value is not None and steps is not None:
        off = _STEPS_OFF * steps.step(value)
        return value - off, value + off
    return (-math.inf, math.inf) if word is None else (attribute[word].bins[0].low, attribute[word].bins[0].high)


class Readings:
    """Batches of captions of remembered scenes; batch k is a pure function of (seed, k).

    where: (scenes, where_dim) the where halves of the scenes, which stay as they are.
    """

    def __init__(
        self,
        scenes: Remembered,
        where: Tensor,
        clips: Sequence[Clip],
        config: ReadingConfig,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.where, self.clips, self.config = where, clips, config
        self.numbers = numbers_of(truth_of(scenes.targets))
        self.batch_size, self.seed = batch_size, seed
        self.means = _means(where, self.numbers)

    def batch(self, step: int) -> Reading:
        """Captions of the step-th batch, each scene said once an epoch."""
        index = order(len(self.numbers), self.batch_size, step, self.seed)
        told = [
            self._tell(self.numbers[int(k)], np.random.default_rng([self.seed, step, place]))
            for place, k in enumerate(index)
        ]
        limits = np.stack([limits_of(one.facts) for one in told])
        return Reading(
            [one.text for one in told],
            torch.from_numpy(limits).float(),
            self.where[index],
            torch.from_numpy(self.numbers[index.numpy()]).float(),
            torch.tensor([words_of(one.facts) for one in told]),
            self.means,
        )

    def _tell(self, numbers: Numbers, rng: np.random.Generator) -> Told:
        """A caption of some of what is true of a scene; of the place alone where a clip's name can't be told."""
        clip = self.clips[int(rng.integers(len(self.clips)))]
        what = str(clip.captions[rng.integers(len(clip.captions))])
        if rng.random() < self.config.nothing:
            said, what_said = np.full(len(NUMBERS), np.nan), True
        else:
            said, what_said = self._some(numbers, rng), bool(rng.random() < self.config.named)
        try:
            return self._write(what if what_said else None, said, rng)
        except DataError:  # a name that is nothing but a place, or that no sentence can hold
            return self._write(None, said, rng)

    def _some(self, numbers: Numbers, rng: np.random.Generator) -> Numbers:
        """The numbers with some of them unknown: what is left may be said."""
        draw = rng.random()
        if draw < self.config.everything:
            return numbers
        rest = (1.0 - self.config.direction) / (len(NUMBERS) - 1)
        shares = [self.config.direction, *[rest] * (len(NUMBERS) - 1)]
        count = 1 if draw < self.config.everything + self.config.alone else int(rng.integers(2, len(NUMBERS)))
        keep = rng.choice(len(NUMBERS), count, replace=False, p=shares)
        return np.where(np.isin(np.arange(len(NUMBERS)), keep), numbers, np.nan)

    def _write(self, what: str | None, said: Numbers, rng: np.random.Generator) -> Told:
        azimuth, elevation, distance, area, t30 = (None if math.isnan(x) else float(x) for x in said)
        detail = DETAILS[int(rng.choice(len(DETAILS), p=self.config.details))]
        if detail == "words" and azimuth is not None and abs((azimuth + 45.0) % 90.0 - 45.0) > PLAIN_DEG:
            detail = "eight"
        return tell(
            [Heard(what, azimuth, elevation, distance)],
            rng,
            floor_area_m2=area,
            t30_s=t30,
            detail=detail,
            style="brief" if rng.random() < self.config.brief else "full",
        )


def _means(where: Tensor, numbers: Numbers) -> list[Tensor]:
    """Of every word the unit mean of the where halves of the scenes that it is true of; zeros where there is none."""
    means = []
    for k, attribute in enumerate(_WORDS):
        true = torch.tensor([_place(attribute, attribute.word_for(float(value))) for value in numbers[:, k]])
        sums = [where[true == place].sum(0) for place in range(1, 1 + len(attribute.words))]
        means.append(torch.nn.functional.normalize(torch.stack(sums), dim=1))
    return means


def numbers_of(truth: Truth) -> Numbers:
    """What is true of scenes in the order of NUMBERS, (n, 5)."""
    azimuth, elevation = angles(truth.direction.double().numpy())
    logs = torch.stack([truth.log_distance, truth.log_area, truth.log_t30], 1).double()
    return np.concatenate([np.stack([azimuth, elevation], 1), logs.exp().numpy()], 1)


@torch.no_grad()
def where_of(model: ElsaSmall, scenes: Remembered) -> Tensor:
    """The where half of every remembered scene, (n, where_dim), unit."""
    was_training = model.training
    model.eval()
    rows = torch.arange(len(scenes.facts)).split(_AT_ONCE)  # type: ignore[no-untyped-call]
    where = torch.cat([model.say_where(scenes.rows(part).heard).where for part in rows])
    model.train(was_training)
    return where
