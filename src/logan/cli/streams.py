"""What is printed where it cannot be: on terminals that know ASCII alone, and of file names that are no text."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TextIO

from rich.console import Console


def tables(width: int) -> Console:
    """Where tables are printed: as wide as the terminal, or as ``width`` where there is none."""
    return Console(width=None if sys.stdout.isatty() else width, highlight=False)


def print_what_can_be(*streams: TextIO | None) -> None:
    """Lets each of ``streams`` put a "?" in the place of what its encoding has not, where it would raise an error."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            with contextlib.suppress(
                OSError, ValueError
            ):  # closed, or with something that cannot be written out before
                stream.reconfigure(errors="replace")
