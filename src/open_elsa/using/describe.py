"""A recording in a sentence: what is heard and where, written by the model's captioner or filled into a template.

No sentence contradicts the numbers shown with it: of the captioner's sentences the first is taken whose every statement
is true of them; where none is, the most likely of a list of names and the words that hold of the numbers make one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from open_elsa.errors import CheckpointError, DataError
from open_elsa.scenes import attributes, captions
from open_elsa.scenes.scene import SpatialWords
from open_elsa.using import captioner
from open_elsa.using.captioner import Captioner
from open_elsa.using.embedder import Analysis, Embedder, Location, Vectors, rank
from open_elsa.using.pieces import Audios
from open_elsa.using.sound_names import SOUND_NAMES

logger = logging.getLogger("open_elsa")

TEMPLATE = "the sound of {}"


@dataclass(frozen=True)
class Description:
    """What is said of one recording.

    text: one sentence. caption: the same where the model's captioner wrote it, None where the sentence is made of the
    most likely name and the words that hold of the place. tags: names with probabilities against the other names of
    the list, most likely first. start_s, end_s: the loudest window, where `caption` and `location` are from. notes:
    what stood in the way.
    """

    source: str
    text: str
    caption: str | None
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
    names: Sequence[str] | None = None,
    tags: int = 3,
    convention: str = "auto",
) -> list[Description]:
    """Describe each recording; the same recording always gets the same sentence.

    names: what may be heard, noun phrases such as "a dog barking"; None: a list of everyday sounds for the tags, and
    sentences by the captioner where the model's checkpoint has one. tags: how many names to give.
    Raises AudioError for a sound that cannot be used, DataError for no names.
    """
    listed = SOUND_NAMES if names is None else names
    if not listed or tags < 1:
        raise DataError("describe needs at least one name and one tag")
    writer, note = _captioner(embedder) if names is None else (None, None)
    analyses = embedder.analyse(sounds, convention=convention)
    prompts = prompts_of(embedder, listed)
    written = captions_of(writer, analyses)
    found = []
    for analysis, caption in zip(analyses, written, strict=True):
        likely = rank(listed, embedder.probabilities(analysis.embedding[None], prompts)[0])
        top = tuple(likely.items())[:tags]
        words = words_of(analysis.location)
        text = "silence" if analysis.silent else caption or sentence(top[0][0], words)
        found.append(
            Description(
                analysis.source,
                text,
                caption,
                () if analysis.silent else top,
                words,
                analysis.location,
                analysis.start_s,
                analysis.end_s,
                analysis.notes if note is None else (*analysis.notes, note),
            )
        )
    return found


def prompts_of(embedder: Embedder, names: Sequence[str]) -> Vectors:
    """The vectors (m, d) that names of sounds are known by."""
    return embedder.embed_text([TEMPLATE.replace("{}", name) for name in names])


def captions_of(writer: Captioner | None, analyses: Sequence[Analysis]) -> list[str | None]:
    """What the captioner writes of the loudest window of each sound that is not silent and agrees with its numbers."""
    heard = [k for k, a in enumerate(analyses) if not a.silent]
    found: list[str | None] = [None] * len(analyses)
    if writer is None or not heard:
        return found
    vectors = [a.embedding if a.loudest is None else a.loudest for a in analyses]
    for k, proposals in zip(heard, writer.propose(np.stack([vectors[k] for k in heard])), strict=True):
        chosen = captioner.choose(proposals, words_of(analyses[k].location))
        found[k] = None if chosen is None else chosen.text
    return found


def _captioner(embedder: Embedder) -> tuple[Captioner | None, str | None]:
    """The model's captioner, or why it cannot be used."""
    try:
        return captioner.of(embedder), None
    except CheckpointError as error:
        return None, f"without captions: {error}"


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
