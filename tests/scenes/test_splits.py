"""Rooms of training, validation and test never meet."""

from __future__ import annotations

import itertools

import pytest

from open_elsa.evals.suites import SEEDS
from open_elsa.scenes import bank as bank_module
from open_elsa.scenes.rooms import RoomRanges
from open_elsa.scenes.scene import Room
from open_elsa.training.recipes import RECIPES, recipe


def rooms_of(seed: int, balanced: bool) -> list[Room]:
    made = bank_module._Recipe(seed, 8, 1, 16_000, RoomRanges(), balanced, 256)
    return [bank_module._bank_room(made, index) for index in range(8)]


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_trains_validates_and_is_tested_in_other_rooms(name: str) -> None:
    seed = recipe(name).bank_seed
    assert not {seed, seed + 1} & set(SEEDS.values())
    splits = {"train": rooms_of(seed, False), "val": rooms_of(seed + 1, False), "test": rooms_of(SEEDS["test"], True)}
    for one, other in itertools.combinations(splits.values(), 2):
        assert not {room.room_id for room in one} & {room.room_id for room in other}
        assert not {room.size_m for room in one} & {room.size_m for room in other}
        assert not {room.absorption for room in one} & {room.absorption for room in other}


def test_a_room_is_a_function_of_seed_and_number_alone() -> None:
    assert rooms_of(5, False) == rooms_of(5, False)
    assert rooms_of(5, False)[3] != rooms_of(6, False)[3]
