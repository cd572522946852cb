"""How long a zip's directory is, before it is read: :mod:`zipfile` reads it whole, and a file of holes takes no room on a disk."""

from __future__ import annotations

import struct
from pathlib import Path

from logan.errors import InputError

from .bounds import MOST_DIRECTORY, in_units

END, END_64 = b"PK\5\6", b"PK\6\6"
TAIL = 22 + 2**16 + 20 + 56
"""The end record, its comment, and the locator and the record of zip64 before it."""


def check_directory(path: Path) -> None:
    """Refuse a directory that is larger than is read (InputError); what else is wrong with the file is for its reader to say.

    Source: PKWARE, "APPNOTE.TXT", sections 4.3.14 and 4.3.16.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        tail = file.read(TAIL)
    longest = 0
    for mark, layout, at in ((END, "<I", 12), (END_64, "<Q", 40)):
        start = tail.rfind(mark)
        if start >= 0 and len(tail) >= start + at + struct.calcsize(layout):
            (length,) = struct.unpack_from(layout, tail, start + at)
            longest = max(longest, length if length != 2**32 - 1 else 0)
    if longest > MOST_DIRECTORY:
        raise InputError(
            f"{path}: its directory has {in_units(longest)}, and {in_units(MOST_DIRECTORY)} are read; "
            "it is damaged, or make several of it"
        )
