"""The encoders of what is heard: shapes, names, batches, loading of other people's weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import ClapAudioConfig, ClapAudioModel

from open_elsa.errors import CheckpointError
from open_elsa.model.config import SemanticConfig
from open_elsa.model.features import ClapLogMel
from open_elsa.model.semantic import HtsatEncoder, MobileNetEncoder, divisible_by_8

SMALL = SemanticConfig(kind="htsat", htsat_depths=(1, 1, 1, 1), htsat_dim=16)


@pytest.fixture(scope="module")
def mobilenet() -> MobileNetEncoder:
    torch.manual_seed(0)
    return MobileNetEncoder(with_tags=True).eval()


def test_channels_are_rounded_as_in_mobilenet() -> None:
    assert [divisible_by_8(c * 0.4) for c in (16, 24, 40, 64, 72, 80, 112, 160, 184, 672)] == [
        8, 16, 16, 24, 32, 32, 48, 64, 72, 272,
    ]  # fmt: skip


def test_mobilenet_has_the_taggers_parameters(mobilenet: MobileNetEncoder) -> None:
    state = mobilenet.state_dict()
    assert len(state) == 312
    assert state["features.4.block.2.conc_se_layers.0.fc1.weight"].shape == (8, 32)
    assert state["features.12.block.1.0.weight"].shape == (272, 1, 3, 3)
    assert state["features.16.0.weight"].shape == (384, 64, 1, 1)
    assert state["classifier.5.weight"].shape == (527, 512)
    assert sum(p.numel() for p in MobileNetEncoder().parameters()) == 516_128


@torch.no_grad()
def test_mobilenet_shapes_and_batches(mobilenet: MobileNetEncoder) -> None:
    w = torch.randn(3, 32000, generator=torch.Generator().manual_seed(1)) * 0.1
    features = mobilenet(w)
    assert features.shape == (3, 384)
    frames = mobilenet.frames(w)
    assert frames.shape == (3, 384, 4)
    torch.testing.assert_close(frames.mean(-1), features)
    assert mobilenet.tags(w).shape == (3, 527)
    torch.testing.assert_close(mobilenet.from_log_mel(mobilenet.front_end(w)), features)
    torch.testing.assert_close(mobilenet(w[1:2]), features[1:2], atol=1e-5, rtol=1e-4)
    assert (features[0] - features[1]).abs().max() > 1e-4


def test_every_mobilenet_parameter_learns() -> None:
    encoder = MobileNetEncoder()
    encoder(torch.randn(2, 16000)).square().sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_tags_need_their_layers() -> None:
    with pytest.raises(CheckpointError, match="with_tags=True"):
        MobileNetEncoder().tags(torch.zeros(1, 3200))


def test_only_the_known_tagger_file_is_opened(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no tagger weights"):
        MobileNetEncoder().load_tagger(tmp_path / "absent.pt")
    other = tmp_path / "other.pt"
    torch.save({"features.0.0.weight": torch.zeros(1)}, other)
    with pytest.raises(CheckpointError, match="sha256"):
        MobileNetEncoder().load_tagger(other)


@torch.no_grad()
def test_htsat_shapes_and_batches() -> None:
    encoder = HtsatEncoder(SMALL).eval()
    w = torch.randn(2, 60_000, generator=torch.Generator().manual_seed(0)) * 0.1
    features = encoder(w)
    assert encoder.dim == 128
    assert features.shape == (2, 128)
    torch.testing.assert_close(encoder(w[1:]), features[1:], atol=1e-5, rtol=0)


def test_the_full_htsat_is_the_papers() -> None:
    with torch.device("meta"):
        config = SemanticConfig(kind="htsat")
        encoder = ClapAudioModel(ClapAudioConfig(depths=list(config.htsat_depths)))
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(28e6, rel=0.05)
    assert config.htsat_dim * 8 == 768


@torch.no_grad()
@pytest.mark.parametrize("fused", [False, True])
def test_clap_weights_are_loaded_and_give_claps_output(tmp_path: Path, fused: bool) -> None:
    torch.manual_seed(1)
    config = ClapAudioConfig(
        hidden_size=128, patch_embeds_hidden_size=16, depths=[1, 1, 1, 1], enable_fusion=fused,
        fusion_type="aff_2d" if fused else None,
    )  # fmt: skip
    clap = ClapAudioModel(config).eval()
    state = {f"audio_model.{name}": t.contiguous() for name, t in clap.state_dict().items()}
    save_file(state | {"text_model.x": torch.zeros(1)}, tmp_path / "model.safetensors")
    truncation = "fusion" if fused else "rand_trunc"
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"truncation": truncation}))
    encoder = HtsatEncoder(SMALL, mel_scale="htk" if fused else "slaney").eval()
    encoder.load_pretrained(tmp_path)
    w = torch.randn(1, 480_000) * 0.1
    mel = ClapLogMel("htk" if fused else "slaney")(w)
    expected = clap(input_features=mel.repeat(1, 4 if fused else 1, 1, 1), is_longer=torch.tensor([[False]]))
    torch.testing.assert_close(encoder(w), expected.pooler_output, atol=1e-5, rtol=0)
    with pytest.raises(CheckpointError, match="mel scale"):
        HtsatEncoder(SMALL, mel_scale="slaney" if fused else "htk").load_pretrained(tmp_path)


def test_a_pickle_or_another_architecture_is_refused(tmp_path: Path) -> None:
    encoder = HtsatEncoder(SMALL)
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is a pickle"):
        encoder.load_pretrained(tmp_path)
    save_file({"audio_model.audio_encoder.norm.weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    before = encoder.htsat.audio_encoder.norm.weight.clone()
    with pytest.raises(CheckpointError, match="has no tensor"):
        encoder.load_pretrained(tmp_path)
    assert torch.equal(encoder.htsat.audio_encoder.norm.weight, before)


def test_what_is_not_cached_is_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="hub's cache"):
        HtsatEncoder(SMALL).load_pretrained("open-elsa-tests/no-such-model")
