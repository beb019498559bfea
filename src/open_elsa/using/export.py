"""Both towers of a model as ONNX files, checked against torch before they are kept.

Everything after the front ends is the model itself, traced. The front ends cut a sound into pieces that fit a cache and
use an FFT, which no exporter follows for sounds of any length; here the same transforms are convolutions with windowed
cosines and sines, one product for all frames of a batch.
"""

from __future__ import annotations

import io
import json
import logging
import math
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from open_elsa.errors import CheckpointError, ConfigError, DataError
from open_elsa.model import checkpoints, spatial_selector
from open_elsa.model.elsa import ElsaSmall, Pooled, listen, whole
from open_elsa.model.features import TaggerLogMel
from open_elsa.model.spatial_selector import COMB, MelIntensity, evened
from open_elsa.sound import foa
from open_elsa.using.embedder import Embedder

AUDIO, TEXT, ABOUT = "audio.onnx", "text.onnx", "onnx.json"
#: What audio.onnx gives, in this order; the names are those of `ElsaOutput`.
OUTPUTS = ("embedding", "direction", "distance_m", "floor_area_m2", "t30_s", "drr_db", "uncertainty_deg")
#: What text.onnx gives, by the name that sentence-transformers' exports have; "embedding" is taken by a node inside.
SENTENCE = "sentence_embedding"
#: The largest difference from torch that is let through: of vectors as it is, of metres, seconds and degrees as a share
#: of what is above one.
TOLERANCE = 1e-4
FORMAT_VERSION = 1
OPSET = 20
_SENTENCES = ("rain", "a dog barking on the left, far away, in a large and highly reverberant room", "speech above me")


@dataclass(frozen=True)
class Exported:
    """What `export_onnx` wrote, and the largest differences from torch that it measured, audio and text."""

    folder: Path
    audio_difference: float
    text_difference: float
    bytes: int


class AudioTower(nn.Module):
    """elsa-small's audio side as one graph: (b, 4, n) AmbiX at the model's rate and spatial (b,) -> OUTPUTS.

    Mono sounds go through the spatial encoder with the others, and what it says of them is put away afterwards: the
    same numbers as `encode_audio`, without shapes that depend on values.
    """

    def __init__(self, model: ElsaSmall) -> None:
        super().__init__()
        self.model = model
        self.beam = model.config.semantic.beam
        self.log_mel = LogMelByConvolution(model.front_end.log_mel)  # type: ignore[arg-type]
        self.intensity = IntensityByConvolution(model.front_end.intensity)  # type: ignore[arg-type]

    def forward(self, audio: Tensor, spatial: Tensor) -> tuple[Tensor, ...]:
        """The seven OUTPUTS: (b, dim), (b, 3) and five times (b,)."""
        placed = spatial[:, None]
        bands, bins = self.intensity(audio)
        pooled, votes = self.model.spatial.pool(bands)
        said = self.model.say_where(Pooled(pooled, votes, bins))
        direction = torch.where(placed, said.direction, 0.0)
        room = torch.where(placed, said.room, 0.0)
        heard = self.model.semantic.from_log_mel(self.log_mel(listen(audio, direction, self.beam)))
        what = nn.functional.normalize(self.model.what(heard), dim=-1)
        where = torch.where(placed, said.where, self.model.no_place)
        embedding = nn.functional.normalize(torch.cat([what, where], 1), dim=-1)
        distance, area, t30 = (room[:, k].exp() for k in range(3))
        uncertainty = torch.where(spatial, said.uncertainty_deg, 0.0)
        return embedding, direction, distance, area, t30, 10 * room[:, 3], uncertainty


class TextTower(nn.Module):
    """elsa-small's text side: token ids (b, t) int64 and mask (b, t) bool, True at tokens -> unit vectors (b, dim)."""

    def __init__(self, model: ElsaSmall) -> None:
        super().__init__()
        self.text = model.text

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The vectors of tokenised sentences."""
        return whole(*self.text._read(self.text.backbone(ids, mask), mask))


class LogMelByConvolution(nn.Module):
    """`TaggerLogMel` as a convolution: (b, n) at 32 kHz -> (b, 1, 128, t)."""

    def __init__(self, of: TaggerLogMel) -> None:
        super().__init__()
        used = int(of.mel.any(0).nonzero().max()) + 1
        window = nn.functional.pad(of.window, (112, 112))
        self.register_buffer("waves", _waves(window, used), persistent=False)
        self.register_buffer("mel", of.mel[:, :used].contiguous(), persistent=False)

    def forward(self, w: Tensor) -> Tensor:
        """The log-mel spectrogram."""
        emphasised = w[:, 1:] - 0.97 * w[:, :-1]
        padded = nn.functional.pad(emphasised[:, None], (512, 512), mode="reflect")
        real, imag = nn.functional.conv1d(padded, self.waves, stride=320).chunk(2, 1)  # type: ignore[arg-type]
        assert isinstance(self.mel, Tensor)
        bands = self.mel @ (real.square() + imag.square())
        return (((bands + 1e-5).log() + 4.5) / 5.0)[:, None]


class IntensityByConvolution(nn.Module):
    """`MelIntensity` as a convolution: (b, 4, n) -> bands (b, 8, t, m) and bins (b, 8, COMB_BINS)."""

    def __init__(self, of: MelIntensity) -> None:
        super().__init__()
        self.register_buffer("waves", _waves(of.window, of.stop), persistent=False)
        self.register_buffer("bank", of.bank.clone(), persistent=False)
        self.register_buffer("shares", of.shares.clone(), persistent=False)
        self.stop, self.balance_db = of.stop, of.balance_db

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Intensity in bands over time, and in bins over the sound."""
        half = spatial_selector.N_FFT // 2
        flat = nn.functional.pad(audio, (half, half)).reshape(-1, 1, audio.shape[2] + 2 * half)
        spectrum = nn.functional.conv1d(flat, self.waves, stride=spatial_selector.HOP)  # type: ignore[arg-type]
        spectrum = spectrum.reshape(audio.shape[0], 4, 2, self.stop, -1)
        real, imag = spectrum[:, :, 0], spectrum[:, :, 1]  # (b, 4, bins, t)
        w_real, w_imag, real_of, imag_of = real[:, :1], imag[:, :1], real[:, [3, 1, 2]], imag[:, [3, 1, 2]]  # x y z
        active = w_real * real_of + w_imag * imag_of
        reactive = w_real * imag_of - w_imag * real_of
        power = real.square() + imag.square()
        parts = torch.cat([active, reactive, power[:, :1], power[:, 1:].sum(1, keepdim=True)], 1)  # (b, 8, bins, t)
        bins = parts[:, :, COMB].sum(-1)
        assert isinstance(self.bank, Tensor)
        sums = parts.transpose(2, 3) @ self.bank
        if self.balance_db:
            assert isinstance(self.shares, Tensor)
            sums, bins = evened(sums, bins, self.shares, self.balance_db)
        active, reactive, pressure, velocity = sums[:, :3], sums[:, 3:6], sums[:, 6:7], sums[:, 7:8]
        loudest = pressure.amax((1, 2, 3), keepdim=True)
        energy = 0.5 * (pressure + velocity) + spatial_selector._EPS * (1 + loudest)
        level = torch.log(pressure + 1e-6 * loudest + 1e-12)
        level = 0.25 * (level - level.mean((1, 2, 3), keepdim=True))
        ratio = 0.25 * torch.log((velocity + energy * 1e-3) / (pressure + energy * 1e-3))
        bands = torch.cat([active / energy, reactive / energy, level, ratio], 1)
        return bands, bins / (bins[:, 6].mean(1)[:, None, None] + 1e-12)


def _waves(window: Tensor, bins: int) -> Tensor:
    """The windowed cosines, then minus sines, of an FFT's first bins as filters (2 * bins, 1, n)."""
    n = window.numel()
    turns = torch.outer(torch.arange(bins, dtype=torch.int64), torch.arange(n, dtype=torch.int64)) % n
    angles = 2 * torch.pi * turns.double() / n
    return (torch.cat([angles.cos(), -angles.sin()]) * window.double()).float()[:, None]


def export_onnx(embedder: Embedder, folder: str | Path, *, force: bool = False) -> Exported:
    """Write audio.onnx, text.onnx and what is needed beside them; nothing is kept that differs from torch by 1e-4.

    audio.onnx: `audio` (b, 4, n) float32 AmbiX at the model's rate, n at least the model's shortest window, and
    `spatial` (b,) bool, False for mono (then only W counts) -> OUTPUTS. text.onnx: `ids` (b, t) int64 and `mask` (b, t)
    bool -> `sentence_embedding`. Beside them config.json, tokenizer.json, the model card where the model came from a
    folder, and onnx.json: the hash of the weights, the temperature, the measured differences.
    Raises DataError for a folder that has files (unless force), ConfigError for models that cannot be exported (only
    elsa-small's kind can) and where onnx is not installed, CheckpointError for a graph that does not agree with torch.
    """
    model = embedder.model
    if not isinstance(model, ElsaSmall) or not isinstance(model.front_end.intensity, MelIntensity):
        raise ConfigError(
            f"{embedder.name} cannot be exported: only models of elsa-small's kind (spatial: selector) can"
        )
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not force:
        raise DataError(f"{folder} is not an empty folder; choose another, or write over it with force (--force)")
    _need_onnx()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
        made = Path(name)
        with _as_exported(model):
            samples = torch.export.Dim("samples", min=math.ceil(model.config.min_window_s * model.sample_rate))
            heard = _sounds(model, 1.5, 2)
            _export(AudioTower(model), made / AUDIO, heard, ("audio", "spatial"), OUTPUTS, samples, strict=True)
            tokens = torch.export.Dim("tokens", min=3, max=model.text.max_tokens)  # a word and both ends
            said = model.text.tokenize(_SENTENCES)
            _export(TextTower(model), made / TEXT, said, ("ids", "mask"), (SENTENCE,), tokens)
        _beside(embedder, made)
        audio, text = check(embedder, made)
        about = {
            "format_version": FORMAT_VERSION,
            "weights_sha256": embedder.weights_sha256,
            "logit_scale": float(model.logit_scale.detach()),
            "left_out": list(embedder.left_out),
            "largest_difference": {"audio": audio, "text": text},
        }
        checkpoints.write(made / ABOUT, (json.dumps(about, indent=2) + "\n").encode())
        folder.mkdir(exist_ok=True)
        (folder / ABOUT).unlink(missing_ok=True)  # killed from here on, the folder is no export rather than half a one
        files = sorted(made.iterdir(), key=lambda path: path.name == ABOUT)  # the one that readers look for comes last
        size = sum(path.stat().st_size for path in files)
        for path in files:
            path.replace(folder / path.name)
    return Exported(folder, audio, text, size)


def check(embedder: Embedder, folder: Path) -> tuple[float, float]:
    """The largest differences between a folder's graphs and torch, of sounds and of sentences.

    Sounds: ambisonic, mono and silent, from the shortest window to the longest, alone and together. Raises
    CheckpointError above TOLERANCE.
    """
    model: ElsaSmall = embedder.model
    worst = {AUDIO: 0.0, TEXT: 0.0}
    audio, text = session(folder / AUDIO), session(folder / TEXT)
    config = model.config
    lengths = (config.min_window_s, 0.37 * config.window_s, config.window_s)
    with torch.inference_mode():
        for k, seconds in enumerate(lengths):
            sounds, spatial = _sounds(model, seconds, 1 + 2 * (k % 2), seed=k)
            found = audio.run(None, {"audio": sounds.cpu().numpy(), "spatial": spatial.cpu().numpy()})
            true = model.encode_audio(sounds, spatial)
            differences = [difference(a, getattr(true, name)) for name, a in zip(OUTPUTS, found, strict=True)]
            worst[AUDIO] = max(worst[AUDIO], *differences)
        for sentences in (_SENTENCES[:1], _SENTENCES):
            ids, mask = model.text.tokenize(sentences)
            (found,) = text.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})
            worst[TEXT] = max(worst[TEXT], difference(found, model.encode_text(sentences)))
    for name, value in worst.items():
        if not value <= TOLERANCE:
            raise CheckpointError(
                f"{name} differs from torch by {value:.2g}, more than {TOLERANCE:g}; nothing was written. Try other "
                "versions of torch, onnxscript and onnxruntime, and report it"
            )
    return worst[AUDIO], worst[TEXT]


def difference(found: NDArray[Any], true: Tensor) -> float:
    """The largest difference; of numbers above one as a share of them. NaN where either holds one."""
    wanted = true.detach().double().cpu().numpy()
    return float(np.max(np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted))))


def session(path: Path, *, threads: int = 0) -> Any:
    """An onnxruntime session on the CPU; threads: 0 as many as torch uses. Raises ConfigError without onnxruntime."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("onnxruntime is not installed; pip install 'open-elsa[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common base but this
        raise CheckpointError(f"{path} cannot be run: {' '.join(str(error).split())}; export it again") from error


def _sounds(model: ElsaSmall, seconds: float, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Bursts of noise from drawn directions with a diffuse tail; the second is mono, the third silent."""
    rng = np.random.default_rng(seed)
    rate, n = model.sample_rate, round(seconds * model.sample_rate)
    audio = np.zeros((count, 4, n), np.float32)
    for sound in audio:
        burst = rng.standard_normal(n) * np.exp(-8 * (np.arange(n) / rate % 0.7)) * (0.3 + rng.random())
        sound += foa.encode(0.2 * burst, rng.uniform(-180, 180), rng.uniform(-60, 60))
        sound += (0.01 * rng.standard_normal((4, n))).astype(np.float32)
    audio[1:2, 1:], audio[2:3] = 0.0, 0.0
    return torch.from_numpy(audio), torch.tensor([k not in (1, 2) for k in range(count)])


def _export(
    tower: nn.Module,
    path: Path,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    length: Any,
    *,
    strict: bool = False,
) -> None:
    """Trace a tower for a batch of any size and the lengths that `length`, a torch.export.Dim, allows.

    strict: read the code rather than run it. Only so do lengths stay open in the audio tower, and only run can the text
    tower be, which switches a setting of torch's on its way.
    """
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch, x.ndim - 1: length} if x.ndim > 1 else {0: batch} for x in example)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter's own insides
        graph = torch.export.export(
            tower.eval(),
            example,
            dynamic_shapes=shapes,
            strict=strict,
            prefer_deferred_runtime_asserts_over_guards=not strict,
        )
        program = torch.onnx.export(
            graph,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.save(path, external_data=False)


@contextmanager
def _as_exported(model: nn.Module) -> Iterator[None]:
    """On the CPU, without torch's fused attention and without the exporter's log, all put back afterwards."""
    fused = torch.backends.mha.get_fastpath_enabled()
    device = next(model.parameters()).device
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    torch.backends.mha.set_fastpath_enabled(False)
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    model.to("cpu")
    try:
        yield
    finally:
        model.to(device)
        torch.backends.mha.set_fastpath_enabled(fused)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _beside(embedder: Embedder, made: Path) -> None:
    """Configuration, tokenizer and card: what the graphs need to be used, here or by other programs."""
    checkpoints.write(made / checkpoints.CONFIG, (embedder.config.to_json() + "\n").encode())
    checkpoints.write(made / checkpoints.TOKENIZER, embedder.model.text.tokenizer.to_str().encode())
    if embedder.folder is not None and (card := embedder.folder / checkpoints.CARD).is_file():
        shutil.copyfile(card, made / checkpoints.CARD)


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed; pip install 'open-elsa[onnx]'") from error
