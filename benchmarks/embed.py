"""How long one 10 s ambisonic clip takes to embed, as a ratio to CLAP's audio tower on the same clip in the same run.

Run: python benchmarks/embed.py [--model FOLDER] [--threads 2] [--rounds 15] [--out results]

The alternative is transformers' ClapModel audio tower with the sizes of laion/clap-htsat-unfused (they are
ClapAudioConfig's defaults; weights are random, which changes no time) and its own feature extractor, on W alone: it
hears no direction. The rounds of all candidates are interleaved, so that a busy machine slows all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SECONDS, RATE = 10.0, 48_000

#: Timed inside a new interpreter, from before the import to the first vectors.
FRESH = """
import json, sys, time
start = time.perf_counter()
import numpy as np
import open_elsa
model = open_elsa.load(sys.argv[1] or None)
loaded = time.perf_counter()
noise = np.random.default_rng(0).standard_normal((4, 480000)).astype(np.float32) * 0.1
model.embed_audio([(noise, 48000)])
heard = time.perf_counter()
model.embed_text(["a dog barking on the left"])
read = time.perf_counter()
print(json.dumps({"load_s": loaded - start, "first_embedding_s": heard - start, "first_text_s": read - heard}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="checkpoint folder; the shipped model when left out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", default="", help="folder for benchmark.embed.json, which the results table reads")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    metrics = {**fresh_process(options.model), **compare(options.model, options.threads, options.rounds)}
    for name, value in metrics.items():
        print(f"{name:24s} {value:10.3f}")
    if options.out:
        print(save(metrics, options))


def fresh_process(model: str, runs: int = 3) -> dict[str, float]:
    """Medians of load and first embedding over new processes, in seconds, after one that warms the disk."""
    found = []
    for _ in range(runs + 1):
        done = subprocess.run([sys.executable, "-c", FRESH, model], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"a fresh process failed:\n{done.stderr}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: statistics.median(run[name] for run in found[1:]) for name in found[0]}


def compare(model: str, threads: int, rounds: int) -> dict[str, float]:
    """Median milliseconds of every candidate, and the ratio of ours to CLAP's."""
    import torch

    import open_elsa

    torch.set_num_threads(threads)
    clip = np.random.default_rng(0).standard_normal((4, int(SECONDS * RATE))).astype(np.float32) * 0.1
    elsa = open_elsa.load(model or None)
    clap_full, clap_tower = clap(clip[0])
    candidates: dict[str, Callable[[], Any]] = {
        "embed_ms": lambda: elsa.embed_audio([(clip, RATE)]),
        "locate_ms": lambda: elsa.analyse([(clip, RATE)]),
        "clap_ms": clap_full,
        "clap_tower_only_ms": clap_tower,
    }
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds + 2):  # the first two rounds warm caches
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if turn >= 2:
                times[name].append(1000 * (time.perf_counter() - start))
    found = {name: statistics.median(values) for name, values in times.items()}
    found["clap_ratio"] = found["embed_ms"] / found["clap_ms"]
    found["clap_tower_only_ratio"] = found["embed_ms"] / found["clap_tower_only_ms"]
    return found


def clap(mono: np.ndarray) -> tuple[Callable[[], Any], Callable[[], Any]]:  # type: ignore[type-arg]
    """ClapModel's audio tower from samples, and from ready features; both as callables."""
    import torch
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapFeatureExtractor

    torch.manual_seed(0)
    tower = ClapAudioModelWithProjection(ClapAudioConfig()).eval()
    extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")  # as the unfused checkpoint

    def features() -> Any:
        return extractor(mono, sampling_rate=RATE, return_tensors="pt")

    ready = features()

    @torch.inference_mode()
    def run_tower(inputs: Any) -> Any:
        return tower(input_features=inputs["input_features"], is_longer=inputs.get("is_longer")).audio_embeds

    return lambda: run_tower(features()), lambda: run_tower(ready)


def save(metrics: dict[str, float], options: argparse.Namespace) -> Path:
    import open_elsa
    from open_elsa.evals.observe import identity
    from open_elsa.evals.result import Result, now, versions

    result = Result(
        task="embed",
        suite="benchmark",
        metrics=metrics,
        n=options.rounds,
        protocol=(
            f"One {SECONDS:g} s ambisonic clip at {RATE} Hz from memory to its vector, batch of one, {options.threads} "
            f"CPU threads ({os.cpu_count()} cores), median of {options.rounds} interleaved rounds. CLAP: "
            "transformers' audio tower with the sizes of laion/clap-htsat-unfused (random weights) and its feature "
            "extractor on W. Load and first embedding: new processes, import included."
        ),
        model=identity(open_elsa.load(options.model or None)),
        versions=versions(),
        made_at=now(),
        command="python benchmarks/embed.py",
    )
    return result.save(options.out)


if __name__ == "__main__":
    main()
