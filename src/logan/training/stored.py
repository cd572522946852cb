"""The zip file that torch saves: its members are stored as they are, so nothing in it may be larger than the file.

A member that is deflated inflates a thousandfold, and two members may claim the same bytes. Torch reads the archive with a
reader of its own, so there must be one way alone to read its end: else one of the two is shown another archive than the other.
"""

from __future__ import annotations

import os
import struct
import zipfile
from typing import BinaryIO

END, LOCATOR, END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")
MOST_MEMBERS = 100_000
MOST_DIRECTORY = 2**24
"""Bytes of what lists the members: a hundred of each."""


def damaged_member(file: BinaryIO, tensors: bool = True) -> str | None:
    """The name of a member whose checksum is not that of what is in it; None if all are right.

    Without ``tensors`` theirs are not looked at: of a large state, they are nearly all of it.

    Raises:
        ValueError: if it is no archive as torch saves it.
        zipfile.BadZipFile, NotImplementedError, OSError: as Python's reader.
    """
    size = os.fstat(file.fileno()).st_size
    _check_end(file, size)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(m.compress_type != zipfile.ZIP_STORED or m.compress_size != m.file_size for m in members):
            raise ValueError("parts of it are compressed, as none is that was saved")
        if sum(m.file_size for m in members) > size:
            raise ValueError("its parts are larger than the file")
        if len({m.filename for m in members}) < len(members):
            raise ValueError("it has two parts of one name")
        if tensors:
            return archive.testzip()
        for member in members:
            if member.filename.endswith("/data.pkl"):
                try:
                    archive.read(member)
                except zipfile.BadZipFile:
                    return member.filename
        return None


def _check_end(file: BinaryIO, size: int) -> None:
    """The list of members must end where the archive's end begins, the end must be the file's, and both ends must say the same."""
    at = size - END.size
    if at < 0:
        raise ValueError("it is cut off, or no archive")
    file.seek(0)
    if file.read(4) != b"PK\3\4":  # torch would take it for a file of another kind
        raise ValueError("it is no archive")
    signature, _, _, _, count, length, start, comment = END.unpack(_read(file, at, END.size))
    if signature != b"PK\5\6" or comment:
        raise ValueError("it is cut off, or there is something behind it")
    after = at
    found = _read(file, at - LOCATOR.size, LOCATOR.size) if at >= LOCATOR.size else b""
    if found[:4] == b"PK\6\7":
        after = at - LOCATOR.size - END_64.size
        _, _, where, _ = LOCATOR.unpack(found)
        if where != after:
            raise ValueError("it has two ends")
        end = END_64.unpack(_read(file, after, END_64.size))
        if (
            end[0] != b"PK\6\6"
            or not _same(count, end[7], 16)
            or not _same(length, end[8], 32)
            or not _same(start, end[9], 32)
        ):
            raise ValueError("it has two ends")
        count, length, start = end[7:]
    if start + length != after:
        raise ValueError("the list of its parts is not where it should be")
    if count > MOST_MEMBERS or length > MOST_DIRECTORY:
        raise ValueError(f"it lists {count:,} parts")


def _same(short: int, full: int, bits: int) -> bool:
    """Whether the old end says what the one for large files says, or that this one says it."""
    return short in (full, 2**bits - 1)


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
