"""The HTTP service: a model, and a collection if there is one, asked over JSON; see docs/serving.md."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect

from open_elsa import __version__
from open_elsa.app import server_collection, server_messages, show
from open_elsa.app.options import Convention
from open_elsa.app.server_collection import NotInCollectionError
from open_elsa.app.server_gate import Gate
from open_elsa.app.server_messages import SearchQuestion, TextsToEmbed
from open_elsa.app.server_queue import QueueClosedError, QueueFullError
from open_elsa.app.server_service import ServeConfig, Service
from open_elsa.errors import ElsaError
from open_elsa.search.index import Index
from open_elsa.search.queries import About, as_typed
from open_elsa.sound.audio import Sound
from open_elsa.using.analysis import whole
from open_elsa.using.describe import describe
from open_elsa.using.embedder import Embedder

WEB = Path(__file__).parent / "web"
logger = logging.getLogger("open_elsa")

Finite = Annotated[float, Query(allow_inf_nan=False)]
Start = Annotated[float, Query(ge=0, allow_inf_nan=False)]
_SOUND = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    }
}
#: How the documentation shows a route that takes a sound.
UPLOAD = {
    "requestBody": {"required": True, "content": {"multipart/form-data": _FORM, "application/octet-stream": _SOUND}}
}
#: Tells the documentation that a token is sent; the gate looks at it.
BEARER = HTTPBearer(auto_error=False, description="The token that the service was started with.")


def make_app(embedder: Embedder, index: Index | None = None, settings: ServeConfig | None = None) -> FastAPI:
    """The service as an ASGI application; index None: it embeds and describes, and has no collection to search."""
    settings = settings or ServeConfig()
    service = Service(embedder, index, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(service.follow())
        yield
        following.cancel()
        await asyncio.wait([following])
        await asyncio.to_thread(service.queue.close)

    app = FastAPI(
        title="ELSA",
        version=__version__,
        description="Find, locate and describe spatial sound in plain words.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page loads its script from a public server
        redoc_url=None,
        dependencies=[] if settings.token is None else [Depends(BEARER)],
    )
    app.state.service = service
    _add_errors(app, service)
    _add_page(app)
    _add_state(app, service)
    _add_model(app, service)
    _add_search(app, service)
    _add_collection(app, service)
    app.add_middleware(Gate, rules=settings.rules, metrics=service.metrics)
    if settings.origins:  # outside the gate: a browser's question beforehand carries no token
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app


def _add_errors(app: FastAPI, service: Service) -> None:
    def error(status: int, text: str, headers: Any = None) -> JSONResponse:
        readable = text.encode("utf-8", "replace").decode()  # what was asked may hold lone surrogates
        return JSONResponse({"error": service.public(readable)}, status, headers)

    def busy(reason: str) -> JSONResponse:
        service.metrics.refused.labels(reason).inc()
        return error(429, "too many requests wait already; try again in a second", {"Retry-After": "1"})

    def invalid(_: Request, e: RequestValidationError) -> JSONResponse:
        said = (f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in e.errors())
        return error(422, "; ".join(said)[:2000])

    def broken(_: Request, e: Exception) -> JSONResponse:
        logger.error("a request failed: %s: %s", type(e).__name__, e)
        return error(500, "the service failed at this; its log says why")

    handlers: dict[type[Exception], Any] = {
        NotInCollectionError: lambda _, e: error(404, str(e)),
        ElsaError: lambda _, e: error(400, str(e)),
        QueueFullError: lambda *_: busy("queue"),
        QueueClosedError: lambda *_: error(503, "the service is shutting down"),
        ClientDisconnect: lambda *_: error(400, "the request broke off before all of it was here"),
        AnyHTTPException: lambda _, e: error(e.status_code, str(e.detail), e.headers),
        RequestValidationError: invalid,
        Exception: broken,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, _waiting(handler))


def _waiting(handler: Any) -> Any:
    async def answer(request: Request, error: Exception) -> JSONResponse:
        response: JSONResponse = handler(request, error)
        return response

    return answer


def _add_page(app: FastAPI) -> None:
    shipped = {path.relative_to(WEB).as_posix(): path for path in WEB.rglob("*") if path.is_file()}

    def page(name: str) -> FileResponse:
        if name not in shipped:
            raise HTTPException(503, "this installation has no web page; the service is described at /openapi.json")
        return FileResponse(shipped[name])

    @app.get("/", include_in_schema=False)
    async def search_page() -> Response:
        return page("index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs_page() -> Response:
        return page("docs.html")

    @app.get("/static/{name:path}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in shipped:
            raise HTTPException(404, "there is no such file")
        return FileResponse(shipped[name])


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/health")
    async def health() -> server_messages.Health:
        """Say which model and how large a collection is being served."""
        found = {"model": service.embedder.name, "weights_sha256": service.embedder.weights_sha256}
        return server_messages.Health(status="ok", index=service.size, version=__version__, **found)  # type: ignore[arg-type]

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Requests, times, queue and batches, for Prometheus."""
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _add_model(app: FastAPI, service: Service) -> None:
    name = service.embedder.name

    @app.post("/embed/text", response_model=server_messages.TextEmbeddings)
    async def embed_text(asked: TextsToEmbed) -> JSONResponse:
        """Turn sentences into unit vectors."""
        vectors = await service.embed_text(asked.texts)
        return JSONResponse({"model": name, "embeddings": vectors.tolist()})

    @app.post("/embed/audio", response_model=server_messages.AudioEmbedding, openapi_extra=UPLOAD)
    async def embed_audio(request: Request, convention: Convention = "auto") -> JSONResponse:
        """Turn a sound into unit vectors: of the whole, and of each window."""
        async with service.sound(request, convention) as sound:
            windows = await service.analyse(sound)
        parts = [{"start_s": w.start_s, "end_s": w.end_s, "embedding": w.embedding.tolist()} for w in windows]
        return JSONResponse({"model": name, "embedding": whole(windows).embedding.tolist(), "windows": parts})

    @app.post("/describe", openapi_extra=UPLOAD)
    async def describe_sound(
        request: Request,
        tags: Annotated[int, Query(ge=1, le=50)] = 3,
        convention: Convention = "auto",
    ) -> JSONResponse:
        """Say in a sentence what is heard and where, with likely names and the numbers behind it."""
        async with service.sound(request, convention) as sound:
            work = partial(describe, [sound], service.embedder, tags=tags)
            (found,) = await asyncio.wrap_future(service.queue.run(work))
        return JSONResponse(show.plain(found))


def _add_search(app: FastAPI, service: Service) -> None:
    def found(hits: list[dict[str, Any]], start: float) -> JSONResponse:
        return JSONResponse({"hits": hits, "seconds": time.perf_counter() - start})

    @app.post("/search", response_model=server_messages.Found)
    async def search(question: SearchQuestion) -> JSONResponse:
        """Find sounds by words, by a vector, or by a window of the collection, and by where they come from."""
        start = time.perf_counter()
        return found(await service.find(question), start)

    @app.post("/search/audio", response_model=server_messages.Found, openapi_extra=UPLOAD)
    async def search_audio(
        request: Request,
        k: Annotated[int, Query(ge=1, le=1000)] = 10,
        about: About = "both",
        move_to: Annotated[str | None, Query(max_length=200)] = None,
        convention: Convention = "auto",
    ) -> JSONResponse:
        """Find what resembles a sound; move_to: words or an azimuth in degrees, +90 left."""
        start = time.perf_counter()
        index = service.collection.index  # before the sound is decoded in vain
        question = SearchQuestion(k=k, about=about, move_to=None if move_to is None else as_typed(move_to))
        async with service.sound(request, convention) as sound:
            vector = whole(await service.analyse(sound)).embedding
        return found(await service.nearest(index, vector, question, k), start)


def _add_collection(app: FastAPI, service: Service) -> None:
    async def part(file: str, start_s: float, end_s: float | None) -> Sound:
        return await asyncio.to_thread(service.collection.part, file, start_s, end_s)

    @app.get("/audio", response_class=Response)
    async def audio(file: str, start_s: Start = 0.0, end_s: Finite | None = None) -> Response:
        """A part of a file of the collection as 16-bit WAV: mono, or four channels of AmbiX."""
        sound = await part(file, start_s, end_s)
        return Response(await asyncio.to_thread(server_collection.wav, sound), media_type="audio/wav")

    @app.get("/peaks", response_model=server_messages.Peaks)
    async def peaks(
        file: str, start_s: Start = 0.0, end_s: Finite | None = None, n: Annotated[int, Query(ge=1, le=4000)] = 200
    ) -> JSONResponse:
        """The waveform of W, as the least and greatest value in each of n stretches."""
        sound = await part(file, start_s, end_s)
        return JSONResponse({"peaks": server_collection.peaks(sound, n)})

    @app.get("/spectrogram", response_class=Response)
    async def spectrogram(file: str, start_s: Start = 0.0, end_s: Finite | None = None) -> Response:
        """The log-mel spectrogram of W as PNG."""
        sound = await part(file, start_s, end_s)
        return Response(await asyncio.to_thread(server_collection.spectrogram, sound), media_type="image/png")

    @app.get("/map", response_model=server_messages.CollectionMap)
    async def collection_map() -> JSONResponse:
        """The windows of the collection on a page, what is alike close together; made once."""
        return JSONResponse(await service.map())
