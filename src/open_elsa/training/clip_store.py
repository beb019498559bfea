"""Decoded clips in one memory-mapped file: training reads any moment of any clip in microseconds."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from open_elsa.errors import DataError, ElsaError
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_files import write_whole
from open_elsa.sound import audio

logger = logging.getLogger("open_elsa")

_SCALE = 32767.0


class ClipStore:
    """The W or mono of every clip as 16-bit samples at one rate, silence trimmed from both ends.

    Made once per clip list (the folder's key is a hash of it) and reused; `store[i]` is (n,) float32.
    """

    def __init__(self, folder: Path) -> None:
        meta = json.loads((folder / "store.json").read_text())
        self.folder = folder
        self.sample_rate: int = meta["sample_rate"]
        self.ids: list[str] = meta["ids"]
        self.offsets = np.asarray(meta["offsets"], dtype=np.int64)
        self._samples: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> NDArray[np.float32]:
        if self._samples is None:  # opened in the process that reads: a memory map does not travel to workers
            self._samples = np.memmap(self.folder / "samples.int16", dtype=np.int16, mode="r")
        return self._samples[self.offsets[i] : self.offsets[i + 1]].astype(np.float32) / _SCALE

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_samples": None}


def build_store(
    cache: Path,
    clips: Sequence[Clip],
    sample_rate: int,
    *,
    max_seconds: float = 20.0,
    max_problems: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> ClipStore:
    """Decode the clips once, or open what an earlier run left under `cache`.

    Clips that cannot be read or are silent are skipped with a warning, at most `max_problems` (then DataError).
    """
    key = hashlib.sha256(
        json.dumps([[c.id, c.path] for c in clips] + [[sample_rate, max_seconds]]).encode()
    ).hexdigest()[:16]
    folder = cache / f"clips-{key}"
    if (folder / "store.json").exists():
        return ClipStore(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ids, offsets, problems = [], [0], []
    partial = folder / "samples.int16.part"
    with partial.open("wb") as out:
        for k, clip in enumerate(clips):
            try:
                samples = _decode(clip, sample_rate, max_seconds)
            except ElsaError as error:
                problems.append(str(error))
                logger.warning("skipped: %s", error)
                if len(problems) > max_problems:
                    raise DataError(
                        f"more than {max_problems} clips cannot be read; the first: {problems[0]}"
                    ) from error
                continue
            out.write((np.clip(samples, -1, 1) * _SCALE).astype(np.int16).tobytes())
            ids.append(clip.id)
            offsets.append(offsets[-1] + len(samples))
            if progress:
                progress(k + 1, len(clips))
        if not ids:
            raise DataError(f"none of the {len(clips)} clips can be used" + "".join(f"; {p}" for p in problems[:1]))
        out.flush()
        os.fsync(out.fileno())
    partial.replace(folder / "samples.int16")
    meta = {"sample_rate": sample_rate, "ids": ids, "offsets": offsets, "problems": problems}
    write_whole(folder / "store.json", lambda path: path.write_text(json.dumps(meta)))
    return ClipStore(folder)


def _decode(clip: Clip, sample_rate: int, max_seconds: float) -> NDArray[np.float32]:
    sound = audio.to_rate(audio.read(clip.path), sample_rate)
    samples = sound.w[: int(max_seconds * sample_rate)]
    if audio.is_silent(samples):
        raise DataError(f"{clip.path} is silent")
    start, stop = audio.active_span(samples, sample_rate)
    return samples[start:stop]
