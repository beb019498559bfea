"""Scenes as files that anyone can listen to, with truth.jsonl that says what is true of each, and DCASE's labels."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import AudioError, DataError
from open_elsa.scenes.over_time import classes_of, dcase_rows
from open_elsa.scenes.scene_files import remove_leftovers, write_text
from open_elsa.sound import audio

if TYPE_CHECKING:
    from open_elsa.scenes.scene_set import SceneSet
    from open_elsa.scenes.synthesis import Progress

FORMATS = ("flac", "wav")
#: A scene that would reach beyond this is turned down; how far is in its truth as `export_gain_db`.
PEAK = 0.97
_SUBTYPE = "PCM_24"
TRUTH = "truth.jsonl"
CLASSES = "classes.txt"
_JOURNAL = ".truth.unfinished.jsonl"


@dataclass(frozen=True)
class ExportReport:
    """What was exported: the folder, how many files it holds, and path → reason of clips that could not be read."""

    folder: str
    files: int
    problems: dict[str, str] = field(default_factory=dict)


def export(
    scenes: SceneSet,
    folder: str | Path,
    format: str = "flac",
    *,
    max_problems: int | None = 20,
    progress: Progress | None = None,
) -> ExportReport:
    """Write every scene as NNNNNN.flac or .wav (four channels AmbiX, 24 bit) and one truth.jsonl.

    Beside each sound lies NNNNNN.csv with the sources of every 100 ms as DCASE and STARSS23 label them (see
    `over_time.dcase_rows`), and classes.txt names the classes, the first line being class 0.

    Files are written whole or not at all, and each line of truth is kept as soon as its file is; after a kill or a full
    disk the same call goes on where it stopped. A clip that cannot be read is skipped and reported; more than
    `max_problems` raise DataError, as do an unknown format and a folder that holds another set.
    """
    from open_elsa.scenes.synthesis import SceneProgress

    if format not in FORMATS:
        raise DataError(f"scenes can be exported as {' or '.join(FORMATS)}, not {format!r}")
    root = Path(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{root} cannot be made: {error.strerror}") from error
    lines = _finished(root, scenes, format)
    classes = classes_of([clip.label for clip in scenes.clips.values()])
    write_text(root / CLASSES, "".join(f"{name}\n" for name in classes))
    problems: dict[str, str] = {}
    started, made = monotonic(), 0
    for i in range(len(scenes)):
        if i not in lines:
            line = _write_scene(scenes, i, root, format, classes, problems, made)
            if line is not None:
                lines[i] = line
                _note(root / _JOURNAL, line)
            elif max_problems is not None and len(problems) > max_problems:
                first = "".join(f"\n  {reason}" for reason in list(problems.values())[:5])
                raise DataError(f"more than {max_problems} clips cannot be read; the first:{first}")
            made += 1
        if progress is not None:
            progress(SceneProgress(i + 1, len(scenes), made / max(monotonic() - started, 1e-9)))
    text = "".join(json.dumps(lines[i], ensure_ascii=False) + "\n" for i in sorted(lines))
    write_text(root / TRUTH, text)
    (root / _JOURNAL).unlink(missing_ok=True)
    remove_leftovers(root)
    return ExportReport(str(root), len(lines), problems)


def _write_scene(
    scenes: SceneSet, i: int, root: Path, format: str, classes: list[str], problems: dict[str, str], made: int
) -> dict[str, Any] | None:
    scene = scenes[i]
    path = root / f"{i:06d}.{format}"
    try:
        sound = scenes.render(i)
        labels = dcase_rows(scenes.sources(i), classes)
    except AudioError as error:
        problems[scenes.clip(scene).path] = str(error)
        return None
    sound, gain_db = turned_down(sound)
    try:
        write_text(_labels_path(path), "".join(f"{row}\n" for row in labels))
        audio.write(path, sound, scenes.sample_rate, subtype=_SUBTYPE, overwrite=True)
    except (OSError, AudioError, DataError) as error:
        raise DataError(
            f"{error}; {made} scenes of this run are finished and kept: mend this and run it again"
        ) from error
    return {"file": path.name, **line_of(scenes, i, gain_db)}


def turned_down(sound: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """A scene (4, n) as it is exported, no sample beyond PEAK, and by how many dB it was turned down (0 or less)."""
    peak = float(np.max(np.abs(sound)))
    gain = np.float32(min(1.0, PEAK / peak) if peak > 0 else 1.0)
    return sound * gain, round(20.0 * float(np.log10(gain)), 3)


def line_of(scenes: SceneSet, i: int, gain_db: float) -> dict[str, Any]:
    """Everything that is told of an exported scene, as JSON has it; gain_db: what `turned_down` says of it."""
    scene = scenes[i]
    clip = scenes.clip(scene)
    return {
        "index": i,
        **scenes.truth(i),
        "captions": list(scene.captions),
        "snr_db": scene.snr_db,
        "export_gain_db": gain_db,
        "sample_rate": scenes.sample_rate,
        "licence": clip.licence,
        "source_url": clip.source_url,
    }


def _finished(root: Path, scenes: SceneSet, format: str) -> dict[int, dict[str, Any]]:
    """Lines of truth whose files are there; raises DataError if the folder holds another set."""
    found: dict[int, dict[str, Any]] = {}
    for name in (TRUTH, _JOURNAL):
        path = root / name
        if not path.is_file():
            continue
        # a kill may cut a line, or a letter, short: its scene is rendered again; captions may hold other line ends
        for text in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            i = line.get("index", -1)
            if not 0 <= i < len(scenes) or scenes[i].id != line.get("id"):
                raise DataError(f"{root} holds an export of other scenes; name another folder, or delete this one")
            sound = root / f"{i:06d}.{format}"
            if line["file"] == sound.name and sound.is_file() and _labels_path(sound).is_file():
                found[i] = line
    return found


def _labels_path(sound: Path) -> Path:
    return sound.with_suffix(".csv")


def _note(path: Path, line: dict[str, Any]) -> None:
    try:
        with path.open("a", encoding="utf-8") as journal:
            # a leading newline parts the line from one that a kill cut short
            journal.write("\n" + json.dumps(line, ensure_ascii=False) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
    except OSError as error:
        raise DataError(f"{path} could not be written ({error.strerror}); what is finished is kept") from error
