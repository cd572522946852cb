"""Stopping a command from outside without losing anything: one way for Ctrl-C and for the signals of shells and schedulers.

SIGINT is Ctrl-C, SIGTERM what ``kill``, Docker and Kubernetes send, SIGHUP what a closed ssh session leaves behind, SIGUSR1 what
Slurm's ``--signal=USR1@60`` sends before a job's time is up, SIGBREAK the Ctrl-Break of Windows. All of them ask for the same.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGBREAK")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


@dataclass
class Stop:
    """What a signal asks for.

    It raises KeyboardInterrupt where it arrives, unless it is held back: then it is noted, and who holds it back stops when nothing
    is torn by that. A second one is never held back.

    Attributes:
        held: whether signals are held back.
        requested: one has come.
        twice: and another.
    """

    held: bool = False
    requested: bool = False
    twice: bool = field(default=False, init=False)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        self.requested, self.twice = True, self.requested
        if self.twice or not self.held:
            raise KeyboardInterrupt

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, nothing is held back: all that is computed here can be lost, or is computed again."""
        before, self.held = self.held, False
        try:
            if self.requested:
                raise KeyboardInterrupt
            yield
        finally:
            self.held = before


@contextmanager
def interrupts(held: bool = False) -> Iterator[Stop]:
    """Turn the signals into a :class:`Stop`, which holds them back from the beginning on if ``held``.

    SIGHUP stays ignored where it is: under ``nohup`` a closed session is no reason to stop.
    """
    stop = Stop(held)
    with _handled_by(stop):
        yield stop


@contextmanager
def leaving_the_process(message: bytes, status: int) -> Iterator[None]:
    """A signal ends the process while modules are loaded: torch would swallow a KeyboardInterrupt, and go on with half of numpy."""

    def leave(number: int, frame: FrameType | None) -> None:
        with suppress(OSError):
            os.write(2, message)
        os._exit(status)

    with _handled_by(leave):
        yield


def leaving_at_once(terminal: bool) -> AbstractContextManager[None]:
    """A signal ends the process while torch calls code of ours for each operation, where there is nothing to lose.

    An exception that is raised in such code is, by the place in torch where it comes to, passed on, printed and forgotten, or ends
    the process with "terminate called after throwing an instance of 'python_error'".

    Args:
        terminal: a bar may be there, whose line goes, and the cursor that it has hidden comes back.
    """
    tidy = b"\r\x1b[2K\x1b[?25h" if terminal else b""
    return leaving_the_process(tidy + b"logan: interrupted\n", 130)


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    with ExitStack() as stack:
        with suppress(ValueError):  # not the main thread: leave signals to the program that we are part of
            for number in SIGNALS:
                if number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                stack.callback(signal.signal, number, signal.signal(number, handler))
        yield


@contextmanager
def waiting() -> Iterator[None]:
    """Signals arrive at the end of this: while a process is forked, Python would print the KeyboardInterrupt and go on.

    The new process begins so too, until it calls :func:`leave_stopping_to_the_parent`.
    """
    noted: list[int] = []
    # A mask is of one thread: what the process is sent meanwhile may reach another, and then runs the handler all the same.
    handled = _handled_by(lambda number, frame: noted.append(number)) if _is_main_thread() else nullcontext()
    try:
        with handled:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if hasattr(signal, "pthread_sigmask") else None
            try:
                yield
            finally:
                if before is not None:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        for number in noted:
            signal.raise_signal(number)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def leave_stopping_to_the_parent() -> None:
    """In a worker process, which schedulers and terminals signal along with its parent: the parent decides, and ends it.

    SIGTERM is let pass once, since the parent sends it too, a second time, to a worker that does not end by itself.
    """
    for number in SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.signal(number, signal.SIG_DFL))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
