"""Hostile requests: paths that lead out of the collection, headers without end, forms that are none, as raw bytes.

`requests(secret)` gives them; none of them may be answered with 200, or with anything of the file `secret`.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

#: Ways to say "the folder above", and to end a name early.
_OUT = (
    "../{}", "..%2f{}", "%2e%2e/{}", "%252e%252e%252f{}", "..%5c{}", "....//{}", "./../{}", "deep/../../{}",
    "%c0%ae%c0%ae/{}", "..%00/{}", "%2e%2e%2f%2e%2e%2f{}", "file:///{}", "..;/{}", "%ff../{}", "~/{}", "{}%00.wav",
    "low.wav/../../{}", "\\\\?\\{}",
)  # fmt: skip
_JSON = "Content-Type: application/json\r\n"


@dataclass(frozen=True)
class HostileRequest:
    """Bytes to send to the service, and what is wrong with them."""

    way: str
    data: bytes


def requests(secret: Path) -> list[HostileRequest]:
    """All of them; secret: a sound beside the folder of the collection, which no answer may hold."""
    return [*_paths(secret), *_headers(), *_forms(), *_bodies()]


def _request(target: str, headers: str = "", body: bytes = b"", method: str = "") -> bytes:
    method = method or ("POST" if body or "Content-" in headers else "GET")
    length = "" if "Content-Length" in headers or "chunked" in headers or method == "GET" else len(body)
    told = f"Content-Length: {length}\r\n" if length != "" else ""
    return f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{told}{headers}\r\n".encode("latin-1") + body


def _paths(secret: Path) -> list[HostileRequest]:
    places = [way.format(secret.name) for way in _OUT] + [quote(str(secret)), str(secret), "/etc/passwd", "."]
    made = []
    for place in places:
        for route in ("/audio?file=", "/peaks?file=", "/spectrogram?file=", "/static/", "/static/../", "/"):
            made.append(HostileRequest(f"{route} leading out", _request(route + place)))
    for place in ("../" + secret.name, str(secret)):
        body = f'{{"like": {{"file": "{place}", "start_s": 0}}}}'.encode()
        made.append(HostileRequest("/search like a file outside", _request("/search", _JSON, body)))
    return made


def _headers() -> list[HostileRequest]:
    long = "x" * 1_000_000
    made = {
        "a header of a megabyte": _request("/health", f"X-Long: {long}\r\n"),
        "a path of a megabyte": _request(f"/audio?file={long}"),
        "a name of a header without end": b"GET / HTTP/1.1\r\n" + long.encode(),
        "20,000 headers": _request("/nothing", "X-More: 1\r\n" * 20_000),
        "a length of 10^30": _request("/describe", f"Content-Length: {10**30}\r\n"),
        "a length of 65 MB": _request("/describe", "Content-Length: 68157440\r\n"),
        "a length below zero": _request("/describe", "Content-Length: -1\r\n"),
        "a length that is none": _request("/describe", "Content-Length: 1e3\r\n"),
        "two lengths": _request("/describe", "Content-Length: 3\r\nContent-Length: 4\r\n", b"RIFF"),
        "a chunk of 10^48 bytes": _request("/describe", "Transfer-Encoding: chunked\r\n", b"F" * 40 + b"\r\nRIFF"),
        "chunks that are none": _request("/describe", "Transfer-Encoding: chunked\r\n", b"zz\r\nRIFF\r\n"),
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
        "another machine's name": b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "no Host": b"GET /health HTTP/1.1\r\n\r\n",
        "a Host of control letters": b"GET /health HTTP/1.1\r\nHost: \x01\x02\r\n\r\n",
        "another site's page": _request("/health", "Origin: https://evil.example\r\n"),
        "an unknown method": _request("/health", method="BREW"),
        "a method not taken": _request("/search", method="DELETE"),
    }  # fmt: skip
    return [HostileRequest(way, data) for way, data in made.items()]


def _form(body: bytes, boundary: str = "b", more: str = "") -> bytes:
    return _request("/describe", f"Content-Type: multipart/form-data; boundary={boundary}{more}\r\n", body)


def _forms() -> list[HostileRequest]:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n'
    field = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n'
    made = {
        "a form without boundary": _request("/describe", "Content-Type: multipart/form-data\r\n", part + b"--b--\r\n"),
        "a boundary of 100,000": _form(part, "b" * 30_000), "an empty boundary": _form(part + b"--b--\r\n", ""),
        "a form that breaks off": _form(part[:40]), "a form of noise": _form(bytes(range(256)) * 20),
        "a form without parts": _form(b"--b--\r\n"), "a form without end": _form(part),
        "ten files": _form(part * 10 + b"--b--\r\n"),
        "a thousand fields": _form((field + b"1\r\n") * 1000 + b"--b--\r\n"),
        "a field of two megabytes": _form(field + b"x" * 2_000_000 + b"\r\n--b--\r\n"),
        "a part without a name": _form(b"--b\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--b--\r\n"),
        "a part with a header of 100 kB": _form(b"--b\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\nRIFF\r\n--b--\r\n"),
        "no file of that field": _form(field + b"RIFF\r\n--b--\r\n"),
        "forms in forms": _form(b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" + b"--c\r\n" * 1000),
    }  # fmt: skip
    for charset in ("undefined", "idna", "punycode", "utf-16", "rot13", "base64", "nonsense", "unicode_escape"):
        named = part.replace(b"a.wav", b"\xff\xfe\xd8\x00.wav\\x")
        made[f"a form in {charset}"] = _form(named + b"--b--\r\n", more=f"; charset={charset}")
    return [HostileRequest(way, data) for way, data in made.items()]


def _bodies() -> list[HostileRequest]:
    deep = b"[" * 100_000 + b"]" * 100_000
    made = {
        "JSON 100,000 deep": deep, "JSON of a number without end": b'{"text": "a", "k": ' + b"9" * 100_000 + b"}",
        "not a number in JSON": b'{"vector": [NaN, Infinity]}',
        "JSON with a lone surrogate": b'{"text": "\\ud800"}', "no JSON": b"text=a",
        "JSON of two megabytes": b'"' + b"a" * 2_000_000,
        "bytes that are no text": b"\xff\xfe\xfd", "a text of nothing": b'{"text": ""}',
        "an unknown field": b'{"sql": "1; --"}',
        "a vector of ten thousand": b'{"vector": [' + b"1," * 9999 + b"1]}", "k below zero": b'{"text": "a", "k": -1}',
        "a range from NaN": b'{"text": "a", "azimuth_deg": [NaN, 1]}',
    }  # fmt: skip
    return [HostileRequest(way, _request("/search", _JSON, body)) for way, body in made.items()]


async def send(port: int, data: bytes, patience_s: float = 30.0) -> tuple[int, bytes]:
    """Send bytes to a port of this machine: the status and all of the answer; 0 where the line was only closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) if b" HTTP/1.1\r\n" in data[:2000] else data
        with contextlib.suppress(ConnectionError):  # refused before all was sent
            writer.write(head)
            await writer.drain()
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.wait_for(reader.read(1 << 16), patience_s):
                answer += piece
        return (int(answer[9:12]), answer) if answer.startswith(b"HTTP/1.1 ") else (0, answer)
    finally:
        writer.close()
