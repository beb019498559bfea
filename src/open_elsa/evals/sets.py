"""What is heard in an evaluation: test sets that are built the same way every time, from seeds that are kept for them.

What a recipe is chosen by is the validation split: the same sets of other clips in other rooms, under other names.
Measured rooms have no such counterpart, as they are all test rooms.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from open_elsa import corpora
from open_elsa.errors import AudioError, DataError
from open_elsa.evals.items import MonoItems, SceneItems, Split, TurnedItems
from open_elsa.scenes import material
from open_elsa.scenes.bank import BANK_VERSION, RoomBank, make_bank
from open_elsa.scenes.draw_rooms import OMNIDIRECTIONAL
from open_elsa.scenes.drawing import apart, places_by_room
from open_elsa.scenes.measured import open_measured
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_files import truths_of
from open_elsa.scenes.synthesis import SceneRecipe, make_scenes

#: Seeds of the rooms and scenes of each split; training recipes must use others.
SEEDS: dict[str, int] = {"test": 20_261_126, "val": 20_261_127}
#: Size of the simulated set: rooms x places, one scene for each; and the quick one.
ROOMS, PLACES = 150, 8
QUICK_ROOMS, QUICK_PLACES = 18, 4
#: Clips heard from every measured place.
CLIPS_A_PLACE, QUICK_CLIPS_A_PLACE = 20, 3
QUICK_MONO = 100
#: Of the places of the simulated rooms, every second one is the louder source's of a scene of two.
TWO_STEP = 2
#: Least length of a sound that takes part in scenes of two, so that what is louder holds more of the energy, too.
TWO_LEAST_S = 3.0

#: Floor areas that the recordings' papers state (R3VIVAL, Lab: 9.7 x 5.5 m) and positions.csv does not.
_KNOWN_AREAS_M2 = dict.fromkeys(("Lab025", "Lab050", "Lab075", "LabR", "LabRB"), 53.4)

#: The tests' scenes: clean enough that rooms, not noise, are tested. Measured rooms bring their own noise.
SIMULATED_RECIPE = SceneRecipe(duration_s=5.0, snr_db=(30.0, 60.0))
MEASURED_RECIPE = SceneRecipe(duration_s=5.0, snr_db=None)
TWO_RECIPE = replace(SIMULATED_RECIPE, sources=(2, 2), source_snr_db=(3.0, 12.0), apart_deg=45.0, overlap=0.5)

#: Sources of the simulated suites radiate alike to all sides: a voice turned away sounds as one farther off does, and
#: "near or far" asks for the distance. Directive sources have a place in training banks and in `elsa rooms make`.
SIMULATED_RANGES = OMNIDIRECTIONAL

#: What a reader must know of the sets to judge a number; the classes' bounds are those of the balanced bank.
SIMULATED_ABOUT = (
    "{rooms} simulated shoebox rooms x {places} places of omnidirectional sources, one scene of 5 s each: one of "
    "{clips} {split} clips in a room whose seed no training uses, noise 30 to 60 dB below. The bank is balanced, not "
    "natural: size and reverberation of rooms and direction, elevation and distance of places go round their word "
    "classes in turn and lie inside them (azimuth within 34 degrees of front, left, back or right, so that no source "
    "stands between two words; elevation within 35 degrees or beyond 40; nearer than 1 m or, where the room allows, "
    "beyond 2 m)."
)
EIGHT_ABOUT = (
    "The simulated suite's scenes ({scenes}), each turned about the vertical, as if the array faced another way: every "
    "eight scenes go once round the eight directions in drawn order, and the azimuth is uniform within 22.5 degrees of "
    "its direction, so that the whole circle is covered evenly. Turning first-order ambisonics is exact."
)
TWO_ABOUT = (
    "{scenes} scenes of 5 s with two sources at once, in the simulated suite's rooms: two of {clips} {split} clips of "
    "different classes that sound for at least 3 s, at places of one room at least 45 degrees apart. They overlap for "
    "half of the shorter or more; W's level in the room is 3 to 12 dB lower for the second, drawn evenly and recorded. "
    "Noise 30 to 60 dB below."
)
MEASURED_ABOUT = (
    "{places} places in measured rooms, {k} of {clips} test clips heard from each, {seconds:g} s a scene, no noise "
    "added to that of the measurement. Directions and distances are the recordings' own; places between two words "
    "count for errors and not for words."
)

Progressed = Callable[[int, int], None]


def held_out_clips(data_root: str | Path, split: Split = "test") -> list[Clip]:
    """The labelled clips of a split, by id: ESC-50's fold (4: test, 3: val) where the data has it, else every one.

    Raises DataError when the split has no labelled clip.
    """
    clips = sorted((c for c in corpora.load(data_root, splits=(split,)).clips if c.label), key=lambda c: c.id)
    chosen = [c for c in clips if c.corpus == "esc50"] or clips
    if not chosen:
        raise DataError(f"{data_root}: the split {split} has no clip with a label; evaluation needs classes")
    return chosen


def suite_name(name: str, split: Split) -> str:
    """What results are filed under: "simulated", or "simulated-val", so that no table mistakes one for the other."""
    return name if split == "test" else f"{name}-{split}"


def default_cache() -> Path:
    """Where test rooms and scenes are kept between runs: $XDG_CACHE_HOME/open-elsa/evals, or under ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "open-elsa" / "evals"


def simulated(
    data_root: str | Path,
    cache: Path,
    *,
    quick: bool = False,
    split: Split = "test",
    seed: int | None = None,
    workers: int = 1,
    progress: Progressed | None = None,
) -> SceneItems:
    """The simulated suite: a split's clips in balanced rooms of its own, one scene a response; kept in `cache`."""
    seed = SEEDS[split] if seed is None else seed
    bank, stem = _rooms(cache, quick=quick, seed=seed, workers=workers, progress=progress)
    clips = held_out_clips(data_root, split)
    made = make_scenes(
        cache / f"simulated-{stem}-{MonoItems(clips).revision[:8]}",
        clips,
        bank,
        scenes=len(bank),
        seed=seed,
        recipe=SIMULATED_RECIPE,
    )
    rooms, places = (QUICK_ROOMS, QUICK_PLACES) if quick else (ROOMS, PLACES)
    about = SIMULATED_ABOUT.format(rooms=rooms, places=places, clips=len(clips), split=split)
    return SceneItems(made, suite_name("simulated", split), about=about)


def eight(
    data_root: str | Path,
    cache: Path,
    *,
    quick: bool = False,
    split: Split = "test",
    seed: int | None = None,
    workers: int = 1,
    progress: Progressed | None = None,
) -> TurnedItems:
    """The simulated suite's scenes turned so that their azimuths go evenly round eight directions."""
    seed = SEEDS[split] if seed is None else seed
    scenes = simulated(data_root, cache, quick=quick, split=split, seed=seed, workers=workers, progress=progress)
    return TurnedItems(scenes, suite_name("eight", split), seed, EIGHT_ABOUT.format(scenes=len(scenes)))


def two(
    data_root: str | Path,
    cache: Path,
    *,
    quick: bool = False,
    split: Split = "test",
    seed: int | None = None,
    workers: int = 1,
    progress: Progressed | None = None,
) -> SceneItems:
    """Two sources at once in the simulated suite's rooms, the first 3 to 12 dB louder; kept in `cache`.

    Raises DataError where fewer than two classes have clips that last for TWO_LEAST_S, or no room has two places.
    """
    seed = SEEDS[split] if seed is None else seed
    bank, stem = _rooms(cache, quick=quick, seed=seed, workers=workers, progress=progress)
    clips = [clip for clip in held_out_clips(data_root, split) if _lasts_s(clip) >= TWO_LEAST_S]
    if len({clip.label for clip in clips}) < 2:
        raise DataError(
            f"{data_root}: scenes of two sources need clips of two classes that sound for {TWO_LEAST_S:g} s; the split "
            f"{split} has {len(clips)} such clips"
        )
    louder = [bank.ids[k] for k in _with_another(bank, TWO_RECIPE.apart_deg)][::TWO_STEP]
    if not louder:
        raise DataError(f"no room of {bank.folder} has two places {TWO_RECIPE.apart_deg:g} degrees apart")
    rng = np.random.default_rng([seed, 2])
    rounds = -(-len(louder) // len(clips))
    order = np.concatenate([rng.permutation(len(clips)) for _ in range(rounds)])
    made = make_scenes(
        cache / f"two-{stem}-{MonoItems(clips).revision[:8]}",
        clips,
        bank,
        pairs=[(clips[c].id, place) for c, place in zip(order, louder, strict=False)],
        seed=seed,
        recipe=TWO_RECIPE,
    )
    about = TWO_ABOUT.format(scenes=len(made), clips=len(clips), split=split)
    return SceneItems(made, suite_name("two", split), about=about)


def mono(data_root: str | Path, *, quick: bool = False, split: Split = "test") -> MonoItems:
    """The mono suite: every clip of a split alone (quick: about 100 of them)."""
    clips = held_out_clips(data_root, split)
    return MonoItems(
        clips[:: max(1, len(clips) // QUICK_MONO)] if quick else clips, suite_name("mono", split), split=split
    )


def _rooms(cache: Path, *, quick: bool, seed: int, workers: int, progress: Progressed | None) -> tuple[RoomBank, str]:
    """The simulated suites' rooms, and what tells them from others in the names of folders."""
    rooms, places = (QUICK_ROOMS, QUICK_PLACES) if quick else (ROOMS, PLACES)
    stem = f"{rooms}x{places}-seed{seed}-bank{BANK_VERSION}"
    bank = make_bank(
        cache / f"rooms-{stem}",
        rooms=rooms,
        positions_per_room=places,
        seed=seed,
        ranges=SIMULATED_RANGES,
        balanced=True,
        workers=workers,
        progress=progress,
    )
    return bank, stem


def _lasts_s(clip: Clip) -> float:
    """How long a clip sounds, without the silence around it; 0 for one that cannot be read."""
    try:
        found = material.profile(clip.path)
    except AudioError:
        return 0.0
    return found.stop_s - found.start_s


def _with_another(bank: RoomBank, apart_deg: float) -> list[int]:
    """The places of a bank that have another one in their room at least this many degrees away."""
    truths = truths_of(bank)
    return [
        k
        for places in places_by_room(truths).values()
        for k in places
        if any(apart(truths[k], truths[other]) >= apart_deg for other in places)
    ]


def measured(
    data_root: str | Path,
    cache: Path,
    *,
    rooms: str | Path | None = None,
    quick: bool = False,
    clips_a_place: int | None = None,
    duration_s: float = MEASURED_RECIPE.duration_s,
    seed: int = SEEDS["test"],
) -> SceneItems:
    """The measured suite: 20 test clips (quick: 3) at every place of every room under data_root/measured-rooms.

    The clips of a place are drawn without replacement from (seed, place). rooms: another folder of measured rooms.
    clips_a_place, duration_s: other numbers, for comparisons that have no time for the suite itself.
    """
    folder = Path(rooms) if rooms is not None else Path(data_root) / "measured-rooms"
    if not folder.is_dir():
        raise DataError(f"there are no measured rooms at {folder}; name their folder or run the simulated suite")
    areas = {k: v for k, v in _KNOWN_AREAS_M2.items() if (folder / k).is_dir()}
    bank = open_measured(folder, floor_area_m2=areas)
    clips = held_out_clips(data_root)
    k = min(clips_a_place or (QUICK_CLIPS_A_PLACE if quick else CLIPS_A_PLACE), len(clips))
    pairs = [
        (clips[c].id, response)
        for place, response in enumerate(bank.ids)
        for c in np.random.default_rng([seed, place]).choice(len(clips), k, replace=False)
    ]
    recipe = replace(MEASURED_RECIPE, duration_s=duration_s)
    length = "" if recipe == MEASURED_RECIPE else f"-{duration_s:g}s"
    name = f"measured-{k}{length}-seed{seed}-{MonoItems(clips).revision[:8]}"
    made = make_scenes(cache / name, clips, bank, pairs=pairs, seed=seed, recipe=recipe)
    about = MEASURED_ABOUT.format(k=k, places=len(bank), clips=len(clips), seconds=duration_s)
    return SceneItems(made, "measured", family=True, about=about)
