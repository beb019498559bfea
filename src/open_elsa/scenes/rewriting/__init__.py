"""Rewriting of captions by a language model; each rewrite is read back before it is believed, and none is needed."""

from open_elsa.scenes.rewriting.answers import AnswerCache
from open_elsa.scenes.rewriting.check import Reason, Verdict, judge
from open_elsa.scenes.rewriting.endpoint import Endpoint
from open_elsa.scenes.rewriting.local import LocalGGUF, LocalTransformers
from open_elsa.scenes.rewriting.models import Answer, LanguageModel, NoAnswer, Prompt, Sampling
from open_elsa.scenes.rewriting.rewriter import Refused, Rewriter, RewriteReport, rewrite

__all__ = [
    "Answer",
    "AnswerCache",
    "Endpoint",
    "LanguageModel",
    "LocalGGUF",
    "LocalTransformers",
    "NoAnswer",
    "Prompt",
    "Reason",
    "Refused",
    "RewriteReport",
    "Rewriter",
    "Sampling",
    "Verdict",
    "judge",
    "rewrite",
]
