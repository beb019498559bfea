"""Fixtures shared by every test; one thread a process, so that results don't depend on the machine."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(1)

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The recordings beside the checkout; tests that need them are skipped where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no recordings beside the checkout")
    return SHARED_DATA
