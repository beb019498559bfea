"""From a model to its captioner: scenes embedded once and as people hear them, sentences that are true, a decoder."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from world import write_corpus

from open_elsa.errors import DataError, TrainingError
from open_elsa.model import checkpoints, decoder_files
from open_elsa.model.card import ModelCard
from open_elsa.model.config import elsa_tiny as tiny_model
from open_elsa.model.elsa import build
from open_elsa.scenes.captions import parse
from open_elsa.scenes.scene import SpatialWords
from open_elsa.training import caption_table
from open_elsa.training.caption_fit import FitConfig, Pairs, fit, noisy
from open_elsa.training.caption_session import CaptionRecipe, train_captions
from open_elsa.training.caption_table import CaptionTable, embed_scenes, write_captions
from open_elsa.training.data import DataConfig, SceneBatches
from open_elsa.training.examples import TrainData
from open_elsa.training.recipes import elsa_tiny
from open_elsa.using.embedder import load

DATA = DataConfig(seconds=0.5, spatial_share=0.5)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random elsa-tiny: what it hears is of no use here, that it hears the same every time is."""
    torch.manual_seed(0)
    card = ModelCard("elsa-tiny", "-", "-", "2026-11-24", "-", 0, ())
    return checkpoints.save(tmp_path_factory.mktemp("model") / "tiny", build(tiny_model()).eval(), card)


def table(folder: Path, checkpoint: Path, world: TrainData, **changes: int) -> CaptionTable:
    assert world.bank is not None
    settings = {"scenes": 7, "seed": 3, "processes": 1} | changes
    return embed_scenes(folder, checkpoint, world.clips, world.store, world.bank, data=DATA, **settings)


def test_scenes_are_embedded_as_people_hear_them(
    checkpoint: Path, world: TrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_table, "PART", 4)
    made = table(tmp_path / "t", checkpoint, world)
    assert len(made) == 7 and made.embeddings.shape == (7, tiny_model().embedding_dim)
    assert sorted(p.name for p in (tmp_path / "t").iterdir()) == ["part-00000-4.npz", "part-00001-3.npz", "table.json"]
    assert world.bank is not None
    scenes = SceneBatches(tiny_model(), DATA, world.clips, world.store, world.bank, batch_size=1, steps=1, seed=3)
    model = load(checkpoint)
    for k in range(7):
        example = scenes.example(k)
        assert (made.clip_ids[k], made.words[k]) == (example.clip.id, example.words)
        sound = example.audio if example.spatial else example.audio[:1]
        with torch.inference_mode():
            heard = model.model.encode_audio(torch.from_numpy(example.audio)[None], torch.tensor([example.spatial]))
        np.testing.assert_allclose(made.embeddings[k], heard.embedding[0].numpy(), atol=1e-5)
        assert sound.shape[1] == 16000
    assert any(words.empty for words in made.words) and any(words.direction for words in made.words)


def test_what_is_embedded_is_not_embedded_again(
    checkpoint: Path, world: TrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_table, "PART", 4)
    first = table(tmp_path / "t", checkpoint, world)
    (tmp_path / "t" / "part-00001-3.npz").unlink()
    real, again = caption_table._embed_part, []

    def count(opened: object, part: tuple[Path, int, int]) -> None:
        again.append(part[0].name)
        real(opened, part)  # type: ignore[arg-type]

    monkeypatch.setattr(caption_table, "_embed_part", count)
    second = table(tmp_path / "t", checkpoint, world)
    assert again == ["part-00001-3.npz"] and np.array_equal(first.embeddings, second.embeddings)
    assert (first.clip_ids, first.words) == (second.clip_ids, second.words)
    with pytest.raises(DataError, match="another model or of other scenes"):
        table(tmp_path / "t", checkpoint, world, seed=4)


@pytest.mark.slow
def test_two_processes_embed_what_one_does(
    checkpoint: Path, world: TrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_table, "PART", 4)
    one = table(tmp_path / "one", checkpoint, world)
    two = table(tmp_path / "two", checkpoint, world, processes=2)
    assert one.embeddings.tobytes() == two.embeddings.tobytes() and one.words == two.words


def test_sentences_say_all_that_is_true_and_nothing_else() -> None:
    words = SpatialWords("left", None, "far", "large", None)
    rng = np.random.default_rng(0)
    made = write_captions(("a dog barking", "barking"), words, 12, rng)
    assert len(made) == 12 and len(set(made)) > 8
    assert all(parse(text) == words and "barking" in text.lower() for text in made)
    assert any("dog" in text for text in made) and not all("dog" in text for text in made)
    assert all(parse(text).empty for text in write_captions(("a dog barking",), SpatialWords(), 5, rng))
    assert write_captions(("nearby",), words, 3, rng) == [], "a name that is a place, and not true here"


def test_noise_turns_unit_vectors_by_a_known_angle() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(200, 512, generator=torch.Generator().manual_seed(0)), dim=1)
    turned = noisy(vectors, 0.3, torch.Generator().manual_seed(1))
    torch.testing.assert_close(turned.norm(dim=1), torch.ones(200))
    assert float((turned * vectors).sum(1).mean()) == pytest.approx(1 / (1 + 0.3**2) ** 0.5, abs=0.01)
    assert torch.equal(noisy(vectors, 0.0, torch.Generator()), vectors)


def recipe(**changes: object) -> CaptionRecipe:
    rooms = dataclasses.replace(elsa_tiny(), rooms=1, positions_per_room=2)
    fit = FitConfig(steps=4, batch_size=4, bf16=False)
    shape = {"prefix": 1, "prefix_hidden": 16, "width": 16, "layers": 1, "heads": 2}
    plain = CaptionRecipe(6, 2, 20, DATA, rooms, shape, fit)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def test_a_model_gets_its_captioner(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = write_corpus(tmp_path / "sounds", ("train", "val"))
    shown = Console(file=io.StringIO(), width=200)
    settings = {"checkpoint": checkpoint, "cache": tmp_path / "cache", "processes": 1, "console": shown}
    folder = train_captions(corpus, tmp_path / "captions", recipe=recipe(), command="elsa captions train", **settings)  # type: ignore[arg-type]
    weights = checkpoints.weights_hash(checkpoint)
    decoder = decoder_files.load(folder, weights=weights)
    assert (decoder.config.model, decoder.config.embedding_dim) == ("elsa-tiny", tiny_model().embedding_dim)
    card = (folder / "README.md").read_text()
    assert "elsa captions train" in card and "| scenes embedded | 6 |" in card and "train " in card and "val " in card
    assert weights[:12] in card and "nats" in shown.file.getvalue()  # type: ignore[attr-defined]

    def never(*_: object) -> None:
        raise AssertionError("the embeddings were there")

    monkeypatch.setattr(caption_table, "_embed_part", never)
    again = train_captions(corpus, tmp_path / "again", recipe=recipe(), **settings)  # type: ignore[arg-type]
    for name in ("model.safetensors", "vocabulary.json", "config.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_nothing_to_say_is_an_error(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> Sequence[str]:
        return []

    monkeypatch.setattr("open_elsa.training.caption_session.write_captions", nothing)
    corpus = write_corpus(tmp_path / "sounds")
    with pytest.raises(DataError, match="give captions that say what is heard"):
        train_captions(corpus, tmp_path / "out", checkpoint=checkpoint, recipe=recipe(), processes=1,
                       console=Console(file=io.StringIO()))  # fmt: skip


def test_a_loss_that_is_no_number_stops_the_fit() -> None:
    class Broken(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2, 2))

        def loss(self, embeddings: torch.Tensor, ids: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
            return self.weight.sum() * float("nan")

    pairs = Pairs.of(np.eye(2, dtype=np.float32), [0, 1], [[2, 1], [3, 1]])
    with pytest.raises(TrainingError, match="at step 0"):
        fit(Broken(), pairs, FitConfig(steps=2, batch_size=2, bf16=False))
