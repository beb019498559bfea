"""Result files to Markdown tables and plots: no number in README.md or docs/results.md is written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from open_elsa.errors import DataError
from open_elsa.evals import ablations, plots, tables
from open_elsa.evals.headline import HEADLINE, Bar, Row
from open_elsa.evals.numbers import show, unit_of
from open_elsa.evals.result import Result, load_results
from open_elsa.model import checkpoints
from open_elsa.model.card import with_results
from open_elsa.scenes.scene_files import write_text

__all__ = ["HEADLINE", "Bar", "Row", "full", "headline", "insert", "show", "unit_of", "write_page", "write_report"]

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
NOT_MEASURED = "not measured yet"


def headline(results: Sequence[Result]) -> str:
    """The README's table: every row of HEADLINE with its bar; one under its bar stands there like any other.

    A row whose result isn't there says so. Raises DataError for results of different models in one table.
    """
    by_name = {r.name: r for r in results}
    wanted = [name for row in HEADLINE for name in (row.result, *(other for _, other, _ in row.against))]
    used = [by_name[name] for name in dict.fromkeys(wanted) if name in by_name]
    # a result without a model is of none, or of models made only to be compared
    models = {(r.model.get("name", ""), r.model.get("weights_sha256", "")) for r in used if r.model}
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
    compared = [row.known] if row.known else []
    compared += [
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
        parts.append(ablations.table(result) if result.task == "ablations" else _all_numbers(result))
        parts += tables.of(result)
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
    for result in [r for r in results if r.model]:
        if (measured := result.model.get("weights_sha256", "")) != weights:
            raise DataError(
                f"{result.name} was measured with weights {measured[:12] or '?'}, but those of {folder} are "
                f"{weights[:12]}; evaluate this checkpoint first"
            )


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
    told = next((r.model for r in results if r.model), {})
    model, digest = told.get("name", "?"), told.get("weights_sha256", "")[:12]
    days = sorted({r.made_at[:10] for r in results if r.made_at})
    when = f", measured {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "") if days else ""
    commands = ", ".join(f"`{c}`" for c in dict.fromkeys(r.command for r in results if r.command))
    text = f"Model {model}, weights `{digest}`{when}" + (f" by {commands}" if commands else "") + "."
    if any("--quick" in r.command for r in results):
        text += " **A quick look at a small part of the suites, not the measurement.**"
    return text + " A row under its bar is marked as missed."
