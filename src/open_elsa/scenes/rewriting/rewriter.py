"""Captions → captions in a language model's words; what is not true is thrown away and the grammar's own stays."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from open_elsa.errors import ConfigError
from open_elsa.scenes import captions
from open_elsa.scenes.rewriting.answers import DEFAULT_MAX_UNANSWERED, AnswerCache, Asker, Unanswered
from open_elsa.scenes.rewriting.check import Reason, judge
from open_elsa.scenes.rewriting.models import LanguageModel, Prompt
from open_elsa.scenes.rewriting.prompts import TEMPLATE, prompt_for
from open_elsa.scenes.scene import SpatialCaption, SpatialWords

#: What to rewrite: a caption, which stays where no rewrite is true, or what is heard and where.
Item = SpatialCaption | tuple[str | None, SpatialWords]
_NO_WORDS = SpatialWords()


@dataclass(frozen=True)
class Refused:
    """An answer that was thrown away: of which item, in which draft, and why."""

    item: int
    draft: int
    answer: str
    reason: Reason
    detail: str


@dataclass(frozen=True)
class RewriteReport:
    """What came of rewriting: a checked caption for each item, in order, and what was refused, counted.

    rewritten: items that a rewrite was found for; the others kept the grammar's caption. refused: every answer that
    was thrown away. calls: prompts sent; cached: answers that were there already; tokens: used by the calls, as far as
    the model tells; unanswered: prompts that never got an answer; over_budget: items that were not asked, or not
    again, since the budget was spent; silent: items with nothing to rewrite, neither a sound nor a place.
    """

    captions: tuple[SpatialCaption, ...]
    rewritten: int
    refused: tuple[Refused, ...]
    calls: int
    cached: int
    tokens: int
    unanswered: int
    over_budget: int
    silent: int

    @property
    def refusals(self) -> dict[str, int]:
        """Reason → answers refused for it, in the order in which reasons are looked at; only those that occurred."""
        counts = Counter(r.reason for r in self.refused)
        return {reason.value: counts[reason] for reason in Reason if counts[reason]}

    def lines(self) -> list[str]:
        """The report for people."""
        total = len(self.captions)
        out = [
            f"{self.rewritten} of {total} captions rewritten; {total - self.rewritten} keep the grammar's own",
            f"{self.calls} calls, {self.cached} answers from the cache, {self.tokens} tokens",
            f"{len(self.refused)} answers refused" + (":" if self.refused else ""),
            *(f"  {count:>6}  {reason}" for reason, count in self.refusals.items()),
        ]
        if self.unanswered:
            out.append(f"{self.unanswered} prompts had no answer")
        if self.over_budget:
            out.append(f"{self.over_budget} captions were left alone: the budget is spent")
        if self.silent:
            out.append(f"{self.silent} captions tell neither a sound nor a place")
        return out


@dataclass
class _Work:
    """One item on its way."""

    place: int
    heard: str | None
    words: SpatialWords
    given: Item
    turn: int  # how many items before it say the same: each of them gets words of its own
    done: SpatialCaption | None = None

    @property
    def tells(self) -> bool:
        return self.heard is not None or self.words != _NO_WORDS

    def prompt(self, seed: int, draft: int) -> Prompt:
        told = json.dumps([TEMPLATE, seed, self.turn, draft, self.heard, asdict(self.words)], sort_keys=True)
        drawn = int.from_bytes(hashlib.sha256(told.encode()).digest()[:4], "little") % 2**31
        return prompt_for(self.heard, self.words, drawn)

    def own(self, seed: int) -> SpatialCaption:
        """The caption without a language model: the given one if it is true, else one of the grammar's."""
        if isinstance(self.given, SpatialCaption):
            if captions.parse(self.given.text) == self.words:
                return self.given
            what: str | None = self.given.original or None
        else:
            what = self.given[0]
        rng = np.random.default_rng([self.prompt(seed, 0).seed, self.turn])
        return captions.write_caption(what, self.words, rng)


@dataclass(frozen=True)
class Rewriter:
    """Rewrites captions with one model; see `rewrite` for the settings."""

    model: LanguageModel
    seed: int = 0
    cache: AnswerCache | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    drafts: int = 1
    kept: float = 1.0
    max_unanswered: int = DEFAULT_MAX_UNANSWERED
    progress: Callable[[int, int], None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.drafts < 1:
            raise ConfigError(f"drafts must be at least 1, got {self.drafts}")
        if not 0.0 < self.kept <= 1.0:
            raise ConfigError(f"kept is a share in (0, 1], got {self.kept:g}")

    def run(self, items: Iterable[Item]) -> RewriteReport:
        """Rewrite the items."""
        work = _sorted_out(items)
        asker = Asker(self.model, self.cache, self.max_calls, self.max_tokens, self.max_unanswered)
        waiting = [w for w in work if w.tells]
        silent = len(work) - len(waiting)
        refused: list[Refused] = []
        over_budget = 0
        for draft in range(self.drafts):
            answers = asker.ask([w.prompt(self.seed, draft) for w in waiting], self.progress)
            again = []
            for item, answer in zip(waiting, answers, strict=True):
                if isinstance(answer, Unanswered):
                    over_budget += answer.budget
                    continue
                verdict = judge(answer.text, item.heard, item.words, cut=answer.cut, kept=self.kept)
                if verdict.reason is None:
                    item.done = self._caption(item, verdict.text)
                else:
                    refused.append(Refused(item.place, draft, answer.text, verdict.reason, verdict.detail))
                    again.append(item)
            waiting = again
            if not waiting:
                break
        return RewriteReport(
            captions=tuple(w.done or w.own(self.seed) for w in work),
            rewritten=sum(w.done is not None for w in work),
            refused=tuple(sorted(refused, key=lambda r: (r.item, r.draft))),
            calls=asker.calls,
            cached=asker.cached,
            tokens=asker.tokens,
            unanswered=asker.unanswered,
            over_budget=over_budget,
            silent=silent,
        )

    def known(self, items: Iterable[Item]) -> int:
        """How many first drafts of the items the cache holds; nothing is asked."""
        asker = Asker(self.model, self.cache)
        return sum(asker.known(prompt) is not None for prompt in prompts(items, self.seed))

    def _caption(self, item: _Work, text: str) -> SpatialCaption:
        given = item.given
        original = given.original if isinstance(given, SpatialCaption) else given[0] or ""
        return SpatialCaption(text, original, item.words, f"rewrite:{self.model.name}", True)


def rewrite(
    items: Iterable[Item],
    model: LanguageModel,
    *,
    seed: int = 0,
    cache: AnswerCache | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    drafts: int = 1,
    kept: float = 1.0,
    max_unanswered: int = DEFAULT_MAX_UNANSWERED,
    progress: Callable[[int, int], None] | None = None,
) -> RewriteReport:
    """Have a language model rephrase spatial captions, and keep the rewrites that are true.

    items: captions, or pairs of what is heard (None: nothing is said of it) and the spatial words; spatial statements
    in what is heard are taken out, since the words tell where. Every answer is read back with `check.judge`; one that
    changes, drops or invents anything is refused, asked again with another seed while there are `drafts`, and at last
    the caption that was given stays, or the grammar writes one. kept: see `judge`. max_calls, max_tokens,
    max_unanswered: see `Asker`. Same seed, same answers; two items that say the same get different seeds. The result
    does not depend on the model's concurrency. Raises LanguageModelError when the model cannot be used.
    """
    return Rewriter(model, seed, cache, max_calls, max_tokens, drafts, kept, max_unanswered, progress).run(items)


def prompts(items: Iterable[Item], seed: int = 0) -> list[Prompt]:
    """The questions that the first draft asks, in order."""
    return [work.prompt(seed, 0) for work in _sorted_out(items) if work.tells]


def _sorted_out(items: Iterable[Item]) -> Sequence[_Work]:
    seen: Counter[tuple[str | None, SpatialWords]] = Counter()
    work = []
    for place, item in enumerate(items):
        what, words = (item.original, item.words) if isinstance(item, SpatialCaption) else item
        heard = captions.strip_claims(what or "") or None
        work.append(_Work(place, heard, words, item, seen[heard, words]))
        seen[heard, words] += 1
    return work
