"""The dry side of a scene: where a clip has sound, how loud it is there, and its samples, each decoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import AudioError
from open_elsa.scenes import places
from open_elsa.sound import audio

Float32 = NDArray[np.float32]
T = TypeVar("T")

#: What lies this far under a clip's loudest moment at its start and end counts as silence and is trimmed.
TRIM_DB = -45.0
#: Cuts through a sound are faded over this time, so that they do not click.
FADE_S = 0.005
_STEP_S = 0.01


class Cache(Generic[T]):
    """Keeps the latest `size` values that were made; picklable, so that it can travel into worker processes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._held: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return the value of the key, made now if it is not held."""
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        value = make()
        self._held[key] = value
        while len(self._held) > self.size:
            self._held.popitem(last=False)
        return value

    def __getstate__(self) -> dict[str, int]:
        return {"size": self.size}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(state["size"])  # type: ignore[misc]


@dataclass(frozen=True, eq=False)
class Profile:
    """Where a clip has sound: from start_s to stop_s; power (k,) is its mean square in steps of step_s, about 10 ms."""

    start_s: float
    stop_s: float
    step_s: float
    power: NDArray[np.float64]

    @property
    def loudest(self) -> tuple[float, float]:
        """When the loudest 10 ms begin, in seconds, and their level in dB below full scale."""
        at = int(np.argmax(self.power))
        return at * self.step_s, 10.0 * float(np.log10(self.power[at]))

    def level_dbfs(self, start_s: float, duration_s: float) -> float:
        """RMS level of a stretch in dB below full scale, silence outside the clip not counted; -inf where silent."""
        first, last = round(max(start_s, 0.0) / self.step_s), round((start_s + duration_s) / self.step_s)
        part = self.power[first : max(last, first + 1)]
        mean = float(part.mean()) if part.size else 0.0
        return 10.0 * float(np.log10(mean)) if mean > 0 else float("-inf")


def mono(path: str, sample_rate: int | None = None) -> tuple[Float32, int]:
    """Read a clip as mono (n,), W of an ambisonic one, at its own rate or another; AudioError names a bad file.

    path: of a file of this machine, or a URL that fsspec knows; DataError when its store does not answer.
    """
    sound = audio.read(places.sound_file(path))
    if sample_rate is not None:
        sound = audio.to_rate(sound, sample_rate)
    return sound.w, sound.sample_rate


def profile(path: str) -> Profile:
    """Measure a clip; raises AudioError for a file that cannot be read or holds only silence."""
    samples, rate = mono(path)
    start, stop = audio.active_span(samples, rate, TRIM_DB)
    if stop <= start:
        raise AudioError(f"{path} is silent; take it out of the set")
    step = max(1, round(_STEP_S * rate))
    edges = np.arange(0, samples.size, step)
    sums = np.add.reduceat(np.square(samples, dtype=np.float64), edges)
    return Profile(start / rate, stop / rate, step / rate, sums / np.diff(np.append(edges, samples.size)))


def loud_start(profile: Profile, duration_s: float, rng: np.random.Generator) -> float:
    """Draw where in a clip that sounds for longer to start, in seconds: of a few random places the loudest.

    So no scene falls into a pause of its clip. Where none of the places has a sound, it is the clip's loudest moment.
    """
    spare_s = duration_s - (profile.stop_s - profile.start_s)  # below zero
    starts = [round(profile.start_s + float(s), 4) for s in rng.uniform(0.0, -spare_s, 4)]
    levels = [profile.level_dbfs(s, duration_s) for s in starts]
    best = int(np.argmax(levels))
    loudest_s, loudest_dbfs = profile.loudest
    if levels[best] < loudest_dbfs + TRIM_DB:  # a few sounds and long pauses: none of the places has one
        return round(min(max(loudest_s, profile.start_s), profile.start_s - spare_s), 4)
    return starts[best]


def stretch(samples: Float32, sample_rate: int, start_s: float, duration_s: float, length: int) -> Float32:
    """Cut (n,) from start_s for duration_s seconds into (length,); outside of the clip there is silence.

    A negative start puts silence before the clip. Where the cut goes through the sound it is faded over 5 ms.
    """
    out = np.zeros(length, dtype=np.float32)
    start = round(start_s * sample_rate)
    stop = min(start + round(duration_s * sample_rate), start + length)
    first, last = max(start, 0), min(stop, samples.size)
    if last <= first:
        return out
    part = samples[first:last].copy()
    fade = min(round(FADE_S * sample_rate), part.size // 2)
    if fade > 0:
        ramp = np.sin(0.5 * np.pi * (np.arange(fade, dtype=np.float32) + 0.5) / fade) ** 2
        if first > 0:
            part[:fade] *= ramp
        if last < samples.size:
            part[part.size - fade :] *= ramp[::-1]
    out[first - start : last - start] = part
    return out
