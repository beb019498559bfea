"""The examples run: on a small world, with a model that needs no weights."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from test_demo import Listener

import open_elsa
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    audio.write(tmp_path / "left.wav", foa.encode(noise, 90.0), 16000)
    audio.write(tmp_path / "mono.wav", noise, 16000)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr(open_elsa, "load", lambda: Embedder(Listener()), raising=False)
    monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_search_a_folder(sounds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "search_a_folder.py", sounds, "a dog barking")
    anywhere, left = capsys.readouterr().out.split("on the left:")
    assert "left.wav" in anywhere and "mono.wav" in anywhere
    assert "left.wav" in left and "mono.wav" not in left


def test_make_a_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "make_a_scene.py", tmp_path / "scene.flac")
    assert audio.read(tmp_path / "scene.flac").is_spatial
    assert "heard: Location(azimuth_deg=" in capsys.readouterr().out


def test_zero_shot(sounds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "zero_shot.py", sounds / "left.wav", sounds / "mono.wav")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all("%" in line for line in lines)
