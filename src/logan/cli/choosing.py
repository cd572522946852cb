"""Which snapshot of a run a command takes, said in a line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from logan import errors
from logan.errors import InputError
from logan.sampling.choice import Choice, choose


def choose_for(run: str | Path, which: str, setting: str = "snapshot") -> Choice:
    """As :func:`logan.sampling.choice.choose`, for a flag of that name."""
    try:
        return choose(run, which)
    except InputError as error:
        raise error.renamed({"snapshot": setting}) from None


def say(choice: Choice, setting: str = "snapshot") -> None:
    """What was taken, on standard error; once nothing can be wrong with the rest of the command."""
    if choice.why:
        print(errors.with_settings(choice.why, lambda name: errors.wording(f"`{setting}`")), file=sys.stderr)


def class_of(word: str, classes: int, names: Sequence[str]) -> int:
    """A generator's class by number or name.

    Raises:
        InputError: for a word that is neither, and a generator without classes.
    """
    if classes == 0:
        raise InputError("`label` needs a class-conditional generator; this one was trained without `conditional`")
    if word in names:
        return names.index(word)
    if word.isdecimal() and int(word) < classes:
        return int(word)
    listed = f": {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}" if names else ""
    raise InputError(
        f"`label` {word!r} is neither a number in 0 ... {classes - 1} nor one of this generator's classes"
        f"{errors.did_you_mean(word, list(names))}{listed}"
    )
