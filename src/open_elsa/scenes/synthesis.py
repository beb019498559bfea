"""Clips × rooms → a set of scenes: Parquet rows, each a pure function of (seed, index), rendered when heard."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from open_elsa.errors import AudioError, ConfigError, DataError
from open_elsa.scenes import attributes, captions, material
from open_elsa.scenes.scene import Clip, Scene, SpatialWords
from open_elsa.scenes.scene_files import Bank, SetFiles, truths_of
from open_elsa.scenes.scene_set import SceneSet

__all__ = ["Progress", "SceneProgress", "SceneRecipe", "SceneSet", "make_scenes"]

#: Scenes a part file; after a kill at most this many are made again.
PART_SCENES = 256
#: Missing or broken clips that are skipped before making scenes stops.
DEFAULT_MAX_PROBLEMS = 20


@dataclass(frozen=True)
class SceneRecipe:
    """How scenes are drawn; (low, high) pairs are uniform. Raises ConfigError for values that make no scene.

    duration_s: length of every scene. level_dbfs: level that the clip's stretch is brought to before rendering (the
    response then adds 1/distance and the room); snr_db: sensor noise below the scene, None = clean, and a
    `clean_share` of the scenes is clean anyway. captions_per_scene: different sentences for one scene, a `brief_share`
    of them short. lead_s: most silence before a clip that is shorter than the scene.
    """

    duration_s: float = 5.0
    level_dbfs: tuple[float, float] = (-36.0, -22.0)
    snr_db: tuple[float, float] | None = (20.0, 60.0)
    clean_share: float = 0.2
    captions_per_scene: int = 2
    brief_share: float = 0.2
    lead_s: float = 0.5

    def __post_init__(self) -> None:
        if not 0.05 <= self.duration_s <= 600.0:
            raise ConfigError(f"duration_s must lie in 0.05..600, got {self.duration_s:g}")
        if self.captions_per_scene < 1:
            raise ConfigError(f"captions_per_scene must be at least 1, got {self.captions_per_scene}")
        for name, pair in (("level_dbfs", self.level_dbfs), ("snr_db", self.snr_db)):
            if pair is not None and not pair[0] <= pair[1]:
                raise ConfigError(f"{name} is (low, high), got {pair}")
        if self.level_dbfs[1] > 0:
            raise ConfigError(f"level_dbfs must stay below full scale (0), got {self.level_dbfs}")


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
    progress: Progress | None = None,
) -> SceneSet:
    """Make a set of scenes in `folder`, or go on with one that was interrupted; the bytes are the same either way.

    Say how many: `scenes` in all (clips and responses take turns in a shuffled order), `per_clip` for each clip, or
    `pairs` of (clip id, response id), one scene each, for evaluation sets. A clip that cannot be read is skipped with
    its path in `SceneSet.problems`; more than `max_problems` of them raise DataError, as do ids that do not exist and
    a folder that holds another set. Until a set is finished, going on also takes in clips mended in the meantime.
    """
    recipe = recipe or SceneRecipe()
    plan = _Plan.of(clips, bank, scenes, per_clip, pairs, seed, recipe)
    files = SetFiles(Path(folder))
    if files.begin(plan.description(), PART_SCENES):
        return SceneSet.open(folder, bank=bank)
    maker = _Maker(plan, bank)
    started, made = time.monotonic(), 0
    for part in range(-(-plan.total // PART_SCENES)):
        first, last = part * PART_SCENES, min((part + 1) * PART_SCENES, plan.total)
        problems = files.part_problems(part)
        if problems is None or maker.mended(problems):
            rows = [row for index in range(first, last) if (row := maker.row(index)) is not None]
            problems = maker.take_problems()
            files.write_part(part, rows, problems)
            made += last - first
        files.refuse(problems, max_problems)
        if progress is not None:
            progress(SceneProgress(last, plan.total, made / max(time.monotonic() - started, 1e-9)))
    files.finish(plan.description(), clips, bank)
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
        digest = SetFiles.bank_digest(bank)
        return cls(tuple(clips), tuple(bank.ids), total, listed, per_clip, seed, recipe, digest)

    def description(self) -> dict[str, Any]:
        """What tells this set from another; kept with it, and compared before going on."""
        told = hashlib.sha256()
        for clip in self.clips:
            known = {k: v for k, v in asdict(clip).items() if k != "path"}  # the same clips may lie elsewhere
            told.update(json.dumps(known, sort_keys=True).encode())
        pairs = hashlib.sha256(repr(self.pairs).encode()).hexdigest() if self.pairs is not None else None
        return {
            "seed": self.seed,
            "scenes": self.total,
            "per_clip": self.per_clip,
            "pairs": pairs,
            "recipe": json.loads(json.dumps(asdict(self.recipe))),
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


class _Maker:
    """Makes rows; holds what was measured of the clips, and which of them are broken."""

    def __init__(self, plan: _Plan, bank: Bank) -> None:
        self.plan, self.truths = plan, truths_of(bank)
        self.profiles: material.Cache[material.Profile | str] = material.Cache(20_000)
        self._problems: dict[str, str] = {}

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
        clip, truth = self.plan.clips[clip_at], self.truths[response_at]
        found = self._profile_of(clip.path)
        if isinstance(found, str):
            self._problems[clip.path] = found
            return None
        rng = np.random.default_rng(np.random.SeedSequence([self.plan.seed, 0, index]))
        recipe = self.plan.recipe
        start_s, level_dbfs = _place(found, recipe, rng)
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
            duration_s=recipe.duration_s,
            words=words,
            captions=texts,
            seed=int(rng.integers(2**62)),
        )
        return {"index": index, "scene": scene, "originals": originals, "truth": {**truth, "label": clip.label}}


def write_captions(
    clip: Clip, words: SpatialWords, rng: np.random.Generator, recipe: SceneRecipe
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the captions of a scene: (sentences, the clip's caption that each of them came from)."""
    texts: list[str] = []
    originals: list[str] = []
    order = [clip.captions[int(n)] for n in rng.permutation(len(clip.captions))]
    for n in range(recipe.captions_per_scene):
        style = "brief" if rng.random() < recipe.brief_share else "full"
        # a caption that speaks of a place against the truth is refused by the writer: the next one takes its turn
        for what in [*order[n % len(order) :], *order[: n % len(order)]] if order else []:
            try:
                text = captions.write_caption(what, words, rng, style=style).text
            except DataError:
                continue
            if text not in texts:
                texts.append(text)
                originals.append(what)
            break
        else:
            if not words.empty and not texts:
                texts.append(captions.write_caption(None, words, rng, style=style).text)
                originals.append("")
    if not texts:
        raise DataError(f"{clip.path}: no caption of {clip.captions} can be used; give it one that names its sound")
    return tuple(texts), tuple(originals)


def _profile(path: str) -> material.Profile | str:
    try:
        return material.profile(path)
    except AudioError as error:
        return str(error)


def _place(profile: material.Profile, recipe: SceneRecipe, rng: np.random.Generator) -> tuple[float, float]:
    """Where in the clip a scene starts, in seconds (negative: silence before it), and the level of that stretch."""
    spare = recipe.duration_s - (profile.stop_s - profile.start_s)
    if spare >= 0:
        start_s = round(profile.start_s - float(rng.uniform(0.0, min(spare, recipe.lead_s))), 4)
        sounding = profile.stop_s - profile.start_s
        return start_s, profile.level_dbfs(profile.start_s, sounding)
    # of a few random places the loudest, so that no scene falls into a pause of its clip
    starts = [round(profile.start_s + float(s), 4) for s in rng.uniform(0.0, -spare, 4)]
    levels = [profile.level_dbfs(s, recipe.duration_s) for s in starts]
    best = int(np.argmax(levels))
    loudest_s, loudest_dbfs = profile.loudest
    if levels[best] < loudest_dbfs + material.TRIM_DB:  # a few sounds and long pauses: none of the places has one
        start_s = round(min(max(loudest_s, profile.start_s), profile.start_s - spare), 4)
        return start_s, profile.level_dbfs(start_s, recipe.duration_s)
    return starts[best], levels[best]
