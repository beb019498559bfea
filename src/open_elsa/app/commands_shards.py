"""Commands that write scenes out as sound: files to listen to, shards to train from, and a look at shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from open_elsa.app import show
from open_elsa.app.options import Common, WithScenes
from open_elsa.app.show import UsageError, say

if TYPE_CHECKING:
    from open_elsa.scenes.scene_set import SceneSet
    from open_elsa.scenes.shards import ShardReport


@dataclass(kw_only=True)
class ScenesExport(WithScenes):
    """Write scenes as four-channel AmbiX files with truth.jsonl beside them, or as tar shards in WebDataset's layout.

    Files are to listen to and to compare with. NNNNNN.csv beside each file says every 100 ms what sounds where, as
    DCASE and STARSS23 label it; classes.txt names the classes. Shards are to train from: OUT may then be a URL such as
    s3://bucket/folder; index.parquet says where in them each sample lies, shards.json holds sums and licences.

    Interrupted, it goes on where it stopped.

    Examples:
      elsa scenes export scenes exported
      elsa scenes export scenes exported --format wav
      elsa scenes export scenes shards --format shards --workers 2
      elsa scenes export scenes s3://bucket/shards --format shards --codec opus --kbps 256
    """

    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder for the sound files, or folder or URL for shards."""
    format: Annotated[str, tyro.conf.arg(metavar="{flac,wav,shards}")] = "flac"
    """Format of the files, or shards."""
    rewritten: bool = False
    """Tell the captions that `elsa captions rewrite` made."""
    codec: Annotated[str | None, tyro.conf.arg(metavar="{flac,opus}")] = None
    """In shards: flac by default; opus is a sixth of the size, at a loss."""
    bits: Annotated[int | None, tyro.conf.arg(metavar="{16,24}")] = None
    """In shards: bits of FLAC, 16 by default."""
    kbps: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """In shards: bit rate of Opus for all four channels, 256 by default."""
    per_shard: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """In shards: scenes in each, 256 by default."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """In shards: processes; any number makes the same bytes."""

    def run(self) -> None:
        """Run it."""
        options = {
            k: v for k in ("codec", "bits", "kbps", "per_shard", "workers") if (v := getattr(self, k)) is not None
        }
        if options and self.format != "shards":
            flag = next(iter(options)).replace("_", "-")
            raise UsageError(f"scenes export: --{flag} is for shards; add --format shards")
        opened = self.opened(rewritten=self.rewritten)
        if self.format == "shards":
            self._shards(opened, options)
            return
        with show.progress("exporting", quiet=self.json) as tell:
            report = opened.export(self.out, self.format, progress=lambda p: tell(p.done, p.total, p.per_second))
        for path, reason in report.problems.items():
            say(f"elsa: skipped: {path}: {reason}")
        self.show(report, lambda: print(f"{report.files} files and truth.jsonl in {report.folder}"))

    def _shards(self, scenes: SceneSet, options: dict[str, int | str]) -> None:
        from open_elsa.scenes.shards import ShardSettings

        if (self.codec or "flac") != "flac" and self.bits is not None:
            raise UsageError("scenes export: --bits is for --codec flac; Opus takes --kbps")
        if self.codec != "opus" and self.kbps is not None:
            raise UsageError("scenes export: --kbps is for --codec opus; FLAC takes --bits")
        workers = options.pop("workers", 1)
        settings = ShardSettings(**options)  # type: ignore[arg-type]
        with show.progress("exporting", quiet=self.json) as tell:
            report = scenes.export_shards(
                self.out, settings, workers=int(workers), progress=lambda p: tell(p.done, p.total)
            )
        for path, reason in report.problems.items():
            say(f"elsa: skipped: {path}: {reason}")
        self.show(report, lambda: self._told(report))

    def _told(self, report: ShardReport) -> None:
        print(
            f"{report.samples} scenes, {report.hours:.2f} hours, in {report.shards} shards, "
            f"{report.bytes / 1e6:.1f} MB, in {report.url}"
        )
        print(
            "licences: " + ", ".join(f"{name or 'unknown'} ({count} clips)" for name, count in report.licences.items())
        )


@dataclass(kw_only=True)
class ScenesCheck(Common):
    """Hold shards that `elsa scenes export --format shards` wrote against their sizes and checksums.

    Exit code 1 when anything is missing or broken: delete what is broken, and the same export writes it again.

    Examples:
      elsa scenes check shards
      elsa scenes check s3://bucket/shards --sizes-only
    """

    shards: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SHARDS")]
    """Folder or URL of the shards."""
    sizes_only: bool = False
    """Look at sizes, and do not read every byte."""

    def run(self) -> int:
        """Run it."""
        from open_elsa.scenes.shard_reader import check_shards

        with show.progress("checking", quiet=self.json) as tell:
            found = check_shards(self.shards, sizes_only=self.sizes_only, progress=tell)

        def text() -> None:
            for name, wrong in found.broken.items():
                print(f"{name} {wrong}")
            state = f"{len(found.broken)} broken" if found.broken else "complete"
            print(f"{found.samples} scenes in {found.shards} shards, {found.bytes / 1e6:.1f} MB: {state}")

        self.show(found, text)
        return 1 if found.broken else 0
