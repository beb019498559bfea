from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "scenes"))

from scripted_server import Request, serve

from open_elsa.scenes.bank import make_bank
from open_elsa.scenes.captions import parse
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_set import SceneSet
from open_elsa.scenes.synthesis import SceneRecipe, make_scenes

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    soundfile.write(folder / "dog.wav", 0.1 * np.random.default_rng(1).standard_normal(4000), 8000)
    clip = Clip("dog", str(folder / "dog.wav"), ("a dog barks",), "tiny", "test", "CC0", 0.5)
    bank = make_bank(folder / "rooms", rooms=2, positions_per_room=2, seed=3, sample_rate=8000)
    recipe = SceneRecipe(duration_s=0.5, snr_db=None, captions_per_scene=2, brief_share=0.0)
    make_scenes(folder / "scenes", [clip], bank, scenes=4, recipe=recipe)
    return folder / "scenes"


def test_write(run: Run) -> None:
    code, out, _ = run("captions", "write", "a dog", "--direction", "left", "--room-size", "large", "--count", 3)
    lines = out.splitlines()
    assert code == 0 and len(set(lines)) == 3
    for line in lines:
        words = parse(line)
        assert (words.direction, words.room_size, words.distance) == ("left", "large", None) and "dog" in line
    code, out, _ = run("captions", "write", "--direction", "back", "--style", "brief", "--json")
    assert code == 0 and json.loads(out)[0]["words"]["direction"] == "back" and json.loads(out)[0]["checked"]
    assert run("captions", "write", "x y", "--seed", 1) == run("captions", "write", "x y", "--seed", 1)


def test_several_sounds_are_read_one_by_one(run: Run) -> None:
    code, out, _ = run("captions", "read", "a dog barks on the left while rain falls behind me")
    assert code == 0 and out.splitlines()[-2:] == ["dog barks: direction left", "rain falls: direction back"]
    facts = json.loads(run("captions", "read", "a dog barks on the left while rain falls behind me", "--json")[1])[
        "facts"
    ]
    assert [s["direction"] for s in facts["sources"]] == ["left", "back"]
    assert "direction" not in run("captions", "read", "a dog barks")[1].splitlines()[-1]


def test_read(run: Run) -> None:
    code, out, _ = run("captions", "read", "A dog barks far away on my left", "--json")
    value = json.loads(out)
    assert code == 0 and value["words"]["direction"] == "left" and value["words"]["distance"] == "far"
    assert value["words"]["room_size"] is None and value["without"] == "A dog barks"
    assert [c["phrase"] for c in value["claims"]] == ["far away", "on my left"]
    out = run("captions", "read", "A dog barks far away on my left")[1]
    assert "left" in out and "'on my left'" in out and "room_size" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("write",), "what is heard, or where"),
        (("write", "a dog", "--direction", "lef"), "front, left, right, back"),
        (("write", "a dog", "--count", "0"), "--count"),
        (("rewrite", "s"), "one of --endpoint (with --model), --local and --gguf"),
        (("rewrite", "s", "--local", "a", "--gguf", "b"), "one of --endpoint"),
        (("rewrite", "s", "--endpoint", "http://a/v1"), "--model"),
    ],
)
def test_usage(run: Run, words: tuple[str, ...], says: str) -> None:
    code, out, err = run("captions", *words)
    assert code == 2 and not out and says in err and err.count("\n") == 1


def canonical(request: Request) -> str:
    """The sentence that the prompt itself tells, which is always true."""
    return request.prompt.split(". Rephrase")[0] + "."


def test_rewrite(run: Run, scenes: Path, tmp_path: Path) -> None:
    def script(request: Request) -> None:
        request.say(canonical(request) if request.number % 2 else "A dog barks in Paris.")

    cache = tmp_path / "cache.sqlite"
    with serve(script) as server:
        words = ("captions", "rewrite", scenes, "--endpoint", server.url, "--model", "scripted", "--cache", cache)
        code, out, _ = run(*words, "--dry-run")
        assert code == 0 and "8 prompts for 8 captions, 0 of them answered" in out and not server.requests
        assert out.count('The sound "a dog barks"') == 5
        asked = json.loads(run("captions", "rewrite", scenes, "--dry-run", "--most", 1, "--json")[1])
        assert len(asked["prompts"]) == asked["captions"] == 8
        code, out, err = run(*words, "--budget", 4, "--concurrency", 1)
        assert code == 0 and "2 of 8 captions rewritten; 6 keep the grammar's own" in out
        assert "4 captions were left alone: the budget is spent" in out and "2 answers refused:" in out
        assert err.count("elsa: refused: ") == 2 and "Paris" in err
        code, out, _ = run(*words, "--json", "--concurrency", 1)
        value = json.loads(out)
        assert code == 0 and len(server.requests) == 8
        assert (value["rewritten"], value["cached"], value["calls"]) == (4, 4, 4)
        assert len(value["refused"]) == sum(value["refusals"].values()) == 4
        before = (scenes / "rewritten.parquet").read_bytes()
        code, out, _ = run(*words, "--dry-run")
        assert "8 of them answered in the cache" in out
        assert run(*words)[0] == 0 and len(server.requests) == 8
        assert (scenes / "rewritten.parquet").read_bytes() == before
    opened = SceneSet.open(scenes, rewritten=True)
    texts = [text for scene in opened for text in scene.captions]
    assert sum(text.startswith('The sound "a dog barks"') for text in texts) >= 4
    assert all(parse(text) == scene.words for scene in opened for text in scene.captions)


def test_rewrite_that_fails_writes_nothing(run: Run, scenes: Path, tmp_path: Path) -> None:
    (scenes / "rewritten.parquet").unlink(missing_ok=True)
    words = ("captions", "rewrite", scenes, "--cache", tmp_path / "c.sqlite")
    with serve(lambda r: r.raw(200, b"<html>", {})) as server:
        code, out, err = run(*words, "--endpoint", server.url, "--model", "m")
    assert code == 1 and not out and "a web page" in err and err.count("\n") == 1
    code, _, err = run(*words, "--local", tmp_path)
    assert code == 1 and "no config.json" in err
    code, _, err = run(*words, "--gguf", tmp_path / "none.gguf")
    assert code == 1 and "none.gguf cannot be read" in err
    code, _, err = run("captions", "rewrite", tmp_path, "--gguf", "x")
    assert code == 1 and "holds no scenes" in err
    assert not (scenes / "rewritten.parquet").exists()
