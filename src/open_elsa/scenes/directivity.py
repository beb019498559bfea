"""Directivity of sources: how much sound leaves at which angle, per octave band."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError

Float64 = NDArray[np.float64]

#: Share k of the dipole in the first-order pattern (1 - k) + k cos(angle), octaves 125 Hz to 16 kHz. On the axis every
#: pattern is 1, since recordings of near sources are made there.
_DIPOLE_SHARE: dict[str, tuple[float, ...]] = {
    "omni": (0.0,) * 8,
    # A small loudspeaker: omnidirectional in the bass, a cardioid from 2 kHz.
    "cardioid": (0.0, 0.05, 0.15, 0.3, 0.5, 0.5, 0.5, 0.5),
    # A talker: 1, 2, 4, 5, 8, 11, 15 and 18 dB less behind the head than before it, a rounded form of the trend in Chu
    # and Warnock (2002) and Monson, Hunter and Story (2012); k = (1 - 10 ** (-dB / 20)) / 2.
    "speech": tuple(round(0.5 * (1.0 - 10.0 ** (-db / 20.0)), 4) for db in (1, 2, 4, 5, 8, 11, 15, 18)),
}

#: The directivities that a source may have.
DIRECTIVITIES: tuple[str, ...] = tuple(_DIPOLE_SHARE)


def dipole_share(name: str) -> Float64:
    """Share k (8,) of the dipole per octave band; DataError for a directivity that isn't in `DIRECTIVITIES`."""
    try:
        return np.asarray(_DIPOLE_SHARE[name])
    except KeyError:
        raise DataError(f"no directivity {name!r}; choose one of {', '.join(DIRECTIVITIES)}") from None


def pattern(name: str, cosine: NDArray[np.float64]) -> Float64:
    """Amplitude (..., 8) per octave band towards angles whose cosine to the source's axis is given, (...); 1 on it."""
    k = dipole_share(name)
    return (1.0 - k) + k * np.asarray(cosine)[..., None]


def mean_power(name: str) -> Float64:
    """Mean of the squared pattern over all directions (8,): the diffuse field to that of an omnidirectional source."""
    k = dipole_share(name)
    return (1.0 - k) ** 2 + k**2 / 3.0
