"""The idx files of MNIST and its relatives (Fashion-MNIST, KMNIST, …), gzipped or not."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch

from logan.errors import InputError

from .bounds import MOST_HELD, MOST_LABELS, in_units
from .dataset import InMemory

STEP = 2**24
PREFIXES = {"train": "train", "test": "t10k"}


def find_idx(folder: Path, split: str = "train") -> Path | None:
    """The images file of a split in ``folder``, in any of its four spellings, or None."""
    return _first(folder, f"{PREFIXES[split]}-images", "idx3")


def load_idx(path: str | Path, split: str = "train") -> InMemory:
    """Reads a folder with ``train-images-idx3-ubyte[.gz]`` and its labels, or an images file itself.

    Args:
        path: the folder or the images file. The labels are optional: without their file the set has no classes.
        split: "train" or "test" (the ``t10k-`` files); for a folder only.

    Returns:
        grey images uint8 (N, 1, S, S) with labels.

    Raises:
        InputError: missing, truncated or otherwise damaged files, images that are not square.

    Source: the format as Y. LeCun describes it: two zero bytes, a type (8 = unsigned byte), the number of dimensions,
    each dimension as a big-endian 32-bit integer, the data.
    """
    path = Path(path)
    found = find_idx(path, split) if path.is_dir() else path
    if found is None:
        raise InputError(f"{path}: no {PREFIXES[split]}-images-idx3-ubyte (or .gz) in this folder")
    images = read_idx(found, dimensions=3)
    labels_file = _first(found.parent, f"{found.name.partition('-images')[0]}-labels", "idx1")
    labels = None if labels_file is None else read_idx(labels_file, dimensions=1)
    if images.shape[1] != images.shape[2] or not images.size:
        raise InputError(f"{found}: holds images of shape {images.shape}; square ones are needed")
    if labels is not None and len(labels) != len(images):
        raise InputError(
            f"{labels_file}: {len(labels)} labels for {len(images)} images; the files do not belong together"
        )
    name = found.resolve().parent.name + ("" if split == "train" else f" ({split})")
    return InMemory(
        torch.from_numpy(images)[:, None], None if labels is None else torch.from_numpy(labels).long(), name
    )


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The array of unsigned bytes in an idx file.

    Raises:
        InputError: the file is missing, damaged, or not of this kind.
    """
    try:
        with open(path, "rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=plain) as file:
                    return _array(cast(BinaryIO, file), path, dimensions, None)
            return _array(plain, path, dimensions, os.fstat(plain.fileno()).st_size)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}); if it is damaged, download it again") from error


def _array(file: BinaryIO, path: Path, dimensions: int, length: int | None) -> np.ndarray:
    """Straight into the array, of no more bytes than the header says; ``length``: of the file, where it can be known before."""
    start = 4 + 4 * dimensions
    header = file.read(start)
    if len(header) < start or header[:4] != bytes([0, 0, 8, dimensions]):
        raise InputError(
            f"{path}: not an idx file of unsigned bytes in {dimensions} dimensions (starts {header[:4].hex()})"
        )
    shape = struct.unpack(f">{dimensions}I", header[4:])
    size = math.prod(shape)
    if shape[0] > MOST_LABELS:
        raise InputError(
            f"{path}: its header says {shape[0]:,} images, and {MOST_LABELS:,} are read of such a file; "
            "make a folder or zip of images of it, and logan data prepare"
        )
    there = "" if length is None or length - start == size else str(length - start)
    if not there and size > MOST_HELD:
        raise InputError(
            f"{path}: its header says {in_units(size)} of images, and {in_units(MOST_HELD)} are read of such a file; "
            "make a folder or zip of images of it, and logan data prepare"
        )
    array: Any = np.empty(size if not there else 0, np.uint8)
    if not there:
        done = _fill(file, memoryview(array))
        if done < size or file.read(1):
            there = str(done) if done < size else "more"
    if there:
        raise InputError(
            f"{path}: {there} bytes of data where its header says {size}; the file is damaged, download it again"
        )
    return array.reshape(shape)


def _fill(file: BinaryIO, view: memoryview) -> int:
    done = 0
    while done < len(view) and (count := file.readinto(view[done : done + STEP])):  # type: ignore[attr-defined]
        done += count
    return done


def _first(folder: Path, stem: str, kind: str) -> Path | None:
    names = [f"{stem}{dash}{kind}-ubyte{end}" for dash in "-." for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)
