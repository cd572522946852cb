"""What a person sees while several runs go on: a bar for each of them on a terminal, else lines that begin with their names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from logan import errors
from logan.training.bars import Bars


class Board:
    """Shared by the :class:`~logan.training.watch.Watch` of each run.

    Attributes:
        speaker: the label of the run that has its turn: what the engine reports is of it.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.speaker = ""
        self.console = Console(stderr=True, quiet=quiet)
        self.live = self.console.is_terminal and not quiet
        self.bar = Bars(self.console, self.live)
        self._reports = Reports(lambda message: self.say(message, self.speaker))

    def __enter__(self) -> Board:
        self._reports.start()
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()
        self._reports.stop()

    def say(self, message: str, label: str) -> None:
        """A line of a run's."""
        print_line(self.console, f"{label}: {message}" if label else message)


def print_line(console: Console, message: str) -> None:
    """A line above the bars; "?" for bytes of a file's name that are no characters, and nothing that a terminal would obey.

    Nothing at all where nobody can read it: in a terminal that was closed, or a file on a disk that is full. A run goes on then.
    """
    text = errors.printable(errors.wording(message)).encode("utf-8", "replace").decode()
    with suppress(OSError):
        console.print(text, highlight=False, markup=False, soft_wrap=True)


class Reports(logging.Handler):
    """What the engine reports while it does something that takes long, such as compiling, said to a person."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._say = say

    def start(self) -> None:
        """Listen."""
        log = logging.getLogger("logan.fast")
        log.setLevel(logging.INFO)
        log.addHandler(self)

    def stop(self) -> None:
        """Listen no more."""
        logging.getLogger("logan.fast").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        self._say(record.getMessage())
