"""Tiny data sets in the layouts of the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from open_elsa.sound import foa

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


def wave(
    path: Path, azimuth_deg: float, elevation_deg: float = 0.0, convention: str = "ambix", **options: float
) -> Path:
    """A plane wave of noise in a FOA file of a convention; `waves` has several, one after the other."""
    return waves(path, [(azimuth_deg, elevation_deg)], convention, **options)


def waves(
    path: Path, places: list[tuple[float, float]], convention: str = "ambix", seconds: float = 0.5, rate: int = RATE
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    parts = [foa.encode(0.1 * rng.standard_normal(round(seconds * rate)), *place) for place in places]
    samples = foa.to_convention(np.concatenate(parts, axis=1), convention)
    soundfile.write(path, samples.T, rate, subtype="FLOAT" if path.suffix == ".wav" else "PCM_16")
    return path
