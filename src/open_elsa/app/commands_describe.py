"""The command that says what a recording holds: in a sentence, over time, as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from open_elsa.app import show
from open_elsa.app.options import Convention, Files, WithModel, need
from open_elsa.app.show import UsageError, degrees, number, say, side, span

if TYPE_CHECKING:
    from open_elsa.using.describe import Description
    from open_elsa.using.track import Track


@dataclass(kw_only=True)
class Describe(WithModel):
    """Say in a sentence what is heard and where, with likely names of the sound and the numbers behind it.

    Place and room are those of the loudest ten seconds. The sentence is the model's own where it has a captioner, and
    never contradicts the numbers; else it is made of the first name and the numbers. The names come from a list of
    everyday sounds, or from --name: their probabilities weigh the names against each other, so something is always
    first. With --over-time the direction is followed by windows of two seconds, with --png all of it is drawn.

    Examples:
      elsa describe recording.wav
      elsa describe *.wav --json
      elsa describe yard.wav --name "a dog barking" --name "a car passing by"
      elsa describe walk.wav --over-time
      elsa describe walk.wav --png walk.png
    """

    files: Files = ()
    """Sound files: WAV, FLAC, Ogg, Opus, MP3."""
    name: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A name to choose from, instead of the list, and to make the sentence of; may be repeated."""
    tags: int = 3
    """How many names to show."""
    over_time: bool = False
    """Follow direction, level and sound over time: a table, and every point with --json."""
    rows: int = 24
    """With --over-time: rows of the table at most."""
    png: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Draw waveform, track and numbers of one recording into this picture."""
    convention: Convention = "auto"
    """What four-channel files are."""
    force: bool = False
    """Write over an existing picture."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.using.describe import describe

        files = need(self.files, "sound file")
        if self.tags < 1 or self.rows < 1:
            raise UsageError("describe: --tags and --rows must be at least 1")
        self._check_png(len(files))
        model = self.load()
        options: dict[str, Any] = {"names": self.name or None, "tags": self.tags, "convention": self.convention}
        if not self.over_time and self.png is None:
            found = describe(files, model, **options)
            self.show(found, lambda: _show_all(found))
            return
        from open_elsa.using.track import describe_track

        tracks = [describe_track(file, model, **options) for file in files]
        if self.png is not None:
            from open_elsa.app.track_picture import draw

            draw(tracks[0], self.png)
            say(f"drawn: {self.png}")
        values = [_as_value(track) for track in tracks] if self.over_time else [t.description for t in tracks]
        self.show(values, lambda: self._show_tracks(tracks))

    def _check_png(self, files: int) -> None:
        if self.png is None:
            return
        if files != 1:
            raise UsageError(f"describe: --png draws one recording, got {files}")
        if self.png.suffix.lower() != ".png":
            raise UsageError(f"describe: --png must end in .png, got {self.png.name!r}")
        if self.png.exists() and not self.force:
            raise UsageError(f"{self.png} exists; pass --force to write over it")

    def _show_tracks(self, tracks: list[Track]) -> None:
        for track in tracks:
            self._show_track(track)

    def _show_track(self, track: Track) -> None:
        from open_elsa.using.track import stretches

        _show(track.description)
        if not self.over_time:
            return
        rows = [
            (span(s.start_s, s.end_s), number(s.level_db, "dBFS", 0), side(s.azimuth_deg), degrees(s.elevation_deg),
             "–" if s.uncertainty_deg is None else f"±{degrees(s.uncertainty_deg)}", degrees(s.spread_deg),
             number(s.distance_m, "m"), s.name or "silence")
            for s in stretches(track, self.rows)
        ]  # fmt: skip
        show.table(
            (">time", ">level", ">from", ">elevation", ">sure to", ">moves by", ">distance", "sounds like"), rows
        )


def _as_value(track: Track) -> dict[str, Any]:
    """A track for JSON: the description's fields, and the points; the waveform is for pictures."""
    plain: dict[str, Any] = show.plain(track.description)
    return plain | {"duration_s": track.duration_s, "track": track.points}


def _show_all(found: list[Description]) -> None:
    for d in found:
        _show(d)


def _show(d: Description) -> None:
    print(f"{d.source}: {d.text}")
    print("  " + ", ".join(f"{name} {share:.0%}" for name, share in d.tags))
    at = d.location
    if at.known:
        room = f"room {number(at.floor_area_m2, 'm²', 0)}, T30 {number(at.t30_s, 's')}"
        where = f"{side(at.azimuth_deg)}, elevation {degrees(at.elevation_deg)}, {number(at.distance_m, 'm')}"
        print(f"  {where} (±{degrees(at.uncertainty_deg)}), {room}, at {span(d.start_s, d.end_s)}")
    for note in d.notes:
        say(f"  note: {note}")
