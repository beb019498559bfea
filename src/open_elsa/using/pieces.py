"""From whatever a person hands in to the pieces a model embeds: windows, at the model's rate, never too short."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from open_elsa.errors import AudioError
from open_elsa.model.config import ElsaConfig
from open_elsa.sound import audio
from open_elsa.sound.audio import Sound

#: One sound: a file, (samples, sample_rate) with samples (n,) mono or (4, n) AmbiX, or a Sound already read.
AudioLike: TypeAlias = str | Path | tuple[NDArray[Any], int] | Sound
#: One sound or several.
Audios: TypeAlias = AudioLike | Sequence[AudioLike] | Iterable[AudioLike]


@dataclass(frozen=True)
class Piece:
    """What is embedded at once.

    samples: (1 or 4, n) float32 at the model's rate, n at least the model's shortest; start_s, end_s: where in the
    source; level_db: RMS of W in dBFS before any repetition; silent: nothing to hear in it.
    """

    samples: NDArray[np.float32]
    start_s: float
    end_s: float
    source: str
    level_db: float
    silent: bool
    notes: tuple[str, ...]

    @property
    def spatial(self) -> bool:
        """True where the piece carries a sound field: four channels, not all silence beside W."""
        return self.samples.shape[0] == 4 and not self.silent


def as_list(sounds: Audios) -> list[AudioLike]:
    """One sound or several as a list; a bare array is refused because nobody could know its sample rate."""
    if isinstance(sounds, np.ndarray):
        raise AudioError("an array needs its sample rate: pass (samples, sample_rate)")
    if isinstance(sounds, str | Path | Sound):
        return [sounds]
    if isinstance(sounds, tuple) and len(sounds) == 2 and isinstance(sounds[0], np.ndarray):
        return [sounds]
    items = list(sounds)
    for k, item in enumerate(items):
        if isinstance(item, np.ndarray):
            raise AudioError(f"item {k}: an array needs its sample rate: pass (samples, sample_rate)")
    return items


def name_of(item: AudioLike) -> str:
    """What to call a sound in messages."""
    if isinstance(item, Sound):
        return item.source
    return str(item) if isinstance(item, str | Path) else "array"


def pieces(item: AudioLike, config: ElsaConfig, sample_rate: int, *, convention: str = "auto") -> Iterator[Piece]:
    """Cut one sound into windows of config.window_s, half overlapping, streaming from disk.

    A sound shorter than a window is one piece; one shorter than config.min_window_s (or than the window where
    config.repeat_to_window) is repeated up to it. Raises AudioError for what cannot be read or is not finite.
    """
    try:
        for window in audio.windows(item, config.window_s, config.window_s / 2, convention=convention):
            yield _piece(window.sound, window.start_s, window.end_s, config, sample_rate)
    except OSError as error:
        raise AudioError(f"{name_of(item)}: cannot be read: {error.strerror or error}") from error


def _piece(sound: Sound, start_s: float, end_s: float, config: ElsaConfig, sample_rate: int) -> Piece:
    notes = list(sound.notes)
    samples = audio.to_rate(sound, sample_rate, threads=torch.get_num_threads()).samples
    if samples.shape[1] == 0:
        raise AudioError(f"{sound.source}: {sound.duration_s * 1000:.3f} ms is too short to embed")
    if not np.isfinite(samples).all():
        raise AudioError(f"{sound.source}: not finite (NaN or inf) between {start_s:.1f} and {end_s:.1f} s")
    silent = audio.is_silent(samples[0])
    if silent and samples.shape[0] == 4 and not audio.is_silent(samples[1:]):
        notes.append("W is silent though other channels are not: is this AmbiX? see `elsa check-audio`")
    if silent:
        notes.append(f"silence between {start_s:.1f} and {end_s:.1f} s: no location")
    elif samples.shape[0] == 4 and audio.is_silent(samples[1:]):
        samples = samples[:1]
        notes.append("only W carries sound: taken as mono, no location")
    level_db = float(audio.level_dbfs(samples[0]))
    shortest_s = config.window_s if config.repeat_to_window else config.min_window_s
    shortest = math.ceil(shortest_s * sample_rate)
    if samples.shape[1] < shortest:
        notes.append(f"{end_s - start_s:.3f} s repeated up to {shortest_s:g} s")
        samples = np.tile(samples, (1, math.ceil(shortest / samples.shape[1])))[:, :shortest]
    return Piece(samples, start_s, end_s, sound.source, level_db, silent, tuple(notes))
