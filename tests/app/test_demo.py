from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from open_elsa.app import demo, report
from open_elsa.errors import DataError
from open_elsa.model.config import ElsaConfig
from open_elsa.scenes import captions
from open_elsa.scenes.scene import SpatialWords
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder


class Output(NamedTuple):
    embedding: Tensor
    direction: Tensor
    distance_m: Tensor
    floor_area_m2: Tensor
    t30_s: Tensor | None
    drr_db: Tensor | None
    uncertainty_deg: Tensor | None


class Listener(nn.Module):
    """Hears directions by intensity, tells sounds apart by their spectra and knows no words."""

    def __init__(self) -> None:
        super().__init__()
        self.config = ElsaConfig(name="listener", sample_rate=16000, embedding_dim=16, where_dim=3)
        self.sample_rate = 16000
        self.logit_scale = nn.Parameter(torch.tensor(2.0))

    def encode_audio(self, sound: Tensor, spatial: Tensor) -> Output:
        spectrum = torch.fft.rfft(sound[:, 0]).abs().square()
        bands = torch.stack([b.sum(1) for b in spectrum.tensor_split(16, dim=1)], 1).sqrt()
        direction = nn.functional.normalize(torch.einsum("bn,bcn->bc", sound[:, 0], sound[:, [3, 1, 2]]), dim=1)
        two = torch.full((len(sound),), 2.0)
        return Output(nn.functional.normalize(bands + 1e-6, dim=1), direction, two, 50 * two, None, None, two)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        rows = [list(hashlib.sha256(text.encode()).digest()[:16]) for text in texts]
        return nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory: pytest.TempPathFactory) -> demo.DemoOutcome:
    """The demo with two of its sounds and two of its questions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "PLAN", {k: demo.PLAN[k] for k in ("airplane", "rain")})
        patch.setattr(demo, "QUERIES", tuple(q for q in demo.QUERIES if q.label in ("airplane", "rain")))
        return demo.run_demo(tmp_path_factory.mktemp("demo"), embedder=Embedder(Listener()))


def test_every_query_says_what_it_wants() -> None:
    assert len(demo.QUERIES) == 8
    for query in demo.QUERIES:
        assert captions.parse(query.text) == query.wanted, query.text
        assert query.label in demo.PLAN


def test_the_plan_uses_every_recording_and_answers_every_query() -> None:
    labels = {row["label"] for row in demo.credits_of_sounds()}
    assert labels == set(demo.PLAN)
    for places in demo.PLAN.values():
        assert len({place.split()[0] for place in places}) == 3, "a sound stands in three different directions"


def test_the_recordings_are_free_small_and_credited() -> None:
    total = 0
    for row in demo.credits_of_sounds():
        assert row["licence"] in report.LICENCES
        assert all(row[c] for c in ("title", "caption", "package", "original_path", "author", "source"))
        assert re.fullmatch("[0-9a-f]{64}", row["sha256_original"])
        found = soundfile.info(demo.SOUNDS / row["file"])
        assert (found.channels, found.samplerate) == (1, 48000)
        assert found.duration > 1.0
        total += (demo.SOUNDS / row["file"]).stat().st_size
    assert total < 5_000_000
    assert {p.name for p in demo.SOUNDS.glob("*.ogg")} == {row["file"] for row in demo.credits_of_sounds()}


def test_scenes_are_as_planned(small_demo: demo.DemoOutcome) -> None:
    assert [s.file for s in small_demo.scenes] == [f"{k}-{i}.flac" for k in ("airplane", "rain") for i in (1, 2, 3)]
    for scene in small_demo.scenes:
        direction, height, reach, room = demo.PLAN[scene.label][int(scene.file[-6]) - 1].split()
        assert scene.words.direction == direction
        assert scene.words.elevation == ("up" if height == "up" else None)
        assert scene.words.distance == (None if reach == "middle" else reach)
        assert scene.words.room_size == {"small": "small", "middle": "mid-sized", "hall": "large"}[room]
        sound = audio.read(small_demo.out / "sounds" / scene.file)
        assert sound.is_spatial and sound.sample_rate == 48000 and sound.duration_s == demo.SCENE_S
        assert np.abs(sound.samples).max() == pytest.approx(10 ** (-3 / 20), abs=1e-3)
        # an intensity vector hears the direct sound: the scene is where the plan says, left not mistaken for right
        assert scene.error_deg < 40
        true = foa.unit_vector(scene.truth.azimuth_deg, scene.truth.elevation_deg)
        heard = foa.unit_vector(scene.heard.azimuth_deg, scene.heard.elevation_deg)
        assert scene.error_deg == pytest.approx(float(foa.angular_error_deg(true, heard)))


def test_answers_are_judged_by_the_truth(small_demo: demo.DemoOutcome) -> None:
    scenes = {s.file: s for s in small_demo.scenes}
    left_airplane = next(q for q in demo.QUERIES if q.label == "airplane")
    assert demo.is_right(left_airplane, scenes["airplane-1.flac"]) == (True, True)
    assert demo.is_right(left_airplane, scenes["airplane-2.flac"]) == (True, False)
    assert demo.is_right(left_airplane, scenes["rain-3.flac"]) == (False, True)
    for answer in small_demo.answers:
        assert (answer.what_right, answer.where_right) == demo.is_right(answer.query, scenes[answer.files[0]])
        assert (answer.rank == 1) == answer.right
        assert 1 <= answer.rank <= len(scenes)
    assert small_demo.right == sum(a.right for a in small_demo.answers)


def test_the_report_holds_everything_in_one_file(small_demo: demo.DemoOutcome) -> None:
    page = small_demo.report.read_text(encoding="utf-8")
    assert page.count("<audio") == len(small_demo.scenes) + len(small_demo.answers)
    assert page.count("<svg") == 3
    assert not re.search(r"<(script|link|img)\b", page), "the page needs nothing from outside"
    for answer in small_demo.answers:
        assert answer.query.text in page
    for row in demo.credits_of_sounds():
        assert row["author"] in page
    assert not re.search(r"\b(None|nan|inf)\b", re.sub(r"base64,[^\"]*", "", page)), "a number is missing"


def test_the_outcome_is_json(small_demo: demo.DemoOutcome) -> None:
    written = json.loads((small_demo.out / demo.OUTCOME).read_text())
    assert written["right"] == small_demo.right
    assert len(written["scenes"]) == len(small_demo.scenes)
    assert written["answers"][0]["query"]["text"] == small_demo.answers[0].query.text
    assert written["next_command"].startswith("elsa index")


def test_the_same_seed_makes_the_same_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PLAN", {"airplane": demo.PLAN["airplane"][2:]})
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        scenes = demo._make_scenes(tmp_path / name, seed, lambda *_: None)
        digests.append(soundfile.read(tmp_path / name / scenes[0].file)[0].tobytes())
    assert digests[0] == digests[1] != digests[2]


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="--force"):
        demo.run_demo(tmp_path, embedder=Embedder(Listener()))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_projection_keeps_the_widest_axes() -> None:
    rng = np.random.default_rng(0)
    points = np.zeros((50, 6), np.float32)
    points[:, 2], points[:, 4] = 10 * rng.standard_normal(50), 3 * rng.standard_normal(50)
    flat = report.project(points)
    assert np.allclose(np.abs(flat[:, 0]), np.abs(points[:, 2] - points[:, 2].mean()), atol=0.5)
    assert flat[:, 0].std() > flat[:, 1].std() > 1


def test_names_are_moved_apart() -> None:
    placed = report.spread({"rain": (100.0, 50.0), "airplane": (105.0, 52.0), "horn": (400.0, 51.0)})
    assert abs(placed["rain"][1] - placed["airplane"][1]) >= 15
    assert placed["horn"] == (400.0, 51.0)


def test_stereo_keeps_left_and_right() -> None:
    noise = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    left, right = report.fold_to_stereo(foa.encode(noise, 90.0))
    assert np.allclose(left, noise, atol=1e-5) and np.allclose(right, 0, atol=1e-5)


def test_words_of_a_place() -> None:
    assert report.place_in_words(SpatialWords(direction="left", room_size="large")) == "left, large room"
    assert report.place_in_words(SpatialWords()) == "no word fits"
    assert report.angle(-35.2) == "−35°" and report.angle(-0.2) == "0°" and report.angle(None) == "–"
