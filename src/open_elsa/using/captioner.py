"""Captions that a model writes of what it heard: proposed by its decoder, ranked by the model itself, held to numbers.

The decoder proposes several sentences of an embedding. Each is embedded as text, and the one whose embedding lies
nearest to the sound's comes first. Where a place in numbers is shown beside it, a sentence that states anything that is
not true of these numbers, by the one table of words, is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from open_elsa.errors import CheckpointError
from open_elsa.model import decoder_files
from open_elsa.model.decoder_files import AnyCaptioner
from open_elsa.scenes.attributes import ATTRIBUTES
from open_elsa.scenes.captions import parse
from open_elsa.scenes.scene import SpatialWords
from open_elsa.using.embedder import Embedder, Vectors


@dataclass(frozen=True)
class Proposal:
    """A sentence, the spatial words that it states, and its cosine with the sound."""

    text: str
    words: SpatialWords
    cosine: float


class Captioner:
    """A model and the decoder of its embeddings; vectors in, sentences out, the same every time.

    Raises CheckpointError for a decoder that was trained on another model's embeddings.
    """

    def __init__(self, embedder: Embedder, decoder: AnyCaptioner) -> None:
        if decoder.config.weights != embedder.weights_sha256:
            raise CheckpointError(
                f"the captioner reads embeddings of weights {decoder.config.weights[:12]}, those of "
                f"{embedder.name} are {embedder.weights_sha256[:12]}; train one with `elsa captions train`"
            )
        self.embedder, self.decoder = embedder, decoder

    def propose(self, vectors: Vectors) -> list[list[Proposal]]:
        """Sentences of each of the embeddings (n, d), those first that the model holds nearest to the sound."""
        rows = self.decoder.candidates(torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)))
        texts = list(dict.fromkeys(text for row in rows for text in row if text.strip()))
        said = dict(zip(texts, self.embedder.embed_text(texts), strict=True))
        found = []
        for vector, row in zip(vectors, rows, strict=True):
            proposals = [Proposal(text, parse(text), float(said[text] @ vector)) for text in row if text in said]
            found.append(sorted(proposals, key=lambda p: -p.cosine))  # stable: equal ones as the decoder ranks them
        return found


def of(embedder: Embedder) -> Captioner | None:
    """The captioner in the folder of a model's checkpoint, None where there is none.

    Raises CheckpointError for one that is broken, or was trained on other weights than those beside it.
    """
    folder = None if embedder.folder is None else decoder_files.find(embedder.folder)
    if folder is None:
        return None
    return Captioner(embedder, decoder_files.load(folder, weights=embedder.weights_sha256))


def choose(proposals: Sequence[Proposal], words: SpatialWords) -> Proposal | None:
    """The first sentence all of whose statements are among `words`, which are true of the numbers; None if none is."""
    for proposal in proposals:
        stated = {name: word for name in ATTRIBUTES if (word := getattr(proposal.words, name)) is not None}
        if all(getattr(words, name) == word for name, word in stated.items()):
            return proposal
    return None
