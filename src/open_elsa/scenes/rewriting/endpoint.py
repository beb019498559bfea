"""A language model behind an OpenAI-compatible HTTP endpoint: any server that has /chat/completions."""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NoReturn

import numpy as np

from open_elsa.errors import ConfigError, LanguageModelError
from open_elsa.scenes.rewriting.models import Answer, NoAnswer, Prompt, Sampling, read_completion

#: A body longer than this is no answer to a request for one sentence.
MAX_BYTES = 8 * 1024 * 1024
#: Statuses that say "later": they are tried again, any other 4xx ends the run.
LATER = frozenset({408, 409, 425, 429})


class _Failed(Exception):
    """One try that failed; `wait_s`: how long the server asks to be left alone."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host, and turn a POST into a GET."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


class Endpoint:
    """A model of an OpenAI-compatible server.

    url: the API's base, mostly ending in /v1. key_env: name of the environment variable that holds the key; without it
    no key is sent. timeout_s: seconds for one try, from connecting to the last byte. tries: how often one prompt is
    sent before it counts as unanswered; between the tries it waits backoff_s, then twice as long each time, shortened
    by a random part drawn from the prompt's seed, or as long as the server's Retry-After says; a server that
    wants more than max_wait_s is not waited for. extra: fields added to each request, None takes a field out, as in
    {"max_tokens": None, "max_completion_tokens": 160}. wait: what sleeps. Raises ConfigError for settings that make
    no request.
    """

    batch_size = 1

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key_env: str | None = None,
        sampling: Sampling | None = None,
        concurrency: int = 4,
        timeout_s: float = 60.0,
        tries: int = 5,
        backoff_s: float = 1.0,
        max_wait_s: float = 120.0,
        extra: Mapping[str, Any] | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        if not model:
            raise ConfigError("an endpoint needs the name of a model")
        if concurrency < 1 or tries < 1 or not timeout_s > 0 or not backoff_s >= 0:
            raise ConfigError(
                f"concurrency and tries must be at least 1, timeout_s positive and backoff_s not negative; got "
                f"{concurrency}, {tries}, {timeout_s:g}, {backoff_s:g}"
            )
        self.url, host = _address(url)
        self.name, self.concurrency = model, concurrency
        self.timeout_s, self.tries, self.backoff_s, self.max_wait_s = timeout_s, tries, backoff_s, max_wait_s
        self._key, self._wait = _key(key_env), wait
        asked = sampling or Sampling()
        fields: dict[str, Any] = {
            "model": model,
            "temperature": asked.temperature,
            "top_p": asked.top_p,
            "max_tokens": asked.max_tokens,
            "stream": False,
        }
        self._fields = {k: v for k, v in {**fields, **(extra or {})}.items() if v is not None}
        self.identity = "endpoint " + json.dumps(self._fields, sort_keys=True)
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if _is_local(host):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer each prompt, one request each; see `LanguageModel`."""
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: Prompt) -> Answer:
        body = json.dumps({**self._fields, "messages": prompt.messages, "seed": prompt.seed}).encode()
        rng = np.random.default_rng(prompt.seed)
        for attempt in range(self.tries):
            try:
                return _read_answer(self._post(body))
            except _Failed as failed:
                why, asked_s = str(failed), failed.wait_s
            if attempt + 1 == self.tries:
                break
            if asked_s is not None and asked_s > self.max_wait_s:
                raise NoAnswer(f"{self.url} asks to wait {asked_s:.0f} s ({why}); run the same command later")
            backed_off_s = min(self.max_wait_s, self.backoff_s * 2.0**attempt) * float(rng.uniform(0.5, 1.0))
            self._wait(backed_off_s if asked_s is None else max(asked_s, 0.0))
        raise NoAnswer(f"{self.url} gave no answer in {self.tries} tries; the last: {why}")

    def _post(self, body: bytes) -> bytes:
        """Send one request; its body if all went well. Raises _Failed to try again, LanguageModelError to give up."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "open-elsa"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        until = time.monotonic() + self.timeout_s
        try:
            with self._opener.open(request, timeout=self.timeout_s) as response:
                found = _read_body(response, until)
                if _is_page(found):
                    raise LanguageModelError(
                        f"{self.url} answered with a web page, not with JSON: the address is not that of an API "
                        "(most end in /v1), or a proxy stands before it"
                    )
                return found
        except urllib.error.HTTPError as error:
            with error:
                self._judge_status(error, until)
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise LanguageModelError(f"{self.url}: the server's certificate is not trusted ({cause})") from error
            if isinstance(cause, TimeoutError):
                raise _Failed(f"no answer within {self.timeout_s:g} s") from error
            raise _Failed(f"the connection failed ({str(cause) or type(cause).__name__})") from error

    def _judge_status(self, error: urllib.error.HTTPError, until: float) -> NoReturn:
        try:
            body = _read_body(error, until)
        except (OSError, http.client.HTTPException, _Failed):
            body = b""
        message, code = _message(body)
        said = f"status {error.code}" + (f": {message}" if message else "")
        if self._key:
            said = said.replace(self._key, "…")  # some servers repeat the key that they refuse
        if error.code >= 500 or (error.code in LATER and code != "insufficient_quota"):
            raise _Failed(said, _retry_after(error.headers.get("Retry-After"), time.time()))
        if 300 <= error.code < 400:
            hint = f"it sends on to {error.headers.get('Location', 'nowhere')}; give the address of the API itself"
        else:
            hint = {
                401: "name the environment variable that holds the key",
                403: "the key may not use this model",
                404: "is the address right (most end in /v1), and the name of the model",
                429: "the account is spent",
            }.get(error.code, "the request is not to its liking")
        raise LanguageModelError(f"{self.url} refuses: {said}; {hint}")


def _address(url: str) -> tuple[str, str]:
    """The address of /chat/completions, and its host."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"the endpoint {url!r} is no address ({error})") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"the endpoint {url!r} must be an address such as http://localhost:8000/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError("an endpoint's address holds no password and no query; the key comes from the environment")
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, f"{path}/chat/completions", "", "")), host


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(name: str | None) -> str:
    if name is None:
        return ""
    key = os.environ.get(name, "").strip()
    if not key:
        raise ConfigError(f"the environment variable {name} is to hold the key of the endpoint, but it is empty")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(f"the environment variable {name} holds characters that no key has")
    return key


def _read_body(response: IO[bytes] | http.client.HTTPResponse, until: float) -> bytes:
    """Read to the end, however slowly it drips, but not beyond the time `until` nor MAX_BYTES."""
    parts: list[bytes] = []
    size = 0
    read = getattr(response, "read1", response.read)
    while part := read(65536):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise _Failed(f"an answer of more than {MAX_BYTES} bytes")
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(parts)


def _is_page(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def _message(body: bytes) -> tuple[str, str]:
    """What an error says, and its code, in the shapes that servers use; the start of the text where it is no JSON."""
    if _is_page(body):
        return "a web page", ""
    try:
        value = json.loads(body)
    except ValueError:
        return " ".join(body.decode("utf-8", "replace").split())[:200], ""
    found = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(found, dict):
        text = found.get("message") or found.get("detail") or json.dumps(found)
        return " ".join(str(text).split())[:300], str(found.get("code") or found.get("type") or "")
    return " ".join(str(found).split())[:300], ""


def _retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as a date; None where it says nothing."""
    if value is None:
        return None
    try:
        seconds = float(value)
        return seconds if 0.0 <= seconds < float("inf") else None
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None


def _read_answer(body: bytes) -> Answer:
    """The sentence in a chat completion; raises _Failed where there is none."""
    try:
        return read_completion(json.loads(body))
    except ValueError as error:
        raise _Failed(f"an answer of {len(body)} bytes that is no whole JSON ({error})") from error
    except NoAnswer as error:
        raise _Failed(str(error)) from error
