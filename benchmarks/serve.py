"""The service under load: text queries of many clients at once against a real server process, beside one at a time.

Run: python benchmarks/serve.py [--users 32] [--seconds 60] [--threads 2] [--model FOLDER] [--out results]

The collection is the demo's recordings, each encoded at directions all around. Every client asks /search for one of a
thousand sentences, waits for the answer, and asks again, over one connection.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import saving

PLACES = ("on the left", "on the right", "ahead", "behind me", "above", "far away", "close by", "in a large hall")
WHATS = ("a dog barking", "rain", "speech", "an engine", "a bird singing", "applause", "a bell", "footsteps", "music")
DIRECTIONS = (0, 45, 90, 135, 180, -135, -90, -45)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--alone-seconds", type=float, default=10.0, help="how long one client asks alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="", help="checkpoint folder; the shipped model when left out")
    parser.add_argument("--out", default="", help="folder for benchmark.serve.json")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        collection(folder)
        model = ["--model", options.model] if options.model else []
        command = [sys.executable, "-m", "open_elsa.app.cli", "serve", str(folder), "--port", "0", "--json", *model]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                started = first_document(server)
                metrics = asyncio.run(load(started["url"], options)) | {"windows": float(started["windows"])}
            finally:
                server.terminate()
                server.wait(30)
    for name, value in metrics.items():
        print(f"{name:24s} {value:12.4g}")
    if options.out:
        print(save(metrics, options))


def first_document(server: subprocess.Popen[str]) -> dict[str, Any]:
    """What the server says when it is ready: one JSON document over several lines."""
    assert server.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != "}\n":
        lines.append(server.stdout.readline())
        if not lines[-1]:
            sys.exit("the server ended before it was ready")
    return dict(json.loads("".join(lines)))


def collection(folder: Path) -> None:
    """Write the demo's recordings at eight directions each, ambisonic."""
    from open_elsa.app import demo
    from open_elsa.sound import audio, foa

    for path in sorted((Path(demo.__file__).parent / "demo_sounds").glob("*.ogg")):
        sound = audio.read(path)
        for azimuth in DIRECTIONS:
            samples = foa.encode(sound.w, azimuth)
            scaled = samples / max(1.0, float(np.abs(samples).max()))
            audio.write(folder / f"{path.stem}_{azimuth}.wav", scaled.astype(np.float32), sound.sample_rate)


async def load(url: str, options: argparse.Namespace) -> dict[str, float]:
    """One client for a while, then all of them: rates, errors and quantiles of the times to an answer."""
    found: dict[str, float] = {}
    await ask(url, 1, 2.0)  # the first calls warm the model
    for prefix, users, seconds in (("alone", 1, options.alone_seconds), ("load", options.users, options.seconds)):
        times, errors, took = await ask(url, users, seconds)
        found[f"{prefix}_users"] = float(users)
        found[f"{prefix}_requests"] = float(len(times))
        found[f"{prefix}_errors"] = float(errors)
        found[f"{prefix}_per_second"] = len(times) / took
        for quantile in (50, 95):
            found[f"{prefix}_p{quantile}_ms"] = 1000 * float(np.percentile(times, quantile)) if times else float("nan")
    return found


async def ask(url: str, users: int, seconds: float) -> tuple[list[float], int, float]:
    """Ask for so long: the seconds of each answer, how many were not right, and the seconds in all."""
    import httpx

    times: list[float] = []
    errors = 0
    start = time.perf_counter()

    async def user(number: int) -> None:
        nonlocal errors
        rng = np.random.default_rng(number)
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            while time.perf_counter() - start < seconds:
                text = f"{rng.choice(WHATS)} {rng.choice(PLACES)}, {rng.choice(WHATS)} further off"
                sent = time.perf_counter()
                try:
                    answer = await client.post("/search", json={"text": text, "k": 10})
                    right = answer.status_code == 200 and len(answer.json()["hits"]) == 10
                except httpx.HTTPError:
                    right = False
                if right:
                    times.append(time.perf_counter() - sent)
                else:
                    errors += 1

    await asyncio.gather(*(user(number) for number in range(users)))
    return times, errors, time.perf_counter() - start


def save(metrics: dict[str, float], options: argparse.Namespace) -> Path:
    """Write benchmark.serve.json."""
    return saving.save(
        options.out,
        "serve",
        metrics,
        n=int(metrics["load_requests"]),
        protocol=(
            f"POST /search with a sentence, k = 10, against `elsa serve` in a process of its own on the same machine "
            f"({os.cpu_count()} cores, {options.threads} threads, clients on the same cores): one client for "
            f"{options.alone_seconds:g} s, then {options.users} for {options.seconds:g} s, each waiting for its answer "
            f"before it asks again; {metrics['windows']:.0f} windows. An error is any answer but 200 with ten hits."
        ),
        model=options.model,
        command=f"python benchmarks/serve.py --users {options.users} --seconds {options.seconds:g}",
    )


if __name__ == "__main__":
    main()
