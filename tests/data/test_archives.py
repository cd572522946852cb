"""Archives that are damaged, or made to do harm: one line, soon, and within the stated bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from logan.data import bounds, open_data, sources
from logan.data.cifar import load_cifar
from logan.data.tar_members import BLOCK, Member, is_tar, tar_members
from logan.errors import InputError

MIB = 2**20


def png(level: int = 1) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), level).save(file, "PNG")
    return file.getvalue()


@contextmanager
def within(mebibytes: int) -> Iterator[None]:
    """Five seconds of a processor, and so much memory."""
    tracemalloc.start()
    start = time.process_time()
    try:
        yield
        assert time.process_time() - start < 5
        assert tracemalloc.get_traced_memory()[1] < mebibytes * MIB
    finally:
        tracemalloc.stop()


def refused(path: Path, message: str, **options: object) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_data(str(path), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def tarred(files: dict[str, bytes], kind: int = tarfile.GNU_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=kind) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def header(name: bytes, kind: bytes, size: bytes | int) -> bytes:
    block = bytearray(name.ljust(BLOCK, b"\0"))
    block[124:136] = (b"%011o\0" % size) if isinstance(size, int) else size
    block[148:157] = b" " * 8 + kind
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


# Tar files are read as tarfile reads them.


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_that_tarfile_finds(kind):
    long = "deep/" * 20 + "x" * 60 + ".png"  # longer than the 100 bytes of a name, and divisible for ustar
    files = {"a.png": b"1" * 511, long: b"2" * 512, "c/d.png": b"3" * 513, "empty": b""}
    if kind != tarfile.USTAR_FORMAT:
        files |= {"y" * 300 + ".png": b"4", "ä/ö.png": b"5"}
    data = tarred(files, kind)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        theirs = [Member(m.name, m.offset_data, m.size) for m in archive if m.isfile()]
    assert list(tar_members(io.BytesIO(data))) == theirs
    assert {m.name: data[m.start : m.start + m.size] for m in theirs} == files


def test_folders_links_and_devices_are_no_members():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo("x")
            info.type, info.linkname = kind, "y" * 150
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("file"))
    assert [m.name for m in tar_members(data)] == ["file"]


def test_sizes_beyond_the_octal_digits():
    data = header(b"a", b"0", b"\x80" + (2**40).to_bytes(11, "big"))
    assert next(tar_members(io.BytesIO(data))) == Member("a", BLOCK, 2**40)
    records = b"%d size=%d\n" % (len(b"size=1099511627776\n") + 3, 2**40)
    data = header(b"x", b"x", len(records)) + records.ljust(BLOCK, b"\0") + header(b"a", b"0", 0)
    assert next(tar_members(io.BytesIO(data))) == Member("a", 3 * BLOCK, 2**40)


def test_an_uncompressed_tar_is_a_set_for_training_too(tmp_path):
    inner = tarred({"1.png": png(7), "2.png": png(8)})
    (tmp_path / "set.tar").write_bytes(tarred({"ant.tar": inner, "bee/3.png": png(9)}))
    data = open_data(str(tmp_path / "set.tar"))
    assert (data.name, data.class_names) == ("set", ["ant", "bee"])
    assert data.images[:, 0, 0, 0].tolist() == [7, 8, 9]


LONG = header(b"././@LongLink", b"L", 2) + b"x\0".ljust(BLOCK, b"\0")
RECORD = b"11 path=x\n1"
TARS = {
    "26 digits": header(b"a.png", b"0", b"\x80" + b"\xff" * 11),
    "26 digits in a record": header(b"x", b"x", 40) + (b"38 size=" + b"9" * 29 + b"\n").ljust(BLOCK, b"\0"),
    "5,000 digits in a record": header(b"x", b"x", 5011)
    + (b"5011 size=" + b"9" * 5000 + b"\n").ljust(10 * BLOCK, b"\0"),
    "5,000 long names": LONG * 5000 + header(b"a.png", b"0", 0),
    "5,000 records": (header(b"x", b"x", 10) + b"10 path=x\n".ljust(BLOCK, b"\0")) * 5000 + header(b"a.png", b"0", 0),
    "a name of a gibibyte": header(b"././@LongLink", b"L", 2**30) + bytes(BLOCK),
    "records of a gibibyte": header(b"x", b"x", 2**30) + bytes(BLOCK),
    "records that are none": header(b"x", b"x", 11) + RECORD.ljust(BLOCK, b"\0"),
    "a record without end": header(b"x", b"x", 11) + b"99999 path=x".ljust(BLOCK, b"\0"),
    "a negative size": header(b"a.png", b"0", b"\xff" * 12),
    "a size of letters": header(b"a.png", b"0", b"abcdefghijkl"),
    "a second header that is none": header(b"a.png", b"0", 0) + b"x" * BLOCK,
    "cut off": header(b"a.png", b"0", 0) + b"x" * 100,
    "cut off in a name": header(b"././@LongLink", b"L", 700) + b"x" * 600,
    "holes": header(b"a.png", b"S", 0) + bytes(BLOCK),
    "an inner tar that is none": header(b"a.tar", b"0", 5) + b"hello".ljust(BLOCK, b"\0"),
    "an inner tar that reaches out": header(b"a.tar", b"0", BLOCK) + header(b"x.png", b"0", 10**6) + bytes(2 * BLOCK),
}


@pytest.mark.parametrize("kind", TARS)
def test_tars_that_are_damaged_or_made_to_be(tmp_path, kind):
    path = tmp_path / "p.tar"
    path.write_bytes(TARS[kind] + bytes(0 if kind.startswith("cut off") else 2 * BLOCK))
    with within(20):
        refused(path, r"p\.tar: a damaged tar file.*; make or download it again")


def test_a_damaged_tar_is_not_told_to_be_a_tar(tmp_path):
    (tmp_path / "p.tar").write_bytes(b"x" * 2000)
    refused(tmp_path / "p.tar", r"p\.tar: a damaged tar file; make or download it again")
    assert not is_tar(tmp_path / "p.tar")


@pytest.mark.parametrize(("end", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_compressed_tar_is_to_be_unpacked(tmp_path, end, pack):
    (tmp_path / f"p.tar.{end}").write_bytes(pack(tarred({"a.png": png()})))
    refused(tmp_path / f"p.tar.{end}", r"packed with (gzip|bzip2|xz), and so not an uncompressed tar file; unpack it")


def test_flipped_bits_of_a_tar_are_refused_or_read(tmp_path):
    data = tarred({"ant/1.png": png(1), "bee/2.png": png(2)})
    noise = np.random.default_rng(0)
    path = tmp_path / "p.tar"
    for at in noise.integers(0, 1400, 150):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << noise.integers(8)]) + data[at + 1 :])
        try:
            assert len(open_data(str(path))) <= 2
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017


# Zip files.

METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def with_size(path: Path, size: int) -> Path:
    """The same zip, whose directory gives its first file another size."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", METHODS)
def test_every_method(tmp_path, method):
    path = zipped(tmp_path / "p.zip", {"ant/1.png": png(5), "bee/2.png": png(6)}, METHODS[method])
    assert open_data(str(path)).images[:, 0, 0, 0].tolist() == [5, 6]


@pytest.mark.parametrize("method", METHODS)
def test_flipped_bits_of_a_zip_are_refused_or_read(tmp_path, method):
    path = zipped(tmp_path / "p.zip", {"ant/1.png": png(5), "bee/2.png": png(6)}, METHODS[method])
    data = path.read_bytes()
    noise = np.random.default_rng(0)
    for at in noise.integers(0, len(data), 200):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << noise.integers(8)]) + data[at + 1 :])
        try:
            images = open_data(str(path)).images
            assert set(images[:, 0, 0, 0].tolist()) <= {5, 6}
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("version", [64, 80, 255])
def test_a_zip_of_a_later_version(tmp_path, version):
    path = zipped(tmp_path / "p.zip", {"a.png": png()})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = version
    path.write_bytes(data)
    refused(path, r"p\.zip: cannot be opened as a zip file \(zip file version \d+\.\d\)")


def test_members_that_are_zeros_are_never_held(tmp_path):
    path = tmp_path / "p.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.png", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(MIB))
    assert path.stat().st_size < 2 * MIB
    with within(20):
        refused(path, r"a\.png: 300 MiB, and of such a file 256 MiB are read; make it smaller, or leave it out")


@pytest.mark.parametrize("method", METHODS)
def test_what_the_directory_says_is_believed_before_anything_is_inflated(tmp_path, method):
    path = with_size(zipped(tmp_path / "p.zip", {"a.png": png()}, METHODS[method]), 2**31)
    with within(20):
        refused(path, r"a\.png: 2 GiB, and of such a file 256 MiB are read; make it smaller, or leave it out")


@pytest.mark.parametrize("method", [m for m in METHODS if m != "stored"])
def test_what_is_large_and_mostly_zeros_is_not_inflated(tmp_path, method):
    path = zipped(tmp_path / "p.zip", {f"{i}.png": png() + bytes(20 * MIB) for i in range(2)}, METHODS[method])
    with within(20):
        refused(
            path, r"2 of 2 images are broken, the first is 0.png: broken image \(it inflates [\d,]+-fold, as no picture"
        )


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_what_is_large_and_no_image_is_not_read(tmp_path, kind):
    files = {"a.png": bytes(20 * MIB), "b.jpg": b"x" * 20 * MIB}
    path = tmp_path / f"p.{kind}"
    if kind == "folder":
        path.mkdir()
        for name, data in files.items():
            (path / name).write_bytes(data)
    elif kind == "zip":
        zipped(path, files, zipfile.ZIP_STORED)
    else:
        path.write_bytes(tarred(files))
    with within(10):
        refused(path, r"2 of 2 images are broken, the first is a.png: broken image \(not an image of PNG, JPEG")


def test_broken_images_are_not_kept(tmp_path):
    """Their errors would keep them, by their tracebacks."""
    for i in range(8):
        (tmp_path / f"{i}.png").write_bytes(png()[:-4] + bytes(10 * MIB))
    with within(45):  # 10 MiB in each of two threads, and copies
        refused(tmp_path, "8 of 8 images are broken")


@pytest.mark.parametrize("method", METHODS)
def test_a_directory_that_says_less_than_there_is(tmp_path, method):
    path = with_size(zipped(tmp_path / "p.zip", {"a.png": png() + bytes(60 * MIB)}, METHODS[method]), 100)
    with within(20 if method != "stored" else 130):  # the compressed bytes themselves are read
        refused(path, r"a\.png: cannot be read from p\.zip")


def test_a_description_that_is_a_bomb(tmp_path):
    path = zipped(tmp_path / "p.zip", {"a.png": png(), "dataset.json": b"[[]," * 10 * MIB})
    with within(20):
        refused(path, r"dataset\.json: 40 MiB, and of such a file 16 MiB are read")
    path = zipped(tmp_path / "p.zip", {"a.png": png(), "dataset.json": b'{"labels": [' + b"[]," * (MIB // 4) + b"[]]}"})
    with within(100):
        refused(path, r"dataset\.json is damaged \(a label that is not a pair")


# Folders.


def test_a_file_with_holes_is_not_read(tmp_path):
    for name, start in {"a.png": png(), "b.png": png()}.items():
        (tmp_path / name).write_bytes(start)
    with open(tmp_path / "b.png", "r+b") as file:
        file.truncate(2**40)
    with within(20):
        refused(tmp_path, r"b\.png: 1024 GiB, and of such a file 256 MiB are read; make it smaller, .* `skip_broken`")
    assert open_data(str(tmp_path), skip_broken=True).broken == ["b.png"]


def test_large_images_are_read_one_at_a_time(tmp_path, monkeypatch):
    running: list[int] = []
    together: list[int] = []

    def work(data, name):
        running.append(1)
        time.sleep(0.02)
        together.append(len(running))
        running.pop()

    for i in range(6):
        (tmp_path / f"{i}.png").write_bytes(png())
    folder = sources.Folder(tmp_path)
    from logan.data.parallel import in_order

    def reading(i):
        sources.with_file(folder, f"{i // 100}.png", work) if i % 100 == 0 else None

    list(in_order(reading, 600, "", None, threads=6))
    assert max(together) > 1
    together.clear()
    monkeypatch.setattr(bounds, "LARGE", 10)
    list(in_order(reading, 600, "", None, threads=6))
    assert together == [1] * 6


# idx files and CIFAR, which are read whole.


def idx(count: int, side: int) -> bytes:
    return bytes([0, 0, 8, 3]) + struct.pack(">III", count, side, side)


def zeros_after(start: bytes, mebibytes: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    parts = [packer.compress(start), *(packer.compress(bytes(MIB)) for _ in range(mebibytes)), packer.flush()]
    return b"".join(parts)


def test_an_idx_file_that_says_more_than_is_read(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(zeros_after(idx(2**21, 32), 30))
    with within(20):
        refused(path, r"idx3-ubyte\.gz: its header says 2 GiB of images, and 1 GiB are read of such a file")


def test_an_idx_file_that_holds_more_than_it_says(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(zeros_after(idx(1, 8), 200))
    with within(20):
        refused(path, r"idx3-ubyte\.gz: more bytes of data where its header says 64; the file is damaged")


def test_an_idx_file_is_held_once(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(zeros_after(idx(64, 1024), 64))
    with within(90):
        assert len(open_data(str(path))) == 64


@pytest.mark.parametrize("where", ["archive", "renamed archive", "folder"])
def test_a_cifar_of_zeros_is_not_held(tmp_path, where):
    start = header(b"cifar-10-batches-py/data_batch_1", b"0", 300 * MIB)
    if where == "folder":
        path = tmp_path / "cifar-10-batches-py"
        path.mkdir()
        with open(path / "data_batch_1", "wb") as file:
            file.truncate(300 * MIB)
    else:
        path = tmp_path / ("cifar-10-python.tar.gz" if where == "archive" else "c.tgz")
        path.write_bytes(zeros_after(start, 300))
    with within(20):
        refused(path, "with data_batch_1 more than the 256 MiB that are read of CIFAR; is it CIFAR")


def test_a_cifar_archive_with_a_long_way_to_its_files(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(zeros_after(header(b"cifar-10-batches-py/readme", b"0", 2**40), 30))
    with within(20):
        refused(path, r"cannot be read \(a file in it reaches beyond byte 536,870,912\)")


@pytest.mark.parametrize(("end", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_flipped_bits_of_a_compressed_cifar(tmp_path, end, pack):
    rows = np.random.default_rng(0).integers(0, 10, (2, 3073), dtype=np.uint8).tobytes()
    files = {f"cifar-10-batches-bin/{s}.bin": rows for s in [f"data_batch_{k}" for k in range(1, 6)]}
    data = pack(tarred(files))
    path = tmp_path / f"c.tar.{end}"
    path.write_bytes(data)
    whole = load_cifar(path).images
    noise = np.random.default_rng(0)
    for at in noise.integers(0, len(data), 150):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << noise.integers(8)]) + data[at + 1 :])
        try:
            assert len(open_data(str(path))) == len(whole)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
