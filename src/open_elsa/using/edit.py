"""The same sound somewhere else: the direction in a vector exchanged for another, or taken out, without any audio.

A vector holds its direction in the few dimensions in which texts about directions differ. What lies in them is turned
to the new direction and keeps its length; all else, what is heard, how high and far, and the room, stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from open_elsa.errors import DataError
from open_elsa.scenes.attributes import DIRECTION, EIGHT
from open_elsa.scenes.telling import read
from open_elsa.scenes.vocabulary import Attribute
from open_elsa.using.vectors import Floats, group_means, unit

#: The four directions with the azimuths at their middles, counter-clockwise from ahead.
AZIMUTHS = {"front": 0.0, "left": 90.0, "back": 180.0, "right": -90.0}
#: Texts whose vectors say little else but a direction; filled with the phrases of the table of words.
_FRAMES = ("something is {at}", "it comes {origin}", "that is {at}", "something comes {origin}")


class TextEmbedder(Protocol):
    """What editing needs of a model: sentences to unit vectors (m, d)."""

    def embed_text(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Embed sentences."""
        ...


@dataclass(frozen=True)
class Directions:
    """Where a model's vectors hold directions; make one with `Directions.of(model)` and use it for many vectors.

    basis: (3, d) orthonormal, the dimensions in which the four directions differ. corners: (4, 3), where the four,
    in the order of AZIMUTHS, lie in them.
    """

    basis: NDArray[np.float64]
    corners: NDArray[np.float64]

    @classmethod
    def of(cls, embedder: TextEmbedder) -> Directions:
        """Read the directions out of a model's own texts."""
        words = prototypes(embedder, list(AZIMUTHS)).astype(np.float64)
        apart = words - words.mean(axis=0)
        basis = np.linalg.svd(apart, full_matrices=False)[2][: len(AZIMUTHS) - 1]
        return cls(basis, apart @ basis.T)

    def move(self, vectors: ArrayLike, azimuth_deg: float, *, as_said: bool = False) -> Floats:
        """Turn vectors (n, d) to an azimuth in degrees, +90 left, any finite angle; (n, d) float32 unit vectors.

        Between two of the four directions, theirs are mixed as the azimuth's cosine and sine say. What has less of a
        direction than words give it keeps what it has; as_said: it is given as much.
        """
        rows = self._rows(vectors)
        azimuth = math.radians(azimuth_deg)
        ahead, left = math.cos(azimuth), math.sin(azimuth)
        aim = np.array([max(ahead, 0.0), max(left, 0.0), max(-ahead, 0.0), max(-left, 0.0)]) @ self.corners
        inside = rows @ self.basis.T
        strength = np.linalg.norm(inside, axis=1, keepdims=True)
        if as_said:
            strength = np.maximum(strength, np.linalg.norm(self.corners, axis=1).mean())
        return unit(rows + (strength * aim / max(float(np.linalg.norm(aim)), 1e-12) - inside) @ self.basis)

    def remove(self, vectors: ArrayLike) -> Floats:
        """Take the direction out of vectors (n, d): (n, d) float32 unit vectors that lie alike to all four."""
        rows = self._rows(vectors)
        return unit(rows - (rows @ self.basis.T) @ self.basis)

    def _rows(self, vectors: ArrayLike) -> NDArray[np.float64]:
        rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != self.basis.shape[1]:
            raise DataError(f"vectors must be (n, {self.basis.shape[1]}), got {rows.shape}; embed with the same model")
        return rows


def move(embedder: TextEmbedder, vectors: ArrayLike, to: str | float) -> Floats:
    """The same sounds somewhere else: vectors (n, d), or one (d,), with their direction exchanged.

    to: words that name one direction ("on my right", "behind me on the left", "at three o'clock", "30 degrees to the
    left"), or an azimuth in degrees, +90 left. Returns (n, d) float32 unit vectors.
    Raises DataError for words that name no direction, several, or more than a direction.
    """
    azimuth_deg = azimuth_of(to) if isinstance(to, str) else float(to)
    if not math.isfinite(azimuth_deg):
        raise DataError(f"an azimuth must be finite, got {to}")
    return Directions.of(embedder).move(vectors, azimuth_deg)


def remove_direction(embedder: TextEmbedder, vectors: ArrayLike) -> Floats:
    """The same sounds from nowhere in particular: vectors (n, d), or one (d,), without direction; (n, d) float32."""
    return Directions.of(embedder).remove(vectors)


def azimuth_of(text: str) -> float:
    """Azimuth in degrees, +90 left, that a text names; DataError where it doesn't name exactly one and nothing else."""
    facts = read(text)
    where = facts.sources[0] if len(facts.sources) == 1 else None
    if where is not None:
        other = (where.elevation, where.elevation_deg, where.distance, where.distance_m, where.approach)
        stated = [v for v in (where.direction, where.clock, where.azimuth_deg) if v is not None]
        ends = (where.end_direction, where.end_clock, where.end_azimuth_deg)
        plain = not any(v is not None for v in (*other, *ends, facts.room_size, facts.reverberation))
        if len(stated) == 1 and plain and not where.contradictions:
            if where.clock is not None:
                return -30.0 * where.clock
            return where.azimuth_deg if where.azimuth_deg is not None else _middle(str(where.direction))
    raise DataError(
        f"{text!r} does not name one direction and nothing else; say for example 'on my right', "
        "'behind me on the left', 'at three o'clock' or '30 degrees to the left'"
    )


def prototypes(embedder: TextEmbedder, words: Sequence[str], table: Attribute = DIRECTION) -> Floats:
    """Unit vector (len(words), d) of each direction word: the normalised mean over the table's ways of saying it."""
    sentences = [direction_sentences(word, table) for word in words]
    vectors = embedder.embed_text([text for texts in sentences for text in texts])
    return group_means(vectors.astype(np.float64), [len(texts) for texts in sentences])


def direction_sentences(word: str, table: Attribute = DIRECTION) -> list[str]:
    """Texts that say nothing but a direction; none of them is a prompt of the zero-shot test."""
    entry = table[word]
    return [
        frame.format(at=phrase, origin=phrase)
        for frame in _FRAMES
        for phrase in (entry.at if "{at}" in frame else entry.origin)
    ]


def _middle(direction: str) -> float:
    """Azimuth in the middle of one of the eight directions."""
    if direction in AZIMUTHS:
        return AZIMUTHS[direction]
    interval = EIGHT[direction].bins[0]
    return 0.5 * (interval.low + interval.high)
