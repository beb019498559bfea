"""Captions in use: held to the numbers beside them, refused of another model, and what is said without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from fake import FakeModel

from open_elsa.errors import CheckpointError
from open_elsa.model import decoder_files
from open_elsa.model.decoder import CaptionDecoder, DecoderConfig
from open_elsa.model.decoder_files import DecoderCard
from open_elsa.model.pieces import Vocabulary
from open_elsa.scenes.captions import parse
from open_elsa.scenes.scene import SpatialWords
from open_elsa.sound import foa
from open_elsa.training.caption_fit import FitConfig, Pairs, fit
from open_elsa.using import captioner
from open_elsa.using.captioner import Captioner, Proposal, choose
from open_elsa.using.describe import describe
from open_elsa.using.embedder import Embedder

Sine = Callable[..., np.ndarray]
#: What the decoder says of each tone, the likelier the more often it stands here; the low one is heard on the left.
SAID = {
    "low": ["A low tone on the right."] * 3 + ["A low tone hums on the left."] * 2 + ["A low tone behind me."],
    "high": ["A high tone."] * 2 + ["A high tone far away."],
}


def decoder_of(embedder: Embedder, vectors: np.ndarray, said: Sequence[Sequence[str]]) -> CaptionDecoder:
    torch.manual_seed(0)
    texts = [text for row in said for text in row]
    shape = {"prefix": 2, "prefix_hidden": 32, "width": 32, "layers": 1, "heads": 2, "dropout": 0.0, "max_tokens": 16}
    config = DecoderConfig(embedder.name, embedder.weights_sha256, embedder.dim, **shape)  # type: ignore[arg-type]
    decoder = CaptionDecoder(config, Vocabulary.of(texts))
    rows = [k for k, row in enumerate(said) for _ in row]
    pairs = Pairs.of(vectors, rows, [decoder.encode(text) for text in texts])
    fit(decoder, pairs, FitConfig(steps=150, batch_size=len(texts), lr=1e-2, warmup_steps=5, noise=0.0, bf16=False))
    return decoder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint's folder with a captioner of the fake model in it."""
    embedder = Embedder(FakeModel())
    tone = (0.3 * np.sin(2 * np.pi * 400 * np.arange(32000) / 16000)).astype(np.float32)
    high = (0.3 * np.sin(2 * np.pi * 4500 * np.arange(32000) / 16000)).astype(np.float32)
    vectors = embedder.embed_audio([(foa.encode(tone, 90), 16000), (high, 16000)])
    decoder = decoder_of(embedder, vectors, [SAID["low"], SAID["high"]])
    folder = tmp_path_factory.mktemp("model")
    card = DecoderCard(embedder.name, embedder.weights_sha256, "-", "2026-11-24", "-", 0, 2, 9, {})
    decoder_files.save(folder / "captions", decoder, card)
    return folder


@pytest.fixture
def embedder(saved: Path) -> Embedder:
    return Embedder(FakeModel(), folder=saved)


def test_the_captioner_says_what_its_numbers_allow(embedder: Embedder, folder: Path) -> None:
    writer = captioner.of(embedder)
    assert writer is not None
    (proposals,) = writer.propose(embedder.embed_audio(folder / "low.wav"))
    assert proposals[0].text == "A low tone on the right.", "what the decoder would say"
    assert {p.text for p in proposals} == set(SAID["low"]), "and nothing that is far less likely"
    assert proposals[0].words.direction == "right"
    low, high = describe([folder / "low.wav", folder / "high.wav"], embedder)
    assert low.text == low.caption == "A low tone hums on the left." and low.words.direction == "left"
    assert high.text == high.caption == "A high tone.", "a mono sound has no place, near or far"
    assert describe(folder / "low.wav", embedder) == [low]


def test_without_a_true_sentence_the_template_speaks(embedder: Embedder, sine: Sine) -> None:
    (found,) = describe((foa.encode(sine(400, 2.0), 0), 16000), embedder)
    assert found.words.direction == "front" and found.caption is None
    assert parse(found.text) == found.words and found.tags[0][0].split()[-1] in found.text


def test_names_of_one_s_own_make_the_sentence(embedder: Embedder, folder: Path) -> None:
    (found,) = describe(folder / "low.wav", embedder, names=["a low tone", "a high tone"])
    assert found.caption is None and "a low tone" in found.text.lower() and not found.notes


def test_silence_has_no_caption(embedder: Embedder) -> None:
    with pytest.warns(UserWarning, match="silent"):
        (found,) = describe((np.zeros((4, 16000), np.float32), 16000), embedder)
    assert (found.text, found.caption) == ("silence", None)


def test_a_long_sound_is_captioned_where_it_is_loudest(embedder: Embedder, sine: Sine) -> None:
    """High and faint for eight seconds, then low and loud on the left for two: the mean vector is the high one's."""
    parts = [foa.encode(sine(4500, 8.0, level=0.05), -90), foa.encode(sine(400, 2.0), 90)]
    (found,) = describe((np.concatenate(parts, axis=1), 16000), embedder)
    assert found.caption == "A low tone hums on the left." and found.start_s >= 7.0


def test_another_model_s_captioner_is_refused(saved: Path, folder: Path) -> None:
    other = Embedder(FakeModel(seed=1), folder=saved)
    with pytest.raises(CheckpointError, match="elsa captions train"):
        captioner.of(other)
    decoder = decoder_files.load(saved / "captions", weights=Embedder(FakeModel()).weights_sha256)
    with pytest.raises(CheckpointError, match=r"reads embeddings of weights \w{12}, those of fake are"):
        Captioner(other, decoder)
    (found,) = describe(folder / "low.wav", other)
    assert found.caption is None and "left" in found.text
    assert any(note.startswith("without captions: ") and "elsa captions train" in note for note in found.notes)


def test_no_folder_no_captioner(tmp_path: Path) -> None:
    assert captioner.of(Embedder(FakeModel())) is None and captioner.of(Embedder(FakeModel(), folder=tmp_path)) is None


def test_only_what_is_stated_can_be_untrue() -> None:
    left = SpatialWords("left", None, "far", None, None)
    proposals = [
        Proposal("near", SpatialWords("left", None, "near", None, None), 0.9),
        Proposal("a room", SpatialWords("left", None, None, "large", None), 0.8),
        Proposal("left alone", SpatialWords("left", None, None, None, None), 0.7),
        Proposal("all", left, 0.6),
    ]
    assert choose(proposals, left) == proposals[2], "a part of the truth is true"
    assert choose(proposals, SpatialWords("right", None, "far", None, None)) is None
    assert choose([], left) is None
