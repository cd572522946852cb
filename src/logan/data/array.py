"""Images as one array on disk, mapped into memory instead of read: a ``.npy`` file with images, labels and names of classes.

NumPy reads it too: ``np.load(path, mmap_mode="r")`` gives the images, uint8 (N, C, S, S). Behind them in the same file follow, if
there are classes, labels int64 (N,) and the names of the classes (K,), each as ``np.save`` writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from logan.errors import InputError

from .dataset import InMemory, Streamed
from .fit import fit
from .images import Fit, Wanted, picture

SUFFIX = ".npy"


def load_array(path: Path, wanted: Wanted, memory_limit: int) -> InMemory | Streamed:
    """Opens such a file. If its images take more than ``memory_limit`` bytes they stay on disk, and are read one by one.

    Raises:
        InputError: not such a file, cut off, or images smaller than asked for.
    """
    images, labels, class_names = _map(path)
    count, channels, side, _ = images.shape
    if images.nbytes <= memory_limit:
        return fit(InMemory(torch.from_numpy(np.array(images)), labels, path.stem, class_names), wanted)
    reader = Rows(path, wanted.fit(side, channels))
    reader.fit.check_side(side, side, path.stem)
    shape = (reader.fit.channels, reader.fit.image_size)
    return Streamed(reader, count, shape, labels, path.stem, class_names)


class Rows:
    """i ↦ image i, uint8 (C, S, S); picklable, for worker processes: each maps the file for itself."""

    def __init__(self, path: Path, fit: Fit) -> None:
        self.path, self.fit = path, fit
        self._images: np.ndarray | None = None

    def __call__(self, index: int) -> Tensor:
        if self._images is None:
            self._images = np.load(self.path, mmap_mode="r", allow_pickle=False)
        image = np.array(self._images[index])  # a copy: the map is of a file
        if image.shape == (self.fit.channels, self.fit.image_size, self.fit.image_size) and not self.fit.pad:
            return torch.from_numpy(image)
        return self.fit(picture(image), f"{self.path.name}[{index}]")

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_images": None}  # pickled, a map would be the whole array


class ArrayPack:
    """Writes such a file, image by image.

    Args:
        path: where.
        fit: size and channels of the images.
        planned: how many there will be at most.
    """

    def __init__(self, path: Path, fit: Fit, planned: int) -> None:
        self.fit, self.count = fit, 0
        self.labels: list[int] = []
        self.file: BinaryIO = open(path, "wb")  # noqa: SIM115 (open until it is closed)
        self.close = self.file.close
        self.start = self._header(planned)

    def encode(self, pixels: Tensor) -> bytes:
        """uint8 (C, S, S) as bytes; may run in another thread."""
        return pixels.numpy().tobytes()

    def add(self, data: bytes, label: int | None) -> None:
        """The next image, as :meth:`encode` gave it."""
        self.file.write(data)
        self.count += 1
        if label is not None:
            self.labels.append(label)

    def finish(self, class_names: list[str]) -> None:
        """Labels, names, and how many images there are in the end."""
        if class_names:
            np.save(self.file, np.array(self.labels, np.int64))
            np.save(self.file, np.array(class_names, np.str_))
        self.file.seek(0)
        start = self._header(self.count)
        assert start == self.start, "NumPy leaves room in the header for another length"

    def _header(self, count: int) -> int:
        shape = (count, self.fit.channels, self.fit.image_size, self.fit.image_size)
        np.lib.format.write_array_header_1_0(self.file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return self.file.tell()


def _map(path: Path) -> tuple[np.memmap, Tensor | None, list[str] | None]:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
        shape = images.shape
        squares = len(shape) == 4 and shape[0] and shape[1] in (1, 3) and shape[2] == shape[3]
        if images.dtype != np.uint8 or not squares:
            raise InputError(
                f"{path}: an array of {images.dtype} of shape {shape}; images are uint8 of shape (N, 1 or 3, S, S): "
                "convert it, or make the file with logan data prepare"
            )
        labels, names = _behind(path, images.offset + images.nbytes)
    except InputError:
        raise
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a .npy file ({error}); make or copy it again") from None
    if labels is None or names is None:
        return images, None, None
    if labels.shape != shape[:1] or labels.dtype != np.int64 or names.ndim != 1:
        raise InputError(f"{path}: its labels do not fit its images; make or copy it again")
    return images, torch.from_numpy(labels), [str(name) for name in names]


def _behind(path: Path, start: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Labels and names of classes, or None where the file ends with the images."""
    with open(path, "rb") as file:
        if file.seek(0, 2) == start:
            return None, None
        file.seek(start)
        return np.load(file, allow_pickle=False), np.load(file, allow_pickle=False)
