"""CIFAR-10 as its authors give it: the "python" and the "binary" version, unpacked or as a tar archive."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import torch

from logan.errors import InputError, first_line

from .bounds import DAMAGE, MOST_CIFAR, in_units
from .dataset import InMemory
from .pickles import read_arrays
from .sources import compression
from .tar_members import tar_members

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")
ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
BATCHES = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}
PIXELS = 3 * 32 * 32


def find_cifar(path: Path) -> Path | None:
    """The folder or archive with CIFAR-10's batches that ``path`` is, or that lies directly in it, or None."""
    if path.is_dir():
        candidates = [path, *(path / name for name in FOLDERS + ARCHIVES)]
        return next((p for p in candidates if p.is_file() or _has_batches(p)), None)
    return path if path.is_file() and (path.name in ARCHIVES or _is_cifar_archive(path)) else None


def load_cifar(path: str | Path, split: str = "train") -> InMemory:
    """Reads CIFAR-10 from ``cifar-10-batches-py``, ``cifar-10-batches-bin``, their archives, or a folder with one.

    Nothing is unpacked to disk, and the pickles of the python version cannot run code.

    Args:
        path: the folder or the archive.
        split: "train" (50,000 images) or "test" (10,000).

    Returns:
        colour images uint8 (N, 3, 32, 32) with ten classes.

    Raises:
        InputError: missing, damaged or malicious files.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    found = find_cifar(Path(path))
    if found is None:
        raise InputError(f"{path}: no CIFAR-10 there; give {FOLDERS[0]}, {FOLDERS[1]} or one of their .tar.gz files")
    files = _read(found, split)
    parts = [_parse(files, stem, found) for stem in BATCHES[split]]
    images = torch.from_numpy(np.concatenate([images for images, _ in parts])).reshape(-1, 3, 32, 32)
    labels = torch.from_numpy(np.concatenate([labels for _, labels in parts]))
    name = "cifar10" if split == "train" else f"cifar10 ({split})"
    return InMemory(images, labels, name, _class_names(files, found))


def _parse(files: dict[str, bytes], stem: str, where: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 3072), channel by channel, and labels int64 (n,) of one batch file."""
    if stem in files:
        images, labels = _python_batch(files[stem], f"{where}/{stem}")
    elif f"{stem}.bin" in files:
        images, labels = _binary_batch(files[f"{stem}.bin"], f"{where}/{stem}.bin")
    else:
        raise InputError(f"{where}: {stem} is missing; download and unpack CIFAR-10 again")
    if not len(labels) or labels.min() < 0 or labels.max() >= len(CLASSES):
        raise InputError(f"{where}/{stem}: no images, or labels outside 0 … 9; the file is damaged, download it again")
    return images, labels


def _python_batch(data: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    content = read_arrays(data, name)
    images, labels = content.get(b"data"), content.get(b"labels")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (PIXELS,):
        raise InputError(f"{name}: no array of uint8 rows of {PIXELS} under 'data'; is it CIFAR-10?")
    if not isinstance(labels, list) or len(labels) != len(images) or not all(type(k) is int for k in labels):
        raise InputError(f"{name}: no list of one integer per image under 'labels'; is it CIFAR-10?")
    if not all(0 <= k < len(CLASSES) for k in labels):
        raise InputError(f"{name}: labels outside 0 … 9; the file is damaged, download it again")
    return images, np.array(labels, np.int64)


def _binary_batch(data: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    if len(data) % (1 + PIXELS):
        raise InputError(f"{name}: {len(data)} bytes, not a multiple of {1 + PIXELS}; it is damaged, download it again")
    rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + PIXELS)
    return rows[:, 1:], rows[:, 0].astype(np.int64)


def _class_names(files: dict[str, bytes], where: Path) -> list[str]:
    """The names in ``batches.meta``; the official ones if it is missing or odd, for it is not worth a failure."""
    names: Any = None
    if "batches.meta" in files:
        names = read_arrays(files["batches.meta"], f"{where}/batches.meta").get(b"label_names")
    elif "batches.meta.txt" in files:
        names = files["batches.meta.txt"].split()
    if not isinstance(names, list) or len(names) != len(CLASSES) or not all(type(n) in (str, bytes) for n in names):
        return CLASSES
    return [n.decode("utf-8", "replace") if isinstance(n, bytes) else n for n in names]


def _read(path: Path, split: str) -> dict[str, bytes]:
    """The files of a split in a folder or an archive, by their names."""
    wanted = {"batches.meta", "batches.meta.txt", *(s + end for s in BATCHES[split] for end in ("", ".bin"))}
    files: dict[str, bytes] = {}

    def take(name: str, file: BinaryIO, size: int) -> None:
        if size > MOST_CIFAR - sum(map(len, files.values())):
            raise InputError(
                f"{path}: with {name} more than the {in_units(MOST_CIFAR)} that are read of CIFAR; is it CIFAR?"
            )
        files[name] = file.read(size)
        if len(files[name]) < size:
            raise ValueError(f"{name} is cut off")

    try:
        if path.is_dir():
            for name in filter(lambda n: (path / n).is_file(), sorted(wanted)):
                with open(path / name, "rb") as file:
                    take(name, file, os.fstat(file.fileno()).st_size)
            return files
        with _unpacked(path) as archive:
            for member in tar_members(archive, end=2 * MOST_CIFAR):
                name = PurePosixPath(member.name).name
                if name in wanted:
                    archive.seek(member.start)
                    take(name, archive, member.size)
        return files
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(
            f"{path}: cannot be read ({first_line(error)}); if it is damaged, download it again"
        ) from error


def _has_batches(folder: Path) -> bool:
    return any((folder / f"{stem}{end}").is_file() for stem in ("data_batch_1", "test_batch") for end in ("", ".bin"))


def _is_cifar_archive(path: Path) -> bool:
    """Whether a renamed tar archive holds CIFAR-10: its first folder tells."""
    try:
        with _unpacked(path) as archive:
            first = next(tar_members(archive, end=2 * MOST_CIFAR), None)
            return first is not None and PurePosixPath(first.name).parts[:1] in [(name,) for name in FOLDERS]
    except DAMAGE:
        return False


def _unpacked(path: Path) -> BinaryIO:
    """The tar in an archive, whatever it is packed with."""
    openers: dict[str, Callable[[Path], Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
    return openers.get(compression(path), lambda p: open(p, "rb"))(path)
