"""Tiny data sets in the layouts of the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


def tone(path: Path, seconds: float = 0.3, hz: float = 440.0, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32), rate)
    return path


def esc50(root: Path) -> Path:
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold, number, category, esc10 in [
        (1, 100032, "dog", "True"),
        (2, 5555, "crying_baby", "False"),
        (3, 777, "dog", "True"),
        (4, 888, "sea_waves", "False"),
        (5, 999, "rain", "False"),
    ]:
        name = f"{fold}-{number}-A-0.wav"
        rows.append(f"{name},{fold},0,{category},{esc10},{number},A")
        tone(root / "audio" / name)
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return root
