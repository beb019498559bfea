from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "using"))

from fake import FakeModel

from open_elsa.app import cli
from open_elsa.errors import AudioError
from open_elsa.scenes.scene_set import SceneSet
from open_elsa.search import index as index_module
from open_elsa.sound import audio, foa
from open_elsa.using import embedder as embedder_module
from open_elsa.using.embedder import Embedder

RATE = 16000
Run = Callable[..., tuple[int, str, str]]


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sounds"
    folder.mkdir()
    audio.write(folder / "low.wav", foa.encode(tone(400, 3.0), 90), RATE)
    audio.write(folder / "high.wav", tone(4500)[None], RATE)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line with the fake model; its exit code, stdout and stderr."""
    real = embedder_module.load
    monkeypatch.setattr(
        embedder_module, "load", lambda where=None, device="cpu": real(where) if where else Embedder(FakeModel())
    )

    def go(*words: object) -> tuple[int, str, str]:
        code = cli.main([str(w) for w in words])
        out, err = capsys.readouterr()
        return code, out, err

    return go


def line(err: str) -> str:
    """The one line that an error must be."""
    lines = [text for text in err.splitlines() if not text.startswith("elsa: note: ")]
    assert len(lines) == 1 and lines[0].startswith("elsa: ") and "Traceback" not in err, err
    return lines[0]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from open_elsa.app.cli import main; main(['--help']); main(['search', '--help']);"
        "assert not {'torch', 'transformers', 'scipy', 'pyarrow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "elsa search" in done.stdout


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_teaches(run: Run, name: str) -> None:
    code, out, err = run(*name.split(), "--help")
    assert code == 0 and not err
    assert f"usage: elsa {name}" in out and "Examples:" in out and "--json" in out and "--debug" in out
    assert name in cli.SUMMARY and f"  {name} " in cli.top_help()


def test_top_level(run: Run) -> None:
    assert run("--help")[0] == 0 and run()[0] == 2
    assert run("--version")[1].startswith("elsa 0.")
    code, out, _ = run("scenes", "--help")
    assert code == 0 and "scenes make" in out and "scenes export" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("serch",), "did you mean search?"),
        (("rooms",), "needs one of: make"),
        (("scenes", "burn"), "make or export or check or report, not 'burn'"),
        (("search", "x"), "INDEX"),
        (("search", "x", "y", "--kk", "3"), "--kk"),
        (("search", "x", "y", "-k", "many"), "many"),
        (("search", "x", "y", "-k", "0"), "at least 1"),
        (("embed",), "files or --text"),
        (("embed", "a.wav", "--text", "b"), "one of the two"),
        (("embed", "a.wav", "--out", "a.csv"), ".npz or .parquet"),
        (("describe",), "at least one sound file"),
        (("check-audio",), "at least one sound file"),
        (("check-audio", "a.wav", "--convention", "wxyz"), "wxyz"),
        (("scenes", "make", "o", "--clips", "c", "--bank", "b"), "--scenes or --per-clip"),
        (("scenes", "export", "s", "o", "--workers", "2"), "--workers is for shards"),
        (("scenes", "export", "s", "o", "--per-shard", "2"), "--per-shard is for shards"),
        (("eval",), "name a suite"),
        (("captions", "train", "--data", "d", "--out", "o", "--scenes", "0"), "--scenes must be at least 1, got 0"),
        (("captions", "train", "--data", "d", "--out", "o", "--freeze-gpt2"), "needs --gpt2"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(run: Run, words: tuple[str, ...], says: str) -> None:
    code, out, err = run(*words)
    assert code == 2 and not out and says in line(err)


def test_embed(run: Run, sounds: Path, tmp_path: Path) -> None:
    code, out, _ = run("embed", sounds / "low.wav", sounds / "high.wav", "--json")
    rows = json.loads(out)
    assert code == 0 and [len(r["vector"]) for r in rows] == [16, 16] and rows[0]["source"].endswith("low.wav")
    assert run("embed", sounds / "low.wav", "--windows", "--out", tmp_path / "v.parquet")[0] == 0
    table = pq.read_table(tmp_path / "v.parquet")
    assert table["start_s"].to_pylist() == [0.0, 1.0] and len(table["vector"][0]) == 16
    assert run("embed", "--text", "a low tone", "--text", "b", "--out", tmp_path / "v.npz")[0] == 0
    assert np.load(tmp_path / "v.npz")["vectors"].shape == (2, 16)
    before = (tmp_path / "v.npz").read_bytes()
    code, _, err = run("embed", "--text", "c", "--out", tmp_path / "v.npz")
    assert code == 2 and "--force" in line(err) and (tmp_path / "v.npz").read_bytes() == before
    assert run("embed", "--text", "c", "--out", tmp_path / "v.npz", "--force")[0] == 0
    assert np.load(tmp_path / "v.npz")["vectors"].shape == (1, 16)
    assert "low.wav" in run("embed", sounds / "low.wav")[1]


def test_index_and_search(run: Run, sounds: Path) -> None:
    code, out, _ = run("index", sounds, "--json")
    assert code == 0 and json.loads(out)["added"] == 2
    assert "2 unchanged" in run("index", sounds)[1]
    code, out, _ = run("search", "a low tone", sounds, "--json")
    hits = json.loads(out)
    assert code == 0 and hits[0]["file"] == "low.wav" and hits[0]["azimuth_deg"] == pytest.approx(90, abs=1)
    assert hits[1]["azimuth_deg"] is None
    code, out, _ = run("search", "a low tone", sounds, "-k", "1")
    assert "low.wav" in out and "90° left" in out and "high.wav" not in out
    assert json.loads(run("search", sounds / "high.wav", sounds, "--audio", "--json")[1])[0]["file"] == "high.wav"
    assert json.loads(run("search", "x", sounds, "--azimuth", -30, 30, "--json")[1]) == []
    code, out, err = run("search", "x", sounds, "--azimuth", -30, 30)
    assert code == 0 and not out and "nothing found" in err
    code, _, err = run("search", "", sounds)
    assert code == 1 and "empty" in line(err)
    code, _, err = run("search", "x", sounds.parent)
    assert code == 1 and "no index" in line(err)


def test_index_reports_what_it_cannot_read(run: Run, sounds: Path) -> None:
    (sounds / "text.wav").write_text("this is no sound")
    code, out, err = run("index", sounds, "--json")
    assert code == 0 and "text.wav" in line(err) and json.loads(out)["problems"][0]["file"] == "text.wav"


def test_an_interrupted_index_can_be_resumed(run: Run, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Embedder.stream

    def stop(self: Embedder, items: Any, **more: Any) -> Any:
        yield next(real(self, items, **more))
        raise KeyboardInterrupt

    monkeypatch.setattr(Embedder, "stream", stop)
    monkeypatch.setattr(index_module, "SECONDS_PER_PART", -1.0)
    code, _, err = run("index", sounds)
    assert code == 130 and "running the same command" in line(err)
    monkeypatch.setattr(Embedder, "stream", real)
    value = json.loads(run("index", sounds, "--json")[1])
    assert (value["unchanged"], value["added"]) == (1, 1)


def test_describe(run: Run, sounds: Path) -> None:
    names = ("--name", "a low tone", "--name", "a high tone")
    code, out, _ = run("describe", sounds / "low.wav", *names, "--json")
    (found,) = json.loads(out)
    assert code == 0 and found["tags"][0][0] == "a low tone" and found["words"]["direction"] == "left"
    assert found["location"]["t30_s"] is None and found["caption"] is None
    assert "90° left" in run("describe", sounds / "low.wav", *names)[1]


def test_check_audio(run: Run, sounds: Path) -> None:
    code, out, _ = run("check-audio", sounds / "low.wav", "--json")
    (found,) = json.loads(out)
    assert code == 0 and found["channels"] == 4 and found["directions"][0]["azimuth_deg"] == pytest.approx(90, abs=1)
    out = run("check-audio", sounds / "low.wav", sounds / "high.wav")[1]
    assert "90° left" in out and "dBFS" in out and "one channel" in out


def bad_files(folder: Path) -> dict[str, str]:
    """Name -> what the error must say."""
    good = tone(400)
    for channels in (3, 5):
        soundfile.write(folder / f"{channels}.wav", np.stack([good] * channels, 1), RATE)
    soundfile.write(folder / "nan.wav", np.where(np.arange(RATE) == 99, np.nan, good), RATE, subtype="FLOAT")
    soundfile.write(folder / "inf.wav", np.where(np.arange(RATE) == 99, np.inf, good), RATE, subtype="FLOAT")
    (folder / "text.wav").write_text("this is no sound")
    (folder / "empty.wav").write_bytes(b"")
    soundfile.write(folder / "cut.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE), RATE)
    whole = (folder / "cut.flac").read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    return {
        "3.wav": "3 channels", "5.wav": "5 channels", "nan.wav": "NaN or inf", "inf.wav": "NaN or inf",
        "text.wav": "text", "empty.wav": "empty", "cut.flac": "cut.flac", "nowhere.wav": "nowhere.wav",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["embed", "describe", "check-audio"])
def test_bad_files_are_one_line_and_exit_1(run: Run, sounds: Path, command: str) -> None:
    for name, says in bad_files(sounds).items():
        code, _, err = run(command, sounds / name)
        assert code == 1 and says in line(err) and name in err, (name, err)


def test_odd_but_usable_sounds(run: Run, sounds: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "ms.wav", tone(400, 0.001), RATE)
    soundfile.write(tmp_path / "8k.wav", tone(400)[::2], 8000)
    soundfile.write(tmp_path / "silence.wav", np.zeros((RATE, 4)), RATE)
    for name in ("ms.wav", "8k.wav", "silence.wav"):
        for command in ("embed", "describe", "check-audio"):
            code, out, _ = run(command, tmp_path / name, "--json")
            assert code == 0 and json.loads(out), (command, name)
    with pytest.warns(UserWarning, match="silent"):
        Embedder(FakeModel()).locate(tmp_path / "silence.wav")


def test_a_caption_of_ten_thousand_words(run: Run) -> None:
    code, out, err = run("embed", "--text", "dog " * 10000, "--json")
    assert code == 0 and len(json.loads(out)) == 1 and "10000 words; the first 20 are read" in line(err)


def test_bad_checkpoints(run: Run, sounds: Path, tmp_path: Path) -> None:
    code, _, err = run("embed", sounds / "low.wav", "--model", tmp_path / "nowhere")
    assert code == 1 and "nowhere" in line(err)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(FakeModel().config.to_json())
    code, _, err = run("embed", sounds / "low.wav", "--model", tmp_path / "model")
    assert code == 1 and "model.safetensors" in line(err)


def test_no_permission(run: Run, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    code, _, err = run("index", sounds)
    assert code == 1 and "Permission denied" in line(err)


def test_unexpected_errors_are_one_line_unless_debugged(
    run: Run, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(Embedder, "analyse", fail)
    code, _, err = run("embed", sounds / "low.wav")
    assert code == 1 and "RuntimeError: first second" in line(err) and "--debug" in err
    code, _, err = run("embed", sounds / "low.wav", "--debug")
    assert code == 1 and "Traceback" in err


def test_making_data(run: Run, sounds: Path, tmp_path: Path) -> None:
    (sounds / "captions.csv").write_text("path,caption\nlow.wav,a low tone\nhigh.wav,a high tone\n")
    small = ("--rooms", 1, "--positions-per-room", 2, "--json")
    assert run("rooms", "make", tmp_path / "images", *small, "--simulator", "image-sources-10")[0] == 0
    assert "image sources to order 10" in json.loads((tmp_path / "images" / "bank.json").read_text())["simulator"]
    assert "image-sources-10" in run("rooms", "make", tmp_path / "none", *small, "--simulator", "nonsense")[2]
    code, out, err = run("rooms", "make", tmp_path / "rooms", *small)
    assert code == 0 and json.loads(out)["responses"] == 2, err
    assert json.loads(run("data", "check", sounds, "--json")[1])["complete"]
    made = ("scenes", "make", tmp_path / "scenes", "--clips", sounds, "--bank", tmp_path / "rooms", "--duration-s", 1)
    code, out, err = run(*made, "--scenes", 3, "--json")
    assert code == 0 and json.loads(out)["count"] == 3, err
    code, out, err = run("scenes", "export", tmp_path / "scenes", tmp_path / "exported", "--json")
    assert code == 0 and json.loads(out)["files"] == 3, err
    assert audio.read(next((tmp_path / "exported").glob("*.flac"))).is_spatial
    shards = ("scenes", "export", tmp_path / "scenes", tmp_path / "shards", "--format", "shards")
    code, out, err = run(*shards, "--per-shard", 2, "--bits", 24, "--json")
    assert code == 0 and json.loads(out)["samples"] == 3 and json.loads(out)["shards"] == 2, err
    code, out, err = run("scenes", "check", tmp_path / "shards")
    assert code == 0 and "3 scenes in 2 shards" in out and "complete" in out, err
    (tmp_path / "shards" / "shard-000001.tar").unlink()
    code, out, err = run("scenes", "check", tmp_path / "shards", "--json")
    assert code == 1 and json.loads(out)["broken"] == {"shard-000001.tar": "is missing"}, err
    busy = ("--sources", 2, 2, "--moving-share", 1, "--ambience", "pink", "--ambience-snr-db", 20, 20, "--microphone")
    made = (*made[:2], tmp_path / "busy", *made[3:], "--scenes", 2, "--min-duration-s", 0.5, "--workers", 1)
    code, out, err = run(*made, *busy, "--json")
    assert code == 0 and json.loads(out)["count"] == 2, err
    truth = SceneSet.open(tmp_path / "busy").truth(0)
    assert len(truth["sources"]) == 2 and truth["microphone"]
    assert (truth["ambience"]["snr_db"], truth["ambience"]["colour"]) == (20.0, 1.0)
    (sounds / "low.wav").unlink()
    code, out, err = run("data", "check", sounds)
    assert code == 1 and "low.wav" in out and "1 missing" in out


def test_train_passes_everything_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from open_elsa.training import session

    seen: dict[str, Any] = {}

    def fake(config: Any, data: Path, out: Path, **more: Any) -> Path:
        seen.update(more, config=config, data=data, out=out)
        return out / "checkpoint"

    monkeypatch.setattr(session, "train_recipe", fake)
    words = ("train", "elsa-tiny", "--data", tmp_path, "--out", tmp_path / "run", "--seed", 7, "--rooms", 3, "--json")
    code, out, err = run(*words)
    assert code == 0 and json.loads(out)["checkpoint"].endswith("checkpoint"), err
    assert (seen["config"].name, seen["config"].seed, seen["config"].rooms) == ("elsa-tiny", 7, 3)
    assert "--seed 7" in seen["command"] and str(tmp_path.parent) not in seen["command"]
    code, _, err = run("train", "elsa-huge", "--data", tmp_path, "--out", tmp_path / "run")
    assert code == 1 and "elsa-huge" in line(err)


def test_eval_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    code, _, err = run("eval", "nothing", "--out", tmp_path)
    assert code == 1 and "nothing" in line(err)
    code, _, err = run("eval", "simulated", "--out", tmp_path)
    assert code == 1 and "data" in line(err)


def test_demo(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from open_elsa.app import demo
    from open_elsa.scenes.scene import SpatialWords

    true, heard = demo.Place(90, 0, 1.5, 60, 0.5), demo.Place(83, 2, float("nan"), None, None)
    scene = demo.DemoScene("sounds/sheep.flac", "sheep", "a sheep", true, SpatialWords(direction="left"), heard, 7.3)
    answer = demo.Answer(demo.QUERIES[0], (scene.file,), (0.5,), True, True, 1)
    outcome = demo.DemoOutcome(tmp_path, tmp_path / "report.html", "fake", 1, (scene,), (answer,), 2.0)
    seen: dict[str, Any] = {}

    def fake(out: Path, **more: Any) -> demo.DemoOutcome:
        seen.update(more, out=out)
        more["progress"]("listening", 0, 1)
        return outcome

    monkeypatch.setattr(demo, "run_demo", fake)
    code, out, err = run("demo", "--out", tmp_path)
    assert code == 0 and seen["out"] == tmp_path and seen["force"] is False and "seed" not in seen
    assert (
        "sheep.flac" in out
        and "83° left" in out
        and "90° left, 1.5 m" in out
        and "7.3°" in out
        and "report.html" in out
    )
    assert "listening" in err and "elsa index" in out
    assert json.loads(run("demo", "--out", tmp_path, "--seed", 3, "--json")[1])["right"] == 1 and seen["seed"] == 3

    def refuse(out: Path, **more: Any) -> None:
        raise AudioError(f"{out} is no place for a demo")

    monkeypatch.setattr(demo, "run_demo", refuse)
    code, _, err = run("demo", "--out", tmp_path)
    assert code == 1 and "no place" in line(err)


def test_classes_can_be_left_out_of_a_training(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from open_elsa.training import session

    seen: dict[str, Any] = {}

    def train_recipe(config: Any, data: Path, out: Path, **options: Any) -> Path:
        seen.update(options, config=config)
        return out / "checkpoint"

    monkeypatch.setattr(session, "train_recipe", train_recipe)
    words = ("train", "elsa-tiny", "--data", tmp_path, "--out", tmp_path / "run", "--leave-out", "Dog, sea_waves")
    code, _, err = run(*words)
    assert (code, err) == (0, "")
    assert seen["config"].left_out == ("dog", "sea waves")
    assert seen["command"].endswith('--leave-out "Dog, sea_waves"')
    run(*words[:-2])
    assert seen["config"].left_out == () and "--leave-out" not in seen["command"]
