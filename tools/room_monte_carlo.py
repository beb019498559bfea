"""Trace rays through shoebox rooms and write which way their late sound goes: python tools/room_monte_carlo.py.

Makes src/open_elsa/scenes/tail_shares.json, the table behind `tail_shares`: the shares of the late energy that travel
along x, y and z, over proportions, absorption and scattering. `--rays 20000 --seed 20261124` are the defaults and made
the file beside; the same numbers make the same bytes. Takes some minutes on one core.

Each ray starts anywhere in the room in any direction. At a wall it loses the absorbed share of its energy and goes on
as in a mirror, or, with the probability of the scattering coefficient, in a direction by Lambert's law. Energy is
averaged over the whole volume (a ray's way through it, weighted by its squared direction cosines), so there is no
receiver whose size would matter. Late is what comes after `LATE_PATHS` mean free paths, about the simulator's mixing
time. Absorption is applied afterwards, by the number of reflections, so that one tracing serves all of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from open_elsa.scenes.scene_files import write_whole

TABLE = Path(__file__).parents[1] / "src" / "open_elsa" / "scenes" / "tail_shares.json"
#: Mean free paths after which sound is late; the mixing time is 4.8 (18.5 x 15 x 4.5 m) to 7.3 (4 x 3 x 2.5 m) of them.
LATE_PATHS = 6.0
#: Reflections that are followed; at the least absorption of the grid 4 % of the energy are left then.
REFLECTIONS = 160
#: Longest to shortest horizontal side, height to the root of the floor area, exponent -ln(1 - alpha), scattering.
GRID: dict[str, tuple[float, ...]] = {
    "aspect": (1.0, 1.4, 2.0, 3.0),
    "flatness": (0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 2.0),
    "exponent": (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.0),
    "scattering": (0.0, 0.03, 0.1, 0.25, 0.5, 1.0),
}
Float64 = NDArray[np.float64]


def late_energy(
    size: tuple[float, float, float], scattering: float, rays: int, rng: np.random.Generator, reflections: int
) -> Float64:
    """Late energy (reflections, 3) of rays after so many reflections along x, y, z, in a room without absorption."""
    sides = np.asarray(size)
    late = LATE_PATHS * 2.0 / float((1.0 / sides).sum())  # 4V/S of a box is 2 / (1/x + 1/y + 1/z)
    place = rng.random((rays, 3)) * sides
    direction = _sphere(rng, rays)
    travelled = np.zeros(rays)
    out = np.zeros((reflections, 3))
    rows = np.arange(rays)
    for count in range(reflections):
        with np.errstate(divide="ignore"):
            reach = np.where(direction > 0, sides - place, place) / np.abs(direction)
        wall = np.argmin(reach, axis=1)
        step = reach[rows, wall]
        counted = np.clip(travelled + step - late, 0.0, step)
        out[count] = counted @ np.square(direction)
        travelled += step
        place = np.clip(place + step[:, None] * direction, 0.0, sides)
        direction[rows, wall] *= -1.0
        inward = np.sign(direction[rows, wall])
        scattered = np.flatnonzero(rng.random(rays) < scattering)
        direction[scattered] = _lambert(rng, wall[scattered], inward[scattered])
    return out


def shares(energy: Float64, exponent: float) -> Float64:
    """Shares (3,) of x, y, z in the late energy (reflections, 3), with absorption exponent -ln(1 - alpha)."""
    total = np.exp(-exponent * np.arange(energy.shape[0])) @ energy
    return np.asarray(total / total.sum())


def room_shares(
    size: tuple[float, float, float], absorption: float, scattering: float, rays: int, seed: int
) -> Float64:
    """Shares (3,) on x, y, z of the late energy in one room, traced for it alone."""
    energy = late_energy(size, scattering, rays, np.random.default_rng(seed), REFLECTIONS)
    return shares(energy, -float(np.log1p(-absorption)))


def _sphere(rng: np.random.Generator, count: int) -> Float64:
    z, around = rng.uniform(-1.0, 1.0, count), rng.uniform(0.0, 2.0 * np.pi, count)
    radius = np.sqrt(1.0 - np.square(z))
    return np.stack([radius * np.cos(around), radius * np.sin(around), z], axis=1)


def _lambert(rng: np.random.Generator, axis: NDArray[np.int64], inward: Float64) -> Float64:
    """Directions (n, 3) away from a wall across `axis`, by the cosine law."""
    square, around = rng.random(axis.size), rng.uniform(0.0, 2.0 * np.pi, axis.size)
    out = np.empty((axis.size, 3))
    rows = np.arange(axis.size)
    out[rows, axis] = inward * np.sqrt(square)
    out[rows, (axis + 1) % 3] = np.sqrt(1.0 - square) * np.cos(around)
    out[rows, (axis + 2) % 3] = np.sqrt(1.0 - square) * np.sin(around)
    return out


def main() -> None:
    """Trace every room of the grid and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rays", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    shape = tuple(len(values) for values in GRID.values())
    table = np.zeros((*shape, 3))
    rooms = itertools.product(*(range(shape[k]) for k in (0, 1, 3)))
    for number, (a, f, s) in enumerate(rooms):
        aspect, flatness, scattering = GRID["aspect"][a], GRID["flatness"][f], GRID["scattering"][s]
        size = (aspect**0.5, aspect**-0.5, flatness)
        rng = np.random.default_rng([options.seed, number])
        energy = late_energy(size, scattering, options.rays, rng, REFLECTIONS)
        for e, exponent in enumerate(GRID["exponent"]):
            table[a, f, e, s] = shares(energy, exponent)
    content = {
        "about": "shares of late energy on x (the longer side), y, z; axes: aspect, flatness, exponent, scattering",
        "command": f"python tools/room_monte_carlo.py --rays {options.rays} --seed {options.seed}",
        "date": date.today().isoformat(),
        **GRID,
        "shares_per_10000": np.rint(1e4 * table).astype(int).ravel().tolist(),
    }
    write_whole(options.out, lambda path: path.write_text(json.dumps(content, separators=(",", ":")) + "\n"))
    print(options.out)


if __name__ == "__main__":
    main()
