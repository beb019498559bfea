"""Scripts that let bash, zsh and fish complete `elsa`, made of the commands and of what their options are."""

from __future__ import annotations

import dataclasses
import importlib
import types
import typing
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
    """One function; zsh reads it too, by its own emulation of bash's `complete`."""
    groups = _groups()
    firsts = " ".join(dict.fromkeys(name.split()[0] for name in COMMANDS))
    lines = [
        "_elsa() {",
        '    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" name="${COMP_WORDS[1]}"',
        "    COMPREPLY=()",
        '    if [ "$COMP_CWORD" -eq 1 ]; then',
        f'        COMPREPLY=($(compgen -W "{firsts} --help --version" -- "$cur")); return; fi',
        '    case "$name" in',
    ]
    for group, verbs in groups.items():
        said = " ".join(verbs)
        reply = f'COMPREPLY=($(compgen -W "{said} --help" -- "$cur"))'
        lines.append(f'        {group}) if [ "$COMP_CWORD" -eq 2 ]; then {reply}; return; fi')
        lines.append('            name="$name ${COMP_WORDS[2]}" ;;')
    lines += ["    esac", '    case "$name:$prev" in']
    known = {name: completed(name) for name in COMMANDS}
    for name, what in known.items():
        for option, values in what.options.items():
            if values:
                reply = f'COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$cur"))'
                lines.append(f'        "{name}:{option}") {reply}; return ;;')
            elif values is not None:
                lines.append(f'        "{name}:{option}") COMPREPLY=($(compgen -f -- "$cur")); return ;;')
    lines += ["    esac", '    case "$name" in']
    for name, what in known.items():
        options = f'compgen -W "{" ".join(what.options)}" -- "$cur"'
        others = f'compgen -W "{" ".join(what.words)}" -- "$cur"' if what.words else 'compgen -f -- "$cur"'
        choice = f'if [ "${{cur#-}}" != "$cur" ]; then COMPREPLY=($({options})); else COMPREPLY=($({others})); fi'
        lines.append(f'        "{name}") {choice} ;;')
    lines += ["    esac", "}", "complete -o filenames -F _elsa elsa"]
    return "\n".join(lines) + "\n"


def _zsh() -> str:
    return "#compdef elsa\nautoload -U +X bashcompinit && bashcompinit\n" + _bash()


def _fish() -> str:
    lines = ["complete -c elsa -f"]
    firsts = dict.fromkeys(name.split()[0] for name in COMMANDS)
    for first in firsts:
        about = SUMMARY.get(first, ", ".join(_groups().get(first, ())))
        lines.append(f"complete -c elsa -n __fish_use_subcommand -a {first} -d {_quoted(about)}")
    for group, verbs in _groups().items():
        unseen = f"'__fish_seen_subcommand_from {group}; and not __fish_seen_subcommand_from {' '.join(verbs)}'"
        for verb in verbs:
            about = _quoted(SUMMARY[f"{group} {verb}"])
            lines.append(f"complete -c elsa -n {unseen} -a {verb} -d {about}")
    for name in COMMANDS:
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in name.split())
        what = completed(name)
        after = f"complete -c elsa -n '{seen}'"
        lines.append(f"{after} -a '{' '.join(what.words)}'" if what.words else f"{after} -F")
        for option, values in what.options.items():
            flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            takes = "" if values is None else f" -x -a '{' '.join(values)}'" if values else " -r -F"
            lines.append(f"{after} {flag}{takes}")
    return "\n".join(lines) + "\n"


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
