"""The small world: eight sounds that nobody confuses, in a folder; four rooms; and plane waves without a room."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from open_elsa.corpora import load
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.sound import audio, foa
from open_elsa.training.clip_store import build_store
from open_elsa.training.examples import TrainData

RATE = 32000
Signal = NDArray[np.float64]


def _envelope(t: Signal, every_s: float, decay_s: float) -> Signal:
    return np.exp(-(t % every_s) / decay_s)


def _tones(t: Signal, partials: dict[float, float]) -> Signal:
    return np.sum([a * np.sin(2 * np.pi * hz * t) for hz, a in partials.items()], axis=0)


def _sweep(t: Signal, low: float, high: float, every_s: float) -> Signal:
    hz = low + (high - low) * (t % every_s) / every_s
    return np.sin(2 * np.pi * np.cumsum(hz) / RATE)


def _band(noise: Signal, low: float, high: float) -> Signal:
    spectrum = np.fft.rfft(noise)
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)
    return np.fft.irfft(np.where((hz > low) & (hz < high), spectrum, 0), len(noise))


#: label -> (captions, how it sounds from time in s and white noise of the same length)
SOUNDS: dict[str, tuple[tuple[str, str], Callable[[Signal, Signal], Signal]]] = {
    "hum": (
        ("a transformer humming", "an electric hum"),
        lambda t, n: _tones(t, {100: 1, 200: 0.8, 300: 0.6, 700: 0.4}),
    ),
    "whistle": (("a kettle whistling", "a shrill whistle"), lambda t, n: _tones(t, {3100: 1, 6200: 0.3}) + 0.02 * n),
    "clicks": (("a clock ticking", "a ticking clock"), lambda t, n: n * _envelope(t, 0.25, 0.004)),
    "hiss": (("steam hissing", "hissing steam"), lambda t, n: _band(n, 4000, 11000)),
    "bird": (("a bird chirping", "a small bird singing"), lambda t, n: _sweep(t, 2500, 5500, 0.12) * (t % 0.4 < 0.24)),
    "bell": (
        ("a bell ringing", "a church bell"),
        lambda t, n: _tones(t, {420: 1, 1130: 0.7, 1950: 0.5}) * _envelope(t, 0.9, 0.3),
    ),
    "siren": (("a siren wailing", "a wailing siren"), lambda t, n: _sweep(t, 500, 1600, 0.8)),
    "thunder": (("thunder rumbling", "a storm rumbling"), lambda t, n: _band(n, 40, 250) * _envelope(t, 1.0, 0.35)),
}


def sound(label: str, seconds: float = 1.6, seed: int = 0) -> NDArray[np.float32]:
    """One take (n,) of a sound at RATE."""
    t = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng([seed, list(SOUNDS).index(label)]).standard_normal(len(t))
    made = SOUNDS[label][1](t + 0.013 * seed, noise)
    return (0.5 * made / np.abs(made).max()).astype(np.float32)


def write_corpus(folder: Path, splits: tuple[str, ...] = ("train",)) -> Path:
    """A folder that `corpora.load` reads: one take of every sound in every split."""
    folder.mkdir(parents=True)
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "caption", "caption_2", "label", "split", "licence"))
        for take, split in enumerate(splits):
            for label, (captions, _) in SOUNDS.items():
                audio.write(folder / f"{label}-{split}.wav", sound(label, seed=take)[None], RATE)
                rows.writerow((f"{label}-{split}.wav", *captions, label, split, "CC0-1.0"))
    return folder


def make_world(folder: Path, *, rooms: int = 4, seed: int = 1) -> TrainData:
    """The sounds in simulated rooms."""
    clips = load(write_corpus(folder / "sounds")).clips
    bank = make_bank(folder / f"bank-{seed}", rooms=rooms, positions_per_room=4, seed=seed, sample_rate=RATE)
    return TrainData(clips, build_store(folder, clips, RATE), bank)


@dataclass
class PlaneWaves:
    """What `SceneBatches` reads of a bank: sources without a room, so that intensity points exactly at them."""

    azimuth_deg: NDArray[np.float64]
    elevation_deg: NDArray[np.float64]
    distance_m: float = 2.0
    floor_area_m2: float = 60.0
    t30_s: float = 0.4
    sample_rate: int = RATE

    @property
    def table(self) -> pa.Table:
        n = len(self)
        return pa.table(
            {
                "room_id": [f"room-{i // 4}" for i in range(n)],
                "azimuth_deg": self.azimuth_deg,
                "elevation_deg": self.elevation_deg,
                "distance_m": np.full(n, self.distance_m),
                "floor_area_m2": np.full(n, self.floor_area_m2),
                "volume_m3": np.full(n, 3 * self.floor_area_m2),
                "t30_s": np.full(n, self.t30_s),
                "drr_db": np.full(n, 10.0),
                "arrival_s": np.full(n, 40 / self.sample_rate),
                "t30_bands_s": [[self.t30_s] * 19 + [float("nan")]] * n,
                "drr_bands_db": [[10.0] * 20] * n,
            }
        )

    def __len__(self) -> int:
        return len(self.azimuth_deg)

    def response(self, i: int) -> NDArray[np.float32]:
        """A single impulse from the direction, (4, 256)."""
        pulse = np.zeros(256)
        pulse[40] = 1.0
        return foa.encode(pulse, float(self.azimuth_deg[i]), float(self.elevation_deg[i]))


def plane_waves(n: int = 24, seed: int = 0) -> PlaneWaves:
    """Sources all around, none beyond 60 degrees up or down."""
    rng = np.random.default_rng(seed)
    return PlaneWaves(rng.uniform(-180, 180, n), rng.uniform(-60, 60, n))


def anechoic_world(folder: Path) -> TrainData:
    """The sounds as plane waves."""
    clips = load(write_corpus(folder / "sounds")).clips
    bank: RoomBank = plane_waves()  # type: ignore[assignment]  # as much of one as training reads
    return TrainData(clips, build_store(folder, clips, RATE), bank)
