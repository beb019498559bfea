"""An S3 server of this machine for tests of object stores."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from werkzeug.serving import make_server


class Bucket:
    """Moto's S3 on this machine, which turns down as many writes of a name as it is told to."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self.app, self.refusals, self.refused = DomainDispatcherApplication(create_backend_app), {"": 0}, 0
        self.server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        for name, left in self.refusals.items():
            if name and left and environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(name):
                self.refusals[name] -= 1
                self.refused += 1
                start("503 Slow Down", [("Content-Type", "application/xml")])
                return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        return self.app(environ, start)

    @property
    def environment(self) -> dict[str, str]:
        """What clients of S3 find it by."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",  # so that a refused request is ours to repeat
            "AWS_EC2_METADATA_DISABLED": "true",
        }
