"""Stopping a run from outside without losing it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Stop:
    """What Ctrl-C and SIGTERM asked for.

    Attributes:
        at_once: raise KeyboardInterrupt where they arrive: nothing is there yet that a step could be in the middle of, or they
            came twice.
        requested: they came, and the run should stop after the current step.
    """

    at_once: bool = True
    requested: bool = False

    def __call__(self, number: int, frame: object) -> None:
        """The handler; a second signal stops at once."""
        if self.at_once or self.requested:
            self.at_once = True
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def interrupts() -> Iterator[Stop]:
    """Turn Ctrl-C and SIGTERM into a :class:`Stop`."""
    stop = Stop()
    with ExitStack() as stack:
        with suppress(ValueError):  # not the main thread: leave signals to the program that we are part of
            for number in (signal.SIGINT, signal.SIGTERM):
                stack.callback(signal.signal, number, signal.signal(number, stop))
        yield stop
