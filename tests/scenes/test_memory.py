"""Keeping memory in worker processes."""

from __future__ import annotations

import platform
import subprocess
import sys

PROGRAM = """
import resource
import numpy as np
from open_elsa.scenes.memory import keep_memory
kept = keep_memory() if {keep} else False
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        [np.ones(1_500_000 * k) for k in range(1, 6)]  # up to 60 MB: beyond what malloc takes from its heap by default
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(kept, faults())
"""


def run(keep: bool) -> tuple[bool, int]:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(keep=keep)], capture_output=True, text=True, check=True)
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


def test_freed_memory_is_used_again_where_the_c_library_can_be_told() -> None:
    glibc = sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"
    kept, faults = run(keep=True)
    assert kept == glibc
    if glibc:
        _, without = run(keep=False)
        assert faults < 0.1 * without
