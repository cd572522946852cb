"""A training state takes no more than its file: nothing in it is deflated, and there is one way to read it."""

from __future__ import annotations

import io
import os
import resource
import struct
import zipfile
import zlib

import pytest
import torch

from logan.errors import InputError
from logan.training import state, stored


@pytest.fixture
def saved():
    file = io.BytesIO()
    torch.save({"format": 1, "x": torch.zeros(1 << 20)}, file)
    return file.getvalue()


def rebuilt(data: bytes, method: int, only: str = "") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member), method if only in member.filename else zipfile.ZIP_STORED)
    return file.getvalue()


def overlapping(data: bytes) -> bytes:
    """Two names for the same bytes."""
    found = data.rindex(b"PK\6\6")
    end = list(stored.END_64.unpack_from(data, found))
    start, length = end[9], end[8]
    listed = data[start : start + length]
    many = listed * 200
    end[6:9] = [end[7] * 200, end[7] * 200, len(many)]
    tail = stored.LOCATOR.pack(b"PK\6\7", 0, start + len(many), 1) + stored.END.pack(
        b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0
    )
    return data[:start] + many + stored.END_64.pack(*end) + tail


def two_ends(data: bytes) -> bytes:
    """One for Python, just before the locator; and one for whoever goes where the locator says."""
    found = data.rindex(b"PK\6\6")
    return data[:found] + data[found : found + stored.END_64.size] + data[found:]


def end_elsewhere(data: bytes) -> bytes:
    """In the middle of a tensor, where Python does not look and torch does."""
    end = bytes(stored.END_64.size)
    for _ in range(2):
        file = io.BytesIO()
        torch.save({"format": 1, "x": torch.tensor(list(end), dtype=torch.uint8)}, file)
        data = file.getvalue()
        found = data.rindex(b"PK\6\6")
        end = data[found : found + stored.END_64.size]
    locator = len(data) - stored.END.size - stored.LOCATOR.size
    return data[: locator + 8] + struct.pack("<Q", data.index(end)) + data[locator + 16 :]


def other_sizes(data: bytes) -> bytes:
    end = len(data) - stored.END.size
    return data[: end + 10] + struct.pack("<H", 3) + data[end + 12 :]


FORGED = {
    "deflated": lambda data: rebuilt(data, zipfile.ZIP_DEFLATED),
    "one member deflated": lambda data: rebuilt(data, zipfile.ZIP_DEFLATED, "data/0"),
    "bzip2": lambda data: rebuilt(data, zipfile.ZIP_BZIP2, "data/0"),
    "LZMA": lambda data: rebuilt(data, zipfile.ZIP_LZMA, "data/0"),
    "the same bytes many times": overlapping,
    "two ends": two_ends,
    "an end elsewhere": end_elsewhere,
    "two counts": other_sizes,
    "a comment": lambda data: data[:-2] + b"\1\0x",
    "something before": lambda data: b"x" + data,
    "something behind": lambda data: data + b"x",
    "cut off": lambda data: data[:-1],
    "nothing": lambda data: b"",
    "an older kind of file, and an archive behind it": lambda data: legacy() + data,
}


def legacy() -> bytes:
    file = io.BytesIO()
    torch.save({"format": 1}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.mark.parametrize("kind", FORGED)
def test_what_torch_has_not_saved_so_is_refused(tmp_path, saved, kind):
    path = tmp_path / state.FILE_NAME
    path.write_bytes(FORGED[kind](saved))
    with pytest.raises(InputError, match=r"training-state-latest\.pt is damaged; remove it and resume"):
        state._read(path, {"format"})


def test_what_torch_has_saved_is_read(tmp_path, saved):
    path = tmp_path / state.FILE_NAME
    path.write_bytes(saved)
    assert state._read(path, {"format"})["x"].shape == (1 << 20,)
    path.write_bytes(rebuilt(saved, zipfile.ZIP_STORED))  # by Python, whose archives end in another way
    assert state._read(path, {"format"})["x"].shape == (1 << 20,)


def test_a_bomb_takes_nothing(tmp_path):
    """64 MiB in 0.3."""
    path = tmp_path / state.FILE_NAME
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a/data/0", "w") as f,
    ):
        for _ in range(64):
            f.write(bytes(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="parts of it are compressed"):
        state._read(path, {"format"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("b.pt")]
)
def test_what_is_no_file_is_not_waited_for(tmp_path, saved, make):
    (tmp_path / "b.pt").write_bytes(saved)
    make(tmp_path / state.FILE_NAME)
    with pytest.raises(InputError, match="is not a file|is a link"):
        state._read(tmp_path / state.FILE_NAME, {"format"})


def test_members_within_members_are_refused(tmp_path):
    """Each may be as large as the file, and hold the next: their sum grows with the square."""

    def part(kind: bytes, name: bytes, data: bytes, more: bytes = b"") -> bytes:
        fields = struct.pack("<5H3L2H", *(20, 0, 0, 0, 33), zlib.crc32(data), len(data), len(data), len(name), 0)
        return kind + (b"\x14\0" if more else b"") + fields + more + name

    inner = part(b"PK\3\4", b"b", bytes(1000)) + bytes(1000)
    outer = part(b"PK\3\4", b"a", inner) + inner
    places = ((b"a", inner, 0), (b"b", bytes(1000), len(outer) - len(inner)))
    listed = b"".join(part(b"PK\1\2", n, d, struct.pack("<3H2L", 0, 0, 0, 0, at)) for n, d, at in places)
    path = tmp_path / state.FILE_NAME
    path.write_bytes(outer + listed + stored.END.pack(b"PK\5\6", 0, 0, 2, 2, len(listed), len(outer), 0))
    assert zipfile.ZipFile(path).namelist() == ["a", "b"]
    with open(path, "rb") as file, pytest.raises(ValueError, match="larger than the file"):
        stored.damaged_member(file)
