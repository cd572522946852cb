"""Arguments to dataclasses with tyro; its error boxes to one line."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

from logan.cli import help as helping
from logan.cli import hints
from logan.cli.command import Command
from logan.cli.complaints import complaint
from logan.errors import InputError, did_you_mean

T = TypeVar("T")
Run = Callable[[Sequence[str]], int]
CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.SuppressFixed)
WIDE = "500"
"""Columns for tyro's messages, which it wraps to the terminal."""


def parse(
    command: Command[T] | type[T], args: Sequence[str], default: Any = None, prog: str = "", description: str = ""
) -> T:
    """Parse ``args`` into what a command takes; groups of settings share one flat set of flags.

    Args:
        command: the command; or a dataclass alone, with ``prog`` and ``description``.
        args: what was typed after the command.
        default: has the values of the flags that are not given.
        prog: of a dataclass alone, what is typed: ``logan plan``.
        description: of a dataclass alone, what the command does.

    Raises:
        InputError: in one line, with the nearest flags where one was misspelt.
        SystemExit: after help was printed.
    """
    if not isinstance(command, Command):
        command = Command(prog.removeprefix("logan "), command, description)
    given, rest = _tyro(command, args, default, known_only=False)
    if rest:
        raise InputError(hints.unknown(command, rest))
    _check_places(command, given)
    return given


def _check_places(command: Command[Any], given: Any) -> None:
    """An empty name would be the current folder, which nobody means by it: a variable of the shell was not set."""
    for flag in command.flags():
        value = getattr(given, flag.name.replace("-", "_"), None)
        if flag.is_path and (value == "" or (isinstance(value, tuple) and "" in value)):
            raise InputError(
                f"{flag.takes if flag.positional else f'--{flag.name}'} must not be empty; give a file or folder"
            )


def parse_known(command: Command[T], args: Sequence[str], default: Any = None) -> tuple[T, list[str]]:
    """As :func:`parse`, and the arguments that are not of ``command``, but of what it runs (:attr:`Command.also`)."""
    given, rest = _tyro(command, args, default, known_only=True)
    unknown = [] if command.also is None else hints.unknown_flags(command, rest)
    if unknown:
        raise InputError(hints.unknown(command, unknown))
    _check_places(command, given)
    return given, rest


def _tyro(command: Command[T], args: Sequence[str], default: Any, known_only: bool) -> tuple[T, list[str]]:
    if helping.wanted(args):
        print(helping.text(command, args, default), flush=True)
        raise SystemExit(0)
    caught, width = io.StringIO(), os.environ.get("COLUMNS")
    extra = {} if default is None else {"default": default}
    try:
        os.environ["COLUMNS"] = WIDE
        with contextlib.redirect_stderr(caught):
            return tyro.cli(
                command.takes,
                args=list(args),
                prog=command.prog,
                description="",
                config=CONFIG,
                return_unknown_args=True,
                **extra,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        unknown = hints.unknown_flags(command, args)
        raise InputError(
            hints.unknown(command, unknown)
            if unknown and not known_only
            else complaint(command, caught.getvalue(), default)
        ) from None
    finally:
        if width is None:
            os.environ.pop("COLUMNS", None)
        else:
            os.environ["COLUMNS"] = width


def dispatch(prog: str, commands: Sequence[tuple[Command[Any], Run]], args: Sequence[str]) -> int:
    """Run the command that ``args`` begin with, of ``commands``."""
    by_name = {command.name.split()[-1]: (command, run) for command, run in commands}
    if not args or helping.wanted(args[:1]):
        print(helping.several(prog, [command for command, _ in commands]), flush=True)
        return 0
    if args[0] not in by_name:
        hint = did_you_mean(args[0], list(by_name))
        raise InputError(f"unknown command {args[0]!r}{hint}; there are {' and '.join(by_name)}")
    return by_name[args[0]][1](args[1:])


def value_of(flag: str, args: Sequence[str]) -> str | None:
    """The last value given to ``--flag`` in raw arguments (``--flag v`` or ``--flag=v``), or None."""
    found = None
    for i, arg in enumerate(args):
        if arg == flag and i + 1 < len(args):
            found = args[i + 1]
        elif arg.startswith(flag + "="):
            found = arg[len(flag) + 1 :]
    return found
