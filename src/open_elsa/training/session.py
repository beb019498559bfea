"""From a folder of captioned sounds to a checkpoint: read the corpus, make the bank, train, save with a card."""

from __future__ import annotations

import csv
import hashlib
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path

import torch
from rich.console import Console

from open_elsa import corpora
from open_elsa.corpora import elsa_clips
from open_elsa.corpora.leaving_out import Dropped, leave_out
from open_elsa.errors import DataError, TrainingError
from open_elsa.model import checkpoints
from open_elsa.model.card import ModelCard, sources_of
from open_elsa.model.tag_names import LABELS
from open_elsa.scenes.bank import BANK_VERSION, RoomBank, make_bank
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_files import write_whole
from open_elsa.training import distributed, state
from open_elsa.training.clip_store import build_store
from open_elsa.training.examples import TrainData
from open_elsa.training.naming import Namer
from open_elsa.training.recipes import TrainConfig
from open_elsa.training.train import train

TAGGER = Path("weights") / "mn04_as_mAP_432.pt"
TRAINING_LIST, LEFT_OUT_LIST = "training_data.csv", "left_out.csv"
TAGGER_CREDIT = "semantic encoder started from EfficientAT mn04_as (Schmid, Koutini, Widmer; MIT), "
TEXT_CREDIT = "text backbone all-MiniLM-L6-v2 (Apache-2.0), frozen, installed from its own package"
LIMITS = (
    "One direction at a time: of two overlapping sounds it gives the louder one's, and sometimes one in between.",
    "Trained in simulated shoebox rooms: no diffraction, no coupled rooms.",
    "Room words need a sound with pauses or an ending: steady noise hides the reverberation.",
    "The vocabulary is that of a few thousand clips; rare sounds may be mistaken for common ones.",
)


def train_recipe(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    corpus: str | None = None,
    cache: Path | None = None,
    start: Path | None = None,
    tagger: Path | None = None,
    text: Path | None = None,
    stop_after: int | None = None,
    console: Console | None = None,
    command: str = "",
) -> Path:
    """Run a recipe on a corpus and return the checkpoint's folder, out/checkpoint.

    data: a data set's folder (any that `corpora.load` reads; with `corpus` its name). Clips of the split "train" are
    trained on, those of "val" (if any) are only looked at after each stage. cache: where decoded clips and banks are
    kept, out/cache by default. start: a finished checkpoint of the same model to go on from, instead of tagger and
    text; the new card names its weights. tagger: the semantic encoder's start (EfficientAT's file, or a folder with
    CLAP's weights for HTSAT); data/weights/ is searched for the former when None, and without it the encoder starts
    random. text: a folder with RoBERTa's weights for models that train it. Killed and called again, it goes on where
    it was.
    Classes of `config.left_out` are heard by neither part; the checkpoint lists the clips that were dropped for them.
    Raises DataError for an unusable corpus, TrainingError when `out` holds another run, or where the weights of `start`
    have heard a class that is to be left out.
    """
    distributed.start()
    if start is not None and (heard := sorted(set(config.left_out) - set(checkpoints.left_out(start)))):
        raise TrainingError(f"the weights {start} have heard {', '.join(heard)}; leave a class out from the start on")
    console = console or Console(stderr=True)
    cache = cache or out / "cache"
    clips, dropped = clips_of(config, data, corpus, console)
    train_data = prepare(config, clips["train"], cache, config.bank_seed, config.rooms, console)
    val_data = None
    if clips["val"]:
        val_data = prepare(config, clips["val"], cache, config.bank_seed + 1, max(4, config.rooms // 20), console)
    small = config.model.semantic.kind == "mobilenet"
    if start is None and tagger is None and small and (data / TAGGER).exists():
        tagger = data / TAGGER
    if start is None and tagger is None:
        console.print("[yellow]no weights to start from: the semantic encoder starts from random weights[/]")
    namer = None
    if any(stage.names for stage in config.stages):
        namer = Namer.of(tagger or data / TAGGER, data / LABELS, train_data.store, seed=config.seed)
    model = train(
        config,
        train_data,
        out,
        validation=val_data,
        start=start,
        tagger=tagger,
        text=text,
        namer=namer,
        stop_after=stop_after,
        console=console,
    )
    folder = out / "checkpoint"
    if distributed.rank() == 0:
        minutes = state.progress_of(out / "state")["minutes"]
        card = _card(config, clips["train"], command or f"elsa train {config.name} --data {data.name}", minutes, start)
        checkpoints.save(folder, model, card, dtype=torch.float16)  # rounding is far below a word's width
        write_training_list(folder / TRAINING_LIST, clips["train"])
        if dropped:
            write_left_out_list(folder / LEFT_OUT_LIST, dropped)
        console.print(f"saved {folder}")
    return folder


def clips_of(
    config: TrainConfig, data: Path, corpus: str | None, console: Console
) -> tuple[dict[str, list[Clip]], list[Dropped]]:
    """The clips of the splits "train" and "val" that this configuration may learn from, and those of classes left out.

    Raises DataError where there is none to train on.
    """
    name, root = (corpus, data) if corpus else (str(data), None)
    loaded = corpora.load(name, root, max_problems=50)
    for problem in loaded.problems[:5]:
        console.print(f"[yellow]skipped[/] {problem}")
    licensed = [c for c in loaded.clips if c.trainable or not config.freely_licensed_only]
    usable, dropped = leave_out(licensed, config.left_out)
    if dropped:
        console.print(f"left out: {len(dropped)} of {len(licensed)} clips, which are of or speak of a class left out")
    clips = {split: [c for c in usable if c.split == split] for split in ("train", "val")}
    if not clips["train"]:
        raise DataError(f"{data} has no clip of the split 'train' that may be trained on")
    return clips, dropped


def write_training_list(path: Path, clips: Sequence[Clip]) -> None:
    """Write which clips a checkpoint learned from, one a row, with the licence and the original recording of each."""
    header = ("id", "corpus", "label", "licence", "recording", "source_url")
    _write_csv(path, header, ((c.id, c.corpus, c.label, c.licence, c.recording, c.source_url) for c in clips))


def write_left_out_list(path: Path, dropped: Sequence[Dropped]) -> None:
    """Write which clips were dropped, one a row: for which class, and the text that speaks of it."""
    rows = ((d.clip.id, d.clip.corpus, d.clip.split, d.clip.label, d.label, d.why) for d in dropped)
    _write_csv(path, ("id", "corpus", "split", "label", "left_out", "because"), rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    def write(unfinished: Path) -> None:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(header)
            table.writerows(rows)

    write_whole(path, write)


def bank_name(config: TrainConfig, rooms: int, seed: int) -> str:
    """What a bank is filed under: all that it was drawn from, so that other ranges get other rooms."""
    drawn = hashlib.sha256(repr(config.ranges).encode()).hexdigest()[:8]
    return f"{rooms}x{config.positions_per_room}-{config.model.sample_rate}-seed{seed}-bank{BANK_VERSION}-{drawn}"


def prepare(
    config: TrainConfig, clips: Sequence[Clip], cache: Path, bank_seed: int, rooms: int, console: Console
) -> TrainData:
    """Decode the clips and make the bank, on the first rank; the others wait and open them."""
    rate = config.model.sample_rate
    name = bank_name(config, rooms, bank_seed)
    asked = {stage.bank for stage in config.stages}
    banks = {}
    if asked & {"drawn", "both"}:
        banks[False] = cache / f"rooms-{name}"
    if asked & {"balanced", "both"}:
        banks[True] = cache / f"balanced-rooms-{name}"
    if distributed.rank() == 0:
        build_store(cache, clips, rate, progress=every(console, "decoding", 1000))
        for balanced, folder in banks.items():
            make_bank(
                folder,
                rooms=rooms,
                positions_per_room=config.positions_per_room,
                seed=bank_seed,
                sample_rate=rate,
                ranges=config.ranges,
                balanced=balanced,
                workers=max(1, config.workers),
                progress=every(console, "simulating", 1000),
            )
    distributed.wait()
    opened = {balanced: RoomBank.open(folder) for balanced, folder in banks.items()}
    return TrainData(clips, build_store(cache, clips, rate), opened.get(False), opened.get(True))


def every(console: Console, what: str, n: int) -> Callable[[int, int], None]:
    """A progress callback that prints about every n."""
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        if done % n < 256 and done // n != shown:
            shown = done // n
            console.print(f"{what} {done}/{total}")

    return show


def _card(config: TrainConfig, clips: Sequence[Clip], command: str, minutes: float, start: Path | None) -> ModelCard:
    trained = any(stage.kind == "align" and stage.tagger_lr for stage in config.stages)
    tagger = TAGGER_CREDIT + ("all of its layers trained further" if trained or start is not None else "unchanged")
    credits: tuple[str, ...] = (tagger, TEXT_CREDIT) if config.model.semantic.kind == "mobilenet" else ()
    if start is not None:
        before = (
            f"went on from the weights {checkpoints.weights_hash(start)[:12]}, whose card lists what they learned from"
        )
        credits = (before, *credits)
    return ModelCard(
        name=config.name,
        summary=(
            "Embeddings for language and spatial audio "
            f"({config.model.embedding_dim}-d, {config.model.sample_rate} Hz): finds, locates and "
            "describes first-order ambisonic and mono recordings in plain words."
        ),
        recipe=command,
        date=date.today().isoformat(),
        machine=(
            f"{platform.machine()}, {os.cpu_count()} CPU cores, "
            f"{'one GPU a process, ' if torch.cuda.is_available() else ''}{distributed.world_size()} process(es), "
            f"{minutes:.0f} minutes"
        ),
        seed=config.seed,
        sources=sources_of(clips, elsa_clips.CREDITS),
        credits=credits,
        limits=LIMITS,
        left_out=config.left_out,
        code_revision=revision(),
    )


def revision() -> str:
    """The commit of the code, or "" outside a checkout."""
    try:
        return subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
