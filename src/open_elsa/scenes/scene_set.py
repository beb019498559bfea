"""A finished set of scenes: rows to read, truths to score against, and sound rendered when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes import material, mixing, over_time, places
from open_elsa.scenes.render import render
from open_elsa.scenes.scene import Clip, RoomResponse, Scene, SourcePosition
from open_elsa.scenes.scene_files import TRUTH, Bank, scene_of
from open_elsa.scenes.set_files import CLIPS, MANIFEST, PLAN, SCENES, SetFiles

if TYPE_CHECKING:
    from open_elsa.scenes.export import ExportReport
    from open_elsa.scenes.scene_report import SceneReport
    from open_elsa.scenes.shards import ShardReport, ShardSettings
    from open_elsa.scenes.synthesis import Progress

Float32 = NDArray[np.float32]
#: Decoded clips kept in memory (each 10 s at 48 kHz is 2 MB).
HELD_CLIPS = 64


class SceneSet:
    """Scenes in a folder or at a URL; open with `SceneSet.open`, make with `make_scenes`. Picklable, for workers."""

    def __init__(
        self,
        folder: Path | str,
        manifest: dict[str, Any],
        bank: Bank | None,
        clips_root: Path | str,
        rewritten: bool = False,
    ) -> None:
        self.folder, self.manifest, self.clips_root, self.rewritten = folder, manifest, clips_root, rewritten
        self._bank = bank
        self._samples: material.Cache[Float32] = material.Cache(HELD_CLIPS)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        bank: Bank | None = None,
        clips_root: str | Path | None = None,
        rewritten: bool = False,
    ) -> SceneSet:
        """Open a finished set; raises DataError if it is missing, unfinished, or made from another bank.

        folder: of this machine, or a URL that fsspec knows; what is read of it is then copied into the user's cache.
        bank: the room responses, if they are not where they were when the set was made; clips_root: likewise for the
        folder of the clips. rewritten: scenes come with the captions that `elsa captions rewrite` put beside them.
        """
        files = SetFiles(folder if places.is_url(folder) else Path(folder))
        if not files.store.exists(MANIFEST):
            unfinished = files.store.exists(PLAN)
            state = "is unfinished: run the command that makes it again" if unfinished else "holds no scenes"
            raise DataError(f"{folder} {state} (there is no {MANIFEST})")
        manifest = files.read(MANIFEST)
        root = clips_root if clips_root is not None else places.reach(files.folder, manifest["clips_folder"])
        if bank is not None:
            _check_bank(bank, manifest, files.folder)
        return cls(files.folder, manifest, bank, root, rewritten)

    @cached_property
    def table(self) -> pa.Table:
        """The scenes as they are stored, one row each (pyarrow); raises DataError when that is damaged."""
        path = SetFiles(self.folder).store.fetch(SCENES)
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} cannot be read ({error}); make the scenes again") from error
        if len(table) != self.manifest["made"]:
            raise DataError(f"{path} has {len(table)} scenes, set.json says {self.manifest['made']}; make them again")
        return table

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.table.to_pylist()
        if self.rewritten:
            from open_elsa.scenes.rewriting import scene_sets

            for row, captions in zip(rows, scene_sets.load(self.folder, rows), strict=True):
                row["captions"] = captions
        return rows

    @cached_property
    def clips(self) -> dict[str, Clip]:
        """Every clip of the set by id, with its path on this machine."""
        path = SetFiles(self.folder).store.fetch(CLIPS)
        try:
            rows = pq.read_table(path).to_pylist()
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} cannot be read ({error}); make the scenes again") from error
        return {
            r["id"]: Clip(**{**r, "captions": tuple(r["captions"]), "path": places.inside(self.clips_root, r["path"])})
            for r in rows
        }

    @property
    def bank(self) -> Bank:
        """The room responses, opened at first use; raises DataError if they are gone or others."""
        if self._bank is None:
            where = self.manifest["bank_folder"]
            if where is None:
                raise DataError(f"{self.folder} does not say where its room responses are; open it with bank=")
            self._bank = open_bank(places.reach(self.folder, where), self.sample_rate)
            _check_bank(self._bank, self.manifest, self.folder)
        return self._bank

    @property
    def sample_rate(self) -> int:
        """Rate of the rendered scenes in Hz, that of the room responses."""
        return int(self.manifest["sample_rate"])

    @property
    def problems(self) -> dict[str, str]:
        """Clips that were skipped when the set was made: path → reason."""
        return dict(self.manifest["problems"])

    def __len__(self) -> int:
        return int(self.manifest["made"])

    def __getitem__(self, i: int) -> Scene:
        return scene_of(self._rows[i])

    def __iter__(self) -> Iterator[Scene]:
        return (self[i] for i in range(len(self)))

    def originals(self, i: int) -> tuple[str, ...]:
        """For each caption of scene `i`, the clip's caption that it says ("" where it only says where)."""
        return tuple(self._rows[i]["originals"])

    def clip(self, scene: Scene) -> Clip:
        """The dry sound of a scene, of its loudest source where it has several."""
        return self._clip_of(scene.clip_id)

    def _clip_of(self, clip_id: str) -> Clip:
        try:
            return self.clips[clip_id]
        except KeyError:
            raise DataError(f"the clip {clip_id!r} is not in {self.folder}") from None

    def response(self, scene: Scene) -> RoomResponse:
        """The room response of a scene."""
        return self.bank[self.bank.index(scene.response_id)]

    def truth(self, i: int) -> dict[str, Any]:
        """What is true of scene `i`: azimuth_deg, elevation_deg, distance_m, floor_area_m2, t30_s and drr_db (None
        where unknown), words, label, room_id, clip_id, response_id and id.

        In sets of several or walking sources these are of the loudest one, its place None if it walks, and beside them
        are duration_s, `sources` with everything that is true of each (see `over_time.truth_of_sources`), and
        `ambience` and `microphone`, None where there is none.
        """
        row, scene = self._rows[i], self[i]
        known = {k: row[k] for k in (*TRUTH, "label", "room_id", "clip_id", "response_id", "id")}
        told = {**known, "words": asdict(scene.words)}
        if not scene.sources:
            return told
        return {
            **told,
            "duration_s": scene.duration_s,
            "sources": over_time.truth_of_sources(scene, [s["told"] for s in row["sources"]]),
            "ambience": row["ambience"],
            "microphone": row["microphone"],
        }

    def sources(self, i: int) -> list[dict[str, Any]]:
        """Label and frames of every source of scene `i`: see `over_time.frames_of`.

        For a scene of one still source its clip is read, which can raise AudioError.
        """
        scene = self[i]
        if scene.sources:
            return list(self.truth(i)["sources"])
        row = self._rows[i]
        place = SourcePosition(row["azimuth_deg"], row["elevation_deg"], row["distance_m"])
        active = mixing.active_frames(self.dry(i), self.sample_rate)
        return [{"label": row["label"], "frames": over_time.frames_of(place, None, active)}]

    def dry(self, i: int, source: int = 0) -> Float32:
        """The clip's stretch of scene `i`, (n,) at `sample_rate`, gain applied: what the room is excited with.

        source: which one of a scene of several.
        """
        scene = self[i]
        if scene.sources:
            drawn = scene.sources[source]
            return mixing.place(self._clip_samples(drawn.clip_id), self.sample_rate, drawn, self._length(scene))
        samples = self._clip_samples(scene.clip_id)
        part = material.stretch(samples, self.sample_rate, scene.start_s, scene.duration_s, self._length(scene))
        return part * np.float32(10.0 ** (scene.gain_db / 20.0))

    def render(self, i: int) -> Float32:
        """Scene `i` as first-order ambisonics, (4, n) float32 AmbiX at `sample_rate`: the same samples every time.

        Raises AudioError for a clip that cannot be read any more.
        """
        scene = self[i]
        if scene.sources:
            parts = (self.render_source(i, k) for k in range(len(scene.sources)))
            return mixing.mix(parts, scene, self.sample_rate, self.recordings)
        noise = None if scene.snr_db is None else (scene.snr_db, np.random.default_rng(scene.seed))
        response = self.bank.response(self.bank.index(scene.response_id))
        return render(self.dry(i), response, noise=noise, length=self._length(scene))

    def render_source(self, i: int, source: int) -> Float32:
        """One source of scene `i` as heard alone, without noise, by an ideal array: (4, n) float32 AmbiX.

        Without noise, ambience and microphone, the scene is exactly the sum of them.
        """
        scene = self[i]
        if scene.sources:
            return mixing.wet(scene.sources[source], self.dry(i, source), self.bank)
        response = self.bank.response(self.bank.index(scene.response_id))
        return render(self.dry(i), response, length=self._length(scene))

    def _clip_samples(self, clip_id: str) -> Float32:
        path = self._clip_of(clip_id).path
        return self._samples.get(clip_id, lambda: material.mono(path, self.sample_rate)[0])

    @property
    def recordings(self) -> Path | None:
        """The folder of recorded ambience; None where the set has none."""
        where = self.manifest.get("ambience_folder")
        return None if where is None else Path(places.reach(self.folder, where))

    def export(
        self,
        folder: str | Path,
        format: str = "flac",
        *,
        max_problems: int | None = 20,
        progress: Progress | None = None,
    ) -> ExportReport:
        """Write every scene as a file and truth.jsonl beside them; see `export.export`."""
        from open_elsa.scenes.export import export

        return export(self, folder, format, max_problems=max_problems, progress=progress)

    def report(
        self,
        *,
        seed: int = 0,
        rendered: int = 48,
        pictured: int = 12,
        progress: Callable[[int, int], None] | None = None,
    ) -> SceneReport:
        """What is in the set: spread, captions, loudness, licences, what was left out; see `scene_report.report`."""
        from open_elsa.scenes.scene_report import report

        return report(self, seed=seed, rendered=rendered, pictured=pictured, progress=progress)

    def export_shards(
        self,
        url: str | Path,
        settings: ShardSettings | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        workers: int = 1,
        max_problems: int | None = 20,
        progress: Progress | None = None,
    ) -> ShardReport:
        """Write every scene into tar shards at a folder or URL; see `shards.export_shards`."""
        from open_elsa.scenes.shards import export_shards

        return export_shards(
            self, url, settings, options=options, workers=workers, max_problems=max_problems, progress=progress
        )

    def _length(self, scene: Scene) -> int:
        return round(scene.duration_s * self.sample_rate)


def open_bank(folder: Path | str, sample_rate: int | None = None) -> Bank:
    """Open simulated or measured room responses by what the folder holds; measured ones come at `sample_rate`.

    Simulated ones may be at a URL.
    """
    from open_elsa.scenes import bank, measured

    if places.is_url(folder) or (Path(folder) / bank.MANIFEST).is_file():
        return bank.RoomBank.open(folder)
    return measured.open_measured(folder, sample_rate=sample_rate)


def _check_bank(bank: Bank, manifest: dict[str, Any], folder: Path | str) -> None:
    if SetFiles.bank_digest(bank) != manifest["bank"]:
        raise DataError(f"the scenes in {folder} were made from other room responses; open them with those (bank=)")
