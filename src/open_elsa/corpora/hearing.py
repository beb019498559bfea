"""Which ambisonic convention a data set speaks, heard from its own labels where its documents do not say.

The order and signs of the channels show in where single sounds come from; the gains show in the power of the dipoles:
W² to X² + Y² + Z² is 1 to 1 in SN3D, 1 to 3 in N3D and 1 to 2 in FuMa, for a plane wave and for a diffuse field.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from open_elsa.corpora.spatial import SoundEvent, SpatialRecording
from open_elsa.errors import DataError
from open_elsa.sound import audio, foa

#: A convention is believed if its median error is below this, and every other order's at least twice as large.
MAX_MEDIAN_DEG = 30.0
#: Conventions by the order of their channels, then by dipole power over W power.
_ORDERS = {
    "W Y Z X": {"ambix": 1.0, "n3d": 3.0},
    "W X Y Z": {"wxyz-sn3d": 1.0, "fuma": 2.0, "wxyz-n3d": 3.0},
}


@dataclass(frozen=True)
class Heard:
    """What was heard: the convention, the median direction error in degrees of each channel order, and of how many."""

    convention: str
    median_error_deg: dict[str, float]
    dipole_to_w: float
    events: int


def convention(recordings: Iterable[SpatialRecording], most: int = 60) -> Heard:
    """Listen to at most `most` events that are heard alone and tell the convention of the files.

    Raises DataError where no event is alone, or where no order of channels agrees with the labels clearly.
    """
    errors: dict[str, list[float]] = {order: [] for order in _ORDERS}
    ratios: list[float] = []
    for event, samples, rate in _alone(recordings, most):
        wanted = foa.unit_vector(event.azimuth_deg, event.elevation_deg)
        for order, names in _ORDERS.items():
            signal = foa.from_convention(samples, next(iter(names)))
            found = foa.intensity_direction(signal, rate)
            errors[order].append(float(foa.angular_error_deg(found, wanted)))
        power = np.mean(np.square(samples, dtype=np.float64), axis=1)
        ratios.append(float(power[1:].sum() / power[0]) if power[0] > 0 else math.nan)
    if not ratios:
        raise DataError("the convention cannot be heard: no labelled event lasts 0.25 s with nothing else beside it")
    medians = {order: float(np.median(values)) for order, values in errors.items()}
    best, second = sorted(medians, key=lambda order: medians[order])[:2]
    told = ", ".join(f"{order}: {degrees:.0f}°" for order, degrees in medians.items())
    if medians[best] > MAX_MEDIAN_DEG or medians[second] < 2 * medians[best]:
        raise DataError(
            f"the channels agree with the labels in no order (median error of {len(ratios)} events: {told}); "
            "these may not be the files that the labels belong to"
        )
    ratio = float(np.nanmedian(ratios))
    gains: Sequence[str] = sorted(_ORDERS[best], key=lambda name: abs(math.log(ratio / _ORDERS[best][name])))
    return Heard(gains[0], medians, ratio, len(ratios))


def _alone(recordings: Iterable[SpatialRecording], most: int) -> Iterator[tuple[SoundEvent, NDArray[np.float32], int]]:
    left = most
    for recording in recordings:
        raw = replace(recording, convention="ambix")  # the channels as they are
        for event in recording.alone():
            sound = raw.sound(event.start_s, event.end_s - event.start_s)
            if left > 0 and not audio.is_silent(sound.samples):
                left -= 1
                yield event, sound.samples, sound.sample_rate
        if left <= 0:
            return
