"""Commands for collections: make a folder of sounds searchable, keep it so, and ask it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from open_elsa.app import show
from open_elsa.app.options import Bounds, Convention, WithModel
from open_elsa.app.show import UsageError, degrees, number, say, side, span

if TYPE_CHECKING:
    from open_elsa.search.building import BuildReport
    from open_elsa.search.index import Hit, Index


@dataclass(kw_only=True)
class MakeIndex(WithModel):
    """Make a folder of sounds searchable, or bring its index up to date: only new and changed files are read.

    Files that cannot be read are listed and the rest is indexed. Interrupted, it goes on where it stopped.

    Examples:
      elsa index ~/recordings
      elsa index ~/recordings --out ~/indexes/recordings
      elsa index ~/recordings --out s3://bucket/recordings-index
      elsa index ~/fuma --convention fuma
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Folder with sound files, searched with all folders below it."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER-OR-URL")] = None
    """Where the index is kept; FOLDER/elsa-index by default."""
    convention: Convention = "auto"
    """What four-channel files are."""
    workers: int = 0
    """Threads that listen, one core each; 0: as many as there are cores."""
    force: bool = False
    """Make the index anew, also over one of another model."""

    def run(self) -> int:
        """Run it."""
        from open_elsa.scenes.memory import keep_memory
        from open_elsa.search.index import Index

        if self.workers < 0:
            raise UsageError("index: --workers must be 0 or more")
        keep_memory()
        model = self.load()
        with show.progress("indexing", quiet=self.json) as tell:
            index = Index.build(
                self.folder,
                model,
                out=self.out,
                progress=tell,
                convention=self.convention,
                workers=self.workers,
                force=self.force,
            )
        report = index.report
        for problem in report.problems:
            say(f"elsa: not indexed: {problem.file}: {problem.reason}")
        value = {"index": str(index.place), "files": len(index.files), "windows": len(index), **show.plain(report)}
        self.show(value, lambda: self._text(value))
        return 1 if report.problems and not index.files else 0

    def _text(self, value: dict[str, Any]) -> None:
        print(f"{value['files']} files, {value['windows']} windows in {value['index']} ({_counts(value)})")
        print(f'ask it: elsa search "a dog barking on the left" {self.out or self.folder}')


@dataclass(kw_only=True)
class Watch(WithModel):
    """Keep a folder's index current: files that appear, change, move or go are taken up within seconds, until Ctrl-C.

    Examples:
      elsa watch ~/recordings
      elsa watch ~/recordings --out ~/indexes/recordings
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Folder with sound files; indexed first where it is not yet."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER-OR-URL")] = None
    """Where the index is kept; FOLDER/elsa-index by default."""
    convention: Convention = "auto"
    """What four-channel files are."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.search.watching import watch

        model = self.load()
        with show.progress("indexing", quiet=self.json) as tell:
            for report in watch(self.folder, model, out=self.out, convention=self.convention, progress=tell):
                self.tell(report)
        say("elsa: no longer watching; the index is kept")

    def tell(self, report: BuildReport) -> None:
        """Say what was taken up, as one line."""
        for problem in report.problems:
            say(f"elsa: not indexed: {problem.file}: {problem.reason}")
        if self.json:
            print(json.dumps(show.plain(report), ensure_ascii=False), flush=True)
        else:
            print(_counts(show.plain(report)), flush=True)


def _counts(report: dict[str, Any]) -> str:
    return ", ".join(f"{report[k]} {k}" for k in ("added", "changed", "moved", "unchanged", "removed"))


@dataclass(kw_only=True)
class Search(WithModel):
    """Find sounds by what they are and where they come from: the best window of each file, best first.

    QUERY is a sentence, or with --audio a sound file. Azimuth is counted counter-clockwise: 0 ahead, 90 left, -90
    right, so --azimuth 145 -145 is behind. A range on the place leaves out mono files, whose place nobody knows.

    Examples:
      elsa search "a dog barking on the left" ~/recordings
      elsa search "speech in a large, echoing hall" ~/recordings -k 3 --json
      elsa search "rain" ~/recordings --azimuth 145 -145 --distance 0 2
      elsa search bark.wav ~/recordings --audio --move-to "on my right"
      elsa search "a dog" ~/recordings --minus "barking" --about what
      elsa search "footsteps" ~/recordings --save /tmp/found --m3u /tmp/found/found.m3u
    """

    query: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="QUERY")]
    """What to look for."""
    index: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INDEX")]
    """The index, its URL, or the folder of sounds it was made of."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 10
    """How many windows to show."""
    per_file: int = 1
    """How many windows of one file; they never overlap."""
    minus: Annotated[str | None, tyro.conf.arg(metavar="TEXT")] = None
    """What it is to be without."""
    move_to: Annotated[str | None, tyro.conf.arg(metavar="WHERE")] = None
    """The query heard from elsewhere: "on my right", or an azimuth in degrees, +90 left."""
    about: Literal["both", "what", "where"] = "both"
    """Compare what is heard, where, or both."""
    audio: bool = False
    """QUERY is a sound file: find what resembles it."""
    azimuth: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="FROM TO")] = None
    """Only from there, degrees counter-clockwise."""
    elevation: Bounds = None
    """Only at this elevation, degrees."""
    distance: Bounds = None
    """Only at this distance, metres."""
    area: Bounds = None
    """Only in rooms of this floor area, square metres."""
    t30: Bounds = None
    """Only in rooms of this reverberation time, seconds."""
    tag: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Only where this, such as "rain falling", is among the three likeliest sounds; repeated: one of them."""
    exact: bool = False
    """Compare every window of a collection too large for memory, instead of most that matter; seconds a million."""
    convention: Convention = "auto"
    """What a four-channel QUERY file is."""
    save: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Write each window found as a WAV file there: 01-name.wav, 02-name.wav, …"""
    m3u: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write a playlist: of the saved windows with --save, else of the files, each begun where it was found."""
    json_lines: bool = False
    """Print one JSON document a line and hit, for pipes."""
    force: bool = False
    """Write over snippets and playlists that exist."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.search.index import Index
        from open_elsa.search.queries import as_typed

        if self.k < 1:
            raise UsageError("search: -k must be at least 1")
        if self.per_file < 1:
            raise UsageError("search: --per-file must be at least 1")
        if self.m3u is not None and self.m3u.exists() and not self.force:
            raise UsageError(f"{self.m3u} exists; pass --force to write over it")
        index = Index.open(self.index, self.load())
        what: dict[str, Any] = {"audio": self.query} if self.audio else {"text": self.query}
        hits = index.search(
            **what,
            k=self.k,
            per_file=self.per_file,
            minus=self.minus,
            move_to=None if self.move_to is None else as_typed(self.move_to),
            about=self.about,
            azimuth_deg=self.azimuth,
            elevation_deg=self.elevation,
            distance_m=self.distance,
            floor_area_m2=self.area,
            t30_s=self.t30,
            tags=self.tag or None,
            exact=self.exact,
            convention=self.convention,
        )
        saved = [] if self.save is None else _save(index, hits, self.save, self.force)
        if self.m3u is not None:
            _write_playlist(self.m3u, hits, saved)
        if self.json_lines:
            for hit in hits:
                print(json.dumps(show.plain(hit), ensure_ascii=False, allow_nan=False))
        else:
            self.show(hits, lambda: _show_hits(hits))


def _save(index: Index, hits: Sequence[Hit], folder: Path, force: bool) -> list[Path]:
    """The windows as WAV files, numbered as they were found."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"{i:02d}-{Path(hit.file).stem}.wav" for i, hit in enumerate(hits, 1)]
    return [index.snippet(hit, name, overwrite=force) for hit, name in zip(hits, names, strict=True)]


def _write_playlist(path: Path, hits: Sequence[Hit], saved: Sequence[Path]) -> None:
    """An extended M3U; without snippets, VLC's start and stop times lead to the window."""
    from open_elsa.scenes.scene_files import write_text

    lines = ["#EXTM3U"]
    for i, hit in enumerate(hits):
        lines.append(f"#EXTINF:{round(hit.end_s - hit.start_s)},{_one_line(hit.file)} {span(hit.start_s, hit.end_s)}")
        if not saved:
            lines += [f"#EXTVLCOPT:start-time={hit.start_s:g}", f"#EXTVLCOPT:stop-time={hit.end_s:g}"]
        entry = str((saved[i] if saved else Path(hit.path)).resolve())
        if _one_line(entry) != entry:
            say(f"elsa: not in the playlist, its name has a line break: {_one_line(entry)}")
            del lines[-1 if saved else -3 :]
            continue
        lines.append(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(lines) + "\n")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _show_hits(hits: list[Hit]) -> None:
    if not hits:
        say("nothing found: no file fits these ranges")
        return
    columns = (">score", ">likely", "file", ">at", ">from", ">elevation", ">distance")
    rows = [
        (
            f"{h.score:.3f}",
            show.likely(h.probability),
            h.file,
            span(h.start_s, h.end_s),
            side(h.azimuth_deg),
            degrees(h.elevation_deg),
            number(h.distance_m, "m"),
        )
        for h in hits
    ]
    show.table(columns, rows)
