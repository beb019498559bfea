"""Whether the queries that are more than a sentence do what they say: what or where alone, moved, without something.

Run: python benchmarks/queries.py [--model FOLDER] [--folder FOLDER]

On the scenes of `elsa demo`, twelve sounds in three places each; --folder holds a demo made before. They are few, and
the share that `minus` takes off was chosen on them: the numbers show that the queries work, not how well elsewhere.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import open_elsa
from open_elsa.app import demo
from open_elsa.search.index import Index
from open_elsa.using.edit import AZIMUTHS

SAID = {"front": "in front of me", "left": "on my left", "back": "behind me", "right": "on my right"}
NAMES = {
    "airplane": "an airplane", "horse": "a horse neighing", "bird": "a bird chirping", "lion": "a lion roaring",
    "steam whistle": "a steam whistle", "ship horn": "a ship horn", "applause": "applause",
    "helicopter": "a helicopter", "engine": "an engine starting", "jackhammer": "a jackhammer",
    "doorbell": "a doorbell ringing",
    "rain": "rain falling",
}  # fmt: skip
BROAD = {
    "an animal": ("horse", "bird", "lion"),
    "an engine": ("airplane", "helicopter", "engine", "jackhammer"),
    "a whistle or a horn": ("steam whistle", "ship horn", "doorbell"),
    "a loud noise": ("applause", "rain", "jackhammer", "helicopter"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    model = open_elsa.load(options.model)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(options.folder or made)
        outcome = demo.run_demo(folder, embedder=model, force=True)
        index = Index.open(folder / "sounds" if (folder / "sounds").is_dir() else folder, model)
    scenes = {Path(scene.file).name: scene for scene in outcome.scenes}
    of = [scenes[Path(name).name] for name in index.rows()["file"].to_pylist()]
    label = np.array([scene.label for scene in of])
    side = np.array([str(scene.words.direction) for scene in of])

    def ranks(**query: object) -> np.ndarray:
        hits = index.search(k=len(of), **query)  # type: ignore[arg-type]
        files = [str(name) for name in index.rows()["file"].to_pylist()]
        return np.array([files.index(hit.file) for hit in hits])

    print("about | average precision of the sound | of the direction")
    for about in ("both", "what", "where"):
        asked = [(s, d, ranks(text=f"{NAMES[s]} {SAID[d]}", about=about)) for s in NAMES for d in SAID]
        what = np.mean([precision(label[o] == s) for s, _, o in asked])
        where = np.mean([precision(side[o] == d) for _, d, o in asked])
        print(f"{about} | {what:.2f} | {where:.2f}")

    def first(ask: Callable[[str, str], np.ndarray]) -> float:
        there = [(s, d) for s in NAMES for d in SAID if ((label == s) & (side == d)).any()]
        return float(np.mean([bool(label[o[0]] == s and side[o[0]] == d) for s, d in there for o in [ask(s, d)]]))

    print("query | first hit is that sound from there")
    print(f"sound in words, direction not said | {first(lambda s, d: ranks(text=NAMES[s])):.2f}")
    print(f"direction said in words | {first(lambda s, d: ranks(text=f'{NAMES[s]} {SAID[d]}')):.2f}")
    print(f"move_to the direction | {first(lambda s, d: ranks(text=NAMES[s], move_to=AZIMUTHS[d])):.2f}")
    print("query | average precision of the wanted | share of the unwanted in the first six")
    for minus in (False, True):
        found = []
        for broad, sounds in BROAD.items():
            for unwanted in sounds:
                more = {"minus": NAMES[unwanted]} if minus else {}
                order = ranks(text=broad, **more)
                wanted = np.isin(label[order], [s for s in sounds if s != unwanted])
                found.append((precision(wanted), np.mean(label[order[:6]] == unwanted)))
        print(f"{'with' if minus else 'without'} minus | {' | '.join(f'{x:.2f}' for x in np.mean(found, axis=0))}")


def precision(good: np.ndarray) -> float:
    """Average precision of a ranking."""
    return float((np.cumsum(good) / np.arange(1, len(good) + 1))[good].mean()) if good.any() else 0.0


if __name__ == "__main__":
    main()
