"""A real HTTP server with the shape of OpenAI's chat completions, whose model says what a script tells it to."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; scripts answer it with `say`, `status`, `raw` or not at all."""

    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self) -> None:
        self.asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.number = len(self.server.requests)
            self.server.requests.append(self.asked)
            self.server.headers.append(dict(self.headers))
            self.server.paths.append(self.path)
        self.server.script(self)

    def do_GET(self) -> None:
        self.raw(405, b"", {})

    @property
    def prompt(self) -> str:
        return str(self.asked["messages"][-1]["content"])

    @property
    def heard(self) -> str:
        """What the prompt calls the sound."""
        found = re.search(r'^The sound "(.*)" (?:comes|is heard)', self.prompt)
        assert found is not None, self.prompt
        return found[1]

    def say(self, text: Any, *, finish: str = "stop", tokens: int = 50) -> None:
        value = {
            "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
            "usage": {"total_tokens": tokens},
        }
        self.raw(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def status(self, code: int, message: str = "no", headers: dict[str, str] | None = None, kind: str = "") -> None:
        body = json.dumps({"error": {"message": message, "code": kind}}).encode()
        self.raw(code, body, {"Content-Type": "application/json", **(headers or {})})

    def raw(self, code: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


class ScriptedServer(ThreadingHTTPServer):
    """Counts what it is asked; `released` lets requests go that a script holds back."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.lock = threading.Lock()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *_: Any) -> None:  # clients that hang up are part of the tests
        pass


@contextmanager
def serve(script: Script) -> Iterator[ScriptedServer]:
    """Serve a script in a thread."""
    server = ScriptedServer(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
