"""Drawing scenes of one to four sources, still or walking, in one room, with ambience and an imperfect array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import AudioError, ConfigError, DataError
from open_elsa.scenes import attributes, material, mixing, moving, noise
from open_elsa.scenes.over_time import PLACE
from open_elsa.scenes.recipe import SceneRecipe
from open_elsa.scenes.rooms import RoomRanges
from open_elsa.scenes.scene import Clip, Path, Scene, Source, SourcePosition, SpatialWords
from open_elsa.scenes.scene_files import Bank
from open_elsa.scenes.scene_words import write_captions, write_captions_of_sources
from open_elsa.sound import foa

Float32 = NDArray[np.float32]
ProfileOf = Callable[[str], "material.Profile | str"]
#: Decoded clips kept in memory while levels are measured.
_HELD_CLIPS = 64


class UnusableClip(Exception):
    """A clip of a scene that cannot be read or holds only silence: the scene is left out."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path, self.reason = path, reason


class Composer:
    """Draws scene after scene; every one is a function of (seed, index) and of what the first source is."""

    def __init__(
        self,
        clips: Sequence[Clip],
        bank: Bank,
        truths: Sequence[dict[str, Any]],
        recipe: SceneRecipe,
        seed: int,
        recordings: noise.Recordings | None,
    ) -> None:
        self.clips, self.bank, self.truths, self.recipe, self.seed = clips, bank, truths, recipe, seed
        self.recordings = recordings
        self.rooms = places_by_room(truths)
        self.ranges = _ranges_of(bank)
        self._samples: material.Cache[Float32] = material.Cache(_HELD_CLIPS)

    def row(self, index: int, clip_at: int, response_at: int, profile_of: ProfileOf) -> dict[str, Any]:
        """The row of scene `index`, whose first source is given; UnusableClip if a clip of it cannot be used."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, 3, index]))
        recipe = self.recipe
        count = int(rng.integers(recipe.sources[0], recipe.sources[1] + 1))
        duration_s = recipe.duration_of(_usable(self.clips[clip_at], profile_of))
        chosen = [(clip_at, response_at), *self._others(rng, clip_at, response_at, count - 1)]
        drawn: list[Source] = []
        for at in chosen:
            drawn.append(self._source(rng, drawn[0] if drawn else None, *at, duration_s, profile_of))
        sources, told = self._levelled(drawn, [self.clips[c] for c, _ in chosen], duration_s)
        loudest = self.truths[response_at]
        known = _place_of_first(loudest, sources[0])
        snr_db = None
        if recipe.snr_db is not None and rng.random() >= recipe.clean_share:
            snr_db = round(float(rng.uniform(*recipe.snr_db)), 1)
        ambience = None
        if recipe.ambience is not None:
            ambience = noise.draw(rng, recipe.ambience, recipe.ambience_snr_db, duration_s, self.recordings)
        array = recipe.microphone.draw(rng, snr_db) if recipe.microphone else None
        words = words_of_first(known, loudest)
        texts, originals = self._captions(rng, [self.clips[c] for c, _ in chosen], sources, words)
        scene = Scene(
            clip_id=sources[0].clip_id,
            response_id=sources[0].response_id,
            gain_db=sources[0].gain_db,
            snr_db=None if array else snr_db,
            start_s=sources[0].start_s,
            duration_s=duration_s,
            words=words,
            captions=texts,
            seed=int(rng.integers(2**62)),
            sources=tuple(sources),
            ambience=ambience,
            microphone=array,
        )
        truth = {**loudest, **known, "label": self.clips[clip_at].label}
        return {"index": index, "scene": scene, "originals": originals, "truth": truth, "told": told}

    def _others(self, rng: np.random.Generator, clip_at: int, response_at: int, count: int) -> list[tuple[int, int]]:
        """Further clips, of other labels where there are any, at other places of the same room."""
        chosen = self._other_places(rng, response_at, count)
        taken = [clip_at]
        for _ in chosen:
            fresh = 0
            for attempt in range(60):
                fresh = int(rng.integers(len(self.clips)))
                same = any(self.clips[fresh].label and self.clips[fresh].label == self.clips[t].label for t in taken)
                if fresh not in taken and (not same or attempt >= 30):
                    break
            else:
                fresh = next(c for c in range(len(self.clips)) if c not in taken)
            taken.append(fresh)
        return list(zip(taken[1:], chosen, strict=True))

    def _other_places(self, rng: np.random.Generator, response_at: int, count: int) -> list[int]:
        """Further places of the first one's room, any two as far apart as the recipe asks for."""
        room = self.truths[response_at]["room_id"]
        places = [r for r in self.rooms[room] if r != response_at]
        if not count:
            return []
        if not self.recipe.apart_deg:
            return [int(r) for r in rng.choice(places, count, replace=False)]
        shuffled = [int(r) for r in rng.permutation(places)]
        chosen = _all_apart(self.truths, [response_at], shuffled, count, self.recipe.apart_deg)
        if chosen is None:
            raise DataError(
                f"{room} has no {count + 1} places {self.recipe.apart_deg:g} degrees apart, one of them "
                f"{self.bank.ids[response_at]}; make a bank with more positions in every room, or lower apart_deg"
            )
        return chosen[1:]

    def _source(
        self,
        rng: np.random.Generator,
        first: Source | None,
        clip_at: int,
        response_at: int,
        duration_s: float,
        profile_of: ProfileOf,
    ) -> Source:
        """Draw when a source sounds, how loud and where it goes; gain and level are those of the dry clip as yet.

        first: the scene's first source, None for that itself.
        """
        clip, recipe = self.clips[clip_at], self.recipe
        found = _usable(clip, profile_of)
        start_s, lasts_s, onset_s = _when(found, recipe, duration_s, first, rng)
        path: Path | None = None
        if rng.random() < recipe.moving_share:
            made = self.bank[response_at]
            if made.room is not None:
                span = (onset_s, onset_s + lasts_s)
                path = moving.draw_path(rng, made.room, made.position, self.ranges, span, recipe.speed_m_s)
        return Source(
            clip_id=clip.id,
            response_id=self.bank.ids[response_at],
            gain_db=round(float(rng.uniform(*recipe.level_dbfs)) - found.level_dbfs(start_s, lasts_s), 2),
            start_s=start_s,
            onset_s=onset_s,
            duration_s=lasts_s,
            below_db=0.0 if first is None else round(float(rng.uniform(*recipe.source_snr_db)), 2),
            path=path,
        )

    def _levelled(
        self, drawn: Sequence[Source], clips: Sequence[Clip], duration_s: float
    ) -> tuple[list[Source], list[dict[str, Any]]]:
        """The sources with gains that give their levels as heard in the room, and what is true of each."""
        rate = self.bank.sample_rate
        length = round(duration_s * rate)
        sources: list[Source] = []
        told: list[dict[str, Any]] = []
        for source, clip in zip(drawn, clips, strict=True):
            dry = mixing.place(self._dry(clip), rate, source, length)
            level = mixing.level_db(mixing.wet(source, dry, self.bank), rate, source)
            if not np.isfinite(level):
                raise UnusableClip(
                    clip.path, f"{clip.path} is silent from {source.start_s:g} s; take it out of the set"
                )
            if told:
                change = round(told[0]["level_dbfs"] - source.below_db - level, 3)
                source, level = replace(source, gain_db=round(source.gain_db + change, 3)), level + change
            truth = self.truths[self.bank.index(source.response_id)]
            told.append(
                {
                    **{k: truth[k] for k in (*PLACE, "t30_s", "drr_db")},
                    "level_dbfs": round(level, 3),
                    "label": clip.label,
                    "active": mixing.active_frames(dry, rate),
                }
            )
            sources.append(source)
        return sources, told

    def _captions(
        self, rng: np.random.Generator, clips: Sequence[Clip], sources: Sequence[Source], words: SpatialWords
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if len(sources) == 1 and sources[0].path is None:
            return write_captions(clips[0], words, rng, self.recipe)
        truths = [self.truths[self.bank.index(s.response_id)] for s in sources]
        starts = [SourcePosition(*(truth[k] for k in PLACE)) for truth in truths]
        room = {k: truths[0][k] for k in ("floor_area_m2", "t30_s")}
        return write_captions_of_sources(clips, sources, starts, rng, self.recipe, **room)

    def _dry(self, clip: Clip) -> Float32:
        try:
            return self._samples.get(clip.id, lambda: material.mono(clip.path, self.bank.sample_rate)[0])
        except AudioError as error:
            raise UnusableClip(clip.path, str(error)) from error


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Angle in degrees between two places as seen from the array, 0 to 180; both with azimuth_deg, elevation_deg."""
    u, v = (foa.unit_vector(place["azimuth_deg"], place["elevation_deg"]) for place in (one, other))
    return float(foa.angular_error_deg(u, v))


def _all_apart(
    truths: Sequence[dict[str, Any]], chosen: list[int], others: Sequence[int], count: int, apart_deg: float
) -> list[int] | None:
    """`chosen` and the first `count` of `others`, by trying in order, that are all apart; None where there are none."""
    if count == 0:
        return chosen
    for k, other in enumerate(others):
        if all(apart(truths[other], truths[taken]) >= apart_deg for taken in chosen):
            found = _all_apart(truths, [*chosen, other], others[k + 1 :], count - 1, apart_deg)
            if found is not None:
                return found
    return None


def places_by_room(truths: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """The responses of each room, by its id."""
    rooms: dict[str, list[int]] = {}
    for at, truth in enumerate(truths):
        rooms.setdefault(truth["room_id"], []).append(at)
    return rooms


def check_possible(recipe: SceneRecipe, clips: Sequence[Clip], bank: Bank, truths: Sequence[dict[str, Any]]) -> None:
    """Raise ConfigError or DataError where the clips or rooms do not allow the scenes that are asked for."""
    most = recipe.sources[1]
    if len(clips) < most:
        raise DataError(f"scenes of up to {most} sources need as many clips; there are {len(clips)}")
    room, places = min(places_by_room(truths).items(), key=lambda item: len(item[1]))
    if len(places) < most:
        raise DataError(
            f"scenes of up to {most} sources need as many places in every room; {room} has {len(places)}: make a bank "
            f"with --positions-per-room {most} or more, or ask for fewer sources"
        )
    if recipe.moving_share > 0 and bank[0].room is None:
        raise ConfigError("sources can walk in simulated rooms only, these are measured; set moving_share to 0")


def words_of_first(known: dict[str, Any], truth: dict[str, Any]) -> SpatialWords:
    """The words that are true of the first source all the time, and of its room."""
    return attributes.words_for(
        known["azimuth_deg"], known["elevation_deg"], known["distance_m"], truth["floor_area_m2"], truth["t30_s"]
    )


def _place_of_first(truth: dict[str, Any], source: Source) -> dict[str, float | None]:
    """Where the first source is; None for all of it when it walks: then `sources` tells its way."""
    return {k: None if source.path else truth[k] for k in PLACE}


def _usable(clip: Clip, profile_of: ProfileOf) -> material.Profile:
    found = profile_of(clip.path)
    if isinstance(found, str):
        raise UnusableClip(clip.path, found)
    return found


def _when(
    profile: material.Profile, recipe: SceneRecipe, duration_s: float, first: Source | None, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Where in its clip a source starts, how long it sounds and when it begins in the scene, in seconds.

    The silence around the clip's sound is left out. The first source begins within lead_s; the others anywhere that
    they end in time, and those that are longer than the scene at its start or anywhere in its first half; closer to the
    first where the recipe wants them to overlap.
    """
    whole_s = profile.stop_s - profile.start_s
    spare_s = duration_s - whole_s
    if spare_s >= 0:
        earliest_s, latest_s = 0.0, min(spare_s, recipe.lead_s) if first is None else spare_s
        if first is not None and recipe.overlap:
            together_s = recipe.overlap * min(first.duration_s, whole_s)
            earliest_s = max(earliest_s, first.onset_s + together_s - whole_s)
            latest_s = max(earliest_s, min(latest_s, first.onset_s + first.duration_s - together_s))
        return round(profile.start_s, 4), round(whole_s, 4), round(float(rng.uniform(earliest_s, latest_s)), 4)
    onset_s = 0.0
    if first is not None and rng.random() < 0.5:
        latest_s = 0.5 * duration_s
        if recipe.overlap:
            latest_s = min(latest_s, first.onset_s + (1.0 - recipe.overlap) * first.duration_s)
        onset_s = round(float(rng.uniform(0.0, latest_s)), 4)
    lasts_s = round(duration_s - onset_s, 4)
    start_s = material.loud_start(profile, lasts_s, rng)
    return start_s, lasts_s, onset_s


def _ranges_of(bank: Bank) -> RoomRanges:
    """What the bank's places were drawn from, the usual ranges where it does not say."""
    told: dict[str, Any] = getattr(bank, "manifest", {}).get("ranges", {})
    ranges: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    return RoomRanges(**ranges)
