"""Listening samples of a room simulator: short sounds in rooms from small and dry to large and reverberant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from open_elsa.app.report import fold_to_stereo
from open_elsa.scenes.render import render
from open_elsa.scenes.room_references import Simulator
from open_elsa.scenes.rooms import RoomRanges, draw_room
from open_elsa.scenes.scene import SourcePosition
from open_elsa.sound import audio

Float32 = NDArray[np.float32]

#: What is heard: room in words, ranges of floor area (m2) and T30 (s).
ROOMS: tuple[tuple[str, tuple[float, float], tuple[float, float]], ...] = (
    ("small, dry", (14.0, 18.0), (0.15, 0.18)),
    ("small, live", (16.0, 22.0), (0.5, 0.6)),
    ("mid-sized", (60.0, 80.0), (0.7, 0.8)),
    ("large, dry", (200.0, 250.0), (0.4, 0.5)),
    ("large, reverberant", (220.0, 270.0), (2.0, 2.4)),
)
#: Where it comes from in every room: half left, a little up, so that left and right are heard.
PLACE = SourcePosition(50.0, 8.0, 1.3)


@dataclass(frozen=True)
class Sample:
    """One sound in one room: names for people, measured T30 and DRR, a 4-channel FLAC and its stereo fold."""

    room: str
    sound: str
    floor_area_m2: float
    t30_s: float
    drr_db: float
    flac: Path
    stereo: Path


def clap(sample_rate: int, rng: np.random.Generator) -> Float32:
    """A hand clap: noise around 1.5 kHz that is gone after 15 ms."""
    times = np.arange(round(0.03 * sample_rate)) / sample_rate
    noise = _band(rng.standard_normal(times.size), sample_rate, 600.0, 5000.0)
    return _scaled(noise * np.exp(-times / 0.003))


def click(sample_rate: int, rng: np.random.Generator) -> Float32:
    """One click: the response itself, below 16 kHz."""
    pulse = np.zeros(round(0.004 * sample_rate))
    pulse[pulse.size // 2] = 1.0
    return _scaled(_band(pulse, sample_rate, 40.0, 16_000.0))


def burst(sample_rate: int, rng: np.random.Generator) -> Float32:
    """A fifth of a second of noise, 100 Hz to 8 kHz, that starts and stops at once."""
    return _scaled(_band(rng.standard_normal(round(0.2 * sample_rate)), sample_rate, 100.0, 8000.0))


SOUNDS: dict[str, Callable[[int, np.random.Generator], Float32]] = {"clap": clap, "click": click, "noise burst": burst}


def write_samples(simulate: Simulator, folder: Path, seed: int = 0, sample_rate: int = 48_000) -> list[Sample]:
    """Render every sound in every room into `folder`, as 4-channel FLAC and as stereo Ogg; existing ones are replaced.

    Loudness is set once a sound, for all rooms alike, so that rooms can be compared.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for index, (name, area, t30) in enumerate(ROOMS):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(7, index)))
        # in the smallest room the place must stay inside, whichever way the array looks
        ranges = RoomRanges(floor_area_m2=area, t30_s=t30, aspect=(1.0, 1.1), array_to_wall_m=1.6)
        made.append((name, simulate(draw_room(rng, ranges, f"sample{index}"), PLACE, rng, sample_rate)))
    samples = []
    for sound, make in SOUNDS.items():
        dry = make(sample_rate, np.random.default_rng(seed))
        wet = [render(dry, response.response) for _, response in made]
        gain = np.float32(0.7 / max(float(np.abs(w).max()) for w in wet))
        for (name, response), w in zip(made, wet, strict=True):
            stem = f"{sound}-{name}".replace(", ", "-").replace(" ", "-")
            flac = audio.write(folder / f"{stem}.flac", w * gain, sample_rate, overwrite=True)
            stereo = fold_to_stereo(w * gain)
            ogg = audio.write(folder / f"{stem}.ogg", stereo, sample_rate, overwrite=True)
            found = response.acoustics
            samples.append(Sample(name, sound, response.floor_area_m2 or 0.0, found.t30_s, found.drr_db, flac, ogg))
    return samples


def _band(samples: NDArray[np.float64], sample_rate: int, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """What of a signal lies in a band, with raised-cosine sides half an octave wide."""
    hertz = np.fft.rfftfreq(samples.size, 1.0 / sample_rate)
    octaves = np.log2(np.maximum(hertz, 1e-3))
    rise = np.clip(2.0 * (octaves - np.log2(low_hz)) + 1.0, 0.0, 1.0)
    fall = np.clip(2.0 * (np.log2(high_hz) - octaves) + 1.0, 0.0, 1.0)
    gain = np.square(np.sin(0.5 * np.pi * rise) * np.sin(0.5 * np.pi * fall))
    return np.asarray(np.fft.irfft(np.fft.rfft(samples) * gain, samples.size))


def _scaled(samples: NDArray[np.float64]) -> Float32:
    return np.asarray(0.9 * samples / np.abs(samples).max(), dtype=np.float32)
