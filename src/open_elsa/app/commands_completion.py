"""The command that teaches a shell to complete the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from open_elsa.app.options import Common


@dataclass(kw_only=True)
class Completion(Common):
    """Print a script that completes commands, options and their values, for bash, zsh or fish.

    Where an option takes anything but a word of a list, files are completed. The script holds what this version knows:
    make it again after an update.

    Examples:
      elsa completion bash > ~/.local/share/bash-completion/completions/elsa
      elsa completion zsh > ~/.zfunc/_elsa
      elsa completion fish > ~/.config/fish/completions/elsa.fish
    """

    shell: Annotated[Literal["bash", "zsh", "fish"], tyro.conf.Positional, tyro.conf.arg(metavar="SHELL")]
    """Which shell."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.app.completion import script

        text = script(self.shell)
        self.show({"shell": self.shell, "script": text}, lambda: print(text, end=""))
