"""How fast an hour of ambisonic sound is indexed, in how much memory; and embedding many clips beside CLAP.

Run: python benchmarks/index.py [--minutes 60] [--threads 2] [--clips 60] [--model FOLDER] [--out results]

The hour is made of the demo's recordings, encoded at turning directions, at 48 kHz in 16 bits: once as files of a
minute, once as one long file, and a quarter of that for how memory grows. Each is indexed in a process of its own,
which also loads the model; the time is that of Index.build alone. The alternative is transformers' ClapModel audio
tower with the sizes of laion/clap-htsat-unfused (random weights, which change no time) and its own feature extractor on
W alone, in batches of four, on the same clips in turns with ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import saving

RATE = 48_000
CLIP_S = 10

#: Indexes a folder in a new interpreter and says seconds, peak memory in MiB before and after, and windows.
INDEX = """
import json, resource, sys, time
import open_elsa
from open_elsa.scenes.memory import keep_memory
from open_elsa.search.index import Index
def mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
keep_memory()
model = open_elsa.load(sys.argv[2] or None)
model.embed_text(["warm"])
import lancedb
loaded, start = mib(), time.perf_counter()
index = Index.build(sys.argv[1], model, workers=int(sys.argv[3]))
seconds = time.perf_counter() - start
assert not index.report.problems, index.report.problems
print(json.dumps({"seconds": seconds, "loaded_mib": loaded, "mib": mib(), "windows": len(index)}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clips", type=int, default=60, help="clips of ten seconds for the comparison with CLAP")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="", help="checkpoint folder; the shipped model when left out")
    parser.add_argument("--out", default="", help="folder for benchmark.index.json")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, lengths in {
            "files": [60.0] * options.minutes,
            "quarter": [15.0 * options.minutes],
            "long": [60.0 * options.minutes],
        }.items():
            folder = Path(temporary) / name
            folder.mkdir()
            for i, length in enumerate(lengths):
                write(folder / f"{i:03d}.wav", length, seed=i)
            found = indexed(folder, options)
            metrics[f"{name}_times_real_time"] = sum(lengths) / found["seconds"]
            metrics |= {f"{name}_{key}": found[key] for key in ("seconds", "mib", "loaded_mib", "windows")}
    metrics |= beside_clap(options)
    for name, value in metrics.items():
        print(f"{name:28s} {value:12.4g}")
    if options.out:
        print(save(metrics, options))


def write(path: Path, seconds: float, seed: int) -> None:
    """A long ambisonic recording: the demo's sounds one after the other, each from its own direction."""
    import soundfile

    from open_elsa.app import demo
    from open_elsa.sound import audio, foa

    rng = np.random.default_rng(seed)
    sounds = [audio.to_rate(audio.read(p), RATE).w for p in sorted(demo.SOUNDS.glob("*.ogg"))]
    left = round(seconds * RATE)
    with soundfile.SoundFile(path, "w", RATE, 4, "PCM_16") as file:
        while left > 0:
            part = foa.encode(sounds[rng.integers(len(sounds))], rng.uniform(-180, 180), rng.uniform(-30, 30))[:, :left]
            noise = 1e-3 * rng.standard_normal(part.shape)
            file.write((part / max(1.0, float(np.abs(part).max())) + noise).T)
            left -= part.shape[1]


def indexed(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Index a folder in a new process."""
    words = [sys.executable, "-c", INDEX, str(folder), options.model, str(options.threads)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"indexing failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def beside_clap(options: argparse.Namespace) -> dict[str, float]:
    """Clips a second by many at once with this library and with CLAP, and the ratio of each round."""
    import torch
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapFeatureExtractor

    import open_elsa

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    tower = ClapAudioModelWithProjection(ClapAudioConfig()).eval()
    extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")  # as the unfused checkpoint
    elsa = open_elsa.load(options.model or None)
    rng = np.random.default_rng(0)
    clips = [(0.1 * rng.standard_normal((4, CLIP_S * RATE))).astype(np.float32) for _ in range(options.clips)]

    def ours() -> None:
        found = list(elsa.stream([(clip, RATE) for clip in clips], workers=options.threads))
        assert len(found) == len(clips)

    @torch.inference_mode()
    def theirs() -> None:
        for start in range(0, len(clips), 4):
            w = [clip[0] for clip in clips[start : start + 4]]
            tower(**extractor(w, sampling_rate=RATE, return_tensors="pt"))

    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(options.rounds):
        for name, run in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    ratios = [b / a for a, b in zip(times["ours"], times["theirs"], strict=True)]
    return {
        "clips_per_second": len(clips) / statistics.median(times["ours"]),
        "clap_clips_per_second": len(clips) / statistics.median(times["theirs"]),
        "times_clap": statistics.median(ratios),
        "times_clap_least": min(ratios),
        "times_clap_most": max(ratios),
    }


def save(metrics: dict[str, float], options: argparse.Namespace) -> Path:
    """Write benchmark.index.json."""
    return saving.save(
        options.out,
        "index",
        metrics,
        n=options.minutes,
        protocol=(
            f"{options.minutes} minutes of ambisonic sound at {RATE} Hz in 16 bits, as files of a minute, as one file, "
            f"and a quarter of that: Index.build in a new process with {options.threads} workers ({os.cpu_count()} "
            "cores), model loaded before; peak memory of that process before and after, model included. CLAP: "
            "transformers' audio tower with the sizes of laion/clap-htsat-unfused (random weights) and its feature "
            f"extractor on W, batches of four, {options.threads} threads, on the same {options.clips} clips of "
            f"{CLIP_S} s in turns with ours; median of {options.rounds} rounds."
        ),
        model=options.model,
        command="python benchmarks/index.py",
    )


if __name__ == "__main__":
    main()
