"""A recording in a sentence: what is heard, out of a list of names, and where, by the model's own numbers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes import attributes, captions
from open_elsa.scenes.scene import SpatialWords
from open_elsa.using.embedder import Embedder, Location, rank
from open_elsa.using.pieces import Audios
from open_elsa.using.sound_names import SOUND_NAMES

logger = logging.getLogger("open_elsa")

TEMPLATE = "the sound of {}"


@dataclass(frozen=True)
class Description:
    """What is said of one recording.

    text: one sentence of the most likely name and the words that hold of the place. tags: names with probabilities
    against the other names of the list, most likely first. start_s, end_s: the loudest window, where `location` is
    from. notes: what stood in the way.
    """

    source: str
    text: str
    tags: tuple[tuple[str, float], ...]
    words: SpatialWords
    location: Location
    start_s: float
    end_s: float
    notes: tuple[str, ...]


def describe(
    sounds: Audios,
    embedder: Embedder,
    *,
    names: Sequence[str] = SOUND_NAMES,
    tags: int = 3,
    convention: str = "auto",
) -> list[Description]:
    """Describe each recording; the same recording always gets the same sentence.

    names: what may be heard, noun phrases such as "a dog barking". tags: how many names to give.
    Raises AudioError for a sound that cannot be used, DataError for no names.
    """
    if not names or tags < 1:
        raise DataError("describe needs at least one name and one tag")
    analyses = embedder.analyse(sounds, convention=convention)
    prompts = embedder.embed_text([TEMPLATE.replace("{}", name) for name in names])
    found = []
    for analysis in analyses:
        likely = rank(names, embedder.probabilities(analysis.embedding[None], prompts)[0])
        top = tuple(likely.items())[:tags]
        words = words_of(analysis.location)
        text = "silence" if analysis.silent else sentence(top[0][0], words)
        found.append(
            Description(
                analysis.source,
                text,
                () if analysis.silent else top,
                words,
                analysis.location,
                analysis.start_s,
                analysis.end_s,
                analysis.notes,
            )
        )
    return found


def words_of(location: Location) -> SpatialWords:
    """The words that hold of a location; none where it is not known."""
    numbers = location.azimuth_deg, location.elevation_deg, location.distance_m, location.floor_area_m2, location.t30_s
    return attributes.words_for(*numbers)


def sentence(what: str, words: SpatialWords) -> str:
    """A sentence of a name and spatial words, always the same for the same two."""
    try:
        return captions.write_caption(what, words, np.random.default_rng(0), style="full").text
    except DataError as error:  # a name that reads like a place, such as "a small dog": say the two apart
        logger.info("%s: %s", what, error)
        place = (
            captions.write_caption(None, words, np.random.default_rng(0), style="full").text if not words.empty else ""
        )
        return "; ".join(part for part in (what, place) if part)
