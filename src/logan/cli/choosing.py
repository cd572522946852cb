"""Which snapshot of a run a command takes, said in a line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from logan import errors
from logan.errors import InputError
from logan.sampling.choice import Choice, choose
from logan.sampling.download import is_hub


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


def class_of(word: str, classes: int, names: Sequence[str], setting: str = "label") -> int:
    """A generator's class by number or name, a name before a number.

    Raises:
        InputError: for a word that is neither, and a generator without classes.
    """
    if classes == 0:
        raise InputError(f"`{setting}` needs a class-conditional generator; this one was trained without `conditional`")
    if word in names:
        return names.index(word)
    if word.isdecimal() and int(word) < classes:
        return int(word)
    listed = f": {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}" if names else ""
    raise InputError(
        f"`{setting}` {word!r} is neither a number in 0 ... {classes - 1} nor one of this generator's classes"
        f"{errors.did_you_mean(word, list(names))}{listed}"
    )


def names_of(runs: Sequence[str], choices: Sequence[Choice]) -> dict[str, Path]:
    """Runs by a short name: the folder's; of a snapshot that was asked for by itself, or of several of one run, its own too."""
    paths = [choice.path for choice in choices]
    folders = [
        run.removeprefix("hub:") if is_hub(run) else path.absolute().parent.name
        for run, path in zip(runs, paths, strict=True)
    ]
    named: dict[str, Path] = {}
    for run, path, name in zip(runs, paths, folders, strict=True):
        if folders.count(name) > 1 or run.endswith(".safetensors"):
            name = f"{name}/{path.stem}"
        if name in named:
            raise InputError(f"{run} is given twice")
        named[name] = path
    return named
