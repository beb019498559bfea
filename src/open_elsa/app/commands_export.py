"""Commands that carry a model into other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from open_elsa.app import show
from open_elsa.app.options import WithModel


@dataclass(kw_only=True)
class ExportOnnx(WithModel):
    """Write both towers of a model as ONNX files, kept only where they agree with torch within 1e-4.

    audio.onnx takes ambisonic sounds of any number and length, text.onnx token ids; beside them stand the
    configuration, the tokenizer and the model card. `elsa embed --engine onnx` runs them, and so does any other program
    with onnxruntime. Needs the extra: pip install "open-elsa[onnx]".

    Examples:
      elsa export onnx --out elsa-small-onnx
      elsa embed dog.wav --engine onnx --model elsa-small-onnx --json
      elsa export onnx --model runs/mine/model --out mine-onnx --force
    """

    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Folder for the files."""
    force: bool = False
    """Write over an older export."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.using.export import export_onnx

        done = export_onnx(self.load(), self.out, force=self.force)
        self.show(done, lambda: self._text(done.audio_difference, done.text_difference, done.bytes))

    def _text(self, audio: float, text: float, size: int) -> None:
        print(f"audio.onnx and text.onnx in {self.out} ({show.size(size)})")
        print(f"largest difference from torch: {audio:.1e} of sounds, {text:.1e} of sentences")
        print(f"run them: elsa embed FILE --engine onnx --model {self.out}")
