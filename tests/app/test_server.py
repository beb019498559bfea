from __future__ import annotations

import io
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from open_elsa.app.server import make_app
from open_elsa.app.server_service import ServeConfig
from open_elsa.app.server_uploads import upload_name
from open_elsa.errors import ConfigError
from open_elsa.search.index import Index
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder

sys.path.insert(0, str(Path(__file__).parents[1] / "using"))

from fake import FakeModel

HERE = "http://127.0.0.1:8080"
TOKEN = "0123456789abcdef-secret"
RATE = 16000


def tone(hz: float, seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(FakeModel(), batch_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collection") / "sounds"
    (root / "deep").mkdir(parents=True)
    audio.write(root / "low.wav", foa.encode(tone(400, 3.1), 90), RATE)
    audio.write(root / "deep" / "middle.flac", foa.encode(tone(1200, 2.0), 180, 10), RATE)
    audio.write(root / "high.wav", tone(4500, 0.7)[None], RATE)
    (root.parent / "secret.wav").write_bytes((root / "low.wav").read_bytes())
    return root


@pytest.fixture(scope="module")
def index(folder: Path, embedder: Embedder) -> Index:
    return Index.build(folder, embedder)


@pytest.fixture(scope="module")
def client(embedder: Embedder, index: Index) -> Iterator[TestClient]:
    with TestClient(make_app(embedder, index), base_url=HERE) as found:
        yield found


def asking(embedder: Embedder, index: Index | None = None, **settings: Any) -> TestClient:
    return TestClient(make_app(embedder, index, ServeConfig(**settings)), base_url=HERE, raise_server_exceptions=False)


def error(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    return str(answer.json()["error"])


def test_health_says_what_is_served(client: TestClient, embedder: Embedder) -> None:
    found = client.get("/health").json()
    assert found["status"] == "ok" and found["model"] == "fake" and found["weights_sha256"] == embedder.weights_sha256
    assert found["index"] == {"files": 3, "windows": 5}
    assert asking(embedder).get("/health").json()["index"] is None


def test_texts_and_sounds_are_embedded_as_the_library_does(
    client: TestClient, embedder: Embedder, folder: Path
) -> None:
    found = client.post("/embed/text", json={"texts": ["a low tone", "rain"]}).json()
    np.testing.assert_allclose(found["embeddings"], embedder.embed_text(["a low tone", "rain"]), atol=1e-6)
    wanted = embedder.embed_windows([folder / "low.wav"])
    content = (folder / "low.wav").read_bytes()
    for sent in ({"files": {"file": ("x.wav", content)}}, {"content": content}):
        got = client.post("/embed/audio", **sent).json()
        np.testing.assert_allclose(got["embedding"], embedder.embed_audio([folder / "low.wav"])[0], atol=1e-5)
        assert [(w["start_s"], w["end_s"]) for w in got["windows"]] == [(w.start_s, w.end_s) for w in wanted]
        np.testing.assert_allclose(got["windows"][1]["embedding"], wanted[1].vector, atol=1e-5)


def test_search_passes_everything_through(client: TestClient, index: Index, embedder: Embedder) -> None:
    def files(**asked: Any) -> list[str]:
        answer = client.post("/search", json=asked)
        assert answer.status_code == 200, answer.text
        return [hit["file"] for hit in answer.json()["hits"]]

    (hit,) = client.post("/search", json={"text": "a low tone", "k": 1}).json()["hits"]
    (wanted,) = index.search("a low tone", k=1)
    assert set(hit) == {
        *("file", "start_s", "end_s", "score", "probability", "azimuth_deg", "elevation_deg"),
        *("distance_m", "floor_area_m2", "t30_s", "is_spatial", "tags"),
    }
    assert tuple(hit.pop("tags")) == wanted.tags != ()
    assert {n: getattr(wanted, n) for n in hit} == pytest.approx(hit)
    assert files(text="x", tags=[wanted.tags[0]]) and "rain falling" in error(
        client.post("/search", json={"text": "x", "tags": ["rain fallin"]}), 400
    )
    assert files(text="a low tone", azimuth_deg=[150, -150]) == ["deep/middle.flac"]
    assert files(text="a low tone", elevation_deg=[5, None]) == ["deep/middle.flac"]
    assert files(text="a low tone", spatial=False) == ["high.wav"]
    assert files(vector=(3 * embedder.embed_text("a high tone")[0]).tolist(), k=1) == ["high.wav"]
    assert "low.wav" not in files(like={"file": "low.wav", "start_s": 0})
    for edit in ({"minus": "a low tone"}, {"move_to": "on my right"}, {"move_to": -90}, {"about": "what"}):
        text = "something"
        got = client.post("/search", json={"text": text, "k": 3, **edit}).json()["hits"]
        wanted_hits = index.search(text, k=3, **edit)
        assert [h["file"] for h in got] == [h.file for h in wanted_hits]
        assert [h["score"] for h in got] == pytest.approx([h.score for h in wanted_hits], abs=1e-5)


def test_search_by_a_sound(client: TestClient, folder: Path) -> None:
    files = {"file": ("bark.flac", (folder / "deep" / "middle.flac").read_bytes())}
    (hit,) = client.post("/search/audio?k=1", files=files).json()["hits"]
    assert hit["file"] == "deep/middle.flac" and hit["score"] == pytest.approx(1, abs=1e-5)
    assert "direction" in error(client.post("/search/audio?move_to=blue", files=files), 400)


def test_describe_says_the_uploads_own_name(client: TestClient, folder: Path) -> None:
    found = client.post("/describe", files={"file": ("/etc/yard.wav", (folder / "low.wav").read_bytes())}).json()
    assert found["source"] == "yard.wav" and found["location"]["azimuth_deg"] == pytest.approx(90, abs=1)
    assert found["text"] and len(found["tags"]) == 3


def test_a_part_of_a_file_as_sound_and_pictures(client: TestClient, folder: Path) -> None:
    answer = client.get("/audio", params={"file": "low.wav", "start_s": 1, "end_s": 2})
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16", always_2d=True)
    whole, _ = soundfile.read(folder / "low.wav", dtype="int16")
    assert rate == RATE and np.abs(samples.astype(int) - whole[RATE : 2 * RATE]).max() <= 1
    assert soundfile.info(io.BytesIO(client.get("/audio?file=high.wav").content)).channels == 1
    found = np.array(client.get("/peaks", params={"file": "low.wav", "n": 7}).json()["peaks"])
    assert found.shape == (7, 2)
    np.testing.assert_allclose(found, [[-0.3, 0.3]] * 7, atol=0.01)
    assert client.get("/spectrogram?file=low.wav").content.startswith(b"\x89PNG")
    assert "after start_s" in error(client.get("/audio?file=low.wav&start_s=2&end_s=1"), 400)
    assert "outside" in error(client.get("/audio?file=low.wav&start_s=100"), 400)


def test_the_map_places_every_window(client: TestClient) -> None:
    found = client.get("/map").json()
    assert len(found["points"]) == 5 and found["method"] == "PCA"
    assert max(abs(p["x"]) for p in found["points"]) == pytest.approx(1) and found == client.get("/map").json()


def test_metrics_and_documentation(client: TestClient) -> None:
    client.post("/embed/text", json={"texts": ["rain"]})
    text = client.get("/metrics").text
    assert 'elsa_requests_total{route="/embed/text",status="200"}' in text
    assert "elsa_queue_depth 0.0" in text and "elsa_batch_requests_bucket" in text
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/embed/text", "/embed/audio", "/search", "/search/audio", "/describe", "/audio", "/map"} <= set(paths)


class Addresses(HTMLParser):
    """Whatever a page loads or leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


def test_the_documentation_is_this_servers_own(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "//" not in page and "script-src 'self'" in page
    addresses = Addresses(page).found
    assert len(addresses) >= 4
    for address in addresses:
        assert client.get(f"/{address}").status_code == 200


def test_the_documentation_knows_of_the_token(client: TestClient, embedder: Embedder) -> None:
    assert "securitySchemes" not in client.get("/openapi.json").json().get("components", {})
    told = asking(embedder, token=TOKEN).get("/openapi.json").json()
    assert told["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert all("security" in route for methods in told["paths"].values() for route in methods.values())


def test_the_page_and_nothing_beside_it(embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from open_elsa.app import server

    web = tmp_path / "web"
    monkeypatch.setattr(server, "WEB", web)
    for path in ("/", "/docs"):
        assert "/openapi.json" in error(asking(embedder).get(path), 503)
    (web / "deep").mkdir(parents=True)
    (web / "index.html").write_text("<p>here</p>")
    (web / "page.js").write_text("1")
    (web / "deep" / "more.js").write_text("3")
    (tmp_path / "secret.js").write_text("2")
    client = asking(embedder)
    assert client.get("/static/deep/more.js").text == "3"
    (web / "later.js").write_text("4")
    error(client.get("/static/later.js"), 404)  # what is shipped is known from the start
    assert client.get("/").text == "<p>here</p>" and client.get("/static/page.js").text == "1"
    for name in ("../secret.js", "%2e%2e/secret.js", "..%2fsecret.js", "/etc/passwd", "nothing.js"):
        error(client.get(f"/static/{name}"), 404)


@pytest.mark.parametrize(
    "file",
    [
        "../secret.wav",
        "%2e%2e/secret.wav",
        "..%2fsecret.wav",
        "deep/../low.wav",
        "./low.wav",
        "/etc/passwd",
        "low.wav%00.txt",
        "low.wav%00",
        "deep%5c..%5clow.wav",
        "elsa-index/index.json",
        "%ff",
        "",
    ],
)
def test_no_file_outside_the_collection(client: TestClient, folder: Path, file: str) -> None:
    for route in ("audio", "peaks", "spectrogram"):
        said = error(client.get(f"/{route}?file={file}"), 404)
        assert str(folder) not in said
    error(client.get(f"/audio?file={folder}/low.wav"), 404)


def test_a_listed_file_that_became_a_link_out_is_refused(embedder: Embedder, tmp_path: Path) -> None:
    root = tmp_path / "sounds"
    root.mkdir()
    for name in ("a.wav", "b.wav", "c.wav"):
        audio.write(root / name, tone(400, 1.0)[None], RATE)
    client = asking(embedder, Index.build(root, embedder))
    audio.write(tmp_path / "secret.wav", tone(400, 1.0)[None], RATE)
    (root / "a.wav").unlink()
    (root / "a.wav").symlink_to(tmp_path / "secret.wav")
    (root / "b.wav").unlink()
    (root / "c.wav").unlink()
    (root / "c.wav").symlink_to("c.wav")
    assert "leads out" in error(client.get("/audio?file=a.wav"), 404)
    for gone in ("b.wav", "c.wav"):
        assert "no longer there" in error(client.get(f"/audio?file={gone}"), 404)


def test_what_cannot_be_meant_is_refused_with_a_sentence(client: TestClient, embedder: Embedder) -> None:
    assert "exactly one" in error(client.post("/search", json={}), 400)
    assert "exactly one" in error(client.post("/search", json={"text": "a", "like": {"file": "low.wav"}}), 400)
    assert "16" in error(client.post("/search", json={"vector": [1, 2], "minus": "a dog"}), 400)
    assert "length" in error(client.post("/search", json={"vector": [0] * 16}), 400)
    assert "txt" in error(client.post("/search", json={"txt": "rain"}), 422)
    assert "k" in error(client.post("/search", json={"text": "rain", "k": 0}), 422)
    assert "empty" in error(client.post("/embed/text", json={"texts": ["rain", " "]}), 400)
    surrogate = b'{"texts": ["\\ud800"]}'
    json = {"content-type": "application/json"}
    assert "unicode" in error(client.post("/embed/text", content=surrogate, headers=json), 422)
    assert error(client.post("/search", content=b"{", headers=json), 422)
    assert "elsa serve" in error(asking(embedder).post("/search", json={"text": "rain"}), 404)
    error(client.post("/search", json={"like": {"file": "../secret.wav"}}), 404)
    assert "file" in error(client.post("/describe", files={"sound": ("x.wav", b"RIFF")}), 400)
    assert "no sound" in error(client.post("/describe", content=b""), 400)
    error(client.get("/nothing"), 404)


def test_a_token_for_everything_but_the_page(embedder: Embedder, index: Index) -> None:
    client = asking(embedder, index, host="0.0.0.0", token=TOKEN)
    right = {"Authorization": f"Bearer {TOKEN}"}
    for wrong in ({}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "Bearer "}):
        for path in ("/health", "/metrics", "/map", "/audio?file=low.wav", "/static/../health"):
            answer = client.get(path, headers=wrong)
            assert error(answer, 401) and answer.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/health", headers=right).status_code == 200
    assert client.get("/openapi.json").status_code == 200
    with pytest.raises(ConfigError, match="token"):
        ServeConfig(host="0.0.0.0")
    with pytest.raises(ConfigError, match="16"):
        ServeConfig(token="short")


def test_other_sites_cannot_ask(client: TestClient, embedder: Embedder) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:8080", ""):
        assert "Host" in error(client.get("/health", headers={"Host": host}), 400)
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080"):
        assert client.get("/health", headers={"Host": host}).status_code == 200
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9999"):
        answer = client.get("/health", headers={"Origin": origin})
        assert error(answer, 403) and "access-control-allow-origin" not in answer.headers
    assert client.get("/health", headers={"Origin": HERE}).status_code == 200
    other = asking(embedder, origins=("https://a.example",), token=TOKEN)
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    before = other.options("/embed/text", headers=asked)
    assert before.status_code == 200 and before.headers["access-control-allow-origin"] == "https://a.example"
    assert other.get("/health", headers={"Origin": "https://b.example"}).status_code == 403


def test_names_of_uploads_are_only_names() -> None:
    assert upload_name("../../etc/passwd") == "passwd" and upload_name("C:\\a\\b.wav") == "b.wav"
    assert upload_name("a\0\n.wav") == "a.wav" and upload_name("") == upload_name(None) == "upload"
    assert len(upload_name("x" * 9999)) == 120


def until(wanted: Callable[[], bool], most_s: float = 20.0) -> bool:
    """Whether it came true: looked at often, given up after a time that no sound machine needs."""
    end = time.monotonic() + most_s
    while not (found := wanted()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_a_service_takes_up_what_the_index_has_become(tmp_path: Path, embedder: Embedder) -> None:
    audio.write(tmp_path / "low.wav", foa.encode(tone(400, 2.1), 90), RATE)
    with TestClient(
        make_app(embedder, Index.build(tmp_path, embedder), ServeConfig(follow_s=0.02)), base_url=HERE
    ) as c:
        assert c.get("/health").json()["index"]["files"] == 1
        few = len(c.get("/map").json()["points"])
        audio.write(tmp_path / "high.wav", foa.encode(tone(4500, 2.0), -90), RATE)
        Index.build(tmp_path, embedder)
        assert until(lambda: c.get("/health").json()["index"]["files"] == 2)
        hits = c.post("/search", json={"text": "a high tone", "k": 5}).json()["hits"]
        assert [hit["file"] for hit in hits] == ["high.wav", "low.wav"]
        assert c.get("/audio", params={"file": "high.wav"}).status_code == 200
        assert len(c.get("/map").json()["points"]) > few
        (tmp_path / "low.wav").unlink()
        Index.build(tmp_path, embedder)
        assert until(lambda: c.get("/health").json()["index"]["files"] == 1)
        assert c.get("/audio", params={"file": "low.wav"}).status_code == 404


def test_a_service_keeps_its_collection_where_the_index_is_gone(
    tmp_path: Path, embedder: Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    audio.write(tmp_path / "low.wav", foa.encode(tone(400, 2.1), 90), RATE)
    index = Index.build(tmp_path, embedder)
    with TestClient(make_app(embedder, index, ServeConfig(follow_s=0.02)), base_url=HERE) as c:
        shutil.rmtree(tmp_path / "elsa-index")
        assert until(lambda: "the collection stays as it was" in caplog.text)
        time.sleep(0.2)
        assert caplog.text.count("the collection stays as it was") == 1  # said once, not every time
        assert len(c.post("/search", json={"text": "a low tone"}).json()["hits"]) == 1


def test_a_service_goes_on_looking_whatever_a_look_ends_in(
    tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio.write(tmp_path / "low.wav", foa.encode(tone(400, 2.1), 90), RATE)
    index, looks = Index.build(tmp_path, embedder), []

    def newer() -> None:
        looks.append(1)
        raise MemoryError("two at once")

    monkeypatch.setattr(index, "newer", newer)
    with TestClient(make_app(embedder, index, ServeConfig(follow_s=0.01)), base_url=HERE) as c:
        assert until(lambda: len(looks) >= 3)
        assert c.get("/health").json()["index"]["files"] == 1


def test_following_takes_a_time_that_can_be() -> None:
    with pytest.raises(ConfigError, match="follow_s must be 0 or more"):
        ServeConfig(follow_s=-1.0)
