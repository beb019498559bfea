"""The training loop: one loop, stages as configurations; it can be killed at any moment and goes on where it was."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor

from open_elsa.errors import TrainingError
from open_elsa.model.checkpoints import own_state
from open_elsa.model.elsa import Elsa, Features, build
from open_elsa.model.text_minilm import MiniLMTextEncoder
from open_elsa.scenes.scene_files import write_whole
from open_elsa.training import distributed, losses, starts, state
from open_elsa.training.data import Batch
from open_elsa.training.examples import StageExamples, TrainData, small
from open_elsa.training.lamb import Lamb
from open_elsa.training.naming import Namer
from open_elsa.training.objectives import align_losses, place_losses, read_losses, recall_losses
from open_elsa.training.reading import Reading
from open_elsa.training.recipes import StageConfig, TrainConfig
from open_elsa.training.remembered import Remembered


class Stopped(Exception):
    """Raised after the state was saved when a run was asked to stop early."""


def train(
    config: TrainConfig,
    data: TrainData,
    out: Path,
    *,
    validation: TrainData | None = None,
    start: Path | None = None,
    tagger: Path | None = None,
    text: Path | None = None,
    namer: Namer | None = None,
    stop_after: int | None = None,
    console: Console | None = None,
) -> Elsa:
    """Train through every stage and return the model with averaged weights, in evaluation mode.

    out gets config.json, metrics.jsonl, TensorBoard files and `state/`, from which the same call resumes. start,
    tagger, text: weights to start from, see `starts.give_weights`. namer: the tagger's names, for stages that are
    taught them. stop_after: save and raise `Stopped` after that many steps in all.
    Raises TrainingError when `out` holds a run of another configuration, the loss stops being a number, or a stage is
    to be taught names and `namer` is missing.
    """
    distributed.start()
    run = Run(config, data, out, validation, console or Console(stderr=True), namer)
    run.prepare(start, tagger, text)
    for index in range(run.stage, len(config.stages)):
        run.train_stage(index, stop_after)
    if run.average is not None:
        run.average.copy_to(run.model)
    return run.model.eval()


class Run:
    """One training run: model, averages, where it stands, and where it writes."""

    def __init__(
        self,
        config: TrainConfig,
        data: TrainData,
        out: Path,
        validation: TrainData | None,
        console: Console,
        namer: Namer | None = None,
    ) -> None:
        if namer is None and any(stage.names for stage in config.stages):
            raise TrainingError(f"{config.name} is taught the tagger's names; give the tagger and its outputs' names")
        self.namer = namer
        self.config, self.data, self.out, self.validation, self.console = config, data, out, validation, console
        self.stage, self.step, self.total = 0, 0, 0
        self.minutes_before, self.started = 0.0, time.monotonic()
        torch.manual_seed(config.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # channels last: 15 % less time for the convolutions on a CPU, and no more on a GPU
        self.model = build(config.model).to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self.average: state.Average | None = None
        self.resumed: Path | None = None
        self.examples = StageExamples(config, data, out, self.console)
        self.teacher: MiniLMTextEncoder | None = None  # of a reading stage

    @property
    def minutes(self) -> float:
        """Wall time of the run in minutes, earlier sittings included up to their last saved state."""
        return self.minutes_before + (time.monotonic() - self.started) / 60

    def prepare(self, start: Path | None, tagger: Path | None, text: Path | None) -> None:
        """Check that `out` holds this run or nothing, then start from given weights or from the saved state."""
        self.out.mkdir(parents=True, exist_ok=True)
        written = self.out / "config.json"
        if written.exists() and written.read_text() != self.config.to_json():
            raise TrainingError(f"{written} holds another configuration; choose another folder or delete this one")
        if distributed.rank() == 0:
            write_whole(written, lambda path: path.write_text(self.config.to_json()))
        starts.give_weights(self.model, start, tagger, text)
        if self.config.ema:
            self.average = state.Average(self.model, self.config.ema)
        self.resumed = state.find(self.out / "state")
        if self.resumed is not None:
            progress = state.progress_of(self.resumed)
            self.stage, self.step, self.total = progress["stage"], progress["step"], progress["total"]
            self.minutes_before = progress.get("minutes", 0.0)
            state.load(self.resumed, self.model, self.average, None)
            self.console.print(f"resuming at stage {self.stage + 1}, step {self.step}")

    def train_stage(self, index: int, stop_after: int | None) -> None:
        """Train one stage from wherever it stands to its end."""
        stage = self.config.stages[index]
        self.stage, self.teacher = index, None
        self.model.semantic.requires_grad_(stage.tagger_lr > 0)
        optimizer = self._optimizer(stage)
        if self.resumed is not None and self.step > 0:
            state.load(self.resumed, self.model, self.average, optimizer)
        self.resumed = None
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._keep_for_blends()
        saved = started = time.monotonic()
        first = self.step
        with _Log(self.out, self.total, enabled=distributed.rank() == 0) as log:
            for batch in self.examples.of(index, self.model, first):
                metrics = self._update(stage, batch, optimizer, parameters)
                self.step += 1
                self.total += 1
                log.write(self.total, {"stage": stage.kind, "step": self.step, **metrics})
                if self.step % 20 == 0 or self.step == stage.steps:
                    self._show(stage, metrics, (time.monotonic() - started) / (self.step - first))
                if stop_after is not None and self.total >= stop_after:
                    self._save(optimizer)
                    raise Stopped
                if time.monotonic() - saved > 60 * self.config.checkpoint_minutes:
                    self._save(optimizer)
                    saved = time.monotonic()
            if stage.blend < 1:
                self._blend(stage)
            if self.validation is not None:
                log.write(self.total, {"stage": stage.kind, **self._validate(stage, self.validation)})
        self.stage, self.step = index + 1, 0
        self._save(optimizer)

    def _update(
        self,
        stage: StageConfig,
        batch: Batch | Remembered | Reading,
        optimizer: torch.optim.Optimizer,
        parameters: list[torch.nn.Parameter],
    ) -> dict[str, float]:
        """One step: a pure function of the configuration, the data and the step number."""
        torch.manual_seed(hash((self.config.seed, self.stage, self.step)) % 2**31)
        self.model.train()
        if not stage.tagger_lr:
            self.model.get_submodule("semantic").eval()  # its statistics stay as well
        rate = _schedule(stage, self.step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        terms = self._losses(stage, batch)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {float(loss.detach())} at step {self.step} of stage {self.stage + 1}; lower the lr"
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        distributed.average_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.clip_gradient)
        optimizer.step()
        self.model.logit_scale.data.clamp_(max=math.log(100))
        if self.average is not None:
            self.average.update(self.model, self.step)
        return {
            "loss": float(loss.detach()),
            "lr": rate,
            "gradient": float(norm),
            **{k: float(v.detach()) for k, v in terms.items()},
        }

    def _losses(self, stage: StageConfig, batch: Batch | Remembered | Reading) -> dict[str, Tensor]:
        if isinstance(batch, Remembered):
            return recall_losses(small(self.model), stage, Remembered(*(part.to(self.device) for part in batch)))
        if isinstance(batch, Reading):
            parts: dict[str, Any] = {k: v.to(self.device) for k, v in batch._asdict().items() if isinstance(v, Tensor)}
            there = batch._replace(**parts, means=[mean.to(self.device) for mean in batch.means])
            return read_losses(small(self.model), stage, there, self._taught())
        batch = _to(batch, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16 and computes_bf16(self.device)):
            if stage.kind == "place":
                return place_losses(self.model, stage, batch)
            return align_losses(self.model, stage, batch, self.namer)

    def _optimizer(self, stage: StageConfig) -> torch.optim.Optimizer:
        """Groups: the pretrained semantic encoder at a share of the rate; vectors and scalars without decay."""
        groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad or not _learns(stage, name):
                continue
            share = stage.tagger_lr if name.startswith("semantic.") else 1.0
            groups.setdefault((share, parameter.ndim > 1), []).append(parameter)
        rows = [
            {"params": group, "share": share, "weight_decay": stage.weight_decay if matrix else 0.0}
            for (share, matrix), group in sorted(groups.items())
        ]
        return Lamb(rows, lr=stage.lr) if stage.optimizer == "lamb" else torch.optim.AdamW(rows, lr=stage.lr)

    def _taught(self) -> MiniLMTextEncoder:
        """The text encoder as it was before the reading stage."""
        if self.teacher is None:
            now = small(self.model).text
            own = {k: v for k, v in now.state_dict().items() if not k.startswith("backbone.")}
            self.teacher = copy.deepcopy(now).eval().requires_grad_(False)
            self._keep_at_start("text", own)
            self.teacher.load_state_dict(self._from_start("text"), strict=False)
        return self.teacher

    def _keep_at_start(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Keep tensors as they are at the stage's first step in a file, for a run that is killed and goes on."""
        path = self._start_file(name)
        if self.step == 0 and distributed.rank() == 0:
            path.parent.mkdir(exist_ok=True)
            copies = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
            write_whole(path, lambda file: save_file(copies, file))
        distributed.wait()

    def _from_start(self, name: str) -> dict[str, Tensor]:
        return load_file(self._start_file(name), device=str(self.device))

    def _start_file(self, name: str) -> Path:
        return self.out / "stage_starts" / f"stage{self.stage + 1}-{name}.safetensors"

    def _keep_for_blends(self) -> None:
        """Keep the weights from before this stage where it will go back part of the way to them."""
        if self.config.stages[self.stage].blend < 1:
            self._keep_at_start("weights", self._weights())

    def _weights(self) -> dict[str, Tensor]:
        """The weights that a stage ends with: averaged where they are."""
        return own_state(self.model) if self.average is None else self.average.values

    @torch.no_grad()
    def _blend(self, stage: StageConfig) -> None:
        """Go back part of the way to the weights from before a stage (see `StageConfig.blend`)."""
        before = self._from_start("weights")
        blended = {
            k: before[k].lerp(v, stage.blend) if v.is_floating_point() and not k.startswith("text.") else v.clone()
            for k, v in self._weights().items()
        }
        self.model.load_state_dict(blended, strict=False)
        if self.average is not None:
            self.average.values.update(blended)

    @torch.inference_mode()
    def _validate(self, stage: StageConfig, data: TrainData, batches: int = 6) -> dict[str, float]:
        """Direction error and in-batch retrieval on clips and rooms that are not trained on, with averaged weights."""
        model = self.model
        if self.average is not None:
            model = build(self.config.model).to(self.device)
            self.average.copy_to(model)
        model.eval()
        dataset = self.examples.dataset(stage, data, batches, 4242, everything=True)
        errors, found = [], []
        for k in range(batches):
            batch = _to(dataset[k], self.device)
            if stage.kind == "place":
                direction = model.place(batch.features).direction
            else:
                output = model.encode_features(batch.features, batch.spatial)
                direction = output.direction
                text = model.encode_text(batch.texts[: len(batch.spatial)])
                true = losses.describes(batch.text_facts[: len(text)], batch.facts)
                found.append(true[torch.arange(len(true)), (output.embedding @ text.T).argmax(1)].float().mean())
            errors.append(losses.angular_error_deg(direction, batch.truth.direction)[batch.spatial])
        error = torch.cat(errors)
        metrics = {"val_direction_mean_deg": float(error.mean()), "val_direction_median_deg": float(error.median())}
        if found:
            metrics["val_caption_true"] = float(torch.stack(found).mean())
        self.console.print("  ".join(f"{k} {v:.3f}" for k, v in metrics.items()))
        return metrics

    def _save(self, optimizer: torch.optim.Optimizer) -> None:
        distributed.average_buffers(self.model)
        if distributed.rank() == 0:
            progress = {"stage": self.stage, "step": self.step, "total": self.total, "minutes": self.minutes}
            state.save(self.out / "state", progress, self.model, self.average, optimizer)

    def _show(self, stage: StageConfig, metrics: dict[str, float], seconds: float) -> None:
        if distributed.rank() == 0:
            left = (stage.steps - self.step) * seconds / 60
            parts = "  ".join(f"{k} {v:.3f}" for k, v in metrics.items() if k not in ("lr", "gradient"))
            where = f"stage {self.stage + 1} ({stage.kind}) {self.step}/{stage.steps}"
            self.console.print(f"{where}  {parts}  {seconds:.2f} s/step  {left:.0f} min left")


#: What a "recall" stage trains: all that comes after the convolutions, neither the words' prototypes nor the captions.
_AFTER_CONVOLUTIONS = (
    "spatial.out.", "spatial.comb.", "votes.", "steer.", "room.", "spread.", "bands.", "where.", "where_said.",
)  # fmt: skip


#: What a "read" stage trains: all of the text encoder but its last word on what is heard.
_READS_WHERE = ("text.queries", "text.layers.", "text.where.")


def _learns(stage: StageConfig, name: str) -> bool:
    """Whether a stage trains the parameter of that name."""
    if stage.kind == "read":
        return name.startswith(_READS_WHERE)
    if stage.kind == "recall":
        return name.startswith(_AFTER_CONVOLUTIONS)
    return stage.kind == "align" or not name.startswith(("semantic.", "text."))


def _schedule(stage: StageConfig, step: int) -> float:
    warm = min(1.0, (step + 1) / max(1, stage.warmup_steps))
    if stage.schedule == "constant":
        return stage.lr * warm
    return stage.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / stage.steps)))


def _to(batch: Batch, device: torch.device) -> Batch:
    features = Features(*(f.to(device).float() for f in batch.features))
    tensors: dict[str, Any] = {k: v.to(device) for k, v in batch._asdict().items() if isinstance(v, Tensor)}
    return batch._replace(features=features, **tensors)


def computes_bf16(device: torch.device) -> bool:
    """Whether the machine has instructions for bf16: a CPU that only imitates it takes ten times as long as float32."""
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class _Log:
    """metrics.jsonl and TensorBoard; after a resume, lines beyond the saved step are dropped first."""

    def __init__(self, out: Path, total: int, *, enabled: bool) -> None:
        self.path, self.total, self.enabled = out / "metrics.jsonl", total, enabled
        self.board: Any = None

    def __enter__(self) -> _Log:
        if self.enabled:
            from torch.utils.tensorboard import SummaryWriter

            lines = self.path.read_text().splitlines() if self.path.exists() else []
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["total"] <= self.total]
            write_whole(self.path, lambda path: path.write_text("".join(line + "\n" for line in kept)))
            self.file = self.path.open("a")
            self.board = SummaryWriter(str(self.path.parent / "tensorboard"), purge_step=self.total)
        return self

    def write(self, total: int, metrics: dict[str, Any]) -> None:
        if self.enabled:
            self.file.write(json.dumps({"total": total, **metrics}) + "\n")
            self.file.flush()
            for name, value in metrics.items():
                if isinstance(value, float) and np.isfinite(value):
                    self.board.add_scalar(name, value, total)

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            self.file.close()
            self.board.close()


def resolved(config: TrainConfig, **changes: Any) -> TrainConfig:
    """The recipe with some fields changed."""
    return dataclasses.replace(config, **changes)
