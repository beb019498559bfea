"""What is in a set of scenes: how its quantities spread, what its captions say, how loud it is, what was left out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from open_elsa.errors import AudioError, ConfigError
from open_elsa.scenes.export import PEAK
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_counts import (
    CaptionCounts,
    Distribution,
    count_captions,
    counted,
    distribution,
    distributions,
    numbers,
    source_columns,
    words_counted,
)
from open_elsa.sound.loudness import integrated_lufs

if TYPE_CHECKING:
    from open_elsa.scenes.scene_set import SceneSet

#: Version of report.json.
FORMAT = 1
MEL_BANDS, MEL_LOW_HZ, MEL_HIGH_HZ = 64, 50.0, 16_000.0
_MEL_WINDOW_S, _MEL_FRAMES = 0.04, 240
#: What lies this far under a picture's loudest point is drawn as silence.
MEL_RANGE_DB = 70.0

Float32 = NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Licence:
    """A licence of the clips: how many of the clips that sound in the scenes have it, and in how many sources."""

    name: str
    clips: int
    sources: int


@dataclass(frozen=True)
class Loudness:
    """How loud a sample of rendered scenes is.

    rendered: scenes in the sample; unreadable: clip -> why of those that could not be rendered. lufs: integrated
    loudness of W; rms_dbfs: of W; peak_dbfs: over all four channels. clipping: scenes that reach beyond full scale;
    turned_down: those that an export turns down, lowest_gain_db the most that one is.
    """

    rendered: int
    unreadable: Mapping[str, str]
    lufs: Distribution
    rms_dbfs: Distribution
    peak_dbfs: Distribution
    clipping: int
    turned_down: int
    lowest_gain_db: float


@dataclass(frozen=True)
class Heard:
    """A source as the contact sheet shows it: what, from where, and where it walks to (None for one that stays)."""

    what: str
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    to_azimuth_deg: float | None = None
    to_distance_m: float | None = None


@dataclass(frozen=True, eq=False)
class Pictured:
    """A scene of the contact sheet: W's log-mel picture (bands, frames) in dB, what sounds where, and its captions."""

    index: int
    id: str
    duration_s: float
    captions: tuple[str, ...]
    sources: tuple[Heard, ...]
    t30_s: float | None
    floor_area_m2: float | None
    lufs: float
    peak_dbfs: float
    mel: Float32 = field(repr=False)


@dataclass(frozen=True, eq=False)
class SceneReport:
    """What a set of scenes holds; a pure function of the set and the seed, so it holds no date.

    scenes, asked, hours: made, asked for, and how long they sound. clips: of the set; clips_used, rooms, responses:
    different ones that sound. walking: share of the sources that walk. words, labels: how often each. dropped: path ->
    why of clips that were left out.
    """

    scenes: int
    asked: int
    hours: float
    sample_rate: int
    seed: int
    clips: int
    clips_used: int
    rooms: int
    responses: int
    walking: float
    quantities: tuple[Distribution, ...]
    words: Mapping[str, Mapping[str, int]]
    labels: Mapping[str, int]
    captions: CaptionCounts
    dropped: Mapping[str, str]
    licences: tuple[Licence, ...]
    loudness: Loudness
    sheet: tuple[Pictured, ...] = field(repr=False)

    @property
    def reasons(self) -> dict[str, int]:
        """Why clips were left out, and how many for each reason."""
        found: dict[str, int] = {}
        for path, why in self.dropped.items():
            reason = reason_of(path, why)
            found[reason] = found.get(reason, 0) + 1
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def to_json(self) -> str:
        """All numbers as JSON text of `FORMAT`, without the pictures; what is not finite becomes null."""
        return json.dumps({"format": FORMAT, **_plain(self)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def lines(self) -> list[str]:
        """A summary for people, a few short lines."""
        told = {d.name: d for d in self.quantities if d.n}
        ranges = [_range(told[k]) for k in ("distance_m", "floor_area_m2", "t30_s", "drr_db", "snr_db") if k in told]
        count = told.get("sources")
        walking = f", {100 * self.walking:.0f} % of the sources walk" if self.walking else ""
        several = f"; {count.mean:.2g} sources a scene{walking}" if count and (count.most > 1 or walking) else ""
        captions, loud = self.captions, self.loudness
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in captions.granularity.items() if share)
        lines = [
            f"{self.scenes} scenes, {self.hours:.2f} hours; {self.clips_used} of {self.clips} clips in "
            f"{self.rooms} rooms, {self.responses} responses{several}",
            "from 5th to 95th percentile: " + ", ".join(ranges),
            f"{captions.captions} captions, {captions.distinct} different, of {captions.vocabulary} words; {shares}",
            f"loudness of {loud.rendered} rendered scenes: {loud.lufs.median:.1f} LUFS in the middle, {loud.clipping} "
            f"would clip, an export turns {loud.turned_down} down, by {abs(loud.lowest_gain_db):.1f} dB at most",
            "licences of the clips: " + ", ".join(f"{x.name} {x.clips}" for x in self.licences),
        ]
        if self.dropped:
            why = ", ".join(f"{n} × {reason}" for reason, n in self.reasons.items())
            lines.append(f"{self.asked - self.scenes} scenes left out for {len(self.dropped)} clips: {why}")
        return lines if self.scenes else [f"no scene of {self.asked} could be made", *lines[5:]]


def report(
    scenes: SceneSet, *, seed: int = 0, rendered: int = 48, pictured: int = 12, progress: Progress | None = None
) -> SceneReport:
    """Count a set, render a sample of it, and picture some of those.

    seed: of the sample. rendered: most scenes that are rendered to hear how loud they are, pictured: most that are
    shown; they bound the cost, since everything else is counted over the whole set. Captions are those that the set was
    opened with. A clip that cannot be read any more is told in `loudness.unreadable`. Raises ConfigError for numbers
    below 0, DataError where the set's files or rooms are gone.
    """
    if min(rendered, pictured, seed) < 0:
        raise ConfigError(f"a report renders 0 scenes or more, with a seed >= 0: {rendered}, {pictured}, {seed}")
    table = scenes.table
    sources = source_columns(table)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    chosen = rng.permutation(len(scenes))[: max(rendered, pictured)]
    loudness, sheet = _heard(scenes, [int(i) for i in chosen], pictured, progress)
    if scenes.rewritten:
        texts = [text for scene in scenes for text in scene.captions]
    else:
        texts = [text for texts in table["captions"].to_pylist() for text in texts]
    uses = counted(sources["clip_id"])
    return SceneReport(
        scenes=len(scenes),
        asked=int(scenes.manifest["scenes"]),
        hours=round(float(numbers(table["duration_s"]).sum()) / 3600.0, 4),
        sample_rate=scenes.sample_rate,
        seed=seed,
        clips=len(scenes.clips),
        clips_used=len(uses),
        rooms=len(counted(table["room_id"])),
        responses=len(counted(_responses(table))),
        walking=round(float(np.mean(sources["walks"])), 4) if len(sources["walks"]) else 0.0,
        quantities=distributions(table, sources),
        words=words_counted(table),
        labels=counted(sources["label"]),
        captions=count_captions(texts, np.random.default_rng(np.random.SeedSequence([seed, 2]))),
        dropped=dict(sorted(scenes.problems.items())),
        licences=_licences(scenes.clips, uses),
        loudness=loudness,
        sheet=tuple(sheet),
    )


def _responses(table: pa.Table) -> Any:
    if "sources" not in table.column_names:
        return table["response_id"]
    return table["sources"].combine_chunks().flatten().field("response_id")


def _licences(clips: Mapping[str, Clip], uses: Mapping[str, int]) -> tuple[Licence, ...]:
    found: dict[str, list[int]] = {}
    for clip_id, count in uses.items():
        pair = found.setdefault(clips[clip_id].licence or "not stated", [0, 0])
        pair[0] += 1
        pair[1] += count
    rows = [Licence(name, clip_count, count) for name, (clip_count, count) in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.sources, row.name)))


def reason_of(path: str, why: str) -> str:
    """Why a clip was left out, without its own path and without advice: the same reason reads the same."""
    short = why.replace(path, "").replace(Path(path).name, "").strip(" :")
    return re.split(r"[;:(]", short)[0].strip() or "unknown"


# -- sound -----------------------------------------------------------------------------------------------------------


def _heard(
    scenes: SceneSet, chosen: list[int], pictured: int, progress: Progress | None
) -> tuple[Loudness, list[Pictured]]:
    lufs: list[float] = []
    rms: list[float] = []
    peaks: list[float] = []
    unreadable: dict[str, str] = {}
    sheet: list[Pictured] = []
    for done, i in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen))
        try:
            sound = scenes.render(i)
        except AudioError as error:
            unreadable[scenes.clip(scenes[i]).path] = str(error)
            continue
        lufs.append(integrated_lufs(sound[0], scenes.sample_rate))
        rms.append(_decibels(float(np.sqrt(np.mean(np.square(sound[0], dtype=np.float64))))))
        peaks.append(_decibels(float(np.abs(sound).max())))
        if len(sheet) < pictured:
            sheet.append(_picture(scenes, i, sound, lufs[-1], peaks[-1]))
    if progress is not None:
        progress(len(chosen), len(chosen))
    limit = _decibels(PEAK)
    loudness = Loudness(
        rendered=len(peaks),
        unreadable=unreadable,
        lufs=distribution("lufs", "integrated loudness of W", "LUFS", np.asarray(lufs)),
        rms_dbfs=distribution("rms_dbfs", "RMS of W", "dBFS", np.asarray(rms)),
        peak_dbfs=distribution("peak_dbfs", "peak of any channel", "dBFS", np.asarray(peaks)),
        clipping=sum(p > 0.0 for p in peaks),
        turned_down=sum(p > limit for p in peaks),
        lowest_gain_db=round(min([0.0, *(limit - p for p in peaks)]), 3),
    )
    return loudness, sorted(sheet, key=lambda scene: scene.index)


def _picture(scenes: SceneSet, i: int, sound: Float32, lufs: float, peak_dbfs: float) -> Pictured:
    scene, truth = scenes[i], scenes.truth(i)
    if scene.sources:
        told = [
            Heard(
                s["label"] or s["clip_id"],
                s["azimuth_deg"],
                s["elevation_deg"],
                s["distance_m"],
                *((s["moves"]["to_azimuth_deg"], s["moves"]["to_distance_m"]) if s["moves"] else ()),
            )
            for s in truth["sources"]
        ]
    else:
        place = (truth["azimuth_deg"], truth["elevation_deg"], truth["distance_m"])
        told = [Heard(truth["label"] or scene.clip_id, *place)]
    return Pictured(
        index=i,
        id=scene.id,
        duration_s=scene.duration_s,
        captions=scene.captions,
        sources=tuple(told),
        t30_s=truth["t30_s"],
        floor_area_m2=truth["floor_area_m2"],
        lufs=round(lufs, 2),
        peak_dbfs=round(peak_dbfs, 2),
        mel=log_mel(sound[0], scenes.sample_rate),
    )


def log_mel(samples: Float32, sample_rate: int) -> Float32:
    """The log-mel picture (64, at most 240) of one channel (n,) in dB below its loudest point, at least -70.

    Triangular bands from 50 Hz to 16 kHz, or to half the rate, on the mel scale 2595 log10(1 + f / 700).
    """
    size = round(_MEL_WINDOW_S * sample_rate)
    hop = max(size // 2, math.ceil(samples.size / _MEL_FRAMES))
    padded = np.pad(samples, (0, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:-size:hop]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)))
    top = min(MEL_HIGH_HZ, sample_rate / 2)
    low, high = (2595.0 * math.log10(1.0 + hertz / 700.0) for hertz in (MEL_LOW_HZ, top))
    mels = np.linspace(low, high, MEL_BANDS + 2)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    hertz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    rise = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    weights = np.maximum(np.minimum(rise, fall), 0.0)
    # bands narrower than a bin take the bin nearest to their middle
    empty = np.flatnonzero(weights.sum(axis=1) == 0)
    weights[empty, np.abs(hertz - edges[1:-1, None][empty]).argmin(axis=1)] = 1.0
    bands = power @ weights.T
    decibels = 10.0 * np.log10(np.maximum(bands / max(float(bands.max()), 1e-30), 10.0 ** (-MEL_RANGE_DB / 10.0)))
    return np.asarray(decibels.T, dtype=np.float32)


def _decibels(amplitude: float) -> float:
    return 20.0 * math.log10(amplitude) if amplitude > 0 else -math.inf


# -- text ------------------------------------------------------------------------------------------------------------


def _range(d: Distribution) -> str:
    return f"{d.what} {d.p5:.3g} to {d.p95:.3g} {d.unit}".rstrip()


def _plain(value: Any) -> Any:
    """Dataclasses as objects without arrays, tuples as lists, what is not finite as null."""
    if hasattr(value, "__dataclass_fields__"):
        told = {f.name: getattr(value, f.name) for f in fields(value)}
        return {k: _plain(v) for k, v in told.items() if not isinstance(v, np.ndarray)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
