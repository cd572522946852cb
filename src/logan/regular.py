"""Files are opened here where someone else may have put something else in their place: a link, a named pipe, a device, a folder.

A link in a run's folder that came from a stranger leads wherever the stranger likes, and whoever appends to it writes there. A
pipe is waited for without end, ``/dev/zero`` read without end.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from logan.errors import InputError

_CAREFULLY = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_NOINHERIT", "O_BINARY"))
"""Should a pipe take the file's place after the first look, nobody waits for it."""
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: str | Path, mode: str = "rb", *, through_links: bool = False, buffering: int = -1) -> Any:
    """``open``, in a binary mode, of a regular file and of nothing else.

    It is looked at before it is opened, for opening a device may do something, and again when it is open, for it may have been
    exchanged. A mode with "w" empties the file after both.

    Args:
        path: of the file.
        mode: as ``open`` has it.
        through_links: whether the last part of the path may be a link. It may be where a person names the file; not where the
            project itself gives the name.
        buffering: as ``open`` has it.

    Raises:
        InputError: if there is something else.
        OSError: as ``open``, such as FileNotFoundError.
    """
    look = os.stat if through_links else os.lstat
    try:
        before = look(path)
    except FileNotFoundError:
        before = None
    if before is not None:
        _check(path, before)
    elif os.path.islink(path):  # to nothing: a writer would make a file there
        _refuse_link(path)

    def opener(name: str, flags: int) -> int:
        flags = flags & ~os.O_TRUNC | _CAREFULLY
        if not through_links:
            flags |= getattr(os, "O_NOFOLLOW", 0)
        return os.open(name, flags, 0o666)

    file = open(path, mode, buffering, opener=opener)  # noqa: SIM115 (closed by who asked for it)
    try:
        opened = os.fstat(file.fileno())
        _check(path, opened)
        if not through_links:  # where the platform has no O_NOFOLLOW
            now = os.lstat(path)
            _check(path, now)
            if not os.path.samestat(now, opened):
                raise InputError(f"{path} was exchanged while it was opened; try again")
        if "w" in mode:
            file.truncate()
    except BaseException:
        file.close()
        raise
    return file


def read_regular(path: str | Path, most: int, *, through_links: bool = False, advice: str = "") -> bytes:
    """What is in a regular file of at most ``most`` bytes.

    Raises:
        InputError: if it is larger, having read nothing, or no such file; ``advice`` says what to do then.
        OSError: as ``open``.
    """
    with open_regular(path, through_links=through_links) as file:
        if os.fstat(file.fileno()).st_size > most or len(data := file.read(most + 1)) > most:
            advice = advice and f"; {advice}"
            raise InputError(f"{path} has more than the {most:,} bytes that are read of such a file{advice}")
        return data


def _check(path: str | Path, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    if stat.S_ISLNK(found.st_mode):
        _refuse_link(path)
    kind = next((kind for fits, kind in _KINDS if fits(found.st_mode)), "something else")
    raise InputError(f"{path} is not a file but {kind}; remove it, or put the file in its place")


def _refuse_link(path: str | Path) -> NoReturn:
    raise InputError(
        f"{path} is a link, and links are not followed there; remove it, or put the file itself in its place"
    )
