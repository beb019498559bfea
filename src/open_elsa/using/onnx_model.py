"""A model in ONNX files, run by onnxruntime, with the surface that `Embedder` needs: windows and batches as ever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from open_elsa.errors import CheckpointError
from open_elsa.model import checkpoints
from open_elsa.model.elsa import ElsaOutput
from open_elsa.model.tokens import padded, token_rows
from open_elsa.using.embedder import Embedder
from open_elsa.using.export import ABOUT, AUDIO, FORMAT_VERSION, OUTPUTS, TEXT, session

#: Windows at once: all frames of a batch stand in memory together, 60 MB a window of ten seconds.
BATCH = 4


class OnnxModel(nn.Module):
    """The graphs of a folder that `export_onnx` wrote, called as an Elsa model is; on the CPU only.

    Raises CheckpointError for a folder that is not one of these, is incomplete, or of another version.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        folder = Path(folder)
        about = _about(folder)
        for name in (AUDIO, TEXT, checkpoints.TOKENIZER):
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder} has no {name}; export it again with `elsa export onnx`")
        self.config = checkpoints.read_config(folder)
        self.sample_rate = self.config.sample_rate
        self.weights_sha256 = str(about["weights_sha256"])
        self.left_out = tuple(about["left_out"])
        self.logit_scale = nn.Parameter(torch.tensor(float(about["logit_scale"])), requires_grad=False)
        self.tokenizer = Tokenizer.from_file(str(folder / checkpoints.TOKENIZER))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.audio, self.text = session(folder / AUDIO), session(folder / TEXT)

    def encode_audio(self, audio: Tensor, spatial: Tensor) -> ElsaOutput:
        """What `Elsa.encode_audio` says, from audio.onnx: (b, 4, n) AmbiX and spatial (b,)."""
        found = self.audio.run(list(OUTPUTS), {"audio": audio.numpy(), "spatial": spatial.numpy()})
        said = {name: torch.from_numpy(values) for name, values in zip(OUTPUTS, found, strict=True)}
        return ElsaOutput(room=torch.zeros(len(audio), 0), **said)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """What `Elsa.encode_text` says, from text.onnx: (b, dim) unit."""
        ids, mask = padded(token_rows(self.tokenizer, texts, self.config.text.max_tokens))
        (vectors,) = self.text.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})
        return torch.from_numpy(vectors)


def load_onnx(folder: str | Path, *, batch_size: int = BATCH) -> Embedder:
    """Load what `export_onnx` wrote, ready for use: an Embedder whose numbers agree with torch's within 1e-4.

    It has the hash of the weights that it was made from, so an index made by either is read by both. Raises
    CheckpointError for a folder that is not such an export, ConfigError where onnxruntime is not installed.
    """
    model = OnnxModel(folder)
    return Embedder(
        model, batch_size=batch_size, weights_sha256=model.weights_sha256, left_out=model.left_out, folder=Path(folder)
    )


def _about(folder: Path) -> dict[str, Any]:
    path = folder / ABOUT
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {ABOUT}; make one with `elsa export onnx --out FOLDER`")
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = about["format_version"]
        about["weights_sha256"], about["left_out"], about["logit_scale"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error!r}); export it again") from error
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path} has version {version!r}, this one reads {FORMAT_VERSION}; export it again")
    return about
