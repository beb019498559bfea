"""How long loading, the front end and embedding take, the last as a ratio to CLAP's audio tower on the same clip in
the same run; and whether the same sound gives the same vector in another process and in a batch.

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
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import saving

if TYPE_CHECKING:
    from open_elsa.evals.metrics import Interval

#: Metrics by name, and the intervals of some.
Measured: TypeAlias = "tuple[dict[str, float], dict[str, Interval]]"

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
(vector,) = model.embed_audio([(noise, 48000)])
heard = time.perf_counter()
model.embed_text(["a dog barking on the left"])
read = time.perf_counter()
times = {"load_s": loaded - start, "first_embedding_s": heard - start, "first_text_s": read - heard}
print(json.dumps({"times": times, "vector": vector.tolist()}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="checkpoint folder; the shipped model when left out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=4, help="new processes; the first only warms the disk")
    parser.add_argument("--out", default="", help="folder for benchmark.embed.json, which the results table reads")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    found = [
        fresh_process(options.model, options.runs),
        compare(options.model, options.threads, options.rounds),
        front_end(options.model, options.rounds),
    ]
    metrics = {name: value for part, _ in found for name, value in part.items()} | together(options.model)
    intervals = {name: value for _, part in found for name, value in part.items()}
    for name, value in metrics.items():
        print(f"{name:24s} {value:12.4g}")
    if options.out:
        print(save(metrics, intervals, options))


def fresh_process(model: str, runs: int) -> Measured:
    """Medians over new processes of the seconds to load and embed; and how far their vectors of one sound differ."""
    found = []
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-c", FRESH, model], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"a new process failed:\n{done.stderr}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    times, intervals = medians({name: [run["times"][name] for run in found[1:]] for name in found[0]["times"]})
    vectors = np.array([run["vector"] for run in found])  # float32 survives JSON to the bit
    return times | {"repeat_difference": float(np.ptp(vectors, axis=0).max()), "processes": float(runs)}, intervals


def together(model: str, count: int = 32) -> dict[str, float]:
    """The largest difference of any number of `count` vectors, each embedded alone and all in one batch."""
    import open_elsa

    rng = np.random.default_rng(1)
    sounds = [(0.1 * rng.standard_normal((4 if k % 4 else 1, 5 * RATE)).astype(np.float32), RATE) for k in range(count)]
    elsa = open_elsa.load(model or None, batch_size=count)
    alone = np.concatenate([elsa.embed_audio([sound]) for sound in sounds])
    return {"batch_difference": float(np.abs(elsa.embed_audio(sounds) - alone).max()), "batch": float(count)}


def medians(values: dict[str, list[float]]) -> Measured:
    """The median of each list of times with its bootstrapped 95 % interval."""
    from open_elsa.evals.metrics import bootstrap_interval

    intervals = {name: bootstrap_interval(v, lambda x: float(np.median(x))) for name, v in values.items()}
    return {name: statistics.median(v) for name, v in values.items()}, intervals


def compare(model: str, threads: int, rounds: int) -> Measured:
    """Median milliseconds of every candidate, and the median over rounds of ours to CLAP's in the same round."""
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
    for ratio, clap_name in (("clap_ratio", "clap_ms"), ("clap_tower_only_ratio", "clap_tower_only_ms")):
        times[ratio] = [ours / theirs for ours, theirs in zip(times["embed_ms"], times[clap_name], strict=True)]
    return medians(times)


def front_end(model: str, rounds: int) -> Measured:
    """Median milliseconds of the features (STFTs, log-mel, intensity) of ten seconds at its rate, on one core."""
    import torch

    import open_elsa

    elsa = open_elsa.load(model or None)
    noise = np.random.default_rng(0).standard_normal((1, 4, int(SECONDS * elsa.sample_rate))).astype(np.float32)
    sound = torch.from_numpy(0.1 * noise)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    times = []
    try:
        with torch.inference_mode():
            for _ in range(rounds + 2):
                start = time.perf_counter()
                elsa.model.front_end(sound)
                times.append(1000 * (time.perf_counter() - start))
    finally:
        torch.set_num_threads(threads)
    return medians({"front_end_ms": times[2:]})


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


def save(metrics: dict[str, float], intervals: dict[str, Interval], options: argparse.Namespace) -> Path:
    """Write benchmark.embed.json."""
    return saving.save(
        options.out,
        "embed",
        metrics,
        n=options.rounds,
        protocol=(
            f"One {SECONDS:g} s ambisonic clip at {RATE} Hz from memory to its vector, batch of one, {options.threads} "
            f"CPU threads ({os.cpu_count()} cores), median of {options.rounds} interleaved rounds. CLAP: "
            "transformers' audio tower with the sizes of laion/clap-htsat-unfused (random weights) and its feature "
            "extractor on W; its ratio is taken within each round. Front end: the features of ten seconds already at "
            "the model's rate, one thread. Load and first embedding: new processes, import included, the first not "
            "counted. Differences: largest over all numbers of a vector, of the same sound in "
            "those processes, and of 32 sounds (mono and ambisonic, 5 s) alone and in one batch. Intervals: bootstrap."
        ),
        model=options.model,
        command="python benchmarks/embed.py",
        intervals=intervals,
    )


if __name__ == "__main__":
    main()
