"""How fast rooms are drawn, simulated, measured and rendered on one core; run with OMP_NUM_THREADS=1."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from unittest.mock import patch

import numpy as np

from open_elsa.scenes import rooms
from open_elsa.scenes.render import render
from open_elsa.sound.acoustics import Acoustics, measure


def mean_ms(work: Callable[[int], object], count: int) -> float:
    work(0)
    start = time.perf_counter()
    for i in range(count):
        work(i)
    return 1000 * (time.perf_counter() - start) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng, ranges = np.random.default_rng(args.seed), rooms.RoomRanges()
    drawn = [rooms.draw_room(rng, ranges, str(i)) for i in range(args.rooms)]
    places = [rooms.draw_position(rng, room, ranges) for room in drawn]
    draw_ms = mean_ms(lambda i: rooms.draw_position(rng, rooms.draw_room(rng, ranges, "x"), ranges), args.rooms)
    print(f"{'draw a room and a place':44s} {draw_ms:7.2f} ms")
    for rate in (16_000, 32_000, 48_000):
        made = [rooms.simulate(*pair, rng, rate) for pair in zip(drawn, places, strict=True)]

        with patch.object(rooms, "measure", lambda *_, **__: Acoustics(0.0, 0.0, 0.0, 0.0)):
            bare = mean_ms(lambda i, rate=rate: rooms.simulate(drawn[i], places[i], rng, rate), args.rooms)
        whole = mean_ms(
            lambda i, made=made, rate=rate: measure(made[i].response, rate, made[i].arrival_s, noise_floor=False),
            args.rooms,
        )
        print(f"{f'{rate} Hz: simulate, without measuring':44s} {bare:7.2f} ms")
        print(f"{f'{rate} Hz: measure 20 bands':44s} {whole:7.2f} ms")
        clip = rng.standard_normal(10 * rate).astype(np.float32)
        wet = mean_ms(lambda i, made=made, clip=clip: render(clip, made[i].response, length=clip.size), args.rooms // 4)
        print(f"{f'{rate} Hz: render 10 s':44s} {wet:7.2f} ms")


if __name__ == "__main__":
    main()
