"""The test split of every kind of data that has one, and one line for those that have none."""

from __future__ import annotations

import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from logan.data import InMemory, Streamed, open_data
from logan.errors import InputError

RNG = np.random.default_rng(0)


def levels(data) -> list[int]:
    """The first pixel of every image; the sets of these tests are told apart by it."""
    assert isinstance(data, InMemory | Streamed)
    return data.batch(torch.arange(len(data)))[0][:, 0, 0, 0].tolist()


def refused(source: Path | str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        open_data(str(source), split="test")
    assert "\n" not in str(error.value)


# CIFAR-10: batches 1 to 5 hold images of level 1 to 5, the test batch of level 200.

CIFAR = {f"data_batch_{k}": k for k in range(1, 6)} | {"test_batch": 200}


def cifar(root: Path, kind: str, batches=CIFAR) -> Path:
    folder = root / f"cifar-10-batches-{kind}"
    folder.mkdir()
    for stem, level in batches.items():
        images, labels = np.full((3, 3072), level, np.uint8), [level % 10, 0, 9]
        if kind == "py":
            (folder / stem).write_bytes(pickle.dumps({b"data": images, b"labels": labels}, protocol=2))
        else:
            rows = np.concatenate([np.array(labels, np.uint8)[:, None], images], axis=1)
            (folder / f"{stem}.bin").write_bytes(rows.tobytes())
    return folder


@pytest.mark.parametrize("kind", ["py", "bin"])
@pytest.mark.parametrize("how", ["folder", "parent", "archive"])
def test_cifar(tmp_path, kind, how):
    path = cifar(tmp_path, kind)
    if how == "parent":
        path = tmp_path
    elif how == "archive":
        path = tmp_path / "c10.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(tmp_path / f"cifar-10-batches-{kind}", f"cifar-10-batches-{kind}")
    test, train = open_data(str(path), split="test"), open_data(str(path), split="train")
    assert levels(test) == [200] * 3
    assert test.labels.tolist() == [0, 0, 9]
    assert levels(train) == [k for k in range(1, 6) for _ in range(3)]
    assert torch.equal(train.images, open_data(str(path)).images)
    assert (test.name, train.name) == ("cifar10 (test)", "cifar10")


def test_cifar_is_brought_to_the_size_of_the_training_set(tmp_path):
    test = open_data(str(cifar(tmp_path, "py")), split="test", image_size=20, channels=1, pad=2)
    assert test.images.shape == (3, 1, 20, 20)
    assert levels(test) == [0] * 3  # the border
    assert test.images[0, 0, 10, 10] == 200


@pytest.mark.parametrize("kind", ["py", "bin"])
def test_cifar_without_its_test_batch(tmp_path, kind):
    batches = {stem: level for stem, level in CIFAR.items() if stem != "test_batch"}
    path = cifar(tmp_path, kind, batches)
    assert len(open_data(str(path))) == 15
    refused(path, "test_batch is missing")


# idx files.


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist(folder: Path, *splits: tuple[str, int, int]) -> Path:
    """(prefix, count, level) of each split."""
    folder.mkdir()
    for prefix, n, level in splits:
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(np.full((n, 4, 4), level, np.uint8)))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(n, dtype=np.uint8) % 3))
    return folder


def test_idx(tmp_path):
    path = str(mnist(tmp_path / "mnist", ("train", 5, 10), ("t10k", 4, 20)))
    test = open_data(path, split="test", pad=0)
    assert levels(test) == [20] * 4
    assert test.labels.tolist() == [0, 1, 2, 0]
    assert levels(open_data(path, split="train")) == levels(open_data(path)) == [10] * 5
    assert (test.name, open_data(path).name) == ("mnist (test)", "mnist")


def test_idx_without_test_files(tmp_path):
    refused(mnist(tmp_path / "mnist", ("train", 5, 10)), "no t10k-images-idx3-ubyte")


def test_a_single_idx_file_has_no_test_images(tmp_path):
    path = mnist(tmp_path / "mnist", ("train", 5, 10), ("t10k", 4, 20))
    refused(path / "train-images-idx3-ubyte", "a single file has no test images; give its folder")


# Folders and zip files.


def picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (6, 6), level).save(path)


def pictures(root: Path, splits=("train", "test"), classes=("cat", "dog")) -> Path:
    """Two images per class; their levels are 10 · split + 5 · class, or one more."""
    for i, split in enumerate(splits):
        for k, name in enumerate(classes):
            for j in range(2):
                picture(root / split / name / f"{j}.png", 10 * i + 5 * k + j)
    return root


def zipped(folder: Path, target: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, inside + path.relative_to(folder).as_posix())
    return target


@pytest.fixture(params=["folder", "folder in a folder", "zip", "folder in a zip"])
def pets(request, tmp_path) -> str:
    folder = pictures(tmp_path / "all" / "pets")
    return {
        "folder": lambda: str(folder),
        "folder in a folder": lambda: str(folder.parent),
        "zip": lambda: str(zipped(folder, tmp_path / "pets.zip")),
        "folder in a zip": lambda: str(zipped(folder, tmp_path / "pets.zip", "pets/")),
    }[request.param]()


def test_class_folders(pets):
    test, train = open_data(pets, split="test"), open_data(pets, split="train")
    assert levels(test) == [10, 11, 15, 16]
    assert levels(train) == levels(open_data(pets)) == [0, 1, 5, 6]
    assert test.class_names == train.class_names == ["cat", "dog"]
    assert test.labels.tolist() == train.labels.tolist() == [0, 0, 1, 1]


def test_what_was_taken_is_said(pets):
    assert "taking 'test' of the folders test, train" in open_data(pets, split="test").notices[0]
    assert "taking 'train' of the folders test, train" in open_data(pets).notices[0]


def test_a_streamed_set(pets):
    test = open_data(pets, split="test", memory_limit=0)
    assert isinstance(test, Streamed)
    assert levels(test) == [10, 11, 15, 16]


def test_a_validation_folder_is_neither(tmp_path):
    root = str(pictures(tmp_path, ("train", "val", "test")))
    assert levels(open_data(root, split="test")) == [20, 21, 25, 26]
    assert levels(open_data(root)) == [0, 1, 5, 6]


def test_splits_without_classes(tmp_path):
    for k, split in enumerate(["train", "test"]):
        picture(tmp_path / split / "a.png", 10 + k)
    test = open_data(str(tmp_path), split="test")
    assert (levels(test), test.num_classes) == ([11], 0)


@pytest.mark.parametrize("splits", [["train", "val"], ["train"], ["test"], ["cat", "dog"], ["train", "test", "more"]])
def test_folders_without_a_test_split(tmp_path, splits):
    refused(pictures(tmp_path, splits), "no test images: there are no folders train and test")


def test_images_beside_the_folders_mean_that_they_are_no_splits(tmp_path):
    picture(pictures(tmp_path / "pets") / "loose.png", 99)
    data = open_data(str(tmp_path / "pets"))
    assert levels(data) == [0, 1, 5, 6]  # one is a stray
    assert any("left out 1 image beside the folders" in line for line in data.notices)
    for i in range(8):
        picture(tmp_path / "pets" / f"loose{i}.png", 99)
    refused(tmp_path / "pets", "no test images")
    assert len(open_data(str(tmp_path / "pets"))) == 17


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("train", "valid", "val"),
        ("Train", "Test", "test"),
        ("TRAIN", "TEST", "test"),
        ("training", "testing", "test"),
        ("Training", "Validation", "val"),
        ("train", "eval", "val"),
        ("train", "dev", "val"),
    ],
)
def test_splits_by_other_names(tmp_path, train, other, split):
    root = str(pictures(tmp_path, (train, other)))
    assert levels(open_data(root)) == [0, 1, 5, 6]
    assert open_data(root).class_names == ["cat", "dog"]
    assert levels(open_data(root, split=split)) == [10, 11, 15, 16]
    assert f"taking '{train}' of the folders {', '.join(sorted([train, other]))}" in open_data(root).notices[0]


def test_three_splits_by_other_names(tmp_path):
    root = str(pictures(tmp_path, ("training", "valid", "Test")))
    assert [levels(open_data(root, split=s))[0] for s in ("train", "val", "test")] == [0, 10, 20]


@pytest.mark.parametrize("folders", [("train", "plane"), ("train", "training"), ("train", "test", "more")])
def test_folders_that_only_look_like_splits_are_classes_and_that_is_said(tmp_path, folders):
    data = open_data(str(pictures(tmp_path, folders)))
    assert data.class_names == sorted(folders)
    assert any("the folder train is taken for a class" in line for line in data.notices)


def test_two_classes_that_are_no_splits_are_said_nothing_of(tmp_path):
    assert open_data(str(pictures(tmp_path, ("tested", "trained")))).notices == []


def test_a_zip_without_a_test_split(tmp_path):
    refused(zipped(pictures(tmp_path / "pets", ["cat", "dog"]), tmp_path / "pets.zip"), "no test images")


# What comes with the package.


def test_the_digits_have_no_test_images():
    refused("digits", "digits has no test images")
    assert len(open_data("digits", split="train")) == 1797


@pytest.mark.skipif(not Path("/usr/share/datasets/fashion-mnist").exists(), reason="fashion-mnist is not installed")
def test_fashion_mnist_and_its_test_images_are_disjoint():
    test, train = (open_data("/usr/share/datasets/fashion-mnist", split=s).images for s in ("test", "train"))
    assert (len(test), len(train)) == (10_000, 60_000)
    rows = {image.numpy().tobytes() for image in train}
    assert sum(image.numpy().tobytes() in rows for image in test) < 20
