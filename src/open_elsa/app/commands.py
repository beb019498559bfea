"""Commands for people with sounds: each is one call of the library and a way to print what it returns."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from open_elsa.app import show
from open_elsa.app.options import Common, Convention, Files, WithModel, need
from open_elsa.app.show import UsageError, degrees, number, say, side, span

if TYPE_CHECKING:
    from open_elsa.app.demo import DemoOutcome
    from open_elsa.using.check import AudioCheck
    from open_elsa.using.embedder import Embedder


@dataclass(kw_only=True)
class Demo(WithModel):
    """See it work: places real recordings in rooms never trained on, indexes them, and asks in plain words.

    Writes an HTML report with players and a compass plot. Takes under three minutes on two cores.

    Examples:
      elsa demo
      elsa demo --out /tmp/demo --json
    """

    out: Path = Path("elsa-demo")
    """Folder for the sounds and the report."""
    seed: int | None = None
    """Another seed puts the sounds in other rooms."""
    force: bool = False
    """Write over an older demo."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.app import demo

        more: dict[str, Any] = {} if self.seed is None else {"seed": self.seed}

        def tell(step: str, done: int, total: int) -> None:
            if done == 0:
                say(f"{step} …")

        outcome = demo.run_demo(self.out, force=self.force, embedder=self.load(), progress=tell, **more)
        self.show(outcome.as_dict(), lambda: _show_demo(outcome))


def _show_demo(outcome: DemoOutcome) -> None:
    scenes = {scene.file: scene for scene in outcome.scenes}
    rows = []
    for answer in outcome.answers:
        best = scenes[answer.files[0]]
        true = f"{side(best.truth.azimuth_deg)}, {number(best.truth.distance_m, 'm')}"
        heard = f"{side(best.heard.azimuth_deg)}, {number(best.heard.distance_m, 'm')}"
        rows.append(
            (answer.query.text, "yes" if answer.right else "no", Path(best.file).name, best.caption, heard, true)
        )
    show.table(("asked", "right", "found", "what it is", "heard at", "truly at"), rows)
    print(
        f"{outcome.right} of {len(outcome.answers)} right; directions off by {outcome.mean_error_deg:.1f}° on average"
    )
    print(f"report: {outcome.report}")
    print(f"now your own sounds: {outcome.next_command}")


@dataclass(kw_only=True)
class Embed(WithModel):
    """Turn sounds, or sentences with --text, into vectors of unit length.

    Any rate and length, mono or ambisonic. A long sound gives the normalised mean of its windows, or with --windows
    one vector a window. --out takes .npz (arrays vectors, sources or texts, start_s, end_s) or .parquet (columns,
    with the place of each sound or window).

    Examples:
      elsa embed dog.wav street.flac --out vectors.npz
      elsa embed long.wav --windows --out windows.parquet
      elsa embed --text "a dog barking on the left" --json
      elsa embed *.wav --engine onnx --model elsa-small-onnx --out vectors.parquet
    """

    files: Files = ()
    """Sound files: WAV, FLAC, Ogg, Opus, MP3."""
    text: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A sentence to embed; may be repeated."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Where to write the vectors: .npz or .parquet."""
    windows: bool = False
    """One vector a window instead of one a sound."""
    engine: Literal["torch", "onnx"] = "torch"
    """What computes: torch, or onnxruntime on what `elsa export onnx` wrote, named by --model."""
    convention: Convention = "auto"
    """What four-channel files are."""
    force: bool = False
    """Write over an existing file."""

    def load(self) -> Embedder:
        """The model that was asked for, in the engine that was."""
        if self.engine == "torch":
            return super().load()
        if self.model is None or self.device != "cpu":
            raise UsageError("embed: --engine onnx needs --model with the folder of an export, and runs on the cpu")
        from open_elsa.using.onnx_model import load_onnx

        return load_onnx(self.model)

    def run(self) -> None:
        """Run it."""
        if bool(self.files) == bool(self.text):
            raise UsageError("embed: give sound files or --text, one of the two")
        if self.text and self.windows:
            raise UsageError("embed: --windows is for sounds")
        _check_out(self.out, (".npz", ".parquet"), self.force)
        if self.out is not None and self.out.suffix == ".parquet":
            self._parquet(self.out)
            return
        rows = self._rows()
        if self.out is not None:
            _write_rows(self.out, rows)
            say(f"{len(rows)} vectors in {self.out}")
        shown = [r if self.out is None else {k: v for k, v in r.items() if k != "vector"} for r in rows]
        self.show(shown, lambda: self._text(rows))

    def _parquet(self, out: Path) -> None:
        """The table of `embeddings_table` as a file; shown are its columns without the vectors."""
        import pyarrow.parquet as pq

        from open_elsa.scenes.scene_files import write_bytes
        from open_elsa.using.encoding import embeddings_table

        what: dict[str, Any] = {"texts": self.text} if self.text else {"sounds": self.files, "windows": self.windows}
        table = embeddings_table(self.load(), **what, convention=self.convention)
        sink = io.BytesIO()
        pq.write_table(table, sink)
        write_bytes(out, sink.getvalue())
        say(f"{table.num_rows} vectors in {out}")
        self.show(table.drop_columns("vector").to_pylist(), lambda: None)

    def _rows(self) -> list[dict[str, Any]]:
        model = self.load()
        if self.text:
            vectors = model.embed_text(self.text)
            return [{"text": t, "vector": v} for t, v in zip(self.text, vectors, strict=True)]
        if self.windows:
            found = model.embed_windows(list(self.files), convention=self.convention)
            return [{"source": w.source, "start_s": w.start_s, "end_s": w.end_s, "vector": w.vector} for w in found]
        analyses = model.analyse(list(self.files), convention=self.convention)
        return [
            {"source": str(f), "vector": a.embedding, "notes": list(a.notes)}
            for f, a in zip(self.files, analyses, strict=True)
        ]

    def _text(self, rows: list[dict[str, Any]]) -> None:
        if self.out is None:
            names = [
                r.get("text") or r["source"] + (f" {span(r['start_s'], r['end_s'])}" if self.windows else "")
                for r in rows
            ]
            starts = [" ".join(f"{x:+.3f}" for x in r["vector"][:5]) + f" … ({len(r['vector'])})" for r in rows]
            show.table(("of", "vector"), list(zip(names, starts, strict=True)))


def _check_out(out: Path | None, suffixes: tuple[str, ...], force: bool) -> None:
    if out is None:
        return
    if out.suffix not in suffixes:
        raise UsageError(f"--out must end in {' or '.join(suffixes)}, got {out.name!r}")
    if out.exists() and not force:
        raise UsageError(f"{out} exists; pass --force to write over it")


def _write_rows(out: Path, rows: list[dict[str, Any]]) -> None:
    import numpy as np

    from open_elsa.scenes.scene_files import write_bytes

    columns = {k: [row[k] for row in rows] for k in rows[0] if k != "notes"}
    names = {"vector": "vectors", "source": "sources", "text": "texts"}
    arrays: dict[str, Any] = {names.get(k, k): np.asarray(v) for k, v in columns.items()}
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    write_bytes(out, sink.getvalue())


@dataclass(kw_only=True)
class CheckAudio(Common):
    """Look at recordings before any model does: format, levels, ambisonic convention, directions over time.

    Says what looks wrong: silent, clipped or swapped channels, FuMa or N3D taken for AmbiX, capsule signals, a mono
    sound copied. Walk around the microphone and clap: the directions printed should follow you.

    Examples:
      elsa check-audio recording.wav
      elsa check-audio old.wav --convention fuma
      elsa check-audio *.wav --json
    """

    files: Files = ()
    """Sound files: WAV, FLAC, Ogg, Opus, MP3."""
    convention: Convention = "auto"
    """What four-channel files are."""

    def run(self) -> int:
        """Run it."""
        from open_elsa.errors import AudioError
        from open_elsa.using.check import check_audio

        found: list[AudioCheck] = []
        failed = 0
        for file in need(self.files, "sound file"):
            try:
                found.append(check_audio(file, convention=self.convention))
            except AudioError as error:
                failed += 1
                say(f"elsa: {' '.join(str(error).split())}")
        self.show(found, lambda: _show_checks(found))
        return 1 if failed else 0


def _show_checks(checks: list[AudioCheck]) -> None:
    for check in checks:
        _show_check(check)


def _show_check(check: AudioCheck) -> None:
    kind = f"{check.format}, {check.channels} channel{'s' * (check.channels != 1)}, {check.sample_rate} Hz"
    print(f"{check.path}: {kind}, {check.duration_s:.1f} s, read as {check.read_as}")
    levels = [
        (c.name, number(c.rms_dbfs, "dBFS"), number(c.peak_dbfs, "dBFS"), str(c.clipped), f"{c.mean:+.4f}")
        for c in check.levels
    ]
    show.table(("channel", ">RMS", ">peak", ">clipped", ">mean"), levels)
    if any(h.azimuth_deg is not None for h in check.directions):
        rows = [
            (span(h.start_s, h.end_s), number(h.level_dbfs, "dBFS"), side(h.azimuth_deg), degrees(h.elevation_deg),
             "–" if h.diffuseness is None else f"{h.diffuseness:.2f}")
            for h in check.directions
        ]  # fmt: skip
        show.table((">time", ">level", ">from", ">elevation", ">diffuseness"), rows)
    for note in check.notes:
        print(f"note: {note}")
    for hint in check.hints:
        print(f"look: {hint}")
    if not check.hints:
        print("nothing looks wrong")
