"""How the benchmarks write what they measured: one record of the suite "benchmark", as `elsa eval` writes its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from open_elsa.evals.metrics import Interval

#: Products of two matrices in a second of one core.
MULTIPLY = """
import time
import numpy as np
a = np.ones((256, 256), np.float32)
done, start = 0, time.perf_counter()
while (spent := time.perf_counter() - start) < 1.0:
    for _ in range(20):
        a @ a
    done += 20
print(done / spent)
"""


def save(
    out: str,
    task: str,
    metrics: Mapping[str, float],
    *,
    n: int,
    protocol: str,
    model: str | None,
    command: str,
    intervals: Mapping[str, Interval] | None = None,
) -> Path:
    """Write out/benchmark.TASK.json, the machine told behind the protocol.

    model: the checkpoint folder that was measured, "" for the shipped model, None where there is none.
    """
    import open_elsa
    from open_elsa.evals.observe import identity
    from open_elsa.evals.result import Result, now, versions

    result = Result(
        task=task,
        suite="benchmark",
        metrics=metrics,
        intervals=intervals or {},
        n=n,
        protocol=f"{protocol} {machine()}",
        model={} if model is None else identity(open_elsa.load(model or None)),
        versions=versions(),
        made_at=now(),
        command=command,
    )
    return result.save(out)


def machine() -> str:
    """One sentence on the processor: what two of its cores are worth together, whichever they are."""
    name, cores = _processor(), os.cpu_count() or 1
    if cores == 1:
        return f"Machine: {name}, one core."
    gains = []
    for _ in range(5):
        alone, both = sum(_products(1)), sum(_products(2))
        gains.append(both / alone if alone else 0.0)
    return f"Machine: {name}, {cores} cores; two of them multiply matrices {median(gains):.1f} times as fast as one."


def _products(processes: int) -> list[float]:
    one_thread = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    started = [
        subprocess.Popen([sys.executable, "-c", MULTIPLY], env=one_thread, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    return [float(process.communicate()[0] or 0.0) for process in started]


def _processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
