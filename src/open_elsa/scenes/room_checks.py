"""The checks of `room_check` with their bars: how numbers room by room become passed or missed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from open_elsa.scenes.room_measures import DirectSound, Tail
from open_elsa.scenes.room_report import Check, Reference, RoomNumbers, judge
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ, THIRD_OCTAVE_BANDS_HZ

#: Classes of full-band T30 in seconds; the outer and middle ones are the captions' words.
T30_CLASSES: tuple[tuple[float, float], ...] = ((0.0, 0.2), (0.2, 0.5), (0.5, 1.0), (1.0, math.inf))
#: Octaves whose T30 has a bar: 500 Hz to 4 kHz.
_BARRED_OCTAVES = range(2, 6)
_LIVELY_S = 0.5
#: Five octaves of `MODULATION_BANDS_HZ`.
_MODULATION_OCTAVES = slice(3, 18)
_FROM_630_HZ = THIRD_OCTAVE_BANDS_HZ.index(630)

Rooms = Sequence[RoomNumbers]


def simulator_checks(numbers: Rooms, *, references: bool) -> tuple[Check, ...]:
    """All checks of a simulator; `references`: with those against full image sources."""
    checks = [*_wholeness(numbers, repeated=True), *_direct(numbers), *_live(numbers), *_reverberation(numbers)]
    checks += _tail(numbers)
    return tuple(checks + (_against_images(numbers) if references else []))


def bank_checks(numbers: Rooms) -> tuple[Check, ...]:
    """The checks of responses that are stored: what needs no second simulation."""
    checks = [*_wholeness(numbers, repeated=False), *_live(numbers), *_reverberation(numbers), *_tail(numbers)]
    return tuple(checks)


def t30_class(seconds: float) -> str:
    """The class of a T30 in words: "0.2 to 0.5 s"."""
    low, high = next(c for c in T30_CLASSES if c[0] <= seconds < c[1])
    return f"below {high:g} s" if low == 0 else f"{low:g} s and more" if math.isinf(high) else f"{low:g} to {high:g} s"


def _wholeness(numbers: Rooms, *, repeated: bool) -> list[Check]:
    whole = [r for r in numbers if not r.problem]
    checks = [
        judge(
            "whole",
            "rooms that are refused; responses that are not finite float32, have a silent channel, or end too soon",
            "responses",
            0,
            "count",
            [bool(r.problem) for r in numbers],
        ),
        judge(
            "recorded T30",
            "the T30 that a response carries is the one measured of its samples",
            "",
            0.005,
            "worst",
            [r.recorded_t30 for r in whole],
        ),
        judge(
            "recorded DRR",
            "the DRR that a response carries is the one measured of its samples",
            "dB",
            0.05,
            "worst",
            [r.recorded_drr_db for r in whole],
        ),
    ]
    if repeated:
        tried = [not r.repeats for r in numbers if r.repeats is not None]
        checks.insert(1, judge("repeatable", "the same seed gives the same bytes", "responses", 0, "count", tried))
    return checks


def _of_direct(numbers: Rooms, of: Callable[[DirectSound], float], *, live: bool = False) -> list[float]:
    if live:
        return [of(r.live) for r in numbers if r.live is not None]
    return [math.nan if r.direct is None else of(r.direct) for r in numbers]


def _direct(numbers: Rooms) -> list[Check]:
    def one(name: str, meaning: str, unit: str, bar: float, of: Callable[[DirectSound], float]) -> Check:
        return judge(name, meaning, unit, bar, "worst", _of_direct(numbers, of))

    return [
        one(
            "direct direction",
            "the direct sound, alone between walls that reflect nothing, comes from the source's direction",
            "°",
            0.1,
            lambda d: d.direction_error_deg,
        ),
        one("direct gains", "its Y, Z, X over W are a plane wave's (SN3D)", "", 1e-3, lambda d: d.gain_error),
        one(
            "direct delay",
            "it arrives after distance / 343 m/s",
            "samples",
            0.1,
            lambda d: d.delay_error_samples,
        ),
        one("direct level", "its amplitude is 1/r, less what the air takes", "", 1e-3, lambda d: d.level_error),
        one(
            "direct spectrum",
            "its level by third octave, 100 Hz to 8 kHz, is what the air leaves (ISO 9613-1)",
            "dB",
            0.2,
            lambda d: float(np.nanmax(np.abs(d.spectrum_db))),
        ),
    ]


def _live(numbers: Rooms) -> list[Check]:
    def one(name: str, meaning: str, unit: str, bar: float, of: Callable[[DirectSound], float]) -> Check:
        return judge(name, meaning, unit, bar, "worst", _of_direct(numbers, of, live=True))

    return [
        one(
            "direct direction in the room",
            "before the first echo, the room's own response comes from the source's direction",
            "°",
            0.1,
            lambda d: d.direction_error_deg,
        ),
        one(
            "direct delay in the room",
            "before the first echo, it arrives when it should",
            "samples",
            0.1,
            lambda d: d.delay_error_samples,
        ),
        one(
            "direct level in the room",
            "before the first echo, its amplitude is 1/r, less the air's part",
            "",
            0.01,
            lambda d: d.level_error,
        ),
    ]


def _lively(numbers: Rooms) -> list[RoomNumbers]:
    return [r for r in numbers if r.t30_wanted_s >= _LIVELY_S and not r.problem]


def _reverberation(numbers: Rooms) -> list[Check]:
    whole, lively = [r for r in numbers if not r.problem], _lively(numbers)
    dry = [r for r in whole if r.t30_wanted_s < _LIVELY_S]
    checks = [
        judge(
            "T30",
            "full-band T30 against the target, rooms of 0.5 s and more: mean deviation",
            "%",
            3.0,
            "mean",
            [100.0 * (r.t30_s / r.t30_wanted_s - 1.0) for r in lively],
        ),
        judge(
            "T30 of dry rooms",
            "full-band T30 against the target, rooms below 0.5 s: mean deviation",
            "%",
            7.0,
            "mean",
            [100.0 * (r.t30_s / r.t30_wanted_s - 1.0) for r in dry],
        ),
    ]
    for octave in _BARRED_OCTAVES:
        name = f"{OCTAVE_BANDS_HZ[octave]:g} Hz" if octave < 3 else f"{OCTAVE_BANDS_HZ[octave] / 1000:g} kHz"
        deviations = [100.0 * (r.octave_ratios[octave] - 1.0) for r in lively]
        meaning = f"T30 of the {name} octave against its target, rooms of 0.5 s and more: mean deviation"
        checks.append(judge(f"T30 at {name}", meaning, "%", 10.0, "mean", deviations))
    checks += [
        judge(
            "DRR against theory",
            "direct-to-reverberant ratio against a diffuse field: mean deviation",
            "dB",
            3.0,
            "mean",
            [r.drr_db - r.drr_theory_db for r in whole],
        ),
        judge(
            "C50 against theory",
            "clarity against a diffuse field: mean deviation",
            "dB",
            1.5,
            "mean",
            [r.c50_db - r.c50_theory_db for r in whole],
        ),
        _worst_bias(
            "spectrum",
            "level of the reverberation by third octave, 100 Hz to 8 kHz, against a diffuse field: the band whose mean "
            "is farthest off",
            "dB",
            1.5,
            [r.late_db for r in whole],
        ),
    ]
    return checks


def _worst_bias(name: str, meaning: str, unit: str, bar: float, table: Sequence[Sequence[float]]) -> Check:
    """A check of the column whose mean is farthest from zero."""
    values = np.asarray(table, dtype=np.float64)
    if not values.size:
        return judge(name, meaning, unit, bar, "bias", [])
    values = values[:, ~np.isnan(values).all(axis=0)]
    column = int(np.argmax(np.abs(values.mean(axis=0)))) if np.isfinite(values).all() else 0
    return judge(name, meaning, unit, bar, "bias", values[:, column])


def _tail(numbers: Rooms) -> list[Check]:
    pairs = [(r, r.tail, r.noise) for r in numbers if r.tail is not None and r.noise is not None]
    off = [np.asarray(t.shares) - np.asarray(r.shares_wanted) for r, t, _ in pairs]
    lively = [float(np.abs(o).max()) for o, (r, _, _) in zip(off, pairs, strict=True) if r.t30_wanted_s >= _LIVELY_S]

    def ratio(name: str, meaning: str, bar: float, of: Callable[[Tail], float]) -> Check:
        return judge(name, meaning, "×", bar, "ratio", [of(t) for _, t, _ in pairs], [of(n) for _, _, n in pairs])

    bands = np.asarray([[t.modulation, n.modulation] for _, t, n in pairs], dtype=np.float64)
    return [
        _worst_bias(
            "tail shares",
            "energy of the tail along the room's axes over W's against what is expected: the axis farthest off",
            "",
            0.01,
            [tuple(float(v) for v in o) for o in off],
        ),
        judge(
            "tail shares by room",
            "the same room by room, rooms of 0.5 s and more: largest of the three (95th percentile)",
            "",
            0.035,
            "percentile",
            lively,
        ),
        ratio(
            "coherence",
            "largest correlation between two channels of the tail at any lag, over that of Gaussian noise",
            1.15,
            lambda t: t.coherence,
        ),
        ratio(
            "repetition",
            "largest autocorrelation of the tail from 1 ms on, over that of Gaussian noise: combs, repeated noise",
            1.15,
            lambda t: t.echo,
        ),
        ratio(
            "resonance",
            "largest peak of the tail's spectrum over its mean, over that of Gaussian noise: metallic ringing",
            1.15,
            lambda t: t.resonance,
        ),
        ratio(
            "flutter",
            "largest peak of the envelope's modulation over its mean, over that of Gaussian noise",
            1.15,
            lambda t: t.flutter,
        ),
        _modulation_check(bands),
        judge(
            "kurtosis",
            "kurtosis of the tail less that of Gaussian noise: sparse echoes have more",
            "",
            0.1,
            "bias",
            [t.kurtosis - n.kurtosis for _, t, n in pairs],
        ),
        judge(
            "echo density",
            "normalised echo density of the tail less that of Gaussian noise: sparse echoes have less",
            "",
            0.02,
            "bias",
            [t.echo_density - n.echo_density for _, t, n in pairs],
        ),
    ]


def _modulation_check(bands: NDArray[np.float64]) -> Check:
    """The octave of modulation frequency, 13 to 406 Hz, whose power over noise's is farthest from 0 dB.

    bands: modulation of tail and noise (rooms, 2, bands); octaves of which a short tail has nothing are left out.
    """
    name, unit, bar = "modulation", "dB", 1.5
    meaning = (
        "power of the envelope's modulation by octave, 13 to 406 Hz, against Gaussian noise: the octave farthest off"
    )
    if not bands.size:
        return judge(name, meaning, unit, bar, "ratio", [], [])
    octaves = bands[:, :, _MODULATION_OCTAVES].reshape(*bands.shape[:2], -1, 3).mean(axis=3)
    octaves = octaves[:, :, np.isfinite(octaves).all(axis=(0, 1))]
    if not octaves.size:
        return judge(name, meaning, unit, bar, "ratio", [math.nan], [math.nan])
    decibels = 10.0 * np.log10(octaves[:, 0].mean(axis=0) / octaves[:, 1].mean(axis=0))
    column = int(np.argmax(np.abs(decibels)))
    found = judge(name, meaning, unit, bar, "ratio", octaves[:, 0, column], octaves[:, 1, column])
    low, high = 10.0 * math.log10(found.low), 10.0 * math.log10(found.high)
    return replace(found, value=abs(float(decibels[column])), low=low, high=high)


def _against_images(numbers: Rooms) -> list[Check]:
    pairs: list[tuple[RoomNumbers, Reference]] = [
        (r, r.reference) for r in numbers if r.reference is not None and not r.problem
    ]
    lively = [(r, i) for r, i in pairs if r.t30_wanted_s >= _LIVELY_S]
    return [
        judge(
            "DRR against image sources",
            "direct-to-reverberant ratio against full image sources, where they finish: mean deviation",
            "dB",
            0.5,
            "mean",
            [r.drr_db - i.drr_db for r, i in pairs],
        ),
        judge(
            "C50 against image sources",
            "clarity against full image sources, rooms of 0.5 s and more where they finish: mean deviation",
            "dB",
            1.0,
            "mean",
            [r.c50_db - i.c50_db for r, i in lively],
        ),
        _worst_bias(
            "spectrum against image sources",
            "DRR by third octave, 630 Hz to 8 kHz, against full image sources: the band whose mean is farthest off",
            "dB",
            0.5,
            # below, their positive pulses pile up, which no diffuse tail does
            [(np.asarray(r.drr_bands_db) - np.asarray(i.drr_bands_db))[_FROM_630_HZ:] for r, i in pairs],
        ),
    ]
