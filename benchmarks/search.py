"""How quickly collections of 10,000 to a million windows are searched, exactly and approximately, and what is missed.

Run: python benchmarks/search.py [--sizes 10000 100000 1000000] [--queries 100] [--seed 0] [--out results]

Vectors are drawn, not heard: 500 kinds of sound and as many places as there are windows, spread about as the shipped
model's vectors are (half the variance in about ten dimensions, almost all in fifty), one window a file. Every size is a
LanceDB table on disk, asked by Index.search for ten windows, with a filter that about one window in thirteen fulfils
and without: held in memory (exact) and on disk (approximate). Recall compares with the products of all vectors. On the
smallest, sentences are asked from text to hits.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import saving

WHAT, WHERE = 320, 192
FILTER = {"azimuth_deg": (60.0, 120.0), "distance_m": (None, 4.0)}
SENTENCES = ("a dog barking {} on my left", "rain {} behind me", "a person speaking {} in a large hall", "an engine {}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="", help="checkpoint folder; the shipped model when left out")
    parser.add_argument("--folder", default="", help="keep the tables there; a temporary folder when left out")
    parser.add_argument("--out", default="", help="folder for benchmark.search.json")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    import open_elsa

    model = open_elsa.load(options.model or None)
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        for size in sorted(options.sizes):
            found = measure(folder / str(size), size, model, options, texts=size == min(options.sizes))
            metrics |= {f"{name}_{size}": value for name, value in found.items()}
            for name, value in found.items():
                print(f"{size:9d}  {name:28s} {value:12.4g}", flush=True)
    if options.out:
        print(save(metrics, options))


def measure(place: Path, size: int, model: Any, options: argparse.Namespace, *, texts: bool) -> dict[str, float]:
    """Everything about one size."""
    from open_elsa.search import window_table
    from open_elsa.search.index import Index
    from open_elsa.search.window_table import Origin, WindowTable

    world = World(np.random.default_rng(options.seed))
    table = WindowTable.create(place, Origin(model.name, model.weights_sha256, WHAT + WHERE, 10.0, "auto", ".."))
    for start in range(0, size, 50_000):
        table.append(rows(world, np.random.default_rng([options.seed, start]), start, min(50_000, size - start)))
    start_s = time.perf_counter()
    table.make_indices()
    found = {"index_s": time.perf_counter() - start_s}
    asked = world.vectors(np.random.default_rng([options.seed, 1, size]), options.queries)
    usual = window_table.MOST_IN_MEMORY
    for kind, most in (("approximate", 0), ("exact", usual)):
        if size > most and kind == "exact":
            continue  # this size is never held in memory
        window_table.MOST_IN_MEMORY = most
        start_s = time.perf_counter()
        index = Index(WindowTable.open(place), model)
        found[f"{kind}_open_s"] = time.perf_counter() - start_s
        index.rows()  # as the service does as it starts: what is not the vector is held in memory
        found[f"{kind}_rows_s"] = time.perf_counter() - start_s
        for name, limits in (("filtered", FILTER), ("whole", {})):
            nearest = [{(h.file, h.start_s) for h in index.search(vector=q, k=10, **limits)} for q in asked]
            truth = exact(table, asked, limits)
            found[f"{kind}_{name}_recall"] = float(
                np.mean([len(a & b) / 10 for a, b in zip(nearest, truth, strict=True)])
            )
            times = timed(lambda q, index=index, limits=limits: index.search(vector=q, k=10, **limits), asked)
            found |= {f"{kind}_{name}_p{q}_ms": float(np.percentile(times, q)) for q in (50, 95)}
    window_table.MOST_IN_MEMORY = usual
    if texts:
        index = Index(WindowTable.open(place), model)
        sentences = [SENTENCES[i % len(SENTENCES)].format(f"number {i}") for i in range(options.queries)]
        times = timed(lambda text: index.search(text, k=10, **FILTER), sentences)
        found |= {f"text_p{q}_ms": float(np.percentile(times, q)) for q in (50, 95)}
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


class World:
    """Where vectors lie: kinds of sound in 48 dimensions of 320, places in 8 of 192, each with a falling spread."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.fall, self.narrow = 0.93 ** np.arange(48), 0.8 ** np.arange(8)
        self.kinds = rng.standard_normal((500, 48)) * self.fall
        self.what = np.linalg.qr(rng.standard_normal((WHAT, 48)))[0].T
        self.where = np.linalg.qr(rng.standard_normal((WHERE, 8)))[0].T

    def vectors(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Vectors (n, 512) float32 of unit norm."""
        kinds = self.kinds[rng.integers(len(self.kinds), size=n)]
        what = (kinds + 0.6 * rng.standard_normal((n, 48)) * self.fall) @ self.what
        where = (rng.standard_normal((n, 8)) * self.narrow) @ self.where
        halves = [x + 0.01 * rng.standard_normal(x.shape) for x in (what, where)]
        parts = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in halves]
        return (np.concatenate(parts, axis=1) / np.sqrt(2)).astype(np.float32)


def rows(world: World, rng: np.random.Generator, start: int, n: int) -> pa.Table:
    """Windows start .. start + n, one a file."""
    from open_elsa.search.window_table import schema_of

    number = np.arange(start, start + n)
    ranges = ((-180, 180), (-60, 60), (0.5, 8), (10, 400), (0.1, 3))
    vectors = world.vectors(rng, n)
    columns = [
        pa.array([f"{i // 1000:04d}/{i:07d}.wav" for i in number]),
        *(pa.array(np.full(n, s)) for s in (0.0, 10.0)),
        *(pa.array(rng.uniform(*r, n).astype(np.float32)) for r in ranges),
        pa.array(np.ones(n, bool)),
        pa.array([["rain falling"]] * n, pa.list_(pa.string())),
        pa.array(number),
        pa.array(number),
        pa.array([str(i) for i in number]),
        pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), WHAT + WHERE),
    ]
    schema = schema_of(WHAT + WHERE)
    return pa.Table.from_arrays(columns, schema=pa.schema([f for f in schema if not f.name.endswith("_step")]))


def exact(table: Any, asked: np.ndarray, limits: dict[str, Any]) -> list[set[tuple[str, float]]]:
    """The ten nearest windows of each query, by the products of all that fulfil the limits."""
    from open_elsa.search.nearest import Limits

    ranges = tuple((name, bounds) for name, bounds in limits.items() if name != "azimuth_deg")
    where = Limits(limits.get("azimuth_deg"), ranges).sql
    scores, ids = np.full((len(asked), 10), -np.inf), np.zeros((len(asked), 10), np.int64)
    for found, vectors in table.scan(where):
        all_scores = np.concatenate([scores, asked @ vectors.T], axis=1)
        all_ids = np.concatenate([ids, np.broadcast_to(found, (len(asked), len(found)))], axis=1)
        best = np.argpartition(-all_scores, 9, axis=1)[:, :10]
        scores, ids = (np.take_along_axis(x, best, axis=1) for x in (all_scores, all_ids))
    return [{(row["file"], row["start_s"]) for row in table.described(row_ids).to_pylist()} for row_ids in ids]


def timed(ask: Callable[[Any], Any], questions: Any) -> list[float]:
    """Milliseconds of each question, asked once before."""

    def once() -> Iterator[float]:
        for question in questions:
            start = time.perf_counter()
            ask(question)
            yield 1000 * (time.perf_counter() - start)

    list(once())
    return list(once())


def save(metrics: dict[str, float], options: argparse.Namespace) -> Path:
    """Write benchmark.search.json."""
    return saving.save(
        options.out,
        "search",
        metrics,
        n=options.queries,
        protocol=(
            f"Index.search for ten windows, warm: each of {options.queries} queries was asked before it was timed; "
            f"{os.cpu_count()} cores, {options.threads} threads. Filter: azimuth 60 to 120 degrees and at most 4 m, "
            "about one window in thirteen. Recall of the ten against all products. Drawn vectors, seed "
            f"{options.seed}. Text: from a sentence not seen before to hits, with that filter."
        ),
        model=options.model,
        command="python benchmarks/search.py",
    )


if __name__ == "__main__":
    main()
