"""Beam search for the likeliest texts: deterministic, one batch of rows after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

State = TypeVar("State")


@dataclass(frozen=True)
class Hypothesis:
    """A text found: its ids without the end, and the sum of its log-probabilities, the end's included."""

    ids: tuple[int, ...]
    log_probability: float

    def score(self, length_power: float) -> float:
        """The log-probability over length to a power: with 0 the likeliest text wins, which is mostly a short one."""
        length: float = (len(self.ids) + 1) ** length_power
        return self.log_probability / length


class Model(Protocol, Generic[State]):
    """What search needs of a language model; rows are beams of items, an item's beams one after the other."""

    def begin(self, embeddings: Tensor) -> tuple[Tensor, State]:
        """Logits (items, vocabulary) of the first token, and what the model remembers."""

    def go_on(self, tokens: Tensor, parents: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (rows, vocabulary) after `tokens` (rows,), each put after row `parents` (rows,) of the step before."""


@torch.inference_mode()
def search(
    model: Model[State], embeddings: Tensor, *, end: int, beams: int, max_tokens: int, length_power: float
) -> list[list[Hypothesis]]:
    """The best finished texts of each of the embeddings (items, d), at most `beams`, best first.

    beams: 1 is the greedy text. max_tokens: longer texts are given up; where nothing ended, the best beginning is
    taken. length_power: see `Hypothesis.score`. Equal ones in the order of beams and ids, so the same every time.
    """
    logits, state = model.begin(embeddings)
    items = len(embeddings)
    found = [_Item(beams, length_power) for _ in range(items)]
    first = torch.log_softmax(logits.float(), -1)
    scores, tokens = torch.topk(first, min(2 * beams, first.shape[1]), dim=1, sorted=True)
    rows = [
        item.step(s, [0] * len(t), t, end) for item, s, t in zip(found, scores.tolist(), tokens.tolist(), strict=True)
    ]
    parents = torch.arange(items, device=embeddings.device).repeat_interleave(beams)
    for _ in range(max_tokens - 1):
        if all(item.done for item in found):
            break
        taken = torch.tensor([t for row in rows for t in row.tokens], device=embeddings.device)
        logits, state = model.go_on(taken, parents, state)
        log_p = torch.log_softmax(logits.float(), -1)
        vocabulary = log_p.shape[1]
        so_far = torch.tensor([s for row in rows for s in row.scores], device=log_p.device)
        total = (log_p + so_far[:, None]).view(items, beams * vocabulary)
        scores, places = torch.topk(total, min(2 * beams, total.shape[1]), dim=1, sorted=True)
        rows = [
            item.step(s, [p // vocabulary for p in place], [p % vocabulary for p in place], end)
            for item, s, place in zip(found, scores.tolist(), places.tolist(), strict=True)
        ]
        parents = torch.tensor([k * beams + p for k, row in enumerate(rows) for p in row.parents], device=log_p.device)
    return [item.best() for item in found]


def within(found: list[Hypothesis], margin: float) -> list[Hypothesis]:
    """The texts whose log-probability is no further than `margin` nats below the likeliest one's, in their order."""
    least = max(h.log_probability for h in found) - margin
    return [h for h in found if h.log_probability >= least]


@dataclass
class _Rows:
    """The beams of an item after a step."""

    scores: list[float]
    parents: list[int]
    tokens: list[int]


class _Item:
    """The beams of one embedding: what is being written, and what is finished."""

    def __init__(self, beams: int, length_power: float) -> None:
        self.beams, self.length_power = beams, length_power
        self.written: list[tuple[int, ...]] = [()]
        self.scores = [0.0]
        self.finished: list[Hypothesis] = []
        self.done = False

    def step(self, scores: list[float], parents: list[int], tokens: list[int], end: int) -> _Rows:
        """Take the best candidates, best first; an end counts only among the best `beams` of them."""
        rows = _Rows([], [], [])
        written = []
        for rank, (score, parent, token) in enumerate(zip(scores, parents, tokens, strict=True)):
            if score == float("-inf"):
                continue
            if token == end:
                if rank < self.beams and not self.done:
                    self.finished.append(Hypothesis(self.written[parent], score))
            elif len(rows.tokens) < self.beams:
                rows.scores.append(score)
                rows.parents.append(parent)
                rows.tokens.append(token)
                written.append((*self.written[parent], token))
        for _ in range(self.beams - len(rows.tokens)):  # fewer candidates than beams: rows that lead nowhere
            rows.scores.append(float("-inf"))
            rows.parents.append(0)
            rows.tokens.append(end)
            written.append(())
        self.written, self.scores = written, rows.scores
        if len(self.finished) >= self.beams and not self.done:
            worst = sorted((h.score(self.length_power) for h in self.finished), reverse=True)[self.beams - 1]
            self.done = worst >= Hypothesis(written[0], rows.scores[0]).score(self.length_power)
        return rows

    def best(self) -> list[Hypothesis]:
        """The finished texts, best first, or the best beginning."""
        if not self.finished:
            return [Hypothesis(self.written[0], self.scores[0])]
        return sorted(self.finished, key=lambda h: -h.score(self.length_power))[: self.beams]
