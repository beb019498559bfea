"""What the table of spatial words is made of: bins of numbers, words with their phrases, attributes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from open_elsa.errors import ConfigError


@dataclass(frozen=True)
class Bin:
    """One interval of the attribute's quantity; `closed` = both limits belong to it, else neither does."""

    low: float
    high: float
    closed: bool

    def holds(self, value: float) -> bool:
        """True when `value` (in the attribute's unit) lies in the bin."""
        return self.low <= value <= self.high if self.closed else self.low < value < self.high


@dataclass(frozen=True)
class Word:
    """One word of an attribute: when it is true and how it may be said.

    word: the canonical word, the value that SpatialWords carries. bins: where it is true.
    at: phrases that say where something *is* ("on my left"), or adjectives of a room for room_size and reverberation.
    origin: phrases that say where something comes *from* ("from my left"); for the rooms' attributes, "with …" phrases.
    adjectives: what may stand before a noun ("left", "upper", "distant").
    brief: forms short enough for a search box.
    ends: what may stand in "from … to …" of a moving source ("left", "behind me").
    """

    word: str
    bins: tuple[Bin, ...]
    at: tuple[str, ...]
    origin: tuple[str, ...]
    adjectives: tuple[str, ...]
    brief: tuple[str, ...]
    ends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attribute:
    """One spatial attribute: its quantity, its words, and the classes that evaluation tells apart.

    classes: the words that the zero-shot test compares: the paper's four directions and two-way pairs.
    templates: the paper's way of asking, "a sound coming from {}" and its like; `{}` takes a phrase of `said`.
    said: word → the phrases that fit into the templates.
    """

    name: str
    quantity: str
    unit: str
    words: tuple[Word, ...]
    classes: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    said: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def word_for(self, value: float | None) -> str | None:
        """Word for a value in the attribute's unit; None in a gap zone, and for None or a value that is not finite."""
        if value is None or not math.isfinite(value):
            return None
        for word in self.words:
            for interval in word.bins:
                if interval.holds(value):
                    return word.word
        return None

    def __getitem__(self, word: str) -> Word:
        """Entry of one word; ConfigError names the words there are."""
        for entry in self.words:
            if entry.word == word:
                return entry
        raise ConfigError(f"{self.name} has no word {word!r}; it has {[w.word for w in self.words]}")


@dataclass(frozen=True)
class Steps:
    """How a number is rounded before it is said: (below, step) pairs; a stated number is true within half a step."""

    steps: tuple[tuple[float, float], ...]

    def step(self, value: float) -> float:
        """Step that numbers of this size are rounded to."""
        return next((step for below, step in self.steps if abs(value) < below), self.steps[-1][1])

    def round(self, value: float) -> float:
        """Nearest number that is said for `value`, never zero for a value above zero when the step is below it."""
        step = self.step(value)
        return round(round(value / step) * step, 3)

    def true_of(self, stated: float, value: float) -> bool:
        """True when `stated` is what `value` rounds to, or at least as near to it as rounding may go."""
        return abs(stated - value) <= max(self.step(stated), self.step(value)) / 2 + 1e-6
