"""MATLAB's tables, read as SciPy reads them; damaged ones in a line, where SciPy's reader ends the process."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest

from logan.data.matlab import read_table

SYNSETS = [(1, "n02119789", "kit fox"), (2, "n02100735", "setter, Ä"), (1860, "n00001740", "")]
NAMES = ("ILSVRC2012_ID", "WNID", "words")


def element(kind: int, data: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, shape: tuple[int, int], rest: bytes, name: bytes = b"", order: str = "<") -> bytes:
    head = element(6, struct.pack(order + "II", kind, 0), order) + element(5, struct.pack(order + "2i", *shape), order)
    return element(14, head + element(1, name, order) + rest, order)


def by_hand(order: str = "<", packed: bool = False, name: bytes = b"synsets", inside: int = 6, count: int = 3) -> bytes:
    """As MATLAB writes it: short elements in eight bytes, small numbers in one."""
    short = struct.pack(order + "II", 4 << 16 | 5, 16) if order == "<" else struct.pack(">II", 4 << 16 | 5, 16)
    rest = short + element(1, b"".join(n.encode().ljust(16, b"\0") for n in NAMES), order)
    for number, synset, words in SYNSETS:
        stored = element(4, struct.pack(order + "H", number), order)
        rest += matrix(inside, (1, 1), stored, order=order)
        rest += matrix(4, (1, len(synset)), element(16, synset.encode(), order), order=order)
        text = words.encode("utf-16-le" if order == "<" else "utf-16-be")
        rest += matrix(4, (1, len(words)), element(4, text, order), order=order)
    table = matrix(2, (count, 1), rest, name, order)
    if packed:
        data = zlib.compress(table)
        table = struct.pack(order + "II", 15, len(data)) + data
    return (
        b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x100) + (b"IM" if order == "<" else b"MI") + table
    )


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [False, True])
def test_tables_as_matlab_writes_them(order, packed):
    assert read_table(by_hand(order, packed), "synsets", NAMES) == SYNSETS
    assert read_table(by_hand(order, packed), "synsets", ("WNID",)) == [(row[1],) for row in SYNSETS]


@pytest.mark.parametrize("packed", [False, True])
def test_tables_as_scipy_writes_them(packed):
    io_of = pytest.importorskip("scipy.io", reason="scipy is not installed")
    rows = [row for row in SYNSETS if row[2]]  # it writes an empty text as no text
    file = io.BytesIO()
    table = np.array(rows, dtype=[(name, object) for name in NAMES]).reshape(-1, 1)
    io_of.savemat(file, {"other": np.eye(3), "synsets": table}, do_compression=packed)
    assert read_table(file.getvalue(), "synsets", NAMES) == rows
    theirs = io_of.loadmat(io.BytesIO(by_hand(packed=packed)), squeeze_me=True)["synsets"]
    assert [(int(r["ILSVRC2012_ID"]), str(r["WNID"])) for r in theirs] == [row[:2] for row in SYNSETS]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "version 5"),
        (b"x" * 200, "version 5"),
        (by_hand(name=b"others"), "no table synsets"),
        (by_hand(count=4), "cut off"),
        (by_hand(count=-1), "without a head"),
        (by_hand(count=2**31 - 1), "too many rows"),
        (by_hand(inside=1), "no number and no text"),
        (by_hand(inside=17), "no number and no text"),
        (by_hand()[:-9], "cut off"),
        (by_hand(packed=True)[:-9], "cut off"),
        (by_hand()[:128] + (lambda d: struct.pack("<II", 15, len(d)) + d)(zlib.compress(bytes(2**27))), "too large"),
    ],
)
def test_tables_that_are_damaged(data, message):
    with pytest.raises(ValueError, match=message):
        read_table(data, "synsets", NAMES)


@pytest.mark.parametrize("order", "<>")
def test_every_byte_that_is_another(order):
    good = by_hand(order)
    for at in range(116, len(good)):
        for value in {0, 1, 0x7F, 0xFF, good[at] ^ 0x80} - {good[at]}:
            try:
                rows = read_table(good[:at] + bytes([value]) + good[at + 1 :], "synsets", NAMES)
            except ValueError:
                continue
            assert len(rows) <= len(SYNSETS)


def test_one_that_is_cut_off_is_refused_wherever_that_is():
    good = by_hand()
    for length in range(128, len(good)):
        with pytest.raises(ValueError, match="cut off|no table"):
            read_table(good[:length], "synsets", ("ILSVRC2012_ID",))
