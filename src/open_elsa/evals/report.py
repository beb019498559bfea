"""Result files to Markdown tables and plots: no number in README.md or docs/results.md is written by hand."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from open_elsa.errors import DataError
from open_elsa.evals import plots
from open_elsa.evals.result import Result, load_results

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


@dataclass(frozen=True)
class Row:
    """A line of the headline table: a metric of a result, and what to hold it against."""

    what: str
    where: str
    result: str
    metric: str
    unit: str
    against: tuple[tuple[str, str, str], ...] = ()  # (text, result, metric)
    n: str = ""


_ROOMS = "simulated rooms never trained on"
_SIMULATED_BY_HAND = (
    ("intensity vector", "simulated.baselines", "mean_intensity.mean_deg"),
    ("best hand-made", "simulated.baselines", "onset_least_diffuse.mean_deg"),
)


def _attribute(name: str, text: str) -> Row:
    chance = (("chance", "simulated.zero_shot", f"{name}.chance"),)
    return Row(text, _ROOMS, "simulated.zero_shot", f"{name}.accuracy", "%", chance, f"{name}.n")


def _measured(group: str, text: str) -> Row:
    against = (
        ("intensity vector, 300-2,500 Hz", "measured.baselines", f"band_intensity.{group}.mean_deg"),
        ("best hand-made", "measured.baselines", f"onset_least_diffuse.{group}.mean_deg"),
    )
    metric = f"direction.{group}"
    return Row(
        "direction, mean error", text, "measured.localization", f"{metric}.mean_deg", "°", against, f"{metric}.n"
    )


HEADLINE: tuple[Row, ...] = (
    Row("direction, mean error", _ROOMS, "simulated.localization", "direction.mean_deg", "°", _SIMULATED_BY_HAND),
    _attribute("direction", "direction in words, 4-way"),
    _attribute("distance", "near or far"),
    _attribute("elevation", "above or below"),
    _attribute("room_size", "small or large room"),
    _attribute("reverberation", "dampened or reverberant"),
    _measured("MainChurch", "measured: a church"),
    _measured("Vislab", "measured: a studio, up to 90° overhead"),
    _measured("Lab", "measured: a lab in five states"),
    Row(
        "direction in words, 4-way",
        "measured rooms",
        "measured.zero_shot",
        "direction.accuracy",
        "%",
        (("chance", "measured.zero_shot", "direction.chance"),),
        "direction.n",
    ),
    Row(
        "what it is, 50-way",
        "ESC-50 fold 4, mono",
        "mono.classes",
        "mono.accuracy",
        "%",
        (("chance", "mono.classes", "chance"),),
        "mono.n",
    ),
    Row("points lost by hearing it in a room", _ROOMS, "simulated.classes", "lost_points", "points"),
    Row(
        "caption to sound, R@10",
        _ROOMS,
        "simulated.retrieval",
        "t2a.R@10",
        "%",
        (("R@1", "simulated.retrieval", "t2a.R@1"), ("R@5", "simulated.retrieval", "t2a.R@5")),
    ),
    Row(
        "10 s of ambisonics embedded",
        "CPU",
        "benchmark.embed",
        "embed_ms",
        "ms",
        (("ClapModel's audio tower", "benchmark.embed", "clap_ms"),),
    ),
    Row("load and first embedding", "CPU, fresh process", "benchmark.embed", "first_embedding_s", "s"),
)


def headline(results: Sequence[Result]) -> str:
    """The README's table: the rows of HEADLINE whose result is there. Raises DataError when there is none."""
    by_name = {r.name: r for r in results}
    lines = []
    for row in HEADLINE:
        result = by_name.get(row.result)
        if result is None or row.metric not in result.metrics:
            continue
        n = result.metrics.get(row.n, float(result.n)) if row.n else float(result.n)
        compared = [
            f"{text} {show(by_name[other].metrics[metric], unit_of(metric, row.unit))}"
            for text, other, metric in row.against
            if other in by_name and metric in by_name[other].metrics
        ]
        interval = result.intervals.get(row.metric)
        span = (
            f"{show(interval.low, row.unit, bare=True)}–{show(interval.high, row.unit, bare=True)}" if interval else ""
        )
        value = show(result.metrics[row.metric], row.unit)
        lines.append(f"| {row.what} | {row.where} | **{value}** | {span} | {n:.0f} | {'; '.join(compared)} |")
    if not lines:
        raise DataError(
            f"none of the results {sorted(by_name)} belongs into the table; run `elsa eval simulated` first"
        )
    head = ["| what | where | measured | 95 % | n | for comparison |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *lines, "", _provenance(results)])


def full(results: Sequence[Result], figures: Mapping[str, str] | None = None) -> str:
    """docs/results.md: the headline, then every result with its protocol, all its numbers and its plots.

    figures: result name -> Markdown of its plots.
    """
    parts = [headline(results)]
    for result in results:
        parts.append(f"## {result.suite}: {result.task.replace('_', ' ')}\n\n{result.protocol}\n")
        parts.append(_all_numbers(result))
        if left := result.details.get("left_out"):
            parts.append("Not tested here: " + "; ".join(f"{k} ({v})" for k, v in left.items()) + ".\n")
        if figures and result.name in figures:
            parts.append(figures[result.name])
        parts.append(
            f"n = {result.n}; data `{result.data_revision[:12]}`; {result.seconds:.0f} s; {result.made_at}"
            + (f"; `{result.command}`" if result.command else "")
            + "\n"
        )
    return "\n".join(parts)


def insert(path: Path, markdown: str, *, create: str = "") -> Path:
    """Replace what stands between the markers `<!-- results:begin -->` and `<!-- results:end -->` of a file.

    create: text of a file that is missing (with both markers). Raises DataError for a file without both markers, in
    order; the file is replaced whole or not at all.
    """
    if not path.is_file() and create:
        text = create
    elif path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        raise DataError(f"there is no {path}: create it with the lines {BEGIN} and {END} where the table belongs")
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start:
        raise DataError(f"{path} needs a line {BEGIN} and, after it, a line {END}; the table goes between them")
    text = f"{text[: start + len(BEGIN)]}\n\n{markdown.strip()}\n\n{text[end:]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_report(folder: str | Path, *, readme: Path | None = None, docs: Path | None = None) -> list[Path]:
    """Read a folder of results; write the headline into `readme` and everything, with plots, into the folder `docs`.

    docs: gets results.md and assets/results/*.png. Returns the files written. Raises DataError without results.
    """
    results = load_results(folder)
    written: list[Path] = []
    if docs is not None:
        images = docs / "assets" / "results"
        figures: dict[str, str] = {}
        for result in results:
            made = plots.draw(result, folder, images)
            written += made.values()
            text = "\n".join(f"![{title}](assets/results/{path.name})" for title, path in made.items())
            if text:
                figures[result.name] = text + "\n"
        page = f"# Results\n\nWritten by `elsa eval`; do not edit between the markers.\n\n{BEGIN}\n{END}\n"
        written.append(insert(docs / "results.md", full(results, figures), create=page))
    if readme is not None:
        written.append(insert(readme, headline(results)))
    return written


def show(value: float, unit: str, *, bare: bool = False) -> str:
    """A number for people: shares as per cent, degrees and milliseconds with as many digits as they deserve."""
    if not math.isfinite(value):
        return "–"
    if unit == "%":
        text, mark = f"{100 * value:.1f}", " %"
    elif unit in ("°", "points"):
        text, mark = f"{value:.1f}", unit if unit == "°" else " points"
    else:
        text, mark = f"{value:.3g}" if value < 100 else f"{value:.0f}", f" {unit}" if unit else ""
    return text if bare else text + mark


def unit_of(metric: str, default: str = "") -> str:
    """Unit of a metric by the end of its name."""
    endings = {"_deg": "°", "_m": "m", "_m2": "m²", "_s": "s", "_ms": "ms", "_db": "dB", "_points": "points"}
    for ending, unit in sorted(endings.items(), key=lambda e: -len(e[0])):
        if metric.endswith(ending):
            return unit
    if metric.rsplit(".", 1)[-1] in ("n", "classes", "captions", "ratio"):
        return ""
    shares = ("accuracy", "balanced", "all", "chance", "located", "relative")
    is_share = metric.endswith(shares) or ".recall." in metric or "R@" in metric or "mAP@" in metric
    return "%" if is_share else default


def _all_numbers(result: Result) -> str:
    lines = ["| metric | value | 95 % |", "|---|---|---|"]
    for name, value in result.metrics.items():
        interval, unit = result.intervals.get(name), unit_of(name)
        span = f"{show(interval.low, unit, bare=True)}–{show(interval.high, unit, bare=True)}" if interval else ""
        lines.append(f"| {name} | {show(value, unit)} | {span} |")
    return "\n".join(lines) + "\n"


def _provenance(results: Sequence[Result]) -> str:
    models = sorted({f"{r.model.get('name', '?')} `{r.model.get('weights_sha256', '')[:12]}`" for r in results})
    days = sorted({r.made_at[:10] for r in results if r.made_at})
    seen = f", measured {days[-1]}" if days else ""
    return f"Model {', '.join(models)}{seen}; 95 % intervals; generated from result files, see docs/results.md."
