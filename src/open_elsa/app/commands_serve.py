"""The command that puts a model and a collection behind HTTP."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from open_elsa.app import show
from open_elsa.app.options import WithModel
from open_elsa.app.show import UsageError, say
from open_elsa.errors import ConfigError

if TYPE_CHECKING:
    from open_elsa.app.server_service import ServeConfig
    from open_elsa.search.index import Index
    from open_elsa.using.embedder import Embedder


@dataclass(kw_only=True)
class Serve(WithModel):
    """Serve a folder of sounds to a browser and to programs: search, listen, describe; interactive reference at /docs.

    A folder that has no index yet is indexed first. It listens on this machine alone; any other --host needs a token,
    from --token-file or the variable ELSA_TOKEN, which clients send as "Authorization: Bearer TOKEN".

    Examples:
      elsa serve ~/recordings
      elsa serve ~/recordings --port 9000
      elsa serve ~/recordings --host 0.0.0.0 --token-file ~/elsa.token
    """

    collection: Annotated[
        str | None, tyro.conf.Positional, tyro.conf.arg(metavar="INDEX-OR-FOLDER", name="collection")
    ] = None
    """An index, its URL, or a folder of sounds; left out, the service embeds and describes only."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8080
    """The port; 0 takes one that is free."""
    token_file: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A file that holds the token."""
    allow_origin: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A web page elsewhere that may ask, such as https://example.org; may be repeated."""
    max_upload_mb: float = 64.0
    """The largest upload, in megabytes."""
    max_audio_s: float = 600.0
    """The longest uploaded sound, in seconds."""
    time_limit_s: float = 60.0
    """The longest that a request may take, in seconds."""
    queue: int = 128
    """How many requests may wait for the model; more are refused."""

    def run(self) -> None:
        """Run it until it is interrupted."""
        import logging

        import uvicorn

        from open_elsa.app.server import make_app

        settings = self.settings()  # before a model is loaded in vain
        model = self.load()
        index = None if self.collection is None else _open(self.collection, model, quiet=self.json)
        app = make_app(model, index, settings)
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=10)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        with self._socket() as listening:
            address, port = listening.getsockname()[:2]
            url = f"http://{f'[{address}]' if ':' in address else address}:{port}"
            value = {"url": url, "model": model.name, **(app.state.service.size or {"files": 0, "windows": 0})}
            self.show(value, lambda: _text(url, value))
            sys.stdout.flush()  # who started it waits for this
            uvicorn.Server(config).run(sockets=[listening])

    def settings(self) -> ServeConfig:
        """The limits and the token that were asked for; raises UsageError, ConfigError."""
        from open_elsa.app.server_service import ServeConfig
        from open_elsa.app.server_uploads import DecodeLimits

        if not 0 <= self.port <= 65535:
            raise UsageError(f"serve: --port must be 0 to 65535, got {self.port}")
        if self.max_audio_s <= 0:
            raise UsageError(f"serve: --max-audio-s must be positive, got {self.max_audio_s:g}")
        for origin in self.allow_origin:
            if "://" not in origin or origin.endswith("/"):
                raise UsageError(f"serve: --allow-origin takes scheme and host, such as https://example.org: {origin}")
        return ServeConfig(
            host=self.host,
            token=self._token(),
            origins=self.allow_origin,
            most_upload_bytes=round(self.max_upload_mb * 1e6),
            most_s=self.time_limit_s,
            most_waiting=self.queue,
            decode=DecodeLimits(seconds=self.max_audio_s, wall_s=min(DecodeLimits.wall_s, self.time_limit_s)),
        )

    def _socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listening = socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"cannot listen on {self.host}, port {self.port}: {reason}; choose another") from error
        # asyncio sets this only on sockets that name their protocol; without it every answer waits 40 ms for the client
        # to acknowledge its head before its body is sent
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening

    def _token(self) -> str | None:
        if self.token_file is not None:
            return self.token_file.read_text(encoding="utf-8").strip()
        return os.environ.get("ELSA_TOKEN") or None


def _open(place: str, model: Embedder, *, quiet: bool) -> Index:
    """The index there, made first where a folder of sounds has none."""
    from open_elsa.search.index import Index
    from open_elsa.search.window_table import NoIndexError

    try:
        return Index.open(place, model)
    except NoIndexError:
        if not Path(place).is_dir():
            raise
    with show.progress("indexing", quiet=quiet) as tell:
        index = Index.build(place, model, progress=tell)
    for problem in index.report.problems:
        say(f"elsa: not indexed: {problem.file}: {problem.reason}")
    return index


def _text(url: str, value: dict[str, object]) -> None:
    print(f"{value['files']} files, {value['windows']} windows, {value['model']}")
    print(f"open {url} in a browser (reference: {url}/docs); stop with Ctrl-C")
