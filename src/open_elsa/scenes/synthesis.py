"""Clips × rooms → a set of scenes: Parquet rows, each a pure function of (seed, index), rendered when heard."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from open_elsa.errors import AudioError, ConfigError, DataError
from open_elsa.scenes import attributes, material, noise, places
from open_elsa.scenes.cluster import RayCluster
from open_elsa.scenes.drawing import Composer, UnusableClip, check_possible
from open_elsa.scenes.engines import Engine, run
from open_elsa.scenes.recipe import SceneRecipe
from open_elsa.scenes.scene import Clip, Scene
from open_elsa.scenes.scene_files import PLAIN, RICH, Bank, truths_of
from open_elsa.scenes.scene_set import SceneSet
from open_elsa.scenes.scene_words import write_captions
from open_elsa.scenes.set_files import SetFiles, refuse

__all__ = ["Progress", "SceneProgress", "SceneRecipe", "SceneSet", "make_scenes", "write_captions"]

#: Scenes a part file; after a kill at most this many are made again.
PART_SCENES = 256
#: Missing or broken clips that are skipped before making scenes stops.
DEFAULT_MAX_PROBLEMS = 20


@dataclass(frozen=True)
class SceneProgress:
    """How far making or exporting scenes is: done of total, and how many a second in this run."""

    done: int
    total: int
    per_second: float


Progress = Callable[[SceneProgress], None]


def make_scenes(
    folder: str | Path,
    clips: Sequence[Clip],
    bank: Bank,
    *,
    scenes: int | None = None,
    per_clip: int | None = None,
    pairs: Iterable[tuple[str, str]] | None = None,
    seed: int = 0,
    recipe: SceneRecipe | None = None,
    max_problems: int | None = DEFAULT_MAX_PROBLEMS,
    workers: int = 1,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> SceneSet:
    """Make a set of scenes in `folder`, or go on with one that was interrupted; the bytes are the same either way.

    `folder` may be a URL that fsspec knows, as may the places of the clips and the bank. Say how many: `scenes` in all
    (clips and responses take turns in a shuffled order), `per_clip` for each clip, or `pairs` of (clip id, response
    id), one scene each, for evaluation sets. A clip that cannot be read is skipped with its path in
    `SceneSet.problems`; more than `max_problems` of them raise DataError, as do ids that do not exist and a folder that
    holds another set. Until a set is finished, going on also takes in clips mended in the meantime.
    workers: processes; engine: a cluster instead (see `engines`). Any number of them makes the same bytes.
    """
    engine = workers if engine is None else engine
    if workers < 1 or (isinstance(engine, int) and engine < 1):
        raise ConfigError(f"scenes need at least one worker, got {engine}")
    recipe = recipe or SceneRecipe()
    plan = _Plan.of(clips, bank, scenes, per_clip, pairs, seed, recipe)
    files = SetFiles(folder, PLAIN if recipe.plain else RICH)
    if not recipe.plain:
        check_possible(recipe, plan.clips, bank, truths_of(bank))
    if files.begin(plan.description(), PART_SCENES):
        return SceneSet.open(folder, bank=bank)
    started, done, made = time.monotonic(), 0, 0
    parts = range(-(-plan.total // PART_SCENES))
    needed = _needed(plan, bank) if isinstance(engine, RayCluster) else ()
    failed: dict[str, str] = {}
    for part, (problems, fresh) in run(_Maker, (plan, bank, files, PART_SCENES, needed), _Maker.part, parts, engine):
        failed.update(problems)
        refuse(failed, max_problems)
        size = min(PART_SCENES, plan.total - part * PART_SCENES)
        done, made = done + size, made + size * fresh
        if progress is not None:
            progress(SceneProgress(done, plan.total, made / max(time.monotonic() - started, 1e-9)))
    files.finish(plan.description(), len(parts), clips, bank, plan.recordings.folder if plan.recordings else None)
    return SceneSet.open(folder, bank=bank)


@dataclass(frozen=True)
class _Plan:
    """Everything that the bytes of a set depend on."""

    clips: tuple[Clip, ...]
    responses: tuple[str, ...]
    total: int
    pairs: tuple[tuple[int, int], ...] | None
    per_clip: int | None
    seed: int
    recipe: SceneRecipe
    bank_digest: str
    recordings: noise.Recordings | None

    @classmethod
    def of(
        cls,
        clips: Sequence[Clip],
        bank: Bank,
        scenes: int | None,
        per_clip: int | None,
        pairs: Iterable[tuple[str, str]] | None,
        seed: int,
        recipe: SceneRecipe,
    ) -> _Plan:
        if sum(x is not None for x in (scenes, per_clip, pairs)) != 1:
            raise ConfigError("say how many scenes: exactly one of scenes=, per_clip= or pairs=")
        if not clips or not len(bank):
            raise DataError(f"scenes need clips and room responses; there are {len(clips)} and {len(bank)}")
        places = {clip.id: n for n, clip in enumerate(clips)}
        if len(places) != len(clips):
            raise DataError(f"{len(clips) - len(places)} clips share an id with another; give each its own")
        listed: tuple[tuple[int, int], ...] | None = None
        if pairs is not None:
            asked = list(pairs)
            if unknown := next((c for c, _ in asked if c not in places), None):
                raise DataError(f"a pair names the clip {unknown!r}, which is not among the {len(clips)} clips")
            listed = tuple((places[c], bank.index(r)) for c, r in asked)
            total = len(listed)
        else:
            total = scenes if scenes is not None else len(clips) * (per_clip or 0)
        if total < 1:
            raise ConfigError("a set needs at least one scene")
        recordings = None
        if recipe.ambience is not None and recipe.ambience not in (*noise.COLOURS, noise.DRAWN):
            recordings = noise.Recordings.scan(recipe.ambience, recipe.duration_s)
        digest = SetFiles.bank_digest(bank)
        return cls(tuple(clips), tuple(bank.ids), total, listed, per_clip, seed, recipe, digest, recordings)

    def description(self) -> dict[str, Any]:
        """What tells this set from another; kept with it, and compared before going on."""
        told = hashlib.sha256()
        for clip in self.clips:
            known = {k: v for k, v in asdict(clip).items() if k != "path"}  # the same clips may lie elsewhere
            told.update(json.dumps(known, sort_keys=True).encode())
        pairs = hashlib.sha256(repr(self.pairs).encode()).hexdigest() if self.pairs is not None else None
        recipe = self.recipe.described()
        if self.recordings is not None:
            recipe["ambience"] = f"recordings {self.recordings.digest()}"  # wherever they lie
        return {
            "seed": self.seed,
            "scenes": self.total,
            "per_clip": self.per_clip,
            "pairs": pairs,
            "recipe": recipe,
            "clips": told.hexdigest(),
            "bank": self.bank_digest,
        }

    def choose(self, index: int) -> tuple[int, int]:
        """Clip and response of scene `index`: a pair, or the turn of a shuffled round."""
        if self.pairs is not None:
            return self.pairs[index]
        if self.per_clip is not None:
            return index // self.per_clip, self._turn(index, len(self.responses), 2)
        return self._turn(index, len(self.clips), 1), self._turn(index, len(self.responses), 2)

    def _turn(self, index: int, n: int, stream: int) -> int:
        """Every one of n comes once a round; the order of a round depends on (seed, round) alone."""
        key = (stream, index // n, n)
        if _rounds.get(stream, ((), _EMPTY))[0] != (self.seed, *key):
            order = np.random.default_rng(np.random.SeedSequence([self.seed, *key])).permutation(n)
            _rounds[stream] = ((self.seed, *key), order)
        return int(_rounds[stream][1][index % n])


_EMPTY = np.zeros(0, dtype=np.int64)
#: The latest shuffled order of each stream: a cache, since a pure function would shuffle anew for every scene.
_rounds: dict[int, tuple[tuple[int, ...], np.ndarray[Any, Any]]] = {}


def _needed(plan: _Plan, bank: Bank) -> tuple[Path, ...]:
    """The folders of this machine that a node must have, too: those that are here and no URL."""
    rooms = None if getattr(bank, "url", None) else getattr(bank, "folder", None)
    ambience = None if plan.recordings is None else plan.recordings.folder
    known = (places.folder_of([c.path for c in plan.clips]), rooms, ambience)
    return tuple(Path(p) for p in known if p is not None and not places.is_url(p) and Path(p).is_dir())


class _Maker:
    """Makes rows; holds what was measured of the clips, and which of them are broken."""

    def __init__(self, plan: _Plan, bank: Bank, files: SetFiles, part_scenes: int, needed: Sequence[Path] = ()) -> None:
        if absent := next((folder for folder in needed if not folder.is_dir()), None):
            # a clip that is nowhere to be found would be left out of the set, as if it were broken
            raise DataError(
                f"{socket.gethostname()} has no {absent}: all nodes must reach the clips and the rooms; give URLs, or "
                "folders that they share"
            )
        self.plan, self.truths, self.files, self.part_scenes = plan, truths_of(bank), files, part_scenes
        self.profiles: material.Cache[material.Profile | str] = material.Cache(20_000)
        self._problems: dict[str, str] = {}
        self._composer: Composer | None = None
        if not plan.recipe.plain:
            self._composer = Composer(plan.clips, bank, self.truths, plan.recipe, plan.seed, plan.recordings)

    def part(self, part: int) -> tuple[dict[str, str], bool]:
        """Make part `part` unless it is there: the problems in it, and whether it was made now."""
        problems = self.files.part_problems(part)
        if problems is not None and not self.mended(problems):
            return problems, False
        first = part * self.part_scenes
        last = min(first + self.part_scenes, self.plan.total)
        rows = [row for index in range(first, last) if (row := self.row(index)) is not None]
        problems = self.take_problems()
        self.files.write_part(part, rows, problems)
        return problems, True

    def mended(self, problems: Iterable[str]) -> bool:
        """Tell whether one of the clips that once failed can be used by now: its part is then made again."""
        return any(isinstance(self._profile_of(path), material.Profile) for path in problems)

    def take_problems(self) -> dict[str, str]:
        """Path → reason of the clips that failed since the last call."""
        taken, self._problems = self._problems, {}
        return taken

    def _profile_of(self, path: str) -> material.Profile | str:
        return self.profiles.get(path, lambda: _profile(path))

    def row(self, index: int) -> dict[str, Any] | None:
        """The row of scene `index`, or None, with the problem noted, when its clip cannot be used."""
        clip_at, response_at = self.plan.choose(index)
        if self._composer is not None:
            try:
                return self._composer.row(index, clip_at, response_at, self._profile_of)
            except UnusableClip as error:
                self._problems[error.path] = error.reason
                return None
        clip, truth = self.plan.clips[clip_at], self.truths[response_at]
        found = self._profile_of(clip.path)
        if isinstance(found, str):
            self._problems[clip.path] = found
            return None
        rng = np.random.default_rng(np.random.SeedSequence([self.plan.seed, 0, index]))
        recipe = self.plan.recipe
        duration_s = recipe.duration_of(found)
        start_s, level_dbfs = _place(found, recipe, duration_s, rng)
        gain_db = round(float(rng.uniform(*recipe.level_dbfs)) - level_dbfs, 2)
        noisy = recipe.snr_db is not None and rng.random() >= recipe.clean_share
        snr_db = round(float(rng.uniform(*recipe.snr_db)), 1) if noisy and recipe.snr_db is not None else None
        words = attributes.words_for(
            truth["azimuth_deg"],
            truth["elevation_deg"],
            truth["distance_m"],
            truth["floor_area_m2"],
            truth["t30_s"],
        )
        texts, originals = write_captions(clip, words, rng, recipe)
        scene = Scene(
            clip_id=clip.id,
            response_id=self.plan.responses[response_at],
            gain_db=gain_db,
            snr_db=snr_db,
            start_s=start_s,
            duration_s=duration_s,
            words=words,
            captions=texts,
            seed=int(rng.integers(2**62)),
        )
        return {"index": index, "scene": scene, "originals": originals, "truth": {**truth, "label": clip.label}}


def _profile(path: str) -> material.Profile | str:
    try:
        return material.profile(path)
    except AudioError as error:
        return str(error)


def _place(
    profile: material.Profile, recipe: SceneRecipe, duration_s: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Where in the clip a scene starts, in seconds (negative: silence before it), and the level of that stretch."""
    spare = duration_s - (profile.stop_s - profile.start_s)
    if spare >= 0:
        start_s = round(profile.start_s - float(rng.uniform(0.0, min(spare, recipe.lead_s))), 4)
        sounding = profile.stop_s - profile.start_s
        return start_s, profile.level_dbfs(profile.start_s, sounding)
    start_s = material.loud_start(profile, duration_s, rng)
    return start_s, profile.level_dbfs(start_s, duration_s)
