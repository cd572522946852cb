"""``logan completion bash``: a script that lets a shell complete commands, flags, choices and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from logan.cli import shells
from logan.cli.command import Command
from logan.cli.front import load_commands
from logan.cli.parsing import parse

ABOUT = """Print a script that lets a shell complete commands, flags, their choices, and files.

bash: put eval "$(logan completion bash)" into ~/.bashrc, or the script into ~/.local/share/bash-completion/completions/logan.

zsh: put source <(logan completion zsh) into ~/.zshrc, after compinit; or the script into a folder of $fpath, as _logan.

fish: logan completion fish > ~/.config/fish/completions/logan.fish"""


@dataclass(frozen=True)
class CompletionArguments:
    """What ``logan completion`` takes."""

    shell: Annotated[Literal["bash", "zsh", "fish"], tyro.conf.Positional]
    """bash, zsh or fish."""


COMMAND = Command(
    "completion",
    CompletionArguments,
    ABOUT,
    examples=(
        ("completion bash > ~/.logan-completion", "then put the line `source ~/.logan-completion` into ~/.bashrc"),
        ("completion fish > ~/.config/fish/completions/logan.fish", "for every new fish"),
    ),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    print(shells.SCRIPTS[given.shell](load_commands()), end="")
    return 0
