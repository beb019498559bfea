"""Result files to Markdown tables and plots: no number in README.md or docs/results.md is written by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from open_elsa.errors import DataError
from open_elsa.evals import plots
from open_elsa.evals.result import Result, load_results
from open_elsa.model import checkpoints
from open_elsa.model.card import with_results
from open_elsa.scenes.scene_files import write_text

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
NOT_MEASURED = "not measured yet"


@dataclass(frozen=True)
class Bar:
    """What the project promises of a metric, in the metric's own unit (shares 0 to 1)."""

    value: float
    at_least: bool = False

    def missed(self, value: float) -> bool:
        """True for a value on the wrong side, and for one that isn't a number."""
        return not (value >= self.value if self.at_least else value <= self.value)


@dataclass(frozen=True)
class Row:
    """A line of the headline table: a metric of a result, its bar, and what to hold it against.

    against: (text, result, metric) of numbers in the same unit. n: the metric that counts the cases, "" = the result's.
    """

    what: str
    where: str
    result: str
    metric: str
    unit: str
    bar: Bar | None = None
    against: tuple[tuple[str, str, str], ...] = ()
    n: str = ""


_ROOMS = "simulated rooms never trained on"
_BENCH = "benchmark.embed"


def _attribute(name: str, text: str, bar: float) -> Row:
    chance = (("chance", "simulated.zero_shot", f"{name}.chance"),)
    accuracy = f"{name}.accuracy"
    return Row(text, _ROOMS, "simulated.zero_shot", accuracy, "%", Bar(bar, True), chance, f"{name}.n")


def _by_hand(suite: str, group: str = "") -> tuple[tuple[str, str, str], ...]:
    """The estimators that need no training, on the same scenes."""
    names = {
        "plain intensity": "mean_intensity",
        "intensity in 300-2,500 Hz": "band_intensity",
        "onset-weighted least diffuse bins": "onset_least_diffuse",
    }
    return tuple((text, f"{suite}.baselines", f"{name}{group}.mean_deg") for text, name in names.items())


def _measured(group: str, text: str, bar: float) -> Row:
    metric, against = f"direction.{group}", _by_hand("measured", f".{group}")
    where = f"measured: {text}"
    mean, n = f"{metric}.mean_deg", f"{metric}.n"
    return Row("direction, mean error", where, "measured.localization", mean, "°", Bar(bar), against, n)


HEADLINE: tuple[Row, ...] = (
    Row(
        "direction, mean error",
        _ROOMS,
        "simulated.localization",
        "direction.mean_deg",
        "°",
        Bar(7.0),
        _by_hand("simulated"),
        "direction.n",
    ),
    _attribute("direction", "direction in words, 4-way", 0.92),
    _attribute("distance", "near or far in words", 0.90),
    _attribute("elevation", "above or below in words", 0.95),
    _attribute("room_size", "small or large room in words", 0.75),
    _attribute("reverberation", "dampened or reverberant in words", 0.95),
    _measured("MainChurch", "a church", 12.0),
    _measured("Vislab", "a studio, up to 90° overhead", 17.0),
    _measured("Lab", "a lab in five states", 13.0),
    Row(
        "direction in words, 4-way",
        "measured rooms",
        "measured.zero_shot",
        "direction.accuracy",
        "%",
        Bar(0.80, True),
        (("chance", "measured.zero_shot", "direction.chance"),),
        "direction.n",
    ),
    Row(
        "what it is, 50-way in words",
        "ESC-50 fold 4, mono",
        "mono.classes",
        "mono.accuracy",
        "%",
        Bar(0.80, True),
        (("chance", "mono.classes", "chance"),),
        "mono.n",
    ),
    Row(
        "what it is: points lost in a room",
        _ROOMS,
        "simulated.classes",
        "lost_points",
        "points",
        Bar(5.0),
        (("mono", "simulated.classes", "mono.accuracy"), ("in rooms", "simulated.classes", "spatial.accuracy")),
        "spatial.n",
    ),
    Row(
        "caption to sound, R@10",
        _ROOMS,
        "simulated.retrieval",
        "t2a.R@10",
        "%",
        None,
        (("R@1", "simulated.retrieval", "t2a.R@1"), ("R@5", "simulated.retrieval", "t2a.R@5")),
        "captions",
    ),
    Row("load and first embedding", "CPU, new process", _BENCH, "first_embedding_s", "s", Bar(5.0), n="processes"),
    Row(
        "10 s of ambisonics embedded",
        "CPU",
        _BENCH,
        "embed_ms",
        "ms",
        Bar(60.0),
        (("ClapModel's audio tower", _BENCH, "clap_ms"),),
    ),
    Row("… as a share of ClapModel's time", "CPU, same clip, interleaved", _BENCH, "clap_ratio", ""),
    Row("front end of 10 s of ambisonics", "CPU, one core", _BENCH, "front_end_ms", "ms", Bar(20.0)),
    Row(
        "same recording, largest difference", "new processes", _BENCH, "repeat_difference", "", Bar(0.0), n="processes"
    ),
    Row("alone or in a batch of 32", "largest difference", _BENCH, "batch_difference", "", Bar(1e-5), n="batch"),
)


def headline(results: Sequence[Result]) -> str:
    """The README's table: every row of HEADLINE with its bar; one under its bar stands there like any other.

    A row whose result isn't there says so. Raises DataError for results of different models in one table.
    """
    by_name = {r.name: r for r in results}
    wanted = [name for row in HEADLINE for name in (row.result, *(other for _, other, _ in row.against))]
    used = [by_name[name] for name in dict.fromkeys(wanted) if name in by_name]
    models = {(r.model.get("name", ""), r.model.get("weights_sha256", "")) for r in used}
    if len(models) > 1:
        raise DataError(
            f"these results are of {len(models)} models: {', '.join(sorted(' '.join(m) for m in models))}; measure one "
            "model into one folder"
        )
    head = ["| what | where | bar | measured | 95 % | n | for comparison |", "|---|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_line(row, by_name) for row in HEADLINE), "", _provenance(used)])


def _line(row: Row, by_name: Mapping[str, Result]) -> str:
    result = by_name.get(row.result)
    bar = f"{'≥' if row.bar.at_least else '≤'} {show(row.bar.value, row.unit).replace('.0', '')}" if row.bar else ""
    if result is None or row.metric not in result.metrics:
        return f"| {row.what} | {row.where} | {bar} | {NOT_MEASURED} |  |  |  |"
    value = result.metrics[row.metric]
    if row.bar and row.bar.missed(value):
        bar += ", missed"
    n = result.metrics.get(row.n, float(result.n)) if row.n else float(result.n)
    compared = [
        f"{text} {show(by_name[other].metrics[metric], unit_of(metric, row.unit))}"
        for text, other, metric in row.against
        if other in by_name and metric in by_name[other].metrics
    ]
    span = _span(result, row.metric, row.unit)
    return (
        f"| {row.what} | {row.where} | {bar} | **{show(value, row.unit)}** | {span} | {n:.0f} | {'; '.join(compared)} |"
    )


def _span(result: Result, metric: str, unit: str) -> str:
    interval = result.intervals.get(metric)
    return f"{show(interval.low, unit, bare=True)} to {show(interval.high, unit, bare=True)}" if interval else ""


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
        facts = {
            "n = {}": str(result.n),
            "data `{}`": result.data_revision[:12],
            "{} s": f"{result.seconds:.0f}" if result.seconds else "",
            "{}": result.made_at,
            "`{}`": result.command,
        }
        parts.append("; ".join(text.format(value) for text, value in facts.items() if value) + "\n")
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
    write_text(path, text)
    return path


def write_report(
    folder: str | Path, *, readme: Path | None = None, docs: Path | None = None, card: Path | None = None
) -> list[Path]:
    """Read a folder of results; write the headline into `readme` and `card`, and everything, with plots, into `docs`.

    docs: gets results.md and assets/results/*.png. card: a checkpoint's folder; the section "Results" of its README.md
    is replaced, its weights aren't touched. Returns the files written. Raises DataError without results, for results
    of several models, and for a card of a model that the results aren't of.
    """
    results = load_results(folder)
    table = headline(results)
    if card is not None:
        _check_card(card, results)
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
        written.append(write_page(docs, full(results, figures)))
    if readme is not None:
        written.append(insert(readme, table))
    if card is not None:
        path = card / checkpoints.CARD
        text = with_results(path.read_text(encoding="utf-8"), table)
        write_text(path, text)
        written.append(path)
    return written


def write_page(docs: Path, markdown: str) -> Path:
    """Put Markdown between the markers of docs/results.md, which is made where it's missing."""
    page = f"# Results\n\nWritten by `make results`; do not edit between the markers.\n\n{BEGIN}\n{END}\n"
    return insert(docs / "results.md", markdown, create=page)


def _check_card(folder: Path, results: Sequence[Result]) -> None:
    if not (folder / checkpoints.CARD).is_file():
        raise DataError(f"{folder} has no {checkpoints.CARD}; name the folder of a checkpoint")
    weights = checkpoints.weights_hash(folder)
    for result in results:
        if (measured := result.model.get("weights_sha256", "")) != weights:
            raise DataError(
                f"{result.name} was measured with weights {measured[:12] or '?'}, but those of {folder} are "
                f"{weights[:12]}; evaluate this checkpoint first"
            )


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
    shares = ("accuracy", "balanced", "all", "chance", "located", "relative", "f1", "precision", ".recall", "templates")
    is_share = metric.endswith(shares) or ".recall." in metric or "R@" in metric or "mAP@" in metric
    return "%" if is_share else default


def _all_numbers(result: Result) -> str:
    lines = ["| metric | value | 95 % |", "|---|---|---|"]
    for name, value in result.metrics.items():
        unit = unit_of(name)
        lines.append(f"| {name} | {show(value, unit)} | {_span(result, name, unit)} |")
    return "\n".join(lines) + "\n"


def _provenance(results: Sequence[Result]) -> str:
    """Which model, when, and by which commands; a table made from a part of the suites says so."""
    if not results:
        return "Nothing has been measured yet: `make results` does."
    model, digest = results[0].model.get("name", "?"), results[0].model.get("weights_sha256", "")[:12]
    days = sorted({r.made_at[:10] for r in results if r.made_at})
    when = f", measured {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "") if days else ""
    commands = ", ".join(f"`{c}`" for c in dict.fromkeys(r.command for r in results if r.command))
    text = f"Model {model}, weights `{digest}`{when}" + (f" by {commands}" if commands else "") + "."
    if any("--quick" in r.command for r in results):
        text += " **A quick look at a small part of the suites, not the measurement.**"
    return text + " A row under its bar is marked as missed."
