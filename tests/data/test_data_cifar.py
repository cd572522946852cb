"""CIFAR-10, on small files of the same format."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from logan.data import open_data
from logan.data.cifar import CLASSES, load_cifar
from logan.data.pickles import read_arrays
from logan.errors import InputError

RNG = np.random.default_rng(0)
NAMES = ["plane", *CLASSES[1:]]


class Python2Pickler(pickle._Pickler):
    """Writes as Python 2's cPickle did for the real files: byte strings, and numpy's names of then."""

    dispatch: ClassVar[dict[type, Callable[..., Any]]] = dict(pickle._Pickler.dispatch)

    def save_str(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        self.write(b"T" + len(data).to_bytes(4, "little") + data)
        self.memoize(text)

    def save_function(self, obj):
        self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
        self.memoize(obj)

    dispatch[str] = dispatch[bytes] = save_str
    dispatch[type(np.zeros(0).__reduce__()[0])] = save_function


def python2(content) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, 2).dump(content)
    return file.getvalue()


def python3(content) -> bytes:
    return pickle.dumps({k.encode(): v for k, v in content.items()}, protocol=2)


def parts(n: int = 4) -> dict[str, tuple[np.ndarray, list[int]]]:
    stems = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    return {s: (RNG.integers(0, 256, (n, 3072), dtype=np.uint8), RNG.integers(0, 10, n).tolist()) for s in stems}


def python_folder(root: Path, content, dump=python2) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for stem, (images, labels) in content.items():
        filenames = [f"{k}.png" for k in labels]
        record = {"batch_label": "training batch", "labels": labels, "data": images, "filenames": filenames}
        (folder / stem).write_bytes(dump(record))
    (folder / "batches.meta").write_bytes(dump({"num_cases_per_batch": 4, "label_names": NAMES}))
    return folder


def binary_folder(root: Path, content) -> Path:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    for stem, (images, labels) in content.items():
        rows = np.concatenate([np.array(labels, np.uint8)[:, None], images], axis=1)
        (folder / f"{stem}.bin").write_bytes(rows.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return folder


def tarred(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, folder.name)
    return target


def check(data, content, stems) -> None:
    images = np.concatenate([content[s][0] for s in stems]).reshape(-1, 3, 32, 32)
    assert (data.images.numpy() == images).all()
    assert data.labels.tolist() == [k for s in stems for k in content[s][1]]
    assert (data.image_size, data.channels, data.num_classes) == (32, 3, 10)


TRAIN = [f"data_batch_{k}" for k in range(1, 6)]


def test_the_writer_of_these_tests_writes_what_python_2_wrote():
    data = python2({"data": np.zeros((1, 2), np.uint8), "labels": [1]})
    assert b"cnumpy.core.multiarray\n_reconstruct" in data
    assert b"_codecs" not in data
    assert list(pickle.loads(data, encoding="bytes")) == [b"data", b"labels"]


@pytest.mark.parametrize("make", [python_folder, lambda r, c: python_folder(r, c, python3), binary_folder])
@pytest.mark.parametrize("how", ["folder", "parent", "archive", "renamed archive", "parent of archive"])
def test_every_form(tmp_path, make, how):
    content = parts()
    path = make(tmp_path, content)
    if how == "parent":
        path = tmp_path
    elif "archive" in how:
        official = "cifar-10-python.tar.gz" if path.name.endswith("py") else "cifar-10-binary.tar.gz"
        place = tmp_path / "downloads"
        place.mkdir()
        path = tarred(path, place / ("c10.tgz" if "renamed" in how else official))
        path = place if "parent" in how else path
    data = open_data(str(path))
    check(data, content, TRAIN)
    assert data.name == "cifar10"
    check(load_cifar(path, split="test"), content, ["test_batch"])


@pytest.mark.parametrize("make", [python_folder, binary_folder])
def test_class_names_come_from_the_files(tmp_path, make):
    content = parts()
    folder = make(tmp_path, content)
    assert open_data(str(folder)).class_names == NAMES
    next(folder.glob("batches.meta*")).unlink()
    assert open_data(str(folder)).class_names == CLASSES


def test_grey_and_small(tmp_path):
    folder = python_folder(tmp_path, parts())
    data = open_data(str(folder), channels=1, image_size=16)
    assert data.images.shape == (20, 1, 16, 16)


class Evil:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("archived", [False, True])
def test_a_malicious_pickle_is_refused(tmp_path, archived):
    folder = python_folder(tmp_path, parts())
    (folder / "data_batch_3").write_bytes(pickle.dumps({b"data": Evil(tmp_path / "pwned")}))
    path = tarred(folder, tmp_path / "cifar-10-python.tar.gz") if archived else folder
    with pytest.raises(InputError, match=r"data_batch_3: refused: the pickle asks for (posix|nt)\.system"):
        open_data(str(path))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "name", ["builtins\neval", "numpy\nload", "numpy.core.multiarray\nfromfile", "numpy\nndarray.tofile"]
)
def test_only_what_arrays_need_is_found(name):
    with pytest.raises(InputError, match=r"x: refused: the pickle asks for"):
        read_arrays(b"c" + name.encode() + b"\n.", "x")


def test_other_codecs_are_refused():
    with pytest.raises(InputError, match=r"x: refused: it asks for the codec 'zlib'"):
        read_arrays(b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x04\0\0\0zlib\x86R.", "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"\x80\x02}q\0", "damaged"),
        (pickle.dumps([1]), "holds a list"),
        (pickle.dumps({b"labels": [1]}, 2), "no array"),
        (pickle.dumps({b"data": np.zeros((1, 5), np.uint8), b"labels": [1]}, 2), "no array"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, 2), "no list of one integer"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, 2), "outside 0"),
    ],
)
def test_damaged_python_batches(tmp_path, content, message):
    folder = python_folder(tmp_path, parts())
    (folder / "data_batch_2").write_bytes(content)
    with pytest.raises(InputError, match=f"data_batch_2: .*{message}"):
        open_data(str(folder))


def test_damaged_binary_batch_and_missing_batch(tmp_path):
    folder = binary_folder(tmp_path, parts())
    path = folder / "data_batch_4.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"data_batch_4.bin: 12291 bytes, not a multiple of 3073"):
        open_data(str(folder))
    path.unlink()
    with pytest.raises(InputError, match="data_batch_4 is missing"):
        open_data(str(folder))


def test_truncated_archive(tmp_path):
    path = tarred(python_folder(tmp_path, parts()), tmp_path / "cifar-10-python.tar.gz")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"cifar-10-python.tar.gz: cannot be read"):
        open_data(str(path))


def test_other_archives_must_be_unpacked(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="packed with gzip, and so not an uncompressed tar file; unpack it"):
        open_data(str(tarred(tmp_path / "photos", tmp_path / "photos.tar.gz")))


SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10-jpeg.tar.xz"


@pytest.mark.skipif(not SHARED.exists(), reason="cifar10-jpeg.tar.xz is not here")
def test_cifar_as_jpeg_unpacked(tmp_path):
    with tarfile.open(SHARED) as archive:
        for member in archive:  # the first part is enough: all of it takes half a minute
            if not member.isfile() or member.name.endswith("00.jpg"):
                archive.extract(member, tmp_path, filter="data")
    data = open_data(str(tmp_path))
    assert data.class_names == CLASSES
    assert data.images.shape[1:] == (3, 32, 32)
    assert data.labels.bincount().tolist() == [50] * 10
    assert torch.unique(data.images.flatten(1), dim=0).shape[0] > 490
