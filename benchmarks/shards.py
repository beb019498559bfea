"""How many hours of scenes an hour of one core makes and writes into shards, how two processes share that, how quickly
shards are read, and what Opus loses at each bit rate.

Run: OMP_NUM_THREADS=1 python benchmarks/shards.py [--scenes 96] [--rooms 40] [--clips 40] [--rounds 3] [--out results]

The first two rows are those of benchmarks/rooms.py, with the same functions: 10 s clips decoded, a response simulated,
convolved; then also written as a FLAC file. The others are a set of 10 s scenes at 48 kHz of clips that are coloured
noise in bursts, rendered from a bank of responses as an export does. Times are processor time of one process, except
for two processes against one, which goes by the clock, in processes that are warm.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import saving
from rooms import RATE, SECONDS, draw, hours, write_clips

from open_elsa.scenes.bank import make_bank
from open_elsa.scenes.memory import keep_memory
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.shard_reader import ShardReader
from open_elsa.scenes.shards import ShardJob, ShardSettings, ShardWriter, begin, finish, write_shard
from open_elsa.scenes.store import Store
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes
from open_elsa.sound import coded

FLAC16 = ShardSettings(per_shard=8)
KBPS = (96, 128, 192, 256, 384, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=96)
    parser.add_argument("--rooms", type=int, default=40)
    parser.add_argument("--clips", type=int, default=40, help="clips of the rows that rooms.py measures too")
    parser.add_argument("--rounds", type=int, default=3, help="the quickest counts")
    parser.add_argument("--lossy", type=int, default=24, help="scenes that are coded as Opus at each bit rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="", help="folder for benchmark.shards.json")
    options = parser.parse_args()
    # as the workers of an export do
    keep_memory()
    with tempfile.TemporaryDirectory() as folder:
        scenes = make_set(Path(folder), options)
        metrics = hours(draw(options.rooms, options.seed), options.clips)
        metrics |= written(scenes, Path(folder), options.rounds)
        metrics |= two_processes(scenes, Path(folder))
        for kbps in KBPS:
            metrics |= lost(scenes, kbps, options.lossy)
    for name, value in metrics.items():
        print(f"{name:32s} {value:12.4g}")
    if options.out:
        print(save(metrics, options))


def make_set(folder: Path, options: argparse.Namespace) -> SceneSet:
    """Scenes of one still source, as long as their clips."""
    (folder / "clips").mkdir()
    clips = [
        Clip(path.stem, str(path), (f"sound number {path.stem}",), "noise", "train", "CC0", SECONDS, label=path.stem)
        for path in write_clips(folder / "clips", 8)
    ]
    bank = make_bank(
        folder / "bank", rooms=options.rooms, positions_per_room=2, seed=options.seed, sample_rate=RATE, workers=1
    )
    recipe = SceneRecipe(duration_s=SECONDS)
    return make_scenes(folder / "scenes", clips, bank, scenes=options.scenes, seed=options.seed, recipe=recipe)


def written(scenes: SceneSet, folder: Path, rounds: int) -> dict[str, float]:
    """Hours of scenes an hour of one core renders, writes into shards of each kind, and reads from them."""
    total = len(scenes) * SECONDS
    settings = {
        "flac16": FLAC16,
        "flac24": replace(FLAC16, bits=24),
        "opus256": replace(FLAC16, codec="opus", kbps=256),
    }
    found = {"render_hours_per_core_hour": total / least(rounds, lambda _: render_all(scenes))}
    for name, chosen in settings.items():

        def export(number: int, name: str = name, chosen: ShardSettings = chosen) -> None:
            place = folder / f"{name}-{number}"
            writer = begin(scenes, Store(place), chosen)
            report = finish(writer, [write_shard(writer, job) for job in writer.jobs()])
            found[f"{name}_mb_per_hour"] = report.bytes / 1e6 / report.hours

        found[f"{name}_hours_per_core_hour"] = total / least(rounds, export)
        reader = ShardReader.open(folder / f"{name}-0")
        found[f"{name}_read_hours_per_core_hour"] = total / least(rounds, lambda _, r=reader: [s.key for s in r])
    return found


def render_all(scenes: SceneSet) -> None:
    for i in range(len(scenes)):
        scenes.render(i)


def least(rounds: int, work: Any) -> float:
    """Seconds of processor time of the quickest round."""
    times = []
    for number in range(rounds):
        start = time.process_time()
        work(number)
        times.append(time.process_time() - start)
    return min(times)


def work_on(task: tuple[ShardWriter, list[ShardJob]]) -> None:
    """Write some of the shards: what one process does."""
    writer, jobs = task
    for job in jobs:
        write_shard(writer, job)


def two_processes(scenes: SceneSet, folder: Path) -> dict[str, float]:
    """Rate of two processes against that of one on the same shards, by the clock, in new processes that are warm."""
    context = multiprocessing.get_context("spawn")
    elapsed = []
    for workers in (1, 2):
        warm = begin(scenes, Store(folder / f"warm-{workers}"), FLAC16)
        writer = begin(scenes, Store(folder / f"processes-{workers}"), FLAC16)
        jobs = writer.jobs()
        with ProcessPoolExecutor(workers, mp_context=context, initializer=keep_memory) as pool:
            # a process that is still importing takes no second job
            list(pool.map(work_on, [(warm, [job]) for job in warm.jobs()[: 2 * workers]]))
            start = time.perf_counter()
            list(pool.map(work_on, [(writer, jobs[::2]), (writer, jobs[1::2])]))
            elapsed.append(time.perf_counter() - start)
    return {"two_process_ratio": elapsed[0] / elapsed[1]}


def lost(scenes: SceneSet, kbps: int, count: int) -> dict[str, float]:
    """What Opus loses at a bit rate: medians over scenes, and the direction of the worst twentieth."""
    rows = list(losses(scenes, kbps, count))
    real, snr_w, snr_xyz, turned = (np.array(column) for column in zip(*rows, strict=True))
    return {
        f"opus{kbps}_real_kbps": float(np.median(real)),
        f"opus{kbps}_snr_w_db": float(np.median(snr_w)),
        f"opus{kbps}_snr_xyz_db": float(np.median(snr_xyz)),
        f"opus{kbps}_direction_deg": float(np.median(turned)),
        f"opus{kbps}_direction_p95_deg": float(np.percentile(turned, 95)),
    }


def losses(scenes: SceneSet, kbps: int, count: int) -> Iterator[tuple[float, float, float, float]]:
    """For each scene: kbit/s, signal to error between 100 Hz and 12 kHz in W and in Y, Z, X, and how far the mean
    intensity is turned, in degrees."""
    for i in range(min(count, len(scenes))):
        sound = scenes.render(i)
        sound *= np.float32(0.9 / np.abs(sound).max())
        data = coded.to_opus(sound, scenes.sample_rate, kbps)
        before = in_band(sound)
        after = in_band(coded.decoded(data, "opus").samples[:, : sound.shape[1]])
        signal, error = np.sum(np.abs(before) ** 2, 1), np.sum(np.abs(after - before) ** 2, 1)
        ratio_w, ratio_xyz = signal[0] / error[0], signal[1:].sum() / error[1:].sum()
        intended, heard = intensity(before), intensity(after)
        cosine = float(np.clip(intended @ heard, -1.0, 1.0))
        yield (
            len(data) * 8 / 1000 / (sound.shape[1] / scenes.sample_rate),
            10 * float(np.log10(ratio_w)),
            10 * float(np.log10(ratio_xyz)),
            float(np.degrees(np.arccos(cosine))),
        )


def in_band(sound: coded.Float32) -> np.ndarray[Any, Any]:
    """Spectrum (4, bins) between 100 Hz and 12 kHz."""
    hz = np.fft.rfftfreq(sound.shape[1], 1 / RATE)
    return np.fft.rfft(sound.astype(np.float64))[:, (hz > 100) & (hz < 12_000)]


def intensity(spectrum: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Unit vector (x, y, z) of the mean active intensity."""
    flow = np.real(np.conj(spectrum[0]) * spectrum[[3, 1, 2]]).sum(1)
    return np.asarray(flow / np.linalg.norm(flow))


def save(metrics: dict[str, float], options: argparse.Namespace) -> Path:
    """Write benchmark.shards.json."""
    return saving.save(
        options.out,
        "shards",
        metrics,
        n=options.scenes,
        protocol=(
            f"{options.scenes} scenes of one still source, {SECONDS:g} s at {RATE} Hz, in {options.rooms} rooms as "
            f"drawn for training (seed {options.seed}). Rates of one core: processor time of one thread, the quickest "
            f"of {options.rounds} rounds, memory kept as in the workers of an export. Two processes: by the clock, "
            f"same shards as one. Opus: medians over {options.lossy} scenes; signal to error between 100 Hz and "
            "12 kHz, in W and in Y, Z, X together; direction: angle between the mean active intensity before and after."
        ),
        model=None,
        command=(
            f"python benchmarks/shards.py --scenes {options.scenes} --rooms {options.rooms} --clips {options.clips} "
            f"--rounds {options.rounds} --lossy {options.lossy} --seed {options.seed}"
        ),
    )


if __name__ == "__main__":
    main()
