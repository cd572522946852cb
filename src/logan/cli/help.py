"""What --help prints: an example, the flags that most people use; --help-all the others too, by groups."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from logan.cli.command import Command
from logan.cli.flags import Flag

HELP, ALL = ("-h", "--help"), "--help-all"
LEAST, MOST = 40, 100
"""Columns that text is wrapped to, whatever the terminal has."""


def wanted(args: Sequence[str]) -> bool:
    """Whether these arguments ask for help."""
    return any(a in (*HELP, ALL) for a in args)


def columns() -> int:
    """Of the terminal, or as many as can be read where there is none."""
    return max(LEAST, min(MOST, shutil.get_terminal_size((80, 24)).columns))


def text(command: Command[Any], args: Sequence[str], default: Any = None) -> str:
    """The help that ``args`` ask for."""
    flags = command.flags(default)
    by_name = {flag.name: flag for flag in flags}
    common = [by_name[name] for name in command.common] or [f for f in flags if not f.positional]
    everything = ALL in args or len(common) == sum(not f.positional for f in flags)
    lines = [*examples(command.examples), *wrapped(usage(command.prog, flags))]
    about = [*command.about.strip().split("\n\n")]
    for i, paragraph in enumerate(about):
        if everything or i == 0 or paragraph.startswith("Presets:"):
            lines += ["", *wrapped(paragraph)]
    lines += ["", *_table(f for f in flags if f.positional)] if any(f.positional for f in flags) else []
    if everything:
        for group, members in groupby((f for f in flags if not f.positional), lambda f: f.group):
            lines += ["", f"{group or 'flags'}, with [their defaults]:", *_table(members)]
    else:
        lines += ["", "most used, with [their defaults]:", *_table(common, brief=True)]
        lines += ["", *wrapped(f"{command.prog} {ALL} explains all {len(flags)} flags.")]
    return "\n".join(lines)


def several(prog: str, commands: Sequence[Command[Any]]) -> str:
    """The help of a command that has commands of its own."""
    rows = [(command.prog, in_short(command.about)) for command in commands]
    lines = [line for command in commands for line in examples(command.examples)[:-1]]
    return "\n".join([*lines, "", *table(rows), "", *wrapped(f"{prog} COMMAND --help explains one.")])


def usage(prog: str, flags: Sequence[Flag]) -> str:
    """The line that says what is typed."""
    more = [] if all(f.positional for f in flags) else ["[--FLAG VALUE ...]"]
    return " ".join(["usage:", prog, *(f.typed for f in flags if f.positional), *more])


def examples(lines: Iterable[tuple[str, str]]) -> list[str]:
    """What to type, and below each what it does."""
    shown: list[str] = []
    for line, does in lines:
        parts = textwrap.wrap(f"logan {line}", columns() - 6, break_long_words=False, break_on_hyphens=False)
        typed = [f"  {part} \\" for part in parts[:-1]] + [f"  {parts[-1]}"]
        shown += [typed[0], *(f"  {part}" for part in typed[1:]), *wrapped(does, "      ")]
    return [*shown, ""] if shown else []


def wrapped(line: str, indent: str = "") -> list[str]:
    """One paragraph, wrapped to the terminal; a word that is longer than a line stays whole."""
    joined = " ".join(line.split())
    return textwrap.wrap(
        joined, columns(), initial_indent=indent, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def table(rows: Sequence[tuple[str, str]], widest: int = 26) -> list[str]:
    """Two columns, the second wrapped; below the first where that is wide."""
    left = min(max((len(first) for first, _ in rows), default=0), widest, columns() // 3) + 4
    lines: list[str] = []
    for first, second in rows:
        about = wrapped(second, " " * left)
        if len(first) + 4 <= left and about:
            about[0] = f"  {first}".ljust(left) + about[0][left:]
        else:
            lines += wrapped(first, "  ")
        lines += about
    return lines


def _table(flags: Iterable[Flag], brief: bool = False) -> list[str]:
    return table([(flag.typed, _explained(flag, brief)) for flag in flags])


def _explained(flag: Flag, brief: bool) -> str:
    about = in_short(flag.about) if brief else flag.about
    if flag.takes.startswith("CHOICE"):
        about = f"{about} One of {', '.join(flag.words)}."
    if flag.switch and flag.default:
        return f"{about} [yes; --no-{flag.name} for no]"
    return f"{about} [{flag.default}]" if flag.default else about


def in_short(about: str) -> str:
    """The first sentence of an explanation ("eq. 4" is not the end of one), up to a semicolon unless that parts a list."""
    sentence = re.split(r"(?<=\.) (?=[A-Z])", about, maxsplit=1)[0]
    head, stop, _ = sentence.partition("; ")
    return f"{head}." if stop and ":" not in head else sentence
