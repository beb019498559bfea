"""How far the ONNX files are from torch, and how fast onnxruntime embeds beside it, in the same run.

Run: python benchmarks/onnx_speed.py [--model FOLDER] [--threads 1] [--rounds 9] [--out results]

Exports the model, embeds the demo's recordings by both engines, and times one ten-second ambisonic clip, and one
sentence, from memory to the vector. Rounds are interleaved; the ratio is taken within each round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import saving

SECONDS, RATE = 10.0, 48_000
SENTENCE = "a dog barking far away on the left in a large room"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="checkpoint folder; the shipped model when left out")
    parser.add_argument("--threads", type=int, default=1, help="two on a busy machine measure the waiting")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", default="", help="folder for benchmark.onnx.json")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    metrics, intervals = measure(options.model, options.threads, options.rounds)
    for name, value in metrics.items():
        print(f"{name:28s} {value:12.4g}")
    if options.out:
        print(save(metrics, intervals, options))


def measure(model: str, threads: int, rounds: int) -> Any:
    """Differences on recordings, and median milliseconds of both engines with their ratio."""
    import torch

    import open_elsa
    from open_elsa.app.demo import SOUNDS
    from open_elsa.evals.metrics import bootstrap_interval
    from open_elsa.sound import audio, foa
    from open_elsa.using.export import export_onnx
    from open_elsa.using.onnx_model import load_onnx

    torch.set_num_threads(threads)
    by_torch = open_elsa.load(model or None)
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        done = export_onnx(by_torch, Path(name) / "onnx")
        export_s = time.perf_counter() - start
        by_onnx = load_onnx(done.folder)
        sounds: list[Any] = []
        for k, path in enumerate(sorted(SOUNDS.glob("*.ogg"))):
            mono = audio.read(path)
            place = foa.encode(audio.to_rate(mono, RATE).samples[0], 30.0 * k - 170, 5.0 * k - 25)
            sounds += [path, (place, RATE)]
        ours, theirs = by_torch.analyse(sounds), by_onnx.analyse(sounds)
        vectors = np.abs(np.stack([a.embedding - b.embedding for a, b in zip(ours, theirs, strict=True)]))
        places = [(a.location, b.location) for a, b in zip(ours, theirs, strict=True) if a.location.known]
        angles = [
            float(foa.angular_error_deg(*(foa.unit_vector(p.azimuth_deg, p.elevation_deg) for p in pair)))
            for pair in places
        ]
        clip = np.random.default_rng(0).standard_normal((4, int(SECONDS * RATE))).astype(np.float32) * 0.1
        candidates: dict[str, Callable[[], Any]] = {
            "torch_ms": lambda: by_torch.embed_audio([(clip, RATE)]),
            "onnx_ms": lambda: by_onnx.embed_audio([(clip, RATE)]),
            "torch_text_ms": lambda: by_torch.embed_text(SENTENCE),
            "onnx_text_ms": lambda: by_onnx.embed_text(SENTENCE),
        }
        times: dict[str, list[float]] = {name: [] for name in candidates}
        for turn in range(rounds + 2):  # the first two rounds warm caches
            for key, run in candidates.items():
                start = time.perf_counter()
                run()
                if turn >= 2:
                    times[key].append(1000 * (time.perf_counter() - start))
    for kind in ("", "_text"):
        pairs = zip(times[f"onnx{kind}_ms"], times[f"torch{kind}_ms"], strict=True)
        times[f"onnx_to_torch{kind}_ratio"] = [a / b for a, b in pairs]
    metrics = {key: statistics.median(values) for key, values in times.items()}
    metrics |= {
        "audio_difference": done.audio_difference,
        "text_difference": done.text_difference,
        "recordings_difference": float(vectors.max()),
        "recordings_angle_deg": max(angles),
        "recordings": float(len(sounds)),
        "export_s": export_s,
        "megabytes": done.bytes / 1e6,
    }
    return metrics, {k: bootstrap_interval(v, lambda x: float(np.median(x))) for k, v in times.items()}


def save(metrics: dict[str, float], intervals: Any, options: argparse.Namespace) -> Path:
    """Write benchmark.onnx.json."""
    return saving.save(
        options.out,
        "onnx",
        metrics,
        n=options.rounds,
        protocol=(
            f"One {SECONDS:g} s ambisonic clip at {RATE} Hz and one sentence, memory to vector, one by one, "
            f"{options.threads} CPU threads ({os.cpu_count()} cores), median of {options.rounds} interleaved rounds, "
            "ratios within each round. Differences: largest over all numbers of a vector; the demo's recordings, each "
            "as mono and encoded at one direction. Intervals: bootstrap."
        ),
        model=options.model,
        command="python benchmarks/onnx_speed.py",
        intervals=intervals,
    )


if __name__ == "__main__":
    main()
