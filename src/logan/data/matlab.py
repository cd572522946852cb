"""Tables in MATLAB's files, read without SciPy, whose reader follows a damaged file to addresses that are none."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MOST_INFLATED = 2**26
"""Bytes that a table may become; the devkit's becomes 1.4 million."""
MOST_ROWS = 10**5
NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
"""Kinds of elements, and their letters in ``struct``."""
MATRIX, COMPRESSED, UTF8, UTF16 = 14, 15, 16, 17
STRUCT, CHAR, DOUBLE, LAST_NUMBER = 2, 4, 6, 15
"""Classes of matrices; from ``DOUBLE`` to ``LAST_NUMBER`` they are numbers."""


class _Element(NamedTuple):
    kind: int
    data: memoryview


def read_table(data: bytes, name: str, columns: tuple[str, ...]) -> list[tuple[float | str, ...]]:
    """Rows of the structure array ``name``, of whose fields those that are asked for: a number or a text each.

    Args:
        data: the contents of a ``.mat`` file of version 5 (MATLAB's ``-v6`` and ``-v7``).
        name: of the variable.
        columns: names of fields.

    Raises:
        ValueError: damaged, of another version, or without that.

    Source: The MathWorks, MAT-File Format (R2021b), chapter 1, "Level 5 MAT-File Format".
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or struct.unpack(order + "H", data[124:126])[0] != 0x0100:
        raise ValueError("not a MATLAB file of version 5")
    for element in _elements(memoryview(data)[128:], order):
        if element.kind == COMPRESSED:
            element = next(_elements(memoryview(_inflated(element.data)), order), element)
        if element.kind == MATRIX:
            parts = _elements(element.data, order)
            kind, shape, called = _head(parts, order)
            if called == name and kind == STRUCT:
                return _rows(parts, math.prod(shape), columns, order)
    raise ValueError(f"no table {name}")


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """The elements that follow each other: a kind and a size, the contents, and what fills the last eight bytes."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:  # up to four bytes stand in the place of the size
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start, end = at + 8, at + 8 + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > min(end, len(data)):
            raise ValueError("cut off")
        yield _Element(kind, data[start : start + size])
        at = end


def _head(parts: Iterator[_Element], order: str) -> tuple[int, tuple[int, ...], str]:
    """Class, shape and name of a matrix."""
    flags, shape, name = _next(parts), _next(parts), _next(parts)
    sides = tuple(int(side) for side in _numbers(shape, order))
    if len(flags.data) < 4 or not 2 <= len(sides) <= 8 or min(sides) < 0:
        raise ValueError("a matrix without a head")
    return struct.unpack_from(order + "I", flags.data)[0] & 0xFF, sides, bytes(name.data).decode("latin-1")


def _rows(parts: Iterator[_Element], count: int, columns: tuple[str, ...], order: str) -> list[tuple[float | str, ...]]:
    width, names = (int(x) for x in _numbers(_next(parts), order)), bytes(_next(parts).data)
    length = next(width, 0)
    if not 1 <= length <= 64 or count > MOST_ROWS:
        raise ValueError("a table without names, or of too many rows")
    fields = [names[i : i + length].partition(b"\0")[0].decode("latin-1") for i in range(0, len(names), length)]
    if missing := set(columns) - set(fields):
        raise ValueError(f"no {min(missing)} in it")
    rows = []
    for _ in range(count):
        cells = {field: _next(parts) for field in fields}
        rows.append(tuple(_value(cells[column], order) for column in columns))
    return rows


def _value(cell: _Element, order: str) -> float | str:
    """Of a matrix of one number, or of a text."""
    parts = _elements(cell.data, order)
    kind, shape, _ = _head(parts, order)
    content = _next(parts)
    if kind == CHAR:
        if content.kind in (UTF8, UTF16) or NUMBERS.get(content.kind) in ("H", "B", "b"):
            wide = content.kind == UTF16 or NUMBERS.get(content.kind) == "H"
            return bytes(content.data).decode(
                ("utf-16-le" if order == "<" else "utf-16-be") if wide else "utf-8", "replace"
            )
    elif DOUBLE <= kind <= LAST_NUMBER and math.prod(shape) == 1:
        return _numbers(content, order)[0]
    raise ValueError("a cell that is no number and no text")


def _numbers(element: _Element, order: str) -> tuple[float, ...]:
    letter = NUMBERS.get(element.kind)
    count = len(element.data) // struct.calcsize(order + letter) if letter else 0
    if not 1 <= count <= 64:
        raise ValueError("no numbers where some should be")
    return struct.unpack_from(f"{order}{count}{letter}", element.data)


def _next(parts: Iterator[_Element]) -> _Element:
    found = next(parts, None)
    if found is None:
        raise ValueError("cut off")
    return found


def _inflated(data: memoryview) -> bytes:
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data, MOST_INFLATED)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not inflater.eof:
        raise ValueError("cut off, or too large")
    return found
