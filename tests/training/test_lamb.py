"""LAMB's steps worked out by hand."""

from __future__ import annotations

import math

import torch

from open_elsa.training.lamb import Lamb


def test_two_steps_by_hand() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = Lamb([weight], lr=0.1, betas=(0.9, 0.99), eps=0.0, weight_decay=0.5)
    weight.grad = torch.tensor([2.0, -0.5])
    optimizer.step()
    # Adam's first step is the sign; with decay: (1 + 1.5, -1 + 2); as long as the weight (5), times the rate
    length = math.hypot(2.5, 1.0)
    first = torch.tensor([3.0 - 0.1 * 5 / length * 2.5, 4.0 - 0.1 * 5 / length * 1.0])
    torch.testing.assert_close(weight.detach(), first)

    weight.grad = torch.tensor([1.0, 1.0])
    optimizer.step()
    mean = torch.tensor([0.9 * 0.2 + 0.1, 0.9 * -0.05 + 0.1]) / (1 - 0.9**2)
    square = torch.tensor([0.99 * 0.04 + 0.01, 0.99 * 0.0025 + 0.01]) / (1 - 0.99**2)
    update = mean / square.sqrt() + 0.5 * first
    torch.testing.assert_close(weight.detach(), first - 0.1 * first.norm() / update.norm() * update)


def test_a_zero_weight_takes_adams_step() -> None:
    bias = torch.nn.Parameter(torch.zeros(2))
    optimizer = Lamb([bias], lr=0.1, eps=0.0, weight_decay=0.0)
    bias.grad = torch.tensor([5.0, -0.1])
    optimizer.step()
    torch.testing.assert_close(bias.detach(), torch.tensor([-0.1, 0.1]))
