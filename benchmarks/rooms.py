"""How many room responses one core makes, against pyroomacoustics on the same rooms in the same run; how two processes
share the work; and how many hours of scenes an hour of one core decodes, simulates and renders, and also writes.

Run: OMP_NUM_THREADS=1 python benchmarks/rooms.py [--rooms 200] [--alternatives 6] [--clips 40] [--out results]

Rooms, places and directivities are drawn as for training: floor area 13 to 277 m2, T30 0.14 to 2.7 s, eight octave
bands with air absorption at 48 kHz. The alternative is what pyroomacoustics 0.10 offers for the same: images to the
third order, then ray tracing, with the same absorption and scattering per octave, air, and four microphones in one
place (omnidirectional and three figures of eight). Each room is simulated by both, one after the other, so that a busy
machine slows both.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import saving

from open_elsa.evals.metrics import Interval, bootstrap_interval
from open_elsa.scenes import room_physics, rooms
from open_elsa.scenes.memory import keep_memory
from open_elsa.scenes.render import render
from open_elsa.scenes.scene import Room, SourcePosition
from open_elsa.sound import audio
from open_elsa.sound.acoustics import OCTAVE_BANDS_HZ, measure

RATE, SECONDS = 48_000, 10.0
#: Rooms a process takes at a time, and rounds in which two processes are set against one.
PARCEL, PAIR_ROUNDS = 20, 15
Pair = tuple[Room, SourcePosition]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all rooms; the quickest counts")
    parser.add_argument("--alternatives", type=int, default=6, help="rooms that pyroomacoustics simulates too")
    parser.add_argument("--clips", type=int, default=40, help="10 s clips that are decoded and rendered")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="", help="folder for benchmark.rooms.json")
    options = parser.parse_args()
    # as the workers of `make_bank` do
    keep_memory()
    pairs = draw(options.rooms, options.seed)
    metrics = one_core(pairs, options.rounds) | torch_batches(pairs)
    metrics |= hours(pairs, options.clips)
    shared, ratios = two_processes(options.rooms, options.seed), against(pairs[: options.alternatives])
    metrics["two_process_ratio"] = statistics.median(shared)
    intervals = {"two_process_ratio": bootstrap_interval(shared, lambda x: float(np.median(x)))}
    if ratios:
        metrics["pyroomacoustics_ratio"] = statistics.median(ratios)
        metrics["pyroomacoustics_ratio_least"] = min(ratios)
        intervals["pyroomacoustics_ratio"] = bootstrap_interval(ratios, lambda x: float(np.median(x)))
    for name, value in metrics.items():
        print(f"{name:32s} {value:12.4g}")
    if options.out:
        print(save(metrics, intervals, options))


def draw(count: int, seed: int) -> list[Pair]:
    """Rooms and places as for training."""
    rng, ranges = np.random.default_rng(seed), rooms.RoomRanges()
    drawn = [rooms.draw_room(rng, ranges, str(i)) for i in range(count)]
    return [(room, rooms.draw_position(rng, room, ranges)) for room in drawn]


def bare(pair: Pair, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """A response without its measurement."""
    return rooms.render_plan(rooms.plan_response(*pair, np.random.default_rng(seed), RATE))


def quickest(work: Callable[[int], object], count: int, rounds: int) -> float:
    """Seconds of processor time for `work` on one of `count` items, in the quickest round over all of them."""
    work(0)
    found = []
    for _ in range(rounds):
        start = time.process_time()
        for i in range(count):
            work(i)
        found.append((time.process_time() - start) / count)
    return min(found)


def one_core(pairs: list[Pair], rounds: int) -> dict[str, float]:
    """Responses a second of one core, with and without measuring them, and the milliseconds of each part."""
    rng, ranges = np.random.default_rng(1), rooms.RoomRanges()
    made = [rooms.simulate(*pair, rng, RATE) for pair in pairs]
    parts: dict[str, Callable[[int], object]] = {
        "draw_ms": lambda i: rooms.draw_position(rng, rooms.draw_room(rng, ranges, "x"), ranges),
        "plan_ms": lambda i: rooms.plan_response(*pairs[i], rng, RATE),
        "simulate_ms": lambda i: bare(pairs[i], i),
        "measure_ms": lambda i: measure(made[i].response, RATE, made[i].arrival_s, noise_floor=False),
        "simulate_and_measure_ms": lambda i: rooms.simulate(*pairs[i], rng, RATE),
    }
    found = {name: 1000.0 * quickest(work, len(pairs), rounds) for name, work in parts.items()}
    return {
        "simulated_per_s": 1000.0 / found["simulate_ms"],
        "simulated_and_measured_per_s": 1000.0 / found["simulate_and_measure_ms"],
        "mean_length_s": statistics.mean(m.response.shape[1] for m in made) / RATE,
        "mean_t30_s": statistics.mean(m.acoustics.t30_s for m in made),
        **found,
    }


def torch_batches(pairs: list[Pair], batch: int = 16) -> dict[str, float]:
    """Milliseconds a response in batches of the torch version on one core, plans included."""
    import torch

    from open_elsa.scenes.rooms_torch import render_plans

    torch.set_num_threads(1)
    rng = np.random.default_rng(2)
    batches = [pairs[i : i + batch] for i in range(0, min(len(pairs), 4 * batch), batch)]
    work = [lambda b=b: render_plans([rooms.plan_response(*pair, rng, RATE) for pair in b]) for b in batches]
    seconds = quickest(lambda i: work[i](), len(work), 2)
    return {"torch_batch_ms": 1000.0 * seconds * len(batches) / sum(map(len, batches))}


def rate_of(job: tuple[int, int]) -> None:
    """Simulate and measure (rooms, seed): what one process does."""
    for i, pair in enumerate(draw(*job)):
        rooms.simulate(*pair, np.random.default_rng(i), RATE)


def two_processes(count: int, seed: int) -> list[float]:
    """Rates of two processes against those of one, by the clock and round by round: the same work, processes warm."""
    context = multiprocessing.get_context("spawn")
    half = max(1, round(count / (2 * PARCEL)))  # an even number, so that both processes have the same to do
    parcels = [(max(1, count // (2 * half)), seed + i) for i in range(2 * half)]

    def elapsed(pool: ProcessPoolExecutor) -> float:
        start = time.perf_counter()
        list(pool.map(rate_of, parcels))
        return time.perf_counter() - start

    with (
        ProcessPoolExecutor(1, mp_context=context, initializer=keep_memory) as one,
        ProcessPoolExecutor(2, mp_context=context, initializer=keep_memory) as two,
    ):
        for pool in (one, two):
            elapsed(pool)
        return [elapsed(one) / elapsed(two) for _ in range(PAIR_ROUNDS)]


def hours(pairs: list[Pair], clips: int) -> dict[str, float]:
    """Hours of 10 s scenes an hour of one core makes: decode, simulate, convolve; and with 16-bit FLAC written."""
    with tempfile.TemporaryDirectory() as folder:
        files = list(write_clips(Path(folder), 8))

        def scene(i: int) -> np.ndarray:  # type: ignore[type-arg]
            clip = audio.read(files[i % len(files)]).samples[0]
            wet = render(clip, bare(pairs[i % len(pairs)], i), length=clip.size)
            wet *= np.float32(0.5 / audio.peak(wet))
            return wet

        def written(i: int) -> None:
            audio.write(Path(folder) / "scene.flac", scene(i), RATE, overwrite=True)

        made, stored = (quickest(work, clips, 2) for work in (scene, written))
    return {"hours_per_core_hour": SECONDS / made, "hours_per_core_hour_flac": SECONDS / stored}


def write_clips(folder: Path, count: int) -> Iterator[Path]:
    """Mono FLAC clips of coloured noise in bursts, which compresses about as recordings do."""
    rng = np.random.default_rng(3)
    for i in range(count):
        n = round(SECONDS * RATE)
        spectrum = np.fft.rfft(rng.standard_normal(n)) / np.maximum(np.fft.rfftfreq(n, 1 / RATE), 50.0)
        noise = np.fft.irfft(spectrum, n) * (0.2 + np.abs(np.sin(np.arange(n) * (3.0 + i) / RATE)))
        path = folder / f"{i}.flac"
        audio.write(path, (0.5 * noise / np.abs(noise).max()).astype(np.float32)[None], RATE)
        yield path


def against(pairs: list[Pair]) -> list[float]:
    """Times of pyroomacoustics to ours, room by room; ours is the mean of ten responses beside it."""
    ratios = []
    for number, pair in enumerate(pairs):
        ours = quickest(lambda i, pair=pair: bare(pair, i), 10, 1)
        start = time.process_time()
        response = pyroomacoustics_response(*pair)
        ratios.append((time.process_time() - start) / ours)
        theirs = f"{time.process_time() - start:.2f} s, {response.shape[1] / RATE:.2f} s long"
        print(f"room {number}: ours {1000 * ours:.2f} ms, pyroomacoustics {theirs}")
    return ratios


def pyroomacoustics_response(room: Room, position: SourcePosition) -> np.ndarray:  # type: ignore[type-arg]
    """The same room by images to order 3 and ray tracing as long as ours: (4, n) as W, Y, Z, X."""
    import pyroomacoustics as pra
    from pyroomacoustics.directivities import DirectionVector, FigureEight, Omnidirectional

    pra.constants.set("num_threads", 1)
    bands = {"center_freqs": list(OCTAVE_BANDS_HZ)}
    material = pra.Material(
        {"coeffs": list(room.absorption), **bands}, {"coeffs": list(room_physics.band_scattering(room)), **bands}
    )
    box = pra.ShoeBox(room.size_m, fs=RATE, materials=material, max_order=3, air_absorption=True, ray_tracing=True)
    # by default it traces for ten seconds, whatever the room
    box.set_ray_tracing(time_thres=room_physics.response_length_s(room))
    box.add_source(list(rooms.source_place(room, position)))
    axes = ((room.array_yaw_deg + 90.0, 90.0), (0.0, 0.0), (room.array_yaw_deg, 90.0))
    eights: list[Any] = [FigureEight(DirectionVector(azimuth=a, colatitude=c, degrees=True)) for a, c in axes]
    for pattern in (Omnidirectional(), *eights):
        box.add_microphone(list(room.array_m), directivity=pattern)
    box.compute_rir()
    heard = [box.rir[channel][0] for channel in range(4)]
    shortest = min(h.size for h in heard)
    return np.stack([h[:shortest] for h in heard])


def save(metrics: dict[str, float], intervals: dict[str, Interval], options: argparse.Namespace) -> Path:
    """Write benchmark.rooms.json."""
    return saving.save(
        options.out,
        "rooms",
        metrics,
        intervals=intervals,
        n=options.rooms,
        protocol=(
            f"{options.rooms} rooms as drawn for training (seed {options.seed}), ambisonic responses at {RATE} Hz, "
            "eight octave bands with air absorption. Rates of one core: processor time of one thread, the quickest of "
            f"{options.rounds} rounds, memory kept as in the workers of a bank. pyroomacoustics: images to order 3, "
            "ray tracing as long as our response, the same octaves, four microphones; the ratio is the median over "
            f"{options.alternatives} rooms, each simulated by both one after the other. Two processes: by the clock, "
            f"the same parcels of {PARCEL} rooms as one, median of {PAIR_ROUNDS} rounds in turns. Hours: {SECONDS:g} s "
            "mono FLAC clips decoded, simulated without measuring, convolved; with 16-bit FLAC of four channels "
            "written."
        ),
        model=None,
        command=(
            f"python benchmarks/rooms.py --rooms {options.rooms} --rounds {options.rounds} "
            f"--alternatives {options.alternatives} --clips {options.clips} --seed {options.seed}"
        ),
    )


if __name__ == "__main__":
    main()
