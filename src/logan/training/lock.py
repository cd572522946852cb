"""One process at a time writes a run folder."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from logan.distributed import World
from logan.errors import InputError

try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None  # type: ignore[assignment]

FILE_NAME = ".lock"
PATIENCE = 5.0
"""Seconds to wait for another process to leave: one that was killed may take a moment to be gone."""


@contextlib.contextmanager
def locked(run: Path, world: World) -> Iterator[list[str]]:
    """Rank 0 holds the folder's lock inside; the operating system frees it when the process ends, however it does.

    Yields:
        A warning, if the file system has no locks: then nobody is kept out.

    Raises:
        InputError: on every rank, if another process holds it.
    """
    with contextlib.ExitStack() as stack:
        yield world.broadcast_result(lambda: _take(run / FILE_NAME, stack))


def _take(path: Path, stack: contextlib.ExitStack) -> list[str]:
    """Hold the lock until ``stack`` closes. The file stays: a lock on a file that someone removes keeps nobody out."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    stack.callback(os.close, descriptor)  # which gives the lock back
    until = time.monotonic() + PATIENCE
    while not (taken := _lock(descriptor)):
        if taken is None:
            return [f"{path.parent} is on a file system without locks: see that no other process trains in it"]
        if time.monotonic() > until:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
            raise InputError(
                f"{path.parent} is being trained by {holder}; wait for it or stop it, or start a new run from one of its snapshots"
            )
        time.sleep(0.05)
    os.truncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    return []


def _lock(descriptor: int) -> bool | None:
    """Whether the lock was free, and is now held; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # ENOSYS, ENOTSUP, ENOLCK: some network file systems
        return None
    return True
