from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from open_elsa.app import server_decoder, server_service, server_uploads
from open_elsa.app.server import make_app
from open_elsa.app.server_gate import JSON_BYTES
from open_elsa.app.server_queue import ModelQueue, QueueClosedError, QueueFullError
from open_elsa.app.server_service import ServeConfig
from open_elsa.app.server_uploads import DecodeLimits, decoded
from open_elsa.errors import AudioError
from open_elsa.using.embedder import Embedder

sys.path.insert(0, str(Path(__file__).parents[1] / "using"))

from fake import FakeModel

HERE = "http://127.0.0.1:8080"


class Held(Embedder):
    """A model that waits to be let go, and tells how many texts it was given at once."""

    def __init__(self) -> None:
        super().__init__(FakeModel())
        self.entered, self.go = threading.Semaphore(0), threading.Event()
        self.calls: list[int] = []

    def embed_text(self, texts: Any) -> Any:
        self.calls.append(len(texts))
        self.entered.release()
        assert self.go.wait(60)
        return super().embed_text(texts)


def sound_bytes(format: str = "WAV", seconds: float = 0.2, channels: int = 4) -> bytes:
    out = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).standard_normal((round(16000 * seconds), channels))
    soundfile.write(out, noise, 16000, format=format)
    return out.getvalue()


# -- the queue -------------------------------------------------------------------------------------------------------


def test_texts_that_wait_are_embedded_in_one_call_with_the_same_answers() -> None:
    model = Held()
    seen: list[int] = []
    queue = ModelQueue(model, most_texts=8, on_batch=seen.append)
    first = queue.embed_text(["first"])
    assert model.entered.acquire(timeout=60)
    texts = [[f"a low tone {k}", f"rain {k}"] if k % 2 else [f"a dog {k}"] for k in range(6)]
    waiting = [queue.embed_text(t) for t in texts]
    model.go.set()
    alone = Embedder(FakeModel())
    for asked, answer in zip(texts, waiting, strict=True):
        np.testing.assert_allclose(answer.result(60), alone.embed_text(asked), atol=1e-5)
    assert first.result(60).shape == (1, 16)
    assert model.calls == [1, 7, 2] and seen == [1, 5, 1]  # never more than most_texts at once
    queue.close()


def test_a_text_that_cannot_be_embedded_spoils_no_other() -> None:
    model = Held()
    queue = ModelQueue(model)
    first = queue.embed_text(["first"])
    assert model.entered.acquire(timeout=60)
    bad, good = queue.embed_text([" "]), queue.embed_text(["rain"])
    model.go.set()
    assert first.result(60) is not None and good.result(60).shape == (1, 16)
    assert "empty" in str(bad.exception(60))
    queue.close()


def test_the_queue_is_bounded_leaves_out_the_cancelled_and_closes() -> None:
    model = Held()
    queue = ModelQueue(model, most_waiting=2)
    running = queue.embed_text(["first"])
    assert model.entered.acquire(timeout=60)
    given_up, ran = queue.embed_text(["second"]), []
    waiting: Future[None] = queue.run(lambda: ran.append(1))
    with pytest.raises(QueueFullError):
        queue.embed_text(["third"])
    assert given_up.cancel()
    last = queue.embed_text(["fourth"])  # in the place of the one given up
    closing = threading.Thread(target=queue.close)
    closing.start()
    for refused in (waiting, last):
        assert isinstance(refused.exception(60), QueueClosedError)
    model.go.set()
    closing.join(60)
    assert running.result(60).shape == (1, 16) and not ran and not closing.is_alive()
    with pytest.raises(QueueClosedError):
        queue.embed_text(["late"])


# -- the limits of a request -----------------------------------------------------------------------------------------


def test_a_full_queue_answers_429_and_slow_work_504() -> None:
    model = Held()
    app = make_app(model, None, ServeConfig(most_s=1.0, most_waiting=1))
    client = TestClient(app, base_url=HERE, raise_server_exceptions=False)
    queue = app.state.service.queue
    queue.embed_text(["first"])
    assert model.entered.acquire(timeout=60)
    late = client.post("/embed/text", json={"texts": ["rain"]})
    assert late.status_code == 504 and "1 s" in late.json()["error"]
    queue.embed_text(["second"])  # takes the place of the one that was given up
    full = client.post("/embed/text", json={"texts": ["rain"]})
    assert full.status_code == 429 and full.headers["Retry-After"] == "1" and full.json()["error"]
    text = client.get("/metrics").text
    assert 'elsa_refused_total{reason="queue"} 1.0' in text and 'elsa_refused_total{reason="time"} 1.0' in text
    model.go.set()
    queue.close()


def test_no_more_uploads_at_once_than_may() -> None:
    app = make_app(Embedder(FakeModel()), None, ServeConfig(most_uploads=1))
    app.state.service._uploads = 1
    answer = TestClient(app, base_url=HERE).post("/describe", content=sound_bytes())
    assert answer.status_code == 429


@pytest.mark.parametrize("told", [True, False])
def test_a_body_is_cut_where_it_grows_too_large(told: bool) -> None:
    client = TestClient(make_app(Embedder(FakeModel()), None, ServeConfig(most_upload_bytes=50_000)), base_url=HERE)
    sent: list[int] = []

    def chunks() -> Any:
        for k in range(100):
            sent.append(k)
            yield b"x" * 10_000

    answer = client.post("/describe", content=b"x" * 60_000 if told else chunks())
    assert answer.status_code == 413 and "50000 bytes" in answer.json()["error"]
    form = client.post("/describe", files={"file": ("x.wav", b"x" * 60_000)})
    assert form.status_code == 413


def test_questions_are_short() -> None:
    client = TestClient(make_app(Embedder(FakeModel()), None), base_url=HERE)
    answer = client.post("/embed/text", json={"texts": ["x" * JSON_BYTES]})
    assert answer.status_code == 413


# -- the decoder -----------------------------------------------------------------------------------------------------


def decode(path: Path, limits: DecodeLimits | None = None, **more: Any) -> Any:
    return asyncio.run(decoded(path, "own.wav", "auto", limits or DecodeLimits(), **more))


def in_this_process(path: Path, limits: DecodeLimits) -> dict[str, Any]:
    job = server_decoder.Job(
        str(path), str(path.with_name("out.npy")), "own.wav", "auto", limits.seconds, limits.bytes, 0, 0
    )
    return server_decoder.decode(job)


def test_a_sound_is_decoded_in_a_process_with_its_notes(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(sound_bytes())
    found = decode(path)
    wanted, rate = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(found.samples, wanted.T)
    assert found.sample_rate == rate and found.source == "own.wav" and "AmbiX" in found.notes[0]


def test_more_sound_than_is_taken_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    out = io.BytesIO()
    soundfile.write(out, np.zeros((16000 * 400, 4)), 16000, format="FLAC")  # 102 MB of samples in a few kB
    path.write_bytes(out.getvalue())
    assert path.stat().st_size < 1 << 20
    assert "400 s of sound, at most 300" in in_this_process(path, DecodeLimits(seconds=300))["error"]
    assert "bytes when decoded" in in_this_process(path, DecodeLimits(bytes=1 << 20))["error"]
    assert not (tmp_path / "out.npy").exists()


def test_a_killed_decoder_is_a_clear_refusal_and_the_service_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = server_uploads.decoded

    async def killed(*args: Any) -> Any:
        return await whole(*args, started=lambda pid: os.kill(pid, signal.SIGKILL))

    client = TestClient(make_app(Embedder(FakeModel()), None), base_url=HERE)
    monkeypatch.setattr(server_service, "decoded", killed)
    answer = client.post("/embed/audio", files={"file": ("yard.wav", sound_bytes())})
    assert answer.status_code == 400 and "yard.wav: the decoder ended with code -9" in answer.json()["error"]
    monkeypatch.undo()
    assert client.post("/embed/audio", files={"file": ("yard.wav", sound_bytes())}).status_code == 200


def test_a_decoder_that_hangs_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(sound_bytes())
    pids: list[int] = []

    def stop(pid: int) -> None:
        pids.append(pid)
        os.kill(pid, signal.SIGSTOP)

    with pytest.raises(AudioError, match=r"more than 0\.2 s"):
        decode(path, DecodeLimits(wall_s=0.2), started=stop)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_what_libsndfile_prints_spoils_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "sound.sds"
    noise = 0.1 * np.random.default_rng(0).standard_normal((4000, 1))
    soundfile.write(path, noise, 16000, format="SDS", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[1000:1300] = bytes(300)
    path.write_bytes(data)
    assert decode(path).samples.shape[0] == 1


def test_the_decoders_memory_is_limited() -> None:
    code = (
        "import json, resource, sys; from open_elsa.app import server_decoder as d\n"
        "def greedy(job):\n    return bytearray(4 << 30)\n"
        "d.decode = greedy; d.main(sys.argv[1])"
    )
    job = server_decoder.Job("x", "y", "own.wav", "auto", 1.0, 1000, 1 << 30, 20)
    done = subprocess.run([sys.executable, "-c", code, job.as_json()], capture_output=True, text=True, check=True)
    assert "more memory" in done.stdout


# -- the command -----------------------------------------------------------------------------------------------------


def test_serving_others_without_a_token_is_refused_before_anything_is_loaded(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ELSA_TOKEN", raising=False)
    code, _, said = run("serve", "--host", "0.0.0.0")
    assert code == 1 and "--token-file" in said
    (tmp_path / "token").write_text("short\n")
    code, _, said = run("serve", "--host", "0.0.0.0", "--token-file", tmp_path / "token")
    assert code == 1 and "16 ASCII" in said
    code, _, said = run("serve", "--allow-origin", "example.org")
    assert code == 2 and "https://example.org" in said


def test_the_command_takes_its_token_from_a_file_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from open_elsa.app.commands_serve import Serve

    monkeypatch.setenv("ELSA_TOKEN", "environment-0123456789")
    assert Serve(host="0.0.0.0").settings().token == "environment-0123456789"
    (tmp_path / "token").write_text("file-0123456789abcdef\n")
    settings = Serve(host="0.0.0.0", token_file=tmp_path / "token", max_upload_mb=2, max_audio_s=30).settings()
    assert settings.token == "file-0123456789abcdef" and not settings.rules.loopback
    assert settings.most_upload_bytes == 2_000_000 and settings.decode.seconds == 30


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """A connection that the service accepts sends what it has at once (TCP_NODELAY)."""
    from open_elsa.app.commands_serve import Serve

    with Serve(port=0)._socket() as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
