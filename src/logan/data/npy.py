"""The header of a ``.npy`` file, read without Python's parser, which NumPy hands it to: ``((((`` takes that as far as it goes."""

from __future__ import annotations

import math
import re
import struct
from typing import BinaryIO, NamedTuple

MAGIC = b"\x93NUMPY"
MOST_HEADER = 10_000
"""Bytes; NumPy's own bound."""
_HEADER = re.compile(
    r"\{'descr': '([<|>=]?[a-zA-Z]\d{0,9})', 'fortran_order': (True|False), 'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), *\} *\n"
)


class Npy(NamedTuple):
    """What a header says: kind of the numbers (``<i8``), shape, and the place in the file of the first of them."""

    kind: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """Bytes of the array."""
        unit = 4 if self.kind[1] == "U" else 1
        return math.prod(self.shape) * int(self.kind[2:]) * unit

    @property
    def end(self) -> int:
        """The place behind it."""
        return self.start + self.size


def read_header(file: BinaryIO) -> Npy:
    """The header at the file's position.

    Raises:
        ValueError: it is none, or one that NumPy would not write of numbers or texts.

    Source: NumPy's NEP 1 and ``numpy.lib.format``: the magic, a version, a length, a Python dictionary.
    """
    start = file.read(10)
    if start[:6] != MAGIC or len(start) < 10 or start[6] not in (1, 2, 3) or start[7]:
        raise ValueError("no header")
    length = struct.unpack("<H", start[8:])[0]
    if start[6] > 1:
        length = struct.unpack("<I", start[8:] + file.read(2).ljust(2, b"\0"))[0]
    if length > MOST_HEADER:
        raise ValueError(f"a header of {length:,} bytes")
    found = _HEADER.fullmatch(file.read(length).decode("latin-1"))
    if found is None:
        raise ValueError("a header of another form")
    kind, by_columns, shape = found.groups()
    if by_columns == "True":
        raise ValueError("stored column by column, which np.save does of a transposed array; save a copy")
    if not kind[2:].isdecimal():
        raise ValueError(f"an array of {kind}")
    return Npy(kind, tuple(int(side) for side in shape.replace(" ", "").split(",") if side), file.tell())
