"""Fits what the cosine of a text and a recording means: the curves of src/open_elsa/search/calibration.json.

Run: python benchmarks/calibrate.py DATA [--model FOLDER] [--split val] [--quick] [--scenes 400] [--seed 0] [--write]

Scenes of clips and rooms that no training has seen, each with its own sentence and with that of another scene that is
wrong of it; a logistic curve over the cosine tells the two apart. Half of the sentences are captions, which say all
that is known of the place and the room, and half say only what is heard and from which of four directions, as people
ask. Wrong is another class, or another direction, as the view asks; of whole vectors a third of the sentences are wrong
in both, a third in the direction alone (the same class from elsewhere) and a third in the class alone (another from the
same direction), as a search's first hits are. Fitted on one half of the clips, held against the other half; --write
puts the curve of both halves into the package, for these weights.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy.optimize import minimize

import open_elsa
from open_elsa.evals.items import Split
from open_elsa.evals.sets import default_cache, simulated
from open_elsa.scenes.captions import write_caption
from open_elsa.scenes.scene import SpatialWords
from open_elsa.scenes.scene_files import write_text
from open_elsa.search import scores
from open_elsa.search.queries import About, View

VIEWS: tuple[About, ...] = ("both", "what", "where")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of captioned clips with a held-out split")
    parser.add_argument("--model", default=None)
    parser.add_argument("--split", default="val", choices=("val", "test"))
    parser.add_argument("--quick", action="store_true", help="few rooms, which need no bank of the whole suite")
    parser.add_argument("--scenes", type=int, default=400, help="at most so many, evenly out of the suite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the curves into the package")
    options = parser.parse_args()
    model = open_elsa.load(options.model)
    items = simulated(options.data, default_cache(), quick=options.quick, split=cast(Split, options.split))
    scenes = items.scenes
    chosen = list(range(0, len(scenes), max(1, len(scenes) // options.scenes)))
    audio = np.concatenate([model.embed_audio([(scenes.render(i), scenes.sample_rate)]) for i in chosen])
    label = np.array([str(scenes.truth(i)["label"]) for i in chosen])
    direction = np.array([str(scenes.truth(i)["words"]["direction"]) for i in chosen])
    rng = np.random.default_rng(options.seed)
    asked = [short(scenes.originals(i)[0], d, rng) for i, d in zip(chosen, direction, strict=True)]
    texts = model.embed_text([scenes[i].captions[0] for i in chosen]), model.embed_text(asked)
    half = np.unique([scenes[i].clip_id for i in chosen], return_inverse=True)[1] % 2
    curves: dict[str, dict[str, float]] = {}
    for view in VIEWS:
        ways = wrong(view, label, direction)
        cosine, own, part, brief = pairs(View.of(view, model), audio, texts, ways, half, options.seed)
        slope, offset = fit(cosine[part == 0], own[part == 0])
        print(f"{view}: {len(chosen)} scenes, {len(cosine)} pairs; held out:")
        for name, rows in (("all", part == 1), ("captions", (part == 1) & ~brief), ("short", (part == 1) & brief)):
            held = 1 / (1 + np.exp(-(slope * cosine[rows] + offset)))
            right, error = np.mean((held > 0.5) == own[rows]), calibration_error(held, own[rows])
            print(f"  {name}: {len(held)} pairs, told right {right:.3f}, calibration error {error:.3f}")
        slope, offset = fit(cosine, own)
        curves[view] = {"slope": round(slope, 3), "offset": round(offset, 3)}
    print(json.dumps({model.weights_sha256: curves}, indent=1))
    if options.write:
        path = Path(scores.__file__).with_name("calibration.json")
        known = json.loads(path.read_text(encoding="utf-8"))
        write_text(path, json.dumps({**known, model.weights_sha256: curves}, indent=1) + "\n")


def short(what: str, direction: str, rng: np.random.Generator) -> str:
    """A sentence that says what is heard and from which direction, and nothing else."""
    return write_caption(what, SpatialWords(direction=direction), rng).text


def wrong(view: About, label: np.ndarray, direction: np.ndarray) -> list[np.ndarray]:
    """Ways in which the sentence of scene j can be wrong of scene i, each (n, n) booleans."""
    sound, place = (np.asarray(values[:, None] != values[None, :]) for values in (label, direction))
    if view == "both":
        return [sound & place, place & ~sound, sound & ~place]
    return [sound if view == "what" else place]


def pairs(
    view: View, audio: Any, texts: tuple[Any, Any], ways: list[np.ndarray], half: Any, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cosines of each recording with its own sentences and with ones of the same half that are wrong, the ways in turn.

    Returns the cosines, whether the sentence is the recording's own, the half, and whether the sentence is short.
    """
    rng = np.random.default_rng(seed)
    found: list[tuple[float, bool, int, bool]] = []
    for turn, i in enumerate(rng.permutation(len(audio))):
        others = np.flatnonzero(ways[turn % len(ways)][i] & (half == half[i]))
        if not len(others):  # no other clip of this class in this half from elsewhere
            continue
        for is_short, text in enumerate(texts):
            for j in (i, int(rng.choice(others))):
                cosine = view.scores(audio[i : i + 1], view.query(text[j]))[0]
                found.append((float(cosine), j == i, int(half[i]), bool(is_short)))
    cosines, own, part, brief = (np.array(column) for column in zip(*found, strict=True))
    return cosines, own, part, brief


def fit(cosine: np.ndarray, own: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the likeliest logistic curve."""
    sign = np.where(own, 1.0, -1.0)

    def loss(x: np.ndarray) -> float:
        return float(np.logaddexp(0.0, -sign * (x[0] * cosine + x[1])).mean())

    found = minimize(loss, np.array([5.0, -2.0]), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
    return float(found.x[0]), float(found.x[1])


def calibration_error(probability: np.ndarray, own: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equally filled bins."""
    order = np.array_split(np.argsort(probability), bins)
    return float(sum(len(b) * abs(probability[b].mean() - own[b].mean()) for b in order) / len(own))


if __name__ == "__main__":
    main()
