"""Hand-made estimators of direction, run on the same scenes as the model: what listening without learning gives.

All read the active intensity, which points towards the source (sound/foa.py). A learned model is only interesting
against the best of them: reverberation pulls the plain average towards the room's middle, while the first wavefronts,
where the sound field is least diffuse, still point at the source.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from open_elsa.evals import metrics
from open_elsa.evals.observe import Observations
from open_elsa.evals.result import Result
from open_elsa.sound import foa as ambisonics

Floats = NDArray[np.float64]
Estimator = Callable[[NDArray[np.float32], int], Floats]

#: Band of the averaged estimator: below it a real microphone's gradient is noisy, above it no longer first order.
BAND_HZ = (300.0, 2500.0)
#: Bins of the selective estimators, their window (about 21 ms) and the neighbourhood that is averaged (bins, frames).
SELECTIVE_BAND_HZ = (140.0, 8000.0)
WINDOW_S, NEIGHBOURS = 1024 / 48000, (3, 7)
#: Share of the bins that is kept, and the level under the loudest bin at which a bin is ignored.
KEPT, FLOOR_DB = 0.03, -50.0
#: An onset is a rise over the loudest of this many past frames; it counts fully from this many decibels on.
PAST_FRAMES, FULL_RISE_DB = 4, 20.0


def mean_intensity(signal: NDArray[np.float32], sample_rate: int) -> Floats:
    """Direction of the time-domain mean of W (X, Y, Z): the plain intensity vector.

    signal: (4, n) AmbiX. Returns a unit vector (3,) xyz; straight ahead for silence.
    """
    w, y, z, x = np.asarray(signal, dtype=np.float64)
    return _unit(np.array([w @ x, w @ y, w @ z]))


def band_intensity(signal: NDArray[np.float32], sample_rate: int) -> Floats:
    """Direction of the mean intensity within 300 to 2,500 Hz, over the whole sound; shapes as in mean_intensity."""
    spectrum = np.fft.rfft(np.asarray(signal, dtype=np.float64))
    frequencies = np.fft.rfftfreq(signal.shape[1], 1.0 / sample_rate)
    w, y, z, x = spectrum[:, (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])]
    return _unit(np.array([np.vdot(w, c).real for c in (x, y, z)]))


def least_diffuse(signal: NDArray[np.float32], sample_rate: int) -> Floats:
    """Mean of the unit intensity vectors of the 3 % least diffuse bins; as mean_intensity.

    Diffuseness 1 - |<I>| / <E> over 3 bins x 7 frames (Pulkki 2007, here for SN3D).
    """
    return _least_diffuse(*_local_means(signal, sample_rate))


def onset_least_diffuse(signal: NDArray[np.float32], sample_rate: int) -> Floats:
    """As least_diffuse, but bins are ranked by (1 - diffuseness) x onset strength: first wavefronts before echoes.

    Onset strength: rise in decibels over the loudest of the four frames before, 0 to 20 dB onto 0 to 1.
    """
    return _onset_least_diffuse(*_local_means(signal, sample_rate))


def _least_diffuse(intensity: Floats, energy: Floats) -> Floats:
    return _mean_of_best(intensity, _directness(intensity, energy))


def _onset_least_diffuse(intensity: Floats, energy: Floats) -> Floats:
    past = np.zeros_like(energy)
    for back in range(1, PAST_FRAMES + 1):
        past[:, back:] = np.maximum(past[:, back:], energy[:, :-back])
    floor = 1e-6 * float(energy.max(initial=0.0)) + 1e-30
    rise_db = 10.0 * np.log10(np.maximum(energy, floor) / np.maximum(past, floor))
    return _mean_of_best(intensity, _directness(intensity, energy) * np.clip(rise_db / FULL_RISE_DB, 0.0, 1.0))


#: Estimators by the name they have in results.
ESTIMATORS: Mapping[str, Estimator] = {
    "mean_intensity": mean_intensity,
    "band_intensity": band_intensity,
    "least_diffuse": least_diffuse,
    "onset_least_diffuse": onset_least_diffuse,
}


def estimate(signal: NDArray[np.float32], sample_rate: int) -> dict[str, Floats]:
    """Run every estimator on one sound (4, n), sharing what they share; name -> unit vector (3,)."""
    means = _local_means(signal, sample_rate)  # most of the work of both selective estimators
    return {
        "mean_intensity": mean_intensity(signal, sample_rate),
        "band_intensity": band_intensity(signal, sample_rate),
        "least_diffuse": _least_diffuse(*means),
        "onset_least_diffuse": _onset_least_diffuse(*means),
    }


def run(observations: Observations) -> Result:
    """Direction error in degrees of every estimator on scenes that were observed with baselines.

    Metrics "NAME.mean_deg", "NAME.median_deg", and "NAME.GROUP.mean_deg" where the suite has groups.
    """
    started = time.perf_counter()
    true = observations.true_vectors
    numbers: dict[str, float] = {}
    intervals: dict[str, metrics.Interval] = {}
    items: dict[str, list[float]] = {}
    for name, vectors in observations.baselines.items():
        errors = ambisonics.angular_error_deg(vectors, true)
        items[f"{name}_deg"] = [float(e) for e in errors]
        numbers[f"{name}.mean_deg"] = float(errors.mean())
        numbers[f"{name}.median_deg"] = float(np.median(errors))
        intervals[f"{name}.mean_deg"] = metrics.bootstrap_interval(errors, groups=observations.places)
        for group, inside in observations.group_masks().items():
            numbers[f"{name}.{group}.mean_deg"] = float(errors[inside].mean())
    return observations.result(
        "baselines",
        numbers,
        protocol=(
            "Hand-made direction estimators on the same rendered scenes, no training: time-domain mean intensity; mean "
            "intensity in 300-2,500 Hz; unit intensity of the 3 % least diffuse bins (140 Hz-8 kHz, 3 x 7 local mean); "
            "the same ranked by onset strength too. Great-circle error; interval by bootstrap over source places."
        ),
        intervals=intervals,
        items={"id": observations.ids, **items},
        started=started,
    )


def _local_means(signal: NDArray[np.float32], sample_rate: int) -> tuple[Floats, Floats]:
    """Intensity (3, bins, frames) and energy (bins, frames) of the selective band, averaged over neighbours."""
    n_fft = max(16, 2 * round(WINDOW_S * sample_rate / 2))
    frequencies, spectrum = ambisonics.stft(signal, sample_rate, n_fft, n_fft // 4)
    w, y, z, x = spectrum[:, (frequencies >= SELECTIVE_BAND_HZ[0]) & (frequencies <= SELECTIVE_BAND_HZ[1])]
    intensity = np.stack([(np.conj(w) * c).real for c in (x, y, z)])
    energy = 0.5 * sum(np.abs(c) ** 2 for c in (w, x, y, z))
    return ndimage.uniform_filter(intensity, (1, *NEIGHBOURS)), ndimage.uniform_filter(energy, NEIGHBOURS)


def _directness(intensity: Floats, energy: Floats) -> Floats:
    """1 - diffuseness, 0 to 1, of bins that are loud enough; 0 elsewhere."""
    peak = float(energy.max(initial=0.0))
    loud = energy > peak * 10 ** (FLOOR_DB / 10)
    ratio = np.linalg.norm(intensity, axis=0) / np.maximum(energy, 1e-30)
    return np.where(loud & (peak > 0), ratio, 0.0)


def _mean_of_best(intensity: Floats, score: Floats) -> Floats:
    kept = max(1, math.ceil(KEPT * score.size))
    best = np.argsort(-score, axis=None, kind="stable")[:kept]
    best = best[score.ravel()[best] > 0]
    vectors = intensity.reshape(3, -1)[:, best]
    return _unit((vectors / np.maximum(np.linalg.norm(vectors, axis=0), 1e-30)).sum(axis=1))


def _unit(vector: Floats) -> Floats:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else np.array([1.0, 0.0, 0.0])
