"""The captions of a scene: what its clip says, with where it is."""

from __future__ import annotations

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes import captions
from open_elsa.scenes.recipe import SceneRecipe
from open_elsa.scenes.scene import Clip, SpatialWords


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
