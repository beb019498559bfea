"""Noise in first-order ambisonics: sensors and diffuse fields, white, pink, of any slope, or from recordings.

A diffuse field reaches the array evenly from everywhere: in SN3D its Y, Z and X each carry a third of W's power, and
no two channels are correlated. Sensor noise is equally strong in every channel.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from open_elsa.errors import AudioError, ConfigError, DataError
from open_elsa.scenes.scene import Ambience
from open_elsa.sound import audio, foa
from open_elsa.sound.files import SUFFIXES

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Named colours: the noise's power falls as 1 / frequency to this power.
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
#: A colour that is drawn for every scene from (low, high).
DRAWN = "coloured"
DRAWN_COLOURS = (0.0, 2.0)
#: Below this frequency noise is flat, or pink noise would be all rumble.
_FLAT_BELOW_HZ = 40.0
#: Length of the random-phase filters that make a mono recording diffuse (Kendall 1995 takes about as much).
_DIFFUSE_S = 0.02
#: Corners of an icosahedron: plane waves from them add up to an exactly isotropic field at first order.
_GOLDEN = (1.0 + 5.0**0.5) / 2.0
_CORNERS = np.array(
    [np.roll((0.0, a, b * _GOLDEN), turn) for turn in range(3) for a in (-1.0, 1.0) for b in (-1.0, 1.0)]
) / np.hypot(1.0, _GOLDEN)


def spectrum_divisor(frequencies_hz: NDArray[np.floating], colour: float) -> Float64:
    """Amplitude by which a white spectrum is divided to give power ~ 1 / f^colour; flat below 40 Hz."""
    slope: Float64 = np.sqrt(np.maximum(frequencies_hz, _FLAT_BELOW_HZ)) ** colour
    return slope


def coloured(white: Float32, sample_rate: int, colour: float) -> Float32:
    """Give white noise (..., n) a spectrum whose power falls as 1 / f^colour, at no particular level."""
    if colour == 0.0:
        return white
    spectrum = np.fft.rfft(white, axis=-1)
    hz = np.fft.rfftfreq(white.shape[-1], 1 / sample_rate)
    return np.fft.irfft(spectrum / spectrum_divisor(hz, colour), white.shape[-1], axis=-1).astype(np.float32)


def make_diffuse(noise: Float32) -> Float32:
    """Turn four equally strong independent signals (4, n) into a diffuse field, in place: a third each for Y, Z, X."""
    noise[1:] *= np.float32(np.sqrt(1 / 3))
    return noise


def add_white(scene: Float32, snr_db: float, rng: np.random.Generator, *, diffuse: bool) -> None:
    """Add white noise to a scene (4, n) in place, so that W's RMS lies snr_db above that of the noise in W.

    diffuse: Y, Z, X hold a third of W's power each; else, as a sensor makes it, every channel holds the same.
    """
    rms = float(np.sqrt(np.mean(np.square(scene[0], dtype=np.float64))))
    scene += white(scene.shape, rms * 10.0 ** (-snr_db / 20.0), rng, diffuse=diffuse)


def white(shape: tuple[int, ...], rms: float, rng: np.random.Generator, *, diffuse: bool) -> Float32:
    """White noise (4, n) of an RMS in W; diffuse as in `add_white`."""
    level = np.full((4, 1), rms, dtype=np.float32)
    if diffuse:
        make_diffuse(level)
    return rng.standard_normal(shape, dtype=np.float32) * level


class NoisePool:
    """A few seconds of unit-power first-order noise, white and pink, cut at random places instead of drawn anew."""

    def __init__(self, sample_rate: int, seconds: float = 30.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        n = int(seconds * sample_rate)
        white = rng.standard_normal((4, n), dtype=np.float32)
        pink = coloured(rng.standard_normal((4, n), dtype=np.float32), sample_rate, COLOURS["pink"])
        self.kinds = (white, pink / pink.std())

    def cut(self, n: int, rng: np.random.Generator, *, diffuse: bool) -> Float32:
        """(4, n) noise of unit power in W; diffuse: Y, Z, X carry a third each, else (sensor) all are equal."""
        kind = self.kinds[rng.integers(len(self.kinds))]
        start = rng.integers(kind.shape[1] - n)
        noise = kind[:, start : start + n].copy()
        return make_diffuse(noise) if diffuse else noise


@dataclass(frozen=True)
class Recordings:
    """A folder of recorded ambience: (name, seconds, bytes) of every sound in it, sorted by name."""

    folder: Path
    files: tuple[tuple[str, float, int], ...]

    @classmethod
    def scan(cls, folder: str | Path, at_least_s: float) -> Recordings:
        """List the recordings, mono or first-order ambisonic; DataError names a folder without any that is long enough.

        at_least_s: shorter recordings cannot fill a scene and are refused by name.
        """
        root = Path(folder)
        if not root.is_dir():
            raise DataError(
                f"there is no folder of ambience at {root}; name one, or a colour: {', '.join((*COLOURS, DRAWN))}"
            )
        found = []
        for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
            try:
                seconds = audio.info(path).duration_s
            except AudioError as error:
                raise DataError(f"a recording of ambience cannot be used: {error}; mend it or take it out") from error
            if seconds < at_least_s:
                raise DataError(
                    f"{path} lasts {seconds:.2f} s, the scenes up to {at_least_s:g} s; take it out or make them shorter"
                )
            found.append((path.relative_to(root).as_posix(), seconds, path.stat().st_size))
        if not found:
            raise DataError(f"{root} holds no recordings of ambience; looked for {' '.join(SUFFIXES)}")
        return cls(root, tuple(found))

    def digest(self) -> str:
        """Hash of the names, lengths and sizes."""
        return hashlib.sha256(json.dumps(self.files).encode()).hexdigest()[:16]


def check_kind(kind: str) -> None:
    """Raise ConfigError unless `kind` is a colour or a folder."""
    if kind not in (*COLOURS, DRAWN) and not Path(kind).is_dir():
        raise ConfigError(
            f"ambience is {', '.join((*COLOURS, DRAWN))} or a folder of recordings that exists, not {kind!r}"
        )


def draw(
    rng: np.random.Generator, kind: str, snr_db: tuple[float, float], seconds: float, recordings: Recordings | None
) -> Ambience:
    """Draw the ambience of one scene of so many seconds; recordings: for a folder, what `Recordings.scan` found."""
    level = round(float(rng.uniform(*snr_db)), 2)
    seed = int(rng.integers(2**62))
    if recordings is None:
        colour = COLOURS.get(kind)
        return Ambience(level, round(float(rng.uniform(*DRAWN_COLOURS)), 3) if colour is None else colour, seed=seed)
    name, lasts_s, _ = recordings.files[int(rng.integers(len(recordings.files)))]
    start_s = round(float(rng.uniform(0.0, max(lasts_s - seconds - 0.01, 0.0))), 3)
    yaw_deg = round(float(rng.uniform(-180.0, 180.0)), 1)
    return Ambience(level, None, recording=name, start_s=start_s, yaw_deg=yaw_deg, seed=seed)


def ambience(drawn: Ambience, n: int, sample_rate: int, folder: Path | None = None) -> Float32:
    """The diffuse sound (4, n) AmbiX of an ambience, at no particular level; folder: where its recording is.

    Noise is an exactly diffuse field. A recording of four channels is heard as it is, turned by yaw_deg; of a mono
    one the field is made by random-phase plane waves from the twelve corners of an icosahedron.
    """
    rng = np.random.default_rng(drawn.seed)
    if not drawn.recording:
        white = rng.standard_normal((4, n), dtype=np.float32)
        return make_diffuse(coloured(white, sample_rate, drawn.colour or 0.0))
    if folder is None:
        raise DataError(f"the ambience {drawn.recording!r} is a recording; say in which folder it is")
    path = folder / drawn.recording
    sound = audio.to_rate(audio.read(path, start_s=drawn.start_s, duration_s=n / sample_rate + 0.01), sample_rate)
    if sound.samples.shape[1] < n:
        raise AudioError(f"{path} ends before {drawn.start_s + n / sample_rate:.2f} s; was it replaced?")
    if sound.is_spatial:
        return foa.rotate(sound.samples[:, :n], foa.rotation_matrix(drawn.yaw_deg))
    return _diffuse_of_mono(sound.w[:n], sample_rate, rng)


def add_ambience(scene: Float32, field: Float32, snr_db: float) -> None:
    """Add a field (4, n) to a scene in place, so that the scene's W lies exactly snr_db above the field's, by RMS."""
    wanted, found = (float(np.mean(np.square(x[0], dtype=np.float64))) for x in (scene, field))
    if found <= 0.0:
        raise AudioError("an ambience is silent; take that recording out of its folder")
    scene += field * np.float32(np.sqrt(wanted / found) * 10.0 ** (-snr_db / 20.0))


def _diffuse_of_mono(mono: Float32, sample_rate: int, rng: np.random.Generator) -> Float32:
    from open_elsa.scenes.render import render

    filters = _random_phase(round(_DIFFUSE_S * sample_rate), rng)
    gains = np.concatenate([np.ones((12, 1)), _CORNERS[:, [1, 2, 0]]], axis=1)  # W, Y, Z, X of each plane wave
    response = (gains.T @ filters / np.sqrt(12.0)).astype(np.float32)
    return render(mono, response, length=mono.size)


def _random_phase(taps: int, rng: np.random.Generator) -> Float64:
    """Twelve filters (12, taps) of flat magnitude and random phase. Source: Kendall 1995, decorrelation of audio."""
    phase = rng.uniform(-np.pi, np.pi, (12, taps // 2 + 1))
    phase[:, 0] = 0.0
    if taps % 2 == 0:
        phase[:, -1] = 0.0
    return np.asarray(scipy.fft.irfft(np.exp(1j * phase), taps, axis=1), dtype=np.float64)
