"""What the page asks of a service, on the library's own index: for its tests only."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from fastapi import FastAPI, UploadFile
from fastapi.responses import FileResponse, JSONResponse, Response
from matplotlib import image
from scipy.signal import spectrogram

import open_elsa.app
from open_elsa.app.report import project
from open_elsa.errors import ElsaError
from open_elsa.using.describe import describe
from open_elsa.using.edit import move, remove_direction
from open_elsa.using.embedder import Embedder
from open_elsa.using.index import Index

WEB = Path(open_elsa.app.__file__).parent / "web"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'"


def make_app(embedder: Embedder, index: Index | None) -> FastAPI:
    """The service of an index, or of none."""
    app = FastAPI()

    @app.middleware("http")
    async def strict(request: Any, call_next: Any) -> Any:
        answer = await call_next(request)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @app.exception_handler(ElsaError)
    async def refuse(request: Any, error: ElsaError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 422)

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(WEB / "index.html")

    @app.get("/static/{name:path}")
    def static(name: str) -> FileResponse:
        return FileResponse(WEB / name)

    @app.get("/health")
    def health() -> dict[str, Any]:
        held = None if index is None else {"files": len(index.files), "windows": len(index)}
        return {"status": "ok", "model": embedder.name, "weights_sha256": "", "index": held, "version": "0"}

    _add_search(app, embedder, index)
    _add_sound(app, index)
    return app


@contextmanager
def _received(file: UploadFile) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(suffix=Path(file.filename or "").suffix) as held:
        held.write(file.file.read())
        held.flush()
        yield held.name


def _add_search(app: FastAPI, embedder: Embedder, index: Index) -> None:
    def hits(vector: Any, k: int = 10, **ranges: Any) -> dict[str, Any]:
        found = [asdict(hit) for hit in index.search(vector=vector, k=k, **ranges)]
        return {"hits": [hit | {"probability": max(hit["score"], 0.0)} for hit in found], "seconds": 0.01}

    @app.post("/search")
    def search(asked: dict[str, Any]) -> dict[str, Any]:
        if "like" in asked:
            vector = index.vectors[index.table["file"].to_pylist().index(asked["like"]["file"])]
        else:
            vector = embedder.embed_text(asked["text"])[0]
        if asked.get("about") == "what":
            vector = remove_direction(embedder, vector)[0]
        if "minus" in asked:
            vector = vector - embedder.embed_text(asked["minus"])[0]
        if "move_to" in asked:
            vector = move(embedder, vector, asked["move_to"])[0]
        ranges = {name: tuple(asked[name]) for name in ("azimuth_deg", "distance_m") if name in asked}
        return hits(vector, asked["k"], **ranges)

    @app.post("/search/audio")
    def search_audio(file: UploadFile) -> dict[str, Any]:
        with _received(file) as held:
            return hits(embedder.embed_audio(held)[0])

    @app.post("/describe")
    def told(file: UploadFile) -> dict[str, Any]:
        with _received(file) as held:
            return asdict(describe([held], embedder)[0]) | {"source": file.filename}

    @app.get("/map")
    def map_() -> dict[str, Any]:
        rows = zip(index.table.to_pylist(), project(index.vectors).tolist(), strict=True)
        spans = ("file", "start_s", "end_s")
        return {"points": [{n: row[n] for n in spans} | {"x": x, "y": y} for row, (x, y) in rows], "method": "pca"}


def _add_sound(app: FastAPI, index: Index) -> None:
    def piece(file: str, start_s: float, end_s: float) -> tuple[Any, int]:
        samples, rate = soundfile.read(index.root / file, always_2d=True, dtype="float32")
        return samples[round(start_s * rate) : round(end_s * rate)], rate

    @app.get("/audio")
    def audio(file: str, start_s: float, end_s: float) -> Response:
        held = io.BytesIO()
        soundfile.write(held, *piece(file, start_s, end_s), format="WAV")
        return Response(held.getvalue(), media_type="audio/wav")

    @app.get("/peaks")
    def peaks(file: str, start_s: float, end_s: float, n: int) -> dict[str, Any]:
        parts = np.array_split(piece(file, start_s, end_s)[0][:, 0], n)
        return {"peaks": [[float(part.min()), float(part.max())] for part in parts]}

    @app.get("/spectrogram")
    def picture(file: str, start_s: float, end_s: float) -> Response:
        samples, rate = piece(file, start_s, end_s)
        power = spectrogram(samples[:, 0], rate, nperseg=512)[2]
        held = io.BytesIO()
        image.imsave(held, np.log(power[::-1] + 1e-9), cmap="magma", format="png")
        return Response(held.getvalue(), media_type="image/png")
