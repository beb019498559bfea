"""Write the examples of docs/captions.md from the grammar itself: python tools/caption_examples.py [--check]."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from open_elsa.scenes.attributes import ATTRIBUTES, EIGHT, prompts, words_for
from open_elsa.scenes.captions import write_caption
from open_elsa.scenes.telling import Heard, tell_several

PAGE = Path(__file__).parents[1] / "docs" / "captions.md"
START, STOP = "<!-- examples: python tools/caption_examples.py -->", "<!-- end of examples -->"
WHATS = ("dog", "glass breaking", "A woman talks nearby as water pours", "footsteps", None)
SCENES = {
    "A dog at 92°, 50° up, 0.8 m, and rain at -140°, level, 6 m": (
        Heard("a dog barks", 92.0, 50.0, 0.8),
        Heard("rain", -140.0, 0.0, 6.0),
    ),
    "A car from 80° to -85°, 4 m away all along an arc": (Heard("car", 80.0, 0.0, 4.0, -85.0),),
}


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
    for title, sources in SCENES.items():
        lines += ["", f"{title}, in a room of 120 m² with a T30 of 1.4 s:", ""]
        told = tell_several(sources, rng, n=12, floor_area_m2=120.0, t30_s=1.4)
        lines += [f"- *{one.detail}*: {one.text}" for one in told]
    lines += ["", "Zero-shot prompts, one word of each attribute:", ""]
    asked = {name: attribute.classes[0] for name, attribute in ATTRIBUTES.items()} | {EIGHT.name: "front left"}
    lines += [f"- {name} = {word}: " + "; ".join(prompts(name)[word]) for name, word in asked.items()]
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
