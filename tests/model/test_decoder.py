"""Captions of embeddings: learned by heart, found again from a file, refused for another model, the same every time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from open_elsa.errors import CheckpointError, ConfigError, DataError
from open_elsa.model import beam, decoder_files
from open_elsa.model.beam import Hypothesis
from open_elsa.model.decoder import CaptionDecoder, DecoderConfig, SearchConfig
from open_elsa.model.decoder_files import DecoderCard
from open_elsa.model.pieces import END, PAD, Vocabulary, joined, split
from open_elsa.scenes.captions import write_caption
from open_elsa.scenes.scene import SpatialWords
from open_elsa.training.caption_fit import FitConfig, Pairs, fit, mean_loss

WEIGHTS = "ab" * 32
CARD = DecoderCard("tiny", WEIGHTS, "elsa captions train", "2026-11-24", "a machine", 0, 8, 8, {"train": 0.01})
EIGHT = (
    "A dog barks on the left.",
    "The sound of rain comes from far away on my right, in a large, echoing hall.",
    "I hear a clock ticking close by, above me.",
    "In a small room, the sound of a car horn comes from the left-hand side.",
    'The sound "church bells" is heard behind me.',
    "Someone's footsteps; the sound is coming from below.",
    "Listen: a cat meowing straight ahead, in a dry-sounding space with hardly any echo",
    "Far off to the right: birdsong.",
)


def embeddings(n: int = 8, dim: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def small(texts: Sequence[str] = EIGHT, **changes: object) -> CaptionDecoder:
    torch.manual_seed(0)
    plain = {"prefix": 2, "prefix_hidden": 64, "width": 48, "layers": 2, "heads": 4, "dropout": 0.0, "max_tokens": 40}
    config = DecoderConfig("tiny", WEIGHTS, 16, **(plain | changes))  # type: ignore[arg-type]
    return CaptionDecoder(config, Vocabulary.of(texts)).eval()


def pairs(decoder: CaptionDecoder) -> Pairs:
    return Pairs.of(embeddings(), range(8), [decoder.encode(text) for text in EIGHT])


@pytest.fixture(scope="module")
def learned() -> CaptionDecoder:
    decoder = small()
    fit(decoder, pairs(decoder), FitConfig(steps=150, batch_size=8, lr=1e-2, warmup_steps=10, noise=0.05, bf16=False))
    return decoder


def test_eight_captions_are_learned_by_heart(learned: CaptionDecoder) -> None:
    found = learned.candidates(torch.from_numpy(embeddings()))
    assert [row[0] for row in found] == list(EIGHT)
    greedy = learned.candidates(torch.from_numpy(embeddings()), beams=1)
    assert greedy == [[text] for text in EIGHT]
    assert mean_loss(learned, pairs(learned)) < 0.05 < mean_loss(small(), pairs(learned))


def test_the_same_fit_gives_the_same_bytes(learned: CaptionDecoder) -> None:
    again = [small() for _ in range(2)]
    config = FitConfig(steps=6, batch_size=4, noise=0.3, bf16=False)
    for decoder in again:
        losses = fit(decoder, pairs(decoder), config)
    other = small()
    assert fit(other, pairs(other), dataclasses.replace(config, seed=1)) != losses
    for a, b in zip(again[0].parameters(), again[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_every_caption_comes_once_and_alone_as_in_a_batch(learned: CaptionDecoder) -> None:
    vectors = torch.from_numpy(embeddings(12))
    rows = learned.candidates(vectors, beams=6)
    assert all(len(set(row)) == len(row) for row in rows) and max(map(len, rows)) > 1
    assert [learned.candidates(vectors[k : k + 1], beams=6)[0] for k in range(12)] == rows
    assert learned.candidates(vectors, beams=6, batch_size=5) == rows


def test_what_is_written_depends_on_the_embedding_alone_and_on_nothing_ahead(learned: CaptionDecoder) -> None:
    vectors = torch.from_numpy(embeddings())
    ids = torch.from_numpy(pairs(learned).ids)
    logits = learned(vectors, ids)
    assert logits.shape == (*ids.shape, len(learned.vocabulary))
    changed = ids.clone()
    changed[:, 4:] = 3
    torch.testing.assert_close(learned(vectors, changed)[:, :5], logits[:, :5])
    assert (learned(vectors.roll(1, 0), ids) - logits).abs().max() > 0.1


def test_step_by_step_says_what_a_whole_pass_says(learned: CaptionDecoder) -> None:
    vectors, ids = torch.from_numpy(embeddings()), torch.from_numpy(pairs(learned).ids)
    whole = learned(vectors, ids)
    logits, state = learned.begin(vectors)
    torch.testing.assert_close(logits, whole[:, 0], atol=1e-4, rtol=1e-4)
    rows = torch.arange(8)
    for t in range(5):
        logits, state = learned.go_on(ids[:, t], rows, state)
        torch.testing.assert_close(logits, whole[:, t + 1], atol=1e-4, rtol=1e-4)


def test_a_file_and_back(learned: CaptionDecoder, tmp_path: Path) -> None:
    folder = decoder_files.save(tmp_path / "model" / "captions", learned, CARD)
    assert decoder_files.find(tmp_path / "model") == folder and decoder_files.find(tmp_path) is None
    loaded = decoder_files.load(folder, weights=WEIGHTS)
    assert loaded.config == learned.config
    vectors = torch.from_numpy(embeddings(3))
    assert loaded.candidates(vectors) == learned.candidates(vectors)
    assert f"weights `{WEIGHTS[:12]}`" in (folder / "README.md").read_text()
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "vocabulary.json",
    ]  # fmt: skip


def test_another_model_s_embeddings_are_refused(learned: CaptionDecoder, tmp_path: Path) -> None:
    folder = decoder_files.save(tmp_path / "captions", learned, CARD)
    with pytest.raises(CheckpointError, match=r"tiny with weights abababababab, not of weights cdcdcdcdcdcd.*train"):
        decoder_files.load(folder, weights="cd" * 32)
    with pytest.raises(CheckpointError, match=r"\(n, 16\) of tiny, got \(2, 8\)"):
        learned.candidates(torch.zeros(2, 8))


def test_broken_files(learned: CaptionDecoder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        decoder_files.load(tmp_path, weights=WEIGHTS)
    folder = decoder_files.save(tmp_path / "captions", learned, CARD)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"format_version": 9}))
    with pytest.raises(CheckpointError, match="format 9"):
        decoder_files.load(folder, weights=WEIGHTS)
    (folder / "config.json").write_text(json.dumps(config | {"layers": "two"}))
    with pytest.raises(CheckpointError, match=r"captioner\.layers"):
        decoder_files.load(folder, weights=WEIGHTS)
    decoder_files.save(folder, learned, CARD)
    (folder / "vocabulary.json").write_text('["a", "a"]')
    with pytest.raises(CheckpointError, match=r"vocabulary\.json is missing or broken"):
        decoder_files.load(folder, weights=WEIGHTS)
    decoder_files.save(folder, learned, CARD)
    state = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in state.items() if k != "norm.weight"}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"no tensor 'norm\.weight'"):
        decoder_files.load(folder, weights=WEIGHTS)
    with pytest.raises(ConfigError, match="multiple"):
        DecoderConfig("tiny", WEIGHTS, 16, width=50)


class Chain:
    """A language model whose next piece depends on the last one alone; -1 stands for the beginning."""

    def __init__(self, table: dict[int, dict[int, float]], size: int) -> None:
        self.table = {k: torch.full((size,), -1e9) for k in table}
        for k, row in table.items():
            for token, p in row.items():
                self.table[k][token] = float(np.log(p))

    def begin(self, embeddings: Tensor) -> tuple[Tensor, None]:
        return torch.stack([self.table[-1]] * len(embeddings)), None

    def go_on(self, tokens: Tensor, parents: Tensor, state: None) -> tuple[Tensor, None]:
        del parents, state
        return torch.stack([self.table[int(t)] for t in tokens]), None


def test_beams_find_what_greed_misses() -> None:
    """Greed takes 2 for its 0.6, of which the next piece leaves 0.33; the best text goes through 3."""
    chain = Chain({-1: {2: 0.6, 3: 0.4}, 2: {4: 0.55, 5: 0.45}, 3: {END: 1.0}, 4: {END: 1.0}, 5: {END: 1.0}}, 6)
    vectors = torch.zeros(2, 1)
    settings = {"end": END, "max_tokens": 5, "length_power": 0.0}
    greedy = beam.search(chain, vectors, beams=1, **settings)  # type: ignore[arg-type]
    assert [row[0].ids for row in greedy] == [(2, 4)] * 2
    assert greedy[0][0].log_probability == pytest.approx(np.log(0.33))
    best = beam.search(chain, vectors, beams=3, **settings)  # type: ignore[arg-type]
    assert [[h.ids for h in row] for row in best] == [[(3,), (2, 4), (2, 5)]] * 2
    assert best[0][0].log_probability == pytest.approx(np.log(0.4))


def test_a_text_that_does_not_end_is_cut() -> None:
    chain = Chain({-1: {2: 1.0}, 2: {2: 0.9, 3: 0.1}, 3: {3: 1.0}}, 4)
    (row,) = beam.search(chain, torch.zeros(1, 1), end=END, beams=2, max_tokens=4, length_power=1.0)
    assert [h.ids for h in row] == [(2, 2, 2, 2)]


def test_what_is_far_less_likely_is_left_out() -> None:
    found = [Hypothesis((2, 3), -3.0), Hypothesis((3,), -2.0), Hypothesis((4,), -7.5)]
    assert beam.within(found, 5.0) == found[:2] and beam.within(found, 6.0) == found


def test_length_counts_by_its_power() -> None:
    short, long = Hypothesis((2,), -2.0), Hypothesis((2, 3, 4), -3.0)
    assert short.score(0.0) > long.score(0.0) and short.score(1.0) < long.score(1.0)


def test_pieces_and_back() -> None:
    for text in EIGHT:
        assert joined(split(text)) == text
    rng = np.random.default_rng(0)
    words = SpatialWords("left", "up", "far", "large", "highly reverberant")
    for what in ("a dog barking", "someone brushing their teeth", "rain", "a car horn honking"):
        for _ in range(100):
            text = write_caption(what, words, rng).text
            assert joined(split(text)).lower() == text.lower()
    vocabulary = Vocabulary.of(EIGHT)
    ids = vocabulary.encode(EIGHT[0])
    assert ids[-1] == END and vocabulary.decode([*ids, PAD, 3]) == EIGHT[0] == vocabulary.decode(ids[:-1])
    assert len(vocabulary) == 2 + len(set(vocabulary.pieces))
    with pytest.raises(DataError, match="'zebra'"):
        vocabulary.encode("a zebra")
    with pytest.raises(DataError):
        Vocabulary([])


def test_search_settings_are_kept(learned: CaptionDecoder) -> None:
    one = small()
    one.load_state_dict(learned.state_dict())
    one.config = dataclasses.replace(one.config, search=SearchConfig(beams=1))
    assert [len(row) for row in one.candidates(torch.from_numpy(embeddings(4)))] == [1] * 4
