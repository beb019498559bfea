"""What the routes of the service share: the model behind its queue, the collection, and how much a request may cost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import HTTPException, Request
from numpy.typing import NDArray

from open_elsa.app import server_messages
from open_elsa.app.server_collection import Collection
from open_elsa.app.server_gate import Metrics, Rules, is_loopback
from open_elsa.app.server_messages import SearchQuestion
from open_elsa.app.server_queue import ModelQueue, QueueFullError
from open_elsa.app.server_uploads import DecodeLimits, decoded, received
from open_elsa.errors import ConfigError, DataError
from open_elsa.search.index import Hit, Index
from open_elsa.search.queries import moved, without
from open_elsa.search.scores import curve_for
from open_elsa.sound.audio import Sound
from open_elsa.using.embedder import Embedder, WindowAnalysis

logger = logging.getLogger("open_elsa")

#: A token that can be guessed protects nothing.
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class ServeConfig:
    """How the service is bound and what it spends on a request.

    host: the address it listens on; any but this machine's own needs a token of 16 characters or more. origins: web
    pages elsewhere that may ask. most_upload_bytes: of a request's body; most_s: of a request. most_waiting: jobs that
    wait for the model before others are refused; most_uploads: sounds received and decoded at once; decoders: processes
    that decode. follow_s: how often it looks whether the index has changed; 0: never.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    origins: tuple[str, ...] = ()
    most_upload_bytes: int = 64 << 20
    most_s: float = 60.0
    most_waiting: int = 128
    most_uploads: int = 8
    decoders: int = 2
    follow_s: float = 5.0
    decode: DecodeLimits = field(default_factory=DecodeLimits)

    def __post_init__(self) -> None:
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            raise ConfigError(
                f"the token must have {SHORTEST_TOKEN} ASCII characters or more; make one with: openssl rand -hex 32"
            )
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"listening on {self.host} lets other machines in: give a token, by --token-file FILE or ELSA_TOKEN"
            )
        if min(self.most_upload_bytes, self.most_s, self.most_waiting, self.most_uploads, self.decoders) <= 0:
            raise ConfigError("the limits of the service must be positive")
        if self.follow_s < 0:
            raise ConfigError(f"follow_s must be 0 or more seconds, got {self.follow_s:g}")

    @property
    def rules(self) -> Rules:
        """What the gate keeps."""
        return Rules(self.token, is_loopback(self.host), self.origins, self.most_upload_bytes, self.most_s)


class Service:
    """What the routes share: the model behind its queue, the collection, and the counts of what is going on."""

    def __init__(self, embedder: Embedder, index: Index | None, settings: ServeConfig) -> None:
        self.embedder = embedder
        self.settings = settings
        self.metrics = Metrics()
        self.queue = ModelQueue(
            embedder, most_waiting=settings.most_waiting, on_batch=lambda n: self.metrics.batches.observe(n)
        )
        self.metrics.depth.set_function(lambda: self.queue.depth)
        self._collection = None if index is None else Collection(index)
        self._decoders = asyncio.Semaphore(settings.decoders)
        self._uploads = 0
        self._map: asyncio.Task[dict[str, Any]] | None = None

    @property
    def collection(self) -> Collection:
        """The collection; raises HTTPException where there is none."""
        if self._collection is None:
            raise HTTPException(404, "this service has no collection; start it with one: elsa serve FOLDER")
        return self._collection

    @property
    def size(self) -> dict[str, int] | None:
        """Numbers of files and windows of the collection, None where there is none."""
        found = self._collection
        return None if found is None else {"files": len(found.files), "windows": len(found.index)}

    async def follow(self) -> None:
        """Go over to what the index holds whenever that has changed; who is being answered keeps what was there."""
        said = ""
        while self._collection is not None and self.settings.follow_s:
            await asyncio.sleep(self.settings.follow_s)
            try:
                newer = await asyncio.to_thread(_newer, self._collection)
            except Exception as error:  # gone, of other weights, too large for two: whatever it is, it may pass
                if str(error) != said:
                    said = str(error)
                    logger.warning("the collection stays as it was: %s: %s", type(error).__name__, said)
                continue
            said = ""
            if newer is not None:
                self._collection, self._map = newer, None

    def public(self, text: str) -> str:
        """A message without the place of the collection on this machine."""
        found = self._collection
        return text if found is None else text.replace(f"{found.index.root}/", "")

    async def embed_text(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors (m, d), embedded together with the texts of others who ask at the same time."""
        return await asyncio.wrap_future(self.queue.embed_text(texts))

    @asynccontextmanager
    async def sound(self, request: Request, convention: str) -> AsyncIterator[Sound]:
        """The sound that a request carries, decoded; raises QueueFullError where too many are under way."""
        if self._uploads >= self.settings.most_uploads:
            raise QueueFullError
        self._uploads += 1
        try:
            async with received(request) as (path, name):
                async with self._decoders:
                    sound = await decoded(path, name, convention, self.settings.decode)
                yield sound
        finally:
            self._uploads -= 1

    async def analyse(self, sound: Sound) -> list[WindowAnalysis]:
        """The windows of a sound, embedded and located."""
        (found,) = await asyncio.wrap_future(self.queue.run(lambda: list(self.embedder.stream([sound]))))
        return found[1]

    async def map(self) -> dict[str, Any]:
        """The map of the collection: made once, on first asking, and going on where one who asked gave up."""
        collection = self.collection
        if self._map is None or (self._map.done() and self._map.exception() is not None):
            self._map = asyncio.create_task(asyncio.to_thread(collection.map))
        return await asyncio.shield(self._map)

    async def find(self, question: SearchQuestion) -> list[dict[str, Any]]:
        """The hits of a question, best first."""
        collection = self.collection
        if sum(q is not None for q in (question.text, question.vector, question.like)) != 1:
            raise DataError('ask with exactly one of "text", "vector" and "like"')
        texts = [text for text in (question.text, question.minus) if text is not None]
        vectors = await self.embed_text(texts) if texts else None
        like, more = question.like, 0
        if question.text is not None and vectors is not None:
            query = vectors[0]
        elif like is not None:
            query, more = collection.vector(like.file, like.start_s), 1
        else:
            query = self._given(question.vector or [])
        if question.minus is not None and vectors is not None:
            query = without(query, vectors[-1])
        hits = await self.nearest(collection.index, query, question, question.k + more)
        if like is not None:  # a sound is what resembles it most
            hits = [hit for hit in hits if hit["file"] != like.file]
        return hits[: question.k]

    def _given(self, numbers: list[float]) -> NDArray[np.float32]:
        """A vector that was sent, at unit length."""
        if len(numbers) != self.embedder.dim:
            raise DataError(f"the vector has {len(numbers)} numbers, those of this model have {self.embedder.dim}")
        vector = np.asarray(numbers, np.float64)
        length = float(np.linalg.norm(vector))
        if not 0 < length < np.inf:
            raise DataError("the vector must have a length: send an embedding of this model")
        return np.asarray(vector / length, np.float32)

    async def nearest(
        self, index: Index, query: NDArray[np.float32], question: SearchQuestion, k: int
    ) -> list[dict[str, Any]]:
        """The k hits nearest to a vector, heard from elsewhere, compared and filtered as the question says."""
        embedder, about, move_to = self.embedder, question.about, question.move_to
        said = question.text is not None

        def search() -> list[Hit]:
            aim = query if move_to is None else moved(embedder, query, move_to, as_said=said)
            return index.search(vector=aim, about=about, k=k, **question.filters())

        if move_to is not None or about != "both":  # the first such question reads directions out of the model
            hits = await asyncio.wrap_future(self.queue.run(search))
        else:
            hits = await asyncio.to_thread(search)
        text, minus = question.text, question.minus
        curve = curve_for(embedder.weights_sha256, about, text=text, minus=minus, move_to=move_to)
        return [_hit(hit, None if curve is None else curve.probability(hit.score)) for hit in hits]


def _newer(collection: Collection) -> Collection | None:
    index = collection.index.newer()
    return None if index is None else Collection(index)


def _hit(hit: Hit, probability: float | None) -> dict[str, Any]:
    """A hit without the path of its file on this machine."""
    found = {name: getattr(hit, name) for name in server_messages.HitFound.model_fields}
    return {**found, "probability": probability}
