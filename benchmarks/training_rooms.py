"""Does it matter to a model in which rooms it learned? The same spatial encoder is trained twice, on our rooms and on
image sources to order 10 of the same rooms, and both listen in rooms that were measured.

Run: python benchmarks/training_rooms.py --data ../shared/data [--cache FOLDER] [--steps 300] [--out results]

Everything but the responses is the same in both trainings: rooms, places, clips, order, pieces, rotations, noise,
start weights, number of steps. T30 and DRR are measured of the responses that are heard. Only the first stage of the
recipe is trained, the spatial encoder on direction, distance, volume, T30 and DRR, since what a sound is does not
depend on the rooms. --trainings repeats both with other weights, scenes and rooms, since no training is like another.
Killed and called again it goes on where it was: banks and runs are kept in --cache.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from open_elsa import corpora
from open_elsa.errors import ConfigError, DataError
from open_elsa.evals import suites
from open_elsa.evals.metrics import Interval, bootstrap_interval
from open_elsa.evals.observe import EvalItem
from open_elsa.evals.result import Result, now, versions
from open_elsa.model.elsa import Elsa
from open_elsa.scenes.bank import RoomBank, make_bank
from open_elsa.scenes.memory import keep_memory
from open_elsa.scenes.room_references import IMAGES, OURS, revision
from open_elsa.scenes.scene import Clip
from open_elsa.sound.audio import Sound, to_rate
from open_elsa.sound.foa import angular_error_deg, unit_vector
from open_elsa.training.clip_store import build_store
from open_elsa.training.examples import TrainData
from open_elsa.training.recipes import TrainConfig, recipe
from open_elsa.training.session import bank_name
from open_elsa.training.train import train

#: What a model is called here by the rooms that it learned in, and the simulator that made them.
ARMS = {"ours": OURS, "images": IMAGES}
#: Scenes that are located at once.
BATCH = 16

Floats = NDArray[np.float64]
Metrics = dict[str, float]
Intervals = dict[str, Interval]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="captioned clips, and measured-rooms/ among them")
    parser.add_argument("--cache", type=Path, default=Path("runs/training-rooms"), help="banks, clips, runs; goes on")
    parser.add_argument("--model", default="elsa-small", help="a recipe whose first stage trains the spatial encoder")
    parser.add_argument("--rooms", type=int, default=600)
    parser.add_argument("--places", type=int, default=2, help="of a source in each room")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.5, help="of a scene, in training and in the test")
    parser.add_argument("--clips", type=int, default=8, help="test clips heard from every measured place")
    parser.add_argument("--trainings", type=int, default=2, help="in each kind of rooms")
    parser.add_argument("--seed", type=int, default=0, help="of the first training's weights, scenes and rooms")
    parser.add_argument("--workers", type=int, help="processes that make rooms and batches; the recipe's")
    parser.add_argument("--out", default="", help="folder for benchmark.training_rooms.json")
    options = parser.parse_args(arguments)
    started, console = time.perf_counter(), Console(stderr=True)
    configs = [config_of(options, options.seed + k) for k in range(options.trainings)]
    clips = trainable_clips(options.data)
    models: dict[str, list[Elsa]] = {arm: [] for arm in ARMS}
    told: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for config, arm in itertools.product(configs, ARMS):
        model, about = trained(arm, config, clips, options.cache, console)
        models[arm].append(model)
        told[arm].append(about)
    suite = suites.measured(options.data, options.cache, clips_a_place=options.clips, duration_s=options.seconds)
    heard = listen(models, suite, console)
    metrics, intervals = compare(heard)
    for name, value in metrics.items():
        span = f"{intervals[name].low:8.4g} to {intervals[name].high:.4g}" if name in intervals else ""
        print(f"{name:42s} {value:10.4g}  {span}")
    if options.out:
        result = result_of(metrics, intervals, heard, told, suite, configs[0], options)
        print(dataclasses.replace(result, seconds=round(time.perf_counter() - started, 1)).save(options.out))


# -- training --------------------------------------------------------------------------------------------------------


def config_of(options: argparse.Namespace, seed: int) -> TrainConfig:
    """The recipe with its first stage alone, and the numbers that were asked for."""
    given = recipe(options.model)
    stage = given.stages[0]
    if stage.kind != "place":
        raise ConfigError(f"the recipe {given.name} does not begin with the spatial encoder; use elsa-small")
    stage = dataclasses.replace(
        stage,
        steps=options.steps,
        batch_size=options.batch,
        data=dataclasses.replace(stage.data, seconds=options.seconds),
        warmup_steps=min(stage.warmup_steps, options.steps // 5),
    )
    return dataclasses.replace(
        given,
        name=f"{given.name}-training-rooms",
        stages=(stage,),
        rooms=options.rooms,
        positions_per_room=options.places,
        seed=seed,
        bank_seed=seed + 1,
        workers=given.workers if options.workers is None else options.workers,
    )


def trainable_clips(data: Path) -> list[Clip]:
    """The clips that weights learn from."""
    clips = [c for c in corpora.load(str(data), splits=("train",)).clips if c.trainable]
    if not clips:
        raise DataError(f"{data} has no clip of the split 'train' that may be trained on")
    return clips


def bank_of(arm: str, config: TrainConfig, cache: Path, console: Console) -> RoomBank:
    """The rooms of a model, made or opened: the same rooms and places for all."""
    rate = config.model.sample_rate
    kind = "" if ARMS[arm] == OURS else f"{ARMS[arm]}-"
    return make_bank(
        cache / f"{kind}rooms-{bank_name(config, config.rooms, config.bank_seed)}",
        rooms=config.rooms,
        positions_per_room=config.positions_per_room,
        seed=config.bank_seed,
        sample_rate=rate,
        ranges=config.ranges,
        simulator=ARMS[arm],
        workers=max(1, config.workers),
        progress=lambda done, total: console.print(f"{arm}: {done}/{total} responses"),
    )


def trained(
    arm: str, config: TrainConfig, clips: Sequence[Clip], cache: Path, console: Console
) -> tuple[Elsa, dict[str, Any]]:
    """One model of an arm, trained now, further, or long ago, and which rooms it learned in."""
    bank = bank_of(arm, config, cache, console)
    store = build_store(cache, clips, config.model.sample_rate)
    data = TrainData(clips, store, bank)
    # all that changes a number is in the folder's name
    what = config.to_json() + bank.fingerprint() + "".join(store.ids)
    folder = cache / f"run-{arm}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    console.print(f"{arm}: {revision(ARMS[arm])}, {folder}", soft_wrap=True)
    model = train(config, data, folder, console=console)
    t30, drr = (float(np.nanmean(bank.table[name].to_numpy())) for name in ("t30_s", "drr_db"))
    simulator = revision(ARMS[arm])
    return model, {"simulator": simulator, "bank": bank.fingerprint(), "mean_t30_s": t30, "mean_drr_db": drr}


# -- listening -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """What the models said of the same scenes, a row for each of n scenes and each training: whose errors, by arm.

    direction: (n * trainings,) degrees. distance: (n * trainings,), as a share of the true one. training: (n *
    trainings,), which one a row is of.
    """

    ids: list[str]
    places: list[str]
    families: list[str]
    training: NDArray[np.int64]
    direction: dict[str, Floats]
    distance: dict[str, Floats]


@torch.inference_mode()
def listen(models: dict[str, list[Elsa]], suite: suites.SceneItems, console: Console) -> Heard:
    """Render every scene once and have its direction and distance said by the spatial encoder of each model."""
    items: list[EvalItem] = []
    first = models["ours"][0]
    device = next(first.parameters()).device
    said: dict[str, list[NDArray[np.float32]]] = {arm: [] for arm in models}  # (trainings, scenes, 4) of each batch
    for batch in batches(suite.items()):
        sounds = [to_rate(Sound(item.samples, item.sample_rate, item.id), first.sample_rate).samples for item in batch]
        features = first.front_end.where(torch.from_numpy(np.stack(sounds)).to(device))
        for arm, trainings in models.items():
            places = [model.place(features) for model in trainings]
            rows = [torch.cat([p.direction, p.log_distance.exp()[:, None]], 1) for p in places]
            said[arm].append(torch.stack(rows).float().cpu().numpy())
        items += [dataclasses.replace(item, samples=item.samples[:, :0]) for item in batch]
        if len(items) % (20 * BATCH) == 0:
            console.print(f"{len(items)}/{len(suite)} scenes")
    answers = {arm: np.concatenate(rows, axis=1).astype(np.float64) for arm, rows in said.items()}
    times = len(models["ours"])
    azimuth, elevation, metres = (
        np.array([item.truth[name] for item in items], dtype=np.float64)
        for name in ("azimuth_deg", "elevation_deg", "distance_m")
    )
    true = unit_vector(azimuth, elevation)
    return Heard(
        [item.id for item in items] * times,
        [item.place for item in items] * times,
        [item.group for item in items] * times,
        np.repeat(np.arange(times), len(items)),
        {arm: np.asarray(angular_error_deg(rows[..., :3], true)).ravel() for arm, rows in answers.items()},
        {arm: (np.abs(rows[..., 3] - metres) / metres).ravel() for arm, rows in answers.items()},
    )


def batches(items: Iterator[EvalItem]) -> Iterator[list[EvalItem]]:
    """Scenes some at a time."""
    while batch := list(itertools.islice(items, BATCH)):
        yield batch


# -- comparing -------------------------------------------------------------------------------------------------------


def compare(heard: Heard) -> tuple[Metrics, Intervals]:
    """Errors of each arm, and how much smaller ours is scene by scene ("gain"), over all and by family of rooms.

    Metrics "ARM.direction.mean_deg", "gain.direction.median_deg", "ARM.direction.FAMILY.mean_deg",
    "ARM.distance.mean_relative" and so on, with intervals over places; the same of each training alone, as
    "gain.direction.training_1.mean_deg"; "direction.n", "direction.FAMILY.n": scenes, "direction.places".
    """
    metrics: Metrics = {}
    intervals: Intervals = {}
    families = np.asarray(heard.families)
    parts = {"": np.ones(len(families), dtype=np.bool_)}
    parts |= {f".{name}": families == name for name in sorted(set(heard.families))}
    trainings = sorted(set(heard.training.tolist()))
    if len(trainings) > 1:
        parts |= {f".training_{k + 1}": heard.training == k for k in trainings}
    for quantity, errors, unit in (
        ("direction", heard.direction, "deg"),
        ("distance", heard.distance, "relative"),
    ):
        for part, mask in parts.items():
            places = [p for p, inside in zip(heard.places, mask, strict=True) if inside]
            ours, images = errors["ours"][mask], errors["images"][mask]
            known = (f"{quantity}{part}", unit, places)
            _add(metrics, intervals, known, ours, images)
            scenes = {i for i, inside in zip(heard.ids, mask, strict=True) if inside}
            metrics[f"{quantity}{part}.n"] = float(len(scenes))
            metrics[f"{quantity}{part}.places"] = float(len(set(places)))
    return metrics, intervals


def _add(
    metrics: Metrics, intervals: Intervals, known: tuple[str, str, list[str]], ours: Floats, images: Floats
) -> None:
    """Mean and median of both arms and of what ours saves; the paired interval draws the same scenes for both."""
    name, unit, places = known
    for arm, errors in (("ours", ours), ("images", images), ("gain", images - ours)):
        metrics[f"{arm}.{name}.mean_{unit}"] = float(errors.mean())
        intervals[f"{arm}.{name}.mean_{unit}"] = bootstrap_interval(errors, groups=places)
    said: dict[str, Callable[[NDArray[np.int64]], float]] = {
        "ours": lambda i: float(np.median(ours[i])),
        "images": lambda i: float(np.median(images[i])),
        "gain": lambda i: float(np.median(images[i]) - np.median(ours[i])),
    }
    rows = np.arange(len(ours))
    for arm, median in said.items():
        metrics[f"{arm}.{name}.median_{unit}"] = median(rows)
        intervals[f"{arm}.{name}.median_{unit}"] = bootstrap_interval(
            rows, lambda i, m=median: m(i.astype(int)), groups=places, rounds=300
        )


def result_of(
    metrics: Metrics,
    intervals: Intervals,
    heard: Heard,
    told: dict[str, list[dict[str, Any]]],
    suite: suites.SceneItems,
    config: TrainConfig,
    options: argparse.Namespace,
) -> Result:
    """Everything as a result of the suite "benchmark"."""
    stage = config.stages[0]
    names = ("model", "rooms", "places", "steps", "batch", "seconds", "clips", "trainings", "seed")
    ours, images = (told[arm][0]["simulator"] for arm in ("ours", "images"))
    shown = " ".join(f"--{name} {getattr(options, name)}" for name in names)
    return Result(
        task="training_rooms",
        suite="benchmark",
        metrics=metrics,
        intervals=intervals,
        n=len(suite),
        protocol=(
            f"The spatial encoder of {options.model} trained in two kinds of rooms from the same start weights: "
            f"{stage.steps} steps of {stage.batch_size} scenes of {stage.data.seconds:g} s, the same clips, pieces, "
            f"rotations and noise, in the same {config.rooms} rooms x {config.positions_per_room} places. 'ours': "
            f"{ours}; 'images': {images}. {options.trainings} trainings in each, from seed {config.seed} on, with "
            f"their own weights, scenes and rooms; every scene counts once for each. {suite.about} Direction: "
            "great-circle angle; distance: error as a share of the truth. 'gain': error of 'images' less that of "
            "'ours' on the same scene, above zero where our rooms teach more. 95 % interval by bootstrap over source "
            "places: what other places would give; the trainings stand apart to show what others would. Measured on "
            f"{os.cpu_count()} cores."
        ),
        data_revision=suite.revision,
        versions=versions(),
        made_at=now(),
        command=f"python benchmarks/training_rooms.py {shown}",
        details={"arms": told},
        items={
            "id": heard.ids,
            "place": heard.places,
            "group": heard.families,
            "training": heard.training.tolist(),
            **{f"{arm}_direction_error_deg": list(errors) for arm, errors in heard.direction.items()},
            **{f"{arm}_distance_error_relative": list(errors) for arm, errors in heard.distance.items()},
        },
    )


if __name__ == "__main__":
    keep_memory()
    main()
