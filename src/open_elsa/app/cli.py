"""The command `elsa`: finds the command, reads its options, prints errors as one line and sets the exit code."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from open_elsa.app.show import UsageError, say

OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130

#: what is typed -> (module, class); the module is imported only when the command is run
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("commands", "Demo"),
    "embed": ("commands", "Embed"),
    "index": ("commands_search", "MakeIndex"),
    "watch": ("commands_search", "Watch"),
    "search": ("commands_search", "Search"),
    "describe": ("commands_describe", "Describe"),
    "serve": ("commands_serve", "Serve"),
    "check-audio": ("commands", "CheckAudio"),
    "rooms make": ("commands_data", "RoomsMake"),
    "rooms check": ("commands_rooms", "RoomsCheck"),
    "rooms import": ("commands_rooms", "RoomsImport"),
    "scenes make": ("commands_data", "ScenesMake"),
    "scenes export": ("commands_shards", "ScenesExport"),
    "scenes check": ("commands_shards", "ScenesCheck"),
    "scenes report": ("commands_scenes", "ScenesReport"),
    "captions write": ("commands_captions", "CaptionsWrite"),
    "captions read": ("commands_captions", "CaptionsRead"),
    "captions rewrite": ("commands_captions", "CaptionsRewrite"),
    "captions train": ("commands_captions", "CaptionsTrain"),
    "data check": ("commands_data", "DataCheck"),
    "train": ("commands_models", "Train"),
    "eval": ("commands_models", "Evaluate"),
    "export onnx": ("commands_export", "ExportOnnx"),
    "completion": ("commands_completion", "Completion"),
}

SUMMARY = {
    "demo": "see it work: real sounds in unseen rooms, asked in plain words (3 minutes)",
    "embed": "sounds and sentences to vectors",
    "index": "make a folder of sounds searchable",
    "watch": "keep a folder's index current while files come and go",
    "search": "find sounds by what they are and where they come from",
    "describe": "say in a sentence what is heard and where",
    "serve": "search, listen and describe in a browser, or from programs over HTTP",
    "check-audio": "levels, ambisonic convention and directions of a recording, no model needed",
    "rooms make": "simulate a bank of room responses",
    "rooms check": "hold the room simulator, or a bank, against physics",
    "rooms import": "bring in measured room responses: SOFA files, or folders of sound files",
    "scenes make": "place captioned sounds in rooms, with captions that say where",
    "scenes export": "write scenes as sound files with their truth, or as shards to train from",
    "scenes check": "hold shards against their checksums",
    "scenes report": "what is in a set of scenes: spread, captions, loudness, licences, a few to see",
    "captions write": "say in checked sentences what is heard and where",
    "captions read": "say which spatial facts a sentence states",
    "captions train": "teach a finished model to write captions of what it hears",
    "captions rewrite": "let a language model rephrase captions, and refuse what is not true",
    "data check": "say what of a data set is there, missing or broken",
    "train": "train a model from a folder of captioned sounds",
    "eval": "measure a model: retrieval, zero-shot, directions",
    "completion": "what a shell needs to complete commands and options",
    "export onnx": "both towers of a model as ONNX files, checked against torch",
}

TOP = """usage: elsa COMMAND [options]

Find, locate and describe spatial sound in plain words.

use
{use}
make
{make}
Every command has --help with examples, --json for programs and --debug for tracebacks.

Examples:
  elsa demo
  elsa check-audio recording.wav
  elsa index ~/recordings
  elsa search "footsteps on the left" ~/recordings
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (sys.argv by default) and return its exit code: 0, 1 failure, 2 usage, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        return _run(words)
    except UsageError as error:
        say(f"elsa: {error}")
        return USAGE
    except KeyboardInterrupt:
        say("elsa: interrupted; what is finished is kept, resume by running the same command")
        return INTERRUPTED
    except BrokenPipeError:  # `elsa search … | head`
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if debug:
            traceback.print_exc()
        say(f"elsa: {_one_line(error)}")
        return FAILURE


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(top_help(), end="")
        return OK if words else USAGE
    if words[0] in ("--version", "version"):
        from open_elsa import __version__

        print(f"elsa {__version__}")
        return OK
    name, rest = _command(words)
    if name is None:
        return OK
    module, cls = COMMANDS[name]
    command = parse(name, getattr(importlib.import_module(f"open_elsa.app.{module}"), cls), rest)
    if command is None:
        return OK
    from open_elsa.app.show import route_warnings

    route_warnings()
    return int(command.run() or OK)


def _command(words: list[str]) -> tuple[str | None, list[str]]:
    """The command's name and its own words; None after the help of a group was printed."""
    if words[0] in COMMANDS:
        return words[0], words[1:]
    group = [name for name in COMMANDS if name.startswith(words[0] + " ")]
    if not group:
        firsts = [*dict.fromkeys(name.split()[0] for name in COMMANDS)]
        near = difflib.get_close_matches(words[0], firsts, 1)
        hint = f"did you mean {near[0]}?" if near else "see: elsa --help"
        raise UsageError(f"there is no command {words[0]!r}; {hint}")
    if len(words) > 1 and words[1] in ("-h", "--help"):
        print(f"usage: elsa {words[0]} COMMAND [options]\n\n{_lines(group)}", end="")
        return None, []
    name = " ".join(words[:2])
    if name not in COMMANDS:
        verbs = " or ".join(n.split()[1] for n in group)
        said = f", not {words[1]!r}" if len(words) > 1 else ""
        raise UsageError(f"elsa {words[0]} needs one of: {verbs}{said}")
    return name, words[2:]


def parse(name: str, cls: type[Any], words: list[str]) -> Any:
    """Read a command's options; None after --help was printed. Raises UsageError as one line."""
    import tyro

    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(
                cls,
                args=words,
                prog=f"elsa {name}",
                description=description(cls),
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            return None
        raise UsageError(f"{name}: {_condense(errors.getvalue())}; see: elsa {name} --help") from None


def description(cls: type[Any]) -> str:
    """The text above a command's options: its docstring with the indentation taken out."""
    import inspect

    return inspect.getdoc(cls) or ""


def top_help() -> str:
    """What `elsa --help` prints."""
    names = list(COMMANDS)
    return TOP.format(use=_lines(names[:8]), make=_lines(names[8:]))


def _lines(names: list[str]) -> str:
    return "".join(f"  {name:<16} {SUMMARY[name]}\n" for name in names)


def _condense(box: str) -> str:
    """The parser's boxed message as one line, with its suggestion if it has one."""
    lines = [re.sub(r"[│╭╮╰╯─]", " ", line).strip(" -") if "──" in line else line for line in box.splitlines()]
    lines = [re.sub(r"[│╭╮╰╯]", " ", line).strip() for line in lines]
    lines = [line for line in lines if line and not re.fullmatch(r"[─\- ]+", line)][1:]  # the first is the title
    message: list[str] = []
    for i, line in enumerate(lines):
        if line.startswith("Perhaps you meant") and i + 1 < len(lines):
            return f"{' '.join(message)} (did you mean {lines[i + 1]}?)"
        if line.startswith(("For full", "Argument helptext", "Perhaps", "Similar")):
            break
        message.append(line)
    return " ".join(message) or "these options cannot be read"


def _one_line(error: Exception) -> str:
    from open_elsa.errors import ElsaError

    text = " ".join(str(error).split())
    if isinstance(error, ElsaError):
        return text
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or text}"
    return f"unexpected {type(error).__name__}: {text}; run it with --debug and report what it prints"


if __name__ == "__main__":
    sys.exit(main())
