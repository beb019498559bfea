"""Scenes of several sources: each placed in time and in the room, then added; ambience under them; then the array."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes import material, microphone, noise
from open_elsa.scenes.moving import render_moving
from open_elsa.scenes.render import render
from open_elsa.scenes.scene import Scene, Source
from open_elsa.scenes.scene_files import Bank

Float32 = NDArray[np.float32]

#: Frame of everything that is told over time, as in DCASE's task of localisation: 100 ms.
FRAME_S = 0.1


def place(samples: Float32, sample_rate: int, source: Source, length: int) -> Float32:
    """The dry sound of a source in its scene: its stretch of a clip (n,) at its onset, gain applied; (length,)."""
    out = np.zeros(length, dtype=np.float32)
    first = min(round(source.onset_s * sample_rate), length)
    sounding = min(round(source.duration_s * sample_rate), length - first)
    if sounding > 0:
        part = material.stretch(samples, sample_rate, source.start_s, source.duration_s, sounding)
        out[first : first + sounding] = part * np.float32(10.0 ** (source.gain_db / 20.0))
    return out


def wet(source: Source, dry: Float32, bank: Bank) -> Float32:
    """A source as heard at its room's array, alone: (n,) dry to (4, n) AmbiX."""
    at = bank.index(source.response_id)
    if source.path is None:
        return render(dry, bank.response(at), length=dry.size)
    made = bank[at]
    if made.room is None:
        raise DataError(f"the response {source.response_id} is measured; sources can walk in simulated rooms only")
    return render_moving(dry, made.room, made.position, source.path, bank.sample_rate, dry.size)


def mix(parts: Iterable[Float32], scene: Scene, sample_rate: int, recordings: Path | None = None) -> Float32:
    """Add the sources of a scene as heard alone, each (4, n), with its ambience, through its array: (4, n) AmbiX.

    recordings: the folder of recorded ambience. White sensor noise comes last: a third each in Y, Z, X as in a scene of
    one source, or as strong in every channel where the scene says what microphone hears it.
    """
    out: Float32 | None = None
    for part in parts:
        out = part.copy() if out is None else out + part
    if out is None:
        raise DataError(f"the scene {scene.id} has no sources")
    if scene.ambience is not None:
        field = noise.ambience(scene.ambience, out.shape[1], sample_rate, recordings)
        noise.add_ambience(out, field, scene.ambience.snr_db)
    rng = np.random.default_rng(scene.seed)
    if scene.microphone is not None:
        out = microphone.hear(out, sample_rate, scene.microphone)
        if scene.microphone.noise_snr_db is not None:
            noise.add_white(out, scene.microphone.noise_snr_db, rng, diffuse=False)
    if scene.snr_db is not None:
        noise.add_white(out, scene.snr_db, rng, diffuse=True)
    return out


def level_db(heard: Float32, sample_rate: int, source: Source) -> float:
    """Level of W (dB, RMS, of full scale 1) while a source heard alone, (4, n), sounds in its scene."""
    first = round(source.onset_s * sample_rate)
    part = heard[0, first : first + max(1, round(source.duration_s * sample_rate))]
    power = float(np.mean(np.square(part, dtype=np.float64))) if part.size else 0.0
    return 10.0 * float(np.log10(power)) if power > 0 else float("-inf")


def active_frames(dry: Float32, sample_rate: int) -> list[bool]:
    """Whether a dry sound (n,) is heard in each frame of 100 ms: 10 ms of it within 45 dB of its loudest 10 ms."""
    step = max(1, round(0.01 * sample_rate))
    frames = max(1, round(dry.size / sample_rate / FRAME_S))
    power = np.zeros(frames * 10)
    sums = np.add.reduceat(np.square(dry, dtype=np.float64), np.arange(0, dry.size, step))[: power.size]
    power[: sums.size] = sums
    loud = power > power.max() * 10.0 ** (material.TRIM_DB / 10.0)
    return [bool(v) for v in loud.reshape(frames, 10).any(axis=1)]


def frame_times(frames: int) -> NDArray[np.float64]:
    """The middle of each frame in seconds, (frames,)."""
    return np.asarray((np.arange(frames) + 0.5) * FRAME_S, dtype=np.float64)
