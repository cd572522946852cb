"""idx files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from logan.data import open_data
from logan.data.idx import load_idx
from logan.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 6), dtype=np.uint8)
LABELS = np.array([3, 1, 0, 2, 3], np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(folder: Path, split="train", dash="-", end="", images=IMAGES, labels=LABELS) -> Path:
    folder.mkdir(exist_ok=True)
    pack = gzip.compress if end else bytes
    (folder / f"{split}-images{dash}idx3-ubyte{end}").write_bytes(pack(idx(images)))
    if labels is not None:
        (folder / f"{split}-labels{dash}idx1-ubyte{end}").write_bytes(pack(idx(labels)))
    return folder


@pytest.mark.parametrize("dash", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_every_spelling(tmp_path, dash, end):
    folder = write(tmp_path / "mnist", dash=dash, end=end)
    for source in (folder, folder / f"train-images{dash}idx3-ubyte{end}"):
        data = open_data(str(source))
        assert (data.images[:, 0].numpy() == IMAGES).all()
        assert data.labels.tolist() == LABELS.tolist()
        assert (data.name, data.image_size, data.channels, data.num_classes) == ("mnist", 6, 1, 4)


def test_test_split(tmp_path):
    write(tmp_path)
    write(tmp_path, split="t10k", images=IMAGES[:2], labels=LABELS[:2])
    assert len(load_idx(tmp_path)) == 5
    assert len(load_idx(tmp_path, split="test")) == 2


def test_labels_are_optional(tmp_path):
    data = open_data(str(write(tmp_path, labels=None)))
    assert (data.num_classes, data.labels) == (0, None)


def test_pad_size_and_channels(tmp_path):
    folder = str(write(tmp_path))
    padded = open_data(folder, pad=1)
    assert padded.image_size == 8
    assert (padded.images[:, 0, 1:-1, 1:-1].numpy() == IMAGES).all()
    assert padded.images.sum() == IMAGES.sum()
    assert open_data(folder, pad=1, image_size=8).images.equal(padded.images)
    assert open_data(folder, channels=3).images.shape == (5, 3, 6, 6)
    assert open_data(folder, image_size=3).images.shape == (5, 1, 3, 3)
    with pytest.raises(
        InputError, match=r"6×6 pixels are smaller than the network's size \(8\): pass `pad` 1, or `image_size` 6"
    ):
        open_data(folder, image_size=8)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("which", ["images-idx3", "labels-idx1"])
def test_truncated(tmp_path, end, which):
    path = write(tmp_path, end=end) / f"train-{which}-ubyte{end}"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match=f"{which}.*download it again"):
        open_data(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (b"\0\0\x0d\x03" + bytes(12), "not an idx file of unsigned bytes"),  # floats
        (idx(LABELS), "in 3 dimensions"),
        (idx(IMAGES) + b"x", "181 bytes of data where its header says 180"),
        (b"\0\0\x08\x03\0\x0f" + b"\xff" * 10, "0 bytes of data where its header says"),  # must not try to reserve that
        (b"\0\0\x08\x03\x7f" + b"\xff" * 3 + bytes((0, 0, 0, 1)) * 2, "2,147,483,647 images, and 16,777,216 are read"),
        (idx(IMAGES[:, :4]), "square"),
        (idx(IMAGES[:0]), "square"),
        (idx(IMAGES[:3]), "5 labels for 3 images"),
    ],
)
def test_bad_files(tmp_path, content, message):
    write(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_data(str(tmp_path))


FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not FASHION.exists(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist():
    data = open_data(str(FASHION), pad=2)
    assert data.images.shape == (60000, 1, 32, 32)
    assert data.labels.bincount().tolist() == [6000] * 10
    assert (
        abs(data.images[:, :, 2:-2, 2:-2].float().mean() / 255 - 0.2860) < 1e-4
    )  # the mean that everyone normalises with
    assert len(load_idx(FASHION, split="test")) == 10000
