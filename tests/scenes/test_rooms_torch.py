"""The batched torch version gives the responses of the NumPy one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from open_elsa.errors import DataError
from open_elsa.scenes.rooms import ResponsePlan, RoomRanges, draw_position, draw_room, plan_response, render_plan
from open_elsa.scenes.rooms_torch import render_plans


def plans(count: int, rate: int, seed: int = 0) -> list[ResponsePlan]:
    """Plans of drawn rooms, short and long, small and large, with every directivity."""
    rng, ranges = np.random.default_rng(seed), RoomRanges()
    out = []
    for i in range(count):
        room = draw_room(rng, ranges, str(i))
        out.append(plan_response(room, draw_position(rng, room, ranges), rng, rate))
    return out


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_batch_equals_the_responses_one_by_one(rate: int) -> None:
    batch = plans(9, rate)
    assert len({plan.early_size for plan in batch}) > 1  # several transform sizes in one batch
    torch.set_num_threads(1)
    together = render_plans(batch).numpy()
    assert together.dtype == np.float32
    for found, plan in zip(together, batch, strict=True):
        wanted = render_plan(plan)
        assert np.abs(found[:, : plan.samples] - wanted).max() < 1e-4 * np.abs(wanted).max()
        assert not found[:, plan.samples :].any()
        # the tail too, thousands of times below the direct sound
        late = slice(plan.samples // 2, plan.samples)
        error = found[:, late] - wanted[:, late]
        assert np.sqrt(np.square(error).mean()) < 1e-3 * np.sqrt(np.square(wanted[:, late]).mean())


def test_other_noise_gives_another_response() -> None:
    one, two = render_plans(plans(1, 16_000)), render_plans(plans(1, 16_000, seed=1))
    n = min(one.shape[-1], two.shape[-1])
    assert (one[..., :n] - two[..., :n]).abs().max() > 1e-2 * one.abs().max()


def test_batches_of_nothing_or_of_two_rates_are_refused() -> None:
    for bad in ([], [*plans(1, 16_000), *plans(1, 48_000)]):
        with pytest.raises(DataError, match="one sample rate"):
            render_plans(bad)
