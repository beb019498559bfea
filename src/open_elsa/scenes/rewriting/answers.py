"""Answers of a language model: asked once each, kept in a file, at most as many as the budget allows."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from open_elsa.errors import ConfigError, DataError, LanguageModelError
from open_elsa.scenes.rewriting.models import Answer, LanguageModel, NoAnswer, Prompt

#: Prompts without an answer that are passed over before asking stops.
DEFAULT_MAX_UNANSWERED = 20
_VERSION = 1


class AnswerCache:
    """Answers by the hash of everything they depend on, in an SQLite file; each is on the disk before the next comes.

    A kill at any moment loses no answer that was put. Raises DataError for a file that is something else or cannot be
    written. Use it as a context, or call `close`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30.0)
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise DataError(f"{self.path} holds answers of version {version}; name another file")
            with self._db:
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, model TEXT NOT NULL,"
                    " text TEXT NOT NULL, tokens INTEGER NOT NULL, cut INTEGER NOT NULL) WITHOUT ROWID"
                )
                self._db.execute(f"PRAGMA user_version = {_VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise DataError(f"{self.path} cannot hold answers ({error}); name another file") from error

    def get(self, key: str) -> Answer | None:
        """The answer of a key, None where there is none yet."""
        try:
            row = self._db.execute("SELECT text, tokens, cut FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise DataError(f"{self.path} cannot be read ({error}); delete it to ask again") from error
        return None if row is None else Answer(row[0], row[1], bool(row[2]))

    def put(self, answers: Sequence[tuple[str, Answer]], model: str) -> None:
        """Keep answers; those that are there already stay as they are."""
        rows = [(key, model, a.text.encode("utf-8", "replace").decode(), a.tokens, a.cut) for key, a in answers]
        try:
            with self._db:
                self._db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise DataError(f"{self.path} could not be written ({error}); the answers so far are kept") from error

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> AnswerCache:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class Unanswered:
    """Why a prompt has no answer; `budget`: it was never sent, since the budget is spent."""

    why: str
    budget: bool = False


@dataclass
class Asker:
    """Asks a model, several prompts at once, none of them twice; counts what that cost.

    max_calls: prompts sent at most (however often one is tried); max_tokens: once the answers, in the order of their
    prompts, have used so many, no further one is taken; up to `concurrency` calls may be on their way by then. Which
    prompts are answered depends on the order alone, not on the concurrency. Answers from the cache cost nothing.
    More than max_unanswered prompts without an answer raise LanguageModelError, and so does the first one when the
    model has not answered anything yet.
    """

    model: LanguageModel
    cache: AnswerCache | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_unanswered: int = DEFAULT_MAX_UNANSWERED
    calls: int = 0
    cached: int = 0
    tokens: int = 0
    unanswered: int = 0
    _taken: int = field(default=0, repr=False)
    _held: dict[str, Answer] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, value in (("max_calls", self.max_calls), ("max_tokens", self.max_tokens)):
            if value is not None and value < 0:
                raise ConfigError(f"{name} cannot be negative, got {value}")

    def key(self, prompt: Prompt) -> str:
        """Hash of everything that an answer depends on."""
        told = json.dumps([_VERSION, self.model.identity, asdict(prompt)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    def known(self, prompt: Prompt) -> Answer | None:
        """The answer if it is there already."""
        key = self.key(prompt)
        if key not in self._held and self.cache is not None and (found := self.cache.get(key)) is not None:
            self._held[key] = found
        return self._held.get(key)

    def ask(
        self, prompts: Sequence[Prompt], progress: Callable[[int, int], None] | None = None
    ) -> list[Answer | Unanswered]:
        """Answer each prompt, in order; `progress` is told how many of them are done."""
        keys = [self.key(p) for p in prompts]
        found: dict[str, Answer | Unanswered] = {}
        asked: dict[str, Prompt] = {}
        for key, prompt in zip(keys, prompts, strict=True):
            if key in found:
                continue
            if (answer := self.known(prompt)) is not None:
                found[key] = answer
                self.cached += 1
            else:
                asked.setdefault(key, prompt)
        left = len(asked) if self.max_calls is None else max(0, self.max_calls - self.calls)
        found |= dict.fromkeys(list(asked)[left:], _SPENT)
        times = Counter(keys)
        done = sum(times[key] for key in found)
        for got in self._send(list(asked.items())[:left]):
            found |= got
            done += sum(times[key] for key in got)
            if progress is not None:
                progress(done, len(keys))
        self._settle(list(asked)[:left], found)
        return [found[key] for key in keys]

    def _send(self, asked: list[tuple[str, Prompt]]) -> Iterator[dict[str, Answer | Unanswered]]:
        """What comes back, in any order, until the tokens are spent."""
        spent = self._taken

        def groups() -> Iterator[list[tuple[str, Prompt]]]:
            for start in range(0, len(asked), self.model.batch_size):
                if self.max_tokens is not None and spent >= self.max_tokens:
                    return
                group = asked[start : start + self.model.batch_size]
                self.calls += len(group)
                yield group

        for group, got in _in_threads(groups(), self._complete, self.model.concurrency):
            if isinstance(got, NoAnswer):
                self._pass_over(len(group), got)
                yield {key: Unanswered(str(got)) for key, _ in group}
            elif isinstance(got, BaseException):
                raise got
            else:
                answers = {key: answer for (key, _), answer in zip(group, got, strict=True)}
                if self.cache is not None:
                    self.cache.put(list(answers.items()), self.model.name)
                self._held |= answers
                used = sum(a.tokens for a in got)
                self.tokens, spent = self.tokens + used, spent + used
                yield dict(answers)

    def _complete(self, group: list[tuple[str, Prompt]]) -> list[Answer]:
        answers = self.model.complete([prompt for _, prompt in group])
        if len(answers) != len(group):
            raise LanguageModelError(f"{self.model.name} gave {len(answers)} answers to {len(group)} prompts")
        return answers

    def _pass_over(self, count: int, error: NoAnswer) -> None:
        self.unanswered += count
        if not self._held:
            raise LanguageModelError(f"the language model never answered: {error}") from error
        if self.unanswered > self.max_unanswered:
            raise LanguageModelError(
                f"more than {self.max_unanswered} prompts had no answer, the answers so far are kept; the last: {error}"
            ) from error

    def _settle(self, asked: list[str], found: dict[str, Answer | Unanswered]) -> None:
        """Take the answers in the order of their prompts, until the tokens are spent."""
        for key in asked:
            if self.max_tokens is not None and self._taken >= self.max_tokens:
                found[key] = _SPENT
            elif isinstance(answer := found[key], Answer):
                self._taken += answer.tokens


_SPENT = Unanswered("the budget is spent", budget=True)
_Group = list[tuple[str, Prompt]]
_Got = tuple[_Group, "list[Answer] | BaseException"]


def _in_threads(groups: Iterator[_Group], complete: Callable[[_Group], list[Answer]], workers: int) -> Iterator[_Got]:
    """Each group with what came of it, as it comes; a group is only drawn when a worker is free for it.

    The threads are daemons: an interrupt does not wait for answers that nobody will read.
    """

    def run(group: _Group) -> _Got:
        try:
            return group, complete(group)
        except Exception as error:
            return group, error

    if workers == 1:
        yield from map(run, groups)
        return
    jobs: SimpleQueue[_Group | None] = SimpleQueue()
    done: SimpleQueue[_Got] = SimpleQueue()

    def work() -> None:
        while (group := jobs.get()) is not None:
            done.put(run(group))

    flying = started = 0
    try:
        while True:
            while flying < workers and (group := next(groups, None)) is not None:
                if started < workers:
                    threading.Thread(target=work, daemon=True).start()
                    started += 1
                jobs.put(group)
                flying += 1
            if not flying:
                return
            yield done.get()
            flying -= 1
    finally:
        for _ in range(started):
            jobs.put(None)
