from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import open_elsa
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "using"))

from fake import FakeModel  # noqa: E402


def test_the_cli_page_is_what_help_prints() -> None:
    spec = importlib.util.spec_from_file_location("cli_docs", ROOT / "tools" / "cli_docs.py")
    assert spec is not None and spec.loader is not None
    cli_docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cli_docs)
    current = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert cli_docs.same(current, cli_docs.page()), "run python tools/cli_docs.py"
    assert not cli_docs.same(current, current.replace("--json", "--jsno", 1))


def test_the_python_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rate = 16000
    (tmp_path / "recordings").mkdir()
    for name, seconds, azimuth in (("dog", 1, 90), ("street", 2, -30), ("long", 30, 170)):
        sound = foa.encode(0.1 * rng.standard_normal(seconds * rate), azimuth)
        audio.write(tmp_path / f"{name}.wav", sound, rate)
        audio.write(tmp_path / "recordings" / f"{name}.wav", sound, rate)
    audio.write(tmp_path / "bird.wav", 0.1 * rng.standard_normal((1, rate)).astype(np.float32), rate)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(open_elsa, "load", lambda: Embedder(FakeModel(window_s=10.0)))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 8
    exec(compile("\n".join(blocks), "docs/python.md", "exec"), {"__name__": "docs"})
