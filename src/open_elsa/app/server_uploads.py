"""Uploaded sounds: streamed to a temporary folder, decoded in a process with limits, and gone when answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from fastapi import HTTPException, Request
from starlette.datastructures import FormData, UploadFile

import open_elsa
from open_elsa.app.server_decoder import COPIES, Job
from open_elsa.errors import AudioError
from open_elsa.sound.audio import Sound

#: Address space that an interpreter with numpy and libsndfile takes before it decodes anything.
INTERPRETER_BYTES = 768 << 20


@dataclass(frozen=True)
class DecodeLimits:
    """What decoding one upload may cost.

    seconds of sound; bytes of decoded samples; cpu_s and wall_s: processor and real seconds of the process.
    """

    seconds: float = 600.0
    bytes: int = 512 << 20
    cpu_s: int = 20
    wall_s: float = 30.0


def upload_name(name: str | None) -> str:
    """What an upload is called in answers: the last part of the name it came with, printable, at most 120 letters."""
    last = re.split(r"[/\\]", name or "")[-1]
    return "".join(c for c in last if c.isprintable())[:120] or "upload"


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[tuple[Path, str]]:
    """The sound in a request's body, as a file and its name: field "file" of a form, or the whole body.

    Raises HTTPException for a form without the field and for no body. The size of bodies is limited before this, while
    they come in. The file is removed afterwards.
    """
    folder = Path(tempfile.mkdtemp(prefix="elsa-upload-"))
    try:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with _form(request) as form:
                part = form.get("file")
                if not isinstance(part, UploadFile):
                    raise HTTPException(400, 'the form has no file in a field called "file": curl -F file=@sound.wav')
                name = upload_name(part.filename)
                path = folder / f"sound{_suffix(name)}"
                await asyncio.to_thread(_copy, part.file, path)
        else:
            name, path = "upload", folder / "sound"
            with path.open("wb") as file:
                async for chunk in request.stream():
                    file.write(chunk)
        if path.stat().st_size == 0:
            raise HTTPException(400, "the request holds no sound: send a file as its body, or as form field 'file'")
        yield path, name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    try:
        form = await request.form(max_files=1, max_fields=8)
    except UnicodeError as error:  # of codecs that decode nothing, such as "undefined"
        raise HTTPException(400, "the form's charset cannot be read; send it in UTF-8") from error
    try:
        yield form
    finally:
        await form.close()


def _suffix(name: str) -> str:
    """The suffix, which says for .amb what the channels are; nothing else of the name touches the disk."""
    suffix = Path(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


async def decoded(
    path: Path, name: str, convention: str, limits: DecodeLimits, *, started: Callable[[int], None] = lambda _: None
) -> Sound:
    """Decode a file in a process of its own: a Sound whose samples lie in a file beside `path`, read as needed.

    started is told the process's id. Raises AudioError for whatever cannot be decoded within the limits, also where the
    process was killed.
    """
    out = path.with_name("decoded.npy")
    memory = INTERPRETER_BYTES + COPIES * limits.bytes
    job = Job(str(path), str(out), name, convention, limits.seconds, limits.bytes, memory, limits.cpu_s)
    # -P: nothing is imported from the folder that holds the upload
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "open_elsa.app.server_decoder", job.as_json()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
        cwd=path.parent,
    )
    try:
        started(process.pid)
        printed, _ = await asyncio.wait_for(process.communicate(), limits.wall_s)
    except TimeoutError:
        raise AudioError(f"{name}: decoding took more than {limits.wall_s:g} s; send a shorter sound") from None
    finally:  # also when the request is given up
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    answer = _parse(printed) if process.returncode == 0 else None
    if answer is None:
        raise AudioError(
            f"{name}: the decoder ended with code {process.returncode}, so the file is damaged or takes more memory or "
            "time than it is given; write it anew as WAV or FLAC, or send a shorter sound"
        )
    if "error" in answer:
        raise AudioError(str(answer["error"]))
    samples = np.load(out, mmap_mode="c", allow_pickle=False)  # torch asks for writable arrays
    return Sound(samples, int(answer["sample_rate"]), name, tuple(answer["notes"]), answer["stereo_balance_db"])


def _parse(printed: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(printed)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _environment() -> dict[str, str]:
    """Little: no secrets for a process that may be taken over, and one thread, as each reserves address space."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**kept, **threads, "PYTHONPATH": str(Path(str(open_elsa.__file__)).parents[1]), "MALLOC_ARENA_MAX": "2"}
