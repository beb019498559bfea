"""How strong X, Y and Z are against W in recorded rooms and in simulated ones: what `SpatialConfig.balance_db` is for.

Run: python benchmarks/velocity.py [--data ../shared/data] [--rooms 60] [--seed 0]

In a plane wave and in a diffuse field alike the energy of velocity (X, Y and Z together) equals that of pressure (W):
the level in a response's octaves should lie near 0 dB. Printed are means over the responses of each room, in dB.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from open_elsa.scenes import rooms
from open_elsa.scenes.measured import open_measured
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ

RATE = 48_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds measured-rooms")
    parser.add_argument("--rooms", type=int, default=60, help="simulated rooms, an ideal array in each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: dict[str, list[np.ndarray]] = defaultdict(list)  # type: ignore[type-arg]
    measured = open_measured(options.data / "measured-rooms", sample_rate=RATE)
    for i, name in enumerate(measured.ids):
        found[name.split("/")[0]].append(velocity_db(measured.response(i)))
    rng = np.random.default_rng(options.seed)
    for k in range(options.rooms):
        room = rooms.draw_room(rng, rooms.RoomRanges(), str(k))
        place = rooms.draw_position(rng, room, rooms.RoomRanges())
        found["simulated"].append(velocity_db(rooms.simulate(room, place, rng, RATE).response))
    print(f"{'octave around, Hz':20s}" + "".join(f"{hz:7.0f}" for hz in OCTAVE_BANDS_HZ))
    for name, levels in found.items():
        print(f"{name:20s}" + "".join(f"{db:7.1f}" for db in np.mean(levels, 0)))
    spread = np.sqrt(np.mean(np.square(found["simulated"]), 0))
    print(f"{'simulated, rms':20s}" + "".join(f"{db:7.1f}" for db in spread))


def velocity_db(response: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Level of velocity above pressure in each octave of a response (4, n)."""
    power = np.square(np.abs(np.fft.rfft(response, axis=1)))
    hz = np.fft.rfftfreq(response.shape[1], 1 / RATE)
    octaves = [(hz >= f / 2**0.5) & (hz < f * 2**0.5) for f in OCTAVE_BANDS_HZ]
    return np.array([10 * np.log10(power[1:, of].sum() / power[0, of].sum()) for of in octaves])


if __name__ == "__main__":
    main()
