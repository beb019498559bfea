"""The losses against numbers worked out by hand, and what they must not learn from."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from open_elsa.training import losses

NAN = float("nan")


def unit(n: int, seed: int, dim: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=1).requires_grad_()


def test_contrast_of_two_pairs_by_hand() -> None:
    audio = torch.eye(2)
    text = torch.tensor([[0.8, 0.6], [0.0, 1.0]])
    # scores 2 * [[0.8, 0.0], [0.6, 1.0]]; rows are sounds, columns texts
    to_text = (math.log1p(math.exp(0.0 - 1.6)) + math.log1p(math.exp(1.2 - 2.0))) / 2
    to_audio = (math.log1p(math.exp(1.2 - 1.6)) + math.log1p(math.exp(0.0 - 2.0))) / 2
    loss = losses.contrastive(audio, text, torch.tensor(2.0))
    assert float(loss) == pytest.approx((to_text + to_audio) / 2, abs=1e-6)


@pytest.mark.parametrize("captions", [1, 2])
def test_without_facts_it_is_the_papers_cross_entropy(captions: int) -> None:
    audio, text = unit(5, 0), unit(5 * captions, 1)
    own = torch.arange(5)
    wanted = torch.zeros(())
    for k in range(captions):
        scores = 7.0 * audio @ text.T
        # other captions of the same sound are no negatives
        for other in set(range(captions)) - {k}:
            scores = scores.masked_fill(torch.eye(5 * captions)[other * 5 : other * 5 + 5] > 0, -math.inf)
        wanted = wanted + cross_entropy(scores, own + 5 * k) / (2 * captions)
        wanted = wanted + cross_entropy(7.0 * text[5 * k : 5 * k + 5] @ audio.T, own) / (2 * captions)
    loss = losses.contrastive(audio, text, torch.tensor(7.0))
    torch.testing.assert_close(loss, wanted)


def test_pairs_that_are_true_as_well_are_no_negatives() -> None:
    audio, text = unit(3, 0), unit(3, 1)
    sounds = torch.tensor([[1, 2], [5, 2], [5, 1]])
    texts = torch.tensor([[0, 2], [5, 0], [5, 1]])  # the first is true of sounds 0 and 1, the second of 1 and 2
    assert losses.describes(texts, sounds).tolist() == [[True, False, False], [True, True, False], [False, True, True]]
    scores = (audio @ text.T * 4.0).masked_fill(torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0]]).bool(), -math.inf)
    wanted = (cross_entropy(scores, torch.arange(3)) + cross_entropy(scores.T, torch.arange(3))) / 2
    loss = losses.contrastive(audio, text, torch.tensor(4.0), sounds, texts)
    torch.testing.assert_close(loss, wanted)
    assert float(loss.detach()) < float(losses.contrastive(audio, text, torch.tensor(4.0)))


def test_rows_without_any_negative_give_zero_and_finite_gradients() -> None:
    audio, text, scale = unit(3, 0), unit(6, 1), torch.tensor(10.0, requires_grad=True)
    loss = losses.contrastive(audio, text, scale, torch.ones(3, 6, dtype=torch.long), torch.zeros(6, 6).long())
    gradients = torch.autograd.grad(loss, [audio, text, scale])
    assert float(loss) == 0
    assert all(bool((g == 0).all()) for g in gradients)


def test_direction_is_minus_the_mean_cosine_of_sounds_with_a_place() -> None:
    said = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], requires_grad=True)
    true = torch.tensor([[0.5, math.sqrt(0.75), 0.0], [NAN, NAN, NAN], [0.0, 0.0, -1.0]])
    loss = losses.direction(said, true, torch.tensor([True, False, True]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss) == pytest.approx(-(0.5 - 1.0) / 2)
    assert said.grad is not None
    torch.testing.assert_close(said.grad[1], torch.zeros(3))
    torch.testing.assert_close(said.grad[2], torch.tensor([0.0, 0.0, 0.5]))


def test_squared_counts_known_truths_of_spatial_sounds_only() -> None:
    said = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    true = torch.tensor([3.0, NAN, 9.0, 3.0])
    loss = losses.squared(said, true, torch.tensor([True, True, False, True]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss) == pytest.approx((4 + 1) / 2)
    assert said.grad is not None
    assert said.grad.tolist() == [-2.0, 0.0, 0.0, 1.0]


def test_a_batch_of_mono_sounds_teaches_no_place() -> None:
    said = torch.ones(2, 3, requires_grad=True)
    nowhere = torch.zeros(2, dtype=torch.bool)
    total = (
        losses.direction(said, torch.full((2, 3), NAN), nowhere)
        + losses.squared(said[:, 0], torch.full((2,), NAN), nowhere)
        + losses.spread(said[:, 1], said, torch.full((2, 3), NAN), nowhere)
    )
    total.backward()
    assert float(total) == 0
    assert said.grad is not None and not said.grad.any()


def test_spread_learns_the_error_and_leaves_the_direction_alone() -> None:
    said = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    true = torch.tensor([[0.0, 1.0, 0.0]])  # 90 degrees away
    at = torch.tensor([90.0], requires_grad=True)
    loss = losses.spread(at, said, true, torch.tensor([True]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss) == pytest.approx(1 + math.log(90), abs=1e-5)
    assert at.grad is not None and abs(float(at.grad[0])) < 1e-6  # the minimum lies at the error itself
    assert said.grad is None
    below, above = (losses.spread(torch.tensor([x]), said, true, torch.tensor([True])) for x in (60.0, 130.0))
    assert min(float(below), float(above)) > float(loss)


def test_words_are_learned_from_rows_that_state_them() -> None:
    logits = (torch.tensor([[2.0, 0.0], [0.0, 0.0], [5.0, -5.0]]), torch.zeros(3, 3))
    facts = torch.tensor([[9, 1, 0], [9, 2, 3], [9, 0, 0]])
    first = (math.log1p(math.exp(-2.0)) + math.log(2)) / 2
    assert float(losses.words(logits, facts)) == pytest.approx((first + math.log(3)) / 2, abs=1e-6)


def test_a_relative_error_by_hand() -> None:
    said, true = torch.tensor([0.5, 2.0, 3.0, 30.0, 1.0]).log(), torch.tensor([1.0, 1.0, 1.0, 1.0, NAN]).log()
    known = torch.ones(5, dtype=torch.bool)
    # half as far is 50 % off, twice as far 100 %; beyond e times it is e - 1 and the logarithm of the rest
    far = [math.e - 1 + math.log(3.0) - 1, math.e - 1 + math.log(30.0) - 1]
    assert float(losses.relative(said, true, known)) == pytest.approx((0.5 + 1.0 + sum(far)) / 4, rel=1e-6)
    assert float(losses.relative(said, true, known & (said < 0))) == pytest.approx(0.5, rel=1e-6)


def test_unsure_of_two_distances_it_says_the_smaller() -> None:
    """The best single answer to "1 m or 3 m, who knows" by relative error is 1 m; by squares of logarithms, 1.7 m."""
    said = torch.tensor(0.5, requires_grad=True)
    optimizer = torch.optim.SGD([said], 0.02)
    for _ in range(200):
        optimizer.zero_grad()
        losses.relative(said.expand(2), torch.tensor([1.0, 3.0]).log(), torch.ones(2, dtype=torch.bool)).backward()
        optimizer.step()
    assert float(said.detach().exp()) == pytest.approx(1.0, abs=0.05)
