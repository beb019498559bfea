"""Language models behind a real HTTP server and in local folders: what they say, and every way in which they fail."""

from __future__ import annotations

import email.utils
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from open_elsa.errors import ConfigError, DataError, LanguageModelError
from open_elsa.scenes.rewriting import (
    AnswerCache,
    Endpoint,
    LocalGGUF,
    LocalTransformers,
    NoAnswer,
    Prompt,
    Reason,
    Sampling,
    rewrite,
)
from open_elsa.scenes.rewriting.endpoint import _retry_after
from open_elsa.scenes.scene import SpatialWords

sys.path.insert(0, str(Path(__file__).parent))

from scripted_server import Request, ScriptedServer, serve

WORDS = SpatialWords("left", None, "far", None, None)
ANIMALS = ("dog", "cat", "cow", "pig", "hen", "owl", "fox", "goat", "wolf", "duck", "crow", "frog", "lion")
ITEMS = [(f"a {animal} calls", WORDS) for animal in ANIMALS]
ASKED = Prompt("be brief", "say something", 5)


def true_of(request: Request) -> str:
    return f"Far away on the left, {request.heard} loudly".replace(" loudly", "")


def endpoint(server: ScriptedServer, **settings: Any) -> tuple[Endpoint, list[float]]:
    """A client that does not really wait, and how long it would have."""
    waits: list[float] = []
    return Endpoint(server.url, "scripted", wait=waits.append, **settings), waits


def test_a_model_that_lies_in_many_ways_gets_nothing_past() -> None:
    lies = [
        ("Far away on the right, {}.", Reason.CHANGED),
        ("On the left, {}.", Reason.VANISHED),
        ("Far away on the left, {}, in a tiny room.", Reason.INVENTED),
        ("Far away on the left, {}, but never in front of me.", Reason.DENIED),
        ("Far away on the left and far away behind me, {}.", Reason.INVENTED),
        ("Far away on the left, a whale sings.", Reason.LOST),
        ("Far away on the left, {}, echoing.", Reason.INVENTED),
        ('Sure, here is your caption:\n\n> **"Far away on the left, {}."**', Reason.MARKUP),
        ("Weit entfernt auf der linken Seite ruft ein Tier.", Reason.LANGUAGE),
        ("<!DOCTYPE html><html><body>Far away on the left, {}.</body></html>", Reason.MARKUP),
        ("", Reason.EMPTY),
        ("Far away on the left, {}" + " and calls" * 10_000, Reason.LONG),
    ]
    said = {heard: lies[i] for i, (heard, _) in enumerate(ITEMS[:-1])}

    def script(request: Request) -> None:
        lie, _ = said.get(request.heard, ("Far away on the left, {}.", None))
        request.say(lie.format(request.heard))

    with serve(script) as server:
        report = rewrite(ITEMS, endpoint(server)[0])
    assert [r.reason for r in report.refused] == [reason for _, reason in lies]
    assert sum(report.refusals.values()) == len(lies) and report.refusals[Reason.INVENTED.value] == 3
    assert report.rewritten == 1 and report.captions[-1].text == "Far away on the left, a lion calls."
    assert all(c.writer == "grammar:full" for c in report.captions[:-1])


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret-key")
    with serve(lambda r: r.say("yes")) as server:
        model = Endpoint(
            server.url + "/",
            "scripted",
            key_env="A_KEY",
            sampling=Sampling(0.3, 0.8, 20),
            extra={"max_tokens": None, "max_completion_tokens": 20},
        )
        (answer,) = model.complete([ASKED])
        Endpoint(server.url + "/chat/completions", "scripted").complete([ASKED])
    assert (answer.text, answer.tokens, answer.cut) == ("yes", 50, False)
    assert server.paths == ["/v1/chat/completions"] * 2
    assert server.requests[0] == {
        "model": "scripted",
        "temperature": 0.3,
        "top_p": 0.8,
        "max_completion_tokens": 20,
        "stream": False,
        "seed": 5,
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "say something"}],
    }
    assert server.headers[0]["Authorization"] == "Bearer secret-key" and "Authorization" not in server.headers[1]


def test_shapes_of_answers() -> None:
    said: list[Any] = [None, [{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}], "long"]

    def script(request: Request) -> None:
        request.say(said[request.number], finish="length" if request.number == 2 else "stop")

    with serve(script) as server:
        answers = endpoint(server)[0].complete([ASKED] * 3)
    assert [a.text for a in answers] == ["", "in parts", "long"] and [a.cut for a in answers] == [False, False, True]


def test_too_many_requests_waits_as_long_as_it_is_told() -> None:
    def script(request: Request) -> None:
        if request.number == 0:
            request.status(429, "slow down", {"Retry-After": "7"})
        elif request.number == 1:
            request.status(503, "busy", {"Retry-After": email.utils.formatdate(time.time() + 30, usegmt=True)})
        else:
            request.say("yes")

    with serve(script) as server:
        model, waits = endpoint(server)
        assert model.complete([ASKED])[0].text == "yes"
    assert waits[0] == 7.0 and 25.0 < waits[1] <= 30.0 and len(server.requests) == 3


def test_a_server_that_wants_too_long_a_wait_is_not_waited_for() -> None:
    with serve(lambda r: r.status(429, "later", {"Retry-After": "3600"})) as server:
        model, waits = endpoint(server)
        with pytest.raises(NoAnswer, match=r"wait 3600 s.*status 429: later"):
            model.complete([ASKED])
    assert not waits and len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"), [("12", 12.0), ("0.5", 0.5), ("-3", None), ("soon", None), ("inf", None), (None, None)]
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert _retry_after(value, 0.0) == seconds
    assert _retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 20.0) == 40.0
    assert _retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 90.0) == 0.0


def test_errors_of_the_server_are_tried_again_with_longer_and_longer_waits() -> None:
    with serve(lambda r: r.status(500, "oops")) as server:
        model, waits = endpoint(server, tries=4, backoff_s=2.0)
        with pytest.raises(NoAnswer, match="no answer in 4 tries; the last: status 500: oops"):
            model.complete([ASKED])
        assert len(server.requests) == 4
        assert all(low <= wait <= 2 * low for wait, low in zip(waits, (1.0, 2.0, 4.0), strict=True))
        again, same = endpoint(server, tries=4, backoff_s=2.0)
        with pytest.raises(NoAnswer):
            again.complete([ASKED])
        assert same == waits  # the random part comes from the prompt's seed


def test_an_endpoint_that_hangs_ends_by_the_clock() -> None:
    def script(request: Request) -> None:
        if request.number == 0:
            request.server.released.wait()
        else:
            request.say("yes")

    with serve(script) as server:
        model, waits = endpoint(server, timeout_s=0.3)
        assert model.complete([ASKED])[0].text == "yes" and waits


def test_an_endpoint_that_drips_ends_by_the_clock() -> None:
    def script(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        while not request.server.released.wait(0.02):
            request.wfile.write(b" ")
            request.wfile.flush()

    with serve(script) as server:
        model, _ = endpoint(server, timeout_s=0.2, tries=1)
        with pytest.raises(NoAnswer, match=r"no answer within 0\.2 s"):
            model.complete([ASKED])


def test_a_connection_that_closes_inside_the_body_is_tried_again() -> None:
    def script(request: Request) -> None:
        if request.number < 2:
            body = b'{"choices": [{"message": {"content": "Far away on the'
            request.raw(200, body, {"Content-Type": "application/json"}, length=len(body) + 500)
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
        elif request.number == 2:
            request.raw(200, b'{"choices": [{"mess', {"Content-Type": "application/json"})
        else:
            request.say("yes")

    with serve(script) as server:
        model, waits = endpoint(server)
        assert model.complete([ASKED])[0].text == "yes"
    assert len(server.requests) == 4 and len(waits) == 3


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"text": "x"}]}', b"null", b"\xff"])
def test_json_that_is_no_completion(body: bytes) -> None:
    with serve(lambda r: r.raw(200, body, {})) as server, pytest.raises(NoAnswer, match="2 tries; the last: "):
        endpoint(server, tries=2)[0].complete([ASKED])


def test_a_web_page_is_no_answer() -> None:
    with serve(lambda r: r.raw(200, b"\n<!doctype html><html>Login</html>", {"Content-Type": "text/html"})) as server:
        with pytest.raises(LanguageModelError, match=r"a web page.*/v1"):
            endpoint(server)[0].complete([ASKED])
        assert len(server.requests) == 1
        with pytest.raises(LanguageModelError, match="a web page"):
            rewrite(ITEMS, endpoint(server)[0])
    with serve(lambda r: r.raw(502, b"<html>bad gateway</html>", {})) as server:
        with pytest.raises(NoAnswer, match="status 502: a web page"):
            endpoint(server, tries=2)[0].complete([ASKED])
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (400, "", "status 400: no; the request is not to its liking"),
        (401, "", "status 401: no; name the environment variable"),
        (404, "", "status 404: no; is the address right"),
        (429, "insufficient_quota", "status 429: no; the account is spent"),
    ],
)
def test_a_refusal_ends_the_run_at_once(code: int, kind: str, says: str) -> None:
    with serve(lambda r: r.status(code, kind=kind)) as server:
        model, waits = endpoint(server, concurrency=1)
        with pytest.raises(LanguageModelError, match=says) as caught:
            rewrite(ITEMS, model)
        assert not isinstance(caught.value, NoAnswer)
    assert len(server.requests) == 1 and not waits


def test_the_key_is_never_shown_nor_carried_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret-key")
    with serve(lambda r: r.status(401, "wrong key secret-key")) as server:
        with pytest.raises(LanguageModelError, match="wrong key …") as caught:
            endpoint(server, key_env="A_KEY")[0].complete([ASKED])
        assert "secret-key" not in str(caught.value)
    with (
        serve(lambda r: r.say("yes")) as elsewhere,
        serve(lambda r: r.raw(302, b"", {"Location": elsewhere.url})) as server,
    ):
        with pytest.raises(LanguageModelError, match=r"sends on to http.*give the address of the API"):
            endpoint(server, key_env="A_KEY")[0].complete([ASKED])
        assert server.requests and not elsewhere.requests


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    model = Endpoint(url, "m", tries=2, wait=lambda _: None)
    with pytest.raises(LanguageModelError, match=r"never answered.*2 tries; the last: the connection failed"):
        rewrite(ITEMS, model)


@pytest.mark.parametrize(
    ("url", "settings", "says"),
    [
        ("localhost:8000", {}, "must be an address such as"),
        ("ftp://a/v1", {}, "must be an address such as"),
        ("http://", {}, "must be an address such as"),
        ("http://a:b:c/v1", {}, "is no address"),
        ("http://me:word@a/v1", {}, "no password"),
        ("http://a/v1?key=1", {}, "no query"),
        ("http://a/v1", {"concurrency": 0}, "concurrency"),
        ("http://a/v1", {"tries": 0}, "tries"),
        ("http://a/v1", {"timeout_s": 0}, "timeout_s"),
        ("http://a/v1", {"key_env": "OPEN_ELSA_NO_SUCH_KEY"}, "OPEN_ELSA_NO_SUCH_KEY"),
    ],
)
def test_settings_that_make_no_request(url: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Endpoint(url, "m", **settings)
    with pytest.raises(ConfigError, match="name of a model"):
        Endpoint("http://a/v1", "")


def test_a_key_with_a_line_break_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "ab\r\nX-Header: 1")
    with pytest.raises(ConfigError, match="A_KEY holds characters"):
        Endpoint("http://a/v1", "m", key_env="A_KEY")


def test_the_result_does_not_depend_on_how_many_are_asked_at_once() -> None:
    def script(request: Request) -> None:
        if request.number % 3 == 0:  # the first of every three comes last
            request.server.released.wait(0.05)
        request.say(true_of(request) if request.asked["seed"] % 2 else "On the left.", tokens=20)

    reports = []
    for concurrency in (1, 2, 8):
        with serve(script) as server:
            reports.append(rewrite(ITEMS, endpoint(server, concurrency=concurrency)[0], max_tokens=200, drafts=2))
        if concurrency == 1:  # asked one at a time they come in order; at once, whichever thread is first
            assert server.requests[0]["messages"][1]["content"].startswith('The sound "a dog calls"')
    first = reports[0]
    assert 0 < first.rewritten < len(ITEMS) and first.over_budget
    for other in reports[1:]:
        assert other.captions == first.captions and other.refused == first.refused
        assert other.over_budget == first.over_budget
        assert first.tokens <= other.tokens <= first.tokens + 8 * 20


def test_as_many_are_asked_at_once_as_was_said() -> None:
    all_there = threading.Barrier(4, timeout=60.0)
    at_once: list[int] = []
    flying = 0
    lock = threading.Lock()

    def script(request: Request) -> None:
        nonlocal flying
        with lock:
            flying += 1
            at_once.append(flying)
        if request.number < 4:
            all_there.wait()
        with lock:
            flying -= 1
        request.say(true_of(request))

    with serve(script) as server:
        assert rewrite(ITEMS, endpoint(server, concurrency=4)[0]).rewritten == len(ITEMS)
    assert max(at_once) == 4


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_language_models import ITEMS
from open_elsa.scenes.rewriting import AnswerCache, Endpoint, rewrite
with AnswerCache({cache!r}) as cache:
    rewrite(ITEMS, Endpoint({url!r}, "scripted", concurrency=1), cache=cache)
"""


def test_killed_and_started_again_it_asks_nothing_twice(tmp_path: Path) -> None:
    reached = threading.Event()

    def script(request: Request) -> None:
        if request.number == 6:
            reached.set()
            request.server.released.wait()
        else:
            request.say(true_of(request))

    with serve(script) as server:
        cache = tmp_path / "answers.sqlite"
        code = KILLED.format(tests=str(Path(__file__).parent), cache=str(cache), url=server.url)
        process = subprocess.Popen([sys.executable, "-c", code])
        assert reached.wait(300.0)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = len(server.requests)
        with AnswerCache(cache) as kept:
            assert len(kept) == 6
            report = rewrite(ITEMS, endpoint(server)[0], cache=kept)
            assert (report.rewritten, report.cached, report.calls) == (len(ITEMS), 6, len(ITEMS) - 6)
            assert len(server.requests) - before == len(ITEMS) - 6
            again = rewrite(ITEMS, endpoint(server)[0], cache=kept)
        assert (again.calls, again.cached) == (0, len(ITEMS)) and again.captions == report.captions
        assert len(server.requests) - before == len(ITEMS) - 6
        asked = [json.dumps(r, sort_keys=True) for r in server.requests]
        assert len(set(asked)) == len(asked) - 1  # only the one that was on its way


def test_another_model_or_other_sampling_is_another_question(tmp_path: Path) -> None:
    with serve(lambda r: r.say(true_of(r))) as server, AnswerCache(tmp_path / "a" / "c.sqlite") as cache:
        for n, model in enumerate(
            (
                Endpoint(server.url, "one"),
                Endpoint(server.url, "two"),
                Endpoint(server.url, "one", sampling=Sampling(0.1)),
                Endpoint(server.url, "one", extra={"min_p": 0.1}),
            )
        ):
            rewrite(ITEMS[:1], model, cache=cache)
            assert len(server.requests) == n + 1
        rewrite(ITEMS[:1], Endpoint(server.url + "/", "one", concurrency=9, timeout_s=3), cache=cache)
        assert len(server.requests) == 4


def test_a_cache_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, but long enough to be looked at " * 30)
    with pytest.raises(DataError, match="text cannot hold answers"):
        AnswerCache(tmp_path / "text")
    with pytest.raises(DataError, match="cannot hold answers"):
        AnswerCache(tmp_path)
    with sqlite3.connect(tmp_path / "new") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(DataError, match="version 99"):
        AnswerCache(tmp_path / "new")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 with random weights and 60 words to say."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    text = "a the dog cat barks calls far away on left right front in of room large small sound is heard from , ."
    vocabulary = {word: n for n, word in enumerate(["<unk>", "<end>", *text.split()])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=len(vocabulary), n_positions=256, n_embd=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1
    )
    GPT2LMHeadModel(shape).save_pretrained(folder)
    return folder


def test_a_folder_of_transformers_answers_in_batches_by_each_prompt_s_own_seed(tiny: Path) -> None:
    model = LocalTransformers(tiny, sampling=Sampling(max_tokens=12), batch_size=4)
    asked = [Prompt("be brief", "the dog " * n, seed) for n, seed in ((1, 1), (4, 2), (2, 3), (2, 4))]
    together = model.complete(asked)
    assert (
        together
        == [model.complete([p])[0] for p in asked]
        == LocalTransformers(tiny, sampling=Sampling(max_tokens=12)).complete(asked)
    )
    assert together[2].text != together[3].text  # another seed
    assert all(1 <= len(a.text.split()) <= 12 for a in together)
    read = (4, 10, 6, 6)  # "be", "brief", and the words of each request
    assert all(a.tokens == n + 12 if a.cut else a.tokens < n + 12 for a, n in zip(together, read, strict=True))
    assert any(a.cut for a in together)
    cold = LocalTransformers(tiny, sampling=Sampling(0.0, max_tokens=12))
    assert cold.complete([asked[2]])[0].text == cold.complete([asked[3]])[0].text
    assert cold.identity != model.identity and model.name == tiny.name


def test_top_p_keeps_the_likeliest_words(tiny: Path) -> None:
    asked = [Prompt("a", "dog", seed) for seed in range(8)]
    greedy = LocalTransformers(tiny, sampling=Sampling(0.0, max_tokens=5)).complete(asked)
    narrow = LocalTransformers(tiny, sampling=Sampling(0.9, 1e-6, max_tokens=5)).complete(asked)
    assert [a.text for a in narrow] == [a.text for a in greedy]
    wide = LocalTransformers(tiny, sampling=Sampling(0.9, max_tokens=5)).complete(asked)
    assert len({a.text for a in wide}) > 4


def test_random_weights_rewrite_nothing_and_do_no_harm(tiny: Path) -> None:
    report = rewrite(ITEMS, LocalTransformers(tiny, sampling=Sampling(max_tokens=8)))
    assert report.rewritten == 0 and sum(report.refusals.values()) == len(ITEMS) == report.calls
    assert all(c.checked and c.writer == "grammar:full" for c in report.captions)


def test_a_prompt_longer_than_the_model_can_read_is_cut(tiny: Path) -> None:
    model = LocalTransformers(tiny, sampling=Sampling(max_tokens=60))
    long, nearly, short = model.complete([Prompt("a", "dog " * n, 0) for n in (400, 250, 2)])
    assert (long.text, long.cut) == ("", True)
    assert len(nearly.text.split()) <= 5 and short.text


def test_a_chat_template_is_used_where_there_is_one(tiny: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from open_elsa.scenes.rewriting.local import _as_text

    words = AutoTokenizer.from_pretrained(tiny)
    assert _as_text(words, ASKED) == "be brief\n\nsay something\n"
    words.chat_template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"
    assert _as_text(words, ASKED) == "[system]be brief[user]say something[assistant]"
    words.chat_template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}[{{ messages[0].content }}]"
    )
    assert _as_text(words, ASKED) == "[be brief\n\nsay something]"


def test_folders_and_files_that_are_no_model(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LanguageModelError, match=r"no config\.json"):
        LocalTransformers(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "no-such-thing"}')
    with pytest.raises(LanguageModelError, match="cannot be used as a language model"):
        LocalTransformers(tmp_path).complete([ASKED])
    with pytest.raises(ConfigError, match="batch_size"):
        LocalTransformers(tiny, batch_size=0)
    with pytest.raises(LanguageModelError, match="No such file"):
        LocalGGUF(tmp_path / "none.gguf")
    with pytest.raises(LanguageModelError, match="is no GGUF file"):
        LocalGGUF(tmp_path / "config.json")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LanguageModelError, match="pip install xllamacpp"):
        LocalGGUF(tmp_path / "m.gguf")


def test_gguf_files_that_llama_cpp_cannot_read(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(LanguageModelError, match=r"cannot load .*m\.gguf"):
        LocalGGUF(tmp_path / "m.gguf").complete([ASKED])


class FakeServer:
    """What xllamacpp offers, as far as it is used."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, params: Any) -> None:
        self.params = params

    def handle_chat_completions(self, prompt: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(prompt)
        if prompt["seed"] == 13:
            raise RuntimeError("no slot")
        text = "Far away on the left, a dog calls."
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": {"total_tokens": 9}}


def test_gguf_through_xllamacpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType, SimpleNamespace

    module = ModuleType("xllamacpp")
    module.Server = FakeServer  # type: ignore[attr-defined]
    module.CommonParams = lambda: SimpleNamespace(model=SimpleNamespace(), cpuparams=SimpleNamespace())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xllamacpp", module)
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    model = LocalGGUF(tmp_path / "m.gguf", concurrency=3, sampling=Sampling(max_tokens=30), threads=1)
    report = rewrite(ITEMS[:1] * 3, model)
    assert (report.rewritten, report.tokens, model.name) == (3, 27, "m")
    assert {a["max_tokens"] for a in FakeServer.asked} == {30} and model._load().params.hostnames == ["127.0.0.1"]
    assert model._load().params.n_ctx == 3 * 1024
    with pytest.raises(NoAnswer, match="no slot"):
        model.complete([Prompt("a", "b", 13)])
