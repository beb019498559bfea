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


def starss(root: Path, year: int = 23) -> Path:
    """Two places, one after the other, and a third source over the second; the lines are those of the README."""
    name, split = "fold3_room21_mix001", "dev-train-sony"
    waves(root / "foa_dev" / split / f"{name}.wav", [(-50, 30), (10, -20)], seconds=0.5)
    far, near = (",180", ",243") if year == 23 else ("", "")
    lines = [f"{n},1,1,-50,30{far}" for n in range(5)] + [f"{n},1,2,10,-20{near}" for n in range(5, 10)]
    lines.insert(8, f"7,8,0,-40,0{',0' if year == 23 else ''}")
    table = root / "metadata_dev" / split / f"{name}.csv"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join(lines) + "\n")
    return root


def tut2018(root: Path, convention: str, kind: str = "ansyn", azimuth_sign: int = 1) -> Path:
    split = 8 if kind == "real" else 1
    places = [(60, 20), (-120, -30), (10, 40)]
    first = "audio/fold1/164312-3-1-0.wav" if kind == "real" else "speech001.wav"
    for part in ("train", "test"):
        name = f"{part}_0_desc_30_100"
        waves(root / f"wav_ov1_split{split}_30db" / f"{name}.wav", places, convention)
        rows = [f"{first},{0.5 * n},{0.5 * (n + 1)},{e},{azimuth_sign * a},2" for n, (a, e) in enumerate(places)]
        table = root / f"desc_ov1_split{split}" / f"{name}.csv"
        table.parent.mkdir(exist_ok=True)
        table.write_text("\n".join(["sound_event_recording,start_time,end_time,ele,azi,dist", *rows]) + "\n")
    return root


def spatial_librispeech_row(number: int, **more: object) -> dict[str, object]:
    bands = [float(f) for f in 1000.0 * 2.0 ** (np.arange(-16, 17) / 3)]
    row: dict[str, object] = {
        "sample_id": number,
        "split": "train",
        "lite_version": False,
        "speech/azimuth": np.pi / 2,
        "speech/elevation": -np.pi / 6,
        "speech/distance": 1.5,
        "speech/librispeech_metadata/reader_sex": "F",
        "acoustics/frequency_bins": bands,
        "acoustics/t30_ms": [400.0 if 390 < f < 1270 else 900.0 for f in bands],
        "room/room_id": 7,
        "room/floor_area": 24.5,
        "room/volume": float("nan"),
    }
    return {**row, **more}
