"""Shell completion: bash itself runs the script; all shells know every command and every option."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from open_elsa.app import cli
from open_elsa.app.completion import completed, script

Run = Callable[..., tuple[int, str, str]]


def complete(folder: Path, *words: str) -> set[str]:
    """What bash offers after these words, the last of which is being typed."""
    typed = " ".join(f"'{word}'" for word in ("elsa", *words))
    ask = f'source ./script; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _elsa; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask], cwd=folder, capture_output=True, text=True, check=True)
    assert not done.stderr
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("completion", "bash")
    assert code == 0
    (tmp_path / "script").write_text(out)
    (tmp_path / "dog.wav").touch()
    firsts = {name.split()[0] for name in cli.COMMANDS}
    assert complete(tmp_path, "") == firsts | {"--help", "--version"}
    assert complete(tmp_path, "desc") == {"describe"}
    assert complete(tmp_path, "rooms", "") == {"make", "check", "import", "--help"}
    assert complete(tmp_path, "describe", "--over") == {"--over-time"}
    assert complete(tmp_path, "describe", "do") == {"dog.wav"}
    assert complete(tmp_path, "describe", "--convention", "") == {"auto", "ambix", "fuma", "n3d", "a-format"}
    assert complete(tmp_path, "describe", "--png", "do") == {"dog.wav"}
    assert complete(tmp_path, "search", "-") >= {"-k", "--k", "--azimuth", "--json"}
    assert complete(tmp_path, "export", "onnx", "--o") == {"--out"}
    assert complete(tmp_path, "completion", "") == {"bash", "zsh", "fish"}
    assert complete(tmp_path, "embed", "--engine", "o") == {"onnx"}


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_option_of_the_help_is_known(run: Run, name: str) -> None:
    helped = run(*name.split(), "--help")[1]
    shown = set(re.findall(r"^[│ ]*(?:-\w, )?(--[a-z][\w-]*)", helped, re.MULTILINE))
    assert shown <= set(completed(name).options), name
    assert {option for option in completed(name).options if option.startswith("--")} >= {"--json", "--debug", "--help"}


def test_every_shell_knows_every_command() -> None:
    for shell in ("bash", "zsh", "fish"):
        text = script(shell)  # type: ignore[arg-type]
        assert all(word in text for name in cli.COMMANDS for word in name.split())
    assert script("zsh").startswith("#compdef elsa\n")
    fish = script("fish").splitlines()
    assert all(line.startswith("complete -c elsa ") and line.replace("\\'", "").count("'") % 2 == 0 for line in fish)
    assert "complete -c elsa -n '__fish_seen_subcommand_from embed' -l engine -x -a 'torch onnx'" in fish


def test_another_shell_is_refused(run: Run) -> None:
    assert run("completion", "tcsh")[0] == 2
