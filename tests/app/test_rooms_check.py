"""The command `elsa rooms check`: what it prints, writes and returns."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.app import cli, room_pages
from open_elsa.scenes.room_report import Check, from_json
from open_elsa.scenes.rooms import simulate
from open_elsa.scenes.scene import Room, RoomResponse, SourcePosition
from open_elsa.sound import audio

RATE = 16_000


def louder(room: Room, position: SourcePosition, rng: np.random.Generator, sample_rate: int) -> RoomResponse:
    """A simulator whose direct sound is a fifth too strong."""
    made = simulate(room, position, rng, sample_rate)
    made.response[:] *= 1.2
    return made


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's package with a simulator in it."""
    module = types.ModuleType("elsewhere")
    module.louder = louder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "elsewhere", module)


def test_a_missed_bar_is_said_and_is_exit_code_one(elsewhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["rooms", "check", "--rooms", "3", "--sample-rate", str(RATE), "--simulator", "elsewhere:louder"]
    assert cli.main(words) == 1
    out = capsys.readouterr().out
    assert "missed: direct level" in out
    assert re.search(r"direct direction .*passed", out) and re.search(r"direct level .*missed", out)


def test_json_report_page_sounds_and_docs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, out, docs = tmp_path / "bank", tmp_path / "out", tmp_path / "docs"
    made = ["--rooms", "2", "--positions-per-room", "2", "--sample-rate", str(RATE)]
    assert cli.main(["rooms", "make", str(bank), *made]) == 0
    capsys.readouterr()
    words = ["rooms", "check", str(bank), "--rooms", "6", "--sample-rate", str(RATE), "--json"]
    code = cli.main([*words, "--out", str(out), "--docs", str(docs)])
    printed = json.loads(capsys.readouterr().out)
    assert printed["format"] == 1 and len(printed["reports"]) == 2
    assert code == (0 if all(r["passed"] for r in printed["reports"]) else 1)
    reports = from_json((out / "report.json").read_text())
    assert len(reports[0].rooms) == 6 and len(reports[1].rooms) == 4
    assert reports[0].command == f"elsa rooms check {bank} --rooms 6 --seed 0 --sample-rate {RATE} --docs {docs}"

    page = (out / "report.html").read_text(encoding="utf-8")
    linked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(linked) == 12 + 30 and all((out / name).is_file() for name in linked)
    assert "http" not in "".join(linked)
    for check in reports[0].checks:
        assert check.name in page
    loud = [audio.read(p, convention="ambix").samples for p in sorted((out / "sounds").glob("*.flac"))]
    assert len(loud) == 15 and all(x.shape[0] == 4 and np.abs(x).max() < 1 for x in loud)
    assert all(soundfile.info(p).channels == 2 for p in (out / "sounds").glob("*.ogg"))

    text = (docs / "rooms-check.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(pictures) == 12 and all((docs / name).read_bytes()[:4] == b"\x89PNG" for name in pictures)
    assert f"`{reports[0].command}`" in text and "| direct direction |" in text


def test_the_samples_go_from_dry_to_reverberant(tmp_path: Path) -> None:
    samples = room_pages.write_samples(simulate, tmp_path, sample_rate=RATE)
    claps = {s.room: s for s in samples if s.sound == "clap"}
    assert claps["small, dry"].t30_s < 0.25 < 0.4 < claps["small, live"].t30_s < 0.9
    assert claps["large, reverberant"].t30_s > 1.5 and claps["large, reverberant"].floor_area_m2 > 200
    assert claps["small, dry"].drr_db > claps["small, live"].drr_db + 3
    # what is heard comes from the left: +50 degrees
    sound = audio.read(claps["small, dry"].flac, convention="ambix").samples
    assert np.sum(sound[0] * sound[1]) > 0.3 * np.sum(sound[0] ** 2)


def test_wrong_words_end_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said, code in (
        (["--rooms", "0"], "--rooms", 2),
        (["--simulator", "nonsense"], "no simulator 'nonsense'", 1),
        ([str(tmp_path / "nothing")], "holds no room bank", 1),
        (["--rooms", "2", "--sample-rate", "8000"], "16000 Hz", 1),
    ):
        assert cli.main(["rooms", "check", *words]) == code
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1


def test_numbers_have_the_digits_they_deserve() -> None:
    assert room_pages.number(0.00002) == "2e−5" and room_pages.number(-1.2345) == "−1.23"
    assert room_pages.number(float("nan")) == "–" and room_pages.number(0.0) == "0"
    line = room_pages.line_of(Check("a", "b", "°", 0.1, 0.25, 0.1, 0.3, "worst", 7))
    assert (line.bar, line.measured, line.spread, line.outcome) == ("≤ 0.1°", "0.25°", "0.1 to 0.3", "missed")
    assert room_pages.line_of(Check("a", "b", "dB", 1, 0, 0, 0, "mean", 0)).outcome == "not measured"
