"""The command line as tests run it: in this process, with what it printed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from open_elsa.app import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `elsa` with some words: (exit code, stdout, stderr)."""

    def go(*words: object) -> tuple[int, str, str]:
        code = cli.main([str(w) for w in words])
        out, err = capsys.readouterr()
        return code, out, err

    return go
