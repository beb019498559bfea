"""Which way late sound goes: flat and dead rooms lose what travels between floor and ceiling sooner.

The table is measured by tools/room_monte_carlo.py, which names its command, seed and date in the file.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from open_elsa.scenes import room_physics
from open_elsa.scenes.scene import Room

TABLE = Path(__file__).with_name("tail_shares.json")

Float64 = NDArray[np.float64]


def tail_shares(room: Room) -> Float64:
    """Shares (8, 3) of W's late energy on the room's x, y and z axes per octave band; each row sums to one.

    A third each in a diffuse field. Interpolated in the table over longest to shortest horizontal side, height to the
    root of the floor area, absorption and scattering; a room outside the table takes its nearest edge.
    """
    return _shares(tuple(room.size_m), tuple(room.absorption), tuple(room_physics.band_scattering(room)))


@lru_cache(maxsize=256)
def _shares(size: tuple[float, ...], absorption: tuple[float, ...], scattering: tuple[float, ...]) -> Float64:
    (aspects, flatnesses, exponents, scatterings), table = _table()
    x, y, z = size
    a = _weights(aspects, np.array([math.log(max(x, y) / min(x, y))]))[0]
    f = _weights(flatnesses, np.array([math.log(z / math.sqrt(x * y))]))[0]
    e = _weights(exponents, np.log(-np.log1p(-np.asarray(absorption))))
    s = _weights(scatterings, np.sqrt(scattering))
    shares = np.einsum("be,bs,esk->bk", e, s, np.einsum("a,f,afesk->esk", a, f, table))
    shares /= shares.sum(axis=1, keepdims=True)
    out = shares if x >= y else shares[:, [1, 0, 2]]
    out.flags.writeable = False  # it is shared by every response of the room
    return cast(Float64, out)


@lru_cache(maxsize=1)
def _table() -> tuple[tuple[Float64, ...], Float64]:
    """Coordinates of the table's axes as they are interpolated in, and its shares (a, f, e, s, 3)."""
    content = json.loads(TABLE.read_text(encoding="utf-8"))
    axes = [np.asarray(content[name], dtype=np.float64) for name in ("aspect", "flatness", "exponent", "scattering")]
    table = 1e-4 * np.asarray(content["shares_per_10000"], dtype=np.float64).reshape(*(axis.size for axis in axes), 3)
    return (np.log(axes[0]), np.log(axes[1]), np.log(axes[2]), np.sqrt(axes[3])), table


def _weights(grid: Float64, at: Float64) -> Float64:
    """Weights (n, g) of linear interpolation between grid points (g,) at values (n,), held at the ends."""
    at = np.clip(at, grid[0], grid[-1])
    above = np.clip(np.searchsorted(grid, at), 1, grid.size - 1)
    part = (at - grid[above - 1]) / (grid[above] - grid[above - 1])
    out = np.zeros((at.size, grid.size))
    rows = np.arange(at.size)
    out[rows, above - 1], out[rows, above] = 1.0 - part, part
    return out
