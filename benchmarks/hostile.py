"""Hostile files and requests against a real server process and an index: crashes, failures, refusals, time and memory.

Run: python benchmarks/hostile.py [--files 560] [--seed 0] [--model FOLDER] [--out results]

Files (hostile_files.py) are sent to `elsa serve` one after the other, three of four as forms under their hostile names,
the rest as bare bodies, and then indexed as a folder. Requests (hostile_requests.py) go to the same server, which has a
collection of three sounds, beside which lies one that no answer may hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import saving
from hostile_files import HostileFile, files, sound
from hostile_requests import requests, send
from serve import first_document

BOUNDARY = b"7d1ab8e3f5"
#: An answer may say what is wrong, but never where on this machine.
PRIVATE = ("elsa-upload", sys.prefix, str(Path(__file__).parents[1]), "Traceback")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=560)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="", help="checkpoint folder; the shipped model when left out")
    parser.add_argument("--out", default="", help="folder for benchmark.hostile.json")
    options = parser.parse_args()
    hostile = files(options.seed, options.files)
    metrics: dict[str, float] = {}
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        secret = collection(folder)
        model = ["--model", options.model] if options.model else []
        command = [sys.executable, "-m", "open_elsa.app.cli", "serve", str(folder / "sounds"), "--port", "0", "--json"]
        with subprocess.Popen([*command, *model], stdout=subprocess.PIPE, text=True) as server:
            try:
                url = first_document(server)["url"]
                with DecoderMemory(server.pid) as memory:
                    metrics |= asyncio.run(send_files(url, hostile, str(folder), complaints))
                metrics["decoder_memory_mb"] = memory.most_bytes / 1e6
                metrics |= asyncio.run(send_requests(url, secret, str(folder), complaints))
                metrics["server_died"] = float(server.poll() is not None)
            finally:
                server.terminate()
                server.wait(30)
        metrics |= index(folder / "hostile", hostile, options.model, complaints)
    for name, value in metrics.items():
        print(f"{name:32s} {value:12.4g}")
    for complaint in complaints:
        print(complaint)
    if options.out:
        print(save(metrics, options))


def collection(folder: Path) -> Path:
    """Write three sounds to index into folder/sounds, and one beside them; returns that one."""
    from open_elsa.sound import audio, foa

    rate = 16_000
    tone = (0.3 * np.sin(2 * np.pi * 400 * np.arange(2 * rate) / rate)).astype(np.float32)
    (folder / "sounds" / "deep").mkdir(parents=True)
    for name, azimuth in (("low.wav", 90), ("deep/behind.wav", 180), ("right.wav", -90)):
        audio.write(folder / "sounds" / name, foa.encode(tone, azimuth), rate)
    return audio.write(folder / "secret.wav", tone[None], rate)


class DecoderMemory:
    """Watches the processes that a process starts: the most memory that one of them held, as a context."""

    def __init__(self, pid: int) -> None:
        self.most_bytes = 0
        self._tasks = Path(f"/proc/{pid}/task")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> DecoderMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for children in self._tasks.glob("*/children"):
                try:
                    for child in children.read_text().split():
                        if b"server_decoder" not in Path(f"/proc/{child}/cmdline").read_bytes():
                            continue  # it shares the memory of its parent until it is the decoder
                        status = Path(f"/proc/{child}/status").read_text()
                        kilobytes = status.partition("VmHWM:")[2].split(maxsplit=1)[0]  # the most so far
                        self.most_bytes = max(self.most_bytes, 1024 * int(kilobytes))
                except (OSError, IndexError):
                    continue  # it has ended


async def send_files(url: str, hostile: list[HostileFile], private: str, complaints: list[str]) -> dict[str, float]:
    """Have every file described: how many were, how many were refused with a reason, and how long one took at most."""
    import httpx

    counts: Counter[str] = Counter()
    longest, slowest = 0.0, ""
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        await client.post("/describe", content=sound("FLAC", "PCM_16", 4))  # the first call loads the captioner
        for k, file in enumerate(hostile):
            start = time.perf_counter()
            try:
                answer = await client.post("/describe", **body(file, as_form=k % 4 != 3))
                verdict = judged(answer.status_code, answer.text, private)
            except httpx.HTTPError as error:
                verdict = f"lost: {error!r}"
            took = time.perf_counter() - start
            if took > longest:
                longest, slowest = took, f"{file.way}, {file.name[:40]!r}"
            kind, _, why = verdict.partition(": ")
            counts[kind] += 1
            if kind not in ("described", "refused"):
                complaints.append(f"file {k} ({file.way}, {file.name[:40]!r}): {verdict}")
            elif kind == "refused" and "decoder ended" in why:
                counts["decoder_ended"] += 1
                complaints.append(f"file {k} ({file.way}, {file.name[:40]!r}): {why}")
    complaints.append(f"the one that took longest: {slowest}")
    names = ("described", "refused", "failed", "lost", "without_reason", "leaking", "unusable", "decoder_ended")
    return {
        "files": float(len(hostile)),
        **{f"files_{name}": float(counts[name]) for name in names},
        "files_longest_s": longest,
    }


def body(file: HostileFile, *, as_form: bool) -> dict[str, Any]:
    """What httpx is to send: the file as a form under its own name, whatever letters it has, or as a bare body."""
    if not as_form:
        return {"content": file.data, "headers": {"Content-Type": "application/octet-stream"}}
    name = file.name.encode("utf-8", "surrogatepass").replace(b'"', b"%22")
    head = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n' % (BOUNDARY, name)
    told = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
    return {"content": head + file.data + b"\r\n--%b--\r\n" % BOUNDARY, "headers": told}


def judged(status: int, text: str, private: str) -> str:
    """Say what an answer is worth: "described", "refused: why", or what is wrong with it."""
    if any(place in text for place in (*PRIVATE, private)):
        return f"leaking: {text[:300]}"
    if status >= 500:
        return f"failed: {status} {text[:300]}"
    try:
        answer = json.loads(text, parse_constant=lambda name: f"not a number: {name}")
    except ValueError:
        return f"without_reason: {status} {text[:300]}"
    if status == 200:
        numbers = [*answer["location"].values(), *(share for _, share in answer["tags"])]
        finite = all(value is None or (isinstance(value, float) and math.isfinite(value)) for value in numbers)
        return "described" if answer["text"] and finite else f"unusable: {text[:300]}"
    reason = answer.get("error")
    return f"refused: {reason}" if isinstance(reason, str) and len(reason) > 20 else f"without_reason: {text[:300]}"


async def send_requests(url: str, secret: Path, private: str, complaints: list[str]) -> dict[str, float]:
    """Send every hostile request: how many were refused, failed, let in, or answered with what is private."""
    port, held = int(url.rpartition(":")[2]), secret.read_bytes()[-4000:]
    counts: Counter[str] = Counter()
    for request in requests(secret):
        counts["requests"] += 1
        status, answer = await send(port, request.data)
        shown = answer.split(b"\r\n\r\n", 1)[-1].decode("utf-8", "replace").replace(str(secret), "")  # what was asked
        if held[:200] in answer or any(place in shown for place in (*PRIVATE, private)):
            kind = "leaking"
        elif status >= 500:
            kind = "failed"
        elif status == 200:
            kind = "let_in"
        else:
            kind = "refused" if status and shown.strip() else "closed"
        counts[f"requests_{kind}"] += 1
        if kind != "refused":
            complaints.append(f"request ({request.way}, {request.data[:80]!r}): {kind} {status} {shown[:200]}")
    well, _ = await send(port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    names = ("requests", *(f"requests_{kind}" for kind in ("refused", "closed", "failed", "let_in", "leaking")))
    return {name: float(counts[name]) for name in names} | {"server_well_after": float(well == 200)}


def index(folder: Path, hostile: list[HostileFile], model: str, complaints: list[str]) -> dict[str, float]:
    """Index all files as one folder in a process of its own: files taken, files reported, time and memory."""
    folder.mkdir()
    for k, file in enumerate(hostile):
        suffix = Path(file.safe_name).suffix
        name = f"{k:04d}{suffix if suffix in ('.flac', '.ogg', '.opus', '.mp3', '.aiff', '.caf', '.w64') else '.wav'}"
        (folder / name).write_bytes(file.data)
    (folder / "link.wav").symlink_to("/etc/passwd")
    (folder / "circle.wav").symlink_to("circle.wav")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            found = pool.submit(indexed, folder, model).result()
        except Exception as error:  # BrokenProcessPool where it was killed
            complaints.append(f"indexing them failed: {error!r}")
            return {"index_died": 1.0}
    complaints += [f"indexed without a reason: {name}" for name in found.pop("without_reason")]
    complaints += [f"indexed as no number: {name}" for name in found.pop("no_numbers")]
    return {"index_died": 0.0, **found}


def indexed(folder: Path, model: str) -> dict[str, Any]:
    """Build the index and count; runs in a process of its own."""
    import open_elsa

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libsndfile prints about some damaged files
    embedder = open_elsa.load(model or None)
    start = time.perf_counter()
    made = open_elsa.Index.build(folder, embedder)
    whole = np.isfinite(made.vectors).all(axis=1)
    return {
        "index_files": float(len(made.files)),
        "index_refused": float(len(made.report.problems)),
        "index_windows": float(len(made)),
        "index_s": time.perf_counter() - start,
        "index_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "without_reason": [p.file for p in made.report.problems if len(p.reason) < 20],
        "no_numbers": [str(made.table["file"][int(row)]) for row in np.flatnonzero(~whole)],
    }


def save(metrics: dict[str, float], options: argparse.Namespace) -> Path:
    """Write benchmark.hostile.json."""
    return saving.save(
        options.out,
        "hostile",
        metrics,
        n=int(metrics["files"]),
        protocol=(
            f"{metrics['files']:.0f} hostile files (seed {options.seed}) sent to POST /describe of `elsa serve` in a "
            f"process of its own ({os.cpu_count()} cores), one after the other; then {metrics['requests']:.0f} hostile "
            "requests to the same server; then the files indexed as a folder. Described: 200 with a sentence and "
            "finite numbers, for a spoiled sound may still be one. Refused: 4xx with a reason that names no place of "
            "the machine. Memory of a decoder: its greatest resident size, looked at every 20 ms."
        ),
        model=options.model,
        command=f"python benchmarks/hostile.py --files {options.files} --seed {options.seed}",
    )


if __name__ == "__main__":
    main()
