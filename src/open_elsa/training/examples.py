"""What the stages of a run are given: batches of scenes, scenes that are remembered, captions of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch.utils.data import DataLoader

from open_elsa.errors import TrainingError
from open_elsa.model.elsa import Elsa, ElsaSmall
from open_elsa.scenes.bank import RoomBank
from open_elsa.scenes.memory import keep_memory
from open_elsa.scenes.scene import Clip
from open_elsa.training import distributed
from open_elsa.training.clip_store import ClipStore
from open_elsa.training.data import Bank, Batch, JoinedBanks, SceneBatches
from open_elsa.training.reading import Reading, Readings, where_of
from open_elsa.training.recipes import StageConfig, TrainConfig
from open_elsa.training.remembered import Remembered, order, remember

#: For data workers: one thread each, as BLAS threads that wait for a busy core cost three times the work they save.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


#: Scenes that are heard at once before a "recall" stage.
HEARD_AT_ONCE = 48


@dataclass(frozen=True)
class TrainData:
    """What a run learns from: clips with their decoded samples, a bank of drawn rooms, and one whose word classes are
    equally frequent; of the two banks those that its stages ask for."""

    clips: Sequence[Clip]
    store: ClipStore
    bank: RoomBank | None
    balanced: RoomBank | None = None

    def bank_for(self, stage: StageConfig) -> Bank:
        """The bank that a stage draws from, or both as one; TrainingError where it is not there."""
        wanted = {"drawn": [self.bank], "balanced": [self.balanced], "both": [self.bank, self.balanced]}[stage.bank]
        there = [bank for bank in wanted if bank is not None]
        if len(there) < len(wanted):
            raise TrainingError(
                f"this stage trains in rooms of the kind {stage.bank!r}, and a bank of them was not given; make banks "
                "with balanced=True for balanced ones and balanced=False for drawn ones"
            )
        return there[0] if len(there) == 1 else JoinedBanks(there)


class StageExamples:
    """The examples of a run's stages; where a stage begins again after a kill, its examples are the same.

    out: the run's folder, in which scenes are remembered.
    """

    def __init__(self, config: TrainConfig, data: TrainData, out: Path, console: Console) -> None:
        self.config, self.data, self.out, self.console = config, data, out, console

    def of(self, index: int, model: Elsa, first: int) -> Iterator[Batch | Remembered | Reading]:
        """The batches of a stage from one step on. model: as the stage begins; it hears what is to be remembered."""
        kind = self.config.stages[index].kind
        if kind == "recall":
            return self._recalled(index, model, first)
        return self._read(index, model, first) if kind == "read" else self._batches(index, first)

    def _recalled(self, index: int, model: Elsa, first: int) -> Iterator[Remembered]:
        """Batches of scenes that are heard here, before the first step, or were by a run that was killed."""
        stage, known = self.config.stages[index], self._remembered(index, model)
        share, seed = stage.batch_size // distributed.world_size(), self.config.seed * 1000 + index
        for step in range(first, stage.steps):
            yield known.rows(order(len(known.facts), share, step, seed))

    def _read(self, index: int, model: Elsa, first: int) -> Iterator[Reading]:
        """Batches of captions of such scenes."""
        stage, known, ranks = self.config.stages[index], self._remembered(index, model), distributed.world_size()
        seed = (self.config.seed * 1000 + index) * ranks + distributed.rank()
        where = where_of(small(model), known)
        captions = Readings(
            known, where, self.data.clips, stage.reading, batch_size=stage.batch_size // ranks, seed=seed
        )
        yield from (captions.batch(step) for step in range(first, stage.steps))

    def _remembered(self, index: int, model: Elsa) -> Remembered:
        """The scenes of a stage, of an earlier one that heard the same where there is one just before."""
        stage, heard_in, ranks = self.config.stages[index], self._heard_in(index), distributed.world_size()
        hearing = dataclasses.replace(stage, batch_size=HEARD_AT_ONCE, steps=-(-stage.scenes // HEARD_AT_ONCE))
        return remember(
            small(model),
            lambda start: self._batches(heard_in, start, hearing),
            stage.scenes // ranks,
            HEARD_AT_ONCE // ranks,
            self.out / "remembered" / f"stage{heard_in + 1}-rank{distributed.rank()}",
            progress=lambda done, total: self.console.print(f"hearing {done}/{total}"),
        )

    def _heard_in(self, index: int) -> int:
        """The number of the stage whose scenes these are: neither recalling nor reading changes what is heard."""
        stage = self.config.stages[index]
        asked = (stage.data, stage.bank, stage.scenes)
        for earlier in reversed(self.config.stages[:index]):
            if earlier.kind not in ("recall", "read") or (earlier.data, earlier.bank, earlier.scenes) != asked:
                break
            index -= 1
        return index

    def _batches(self, index: int, first: int, hearing: StageConfig | None = None) -> Iterator[Batch]:
        """Batches of scenes from one step on, drawn by the seed of a stage. hearing: what to draw if not the stage."""
        stage = hearing or self.config.stages[index]
        batches = self.dataset(stage, self.data, stage.steps, self.config.seed * 1000 + index)
        workers = self.config.workers
        extra: dict[str, Any] = {"prefetch_factor": 3, "multiprocessing_context": "forkserver"} if workers else {}
        if workers:
            os.environ.update(WORKER_ENVIRONMENT)  # read by the workers when they start
        yield from DataLoader(
            batches,
            batch_size=None,
            sampler=range(first, stage.steps),
            num_workers=workers,
            worker_init_fn=_start_worker,
            **extra,
        )

    def dataset(
        self, stage: StageConfig, data: TrainData, steps: int, seed: int, *, everything: bool = False
    ) -> SceneBatches:
        """This rank's scenes of a stage. everything: for validation, which hears what sounds are as well."""
        return SceneBatches(
            self.config.model,
            stage.data,
            data.clips,
            data.store,
            data.bank_for(stage),
            batch_size=stage.batch_size,
            steps=steps,
            seed=seed,
            rank=distributed.rank(),
            world=distributed.world_size(),
            where_only=stage.kind != "align" and not everything,
        )


def small(model: Elsa) -> ElsaSmall:
    """The model as elsa-small's kind; TrainingError for one whose convolutions are not kept apart."""
    if not isinstance(model, ElsaSmall):
        raise TrainingError(f"{model.config.name} has no convolutions to be kept as they are: leave recall stages out")
    return model


def _start_worker(_: int) -> None:
    torch.set_num_threads(1)
    keep_memory()
