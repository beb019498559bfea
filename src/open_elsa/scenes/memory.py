"""Memory of processes that simulate, render and train: kept when freed, instead of fetched from the system anew."""

from __future__ import annotations

import ctypes
import sys

#: Parameters of glibc's mallopt(3), with the largest values that it takes or that are of use here.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = (-1, 2**31 - 1), (-2, 2**26), (-4, 0)


def keep_memory() -> bool:
    """Tell the C library of this process to keep freed memory; True where that is possible (Linux with glibc).

    Arrays of a megabyte otherwise come from the system page by page, each time anew, which costs as much as what is
    computed in them. Worker processes and `elsa train` call this as they start; it is never done to a process that is
    not ours. The environment variables MALLOC_MMAP_MAX_, MALLOC_TRIM_THRESHOLD_ and MALLOC_TOP_PAD_ do the same to
    any program.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return all(mallopt(*setting) == 1 for setting in (_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX))
