"""One process at a time writes a folder: a run's, or that of a comparison."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from logan.distributed import World
from logan.errors import InputError
from logan.files import explained
from logan.regular import open_regular

FILE_NAME = ".lock"
HOLDER = ".lock-holder"
"""Who holds it, for people. Not in the lock's own file: Windows lets nobody else read that, and some filelocks empty it."""
PATIENCE = 5.0
"""Seconds to wait for another process to leave: one that was killed may take a moment to be gone."""
WITHOUT_LOCKS = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS}
WITHOUT_LOCKS_ON_WINDOWS = {1, 50}
"""ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED. Such are some network file systems; other errors are no reason to go on."""

_held: dict[Path, tuple[int, int]] = {}
"""Device and number of the files of the locks that this process holds."""


@contextlib.contextmanager
def locked(
    folder: Path,
    world: World,
    doing: str = "being trained",
    instead: str = "start a new run from one of its snapshots",
) -> Iterator[list[str]]:
    """Rank 0 holds the folder's lock inside; the operating system frees it when the process ends, however it does.

    Args:
        folder: which is there.
        world: the ranks that share it.
        doing, instead: what the holder does with it, and what another may do, for the message.

    Yields:
        A warning, if the file system has no locks: then nobody is kept out.

    Raises:
        InputError: on every rank, if another process holds it, it cannot be written, or there is a link or something else that
            is no file in its place.
    """
    with contextlib.ExitStack() as stack:
        yield world.broadcast_result(lambda: _take(folder, doing, instead, stack))


def _take(folder: Path, doing: str, instead: str, stack: contextlib.ExitStack) -> list[str]:
    """Hold the lock until ``stack`` closes."""
    path = folder / FILE_NAME
    lock = FileLock(path, thread_local=False)
    with explained(path):
        open_regular(path, "ab").close()  # not through a link, whatever this filelock does
        try:
            lock.acquire(timeout=PATIENCE, poll_interval=0.05)
        except Timeout:
            who = _holder(folder)
            raise InputError(f"{folder} is {doing} by {who}; wait for it or stop it, or {instead}") from None
        except (OSError, NotImplementedError) as error:
            if not _has_no_locks(error):
                raise
            return [f"{folder} is on a file system without locks: see that no other process trains in it"]
    stack.callback(lock.release)
    stack.callback(_held.pop, path, None)
    with contextlib.suppress(OSError):
        found = path.stat()
        _held[path] = found.st_dev, found.st_ino
        with open_regular(folder / HOLDER, "wb") as file:
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    return []


def _has_no_locks(error: Exception) -> bool:
    """NotImplementedError is what some filelocks make of ENOSYS."""
    number, windows = getattr(error, "errno", None), getattr(error, "winerror", None)
    return isinstance(error, NotImplementedError) or number in WITHOUT_LOCKS or windows in WITHOUT_LOCKS_ON_WINDOWS


def _holder(folder: Path) -> str:
    try:
        with open_regular(folder / HOLDER) as file:
            return file.read(200).decode("utf-8", "replace").strip() or "another process"
    except (OSError, InputError):
        return "another process"


def _let_go() -> None:
    """In a child that was forked, such as a worker that decodes images: it would hold the lock that it has inherited for as long as
    it lives, which after a kill of its parent is up to five seconds."""
    if not _held or not os.path.isdir("/dev/fd"):
        return
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError, ValueError):
            found = os.fstat(int(name))
            if (found.st_dev, found.st_ino) in _held.values():
                os.close(int(name))
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
