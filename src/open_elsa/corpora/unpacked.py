"""Sounds that lie inside another file (a tar, a Parquet or Arrow table), put into files of their own, once.

A clip is a file everywhere else: rendering, workers and sets of scenes open its path. So the encoded bytes are copied
as they are, nothing is decoded, into `$ELSA_CACHE` (default `~/.cache/open-elsa`), in a folder that is named after the
outer file and changes when that file does. Deleting the cache is safe: the next reading fills it again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath

from open_elsa.corpora import base
from open_elsa.errors import DataError
from open_elsa.scenes.scene_files import write_whole

#: How encoded sounds begin, for those whose name has no suffix.
_MAGIC = ((b"RIFF", ".wav"), (b"RF64", ".wav"), (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"ID3", ".mp3"))


def folder(outer: Path) -> Path:
    """Return the cache folder for the sounds of one tar or table; it is made when the first sound comes."""
    state = outer.stat()
    key = f"{outer.resolve()}\n{state.st_size}\n{state.st_mtime_ns}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("ELSA_CACHE") or Path.home() / ".cache" / "open-elsa")
    return cache / "unpacked" / f"{outer.stem}-{digest}"


def put(where: Path, name: str, data: bytes) -> Path:
    """Write one sound whole or not at all under `where`, unless it is there; returns its path."""
    path = where / name
    if not (path.is_file() and path.stat().st_size == len(data)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{path.parent} cannot be made ({error}); set ELSA_CACHE to a folder with room") from None
        write_whole(path, lambda p: p.write_bytes(data))
    return path


def suffix(name: str, data: bytes = b"") -> str:
    """Tell the suffix of a sound from its name, or from how its bytes begin; ".wav" where neither says."""
    found = PurePosixPath(name).suffix.lower()
    if found in base.AUDIO_SUFFIXES:
        return found
    return next((kind for start, kind in _MAGIC if data.startswith(start)), ".wav")
