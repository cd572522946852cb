"""Unfinished files: what they are called, who is writing them, and which ones nobody writes any more."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import socket
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial"
CAN_ASK = os.name == "posix"
"""Whether a process can be asked for: elsewhere the question may end it."""
ABANDONED = 3600.0
"""Seconds without a write after which an unfinished file from another machine or container is taken for abandoned."""

_own_token = ""
_own_process = 0
_number = itertools.count()
_being_written: set[str] = set()


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """The path of an unfinished file for ``path``, in its folder; what is there in the end is removed."""
    partial = name_for(path)
    known = os.path.abspath(partial)
    _being_written.add(known)
    try:
        yield partial
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        _being_written.discard(known)


def name_for(path: Path) -> Path:
    """A name that no other writer has: not in this process, on this machine, or in another container with the same numbers."""
    global _own_token, _own_process
    if _own_process != os.getpid():  # at first, and in a process that was forked
        _own_token, _own_process = secrets.token_hex(4), os.getpid()
    return path.with_name(f"{_stem(path.name)}.{here()}.{_own_process}.{_own_token}{next(_number)}{PARTIAL}")


def remove_abandoned(folder: Path, name: str | None = None) -> None:
    """Remove the unfinished files in a folder, of the file ``name`` or of all, whose writers are gone.

    A writer on this machine is gone if its process is; of those elsewhere, on a disk that is shared, and of all on Windows, nothing
    was heard for :data:`ABANDONED` seconds.
    """
    for partial in folder.glob(f"*{PARTIAL}"):
        if name is not None and not partial.name.startswith(_stem(name) + "."):
            continue
        with contextlib.suppress(OSError):
            if not _is_alive(partial):
                partial.unlink()


def here() -> str:
    """This machine since its start, and the container on it: two may have the same host name, and the same numbers of processes."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as f:
            return f"{host}-{zlib.crc32(f.read() + os.fsencode(os.readlink('/proc/self/ns/pid'))):08x}"
    except OSError:  # not Linux
        return host


def _stem(name: str) -> str:
    """What an unfinished file's name begins with: not all of a long one, since file systems take 255 bytes."""
    return os.fsencode(name)[:120].decode(sys.getfilesystemencoding(), "ignore")  # the cut may be within a letter


def _is_alive(partial: Path) -> bool:
    parts = partial.name.removesuffix(PARTIAL).rsplit(".", 3)
    if len(parts) == 4 and parts[1] == here() and parts[2].isdecimal():
        number = int(parts[2])
        if number == os.getpid():
            return os.path.abspath(partial) in _being_written
        if CAN_ASK:
            return _process_lives(number)
    return time.time() - partial.stat().st_mtime < ABANDONED


def _process_lives(number: int) -> bool:
    """Whether there is a process of that number on this machine."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
