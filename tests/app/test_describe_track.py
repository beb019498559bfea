"""`elsa describe` over time: table, JSON, and a picture whose left is the listener's left."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "using"))

from fake import FakeModel

from open_elsa.app.track_picture import draw
from open_elsa.sound import audio, foa
from open_elsa.using import embedder as embedder_module
from open_elsa.using.embedder import Embedder
from open_elsa.using.track import describe_track

Run = Callable[..., tuple[int, str, str]]
RATE = 16000
NAMES = ("--name", "a low tone", "--name", "a high tone")


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> Embedder:
    made = Embedder(FakeModel())
    monkeypatch.setattr(embedder_module, "load", lambda where=None, device="cpu": made)
    return made


def tone(hz: float, seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def placed(folder: Path, azimuth: float, elevation: float = 0.0) -> Path:
    audio.write(folder / "at.wav", foa.encode(tone(400, 6.0), azimuth, elevation), RATE)
    return folder / "at.wav"


def test_a_table_and_json(run: Run, embedder: Embedder, tmp_path: Path) -> None:
    file = placed(tmp_path, 90)
    code, out, _ = run("describe", file, "--over-time", "--rows", "2", *NAMES)
    assert code == 0 and out.count("90° left") == 3 and out.count("a low tone") >= 3 and "0:00.0-0:03.0" in out
    code, out, _ = run("describe", file, "--over-time", "--json", *NAMES)
    (value,) = json.loads(out)
    assert value["duration_s"] == 6.0 and len(value["track"]) == 5 and "waveform" not in value
    assert value["track"][0]["location"]["azimuth_deg"] == pytest.approx(90, abs=1) and value["text"]
    (plain,) = json.loads(run("describe", file, "--json", *NAMES)[1])
    assert set(value) - set(plain) == {"duration_s", "track"}


def pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return np.asarray(imread(path))[..., :3]


@pytest.mark.parametrize(("azimuth", "elevation"), [(90, 0), (-90, 0), (0, 60), (45, -45)])
def test_the_picture_shows_where(embedder: Embedder, tmp_path: Path, azimuth: float, elevation: float) -> None:
    track = describe_track(placed(tmp_path, azimuth, elevation), embedder, names=["a low tone"])
    image = pixels(draw(track, tmp_path / "at.png"))
    assert image.shape == (1050, 1650, 3)
    left, right, top, bottom = 0.075 * 1650, 0.73 * 1650, (1 - 0.615) * 1050, (1 - 0.105) * 1050
    x = left + (180 - azimuth) / 360 * (right - left)  # +90 is left of the middle
    y = top + (90 - elevation) / 180 * (bottom - top)
    inside = image[round(top) + 4 : round(bottom) - 4, round(left) + 4 : round(right) - 4]
    ys, xs = np.nonzero((inside.max(2) - inside.min(2)) > 0.25)  # coloured: the points
    assert abs(xs.mean() + left + 4 - x) < 12 and abs(ys.mean() + top + 4 - y) < 12


def test_the_picture_is_the_same_every_time(run: Run, embedder: Embedder, tmp_path: Path) -> None:
    file, png = placed(tmp_path, 170), tmp_path / "deep" / "a.png"
    assert run("describe", file, "--png", png, *NAMES)[0] == 0
    first = png.read_bytes()
    code, _, err = run("describe", file, "--png", png, *NAMES)
    assert code == 2 and "--force" in err
    assert run("describe", file, "--png", png, "--force", *NAMES)[0] == 0 and png.read_bytes() == first
    assert [p.name for p in png.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("samples", [tone(400, 1.0)[None], np.zeros((4, RATE), np.float32)])
@pytest.mark.filterwarnings("ignore:array. silent")
def test_mono_and_silence_are_drawn_too(embedder: Embedder, tmp_path: Path, samples: np.ndarray) -> None:
    track = describe_track((samples, RATE), embedder, names=["a low tone"])
    inside = pixels(draw(track, tmp_path / "a.png"))[410:930, 140:1190]
    assert (inside.max(2) - inside.min(2)).max() < 0.1, "nothing is placed on the map"
    assert (inside.min(2) < 0.6).sum() > 100, "it says why"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--png", "a.jpg"), "end in .png"),
        (("other.wav", "--png", "a.png"), "one recording, got 2"),
        (("--over-time", "--rows", "0"), "at least 1"),
    ],
)
def test_refusals(run: Run, embedder: Embedder, words: tuple[str, ...], says: str) -> None:
    code, _, err = run("describe", "x.wav", *words)
    assert code == 2 and says in err
