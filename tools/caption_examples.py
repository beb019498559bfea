"""Write the examples of docs/captions.md from the grammar itself: python tools/caption_examples.py [--check]."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from open_elsa.scenes.attributes import ATTRIBUTES, prompts, words_for
from open_elsa.scenes.captions import write_caption

PAGE = Path(__file__).parents[1] / "docs" / "captions.md"
START, STOP = "<!-- examples: python tools/caption_examples.py -->", "<!-- end of examples -->"
WHATS = ("dog", "glass breaking", "A woman talks nearby as water pours", "footsteps", None)


def examples() -> str:
    """The generated part of the page, the same on every machine."""
    rng = np.random.default_rng(2024)
    lines = ["", "| what | words of the scene | caption |", "|---|---|---|"]
    for i in range(15):
        what = WHATS[i % len(WHATS)]
        words = words_for(
            float(rng.uniform(-180, 180)),
            float(rng.uniform(-60, 60)),
            float(rng.uniform(0.5, 4)),
            float(rng.uniform(13, 277)),
            float(rng.uniform(0.1, 2)),
        )
        caption = write_caption(what, words, rng, style="brief" if i >= 10 else "full")
        facts = ", ".join(w for name in ATTRIBUTES if (w := getattr(words, name))) or "none"
        lines.append(f"| {what or '(none)'} | {facts} | {caption.text} |")
    lines += ["", "Zero-shot prompts, first word of each attribute:", ""]
    for name, attribute in ATTRIBUTES.items():
        word = attribute.classes[0]
        lines.append(f"- {name} = {word}: " + "; ".join(prompts(name)[word]))
    return "\n".join([*lines, ""])


def main() -> int:
    """Rewrite the page, or with --check return 1 when it is out of date."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(START)
    _, tail = rest.split(STOP)
    fresh = f"{head}{START}\n{examples()}\n{STOP}{tail}"
    if "--check" in sys.argv[1:]:
        return int(fresh != text)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
