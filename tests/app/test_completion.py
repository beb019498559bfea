"""Shell completion: bash itself runs the script; all shells know every command and every option."""

from __future__ import annotations

import os
import re
import select
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
    return set(done.stdout.splitlines())


def in_fish(folder: Path, typed: str) -> set[str]:
    """What fish offers at the end of this line."""
    ask = "source ./script; complete -C $argv[1]"
    command = ["fish", "--no-config", "-c", ask, typed]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert not done.stderr
    return {line.partition("\t")[0] for line in done.stdout.splitlines()}


class Zsh:
    """zsh in a terminal, with the script where zsh looks for it, and an `elsa` that says what it was given."""

    def __init__(self, folder: Path) -> None:
        import pty

        self.pid, self.terminal = pty.fork()
        if not self.pid:
            os.chdir(folder)
            kept = {"PATH": os.environ["PATH"], "TERM": "vt100", "HOME": str(folder), "LANG": "C.UTF-8"}
            os.execvpe("zsh", ["zsh", "-f", "-i"], kept)
        self._type(
            "PROMPT= RPROMPT=; setopt no_beep no_auto_menu; fpath=($PWD/functions $fpath); autoload -U compinit; "
            "compinit -D -u; elsa() { print -r -- \"GIVEN<${(j:|:)@}>\" }; print -r -- GIVEN'<>'\n"
        )
        self._until("GIVEN<>")

    def run(self, typed: str) -> str:
        """What `elsa` is given where Tab is pressed at the end of the line, and Enter."""
        self._type(f"{typed}\t\n")
        return self._until("GIVEN<")

    def close(self) -> None:
        os.close(self.terminal)
        os.waitpid(self.pid, 0)

    def _type(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def _until(self, mark: str) -> str:
        """Read up to the mark, and give what comes after it before ">"."""
        seen, patience_s = "", 60.0
        while not (found := re.search(re.escape(mark) + r"([^>]*)>?\r\n", seen)):
            assert select.select([self.terminal], [], [], patience_s)[0], f"zsh says no more than {seen[-500:]!r}"
            seen += os.read(self.terminal, 4096).decode("utf-8", "replace")
        return found[1]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("completion", "bash")
    assert code == 0
    (tmp_path / "script").write_text(out)
    for name in ("dog.wav", "my cat.wav"):
        (tmp_path / name).touch()
    firsts = {name.split()[0] for name in cli.COMMANDS}
    assert complete(tmp_path, "") == firsts | {"--help", "--version"}
    assert complete(tmp_path, "desc") == {"describe"}
    assert complete(tmp_path, "rooms", "") == {"make", "check", "import", "--help"}
    assert complete(tmp_path, "describe", "--over") == {"--over-time"}
    assert complete(tmp_path, "describe", "do") == {"dog.wav"}
    assert complete(tmp_path, "describe", "my") == {"my cat.wav"}
    assert complete(tmp_path, "describe", "--convention", "") == {"auto", "ambix", "fuma", "n3d", "a-format"}
    assert complete(tmp_path, "describe", "--png", "do") == {"dog.wav"}
    assert complete(tmp_path, "search", "-") >= {"-k", "--k", "--azimuth", "--json"}
    assert complete(tmp_path, "export", "onnx", "--o") == {"--out"}
    assert complete(tmp_path, "completion", "") == {"bash", "zsh", "fish"}
    assert complete(tmp_path, "embed", "--engine", "o") == {"onnx"}


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(run("completion", "fish")[1])
    for name in ("dog.wav", "my cat.wav"):
        (tmp_path / name).touch()
    assert in_fish(tmp_path, "elsa ") == {name.split()[0] for name in cli.COMMANDS}
    assert in_fish(tmp_path, "elsa --") == {"--help", "--version"}
    assert in_fish(tmp_path, "elsa desc") == {"describe"}
    assert in_fish(tmp_path, "elsa rooms ") == {"make", "check", "import"}
    assert in_fish(tmp_path, "elsa describe --over") == {"--over-time"}
    assert in_fish(tmp_path, "elsa describe do") == in_fish(tmp_path, "elsa describe --png do") == {"dog.wav"}
    assert in_fish(tmp_path, "elsa describe my") == {"my cat.wav"}
    assert in_fish(tmp_path, "elsa describe --convention ") == {"auto", "ambix", "fuma", "n3d", "a-format"}
    assert in_fish(tmp_path, "elsa search -") >= {"-k", "--k", "--azimuth", "--json"}
    assert in_fish(tmp_path, "elsa completion ") == {"bash", "zsh", "fish"}
    # a word of one command where another begins, or stands as a file, is not taken for that command
    assert "--freeze-gpt2" in in_fish(tmp_path, "elsa captions train --")
    assert not {"--loss", "--corpus-root"} & in_fish(tmp_path, "elsa captions train --")
    assert "onnx" not in in_fish(tmp_path, "elsa scenes export ")
    assert in_fish(tmp_path, "elsa describe train --o") == {"--over-time"}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_zsh_completes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_elsa").write_text(run("completion", "zsh")[1])
    for name in ("dog.wav", "my cat.wav"):
        (tmp_path / name).touch()
    zsh = Zsh(tmp_path)
    assert zsh.run("elsa desc") == "describe"  # the first Tab of all, which reads the script
    assert zsh.run("elsa --ver") == "--version"
    assert zsh.run("elsa rooms ma") == "rooms|make"
    assert zsh.run("elsa describe --over") == "describe|--over-time"
    assert zsh.run("elsa describe do") == "describe|dog.wav"
    assert zsh.run("elsa describe my") == "describe|my cat.wav"
    assert zsh.run("elsa describe --convention fu") == "describe|--convention|fuma"
    assert zsh.run("elsa describe --png do") == "describe|--png|dog.wav"
    assert zsh.run("elsa captions train --freeze") == "captions|train|--freeze-gpt2"
    assert zsh.run("elsa export onnx --o") == "export|onnx|--out"
    assert zsh.run("elsa completion fi") == "completion|fish"
    assert zsh.run("elsa embed --engine o") == "embed|--engine|onnx"
    zsh.close()


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
    assert all(line.replace("\\'", "").count("'") % 2 == 0 for line in fish)
    assert "complete -c elsa -n '__elsa_follows embed' -l engine -x -a 'torch onnx'" in fish


def test_another_shell_is_refused(run: Run) -> None:
    assert run("completion", "tcsh")[0] == 2
