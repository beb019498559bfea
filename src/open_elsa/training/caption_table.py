"""What a caption decoder learns from: embeddings of training scenes with what is heard and the words that are true."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.model import checkpoints
from open_elsa.model.elsa import Elsa
from open_elsa.model.folding import fold_batch_norm
from open_elsa.scenes import captions, workers
from open_elsa.scenes.scene import Clip, SpatialWords
from open_elsa.scenes.scene_files import WORDS, remove_leftovers, write_text, write_whole
from open_elsa.training.clip_store import ClipStore
from open_elsa.training.data import Bank, DataConfig, SceneBatches
from open_elsa.training.examples import WORKER_ENVIRONMENT

#: Scenes a file of the table: what is lost when the work is interrupted.
PART = 250
_BATCH = 16


@dataclass(frozen=True)
class CaptionTable:
    """Embeddings (n, d) float32 with the clip that each sound is of and the words that are true of its place."""

    embeddings: NDArray[np.float32]
    clip_ids: list[str]
    words: list[SpatialWords]

    def __len__(self) -> int:
        return len(self.clip_ids)


class _Job(NamedTuple):
    """What a working process needs."""

    checkpoint: Path
    clips: Sequence[Clip]
    store: ClipStore
    bank: Bank
    data: DataConfig
    seed: int


def embed_scenes(
    folder: Path,
    checkpoint: Path,
    clips: Sequence[Clip],
    store: ClipStore,
    bank: Bank,
    *,
    data: DataConfig,
    scenes: int,
    seed: int,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> CaptionTable:
    """Embed scenes of training clips in training rooms by a finished model, as people hear them: by its own directions.

    folder: where the table is kept, in files of PART scenes; what is there already is not made again, so that the work
    goes on where it was stopped. Scene k is a function of (seed, k) alone, on any number of processes.
    Raises DataError when the folder holds a table of another model, other clips or rooms, or other settings.
    """
    job = _Job(checkpoint, clips, store, bank, data, seed)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    _check(folder, job)
    counts = [min(PART, scenes - first) for first in range(0, scenes, PART)]
    parts = [(part_path(folder, k, n), k * PART, n) for k, n in enumerate(counts)]
    absent = [part for part in parts if not part[0].exists()]
    done = scenes - sum(n for _, _, n in absent)
    if processes > 1:
        os.environ.update(WORKER_ENVIRONMENT)  # read by the processes when they start
    for (_, _, n), _ in workers.run(_open, (job,), _embed_part, absent, processes):
        done += n
        if progress is not None:
            progress(done, scenes)
    return _read([path for path, _, _ in parts])


def part_path(folder: Path, k: int, n: int) -> Path:
    """The file of part k with n scenes."""
    return folder / f"part-{k:05d}-{n}.npz"


def _check(folder: Path, job: _Job) -> None:
    """Write what the table is made of, or compare it with what is written."""
    made_of: dict[str, Any] = {
        "weights": checkpoints.weights_hash(job.checkpoint),
        "clips": hashlib.sha256(json.dumps(job.store.ids).encode()).hexdigest(),
        "rooms": hashlib.sha256(json.dumps(job.bank.manifest, sort_keys=True, default=str).encode()).hexdigest(),
        "data": asdict(job.data),
        "seed": job.seed,
    }
    text = json.dumps(made_of, indent=1, sort_keys=True) + "\n"
    path = folder / "table.json"
    if not path.exists():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise DataError(f"{path} holds embeddings of another model or of other scenes; choose another folder")


def _open(job: _Job) -> tuple[Elsa, SceneBatches]:
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    model = fold_batch_norm(checkpoints.load(job.checkpoint))
    assert isinstance(model, Elsa)
    scenes = SceneBatches(
        model.config, job.data, job.clips, job.store, job.bank, batch_size=_BATCH, steps=1, seed=job.seed
    )
    return model, scenes


def _embed_part(opened: tuple[Elsa, SceneBatches], part: tuple[Path, int, int]) -> None:
    model, scenes = opened
    path, first, n = part
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order, whichever process works
    try:
        examples, vectors = [], []
        for start in range(first, first + n, _BATCH):
            batch = [scenes.example(k) for k in range(start, min(start + _BATCH, first + n))]
            audio = torch.from_numpy(np.stack([e.audio for e in batch]))
            with torch.inference_mode():
                out = model.encode_audio(audio, torch.tensor([e.spatial for e in batch]))
            vectors.append(out.embedding.float().numpy())
            examples += [(e.clip.id, e.words) for e in batch]
    finally:
        torch.set_num_threads(threads)
    columns: dict[str, Any] = {
        "embeddings": np.concatenate(vectors),
        "clip_ids": np.array([clip_id for clip_id, _ in examples]),
        "words": np.array([[getattr(words, name) or "" for name in WORDS] for _, words in examples]),
    }

    def write(unfinished: Path) -> None:
        with unfinished.open("wb") as file:
            np.savez(file, **columns)

    write_whole(path, write)


def _read(paths: Sequence[Path]) -> CaptionTable:
    loaded = []
    for path in paths:
        with np.load(path, allow_pickle=False) as part:
            loaded.append({name: part[name] for name in ("embeddings", "clip_ids", "words")})
    words = [
        SpatialWords(**{name: str(word) or None for name, word in zip(WORDS, row, strict=True)})
        for part in loaded
        for row in part["words"]
    ]
    clip_ids = [str(i) for part in loaded for i in part["clip_ids"]]
    return CaptionTable(np.concatenate([part["embeddings"] for part in loaded]), clip_ids, words)


def write_captions(what: Sequence[str], words: SpatialWords, count: int, rng: np.random.Generator) -> list[str]:
    """Sentences that say one of the what-texts and every word that is true of its place: `count`, drawn from `rng`.

    A name that reads like a place ("fire medium") makes no sentence and is left out; with no other name, none is left.
    """
    made = []
    for _ in range(count):
        text = what[int(rng.integers(len(what)))]
        try:
            made.append(captions.write_caption(text, words, rng).text)
        except DataError:
            continue
    return made
