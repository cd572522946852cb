"""Flags to dataclasses with tyro; its error boxes to one line."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import dropwhile, takewhile
from typing import Any, TypeVar

import tyro

from logan.errors import InputError, did_you_mean

T = TypeVar("T")
CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.SuppressFixed)


def parse(kind: type[T], args: Sequence[str], *, prog: str, description: str, default: Any = None) -> T:
    """Parse ``args`` into ``kind``; groups of settings share one flat set of flags.

    Raises:
        InputError: in one line, with the nearest flag where one was misspelt.
    """
    return _tyro(kind, args, prog, description, {} if default is None else {"default": default})


def parse_known(kind: type[T], args: Sequence[str], *, prog: str, description: str) -> tuple[T, list[str]]:
    """As :func:`parse`, and the arguments that are not of ``kind``."""
    return _tyro(kind, args, prog, description, {"return_unknown_args": True})


def _tyro(kind: Any, args: Sequence[str], prog: str, description: str, extra: dict[str, Any]) -> Any:
    caught = io.StringIO()
    width = os.environ.get("COLUMNS")
    wants_help = any(a in ("-h", "--help") for a in args)
    try:
        if not wants_help:
            os.environ["COLUMNS"] = "500"  # tyro wraps its messages to the terminal
        with contextlib.redirect_stderr(caught):
            return tyro.cli(kind, args=list(args), prog=prog, description=description, config=CONFIG, **extra)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(one_line(caught.getvalue(), prog)) from None
    finally:
        if width is None:
            os.environ.pop("COLUMNS", None)
        else:
            os.environ["COLUMNS"] = width


def one_line(box: str, prog: str) -> str:
    """The message of one of tyro's boxes, and its suggestion."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", box)
    lines = [line.strip("│╭╮╰╯|+ \t") for line in text.splitlines()]  # boxes of ASCII where there is no UTF-8
    body = [line for line in lines[1:] if line]
    message = " ".join(takewhile(lambda line: not _is_rule(line), dropwhile(_is_rule, body)))
    unknown = re.fullmatch(r"Unrecognized options: (.*)", message)
    if unknown:
        words = unknown.group(1).split(", ")
        message = "unknown flag or word: " + ", ".join([w for w in words if w.startswith("-")] or words)
    hint = re.search(r"Perhaps you meant:.*?(--[\w-]+)", " ".join(body))
    meant = f" (did you mean {hint.group(1)!r}?)" if hint else ""
    return f"{message or text.strip()}{meant}; see {prog} --help"


def _is_rule(line: str) -> bool:
    """A horizontal one: under the title, or before the suggestion."""
    return set(line) <= {"─", "-"}


def dispatch(prog: str, commands: Mapping[str, tuple[Callable[[Sequence[str]], int], str]], args: Sequence[str]) -> int:
    """Run the command that ``args`` begin with, of ``commands``: by name what it does, and that in words."""
    if not args or args[0] in ("-h", "--help"):
        print("\n".join(f"{prog} {name:<8} {what}" for name, (_, what) in commands.items()))
        return 0
    if args[0] not in commands:
        hint = did_you_mean(args[0], list(commands))
        raise InputError(f"unknown command {args[0]!r}{hint}; there are {' and '.join(commands)}")
    return commands[args[0]][0](args[1:])


def value_of(flag: str, args: Sequence[str]) -> str | None:
    """The last value given to ``--flag`` in raw arguments (``--flag v`` or ``--flag=v``), or None."""
    found = None
    for i, arg in enumerate(args):
        if arg == flag and i + 1 < len(args):
            found = args[i + 1]
        elif arg.startswith(flag + "="):
            found = arg[len(flag) + 1 :]
    return found
