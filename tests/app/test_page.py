"""The web page in headless Chromium, against the real service with a fake model and six small files."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1] / "using"))

from fake import FakeModel

from open_elsa import Index
from open_elsa.app.server import make_app
from open_elsa.search import scores as scores_module
from open_elsa.search.scores import Calibration
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the page's tests need playwright (pip install playwright)"
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the page's tests need Chromium (or its path in CHROMIUM)")

RATE = 16000
HOSTILE = "<img src=x onerror=alert(1)>.wav"
PATIENCE_MS = 30_000


def tone(hz: float, seconds: float = 2.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def collection(root: Path) -> Path:
    """Low tones on both sides, middle ones behind, a high one above, one in mono, and one with a hostile name."""
    (root / "deep").mkdir(parents=True)
    audio.write(root / "low-left.wav", foa.encode(tone(400), 90), RATE)
    audio.write(root / "deep" / "low-right.flac", foa.encode(tone(420), -90), RATE)
    audio.write(root / "middle-behind.wav", foa.encode(tone(1200), 180), RATE)
    audio.write(root / "high-above.wav", foa.encode(tone(4500), 0, 60), RATE)
    audio.write(root / "mono.wav", tone(4600)[None], RATE)
    audio.write(root / HOSTILE, foa.encode(tone(1250), 45), RATE)
    return root


class Server:
    """The service in a thread of this process; can be stopped, and started again at the same port."""

    def __init__(self, embedder: Embedder, index: Index | None) -> None:
        self.held = embedder, index
        self.port = 0

    def start(self) -> Server:
        self.server = uvicorn.Server(uvicorn.Config(make_app(*self.held), port=self.port, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive(), "the service did not start"
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(FakeModel(), batch_size=8)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("page") / "sounds")


@pytest.fixture(scope="module")
def index(sounds: Path, embedder: Embedder) -> Index:
    return Index.build(sounds, embedder)


@pytest.fixture(scope="module")
def server(index: Index, embedder: Embedder) -> Iterator[Server]:
    running = Server(embedder, index).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--mute-audio"]
        )
        yield chromium
        chromium.close()


Open = Callable[..., Any]


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    """Open the page of a server; at the end nothing may have gone wrong in it, or been fetched from elsewhere."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def go(
        server: Server,
        *,
        width: int = 1100,
        path: str = "",
        clock: bool = False,
        expected: str | None = None,
        **options: Any,
    ) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()

        def console(message: Any) -> None:
            if message.type in ("error", "warning") and not (expected and expected in message.text):
                wrong.append(f"{message.type}: {message.text}")

        page.on("console", console)
        page.on("pageerror", lambda error: wrong.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda r: None if r.url.startswith((server.url, "blob:")) else wrong.append(f"to {r.url}"))
        if clock:
            page.clock.install()
        page.goto(server.url + path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert not wrong, wrong


def ask(page: Any, text: str) -> None:
    page.get_by_role("searchbox").fill(text)
    page.get_by_role("searchbox").press("Enter")
    page.locator("#summary", has_text=f"“{text}”").wait_for()


def files(page: Any) -> list[str]:
    """Names on the cards, best first, without folders and times."""
    return page.locator(".card h3").evaluate_all(
        "all => all.map(h => [...h.childNodes].find(n => n.nodeType === 3).data)"
    )


def until(page: Any, condition: Callable[[], bool]) -> None:
    """Wait for something that can be asked of the page only piece by piece."""
    for _ in range(600):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came to be")


def drag_to(page: Any, right: float, up: float, selector: str = "#dial") -> None:
    """Drag the marker of a dial from ahead to a point given in halves of its size."""
    box = page.locator(selector).bounding_box()
    x, y, half = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 2
    page.mouse.move(x, y - 0.7 * half)
    page.mouse.down()
    page.mouse.move(x + right * half * 0.5, y - (0.4 + up * 0.2) * half)
    page.mouse.move(x + right * half, y - up * half)
    page.mouse.up()


def likely(probability: float) -> str:
    told = "over 99" if probability > 0.99 else "under 1" if probability < 0.01 else f"{100 * probability:.0f}"
    return f"{told} % likely"


# -- search -----------------------------------------------------------------------------------------------------------


def test_a_search_shows_what_is_found_and_where(visit: Open, server: Server) -> None:
    page = visit(server)
    page.get_by_text("6 files").wait_for()
    ask(page, "a low tone")
    assert set(files(page)[:2]) == {"low-left.wav", "low-right.flac"}
    assert page.locator("#summary").inner_text().startswith("6 results for “a low tone”")
    assert page.locator("#summary").get_attribute("aria-live") == "polite"
    left = page.locator(".card", has_text="low-left.wav")
    assert left.locator(".meta").inner_text().startswith("left, level, ")
    assert left.get_by_role("img").get_attribute("aria-label").startswith("Heard left, level")
    dot = left.locator("circle.dot")
    assert float(dot.get_attribute("cx")) < 90 and abs(float(dot.get_attribute("cy")) - 100) < 5, "+90 is left"
    above = page.locator(".card", has_text="high-above.wav")
    assert "ahead, above" in above.locator(".meta").inner_text()
    assert "mono: no direction" in page.locator(".card", has_text="mono.wav").locator(".meta").inner_text()
    left.locator("canvas[data-drawn=peaks]").wait_for(state="attached")
    page.get_by_role("radio", name="spectrogram").check()
    left.locator("canvas[data-drawn=spectrogram]").wait_for(state="attached")
    painted = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert left.locator("canvas").evaluate(painted) > 8, "the spectrogram has more than one colour"


def test_how_likely_each_result_is(visit: Open, server: Server, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [hit.score for hit in index.search("a low tone", k=6)]
    half = float(np.mean(scores[3:5]))  # a cosine between them is as likely right as wrong
    assert scores[0] - half > 0.2 and half - scores[-1] > 0.02
    curve = Calibration(slope=50.0, offset=-50.0 * half)
    monkeypatch.setattr(scores_module, "calibration", lambda weights, about: curve if about == "both" else None)
    page = visit(server)
    ask(page, "a low tone")
    shown = [p.split(",")[0].strip() for p in page.locator(".likeliness").all_inner_texts()]
    assert shown[0] == "over 99 % likely", "nothing is certain"
    assert shown == [likely(curve.probability(score)) for score in scores]
    assert "half of them wrong" in page.locator(".likeliness").first.get_attribute("title")
    with page.expect_response("**/search"):
        page.get_by_role("radio", name="sound only").check()
    page.locator(".likeliness", has_text="score").first.wait_for()
    assert not any("likely" in text for text in page.locator(".likeliness").all_inner_texts()), "it was not measured"


def test_examples_are_questions(visit: Open, server: Server) -> None:
    page = visit(server)
    page.get_by_role("button", name="rain falling behind me").click()
    page.locator("#summary", has_text="“rain falling behind me”").wait_for()
    assert page.get_by_role("searchbox").input_value() == "rain falling behind me"
    assert len(files(page)) == 6


def test_names_of_files_are_text(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a middle tone")
    assert HOSTILE in files(page)
    assert page.locator(".card img").count() == 0


def test_the_form_says_what_is_asked(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a low tone")
    page.route("**/search", lambda route: route.fulfill(json={"hits": [], "seconds": 0.001}))
    with page.expect_request("**/search") as told:
        page.get_by_role("radio", name="sound only").check()
    assert json.loads(told.value.post_data) == {"k": 12, "text": "a low tone", "about": "what"}
    with page.expect_request("**/search") as told:
        page.get_by_label("but without").fill("a high tone")
    assert json.loads(told.value.post_data)["minus"] == "a high tone"
    with page.expect_request("**/search") as told:
        page.get_by_label("at most, in metres").fill("0")
    assert json.loads(told.value.post_data)["distance_m"] == [None, 0]
    page.locator("#summary", has_text="Nothing found for “a low tone”, without “a high tone”, within 0.0 m").wait_for()


def test_dragging_the_compass_filters(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a low tone")
    drag_to(page, -0.8, 0.0)
    page.locator("#where-now", has_text="only left").wait_for()
    until(page, lambda: files(page) == ["low-left.wav", HOSTILE])
    drag_to(page, 0.8, 0.0)
    until(page, lambda: files(page) == ["low-right.flac"])
    assert "only right" in page.locator("#summary").inner_text()
    with page.expect_response("**/search"):  # or its answer would move the compass under the pointer
        page.get_by_role("radio", name="as if here").check()
    with page.expect_request("**/search") as told:
        drag_to(page, 0.0, -0.8)
    assert abs(abs(json.loads(told.value.post_data)["move_to"]) - 180) < 2
    assert "azimuth_deg" not in json.loads(told.value.post_data)


def test_the_compass_by_keyboard(visit: Open, server: Server) -> None:
    page = visit(server)
    dial = page.get_by_role("slider", name="Direction asked for")
    assert dial.get_attribute("aria-valuetext") == "anywhere"
    dial.focus()
    dial.press("End")
    until(page, lambda: files(page) == ["middle-behind.wav"])  # a place alone is a question as well
    assert "any sound, only behind" in page.locator("#summary").inner_text()
    dial.press("Home")
    dial.press("ArrowLeft")
    assert dial.get_attribute("aria-valuenow") == "5", "left is counter-clockwise, which is positive"
    assert dial.get_attribute("aria-valuetext") == "ahead, 5 degrees"
    until(page, lambda: set(files(page)) == {"high-above.wav", HOSTILE})
    dial.press("Delete")
    page.locator("#summary", has_text="Nothing asked yet").wait_for()


def test_more_like_this_and_moved(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a low tone")
    page.locator(".card", has_text="low-left.wav").get_by_role("button", name="More like this").click()
    page.locator("#summary", has_text="more like low-left.wav").wait_for()
    assert "low-right.flac" in files(page)[:2]
    assert page.evaluate("document.activeElement.id") == "results-heading"
    card = page.locator(".card", has_text="middle-behind.wav")
    with page.expect_request("**/search") as told:
        card.get_by_role("button", name="This sound, but on my right").click()
    asked = json.loads(told.value.post_data)
    assert (asked["like"], asked["move_to"]) == ({"file": "middle-behind.wav", "start_s": 0}, -90)
    page.locator("#summary", has_text="as if right").wait_for()
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#like").is_hidden()


def test_an_older_answer_never_replaces_a_newer_one(visit: Open, server: Server) -> None:
    page = visit(server)
    held: list[Any] = []

    def hold(route: Any) -> None:
        if "low" in route.request.post_data:
            held.append(route)
        else:
            route.continue_()

    page.route("**/search", hold)
    page.get_by_role("searchbox").fill("a low tone")
    page.get_by_role("searchbox").press("Enter")
    page.locator("#busy").wait_for()  # a slow answer shows that it is awaited
    with page.expect_event("requestfailed", lambda request: "low" in request.post_data):
        ask(page, "a high tone")
    page.locator("#busy").wait_for(state="hidden")
    assert len(held) == 1 and files(page)[0] in ("high-above.wav", "mono.wav")
    assert page.locator("#banner").is_hidden(), "an outdated search is no failure"


# -- sound ------------------------------------------------------------------------------------------------------------

EARS = """async ([azimuth, elevation, yaw, pitch]) => {
  const {makeHead} = await import("/static/binaural.js");
  const context = new OfflineAudioContext(2, 12000, 48000);
  const head = await makeHead(context);
  head.look(yaw, pitch);
  const buffer = context.createBuffer(4, 12000, 48000);
  const [a, e] = [azimuth * Math.PI / 180, elevation * Math.PI / 180];
  const gains = [1, Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)];
  let seed = 1;  // the same noise every time
  for (let i = 0; i < 12000; i++) {
    seed = (seed * 16807) % 2147483647;
    gains.forEach((gain, c) => { buffer.getChannelData(c)[i] = gain * (seed / 1073741823.5 - 1) * 0.3; });
  }
  const source = new AudioBufferSourceNode(context, {buffer});
  source.connect(head.input);
  head.output.connect(context.destination);
  source.start();
  const heard = await context.startRendering();
  return [0, 1].map(ear => Array.from(heard.getChannelData(ear).slice(1000, 9000)));
}"""


def test_ears_hear_left_as_left_and_a_turned_head_turns_the_sounds(visit: Open, server: Server) -> None:
    page = visit(server)

    def heard(azimuth: float, elevation: float = 0, yaw: float = 0, pitch: float = 0) -> np.ndarray:
        return np.asarray(page.evaluate(EARS, [azimuth, elevation, yaw, pitch]))

    def difference_db(ears: np.ndarray) -> float:
        left, right = np.sqrt((ears**2).mean(axis=1))
        return float(20 * np.log10(left / right))

    ahead, left = heard(0), heard(90)
    assert difference_db(left) > 6, "+90 is left"
    assert difference_db(heard(-90)) < -6
    assert abs(difference_db(ahead)) < 0.1
    # a head that looks where the sound is hears what an unturned one hears of a sound ahead
    np.testing.assert_allclose(heard(90, yaw=90), ahead, atol=1e-5)
    np.testing.assert_allclose(heard(-150, yaw=-150), ahead, atol=1e-5)
    np.testing.assert_allclose(heard(0, 50, pitch=50), ahead, atol=1e-5)
    np.testing.assert_allclose(heard(40, 30, yaw=40, pitch=30), ahead, atol=1e-5)
    np.testing.assert_allclose(heard(0, yaw=-90), left, atol=1e-5)
    assert np.abs(heard(180) - ahead).max() > 0.01, "behind is not ahead"


def levels(page: Any) -> tuple[float, float]:
    read = "ids => ids.map(i => Number(document.getElementById(i).style.getPropertyValue('--level')))"
    left, right = page.evaluate(read, ["left-ear", "right-ear"])
    return left, right


def test_playing_and_turning_the_head(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a low tone")
    card = page.locator(".card", has_text="low-left.wav")
    card.get_by_role("button", name="Play").click()
    card.get_by_role("button", name="Pause").wait_for()
    until(page, lambda: levels(page)[0] > levels(page)[1] + 0.05 > 0.3)
    page.locator("#look", has_text="the sound is to your left").wait_for()
    drag_to(page, -0.8, 0.0, "#head")
    page.locator("#look", has_text="you look left (+90°); the sound is ahead of you").wait_for()
    until(page, lambda: abs(levels(page)[0] - levels(page)[1]) < 0.02 and levels(page)[0] > 0.3)
    nose = page.get_by_role("slider", name="Where you look")
    nose.press("PageUp")
    nose.press("PageUp")
    assert nose.get_attribute("aria-valuetext") == "behind, 180 degrees"
    until(page, lambda: levels(page)[1] > levels(page)[0] + 0.05)
    nose.press("ArrowUp")
    assert nose.get_attribute("aria-valuetext") == "behind, 180 degrees, 10 degrees up"
    nose.press(" ")
    card.get_by_role("button", name="Play").wait_for()
    page.get_by_role("button", name="Close the player").click()
    assert page.locator("#player").is_hidden()


def test_mono_plays_alike_in_both_ears(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a high tone")
    page.locator(".card", has_text="mono.wav").get_by_role("button", name="Play").click()
    until(page, lambda: levels(page)[0] > 0.3 and abs(levels(page)[0] - levels(page)[1]) < 1e-3)
    assert page.locator("#head").is_hidden()
    page.locator("#look", has_text="the same in both ears").wait_for(state="attached")


# -- describe and map -------------------------------------------------------------------------------------------------


def drop(page: Any, name: str, content: bytes) -> None:
    transfer = page.evaluate_handle(
        """([name, content]) => {
          const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, {type: "audio/wav"}));
          return transfer;
        }""",
        [name, base64.b64encode(content).decode()],
    )
    page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
    page.locator("#veil").wait_for()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    assert page.locator("#veil").is_hidden()


def test_a_dropped_file_is_described(visit: Open, server: Server, sounds: Path) -> None:
    page = visit(server)
    drop(page, "mine.wav", (sounds / "low-left.wav").read_bytes())
    told = page.locator("#described")
    told.locator("h3").wait_for()
    assert told.locator("h3").inner_text()
    assert "mine.wav" in told.locator(".source").inner_text()
    assert told.locator("dd").first.inner_text() == "left (+90°), ± 5°"
    assert told.get_by_role("img").get_attribute("aria-label") == "Heard left (+90°), give or take 5 degrees"
    assert told.locator(".cone").count() == 1
    assert told.locator(".tags li").count() == 3
    told.get_by_role("button", name="Play").click()
    page.locator("#playing", has_text="mine.wav").wait_for()
    with page.expect_request("**/search/audio"):
        told.get_by_role("button", name="Find sounds like it").click()
    page.locator("#summary", has_text="mine.wav").wait_for()


def test_a_file_that_is_no_sound_is_refused_with_a_reason(visit: Open, server: Server, tmp_path: Path) -> None:
    page = visit(server, expected="Failed to load resource")
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound at all")
    page.locator("#file").set_input_files(bad)
    page.locator("#describe-status", has_text="bad.wav: ").wait_for()
    assert page.locator("#described").is_hidden()


def test_wandering_the_map_by_keyboard_and_pointer(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a low tone")
    canvas = page.get_by_role("application", name="Map of the collection")
    canvas.focus()
    told = page.locator("#map-told")
    assert told.inner_text().endswith("(result 1)"), "it starts at the best result"
    first = told.inner_text()
    seen = {first}
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp"):
        canvas.press(key)
        seen.add(told.inner_text())
    assert len(seen) >= 3, "the arrows lead on"
    for _ in range(6):
        canvas.press("PageDown")
        seen.add(told.inner_text())
    assert len(seen) == 6, "Page Down passes every one"
    canvas.press("Enter")
    name = told.inner_text().split(" (")[0]
    page.locator("#playing", has_text=name).wait_for()
    page.get_by_role("button", name="More like this").last.click()
    page.locator("#summary", has_text=f"more like {name}").wait_for()


# -- when something is missing ----------------------------------------------------------------------------------------


def test_an_empty_collection_is_said_to_be_empty(visit: Open, embedder: Embedder, sounds: Path) -> None:
    empty = Server(embedder, None).start()
    page = visit(empty)
    page.get_by_role("alert").get_by_text("elsa index FOLDER").wait_for()
    assert page.get_by_role("searchbox").is_disabled()
    assert page.locator("#map").is_hidden()
    page.locator("#file").set_input_files(sounds / "low-left.wav")  # describing needs no collection
    page.locator("#described h3").wait_for()
    empty.stop()


def test_a_server_that_goes_and_comes_back(visit: Open, index: Index, embedder: Embedder) -> None:
    server = Server(embedder, index).start()
    page = visit(server, expected="ERR_CONNECTION_REFUSED")
    ask(page, "a low tone")
    server.stop()
    page.get_by_role("searchbox").fill("a high tone")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("alert").get_by_text("The server does not answer").wait_for()
    server.start()
    page.get_by_role("button", name="Try again").click()
    page.locator("#banner").wait_for(state="hidden")
    page.locator("#summary", has_text="results for “a high tone”").wait_for()
    server.stop()


def test_try_again_brings_the_page_back_at_once(visit: Open, index: Index, embedder: Embedder) -> None:
    server = Server(embedder, index).start()
    page = visit(server, expected="ERR_CONNECTION_REFUSED", clock=True)
    ask(page, "a low tone")
    server.stop()
    page.get_by_role("searchbox").fill("a high tone")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("alert").get_by_text("The server does not answer").wait_for()
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))  # so that its own next try, after 5 s, never comes
    server.start()
    page.wait_for_timeout(300)
    assert page.locator("#banner").is_visible(), "its clock stands"
    with page.expect_response("**/health"):
        page.get_by_role("button", name="Try again").click()
    page.locator("#banner").wait_for(state="hidden")
    page.get_by_text("6 files").wait_for()
    server.stop()


def test_a_refusal_is_shown_in_the_servers_words(visit: Open, server: Server) -> None:
    page = visit(server, expected="Failed to load resource")
    refusal = json.dumps({"error": "'sideways' does not name one direction"})
    page.route("**/search", lambda route: route.fulfill(status=422, content_type="application/json", body=refusal))
    page.get_by_role("searchbox").fill("anything")
    page.get_by_role("searchbox").press("Enter")
    page.locator("#summary.wrong", has_text="'sideways' does not name one direction").wait_for()


def test_a_token_is_asked_for_and_used(visit: Open, server: Server) -> None:
    page = visit(server, expected="Failed to load resource")

    def guard(route: Any) -> None:
        if route.request.headers.get("authorization") == "Bearer secret":
            route.continue_()
        else:
            route.fulfill(status=401, content_type="application/json", body='{"error": "token"}')

    page.route("**/health", guard)
    page.reload()
    page.get_by_label("Token").fill("secret")
    page.get_by_role("button", name="Use it").click()
    page.get_by_text("6 files").wait_for()
    assert page.locator("#banner").is_hidden()


# -- the reference of all routes ---------------------------------------------------------------------------------------


def test_the_reference_is_drawn_without_the_network(visit: Open, server: Server) -> None:
    page = visit(server, path="docs")  # which fails for a request to elsewhere, and for what the page's policy blocks
    for route in ("/embed/text", "/embed/audio", "/search", "/describe", "/audio", "/health"):
        page.locator(f".opblock-summary-path[data-path='{route}']").wait_for()
    page.locator(".opblock", has=page.locator("[data-path='/health']")).get_by_role("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    with page.expect_response(server.url + "health"):
        page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="200").first.wait_for()


# -- everyone ---------------------------------------------------------------------------------------------------------


def test_a_phone_needs_no_sideways_scrolling(visit: Open, server: Server, sounds: Path) -> None:
    page = visit(server, width=360, has_touch=True)

    def too_wide() -> list[str]:
        return page.evaluate(
            """() => [...document.querySelectorAll("body *")].filter(e => e.getClientRects().length
                 && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".examples, .unseen, .skip"))
                 .map(e => e.outerHTML.slice(0, 90))"""
        )

    assert too_wide() == []
    ask(page, "a low tone")
    page.locator("#where summary").click()
    page.locator(".play").first.click()
    page.locator("#player").wait_for()
    page.locator("#file").set_input_files(sounds / "low-left.wav")
    page.locator("#described h3").wait_for()
    assert too_wide() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_keyboard_reaches_everything(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a low tone")
    page.locator(".skip").focus()
    name = "() => { const on = document.activeElement; return on.ariaLabel || on.id || on.innerText; }"
    passed: list[str] = []
    while len(passed) < 100 and "file" not in passed:
        page.keyboard.press("Tab")
        passed.append(page.evaluate(name))
        if passed[-1].endswith("Play") and page.locator("#player").is_hidden():
            page.keyboard.press("Enter")
            page.locator("#player").wait_for()
    wanted = {
        *("text", "minus", "near", "far", "Direction asked for", "a dog barking on my left"),
        *("More like this", "This sound, but on my right", "Map of the collection", "map-hear", "file"),
    }
    assert wanted <= set(passed), wanted - set(passed)
    assert page.locator(".play").first.get_attribute("aria-pressed") == "true"
    for _ in range(5):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(name))
    assert {"Pause", "Position", "Where you look"} <= set(passed), "the player comes last"


def test_every_control_has_a_name(visit: Open, server: Server) -> None:
    page = visit(server)
    ask(page, "a low tone")
    page.locator(".play").first.click()
    page.locator("#player").wait_for()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, [role=slider], [role=application], [role=img]")]
             .filter(e => !(e.ariaLabel || e.innerText?.trim() || e.labels?.length))
             .map(e => e.outerHTML.slice(0, 90))"""
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(visit: Open, server: Server, scheme: str) -> None:
    page = visit(server, color_scheme=scheme)
    ratios = page.evaluate(
        """() => {
          const light = name => {
            const probe = document.body.appendChild(document.createElement("i"));
            probe.style.color = `var(${name})`;
            const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
            probe.remove();
            const [r, g, b] = parts.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ratio = (...pair) => {
            const [dark, bright] = pair.map(light).sort((p, q) => p - q);
            return (bright + 0.05) / (dark + 0.05);
          };
          return [["--ink", "--ground"], ["--soft", "--ground"], ["--soft", "--card"], ["--accent", "--card"],
            ["--on-accent", "--accent"], ["--accent", "--accent-soft"], ["--ink", "--bad-soft"], ["--bad", "--ground"]]
            .map(([a, b]) => [a, b, ratio(a, b)]);
        }"""
    )
    assert [pair for pair in ratios if pair[2] < 4.5] == []
