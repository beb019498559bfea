"""From a question to the vector that is looked for, and to the part of all vectors in which it is compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.using.edit import Directions, azimuth_of
from open_elsa.using.embedder import Embedder
from open_elsa.using.pieces import AudioLike
from open_elsa.using.vectors import Floats, unit

#: Which part of the vectors is compared.
About: TypeAlias = Literal["both", "what", "where"]
#: How much of the unwanted text's vector is taken off: see docs/searching.md for how it was chosen.
MINUS = 0.5


@dataclass(frozen=True)
class View:
    """The part of vectors that a question is about: columns where a model keeps what and where apart, else subspaces.

    columns: those compared. basis: (3, d) in which directions lie, of models that mix what and where: for "what" it is
    taken out, for "where" all else is.
    """

    about: About
    columns: slice
    basis: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, about: About, embedder: Embedder | None) -> View:
        """The view of a model's vectors; raises DataError for one that doesn't exist."""
        if about not in ("both", "what", "where"):
            raise DataError(f"about must be both, what or where, got {about!r}")
        if about == "both":
            return cls(about, slice(None))
        if embedder is None:
            raise DataError(f"about={about!r} needs the model: pass the embedder to Index.open")
        where = int(embedder.config.where_dim)
        if where:
            return cls(about, slice(None, -where) if about == "what" else slice(-where, None))
        return cls(about, slice(None), directions_of(embedder).basis)

    def query(self, vector: Floats) -> Floats:
        """The query's part (d,), unit; raises DataError where nothing is left of it."""
        if self.about == "both":
            return vector
        part = self._part(np.asarray(vector, np.float64)[None])
        if not np.linalg.norm(part) > 1e-6:
            raise DataError(f"the query says nothing of {self.about}")
        return np.asarray(unit(part)[0])

    def scores(self, vectors: Floats, query: Floats) -> Floats:
        """Cosine (n,) of the parts of vectors (n, d) with a query that `query` made."""
        if self.about == "both":
            return np.asarray(vectors @ query, np.float32)
        part = self._part(vectors).astype(np.float32, copy=False)
        return np.asarray(part @ query / np.maximum(np.linalg.norm(part, axis=1), 1e-12), np.float32)

    def _part(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        if self.basis is None:
            return rows[:, self.columns]
        inside = rows @ self.basis.T
        return inside if self.about == "where" else rows - inside @ self.basis


def query_vector(
    embedder: Embedder,
    text: str | None,
    audio: AudioLike | None,
    minus: str | None,
    move_to: str | float | None,
    convention: str,
) -> Floats:
    """The unit vector (d,) of a text or a sound, with another text taken off and the direction exchanged."""
    if text is not None:
        query: Floats = embedder.embed_text(text)[0]
    else:
        query = embedder.embed_audio([audio], convention=convention)[0]  # type: ignore[list-item]
    if minus is not None:
        query = without(query, embedder.embed_text(minus)[0])
    if move_to is not None:
        query = moved(embedder, query, move_to, as_said=text is not None)
    return query


def without(query: Floats, unwanted: Floats) -> Floats:
    """The query less MINUS times the unwanted vector, unit; raises DataError where nothing would be left."""
    rest = query.astype(np.float64) - MINUS * unwanted.astype(np.float64)
    if np.linalg.norm(rest) < 1e-6:
        raise DataError("the query and what it is to be without say the same; nothing is left to look for")
    return np.asarray(unit(rest[None])[0])


def as_typed(words: str) -> str | float:
    """A direction as a person typed it, for `moved`: a number is an azimuth; raises DataError for one not finite."""
    try:
        azimuth_deg = float(words)
    except ValueError:
        return words
    return _finite(azimuth_deg)


def _finite(azimuth_deg: float) -> float:
    if not math.isfinite(azimuth_deg):
        raise DataError(f"an azimuth must be finite, got {azimuth_deg}")
    return azimuth_deg


def moved(embedder: Embedder, query: Floats, to: str | float, *, as_said: bool) -> Floats:
    """The query from another direction; as_said: a text that names none gets one as strong as words give it."""
    azimuth_deg = azimuth_of(to) if isinstance(to, str) else _finite(float(to))
    return np.asarray(directions_of(embedder).move(query, azimuth_deg, as_said=as_said)[0])


_READ: WeakKeyDictionary[Embedder, Directions] = WeakKeyDictionary()


def directions_of(embedder: Embedder) -> Directions:
    """A model's directions, read out of it once: that takes some fifty sentences."""
    if embedder not in _READ:
        _READ[embedder] = Directions.of(embedder)
    return _READ[embedder]
