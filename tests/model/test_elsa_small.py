"""elsa-small's promises, on its miniature: unit embeddings, mono by W alone, no influence of the company."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from open_elsa.model import checkpoints
from open_elsa.model.card import ModelCard
from open_elsa.model.config import SemanticConfig, elsa_tiny
from open_elsa.model.elsa import WORDS, Elsa, ElsaSmall, Truth, build
from open_elsa.scenes.attributes import ATTRIBUTES

CARD = ModelCard("elsa-tiny", "For tests.", "elsa train elsa-tiny", "2026-11-24", "a core", 0, ())


@pytest.fixture(scope="module")
def model() -> ElsaSmall:
    torch.manual_seed(0)
    made = build(elsa_tiny())
    assert isinstance(made, ElsaSmall)
    torch.nn.init.normal_(made.no_place, std=0.5)
    generator = torch.Generator().manual_seed(1)
    for module in made.modules():  # as after training: statistics that are not those of the start
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=generator))
    return made.eval()


def sounds(n: int, seconds: float = 0.6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(n, 4, int(seconds * 32000), generator=generator)


@torch.inference_mode()
def test_what_comes_out(model: ElsaSmall) -> None:
    out = model.encode_audio(sounds(3), torch.tensor([True, True, True]))
    assert out.embedding.shape == (3, 96)
    torch.testing.assert_close(out.embedding.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(out.direction.norm(dim=1), torch.ones(3))
    for value in (out.distance_m, out.floor_area_m2, out.t30_s, out.uncertainty_deg):
        assert value is not None and value.shape == (3,) and bool((value > 0).all())
    torch.testing.assert_close(out.room[:, 0].exp(), out.distance_m)
    texts = model.encode_text(["a dog", "rain on the left"])
    assert texts.shape == (2, 96)
    torch.testing.assert_close(texts.norm(dim=1), torch.ones(2))


@torch.inference_mode()
def test_mono_sounds_are_embedded_by_w_alone(model: ElsaSmall) -> None:
    spatial = torch.tensor([False, True])
    first, second = sounds(2), sounds(2)
    second[0, 1:] = 3 * torch.randn(3, first.shape[2])
    one, other = model.encode_audio(first, spatial), model.encode_audio(second, spatial)
    assert torch.equal(one.embedding, other.embedding)
    second[0, 0] *= torch.linspace(0, 2, first.shape[2])
    assert not torch.allclose(one.embedding[0], model.encode_audio(second, spatial).embedding[0], atol=1e-4)
    loud = first.clone()
    loud[1, 1:] *= -1
    assert not torch.allclose(one.embedding[1], model.encode_audio(loud, spatial).embedding[1], atol=1e-4)


@torch.inference_mode()
def test_without_a_beam_a_mono_sound_shares_its_what_half_with_the_spatial_one() -> None:
    model = build(dataclasses.replace(elsa_tiny(), semantic=SemanticConfig(beam=0.0))).eval()
    audio = sounds(1)
    mono, placed = (model.encode_audio(audio, torch.tensor([flag])).embedding[0, :64] for flag in (False, True))
    torch.testing.assert_close(mono / mono.norm(), placed / placed.norm(), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_company_does_not_matter(model: ElsaSmall) -> None:
    audio, spatial = sounds(4), torch.tensor([True, False, True, False])
    together = model.encode_audio(audio, spatial)
    for k in range(4):
        alone = model.encode_audio(audio[k : k + 1], spatial[k : k + 1])
        torch.testing.assert_close(alone.embedding[0], together.embedding[k], atol=1e-5, rtol=0)
        if spatial[k]:
            torch.testing.assert_close(alone.direction[0], together.direction[k], atol=1e-5, rtol=0)
            torch.testing.assert_close(alone.distance_m[0], together.distance_m[k], atol=1e-4, rtol=1e-4)
    again = model.encode_audio(audio, spatial)
    assert torch.equal(again.embedding, together.embedding)  # and the same to the last bit


@torch.inference_mode()
@pytest.mark.parametrize("rate", [1.0, 1e-3])
def test_level_does_not_move_the_where_half(model: ElsaSmall, rate: float) -> None:
    audio = sounds(1)
    loud, quiet = (model.encode_audio(x, torch.tensor([True])) for x in (audio, rate * audio))
    torch.testing.assert_close(quiet.direction, loud.direction, atol=2e-2, rtol=0)


def test_mono_sounds_teach_the_spatial_encoder_nothing(model: ElsaSmall) -> None:
    torch.manual_seed(0)
    fresh = build(elsa_tiny())
    features = fresh.front_end(sounds(3))
    before = {k: v.clone() for k, v in fresh.spatial.named_buffers()}  # type: ignore[union-attr]
    out = fresh.encode_features(features, torch.zeros(3, dtype=torch.bool))
    out.embedding.sum().backward()  # type: ignore[no-untyped-call]
    assert all(torch.equal(v, before[k]) for k, v in fresh.spatial.named_buffers())  # type: ignore[union-attr]
    assert all(p.grad is None or not p.grad.any() for p in fresh.spatial.parameters())  # type: ignore[union-attr]
    assert fresh.no_place.grad is not None and bool(fresh.no_place.grad.any())  # type: ignore[union-attr,operator]


@torch.inference_mode()
def test_words_are_read_from_the_where_half(model: ElsaSmall) -> None:
    assert [len(a.words) for a in ATTRIBUTES.values()] == WORDS
    embedding = torch.nn.functional.normalize(torch.randn(2, 96), dim=1)
    logits = model.word_logits(embedding)
    assert [tuple(x.shape) for x in logits] == [(2, n) for n in WORDS]
    other = embedding.clone()
    other[:, :64] = 0
    for a, b in zip(logits, model.word_logits(5 * other), strict=True):
        torch.testing.assert_close(a, b)


def test_room_targets_are_logs(model: ElsaSmall) -> None:
    logs = [torch.tensor([float(k)]) for k in range(5)]
    truth = Truth(
        torch.zeros(1, 3), logs[0], logs[1], logs[2], logs[3], logs[4], torch.zeros(1, 20), torch.zeros(1, 20)
    )
    assert model.room_targets(truth).tolist() == [[0.0, 1.0, 3.0, 4.0]]


@torch.inference_mode()
def test_a_checkpoint_is_the_model_without_its_backbone(model: ElsaSmall, tmp_path: Path) -> None:
    folder = checkpoints.save(tmp_path / "tiny", model, CARD)
    stored = load_file(folder / "model.safetensors")
    assert not [name for name in stored if "backbone" in name]
    torch.manual_seed(123)  # what is not stored must not depend on it
    read: Elsa = checkpoints.load(folder)
    spatial = torch.tensor([True, False])
    assert torch.equal(
        read.encode_audio(sounds(2), spatial).embedding, model.encode_audio(sounds(2), spatial).embedding
    )
    assert torch.equal(read.encode_text(["a dog to my left"]), model.encode_text(["a dog to my left"]))
