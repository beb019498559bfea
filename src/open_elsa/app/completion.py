"""Scripts that let bash, zsh and fish complete `elsa`, made of the commands and of what their options are."""

from __future__ import annotations

import dataclasses
import importlib
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, Literal, Union

from open_elsa.app.cli import COMMANDS, SUMMARY

#: Option -> the words that it takes; empty: files, or anything; None: it takes nothing.
Options = dict[str, tuple[str, ...] | None]


@dataclasses.dataclass(frozen=True)
class Completed:
    """What may follow a command: words of its positional arguments (none: files), and options."""

    words: tuple[str, ...]
    options: Options


def completed(name: str) -> Completed:
    """What may follow the command of that name, read from the fields of its class."""
    import tyro

    module, cls_name = COMMANDS[name]
    cls = getattr(importlib.import_module(f"open_elsa.app.{module}"), cls_name)
    hints = typing.get_type_hints(cls, include_extras=True)
    words: list[str] = []
    options: Options = {"--help": None}
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        marks = typing.get_args(hint)[1:] if typing.get_origin(hint) is typing.Annotated else ()
        if tyro.conf.Positional in _markers(marks):
            words += _choices(hint)
            continue
        option = "--" + field.name.replace("_", "-")
        options[option] = None if _bare(hint) is bool else tuple(_choices(hint))
        for mark in marks:
            for alias in getattr(mark, "aliases", None) or ():
                options[alias] = options[option]
    return Completed(tuple(words), options)


def script(shell: Literal["bash", "zsh", "fish"]) -> str:
    """The script for a shell."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


def _bash() -> str:
    def words(said: Iterable[str]) -> str:
        return f'COMPREPLY=($(compgen -W "{" ".join(said)}" -- "$cur"))'

    files = "local IFS=$'\\n'; COMPREPLY=($(compgen -f -- \"$cur\"))"  # names may hold spaces
    body = [f"    {line}" for line in _cases(words, files)]
    return _lines(
        "_elsa() {",
        '    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local at=$COMP_CWORD name="${COMP_WORDS[1]}" verb="${COMP_WORDS[2]}"',
        "    COMPREPLY=()",
        *body,
        "}",
        "complete -o filenames -F _elsa elsa",
    )


def _zsh() -> str:
    """The body of the function `_elsa`, which zsh finds by its file's name and reads when it is first needed."""
    return _lines(
        "#compdef elsa",
        'local cur="${words[CURRENT]}" prev="${words[CURRENT-1]}"',
        'local at=$((CURRENT - 1)) name="${words[2]}" verb="${words[3]}"',
        *_cases(lambda said: f"compadd -- {' '.join(said)}", "_files"),
    )


def _cases(words: Callable[[Iterable[str]], str], files: str) -> list[str]:
    """Lines that bash and zsh read alike, after cur, prev, at (the number of cur), name and verb (words 1, 2) are set.

    words: says how the shell offers some words; files: how it offers files.
    """
    firsts = dict.fromkeys(name.split()[0] for name in COMMANDS)
    lines = [f'if [ "$at" -eq 1 ]; then {words((*firsts, "--help", "--version"))}; return; fi', 'case "$name" in']
    for group, verbs in _groups().items():
        lines.append(f'    {group}) if [ "$at" -eq 2 ]; then {words((*verbs, "--help"))}; return; fi')
        lines.append('        name="$name $verb" ;;')
    lines += ["esac", 'case "$name:$prev" in']
    known = {name: completed(name) for name in COMMANDS}
    for name, what in known.items():
        for option, values in what.options.items():
            if values is not None:
                lines.append(f'    "{name}:{option}") {words(values) if values else files}; return ;;')
    lines += ["esac", 'case "$name" in']
    for name, what in known.items():
        others = words(what.words) if what.words else files
        choice = f'if [ "${{cur#-}}" != "$cur" ]; then {words(what.options)}; else {others}; fi'
        lines.append(f'    "{name}") {choice} ;;')
    return [*lines, "esac"]


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _fish() -> str:
    lines = [
        "function __elsa_follows  # what is typed after elsa begins with these words",
        "    set -l typed (commandline -opc)[2..]",
        '    test "$typed[1..$(count $argv)]" = "$argv"',
        "end",
        "function __elsa_ends  # what is typed after elsa is these words",
        '    test "$(commandline -opc)[2..]" = "$argv"',
        "end",
        "complete -c elsa -f",
        "complete -c elsa -n __elsa_ends -l help",
        "complete -c elsa -n __elsa_ends -l version",
    ]
    for first in dict.fromkeys(name.split()[0] for name in COMMANDS):
        about = SUMMARY.get(first, ", ".join(_groups().get(first, ())))
        lines.append(f"complete -c elsa -n __elsa_ends -a {first} -d {_quoted(about)}")
    for group, verbs in _groups().items():
        after = f"complete -c elsa -n '__elsa_ends {group}'"
        lines.append(f"{after} -l help")
        lines += [f"{after} -a {verb} -d {_quoted(SUMMARY[f'{group} {verb}'])}" for verb in verbs]
    for name in COMMANDS:
        what = completed(name)
        after = f"complete -c elsa -n '__elsa_follows {name}'"
        lines.append(f"{after} -a '{' '.join(what.words)}'" if what.words else f"{after} -F")
        for option, values in what.options.items():
            flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            takes = "" if values is None else f" -x -a '{' '.join(values)}'" if values else " -r -F"
            lines.append(f"{after} {flag}{takes}")
    return _lines(*lines)


def _groups() -> dict[str, tuple[str, ...]]:
    """Commands of two words: the first -> all second ones."""
    groups: dict[str, list[str]] = {}
    for name in COMMANDS:
        first, _, verb = name.partition(" ")
        if verb:
            groups.setdefault(first, []).append(verb)
    return {first: tuple(verbs) for first, verbs in groups.items()}


def _markers(marks: tuple[Any, ...]) -> list[Any]:
    """tyro's markers of a field: `Positional` annotates with an object that its own subscription makes."""
    import tyro

    (positional,) = typing.get_args(tyro.conf.Positional[int])[1:]
    return [tyro.conf.Positional if mark is positional or mark == positional else mark for mark in marks]


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def _choices(hint: Any) -> list[str]:
    """The words of every Literal in a hint, in order."""
    if typing.get_origin(hint) is Literal:
        return [str(value) for value in typing.get_args(hint)]
    if typing.get_origin(hint) in (typing.Annotated, Union, types.UnionType, tuple):
        return [word for part in typing.get_args(hint) for word in _choices(part)]
    return []


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
