"""A process that decodes one uploaded file under limits and ends: whatever a hostile file does happens here.

Run as: python -m open_elsa.app.server_decoder JSON, with the fields of `Job`. Writes the samples, (1 or 4, n) float32,
to Job.out as .npy and prints one JSON object: {"sample_rate", "notes", "stereo_balance_db"} or {"error"}.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict, dataclass
from typing import Any

#: Decoded numbers take up to so many times their bytes while channels are put in order.
COPIES = 4


@dataclass(frozen=True)
class Job:
    """One file to decode, and how much it may cost.

    name: what the file is called in messages. most_s: seconds of sound; most_bytes: of the decoded samples, 4 a number;
    memory_bytes: address space of the process; cpu_s: processor seconds.
    """

    path: str
    out: str
    name: str
    convention: str
    most_s: float
    most_bytes: int
    memory_bytes: int
    cpu_s: int

    def as_json(self) -> str:
        """What the process is started with."""
        return json.dumps(asdict(self))


def main(argument: str) -> None:
    """Set the limits, then decode."""
    job = Job(**json.loads(argument))
    for limit, most in (
        (resource.RLIMIT_AS, job.memory_bytes),
        (resource.RLIMIT_CPU, job.cpu_s),
        (resource.RLIMIT_FSIZE, job.most_bytes + 4096),  # the header of .npy
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    with os.fdopen(os.dup(1), "w") as told:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libsndfile prints about some damaged files, into the answer
        try:
            answer = decode(job)
        except MemoryError:
            answer = {"error": f"{job.name}: decoding it takes more memory than it is given; send a shorter sound"}
        print(json.dumps(answer), file=told)


def decode(job: Job) -> dict[str, Any]:
    """Decode the file of a job; errors are returned, with the file called by its own name."""
    import numpy as np

    from open_elsa.errors import ElsaError
    from open_elsa.sound import audio

    try:
        header = audio.info(job.path)
        if header.duration_s > job.most_s:
            return {
                "error": f"{job.name}: {header.duration_s:.0f} s of sound, at most {job.most_s:g} s are taken; "
                "send a part of it, or index the file with: elsa index FOLDER"
            }
        size = 4 * header.channels * header.frames
        if size > job.most_bytes:
            return {
                "error": f"{job.name}: {size} bytes when decoded ({header.channels} channels of {header.frames} "
                f"samples), at most {job.most_bytes} are taken; send a part of it"
            }
        sound = audio.read(job.path, convention=job.convention)
    except ElsaError as error:
        return {"error": str(error).replace(job.path, job.name)}
    np.save(job.out, sound.samples, allow_pickle=False)
    notes = [note.replace(job.path, job.name) for note in sound.notes]
    return {"sample_rate": sound.sample_rate, "notes": notes, "stereo_balance_db": sound.stereo_balance_db}


if __name__ == "__main__":
    main(sys.argv[1])
