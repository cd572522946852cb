"""Which snapshot of a run a command takes, said in a line."""

from __future__ import annotations

import sys
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
