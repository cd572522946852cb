"""Ways to damage bytes, trees of values and JSON, all drawn from a ``random.Random``: the same seed, the same damage."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

MOST = 2**20
"""Bytes of a mutated file."""
NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    64,
    1000,
    2048,
    8192,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
STARTS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(%pipe%touch out) (r) file showpage\n%%EOF\n",
    b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n",
    b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    b"8BPS\0\1\0\0\0\0\0\0\0\3\0\0\0\x08\0\0\0\x08\0\x08\0\3",
    b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\ttouch out\x94\x85\x94R\x94.",
    b"cos\nsystem\n(S'touch out'\ntR.",
    b"PK\3\4\x14\0\0\0\x08\0" + bytes(20),
    b"\x1f\x8b\x08\0\0\0\0\0\2\xff",
    b"\xfd7zXZ\0\0\4\xe6\xd6\xb4F",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"II*\0\x08\0\0\0\xff\xff",
    b"\x93NUMPY\1\0v\0" + b"(" * 118,
    b"#!/bin/sh\ntouch out\n",
    b"",
)
"""Of other files, some of which ask for a program."""


def mutated(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """``data`` with one to eight changes; some are with parts of ``others``."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(CHANGES)(data, rng, rng.choice((*others, *STARTS)))[:MOST]
    return data


def _place(data: bytes, rng: Random) -> int:
    """Mostly near the start or the end, where formats have their structure."""
    size = len(data)
    near = min(size, rng.choice((16, 64, 512)))
    return rng.choice((rng.randrange(near + 1), size - rng.randrange(near + 1), rng.randrange(size + 1)))


def _range(data: bytes, rng: Random) -> tuple[int, int]:
    start = _place(data, rng)
    return start, min(len(data), start + rng.choice((1, 2, 4, 12, 64, 512, 4096)))


def _flip(data: bytes, rng: Random, other: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 16)) if data else 0):
        out[min(_place(data, rng), len(data) - 1)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _overwrite(data: bytes, rng: Random, other: bytes) -> bytes:
    start = _place(data, rng)
    size, order = rng.choice((1, 1, 2, 4, 4, 8)), rng.choice(("little", "big"))
    number = rng.choice(NUMBERS) % 2 ** (8 * size)
    return data[:start] + number.to_bytes(size, order) + data[start + size :]  # type: ignore[arg-type]


def _cut(data: bytes, rng: Random, other: bytes) -> bytes:
    return data[: _place(data, rng)]


def _delete(data: bytes, rng: Random, other: bytes) -> bytes:
    start, end = _range(data, rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: Random, other: bytes) -> bytes:
    start, end = _range(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 20, 1000)) + data[end:]


def _insert(data: bytes, rng: Random, other: bytes) -> bytes:
    at, size = _place(data, rng), rng.choice((1, 2, 4, 100, 5000))
    return (
        data[:at] + rng.choice((bytes(size), b"\xff" * size, b"(" * size, b"9" * size, rng.randbytes(size))) + data[at:]
    )


def _swap(data: bytes, rng: Random, other: bytes) -> bytes:
    (a, b), (c, d) = sorted((_range(data, rng), _range(data, rng)))
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _splice(data: bytes, rng: Random, other: bytes) -> bytes:
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _overlay(data: bytes, rng: Random, other: bytes) -> bytes:
    start, size = _place(data, rng), rng.choice((4, 16, 256))
    return data[:start] + other[:size] + data[start + size :]


def _digits(data: bytes, rng: Random, other: bytes) -> bytes:
    """A number that is written in digits becomes another."""
    found = list(re.finditer(rb"\d+", data[:65536]))
    if not found:
        return _overwrite(data, rng, other)
    start, end = rng.choice(found).span()
    return (
        data[:start]
        + rng.choice((b"-1", b"0", b"9" * 18, b"9" * 5000, b"1e999", b"NaN", b"65536", b"8193"))
        + data[end:]
    )


CHANGES: tuple[Callable[[bytes, Random, bytes], bytes], ...] = (
    *(
        _flip,
        _flip,
        _overwrite,
        _overwrite,
        _overwrite,
        _cut,
        _delete,
        _repeat,
        _insert,
        _swap,
        _splice,
        _overlay,
        _digits,
    ),
)

# Trees of values


VALUES = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        -8,
        7,
        99,
        1000,
        8192,
        10**5,
        10**6,
        0.5,
        1e308,
        10**9,
        2**31,
        2**53,
        2**63 - 1,
        2**63,
        10**30,
        10**400,
    ),
    *(float("nan"), float("inf"), float("-inf"), "", "x", "0", "../../x", "\0", "\ud800", "a" * 5000, "Infinity"),
    *([], {}, [0], [[]], {"": None}, [None] * 3, {"labels": 1}, ["a", 0], [-1, 2**40]),
)


def changed(tree: Any, rng: Random, values: Sequence[Any] = VALUES) -> Any:
    """A copy of nested dictionaries, lists and tuples in which one place, or a few, have another value, or are gone."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        tree = _changed(tree, rng, values, rng.randrange(1, 7))
    return tree


def _changed(tree: Any, rng: Random, values: Sequence[Any], depth: int) -> Any:
    if depth == 0 or not isinstance(tree, dict | list | tuple) or not tree:
        return _another(tree, rng, values)
    if isinstance(tree, dict):
        key, what = rng.choice(list(tree)), rng.random()
        if what < 0.08:
            return {k: v for k, v in tree.items() if k != key}
        if what < 0.13:
            return {
                (rng.choice(("x", "", "𝒳" * 9)) if k == key and isinstance(k, str) else k): v for k, v in tree.items()
            }
        return {k: _changed(v, rng, values, depth - 1) if k == key else v for k, v in tree.items()}
    at, what = rng.randrange(len(tree)), rng.random()
    items = list(tree)
    if what < 0.08:
        del items[at]
    elif what < 0.16:
        items[at:at] = [items[at]] * rng.choice((1, 1, 1000))
    else:
        items[at] = _changed(items[at], rng, values, depth - 1)
    return type(tree)(items)


def _another(value: Any, rng: Random, values: Sequence[Any]) -> Any:
    if rng.random() < 0.15:
        for _ in range(rng.choice((1, 5, 40, 400))):
            value = [value] if rng.random() < 0.7 else {"x": value}
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.4:
        return rng.choice((-value, value + 1, value - 1, bool(value), str(value % 997)))
    if isinstance(value, str) and rng.random() < 0.2:
        return rng.choice((value + "x", value[:-1], value.upper(), value * 50, [value]))
    return rng.choice(values)


def as_json(tree: Any, rng: Random) -> bytes:
    """JSON text, some of which Python would write and no parser must take, or only a careful one survives."""
    try:
        text = json.dumps(tree).encode()
    except (ValueError, RecursionError):  # a number of more digits than Python writes
        text = b"{}"
    if rng.random() < 0.75:
        return text
    places = [m.span() for m in re.finditer(rb'-?\d+(\.\d+)?|"[^"]*"', text)] or [(0, len(text))]
    start, end = rng.choice(places)
    instead = rng.choice(
        (b"9" * 5000, b"1e999", b"-Infinity", b"NaN", b"[" * 10**5, b'{"x":' * 10**4, b'"\\ud800"', b"\xff\xfe", b"\0",
         b"0x10", b"1" * 21, b"-" + b"0" * 30, text[start:end] * 2, text, b"[" * 31 + b"]" * 31, b"[" * 33 + b"]" * 33)
    )  # fmt: skip
    return text[:start] + instead + text[end:]


def with_json(tree: Any, rng: Random) -> bytes:
    """The JSON text of a changed tree."""
    return as_json(changed(tree, rng), rng)


def big_endian(data: bytes, rng: Random) -> bytes:
    """One of the 32-bit numbers in a binary header becomes another."""
    at = 4 * rng.randrange(max(1, len(data) // 4))
    return data[:at] + struct.pack(">I", rng.choice((*NUMBERS[:18], 8192, 8193, 40000, 65535, 2**28))) + data[at + 4 :]
