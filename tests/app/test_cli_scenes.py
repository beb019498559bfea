"""`elsa scenes report`, `--plan` and progress: what they print, write and return."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from markupsafe import escape

from open_elsa.app import show
from open_elsa.scenes import planning
from open_elsa.scenes.bank import make_bank
from open_elsa.scenes.planning import Measured, SceneRates
from open_elsa.scenes.scene_set import SceneSet

RATE = 16_000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sounds and rooms."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "sounds").mkdir()
    with (folder / "sounds" / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "caption", "label", "licence"))
        for n, name in enumerate(("dog", "bell <b>&", "rain")):
            soundfile.write(folder / "sounds" / f"{n}.wav", 0.1 * np.random.default_rng(n).standard_normal(RATE), RATE)
            rows.writerow((f"{n}.wav", f"a {name.split()[0]}", name, "CC0-1.0"))
    make_bank(folder / "rooms", rooms=2, positions_per_room=3, seed=1, sample_rate=RATE)
    return folder


def made(world: Path, out: Path, *more: object) -> tuple[object, ...]:
    words = ("scenes", "make", out, "--clips", world / "sounds", "--bank", world / "rooms")
    return (*words, "--duration-s", 0.5, "--scenes", 8, *more)


def test_making_scenes_ends_with_a_report_that_is_the_same_every_time(run: Run, world: Path, tmp_path: Path) -> None:
    code, out, err = run(*made(world, tmp_path / "a"))
    assert code == 0 and not err
    assert "8 scenes of 3 clips" in out and "LUFS" in out and "licences of the clips: CC0-1.0 3" in out
    code, out, err = run(*made(world, tmp_path / "b", "--json"))
    assert code == 0 and not err and json.loads(out)["report"] == str(tmp_path / "b" / "report.html")
    names = {"scenes.parquet", "clips.parquet", "set.json", "report.html", "report.json"}
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert {p.name for p in folder.iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    code, out, _ = run(*made(world, tmp_path / "c", "--no-report", "--json"))
    assert code == 0 and "report" not in json.loads(out) and not list((tmp_path / "c").glob("report*"))
    assert (tmp_path / "c" / "scenes.parquet").read_bytes() == (tmp_path / "a" / "scenes.parquet").read_bytes()

    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    linked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert linked and all(link.startswith("data:image/png;base64,") for link in linked)  # it stands alone
    assert page.count('class="compass"') == 8
    assert "bell &lt;b&gt;&amp;" in page and "bell <b>" not in page
    assert "−0°" not in page
    for scene in SceneSet.open(tmp_path / "a"):
        assert all(str(escape(text)) in page for text in scene.captions)


def test_a_report_alone(run: Run, world: Path, tmp_path: Path) -> None:
    assert run(*made(world, tmp_path / "s", "--no-report"))[0] == 0
    words = ("scenes", "report", tmp_path / "s", "--rendered", 4, "--pictured", 2, "--seed", 3)
    code, out, err = run(*words, "--out", tmp_path / "r", "--json")
    assert code == 0 and not err
    opened = SceneSet.open(tmp_path / "s")
    assert out.strip() == json.dumps(json.loads(out), indent=2, ensure_ascii=False)
    assert json.loads(out) == json.loads(opened.report(rendered=4, pictured=2, seed=3).to_json())
    assert json.loads((tmp_path / "r" / "report.json").read_text()) == json.loads(out)
    assert not (tmp_path / "s" / "report.json").exists()
    code, out, err = run(*words)
    assert code == 0 and "loudness of 4 rendered scenes" in out and (tmp_path / "s" / "report.html").is_file()
    assert "report.html" in out.splitlines()[-1]


def test_a_report_that_cannot_be_says_so_in_one_line(run: Run, world: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run(*made(world, tmp_path / "s", "--no-report"))[0] == 0
    for words, said, code in (
        (("scenes", "report", tmp_path / "nothing"), "holds no scenes", 1),
        (("scenes", "report", tmp_path / "s", "--out", tmp_path / "file" / "x"), "cannot be made", 1),
        (("scenes", "report", tmp_path / "s", "--rendered", -1), "0 or more", 2),
        (("scenes", "report", tmp_path / "s", "--rewritten"), "elsa captions rewrite", 1),
    ):
        found, out, err = run(*words)
        assert found == code and said in err and err.count("\n") == 1 and not out


def test_a_plan_makes_nothing_and_says_what_all_would_cost(
    run: Run, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = SceneRates(
        Measured(3, 0.3),
        Measured(100, 1.0, 30_000),
        Measured(10, 1.0),
        Measured(10, 1.0, 9_000_000),
        10.0,
        1.0,
        20_000,
        "x",
    )
    asked = {}

    def measure(clips: object, bank: object, **settings: object) -> tuple[SceneRates, int]:
        asked.update(settings)
        return rates, int(str(settings["scenes"]))

    monkeypatch.setattr(planning, "measure_scenes", measure)
    words = (*made(world, tmp_path / "s")[:-2], "--scenes", 890_038, "--plan", "--machines", 4, "--cores", 16)
    code, out, err = run(*words)
    assert code == 0 and not err and not (tmp_path / "s").exists()
    assert asked["scenes"] == 890_038 and asked["recipe"].duration_s == 0.5  # type: ignore[attr-defined]
    assert "890,038 scenes, 2,472.3 hours of sound" in out and "4 × 16 cores" in out
    exported = next(line for line in out.splitlines() if "16-bit FLAC" in line)
    assert re.split(r"\s{2,}", exported.strip())[1:] == ["49.4", "0:46:56", "801 GB"]  # 55 of 3477 parts
    assert "measured: 10 scenes rendered" in out and "one core of a x" in out
    told = json.loads(run(*words, "--json")[1])
    assert told["count"] == 890_038 and (told["machines"], told["cores"]) == (4, 16)
    assert [s["name"] for s in told["stages"]] == ["rows", "rendered", "exported", "bank"]
    assert told["measured"]["rendered"] == {"n": 10, "seconds": 1.0, "bytes": 0}
    code, out, err = run(*words[:-2], "--cores", 0)
    assert code == 2 and "--cores are at least 1" in err


def test_real_plans_of_scenes_and_rooms(run: Run, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run(*made(world, tmp_path / "s", "--plan", "--json"))
    told = json.loads(out)
    assert code == 0 and not err and told["measured"]["rendered"]["n"] == 8 and not (tmp_path / "s").exists()
    assert all(stage["core_hours"] > 0 for stage in told["stages"][:3]) and told["stages"][3]["bytes"] > 0
    words = ("rooms", "make", tmp_path / "r", "--rooms", 1, "--positions-per-room", 2, "--sample-rate", RATE, "--plan")
    told = json.loads(run(*words, "--json")[1])
    assert (told["what"], told["count"], told["measured"]["responses"]["n"]) == ("responses", 2, 2)
    code, out, err = run(*words)
    assert code == 0 and not err and "responses simulated" in out and not (tmp_path / "r").exists()


def test_progress_in_lines_comes_late_and_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = show.Lines("making scenes", lambda: now)
    for now in np.arange(0.0, 200.0):  # ten a second, a thousand of them done before
        lines(round(1000 + 10 * now), 4000)
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines() == [
        f"making scenes: {1000 + 10 * t} of 4000, 10 /s, 0:{(300 - t) // 60:02d}:{(300 - t) % 60:02d} left"
        for t in (30, 45, 68, 102, 153)
    ]


def test_the_pace_is_the_works_own_where_it_tells_it() -> None:
    pace = show.Pace(lambda: 5.0)
    assert pace.see(10, 100) == ""  # nothing is known yet
    assert pace.see(20, 100, 4.0) == "4 /s, 0:00:20 left" and pace.see(20, 100, 0.0) == ""
    assert show.duration(3725) == "1:02:05" and show.size(1.05e12) == "1.05 TB" and show.size(512) == "512 bytes"


def test_progress_is_a_bar_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with show.progress("working") as tell:
        tell(1, 2)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with show.progress("working") as tell:
        tell(1, 2, 8.0)
    out, err = capsys.readouterr()
    assert not out and "working" in err
    with show.progress("working", quiet=True) as tell:
        tell(1, 2)
    assert capsys.readouterr() == ("", "")
