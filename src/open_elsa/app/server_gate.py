"""What every request passes first: who may ask, how much it may send, how long it may take; and what is counted."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import HTTPException
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Paths that show nothing of a collection, so that a browser can load the page that asks for the token.
OPEN_PATHS = ("/", "/docs", "/openapi.json")
#: Paths that take sounds; a body for any other path is a short JSON document.
UPLOAD_PATHS = ("/embed/audio", "/search/audio", "/describe")
JSON_BYTES = 1 << 20


class Metrics:
    """The numbers of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "elsa_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "elsa_request_seconds", "Time to the end of the answer.", ["route"], registry=self.registry
        )
        self.depth = Gauge("elsa_queue_depth", "Jobs that wait for the model.", registry=self.registry)
        self.batches = Histogram(
            "elsa_batch_requests",
            "Requests whose texts were embedded in one call.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.refused = Counter("elsa_refused", "Requests refused, by reason.", ["reason"], registry=self.registry)


@dataclass(frozen=True)
class Rules:
    """Who may ask and how much.

    token: what "Authorization: Bearer" must say, None for nobody. loopback: the service is bound to this machine alone,
    so the Host header must name it. origins: of web pages elsewhere that may ask. most_bytes of an upload; most_s of a
    request.
    """

    token: str | None = None
    loopback: bool = True
    origins: tuple[str, ...] = ()
    most_bytes: int = 64 << 20
    most_s: float = 60.0


def is_loopback(host: str) -> bool:
    """Tell whether a name or address is this machine's own, reachable from nowhere else."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Gate:
    """Middleware that keeps the rules; everything else is inside."""

    def __init__(self, app: ASGIApp, rules: Rules, metrics: Metrics) -> None:
        self.app = app
        self.rules = rules
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        path = scope["path"]
        status = 0

        async def telling(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message = {**message, "headers": [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]}
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, telling)
                return
            async with asyncio.timeout(self.rules.most_s):
                await self.app(scope, self._counted(receive, self._most_bytes(path)), telling)
        except TimeoutError:
            self.metrics.refused.labels("time").inc()
            if status:  # the answer has begun: only breaking off tells the client
                raise
            late = _error(504, f"this took more than {self.rules.most_s:g} s; ask for less, or again later")
            await late(scope, receive, telling)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(route, str(status or 500)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - start)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, rules = Headers(scope=scope), self.rules
        host = headers.get("host", "")
        if rules.loopback and not is_loopback(_host_name(host)):
            return self._refuse(
                "host", 400, f"the Host header names {host[:80]!r}, not this machine; use http://127.0.0.1"
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host and origin not in rules.origins:
            return self._refuse(
                "origin", 403, "pages of other sites may not ask; start with --allow-origin to let one in"
            )
        path = scope["path"]
        if rules.token is not None and path not in OPEN_PATHS and not path.startswith("/static/"):
            given = headers.get("authorization", "")
            wanted = f"Bearer {rules.token}"
            if not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
                answer = self._refuse("token", 401, "send the service's token: Authorization: Bearer TOKEN")
                answer.headers["WWW-Authenticate"] = "Bearer"
                return answer
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > self._most_bytes(path):
            return self._refuse("size", 413, _too_large(self._most_bytes(path)))
        return None

    def _refuse(self, reason: str, status: int, text: str) -> JSONResponse:
        self.metrics.refused.labels(reason).inc()
        return _error(status, text)

    def _most_bytes(self, path: str) -> int:
        return self.rules.most_bytes if path in UPLOAD_PATHS else min(JSON_BYTES, self.rules.most_bytes)

    def _counted(self, receive: Receive, most: int) -> Receive:
        """Receive a body, and stop where it grows over the limit, whatever its header said."""
        got = 0

        async def counting() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                self.metrics.refused.labels("size").inc()
                raise HTTPException(413, _too_large(most))
            return message

        return counting


def _host_name(host: str) -> str:
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*)(:\d{1,5})?", host)
    return found[1] if found else ""


def _too_large(most: int) -> str:
    return f"the request is larger than {most} bytes; send less, of a sound a part, or FLAC in place of WAV"


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)
