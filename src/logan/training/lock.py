"""One process at a time writes a run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from logan.distributed import World
from logan.errors import InputError

FILE_NAME = ".lock"
PATIENCE = 5.0
"""Seconds to wait for another process to leave: one that was killed may take a moment to be gone."""


@contextlib.contextmanager
def held(run: Path, world: World) -> Iterator[None]:
    """Rank 0 holds the folder's lock inside; the operating system frees it when the process ends, however it does.

    Raises:
        InputError: on every rank, if another process holds it.
    """
    lock, taken = FileLock(run / FILE_NAME), True
    if world.first:
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            taken = False
    if not world.told(taken):
        raise InputError(
            f"{run} is being trained by another process; wait for it or stop it, or start a new run from one of its snapshots"
        )
    try:
        yield
    finally:
        if world.first:
            lock.release()
