"""What each part of the model and of its training is worth: one short recipe, changed in one thing at a time.

    python benchmarks/ablations.py --data ../shared/data
    python benchmarks/ablations.py --data ../shared/data base no-stage-1 --seeds 0 1 2
    python benchmarks/ablations.py --list

Trains every row once a seed (`open_elsa.training.ablations`), measures all on the same part of the simulated suite, and
writes benchmark.ablations.json and docs/ablations.md. It can be stopped at any moment and called again: a run goes on
where it was, a measured one is not trained again. Every row that was ever measured on this part stays in the table.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from open_elsa.errors import DataError, ElsaError
from open_elsa.evals import ablations as scoring
from open_elsa.evals import report, suites
from open_elsa.evals.bridge import TaggerBridge
from open_elsa.evals.observe import EvalSet, observe
from open_elsa.model.tag_names import LABELS
from open_elsa.scenes.scene_files import write_text
from open_elsa.training.ablations import ABLATIONS, ablation
from open_elsa.training.recipes import TrainConfig
from open_elsa.training.session import TAGGER, train_recipe
from open_elsa.using import embedder

BY_HAND = "by hand: "
BRIDGE = "bridge"
PAGE = """# Ablations

What each part of the model and of its training is worth, and what simpler things do on the same scenes. Written by
`python benchmarks/ablations.py`; do not edit between the markers.

{begin}
{end}
"""


def main(words: list[str] | None = None) -> int:
    """Train, measure, write the table."""
    args = options(words)
    if args.list:
        for name, row in ABLATIONS.items():
            print(f"{name:20} {row.about}")
        return 0
    console = Console(stderr=True)
    started = time.perf_counter()
    bench = Bench(args, console)
    for name in args.names or ABLATIONS:
        for seed in args.seeds:
            bench.measure(name, seed)
    bench.measure_baselines()
    made = scoring.result(
        bench.rows(),
        about=f"{bench.scenes.about} Names of mono sounds: {bench.mono.about}",
        n=len(bench.scenes),
        revision=bench.revision,
        command=f"python benchmarks/ablations.py --split {args.split} --scenes {args.scenes}",
        seconds=time.perf_counter() - started,
    )
    path = made.save(args.out)
    page = PAGE.format(begin=report.BEGIN, end=report.END)
    text = f"{made.protocol}\n\n{scoring.table(made)}\nn = {made.n}; {made.made_at}; `{made.command}`\n"
    page_path = report.insert(args.docs / "ablations.md", text, create=page)
    console.print(f"{path}, {page_path}", markup=False)
    return 0


def options(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="rows to train; all when none is named")
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the captioned clips")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"), help="where trained rows are kept")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of the result")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of ablations.md")
    parser.add_argument("--cache", type=Path, default=None, help="decoded clips and training rooms; RUNS/cache")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="one run of each row a seed")
    parser.add_argument("--scenes", type=int, default=480, help="about how many scenes of the suite to measure on")
    parser.add_argument("--split", choices=("val", "test"), default="val", help="val: recipes are chosen by it")
    parser.add_argument("--workers", type=int, default=2, help="processes that make the training scenes")
    args = parser.parse_args(words)
    for name in args.names:
        ablation(name)
    return args


class Bench:
    """The scenes that all rows are measured on, and the folder that keeps what was measured."""

    def __init__(self, args: argparse.Namespace, console: Console) -> None:
        self.args, self.console = args, console
        cache = suites.default_cache()
        whole = suites.simulated(args.data, cache, split=args.split, workers=max(1, args.workers))
        self.scenes: EvalSet = scoring.Part(whole, args.scenes)
        self.mono: EvalSet = suites.MonoItems(suites.held_out_clips(args.data, args.split), split=args.split)
        self.revision = hashlib.sha256(f"{self.scenes.revision} {self.mono.revision}".encode()).hexdigest()

    def measure(self, name: str, seed: int) -> None:
        """Train and measure one row with one seed, unless that was done."""
        row = ablation(name)
        config = dataclasses.replace(row.make(), seed=seed, workers=self.args.workers)
        folder = self.args.runs / f"{name}-seed{seed}"

        def score() -> dict[str, float]:
            model = embedder.load(self._trained(config, folder))
            scenes, mono = observe(model, self.scenes), observe(model, self.mono)
            return scoring.scores(model, scenes, mono, words=row.says == "everything")

        self._once(folder / "scores.json", name, str(seed), row.about, config.to_json(), score)

    def _trained(self, config: TrainConfig, folder: Path) -> Path:
        """The finished checkpoint of a run; the state by which it could be resumed is deleted then."""
        checkpoint, written = folder / "checkpoint", folder / "config.json"
        if (checkpoint / "config.json").is_file():
            if written.read_text() != config.to_json():
                raise DataError(f"{folder} holds a run of another configuration; choose other --runs or delete it")
            return checkpoint
        cache = self.args.cache or self.args.runs / "cache"
        train_recipe(config, self.args.data, folder, cache=cache, console=self.console)
        shutil.rmtree(folder / "state", ignore_errors=True)
        return checkpoint

    def measure_baselines(self) -> None:
        """The estimators that need no training, and the untrained bridge from tags to words."""
        found: dict[str, dict[str, float]] = {}

        def estimated(name: str) -> dict[str, float]:
            if not found:
                found.update(scoring.by_hand(self.scenes))
            return found[name]

        for name, about in HAND_MADE.items():
            path = self.args.runs / f"by-hand-{name}.json"
            self._once(path, BY_HAND + name.replace("_", " "), "–", about, name, lambda name=name: estimated(name))
        self._once(self.args.runs / "bridge.json", BRIDGE, "–", BRIDGE_ABOUT, BRIDGE, self._bridge)

    def _bridge(self) -> dict[str, float]:
        model = TaggerBridge(self.args.data / TAGGER, self.args.data / LABELS)
        return scoring.naming_scores(model, observe(model, self.scenes), observe(model, self.mono))

    def _once(
        self, path: Path, name: str, seed: str, about: str, made_of: str, score: Callable[[], dict[str, float]]
    ) -> None:
        """Measure and keep, unless the same thing was measured on the same scenes before."""
        digest = hashlib.sha256(made_of.encode()).hexdigest()
        if path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if (kept["made_of"], kept["measured_on"]) == (digest, self.revision):
                return
        self.console.print(f"{name}, seed {seed}", markup=False)
        started = time.perf_counter()
        kept = {"name": name, "seed": seed, "about": about, "made_of": digest, "measured_on": self.revision}
        kept["scores"] = score()
        kept["seconds"] = round(time.perf_counter() - started, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")

    def rows(self) -> list[scoring.Row]:
        """Everything that was measured on these scenes, in the order of the list."""
        order = [*ABLATIONS, *(BY_HAND + name.replace("_", " ") for name in HAND_MADE), BRIDGE]
        found: dict[str, dict[str, dict[str, float]]] = {}
        about: dict[str, str] = {}
        for path in sorted([*self.args.runs.glob("*-seed*/scores.json"), *self.args.runs.glob("*.json")]):
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["measured_on"] == self.revision and kept["name"] in order:
                found.setdefault(kept["name"], {})[kept["seed"]] = kept["scores"]
                about[kept["name"]] = kept["about"]
        return [scoring.Row(name, about[name], found[name]) for name in order if name in found]


HAND_MADE = {
    "mean_intensity": "baseline: plain intensity vector",
    "band_intensity": "baseline: intensity in 300-2,500 Hz",
    "least_diffuse": "baseline: 3 % least diffuse bins",
    "onset_least_diffuse": "baseline: the same, ranked by onset",
}
BRIDGE_ABOUT = "baseline: tags of the frozen MobileNet, MiniLM on their names; nothing trained"

if __name__ == "__main__":
    try:
        sys.exit(main())
    except ElsaError as error:
        sys.exit(f"ablations: {error}")
