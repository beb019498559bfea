"""The machine that something was measured on, in words."""

from __future__ import annotations

import os
import platform


def described() -> str:
    """Cores and kind of processor: "2-core x86_64 CPU"."""
    return f"{os.cpu_count()}-core {platform.machine()} CPU"
