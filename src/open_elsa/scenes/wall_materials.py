"""What walls are made of: absorption per octave of common surfaces, mixed until a room rings as long as is wanted."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from open_elsa.scenes import room_physics
from open_elsa.scenes.room_physics import MAX_BAND_T60_S, SIX_LN_10, SPEED_OF_SOUND_M_S, predicted_t30

#: Absorption per octave, 125 Hz to 16 kHz: round values of the kinds of surface in tables such as Vorländer's
#: "Auralization" (2008), appendix; above 4 kHz, where tables end, the last value goes on.
HARD: dict[str, tuple[float, ...]] = {
    "painted concrete or tiles": (0.01, 0.01, 0.02, 0.02, 0.02, 0.03, 0.03, 0.03),
    "rendered brick": (0.02, 0.02, 0.03, 0.04, 0.05, 0.05, 0.05, 0.05),
    "plasterboard on studs": (0.20, 0.14, 0.09, 0.06, 0.05, 0.05, 0.05, 0.05),
    "window panes": (0.15, 0.06, 0.04, 0.03, 0.02, 0.02, 0.02, 0.02),
    "wooden floor or panels": (0.16, 0.12, 0.10, 0.09, 0.08, 0.07, 0.07, 0.07),
    "linoleum": (0.02, 0.03, 0.03, 0.03, 0.03, 0.02, 0.02, 0.02),
}
SOFT: dict[str, tuple[float, ...]] = {
    "carpet": (0.08, 0.15, 0.30, 0.45, 0.55, 0.60, 0.60, 0.60),
    "curtains": (0.10, 0.25, 0.45, 0.58, 0.64, 0.68, 0.68, 0.68),
    "upholstery and people": (0.40, 0.55, 0.70, 0.82, 0.84, 0.80, 0.80, 0.80),
    "ceiling tiles": (0.45, 0.55, 0.60, 0.80, 0.88, 0.85, 0.85, 0.85),
    "mineral wool panels": (0.25, 0.65, 0.90, 0.92, 0.92, 0.92, 0.92, 0.92),
    "bass traps and thin panels": (0.65, 0.60, 0.45, 0.35, 0.30, 0.25, 0.25, 0.25),
}

#: Octave T60s stay within these factors of the room's T30, those that air shortens excepted: where the bass rings much
#: longer people hang absorbers for it, and of a room with two decays no single number is true.
_BAND_FACTORS = (0.75, 1.6)

Float64 = NDArray[np.float64]


def draw_absorption(
    rng: np.random.Generator, size_m: tuple[float, float, float], t30_s: float, limits: tuple[float, float]
) -> tuple[tuple[float, ...], float] | None:
    """Draw walls for a room that then has the full-band T30 in seconds; None where `limits` allow none.

    A random mix of hard surfaces and one of soft ones; how much of the room is soft follows from the T30. Returns the
    mean absorption (8,), each within `limits`, and the soft share of the walls, 0 to 1: bare halls ring in the bass and
    middle, dampened rooms are dead in the treble, and what is soft is also rough (see `draw_room`).
    """
    hard, soft = _mix(rng, HARD), _mix(rng, SOFT)
    # no two surfaces of one kind are alike, and furniture bends the curve either way
    bend = np.exp(0.12 * np.convolve(rng.standard_normal(10), (0.25, 0.5, 0.25), mode="valid"))
    x, y, z = size_m
    mean_path_m = 2.0 * x * y * z / (x * y + y * z + x * z)
    air = room_physics.air_per_m()
    shortest, longest = _BAND_FACTORS[0] * t30_s, min(_BAND_FACTORS[1] * t30_s, MAX_BAND_T60_S)
    least, most = (np.maximum(SIX_LN_10 / (SPEED_OF_SOUND_M_S * t) - air, 0.0) for t in (longest, shortest))

    def absorption(amount: float) -> Float64:
        """Of a room that is soft up to 1 of its surface; beyond that everything is softer, below 0 harder."""
        share = min(max(amount, 0.0), 1.0)
        mean = ((1.0 - share) * hard + share * soft) * bend * math.exp(amount - share)
        return cast(Float64, np.clip(1.0 - np.exp(-np.clip(mean, least * mean_path_m, most * mean_path_m)), *limits))

    def excess(amount: float) -> float:
        damping = SPEED_OF_SOUND_M_S * (-np.log1p(-absorption(amount)) / mean_path_m + air)
        return math.log(predicted_t30(damping) / t30_s)

    low, high = -2.0, 3.0
    if excess(low) < 0.0 or excess(high) > 0.0:
        return None
    amount = 0.0
    for _ in range(24):
        amount = 0.5 * (low + high)
        error = excess(amount)
        if abs(error) < 0.01:
            return tuple(float(a) for a in absorption(amount)), min(max(amount, 0.0), 1.0)
        low, high = (amount, high) if error > 0.0 else (low, amount)
    return None


def _mix(rng: np.random.Generator, surfaces: dict[str, tuple[float, ...]]) -> Float64:
    """Mean absorption (8,) of a random mix in which a few surfaces dominate."""
    return cast(Float64, rng.dirichlet(np.full(len(surfaces), 0.7)) @ np.asarray(list(surfaces.values())))
