"""Encoders of what is heard, from W alone: a small MobileNetV3 tagger and the paper's HTSAT."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from open_elsa.errors import CheckpointError
from open_elsa.model.config import SemanticConfig
from open_elsa.model.features import ClapLogMel, TaggerLogMel
from open_elsa.model.pretrained import fit_weights, local_folder, read_weights

TAGGER_SHA256 = "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"
"""Of EfficientAT's mn04_as_mAP_432.pt (MIT): the only pickle this package ever opens, and only to start a training."""

# MobileNetV3-Large, table 1 of arXiv 1905.02244: kernel, expanded, out, squeeze-excite, hard-swish, stride
_BLOCKS = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)


class MobileNetEncoder(nn.Module):
    """MobileNetV3-Large at width 0.4 over a log-mel spectrogram: 0.51 M parameters, about 3 frames a second.

    (b, n) samples at 32 kHz (n ≥ 1024) -> (b, 384). Parameter names are EfficientAT's, so that its weights fit.
    with_tags keeps the 527 AudioSet outputs (0.47 M parameters more) for `tags`.
    """

    sample_rate = 32000
    dim = 384

    def __init__(self, *, with_tags: bool = False, width: float = 0.4) -> None:
        super().__init__()
        self.front_end = TaggerLogMel()
        channels = divisible_by_8(16 * width)
        layers: list[nn.Module] = [_conv(1, channels, kernel=3, stride=2, activation=nn.Hardswish)]
        for kernel, expanded, out, squeeze, hard_swish, stride in _BLOCKS:
            wide, narrow = divisible_by_8(expanded * width), divisible_by_8(out * width)
            activation = nn.Hardswish if hard_swish else nn.ReLU
            layers.append(InvertedResidual(channels, wide, narrow, kernel, stride, squeeze, activation))
            channels = narrow
        self.dim = 6 * channels
        layers.append(_conv(channels, self.dim, kernel=1, stride=1, activation=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        self.classifier: nn.Sequential | None = None
        if with_tags:  # pooling and dropout keep their places, so that the linear layers keep their names
            linear, output = nn.Linear(self.dim, 512), nn.Linear(512, 527)
            self.classifier = nn.Sequential(
                nn.Identity(), nn.Identity(), linear, nn.Hardswish(), nn.Dropout(0.2), output
            )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, w: Float[Tensor, "b n"]) -> Float[Tensor, "b dim"]:
        """The features of waveforms, averaged over frequency and time."""
        return self.from_log_mel(self.front_end(w))

    def from_log_mel(self, mel: Float[Tensor, "b 1 bands t"]) -> Float[Tensor, "b dim"]:
        """The same from TaggerLogMel's output, which data workers may have made."""
        return self._map(mel).mean(-1)

    def frames(self, w: Float[Tensor, "b n"]) -> Float[Tensor, "b dim t"]:
        """The last feature map, averaged over frequency: one column each 0.32 s."""
        return self._map(self.front_end(w))

    def _map(self, mel: Tensor) -> Tensor:
        feature_map: Tensor = self.features(mel.contiguous(memory_format=torch.channels_last))
        return feature_map.mean(2)

    def tags(self, w: Float[Tensor, "b n"]) -> Float[Tensor, "b 527"]:
        """Logits of the 527 AudioSet labels, in AudioSet's order; needs with_tags=True (CheckpointError)."""
        if self.classifier is None:
            raise CheckpointError("this MobileNetEncoder has no tag outputs; make it with with_tags=True")
        logits: Tensor = self.classifier(self(w))
        return logits

    def load_tagger(self, path: str | Path) -> None:
        """Start from EfficientAT's mn04 tagger: a training start only, what we ship is our own safetensors.

        Raises CheckpointError where the file is missing or isn't exactly the known one (sha256).
        """
        path = Path(path)
        if not path.is_file():
            raise CheckpointError(f"no tagger weights at {path}; get mn04_as_mAP_432.pt of fschmid56/EfficientAT")
        if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != TAGGER_SHA256:
            raise CheckpointError(
                f"{path} is not EfficientAT's mn04_as_mAP_432.pt (sha256 {found}, expected {TAGGER_SHA256}); "
                "a .pt file can run code, so only the known one is opened"
            )
        state = torch.load(path, map_location="cpu", weights_only=True)
        if self.classifier is None:
            state = {name: tensor for name, tensor in state.items() if name.startswith("features.")}
        self.load_state_dict(state)


class InvertedResidual(nn.Module):
    """MobileNetV3's block: widen, depthwise convolution, squeeze-excite, narrow; a shortcut where shapes allow."""

    def __init__(
        self,
        channels: int,
        wide: int,
        narrow: int,
        kernel: int,
        stride: int,
        squeeze: bool,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if wide != channels:
            layers.append(_conv(channels, wide, kernel=1, stride=1, activation=activation))
        layers.append(_conv(wide, wide, kernel=kernel, stride=stride, activation=activation, groups=wide))
        if squeeze:
            layers.append(_SqueezeExcites(wide))
        layers.append(_conv(wide, narrow, kernel=1, stride=1, activation=None))
        self.block = nn.Sequential(*layers)
        self.shortcut = stride == 1 and channels == narrow

    def forward(self, x: Float[Tensor, "b c f t"]) -> Float[Tensor, "b d g u"]:
        """(b, channels, f, t) -> (b, narrow, f / stride, t / stride)."""
        y: Tensor = self.block(x)
        return x + y if self.shortcut else y


class _SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, divisible_by_8(channels // 4))
        self.fc2 = nn.Linear(divisible_by_8(channels // 4), channels)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3))))))
        return x * scale[:, :, None, None]


class _SqueezeExcites(nn.Module):
    """EfficientAT can run several of these side by side; its mn models have one, under this name."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([_SqueezeExcite(channels)])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conc_se_layers[0](x)
        return y


def divisible_by_8(channels: float) -> int:
    """The multiple of 8 next to `channels`, at least 8 and never below 90 % of it (MobileNet's rule)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv(
    channels: int, out: int, *, kernel: int, stride: int, activation: type[nn.Module] | None, groups: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight)  # by fan-in: MobileNet's fan-out starves the depthwise layers
    norm = nn.BatchNorm2d(out, eps=1e-3, momentum=0.01)
    return nn.Sequential(conv, norm) if activation is None else nn.Sequential(conv, norm, activation())


class HtsatEncoder(nn.Module):
    """The paper's encoder of what is heard: LAION-CLAP's HTSAT (transformers' ClapAudioModel), random until loaded.

    (b, n) samples at 48 kHz, at most 10 s -> (b, 768). Always without fusion: a window never exceeds 10 s, where fused
    and unfused checkpoints do the same. depths and dim of the configuration shrink it for tests; the output has
    dim · 2^(stages - 1) features.
    """

    sample_rate = 48000

    def __init__(self, config: SemanticConfig, *, mel_scale: Literal["htk", "slaney"] = "htk") -> None:
        super().__init__()
        from transformers import ClapAudioConfig, ClapAudioModel

        stages = len(config.htsat_depths)
        self.dim = config.htsat_dim * 2 ** (stages - 1)
        self.mel_scale = mel_scale
        self.front_end = ClapLogMel(mel_scale)
        self.htsat = ClapAudioModel(
            ClapAudioConfig(
                hidden_size=self.dim,
                patch_embeds_hidden_size=config.htsat_dim,
                depths=list(config.htsat_depths),
                num_attention_heads=[4 * 2**stage for stage in range(stages)],
                num_hidden_layers=stages,
                enable_fusion=False,
            )
        )

    def forward(self, w: Float[Tensor, "b n"]) -> Float[Tensor, "b dim"]:
        """The pooled features of waveforms."""
        return self.from_log_mel(self.front_end(w))

    def from_log_mel(self, mel: Float[Tensor, "b 1 t bands"]) -> Float[Tensor, "b dim"]:
        """The same from ClapLogMel's output, which data workers may have made."""
        pooled: Tensor = self.htsat(input_features=mel).pooler_output
        return pooled

    def load_pretrained(self, source: str | Path) -> None:
        """Start from a CLAP checkpoint in a folder or the hub's cache, such as "laion/clap-htsat-fused".

        Never downloads. Raises CheckpointError where nothing is there, a tensor doesn't fit, or the checkpoint was
        trained on another mel scale than this encoder's (its preprocessor_config.json tells).
        """
        folder = local_folder(source)
        preprocessor = folder / "preprocessor_config.json"
        if preprocessor.is_file():
            fused = json.loads(preprocessor.read_text(encoding="utf-8")).get("truncation") == "fusion"
            if (scale := "htk" if fused else "slaney") != self.mel_scale:
                raise CheckpointError(
                    f"{folder} was trained on the {scale} mel scale, this encoder reads {self.mel_scale}; "
                    "laion/clap-htsat-fused is htk, laion/clap-htsat-unfused is slaney"
                )
        fit_weights(self.htsat, read_weights(folder, "audio_model.", ""), where=str(folder))
