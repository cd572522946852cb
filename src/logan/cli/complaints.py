"""What tyro has to say against arguments, in one line of ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import dropwhile, takewhile
from typing import Any

from logan.cli.command import Command
from logan.cli.flags import Flag
from logan.errors import did_you_mean

NUMBERS = {"INT": "whole number", "FLOAT": "number"}


def complaint(command: Command[Any], box: str, default: Any = None) -> str:
    """The message of one of tyro's boxes, put so that it says what to type; as it is where it is of a kind not known here."""
    said = message(box)
    flags = command.flags(default)
    named = re.search(r"(?:argument|parsing) '?(-{0,2}[a-z][\w-]*)'?", said)
    flag = next((f for f in flags if named and f.name == named[1].lstrip("-").replace("_", "-")), None)
    if said.startswith("Missing from") or (said.startswith("Missing value") and flag is not None and flag.positional):
        wanted = [f.typed for f in flags if f.positional]
        what = " and ".join(wanted) if len(wanted) > 1 else f"{wanted[0]} is missing"
        said = f"{what + ' are needed' if len(wanted) > 1 else what}: {command.prog} {' '.join(wanted)}"
    elif flag is not None:
        said = _about(flag, said)
    return f"{said}; see {command.prog} --help"


def _about(flag: Flag, said: str) -> str:
    name = flag.takes if flag.positional else f"--{flag.name}"
    instance = f", as in {name} {flag.default}" if flag.default and not flag.positional else ""
    choice = re.match(r"invalid choice '(.*)' for argument", said)
    value = re.search(r"(?:with base 10|to float): '?(.*?)'?$", said)
    if choice and flag.words:
        words = [*flag.words]
        return f"{name} is one of {', '.join(words)}, not {choice[1]!r}{did_you_mean(choice[1], words)}"
    if said.startswith("Missing value"):
        return f"{name} needs {_kind(flag)}{instance}"
    if value or "Could not parse" in said:
        given = f", not {value[1]!r}" if value else ""
        return f"{name} takes {_kind(flag)}{instance}{given}"
    return said


def _kind(flag: Flag) -> str:
    first, many = flag.takes.split(" ")[0], flag.takes.count(" ") + 1
    if many > 1 and "..." not in flag.takes:
        return f"{many} {NUMBERS.get(first, 'value')}s"
    return f"a {NUMBERS.get(first, 'value')}"


def message(box: str) -> str:
    """The message of one of tyro's boxes, without its frame and what it suggests."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", box)
    lines = [line.strip("│╭╮╰╯|+ \t") for line in text.splitlines()]  # boxes of ASCII where there is no UTF-8
    body = [line for line in lines[1:] if line]
    return " ".join(takewhile(lambda line: not _is_rule(line), dropwhile(_is_rule, body))) or text.strip()


def _is_rule(line: Sequence[str]) -> bool:
    """A horizontal one: under the title, or before the suggestion."""
    return set(line) <= {"─", "-"}
