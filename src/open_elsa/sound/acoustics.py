"""Acoustics of a room, measured from an impulse response."""

from __future__ import annotations

from dataclasses import dataclass

#: Octave bands of absorption and of the simulator, centre frequencies in hertz.
OCTAVE_BANDS_HZ: tuple[float, ...] = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)

#: Third octaves of IEC 61260 in which T30 and DRR are measured: 100 Hz to 8 kHz, 20 bands, as in the paper.
THIRD_OCTAVE_BANDS_HZ: tuple[float, ...] = (
    100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000,
)  # fmt: skip


@dataclass(frozen=True)
class Acoustics:
    """Acoustics measured from a response (never copied from the wish).

    t30_s: full-band T30 in seconds (ISO 3382-1, -5 to -35 dB, doubled); t30_bands_s and drr_bands_db: the same per
    third octave of `THIRD_OCTAVE_BANDS_HZ` (20 values, NaN where the band cannot be measured);
    drr_db: direct-to-reverberant ratio of W; edt_s: early decay time; c50_db: clarity.
    """

    t30_s: float
    drr_db: float
    edt_s: float
    c50_db: float
    t30_bands_s: tuple[float, ...] = ()
    drr_bands_db: tuple[float, ...] = ()
