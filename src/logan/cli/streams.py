"""What is printed where it cannot be, on terminals that know ASCII alone and of file names that are no text; and what must not be,
since a terminal obeys it."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from rich.console import Console

from logan.errors import printable


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


@contextlib.contextmanager
def only_text() -> Iterator[None]:
    """Inside, ``print`` writes out what a terminal would obey, such as the clearing of the screen in a class's name: names,
    settings and messages come from strangers' files.

    Rich knows of this, and prints its bars and colours past it (``rich_proxied_file``): lines that it is given are made harmless
    before (:func:`logan.training.board.print_line`).
    """
    names = ("stdout", "stderr")
    for name in names:
        if (stream := getattr(sys, name)) is not None:
            setattr(sys, name, _Harmless(stream))
    try:
        yield
    finally:
        for name in names:
            if isinstance(stream := getattr(sys, name), _Harmless):  # else it is gone, or someone else's
                setattr(sys, name, stream.rich_proxied_file)


class _Harmless:
    """A stream that is written to with text that is :func:`~logan.errors.printable`; else it is the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """As much as was asked for."""
        self.rich_proxied_file.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """One by one."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)
