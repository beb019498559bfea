"""What benchmarks/hostile.py sends, in small: hostile files decoded, uploaded and indexed, and hostile requests."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1] / "using"))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from fake import FakeModel
from hostile import body, collection, judged
from hostile_files import HostileFile, by_hand, changed, flac_header, sound
from hostile_requests import requests, send

from open_elsa.app import server_decoder
from open_elsa.app.server import make_app
from open_elsa.search.index import Index
from open_elsa.using.embedder import Embedder

#: As many changed sounds as the suite has time for, beside those made by hand.
CHANGED = 80
#: Uploads that go through a decoder's process of their own, each for another reason.
UPLOADED = (
    "a sample of 1e38", "LIST chunks nested 2000 deep", "a length of two gigabytes", "68 billion samples promised",
    "an Opus head of 255 channels", "3,000 tags",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile() -> list[HostileFile]:
    return [*by_hand(), *changed(0, CHANGED)]


def test_the_same_seed_gives_the_same_files(hostile: list[HostileFile]) -> None:
    by_hand.cache_clear()
    sound.cache_clear()
    again = [*by_hand(), *changed(0, CHANGED)]
    assert [file.data for file in again] == [file.data for file in hostile]
    assert [file.data for file in changed(1, CHANGED)] != [file.data for file in changed(0, CHANGED)]
    assert len({file.data for file in changed(0, CHANGED)}) == CHANGED


def test_hostile_files_are_decoded_or_refused_with_a_reason(hostile: list[HostileFile], tmp_path: Path) -> None:
    refused = 0
    for file in hostile:  # each in this process: the process around it is tested in test_server_limits.py
        path, out = tmp_path / f"sound{Path(file.safe_name).suffix}", tmp_path / "out.npy"
        path.write_bytes(file.data)
        answer = server_decoder.decode(server_decoder.Job(str(path), str(out), "own.wav", "auto", 10.0, 1 << 24, 0, 0))
        if "error" in answer:
            refused += 1
            assert answer["error"].startswith("own.wav: ") and len(answer["error"]) > 20, file.way
            assert str(tmp_path) not in answer["error"], file.way
        else:
            samples = np.load(out)
            assert samples.shape[0] in (1, 4) and np.isfinite(samples).all(), file.way
        path.unlink()
    assert refused >= 90


def test_hostile_files_spoil_no_index(hostile: list[HostileFile], tmp_path: Path) -> None:
    for k, file in enumerate(hostile):
        (tmp_path / f"{k:03d}.wav").write_bytes(file.data)
    (tmp_path / "out.wav").symlink_to("/etc/passwd")
    (tmp_path / "circle.wav").symlink_to("circle.wav")
    index = Index.build(tmp_path, Embedder(FakeModel(), batch_size=8))
    problems = index.report.problems
    assert len(problems) + len(index.files) == len(hostile) + 2 and len(index.files) > 50
    assert {"out.wav", "circle.wav"} <= {problem.file for problem in problems}
    assert all(len(problem.reason) > 20 for problem in problems)
    assert np.isfinite(index.vectors).all()


@dataclass(frozen=True)
class Running:
    """The service with the benchmark's collection, and the sound beside it."""

    port: int
    secret: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, embedder = tmp_path_factory.mktemp("hostile"), Embedder(FakeModel(), batch_size=8)
    secret = collection(folder)
    app = make_app(embedder, Index.build(folder / "sounds", embedder))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        time.sleep(0.01)
    yield Running(server.servers[0].sockets[0].getsockname()[1], secret)
    server.should_exit = True
    thread.join(30)


def posted(file: HostileFile, *, as_form: bool) -> bytes:
    """The bytes of an upload."""
    parts = body(file, as_form=as_form)
    told = f"Content-Type: {parts['headers']['Content-Type']}\r\nContent-Length: {len(parts['content'])}\r\n\r\n"
    return b"POST /describe HTTP/1.1\r\nHost: 127.0.0.1\r\n" + told.encode() + parts["content"]


def test_hostile_uploads_are_described_or_refused(hostile: list[HostileFile], running: Running) -> None:
    named = [HostileFile("named", name, b"RIFF") for name in ("../" * 9 + "etc/passwd", "a\r\nX: 1", "\ud800")]
    chosen = [next(file for file in hostile if file.way == way) for way in UPLOADED] + named
    described = []
    for k, file in enumerate(chosen):
        status, answer = asyncio.run(send(running.port, posted(file, as_form=k % 3 > 0)))
        verdict = judged(status, answer.partition(b"\r\n\r\n")[2].decode(), str(running.secret.parent))
        assert verdict.partition(": ")[0] in ("described", "refused"), (file.way, verdict)
        assert b"X: 1" not in answer.partition(b"\r\n\r\n")[0]
        described += [file.way] * (verdict == "described")
    assert described == ["LIST chunks nested 2000 deep", "a length of two gigabytes", "3,000 tags"]


def test_hostile_requests_are_refused_and_nothing_outside_is_read(running: Running) -> None:
    held = running.secret.read_bytes()[-200:]
    sent = requests(running.secret)
    assert len(sent) > 180
    for request in sent:
        status, answer = asyncio.run(send(running.port, request.data))
        assert 400 <= status < 500 and answer.partition(b"\r\n\r\n")[2].strip(), (
            request.way,
            request.data[:80],
            status,
        )
        assert held not in answer and b"Traceback" not in answer, request.way
    assert asyncio.run(send(running.port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))[0] == 200


def test_the_judge_of_answers_finds_what_is_wrong() -> None:
    fine = {"text": "a dog", "location": {"azimuth_deg": 1.0, "distance_m": None}, "tags": [["a dog", 0.5]]}
    assert judged(200, json.dumps(fine), "/secret") == "described"
    assert judged(200, json.dumps(fine | {"location": {"azimuth_deg": float("nan")}}), "/secret")[:8] == "unusable"
    assert judged(200, json.dumps(fine | {"text": ""}), "/secret")[:8] == "unusable"
    assert judged(400, json.dumps({"error": "the file is empty (0 bytes)"}), "/secret")[:7] == "refused"
    assert judged(400, json.dumps({"error": "no"}), "/secret")[:14] == "without_reason"
    assert judged(400, json.dumps({"error": "/secret/a.wav is no sound at all"}), "/secret")[:7] == "leaking"
    assert judged(500, json.dumps({"error": "the service failed at this"}), "/secret")[:6] == "failed"
    assert flac_header(16_000, 4, 5)[:4] == b"fLaC"
