"""How the benchmarks write what they measured: one record of the suite "benchmark", as `elsa eval` writes its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from open_elsa.evals.metrics import Interval


def save(
    out: str,
    task: str,
    metrics: Mapping[str, float],
    *,
    n: int,
    protocol: str,
    model: str,
    command: str,
    intervals: Mapping[str, Interval] | None = None,
) -> Path:
    """Write out/benchmark.TASK.json; model: the checkpoint folder that was measured, "" for the shipped model."""
    import open_elsa
    from open_elsa.evals.observe import identity
    from open_elsa.evals.result import Result, now, versions

    result = Result(
        task=task,
        suite="benchmark",
        metrics=metrics,
        intervals=intervals or {},
        n=n,
        protocol=protocol,
        model=identity(open_elsa.load(model or None)),
        versions=versions(),
        made_at=now(),
        command=command,
    )
    return result.save(out)
