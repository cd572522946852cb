"""Where the files of a tar lie in it.

Python's ``tarfile`` calls itself once for every name that is longer than a hundred bytes, so five thousand of them in a row end it,
and it reads a header of whatever length into memory. A tar is simple enough to be read with bounds: blocks of 512 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK = 512
MOST_HEADER = 2**16
"""Bytes of a name, or of the records about one file; file systems have names of 4096 bytes at most."""
MOST_HEADERS = 8
"""In a row, about one file: there are five kinds."""
LAST = 2**62
FILES = (b"0", b"\0", b"7")
WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
LONG_NAME, RECORDS, SPARSE = b"L", b"x", b"S"


class Member(NamedTuple):
    """A file: its name as it stands there, and where its ``size`` bytes begin."""

    name: str
    start: int
    size: int


def tar_members(file: BinaryIO, start: int = 0, end: int = LAST) -> Iterator[Member]:
    """The regular files of the tar in ``file`` between ``start`` and ``end``; nothing behind ``end`` is read or skipped.

    Raises:
        ValueError: it is damaged, or reaches beyond ``end``.

    Source: POSIX.1-2017, pax, "ustar interchange format" and "pax header"; the GNU tar manual, "Basic tar format".
    """
    at, name, size, headers = start, "", -1, 0
    while True:
        if at > end:
            raise ValueError(f"a file in it reaches beyond byte {end:,}")
        file.seek(at)
        block = file.read(BLOCK)
        if not block.strip(b"\0"):
            if len(block) < BLOCK and (block or at == start or headers):
                raise ValueError("cut off")
            return
        kind, length = _checked(block)
        content = at + BLOCK
        if kind in (LONG_NAME, RECORDS):
            headers += 1
            if length > MOST_HEADER or headers > MOST_HEADERS:
                raise ValueError("a name without end")
            text = file.read(length)
            if len(text) < length:
                raise ValueError("cut off")
            if kind == LONG_NAME:
                name = _text(text)
            else:
                records = _records(text)
                name = records.get("path", name)
                size = _decimal(records["size"]) if "size" in records else size
        elif kind == SPARSE:
            raise ValueError("a file with holes, which GNU tar alone knows")
        if kind in (LONG_NAME, RECORDS, b"K", b"g"):
            at = content + _whole_blocks(length)
            continue
        name, length = name or _name(block), length if size < 0 else size
        at = content + (0 if kind in WITHOUT_DATA else _whole_blocks(length))
        if kind in FILES and not name.endswith("/"):
            yield Member(name, content, length)
        name, size, headers = "", -1, 0


def is_tar(path: Path) -> bool:
    """Whether a file begins as an uncompressed tar does."""
    try:
        with open(path, "rb") as file:
            _checked(file.read(BLOCK))
    except (OSError, ValueError):
        return False
    return True


def _checked(block: bytes) -> tuple[bytes, int]:
    """Kind and length of what a header describes. Raises ValueError if its checksum is wrong."""
    if len(block) < BLOCK:
        raise ValueError("cut off")
    rest = block[:148] + b" " * 8 + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in rest)  # some old programs summed chars
    if _number(block[148:156]) not in (sum(rest), signed):
        raise ValueError("a header with a wrong checksum")
    return block[156:157], _number(block[124:136])


def _number(field: bytes) -> int:
    """Octal digits, or, of what is larger, base 256 after a byte that no digit has."""
    if field[0] == 0x80:
        value = int.from_bytes(field[1:], "big")
    else:
        digits = field.strip(b" \0")
        if digits.strip(b"01234567"):
            raise ValueError("a header with a number that is none")
        value = int(digits or b"0", 8)
    if value > LAST:
        raise ValueError(f"a file of {value:,} bytes in it")
    return value


def _decimal(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):
        raise ValueError("a size that is none")
    return int(digits)


def _name(block: bytes) -> str:
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _records(text: bytes) -> dict[str, str]:
    """Of ``length key=value`` and a new line, where the length counts all of it."""
    records = {}
    while text.strip(b"\0"):
        length, _, rest = text.partition(b" ")
        size = _decimal(length.decode("ascii", "replace"))
        key, equals, value = rest[: max(0, size - len(length) - 1)].partition(b"=")
        if not equals or value[-1:] != b"\n":
            raise ValueError("records that are none")
        records[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
        text = text[size:]
    return records


def _whole_blocks(length: int) -> int:
    return -(-length // BLOCK) * BLOCK
