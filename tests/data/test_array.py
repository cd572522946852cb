"""Prepared ``.npy`` files: damage is found when it is first read, and no header makes anything run or take long."""

from __future__ import annotations

import pickle
import struct
import time

import numpy as np
import pytest
import torch

from logan.data import array, batches, open_data
from logan.data.array import ArrayPack
from logan.data.images import Fit
from logan.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 3, 8, 8), dtype=np.uint8)
LABELS = [i % 3 for i in range(23)]


def packed(path, images=IMAGES, labels=LABELS, names=("ant", "bee", "cät"), planned=None):
    pack = ArrayPack(path, Fit(images.shape[2], images.shape[1]), planned or len(images))
    for image, label in zip(images, labels or [None] * len(images), strict=True):
        pack.add(pack.encode(torch.from_numpy(image)), label)
    pack.finish(list(names) if labels else [])
    pack.close()
    return path


@pytest.fixture
def few(monkeypatch):
    """Blocks of five images, so that there are several, and a last one that is not full."""
    monkeypatch.setattr(array, "BLOCK", 5 * 192 + 100)


@pytest.fixture
def path(tmp_path, few):
    return packed(tmp_path / "a.npy")


@pytest.mark.parametrize("limit", [0, 2**30])
@pytest.mark.parametrize("labels", [LABELS, None])
@pytest.mark.parametrize("planned", [23, 1000])
def test_what_was_packed_is_read_and_numpy_reads_it_too(tmp_path, few, limit, labels, planned):
    path = packed(tmp_path / "a.npy", labels=labels, planned=planned)
    data = open_data(str(path), memory_limit=limit)
    assert torch.equal(data.batch(torch.arange(23))[0], torch.from_numpy(IMAGES))
    assert data.class_names == (["ant", "bee", "cät"] if labels else [])
    assert (None if data.labels is None else data.labels.tolist()) == labels
    assert data.notices == []
    assert (np.load(path, mmap_mode="r") == IMAGES).all()
    with open(path, "rb") as file:
        parts = [np.load(file) for _ in range(4 if labels else 2)]
        assert file.read() == b""
    assert parts[-1].shape == (2 + 5,)


def test_every_flipped_bit_is_found(path):
    """By a look at the images, or sooner."""
    whole = path.read_bytes()
    everything = torch.arange(23)
    random = np.random.default_rng(1)
    places = {*range(0, 128), *random.integers(128, len(whole), 300).tolist(), *range(len(whole) - 170, len(whole))}
    for i, at in enumerate(sorted(places)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << i % 8]) + whole[at + 1 :])
        with pytest.raises(InputError, match=r"a\.npy.*(copy|convert|digits|made)") as caught:
            open_data(str(path), memory_limit=2**30 * (i % 2)).batch(everything)
        assert "\n" not in str(caught.value)


def test_damage_is_found_when_its_block_is_first_read(path):
    data = bytearray(path.read_bytes())
    data[128 + 12 * 192] ^= 16  # of image 12
    path.write_bytes(data)
    with pytest.raises(
        InputError, match=r"a\.npy: damaged, of the images 10 to 14 the checksum is wrong; copy it again"
    ):
        open_data(str(path))
    streamed = open_data(str(path), memory_limit=0)
    assert torch.equal(streamed[9][0], torch.from_numpy(IMAGES[9]))
    assert torch.equal(streamed[15][0], torch.from_numpy(IMAGES[15]))
    for image in (10, 12, 14):
        with pytest.raises(InputError, match="images 10 to 14"):
            streamed[image]
    with pytest.raises(InputError, match="images 10 to 14"):
        pickle.loads(pickle.dumps(streamed))[11]
    with pytest.raises(InputError, match="images 10 to 14"):
        list(zip(range(3), batches(streamed, batch=20, seed=0, workers=1), strict=False))


def test_a_block_is_checked_once(path, monkeypatch):
    checked = []
    check = array.Sums.check
    monkeypatch.setattr(
        array.Sums, "check", lambda self, p, block, x: checked.append(block) or check(self, p, block, x)
    )
    streamed = open_data(str(path), memory_limit=0)
    for i in [3, 4, 0, 22, 7, 3, 21]:
        streamed[i]
    assert checked == [0, 4, 1]


@pytest.mark.parametrize("limit", [0, 2**30])
def test_a_file_without_checksums_is_taken_and_said_to_have_none(tmp_path, limit):
    np.save(tmp_path / "own.npy", IMAGES)
    data = open_data(str(tmp_path / "own.npy"), memory_limit=limit)
    assert torch.equal(data.batch(torch.arange(23))[0], torch.from_numpy(IMAGES))
    assert data.notices[0].startswith("own.npy has no checksums, so damage in it would go unnoticed")
    with open(tmp_path / "old.npy", "wb") as file:
        for part in (IMAGES, np.array(LABELS), np.array(["a", "b", "c"])):
            np.save(file, part)
    data = open_data(str(tmp_path / "old.npy"), memory_limit=limit)
    assert (data.class_names, data.labels.tolist(), len(data.notices)) == (["a", "b", "c"], LABELS, 1)


@pytest.mark.parametrize("missing", ["names", "part of the labels", "part of the names", "part of the checksums"])
def test_a_file_that_is_cut_off_behind_its_images(path, missing):
    whole = path.read_bytes()
    headers = [i for i in range(len(whole)) if whole.startswith(b"\x93NUMPY", i)]
    cut = {
        "names": headers[2],
        "part of the labels": headers[2] - 1,
        "part of the names": headers[3] - 1,
        "part of the checksums": len(whole) - 1,
    }[missing]
    path.write_bytes(whole[:cut])
    with pytest.raises(InputError, match=r"a\.npy: cannot be read as a \.npy file \(cut off"):
        open_data(str(path))


def npy(text: str, data: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode("latin-1") + data


SHAPE = "{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }\n"
ODD = {
    "brackets": npy("(" * 9000),
    "brackets in a shape": npy(SHAPE % ("(" * 9000)),
    "brackets by the gigabyte": npy("(" * 100, version=2)[:8] + struct.pack("<I", 2**31) + b"(" * 100,
    "a call": npy(SHAPE.replace("(%s)", "__import__('os').getcwd()")),
    "a product": npy(SHAPE % "9**9**9, 1, 1, 1"),
    "objects": npy(SHAPE.replace("|u1", "|O") % "1, 1, 2, 2", bytes(32)),
    "a structure": npy(SHAPE.replace("'|u1'", "[('a', 'u1')]") % "1, 1, 2, 2", bytes(4)),
    "minus": npy(SHAPE % "-1, 1, 2, 2", bytes(4)),
    "many digits": npy(SHAPE % ("9" * 5000 + ", 1, 2, 2")),
    "large": npy(SHAPE % f"{10**17}, 3, {10**17}, {10**17}", bytes(4)),
    "no dimension": npy(SHAPE % "", bytes(1)),
    "columns": npy((SHAPE % "2, 1, 2, 2").replace("False", "True"), bytes(8)),
    "empty": npy(SHAPE % "0, 1, 2, 2"),
    "version": npy(SHAPE % "1, 1, 2, 2", bytes(4), version=9),
    "a second array that is none": npy(SHAPE % "1, 1, 2, 2", bytes(4) + b"x" * 200),
    "more images": npy(SHAPE % "1, 1, 2, 2", bytes(4) + npy(SHAPE % "1, 1, 2, 2", bytes(4))),
    "names alone": npy(SHAPE % "1, 1, 2, 2", bytes(4) + npy(SHAPE.replace("|u1", "<U1") % "1,", b"a\0\0\0")),
    "a million names of nothing": npy(
        SHAPE % "1, 1, 2, 2",
        bytes(4)
        + npy(SHAPE.replace("|u1", "<i8") % "1,", bytes(8))
        + npy(SHAPE.replace("|u1", "<U0") % f"{10**17},", b""),
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_headers_that_are_none(tmp_path, kind):
    (tmp_path / "x.npy").write_bytes(ODD[kind])
    start = time.monotonic()
    with pytest.raises(InputError, match=r"x\.npy: (cannot be read as a \.npy file|an array of)") as caught:
        open_data(str(tmp_path / "x.npy"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.monotonic() - start < 1


def test_labels_and_names_without_end_are_not_held(tmp_path):
    """In a file of holes, which takes no room on the disk."""
    for kind, count in (("<i8", 2**31), ("<U1", 2**31)):
        header = npy(SHAPE % f"{2**31}, 1, 1, 1")
        behind = npy(SHAPE.replace("|u1", kind) % f"{count},")
        with open(tmp_path / "x.npy", "wb") as file:
            file.write(header)
            file.seek(2**31, 1)
            file.write(behind)
            file.truncate(len(header) + 2**31 + len(behind) + count * (8 if kind == "<i8" else 4))
        with pytest.raises(InputError, match=r"(16|8) GiB behind the images, more than is read there"):
            open_data(str(tmp_path / "x.npy"), memory_limit=0)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_header(tmp_path, version):
    (tmp_path / "x.npy").write_bytes(npy(SHAPE % "1, 1, 2, 2", bytes([1, 2, 3, 4]), version))
    assert open_data(str(tmp_path / "x.npy")).images.flatten().tolist() == [1, 2, 3, 4]
    if version < 3:
        assert np.load(tmp_path / "x.npy").ravel().tolist() == [1, 2, 3, 4]


def test_labels_that_no_class_has(tmp_path):
    with open(tmp_path / "x.npy", "wb") as file:
        for part in (IMAGES[:2], np.array([0, 5]), np.array(["a", "b"])):
            np.save(file, part)
    with pytest.raises(InputError, match="labels go from 0 to 5, but there are 2 classes"):
        open_data(str(tmp_path / "x.npy"))
