"""Real and simulated spatial recordings of published data sets as a test set: every stretch where one sound is alone.

A stretch goes from an onset, or where another sound ends, to an offset, or where another begins; a moving source is cut
where it has moved on. What the model says of a stretch is held against the label, by the same tasks as on our own
suites. Scores over labelled frames, where sounds overlap, are in `framewise`.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from open_elsa import corpora
from open_elsa.corpora.spatial import SoundEvent, SpatialCorpus, SpatialRecording
from open_elsa.errors import ConfigError, DataError
from open_elsa.evals import baselines, framewise, localization, mono_classes, zero_shot
from open_elsa.evals.observe import Embedder, EvalItem, Observations, observe
from open_elsa.evals.result import Result
from open_elsa.evals.sets import Progressed
from open_elsa.evals.suites import summary
from open_elsa.scenes.attributes import words_for
from open_elsa.sound.foa import angles, angular_error_deg, unit_vector

TASKS = ("zero_shot", "localization", "baselines", "classes", "seld")

#: Shorter stretches are left out; of longer ones the beginning is heard.
LEAST_S, MOST_S = 0.5, 10.0
#: A moving source is one stretch as long as it stays this near to where the stretch began.
STILL_DEG = 5.0
#: Recordings of a quick look.
QUICK_RECORDINGS = 10
#: What is taken where no split is asked for: the first of these that the set has.
TEST_SPLITS = ("test", "dev-test")

_OVERLAP = re.compile(r"(?:^|[/_])(ov\d)(?:[/_.]|$)")
_SITE = re.compile(r"-(sony|tau)$")

ABOUT = (
    "{n} stretches of {least:g} to {most:g} s from {recordings} recordings of {corpus}, {splits}; {alone} Directions "
    "and distances are the labels'. A source that moves is cut where it is {still:g} degrees from where the stretch "
    "began, and stands for its mean direction."
)
_ALONE = "in each one sound is labelled and no other."
_OVERLAPPING = "each is a labelled sound, whatever else sounds beside it."


@dataclass(frozen=True)
class RecordingItems:
    """The stretches of labelled recordings as test items, read one at a time.

    overlapping: also where other sounds are labelled at the same time. mono: W alone, without truth about places.
    """

    recordings: Sequence[SpatialRecording]
    name: str
    overlapping: bool = False
    mono: bool = False

    @cached_property
    def stretches(self) -> list[tuple[SpatialRecording, SoundEvent]]:
        """Every stretch with its recording, in order."""
        return [(r, event) for r in self.recordings for event in stretches(r, overlapping=self.overlapping)]

    @property
    def about(self) -> str:
        """How the set is made."""
        return ABOUT.format(
            n=len(self),
            least=LEAST_S,
            most=MOST_S,
            recordings=len(self.recordings),
            corpus=", ".join(sorted({r.corpus for r in self.recordings})),
            splits=splits_of(self.recordings),
            alone=_OVERLAPPING if self.overlapping else _ALONE,
            still=STILL_DEG,
        )

    @property
    def revision(self) -> str:
        """Hash of every recording's name, length and labels."""
        rows = [f"{r.id} {r.duration_s:.3f} {r.events}" for r in self.recordings]
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.stretches)

    def items(self) -> Iterator[EvalItem]:
        """Read stretch after stretch; nothing but the stretch is held."""
        for recording, event in self.stretches:
            sound = recording.sound(event.start_s, min(MOST_S, event.end_s - event.start_s))
            key = f"{recording.id}@{event.start_s:.2f}" + (f"#{event.track}" if self.overlapping else "")
            item = EvalItem(
                id=key,
                samples=sound.samples[:1] if self.mono else sound.samples,
                sample_rate=sound.sample_rate,
                clip_id=key,
                label=event.label,
            )
            yield item if self.mono else _with_truth(item, recording, event)


def _with_truth(item: EvalItem, recording: SpatialRecording, event: SoundEvent) -> EvalItem:
    azimuth, elevation = event.azimuth_deg, event.elevation_deg
    distance, area = event.distance_m, recording.floor_area_m2
    return replace(
        item,
        truth={"azimuth_deg": azimuth, "elevation_deg": elevation, "distance_m": distance, "floor_area_m2": area},
        words=words_for(azimuth, elevation, distance, area, None),  # these words are of the full band's T30: not stated
        place=recording.id,
        group=group_of(recording),
    )


def stretches(recording: SpatialRecording, *, overlapping: bool = False, least_s: float = LEAST_S) -> list[SoundEvent]:
    """The stretches of a recording in the order of their start, each at one place; see the head of this file.

    The links of a moving source's chain that follow each other within STILL_DEG of the first are one stretch at the
    mean of their directions and distances, weighted by time; no distance where one of them has none. What is labelled
    after the recording's end does not count.
    """
    chains: dict[tuple[str, int | None], list[SoundEvent]] = defaultdict(list)
    for event in sorted(recording.events or () if overlapping else recording.alone(0.0), key=lambda e: e.start_s):
        chains[event.label, event.track].append(event)
    joined = [_joined(links) for chain in chains.values() for links in _still(chain)]
    long = [e for e in joined if min(e.end_s, recording.duration_s) - e.start_s >= least_s - 1e-9]
    return sorted(long, key=lambda e: (e.start_s, e.label, e.track or 0))


def _still(chain: Sequence[SoundEvent]) -> Iterator[list[SoundEvent]]:
    """Cut the events of one source where there is a gap or where it has moved on."""
    links: list[SoundEvent] = []
    for event in chain:
        if links and (abs(event.start_s - links[-1].end_s) > 1e-6 or _apart_deg(event, links[0]) > STILL_DEG):
            yield links
            links = []
        links.append(event)
    yield links


def _apart_deg(a: SoundEvent, b: SoundEvent) -> float:
    return float(
        angular_error_deg(unit_vector(a.azimuth_deg, a.elevation_deg), unit_vector(b.azimuth_deg, b.elevation_deg))
    )


def _joined(links: Sequence[SoundEvent]) -> SoundEvent:
    if len(links) == 1:
        return links[0]
    seconds = np.array([e.end_s - e.start_s for e in links])
    vectors = unit_vector([e.azimuth_deg for e in links], [e.elevation_deg for e in links])
    azimuth, elevation = angles(seconds @ vectors)
    distances = [e.distance_m for e in links if e.distance_m is not None]
    return replace(
        links[0],
        end_s=links[-1].end_s,
        azimuth_deg=float(azimuth),
        elevation_deg=float(elevation),
        distance_m=float(np.average(distances, weights=seconds)) if len(distances) == len(links) else None,
    )


def group_of(recording: SpatialRecording) -> str:
    """What a recording is reported under: how many sounds overlap (ov1 …), or where it was made; "" where neither."""
    for pattern, text in ((_OVERLAP, recording.id), (_SITE, recording.split)):
        if found := pattern.search(text):
            return found.group(1)
    return ""


def splits_of(recordings: Sequence[SpatialRecording]) -> str:
    """The splits that recordings are of, in words."""
    names = sorted({r.split for r in recordings})
    return ("split " if len(names) == 1 else "splits ") + ", ".join(names)


def labelled(
    name: str, root: str | Path, splits: Sequence[str] | None = None, *, quick: bool = False
) -> tuple[SpatialCorpus, list[SpatialRecording], list[str], list[str]]:
    """Read the labelled recordings of a data set, those of its test split unless told otherwise.

    Returns the data set, the recordings, the splits that were asked for, and what had to be left out, in words.
    Raises DataError for a set of clips without places, for splits without labels, and as `corpora.recordings` does.
    """
    corpus = corpora.get(name)
    if not isinstance(corpus, SpatialCorpus):
        raise DataError(f"{name} holds clips without a place; evaluate on recordings of {', '.join(_spatial())}")
    asked = list(splits or [s for s in TEST_SPLITS if s in corpus.splits][:1])
    loaded = corpora.recordings(name, root, asked or None)
    found = [r for r in loaded.recordings if r.events]
    if not found:
        raise DataError(f"{name} under {root}: {splits_of(loaded.recordings)} has no labels to hold answers against")
    if quick:
        found = found[:: max(1, -(-len(found) // QUICK_RECORDINGS))]
    return corpus, found, asked, [str(problem) for problem in loaded.problems]


def _spatial() -> list[str]:
    return sorted(name for name, corpus in corpora.corpora().items() if isinstance(corpus, SpatialCorpus))


def run_recordings(
    embedder: Embedder,
    name: str,
    root: str | Path,
    out: str | Path,
    *,
    splits: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    quick: bool = False,
    overlapping: bool = False,
    threshold: float = framewise.THRESHOLD,
    batch_size: int = 16,
    console: Console | None = None,
) -> list[Result]:
    """Run tasks on a data set of spatial recordings in its official layout and save one JSON a task in `out`.

    name: the data set's, as in `corpora.recordings`; splits: its own names, its test split when None. tasks: some of
    TASKS, all that the labels allow when None. overlapping: stretches where other sounds are labelled too. threshold:
    see `framewise`. Results are filed as "NAME-SPLIT". Raises ConfigError for an unknown task, DataError as `labelled`.
    """
    console = console or Console(quiet=True)
    if unknown := [t for t in tasks or () if t not in TASKS]:
        raise ConfigError(f"there is no task {unknown[0]!r} on recordings; choose from {', '.join(TASKS)}")
    wanted, started = tuple(tasks or TASKS), time.perf_counter()
    corpus, found, asked, problems = labelled(name, root, splits, quick=quick)
    for problem in problems:
        console.print(f"left out: {problem}", markup=False)
    suite = "-".join([name, *asked]) + ("-overlapping" if overlapping else "")
    options = [*(f"--split {s}" for s in splits or ()), *(f"--task {t}" for t in tasks or ())]
    options += [flag for flag, on in (("--quick", quick), ("--overlapping", overlapping)) if on]
    options += [f"--threshold {threshold:g}"] if threshold != framewise.THRESHOLD else []
    command = " ".join(["elsa eval", Path(root).resolve().name, f"--corpus {name}", *options])
    results = []
    with Progress(console=console, transient=True) as bars:

        def step(text: str) -> Progressed:
            task = bars.add_task(text, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        items = RecordingItems(found, suite, overlapping)
        for task, run in _possible(embedder, corpus, items, wanted, threshold, batch_size, step).items():
            try:
                result = run()
            except DataError as error:
                if tasks:
                    raise
                console.print(f"left out: {task}: {error}", markup=False)
            else:
                details = {**result.details, **({"skipped": problems} if problems else {})}
                results.append(replace(result, command=command, details=details))
                results[-1].save(out)
    console.print(summary(results))
    console.print(f"{len(results)} results in {out}, {time.perf_counter() - started:.0f} s")
    return results


def _possible(
    embedder: Embedder,
    corpus: SpatialCorpus,
    items: RecordingItems,
    wanted: Sequence[str],
    threshold: float,
    batch_size: int,
    step: Callable[[str], Progressed],
) -> dict[str, Callable[[], Result]]:
    """How each wanted task is run; the stretches are heard once for all of them."""

    @cache
    def seen() -> Observations:
        if not len(items):
            raise DataError(f"{items.name}: no labelled sound is alone for {LEAST_S:g} s; see --overlapping")
        return observe(embedder, items, estimate=baselines.estimate, batch_size=batch_size, progress=step("stretches"))

    def classes() -> Result:
        labels = sorted({event.label for _, event in items.stretches})
        if len(labels) < 2:
            raise DataError(f"{items.name}: classes need labels of at least two, found {', '.join(labels) or 'none'}")
        alone = observe(embedder, replace(items, mono=True), batch_size=batch_size, progress=step("stretches, W alone"))
        return mono_classes.run(embedder, alone, seen())

    def seconds() -> Result:
        if not corpus.timed:
            raise DataError(f"{corpus.name} labels whole recordings, not when a sound begins and ends")
        return framewise.run(
            embedder,
            items.recordings,
            corpus.classes or sorted({e.label for r in items.recordings for e in r.events or ()}),
            suite=items.name,
            about=f"{len(items.recordings)} recordings of {corpus.name}, {splits_of(items.recordings)}.",
            revision=items.revision,
            threshold=threshold,
            batch_size=batch_size,
            progress=step("recordings, second by second"),
        )

    every: dict[str, Callable[[], Result]] = {
        "zero_shot": lambda: zero_shot.run(embedder, seen()),
        "localization": lambda: localization.run(seen()),
        "baselines": lambda: baselines.run(seen()),
        "classes": classes,
        "seld": seconds,
    }
    return {task: run for task, run in every.items() if task in wanted}
