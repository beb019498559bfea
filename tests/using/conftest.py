"""A fake embedder and small recordings, so that no weights are needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake import FakeModel

from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder


@pytest.fixture
def embedder() -> Embedder:
    return Embedder(FakeModel(), batch_size=8)


def tone(hz: float, seconds: float, rate: int = 16000, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tones of three lengths: low on the left, middle behind, high in mono."""
    root = tmp_path / "sounds"
    (root / "deep").mkdir(parents=True)
    audio.write(root / "low.wav", foa.encode(tone(400, 3.1), 90), 16000)
    audio.write(root / "deep" / "middle.flac", foa.encode(tone(1200, 2.0), 180, 10), 16000)
    audio.write(root / "high.wav", tone(4500, 0.7)[None], 16000)
    return root


@pytest.fixture
def sine() -> Callable[..., np.ndarray]:
    return tone
