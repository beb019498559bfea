"""The words of a caption decoder: those of MiniLM's word pieces that its training captions are made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

from tokenizers import Tokenizer

from open_elsa.errors import DataError
from open_elsa.model.text_minilm import minilm_folder

#: Ids before those of the pieces: what fills a row up, and what ends a caption.
PAD, END = 0, 1
_SPECIAL = 2

_CLOSING = re.compile(r" ([,.;:!?)])")
_JOINED = re.compile(r" ?([-'’/]) ?")
_QUOTED = re.compile(r'" ?([^"]*?) ?"')
_SENTENCE = re.compile(r"(^|[.!?] )([^\W\d_])")
_I = re.compile(r"\bi\b")


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def split(text: str) -> list[str]:
    """A text's word pieces, lower case, what goes on within a word marked by "##"."""
    pieces: list[str] = _tokenizer().encode(text, add_special_tokens=False).tokens
    return pieces


def joined(pieces: Sequence[str]) -> str:
    """A text of word pieces, with a capital where a sentence begins: as near to what was split as lower case allows."""
    text = " ".join(pieces).replace(" ##", "")
    text = _CLOSING.sub(r"\1", _JOINED.sub(r"\1", text))
    text = _I.sub("I", _QUOTED.sub(r'"\1"', text))
    return _SENTENCE.sub(lambda found: found[1] + found[2].upper(), text)


class Vocabulary:
    """Pieces with an id each; ids PAD and END stand before them."""

    def __init__(self, pieces: Sequence[str]) -> None:
        if not pieces or len(set(pieces)) != len(pieces):
            raise DataError("a vocabulary needs pieces, each of them once")
        self.pieces = tuple(pieces)
        self._ids = {piece: k for k, piece in enumerate(pieces, start=_SPECIAL)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """The pieces of these texts, the most frequent first, equally frequent ones in order of the alphabet."""
        counts = Counter(piece for text in texts for piece in split(text))
        return cls([piece for piece, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))])

    def __len__(self) -> int:
        return len(self.pieces) + _SPECIAL

    def encode(self, text: str) -> list[int]:
        """Ids of a text's pieces and END. Raises DataError for a piece that is not in the vocabulary."""
        pieces = split(text)
        if unknown := [piece for piece in pieces if piece not in self._ids]:
            raise DataError(f"{unknown[0]!r} of {text!r} is not in the vocabulary of {len(self.pieces)} word pieces")
        return [*(self._ids[piece] for piece in pieces), END]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids up to END; PAD is left out."""
        pieces = []
        for k in ids:
            if k == END:
                break
            if k != PAD:
                pieces.append(self.pieces[k - _SPECIAL])
        return joined(pieces)
