"""A zip whose directory is larger than is read is refused before it is."""

from __future__ import annotations

import struct
import time
import zipfile

import pytest

from logan.data import open_data, zip_directory
from logan.errors import InputError

END = struct.Struct("<4s4H2IH")


def with_holes(path, directory: int) -> None:
    """A file of holes, whose end says that all of it is the directory."""
    with open(path, "wb") as file:
        file.truncate(directory)
        file.seek(0, 2)
        file.write(END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, directory, 0, 0))


def test_a_directory_of_two_gibibytes_of_holes(tmp_path):
    path = tmp_path / "a.zip"
    with_holes(path, 2**31)
    start = time.process_time()
    with pytest.raises(InputError, match=r"a\.zip: its directory has 2 GiB, and 256 MiB are read"):
        open_data(str(path))
    assert time.process_time() - start < 2


def test_the_directory_of_a_zip64(tmp_path):
    path = tmp_path / "a.zip"
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1)
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 2**40, 0)
    path.write_bytes(record + locator + END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0))
    with pytest.raises(InputError, match=r"a\.zip: its directory has 1024 GiB"):
        open_data(str(path))


def test_a_long_comment_hides_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"x")
        archive.comment = b"c" * 65_000
    zip_directory.check_directory(path)
    monkeypatch.setattr(zip_directory, "MOST_DIRECTORY", 10)
    with pytest.raises(InputError, match="its directory has"):
        zip_directory.check_directory(path)


@pytest.mark.parametrize("data", [b"", b"PK\5\6", b"no zip at all"])
def test_what_is_no_zip_is_for_the_reader_to_say(tmp_path, data):
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    zip_directory.check_directory(path)
    with pytest.raises(InputError, match="damaged zip file"):
        open_data(str(path))
