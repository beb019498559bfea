"""Put a sound at a place in a room, save it as ambisonics, and ask the model where it is.

python examples/make_a_scene.py OUT.flac
"""

from __future__ import annotations

import sys

import numpy as np

import open_elsa as elsa
from open_elsa.scenes import rooms
from open_elsa.scenes.render import render
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.sound import audio


def main(out: str) -> None:
    """A burst of noise, two metres away on the left, in a room of 6 m by 5 m."""
    rng = np.random.default_rng(0)
    absorption = (0.2, 0.25, 0.3, 0.3, 0.35, 0.35, 0.4, 0.4)  # an octave each, from 125 Hz
    room = Room("living room", size_m=(6.0, 5.0, 2.6), absorption=absorption, array_m=(2.5, 2.0, 1.5))
    place = SourcePosition(azimuth_deg=90.0, elevation_deg=0.0, distance_m=2.0)
    response = rooms.simulate(room, place, rng)
    burst = rng.standard_normal(24_000) * np.hanning(24_000)
    scene = render(burst, response.response, length=96_000)
    audio.write(out, 0.5 * scene / np.abs(scene).max(), response.sample_rate, overwrite=True)
    print(f"{out}: T30 {response.acoustics.t30_s:.2f} s, truly at {place.azimuth_deg:.0f}° and {place.distance_m} m")
    (heard,) = elsa.load().locate([out])
    print(f"heard: {heard}")


if __name__ == "__main__":
    main(sys.argv[1])
