"""The small world, made once for all tests of training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from world import anechoic_world, make_world

from open_elsa.training.examples import TrainData


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> TrainData:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def anechoic(tmp_path_factory: pytest.TempPathFactory) -> TrainData:
    return anechoic_world(tmp_path_factory.mktemp("anechoic"))
