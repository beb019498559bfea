"""`elsa scenes report`: what is in a finished set of scenes."""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from open_elsa.app import show
from open_elsa.app.options import WithScenes
from open_elsa.app.show import UsageError

if TYPE_CHECKING:
    from open_elsa.scenes.scene_report import SceneReport
    from open_elsa.scenes.scene_set import SceneSet


@dataclass(kw_only=True)
class ScenesReport(WithScenes):
    """Say what is in scenes: how places and rooms spread, what captions say, loudness, licences, what was left out.

    Writes report.html, one file with plots and a sheet of some scenes with their captions, and report.json.
    `elsa scenes make` does this by itself.

    Examples:
      elsa scenes report scenes
      elsa scenes report scenes --out elsewhere --seed 7
      elsa scenes report scenes --rewritten --out rewritten-report
      elsa scenes report scenes --json
    """

    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder or URL of the two files; SCENES by default."""
    seed: int = 0
    """Another seed renders and shows other scenes."""
    rendered: int = 48
    """How many scenes to render for their loudness, at most."""
    pictured: int = 12
    """How many of them to show."""
    rewritten: bool = False
    """Count the captions that `elsa captions rewrite` put beside the scenes."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.scenes import places

        if min(self.seed, self.rendered, self.pictured) < 0:
            raise UsageError("scenes report: --seed, --rendered and --pictured are 0 or more")
        opened = self.opened(rewritten=self.rewritten)
        settings = {"seed": self.seed, "rendered": self.rendered, "pictured": self.pictured}
        out = self.out or opened.folder
        report = write_report(opened, out, quiet=self.json, **settings)
        lines = [*report.lines(), f"{places.inside(out, 'report.html')} and report.json"]
        self.show(json_module.loads(report.to_json()), lambda: print("\n".join(lines)))


def write_report(scenes: SceneSet, folder: str | Path, *, quiet: bool, **settings: int) -> SceneReport:
    """Report on scenes into a folder, with progress unless quiet; settings as `SceneSet.report` takes them."""
    from open_elsa.app import scene_pages

    with show.progress("reporting", quiet=quiet) as tell:
        report = scenes.report(**settings, progress=tell)
    scene_pages.write_report(report, folder)
    return report
