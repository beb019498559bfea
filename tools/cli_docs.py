"""Write docs/cli.md from the real --help of every command; `--check` only says whether it is current."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"

INTRO = """# Command line

This page is what `--help` prints, written by `python tools/cli_docs.py`.

Every command is one call of the library. Results go to stdout, everything else to stderr; with `--json` stdout is one
JSON document. Exit codes: 0 done, 1 failed (one line on stderr says what, where and how to mend it; `--debug` adds the
traceback), 2 the command line cannot mean anything, 130 interrupted. Nothing is overwritten without `--force`. What
takes long (`index`, `rooms make`, `scenes make`, `scenes export`, `train`) goes on where it stopped when the same
command is run again.

Azimuth is counted counter-clockwise seen from above: 0° ahead, +90° left, −90° right. Four-channel files without a word
on their convention are taken as AmbiX (W Y Z X, SN3D); `--convention` says otherwise, and `elsa check-audio` helps to
find out.
"""


def page() -> str:
    """The whole page."""
    from open_elsa.app import cli

    parts = [INTRO, f"```text\n{cli.top_help().rstrip()}\n```\n"]
    for name in cli.COMMANDS:
        summary = cli.SUMMARY[name][0].upper() + cli.SUMMARY[name][1:]
        parts.append(f"## elsa {name}\n\n{summary}.\n\n```text\n{help_of(name)}\n```\n")
    return "\n".join(parts)


def help_of(name: str) -> str:
    """What `elsa NAME --help` prints, without frames and trailing spaces, so that no terminal changes it."""
    from open_elsa.app import cli

    out = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        with contextlib.redirect_stdout(out):
            cli.main([*name.split(), "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    lines = []
    for line in out.getvalue().splitlines():
        bare = re.sub(r"^[│╭╰]─? ?|[ ─]*[│╮╯]$", "", line).rstrip(" ─-")
        title = re.match(r"[╭ ]─* ?(positional arguments|options)\b", line)
        lines.append(f"{title[1]}:" if title else bare)
    text = "\n".join(line for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def same(a: str, b: str) -> bool:
    """Equal but for white space, which depends on the parser's version."""
    return a.split() == b.split()


def main() -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" in sys.argv:
        current = PAGE.is_file() and same(PAGE.read_text(encoding="utf-8"), text)
        print("docs/cli.md is current" if current else "docs/cli.md is not current: run python tools/cli_docs.py")
        return 0 if current else 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
