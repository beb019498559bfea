"""Scenes as tar shards in WebDataset's layout: sound, truth and captions of each, with their places in a table.

A shard is a pure function of the set and the settings, written whole or not at all, so any number of workers, here or
on other machines, and any number of kills make the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import soundfile

from open_elsa.errors import AudioError, ConfigError, DataError
from open_elsa.scenes import shard_files
from open_elsa.scenes.export import line_of, turned_down
from open_elsa.scenes.over_time import classes_of, dcase_rows
from open_elsa.scenes.scene_files import WORDS, remove_leftovers
from open_elsa.scenes.set_files import SCENES
from open_elsa.scenes.store import Store
from open_elsa.scenes.workers import spread
from open_elsa.sound import coded
from open_elsa.sound.audio import resample

if TYPE_CHECKING:
    from open_elsa.scenes.scene import Clip, Scene
    from open_elsa.scenes.scene_set import SceneSet
    from open_elsa.scenes.synthesis import Progress

CODECS = ("flac", "opus")
_OF_CLIPS = ("id", "corpus", "licence", "source_url", "trainable")


@dataclass(frozen=True)
class ShardSettings:
    """How scenes are stored. bits: of FLAC, 16 or 24; kbps: of Opus, for all four channels; per_shard: scenes a shard.

    Raises ConfigError for what cannot be.
    """

    codec: str = "flac"
    bits: int = 16
    kbps: int = 256
    per_shard: int = 256

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f"shards hold {' or '.join(CODECS)}, not {self.codec!r}")
        if self.codec == "flac" and self.bits not in coded.BITS:
            raise ConfigError(f"FLAC has {' or '.join(map(str, coded.BITS))} bits, not {self.bits}")
        if self.codec == "opus" and not coded.LEAST_KBPS <= self.kbps <= coded.MOST_KBPS:
            raise ConfigError(f"Opus takes {coded.LEAST_KBPS} to {coded.MOST_KBPS} kbit/s, not {self.kbps}")
        if self.per_shard < 1:
            raise ConfigError(f"a shard holds at least one scene, not {self.per_shard}")

    def described(self) -> dict[str, Any]:
        """What the bytes depend on, the coder's version included."""
        quality = {"bits": self.bits} if self.codec == "flac" else {"kbps": self.kbps}
        coder = f"libsndfile {soundfile.__libsndfile_version__}"
        return {"codec": self.codec, **quality, "per_shard": self.per_shard, "coder": coder}

    def encode(self, samples: coded.Float32, sample_rate: int) -> bytes:
        """Sound (4, n) as the bytes of a file."""
        if self.codec == "flac":
            return coded.to_flac(samples, sample_rate, self.bits)
        return coded.to_opus(samples, sample_rate, self.kbps)

    def rate(self, sample_rate: int) -> int:
        """Rate in Hz at which scenes of `sample_rate` are stored: Opus knows only some, others become 48 kHz."""
        return sample_rate if self.codec == "flac" or sample_rate in coded.OPUS_RATES else coded.OPUS_RATES[-1]


@dataclass(frozen=True)
class ShardJob:
    """One shard to write: its number and its scenes, `last` excluded."""

    number: int
    first: int
    last: int


@dataclass(frozen=True)
class ShardRow:
    """A finished shard. made: now, not before; dropped: scenes that it lacks, each with index, id, clip and reason."""

    number: int
    name: str
    samples: int
    bytes: int
    sha256: str
    made: bool
    dropped: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class ShardWriter:
    """What `write_shard` needs, the same for every shard; picklable, so that it can travel to workers anywhere."""

    scenes: SceneSet
    store: Store
    settings: ShardSettings
    description: dict[str, Any]
    classes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Tells these shards from those of other scenes or settings."""
        return hashlib.sha256(json.dumps(self.description, sort_keys=True).encode()).hexdigest()[:16]

    def jobs(self) -> list[ShardJob]:
        """Every shard of the set."""
        size, total = self.settings.per_shard, len(self.scenes)
        return [ShardJob(n, at, min(at + size, total)) for n, at in enumerate(range(0, total, size))]


@dataclass(frozen=True)
class ShardReport:
    """What was exported; problems: path of a clip → why scenes with it are missing."""

    url: str
    shards: int
    samples: int
    bytes: int
    hours: float
    licences: dict[str, int]
    problems: dict[str, str] = field(default_factory=dict)


def export_shards(
    scenes: SceneSet,
    url: str | Path,
    settings: ShardSettings | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    max_problems: int | None = 20,
    progress: Progress | None = None,
) -> ShardReport:
    """Write every scene into tar shards at a folder or URL, with index.parquet and shards.json beside them.

    options: what fsspec's file system takes, see `Store`. workers: processes; any number makes the same bytes. After a
    kill or a full disk the same call goes on; finished shards are kept when their size is right. A scene whose clip
    cannot be read is left out and reported, and made when the clip has been mended by the next call; more than
    `max_problems` such clips raise DataError, as does a place that holds other shards.
    """
    from open_elsa.scenes.synthesis import SceneProgress

    if workers < 1:
        raise ConfigError(f"an export needs at least one worker, got {workers}")
    writer = begin(scenes, Store(url, options), settings or ShardSettings())
    rows: list[ShardRow] = []
    started, done, made = monotonic(), 0, 0
    for job, row in spread(partial(write_shard, writer), writer.jobs(), workers):
        rows.append(row)
        refuse(rows, max_problems)
        done, made = done + job.last - job.first, made + (row.samples if row.made else 0)
        if progress is not None:
            progress(SceneProgress(done, len(scenes), made / max(monotonic() - started, 1e-9)))
    return finish(writer, rows)


def begin(scenes: SceneSet, store: Store, settings: ShardSettings) -> ShardWriter:
    """Prepare an export, before any shard is written; raises DataError when the place holds other shards."""
    description = {
        "version": shard_files.VERSION,
        "scenes": _identity(scenes),
        "settings": settings.described(),
        "sample_rate": settings.rate(scenes.sample_rate),
        "rewritten": scenes.rewritten,
    }
    finished = shard_files.read_json(store, shard_files.MANIFEST)
    for name, found in ((shard_files.MANIFEST, finished), (shard_files.PLAN, None)):
        known = found or shard_files.read_json(store, name) or description
        if other := [k for k, v in description.items() if known.get(k) != v]:
            raise DataError(
                f"{store.url} holds shards made from other {' and '.join(other)} ({name}); name another place, or "
                "delete these"
            )
    if store.folder is not None:
        for folder in (store.folder, store.folder / "index"):
            remove_leftovers(folder)
    if finished is None:
        shard_files.write_json(store, shard_files.PLAN, description)
    classes = classes_of([clip.label for clip in scenes.clips.values()])
    return ShardWriter(scenes, store, settings, description, tuple(classes))


def write_shard(held: ShardWriter, job: ShardJob) -> ShardRow:
    """Write one shard and its rows, unless it is there; the bytes depend on the arguments alone.

    Raises DataError when it cannot be written; what was finished before is kept.
    """
    known = _known(held, job)
    if known is not None:
        return known
    name = shard_files.shard_name(job.number)
    rows: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    totals: list[tuple[int, str]] = []

    def fill(path: Path) -> None:
        with path.open("wb") as file:
            tar = shard_files.TarWriter(file)
            for i in range(job.first, job.last):
                try:
                    rows.append(_add(held, tar, i, name))
                except AudioError as error:
                    dropped.append(_dropped(held.scenes, i, error))
            sha256 = tar.close()
            totals.append((tar.bytes, sha256))

    held.store.write_whole(name, fill)
    [(size, sha256)] = totals
    about = {"samples": len(rows), "bytes": size, "sha256": sha256, "dropped": dropped, "digest": held.digest}
    shard_files.write_part(held.store, job.number, rows, about)
    return ShardRow(job.number, name, len(rows), size, sha256, True, tuple(dropped))


def refuse(rows: Sequence[ShardRow], limit: int | None) -> None:
    """Raise DataError with the first reasons when more than `limit` clips could not be read."""
    found = _problems(rows)
    if limit is not None and len(found) > limit:
        first = "".join(f"\n  {reason}" for reason in list(found.values())[:5])
        raise DataError(f"more than {limit} clips cannot be read (raise the limit to skip them); the first:{first}")


def finish(held: ShardWriter, rows: Sequence[ShardRow]) -> ShardReport:
    """Write index.parquet and shards.json over all shards, if any was made or they are missing; returns the report."""
    rows, store = sorted(rows, key=lambda row: row.number), held.store
    manifest = shard_files.read_json(store, shard_files.MANIFEST)
    if manifest is None or any(row.made for row in rows) or not store.exists(shard_files.INDEX):
        table = shard_files.join_parts(store, [row.number for row in rows])
        manifest = {
            **held.description,
            "channels": "AmbiX: W Y Z X, SN3D",
            "classes": list(held.classes),
            "samples": sum(row.samples for row in rows),
            "bytes": sum(row.bytes for row in rows),
            "seconds": round(sum(n / r for n, r in zip(*_lengths(table), strict=True)), 3),
            "licences": _licences(table),
            "shards": [{k: getattr(row, k) for k in ("name", "samples", "bytes", "sha256")} for row in rows],
            "dropped": [scene for row in rows for scene in row.dropped],
        }
        shard_files.write_json(store, shard_files.MANIFEST, manifest)
    store.remove(shard_files.PLAN)
    if store.folder is not None:
        for folder in (store.folder, store.folder / "index"):
            remove_leftovers(folder)
    return ShardReport(
        store.url,
        len(rows),
        manifest["samples"],
        manifest["bytes"],
        manifest["seconds"] / 3600.0,
        manifest["licences"],
        _problems(rows),
    )


def _identity(scenes: SceneSet) -> str:
    """Hash of the rows of a set, and of its rewritten captions where they are told."""
    from open_elsa.scenes.rewriting.scene_sets import FILE

    told = hashlib.sha256()
    for name in (SCENES, *([FILE] if scenes.rewritten else [])):
        path = Store(scenes.folder).fetch(name)
        try:
            with path.open("rb") as file:
                told.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return told.hexdigest()[:16]


def _known(held: ShardWriter, job: ShardJob) -> ShardRow | None:
    """A shard that is finished: of these settings, as large as it was, and no scene of it can be made that it lacks."""
    about = shard_files.part_about(held.store, job.number)
    name = shard_files.shard_name(job.number)
    if about is None or about.get("digest") != held.digest or held.store.size(name) != about["bytes"]:
        return None
    if any(_readable(held.scenes, scene["index"]) for scene in about["dropped"]):
        return None
    return ShardRow(job.number, name, about["samples"], about["bytes"], about["sha256"], False, tuple(about["dropped"]))


def _readable(scenes: SceneSet, i: int) -> bool:
    try:
        scenes.render(i)
    except AudioError:
        return False
    return True


def _add(held: ShardWriter, tar: shard_files.TarWriter, i: int, shard: str) -> dict[str, Any]:
    """Render scene `i` and add its files to the tar; returns its row."""
    scenes, scene = held.scenes, held.scenes[i]
    rate = held.settings.rate(scenes.sample_rate)
    sound, gain_db = turned_down(resample(scenes.render(i), scenes.sample_rate, rate))
    clips = _clips(scenes, scene)
    told = {
        "key": f"{i:08d}",
        **line_of(scenes, i, gain_db),
        "sample_rate": rate,
        "clips": [{k: getattr(c, k) for k in _OF_CLIPS} for c in clips],
        "dcase": [[int(v) for v in row.split(",")] for row in dcase_rows(scenes.sources(i), held.classes)],
    }
    key, data = told["key"], held.settings.encode(sound, rate)
    members = {
        "json": (f"{key}.json", json.dumps(told, ensure_ascii=False, allow_nan=False).encode()),
        # one caption a line, whatever line ends it holds; exactly as written they are in the JSON
        "text": (f"{key}.txt", "".join(f"{' '.join(text.split())}\n" for text in scene.captions).encode()),
        "sound": (f"{key}.{held.settings.codec}", data),
    }
    places: dict[str, int] = {}
    for member, (name, content) in members.items():
        places |= {f"{member}_offset": tar.add(name, content), f"{member}_bytes": len(content)}
    return {
        **{k: told[k] for k in shard_files.SCHEMA.names if k in told and k != "clips"},
        **{k: told["words"][k] for k in WORDS},
        **places,
        "shard": shard,
        "sha256": hashlib.sha256(data).hexdigest(),
        "samples": sound.shape[1],
        "clips": [c.id for c in clips],
        "licences": [c.licence for c in clips],
    }


def _clips(scenes: SceneSet, scene: Scene) -> list[Clip]:
    """Every clip that is heard in a scene, once."""
    ids = [scene.clip_id, *(source.clip_id for source in scene.sources)]
    return [scenes.clips[clip_id] for clip_id in dict.fromkeys(ids)]


def _dropped(scenes: SceneSet, i: int, error: AudioError) -> dict[str, Any]:
    """A scene that cannot be made, told without the folder of the clips, which differs between machines."""
    scene = scenes[i]
    root = f"{scenes.clips_root}/"
    clips = _clips(scenes, scene)
    blamed = next((c for c in clips if c.path in str(error)), clips[0])
    return {
        "index": i,
        "id": scene.id,
        "clip": blamed.path.removeprefix(root),
        "reason": str(error).replace(root, ""),
    }


def _problems(rows: Sequence[ShardRow]) -> dict[str, str]:
    return {scene["clip"]: scene["reason"] for row in rows for scene in row.dropped}


def _lengths(table: Any) -> tuple[list[int], list[int]]:
    return cast(list[int], table["samples"].to_pylist()), cast(list[int], table["sample_rate"].to_pylist())


def _licences(table: Any) -> dict[str, int]:
    """How many clips of each licence the set holds."""
    pairs = zip(table["clips"].to_pylist(), table["licences"].to_pylist(), strict=True)
    licence = {clip: named for clips, licences in pairs for clip, named in zip(clips, licences, strict=True)}
    counts: dict[str, int] = {}
    for named in licence.values():
        counts[named] = counts.get(named, 0) + 1
    return dict(sorted(counts.items()))
