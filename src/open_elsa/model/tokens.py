"""Captions to token ids, the same way for every text encoder."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor

from open_elsa.errors import DataError

logger = logging.getLogger("open_elsa")


def token_rows(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids of each text, at most max_tokens; longer ones are cut with a warning and keep their closing token.

    Raises DataError for a text without words.
    """
    rows = []
    longest = 40 * max_tokens  # characters read at most, so that a book costs no more than a caption
    for k, text in enumerate(texts):
        if not text.strip():
            raise DataError(f"text {k} of {len(texts)} is empty; describe the sound in words")
        ids: list[int] = tokenizer.encode(text[:longest]).ids
        if len(ids) > max_tokens or len(text) > longest:
            logger.warning(
                "text %d (%d characters) is longer than %d tokens; the rest is not read", k, len(text), max_tokens
            )
            ids = [*ids[: max_tokens - 1], ids[-1]] if len(ids) > max_tokens else ids
        rows.append(ids)
    return rows


def padded(rows: Sequence[Sequence[int]], pad: int = 0) -> tuple[Tensor, Tensor]:
    """Token ids of texts as one tensor (b, t) int64, t the longest, and which of them are text: (b, t) bool."""
    ids = torch.full((len(rows), max(map(len, rows))), pad, dtype=torch.long)
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    for k, row in enumerate(rows):
        ids[k, : len(row)] = torch.tensor(row)
        mask[k, : len(row)] = True
    return ids, mask
