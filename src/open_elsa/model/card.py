"""The model card: what a checkpoint was trained on, by whose leave, how well it does; written by code, not by hand.

Training writes it; evaluation replaces the section "Results" (evals/report.py).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from open_elsa.errors import CheckpointError

if TYPE_CHECKING:
    from open_elsa.scenes.scene import Clip


@dataclass(frozen=True)
class TrainingSource:
    """Clips of one corpus under one licence. credit: whom to name, and where it was found."""

    name: str
    licence: str
    clips: int
    hours: float
    credit: str = ""


@dataclass(frozen=True)
class ModelCard:
    """What the README.md of a checkpoint says; `to_markdown` writes it.

    licence: SPDX id of the weights. recipe: the command that trains them. credits: others' work inside (weights
    trained from, encoders used). left_out: classes that no clip and no caption of the training was of. weights_sha256
    is filled in by checkpoints.save.
    """

    name: str
    summary: str
    recipe: str
    date: str
    machine: str
    seed: int
    sources: tuple[TrainingSource, ...]
    credits: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    licence: str = "apache-2.0"
    left_out: tuple[str, ...] = ()
    code_revision: str = ""
    weights_sha256: str = ""

    def to_markdown(self) -> str:
        """The card as Markdown with the hub's metadata block on top."""
        parts = [_metadata(self), f"# {_line(self.name)}\n\n{self.summary.strip()}", _USE]
        if self.limits:
            parts.append("## Limits\n\n" + "\n".join(f"- {_line(limit)}" for limit in self.limits))
        parts.append(f"{_RESULTS}\n\nNot evaluated yet.")
        parts.append("## Training data\n\n" + (_sources(self.sources) if self.sources else "None stated."))
        if self.left_out:
            parts.append(f"## Left out\n\n{_LEFT_OUT}\n\n" + "\n".join(f"- {_line(name)}" for name in self.left_out))
        parts.append(f"## Training\n\n```\n{self.recipe.strip()}\n```\n\n" + _facts(self))
        if self.credits:
            parts.append("## Credits\n\n" + "\n".join(f"- {_line(credit)}" for credit in self.credits))
        parts.append(f"## Licence\n\nThe weights: {self.licence}. Each source's licence stands in the table above.")
        return "\n\n".join(parts) + "\n"


def with_results(card: str, results: str) -> str:
    """A card's Markdown with its section "Results" replaced; the rest stays as it is, to the letter.

    results: Markdown without headings. Raises CheckpointError for a card without that section.
    """
    found = _RESULTS_SECTION.search(card)
    if found is None:
        raise CheckpointError(f"the model card has no section {_RESULTS!r}; add the heading where the table belongs")
    return f"{card[: found.start()]}{_RESULTS}\n\n{results.strip()}\n{card[found.end() :]}"


def left_out_of(card: str) -> tuple[str, ...]:
    """The classes that a card's model was trained without; empty for a card that names none."""
    found = re.search(r"^## Left out\n\n[^\n]*\n\n((?:- [^\n]+\n)+)", card, re.MULTILINE)
    return tuple(line.removeprefix("- ").strip() for line in found[1].splitlines()) if found else ()


_LEFT_OUT = "No clip and no caption of these classes was trained on, so that what is never heard can be tested."
_RESULTS = "## Results"
#: the heading and all up to the blank line before the next heading, or the end
_RESULTS_SECTION = re.compile(rf"^{_RESULTS}\n.*?(?=\n## |\Z)", re.MULTILINE | re.DOTALL)

_USE = """## Use

```python
import open_elsa as elsa

model = elsa.load("path/to/this/folder")
```"""


def sources_of(clips: Iterable[Clip], credits: dict[str, str] | None = None) -> tuple[TrainingSource, ...]:
    """Count the clips of a training set per corpus and licence, the biggest first; credits: corpus -> whom to name."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for clip in clips:
        counts[clip.corpus, clip.licence] += 1
        seconds[clip.corpus, clip.licence] += clip.duration_s
    rows = [
        TrainingSource(corpus, licence, n, seconds[corpus, licence] / 3600, (credits or {}).get(corpus, ""))
        for (corpus, licence), n in counts.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.clips, row.name, row.licence)))


def _metadata(card: ModelCard) -> str:
    tags = ("audio", "spatial-audio", "ambisonics", "sound-localization", "retrieval", "open-elsa")
    lines = ["---", f"license: {card.licence}", "library_name: open-elsa", "pipeline_tag: feature-extraction", "tags:"]
    return "\n".join([*lines, *(f"- {tag}" for tag in tags), "---"])


def _sources(sources: tuple[TrainingSource, ...]) -> str:
    header = ("source", "licence", "clips", "hours", "credit")
    rows = [(s.name, s.licence, f"{s.clips:,}", f"{s.hours:.2f}", s.credit) for s in sources]
    total = ("all", "", f"{sum(s.clips for s in sources):,}", f"{sum(s.hours for s in sources):.2f}", "")
    return _table(header, [*rows, total])


def _facts(card: ModelCard) -> str:
    facts = {
        "date": card.date,
        "machine": card.machine,
        "seed": str(card.seed),
        "code revision": card.code_revision,
        "sha256 of model.safetensors": card.weights_sha256,
    }
    return _table(("", ""), ((name, value) for name, value in facts.items() if value))


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    cells = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(_line(cell) for cell in row) + " |" for row in cells)


def _line(text: str) -> str:
    """One line that can't break a table, whatever a data set's credits hold."""
    return " ".join(text.replace("|", "\\|").split())
