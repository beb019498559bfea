"""From a folder of sounds to a checkpoint that loads, with its card and its list of clips."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from world import SOUNDS, plane_waves, write_corpus

from open_elsa.corpora import load
from open_elsa.corpora.leaving_out import leave_out, mentions
from open_elsa.errors import DataError, TrainingError
from open_elsa.model import checkpoints
from open_elsa.training.clip_store import build_store
from open_elsa.training.data import SceneBatches
from open_elsa.training.recipes import TrainConfig, elsa_tiny
from open_elsa.training.session import train_recipe
from open_elsa.training.train import Stopped
from open_elsa.using import embedder


def one_step_each() -> TrainConfig:
    config = elsa_tiny()
    stages = tuple(
        dataclasses.replace(s, steps=1, batch_size=2, data=dataclasses.replace(s.data, seconds=0.5))
        for s in config.stages
    )
    return dataclasses.replace(config, stages=stages, rooms=1, positions_per_room=2)


def test_a_folder_becomes_a_checkpoint(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "sounds", ("train", "val"))
    shown = Console(file=io.StringIO(), width=200)
    with pytest.raises(Stopped):
        train_recipe(one_step_each(), corpus, tmp_path / "out", stop_after=1, console=shown)
    assert not (tmp_path / "out" / "checkpoint").exists()
    folder = train_recipe(one_step_each(), corpus, tmp_path / "out", console=shown, command="elsa train elsa-tiny")
    said = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "resuming at stage 1, step 1" in said and "random weights" in said and "val_direction_mean_deg" in said

    assert folder == tmp_path / "out" / "checkpoint"
    assert checkpoints.load(folder).config == elsa_tiny().model
    assert checkpoints.left_out(folder) == () and not (folder / "left_out.csv").exists()
    card = (folder / "README.md").read_text()
    assert "CC0-1.0" in card and f"| {len(SOUNDS)} |" in card and "elsa train elsa-tiny" in card
    with (folder / "training_data.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["label"] for row in rows) == sorted(SOUNDS)  # those of "train" alone
    assert json.loads((tmp_path / "out" / "config.json").read_text())["rooms"] == 1


@pytest.mark.parametrize(("bank", "kinds"), [("balanced", {"balanced-rooms"}), ("both", {"balanced-rooms", "rooms"})])
def test_only_the_banks_that_a_stage_asks_for_are_made(tmp_path: Path, bank: str, kinds: set[str]) -> None:
    config = one_step_each()
    last = dataclasses.replace(config, stages=(dataclasses.replace(config.stages[-1], bank=bank),))
    train_recipe(last, write_corpus(tmp_path / "sounds"), tmp_path / "out", console=Console(file=io.StringIO()))
    banks = [path.name for path in (tmp_path / "out" / "cache").iterdir() if "rooms-" in path.name]
    assert len(banks) == len(kinds) and {name.partition("-1x2-")[0] for name in banks} == kinds


@pytest.mark.parametrize("column", ["split", "trainable"])
def test_nothing_to_learn_from_is_an_error(tmp_path: Path, column: str) -> None:
    corpus = write_corpus(tmp_path / "sounds")
    table = corpus / "captions.csv"
    with table.open() as file:
        rows = [{**row, column: "test" if column == "split" else "no"} for row in csv.DictReader(file)]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(DataError, match="no clip of the split 'train' that may be trained on"):
        train_recipe(one_step_each(), corpus, tmp_path / "out", console=Console(file=io.StringIO()))


LEFT_OUT = ("church bells", "siren", "hiss")


def test_a_class_left_out_is_in_no_batch(tmp_path: Path) -> None:
    kept, dropped = leave_out(load(write_corpus(tmp_path / "sounds")).clips, LEFT_OUT)
    assert {d.clip.label for d in dropped} == {"bell", "siren", "hiss"}
    data = dataclasses.replace(elsa_tiny().stages[1].data, seconds=0.3)
    store = build_store(tmp_path, kept, 32000)
    bank = plane_waves()
    batches = SceneBatches(
        elsa_tiny().model,
        data,
        kept,
        store,
        bank,
        batch_size=len(kept),
        steps=6,
        seed=0,  # type: ignore[arg-type]
    )
    heard, texts = set(), []
    for step in range(len(batches)):  # six epochs: every clip, by each of its captions
        batch = batches[step]
        heard |= {list(batches.what_ids)[k - 1] for k in batch.facts[:, 0].tolist()}
        texts += batch.texts
    assert heard == set(SOUNDS) - {"bell", "siren", "hiss"}
    assert not [text for text in texts for label in LEFT_OUT if mentions(text, label)]
    assert any(mentions(text, "chirping birds") for text in texts)


def test_a_checkpoint_says_what_it_was_trained_without(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "sounds", ("train", "val"))
    config = dataclasses.replace(one_step_each(), left_out=LEFT_OUT, stages=one_step_each().stages[1:])
    shown = Console(file=io.StringIO(), width=200)
    folder = train_recipe(config, corpus, tmp_path / "out", console=shown)
    assert "left out: 6 of 16 clips" in shown.file.getvalue()  # type: ignore[attr-defined]
    assert checkpoints.left_out(folder) == LEFT_OUT == embedder.load(folder).left_out
    with (folder / "training_data.csv").open() as file:
        assert {row["label"] for row in csv.DictReader(file)} == set(SOUNDS) - {"bell", "siren", "hiss"}
    with (folder / "left_out.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    assert [(row["left_out"], row["because"]) for row in rows if row["label"] == "bell"] == [
        ("church bells", "label: bell")
    ]
    more = dataclasses.replace(config, left_out=(*LEFT_OUT, "hum", "clicks"))
    with pytest.raises(TrainingError, match="have heard clicks, hum; leave a class out from the start on"):
        train_recipe(more, corpus, tmp_path / "more", start=folder, console=shown)
