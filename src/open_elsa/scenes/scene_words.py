"""The captions of a scene: what its clips say, with where each is and which way it goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes import captions, moving
from open_elsa.scenes.attributes import ELEVATION
from open_elsa.scenes.recipe import SceneRecipe
from open_elsa.scenes.scene import Clip, Source, SourcePosition, SpatialWords
from open_elsa.scenes.telling import Heard, tell_several
from open_elsa.sound import foa

#: Combinations of the clips' captions that are tried before sources are told without their names.
_TRIES = 6


def write_captions(
    clip: Clip, words: SpatialWords, rng: np.random.Generator, recipe: SceneRecipe
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the captions of a scene: (sentences, the clip's caption that each of them came from)."""
    texts: list[str] = []
    originals: list[str] = []
    order = [clip.captions[int(n)] for n in rng.permutation(len(clip.captions))]
    for n in range(recipe.captions_per_scene):
        style = "brief" if rng.random() < recipe.brief_share else "full"
        # a caption that speaks of a place against the truth is refused by the writer: the next one takes its turn
        for what in [*order[n % len(order) :], *order[: n % len(order)]] if order else []:
            try:
                text = captions.write_caption(what, words, rng, style=style).text
            except DataError:
                continue
            if text not in texts:
                texts.append(text)
                originals.append(what)
            break
        else:
            if not words.empty and not texts:
                texts.append(captions.write_caption(None, words, rng, style=style).text)
                originals.append("")
    if not texts:
        raise DataError(f"{clip.path}: no caption of {clip.captions} can be used; give it one that names its sound")
    return tuple(texts), tuple(originals)


def write_captions_of_sources(
    clips: Sequence[Clip],
    sources: Sequence[Source],
    starts: Sequence[SourcePosition],
    rng: np.random.Generator,
    recipe: SceneRecipe,
    *,
    floor_area_m2: float | None,
    t30_s: float | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the captions of several or walking sources: (sentences, the clips' captions that each of them says).

    clips, sources and starts go together. A clip's captions take turns in random order; where no sentence can hold
    them, the sources are told without their names.
    """
    orders: list[list[str | None]] = [
        [clip.captions[int(n)] for n in rng.permutation(len(clip.captions))] or [None] for clip in clips
    ]
    for attempt in range(_TRIES + 1):
        whats = [None if attempt == _TRIES else order[attempt % len(order)] for order in orders]
        heard = [heard_as(*one) for one in zip(whats, sources, starts, strict=True)]
        try:
            told = tell_several(heard, rng, n=recipe.captions_per_scene, floor_area_m2=floor_area_m2, t30_s=t30_s)
        except DataError:
            continue
        if told:
            texts = tuple(one.text for one in told)
            return texts, tuple(_said(text, [w for w in whats if w]) for text in texts)
    raise DataError(f"no caption of {[c.path for c in clips]} can be used; give each one that names its sound")


def heard_as(what: str | None, source: Source, start: SourcePosition) -> Heard:
    """What a caption may say of a source: of a walk only what is true of all of it, or of both its ends."""
    if source.path is None:
        return Heard(what, start.azimuth_deg, start.elevation_deg, start.distance_m)
    times = np.linspace(source.path.start_s, source.path.stop_s, 65)
    ways = moving.trajectory(start, source.path, times)
    distance = np.linalg.norm(ways, axis=1)
    end = source.path.to
    # on its way it may come nearer than at both ends: then neither distance is true of it for long
    passing = bool(distance.min() < 0.9 * min(distance[0], distance[-1]))
    heights = {ELEVATION.word_for(float(e)) for e in foa.angles(ways)[1]}
    return Heard(
        what,
        start.azimuth_deg,
        start.elevation_deg if len(heights) == 1 else None,
        None if passing else start.distance_m,
        end_azimuth_deg=end.azimuth_deg,
        end_distance_m=None if passing else end.distance_m,
    )


def _said(text: str, whats: Sequence[str]) -> str:
    """The clips' captions that a sentence holds."""
    return "; ".join(what for what in whats if what.casefold() in text.casefold())
