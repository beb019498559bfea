"""What every language model looks like from here: prompts in, answers out, in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from open_elsa.errors import ConfigError, LanguageModelError


@dataclass(frozen=True)
class Prompt:
    """One question to a model: instructions, the request, and the seed of its sampling in [0, 2**31)."""

    system: str
    user: str
    seed: int

    @property
    def messages(self) -> list[dict[str, str]]:
        """The prompt as chat messages."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]


@dataclass(frozen=True)
class Answer:
    """What a model said. tokens: read and written, 0 where unknown; cut: it ran into its limit of tokens."""

    text: str
    tokens: int = 0
    cut: bool = False


@dataclass(frozen=True)
class Sampling:
    """How words are drawn; the paper's temperature, and fewer tokens than its 1,024, since one sentence is wanted.

    temperature 0 always takes the likeliest word. top_p in (0, 1]. Raises ConfigError for values outside.
    """

    temperature: float = 0.9
    top_p: float = 1.0
    max_tokens: int = 160

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 2.0:
            raise ConfigError(f"temperature must lie in 0..2, got {self.temperature:g}")
        if not 0.0 < self.top_p <= 1.0:
            raise ConfigError(f"top_p must lie in (0, 1], got {self.top_p:g}")
        if not 1 <= self.max_tokens <= 100_000:
            raise ConfigError(f"max_tokens must lie in 1..100000, got {self.max_tokens}")


class LanguageModel(Protocol):
    """Anything that answers prompts.

    name: for people and for `SpatialCaption.writer`. identity: text that changes when the same prompt may get another
    answer (model, weights, sampling); cached answers are kept under it. batch_size: prompts that one call of
    `complete` takes best. concurrency: calls that may run at once, from threads.
    """

    name: str
    identity: str
    batch_size: int
    concurrency: int

    def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer each prompt, in order. Raises NoAnswer when these prompts stay unanswered, LanguageModelError for all.

        An answer depends on its own prompt alone, not on the others of the call.
        """


class NoAnswer(LanguageModelError):
    """No answer to this prompt, after every try; the next prompt may have more luck."""


def read_completion(value: Any) -> Answer:
    """Read the answer in a chat completion, the shape that OpenAI-compatible servers send; NoAnswer for another one."""
    try:
        choice = value["choices"][0]
        content = choice["message"].get("content")
        if isinstance(content, list):  # in parts, as some servers send it
            content = "".join(str(part.get("text", "")) for part in content)
        text = str(content or choice["message"].get("refusal") or "")
        tokens = int((value.get("usage") or {}).get("total_tokens") or 0)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise NoAnswer(f"no chat completion: {json.dumps(value, default=str)[:200]}") from error
    return Answer(text, tokens, choice.get("finish_reason") == "length")
