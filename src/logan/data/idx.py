"""The idx files of MNIST and its relatives (Fashion-MNIST, KMNIST, …), gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from logan.errors import InputError

from .dataset import InMemory

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
    data = _contents(path)
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes([0, 0, 8, dimensions]):
        raise InputError(
            f"{path}: not an idx file of unsigned bytes in {dimensions} dimensions (starts {data[:4].hex()})"
        )
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != math.prod(shape):
        raise InputError(
            f"{path}: {len(data) - header} bytes of data where its header says {math.prod(shape)}; "
            "the file is damaged, download it again"
        )
    return np.frombuffer(bytearray(data), np.uint8, offset=header).reshape(shape)  # bytearray: torch wants it writable


def _contents(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}); if it is damaged, download it again") from error


def _first(folder: Path, stem: str, kind: str) -> Path | None:
    names = [f"{stem}{dash}{kind}-ubyte{end}" for dash in "-." for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)
