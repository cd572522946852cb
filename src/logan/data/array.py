"""Images as one array on disk, mapped into memory instead of read: a ``.npy`` file with images, labels and names of classes.

NumPy reads it too: ``np.load(path, mmap_mode="r")`` gives the images, uint8 (N, C, S, S). Behind them in the same file follow, each
as ``np.save`` writes it: if there are classes, labels int64 (N,) and the names of the classes (K,); and checksums uint32 (2 + M,):
how many images a block has, the CRC-32 of everything but the images, and that of each of the M blocks of images.
"""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from logan.errors import InputError

from .bounds import MOST_HELD, MOST_NAMES, in_units
from .dataset import InMemory, Streamed
from .fit import fit
from .images import Fit, Wanted, picture
from .npy import Npy, read_header

SUFFIX = ".npy"
BLOCK = 2**18
"""Bytes of images with a checksum of their own, at least one image; few, since all of them are read with the first."""
UNSUMMED = (
    "has no checksums, so damage in it would go unnoticed: it is of an earlier version or another program; "
    "logan data prepare makes a file with them"
)


def load_array(path: Path, wanted: Wanted, memory_limit: int) -> InMemory | Streamed:
    """Opens such a file. If its images take more than ``memory_limit`` bytes they stay on disk, and are read one by one.

    Checksums are looked at when what they are of is read for the first time. A file without any is taken, and a notice says so.

    Raises:
        InputError: not such a file, cut off, damaged, or images smaller than asked for.
    """
    contents = _contents(path)
    (count, channels, side, _), described = contents.images.shape, (contents.labels, path.stem, contents.class_names)
    notices = [] if contents.sums is not None else [f"{path.name} {UNSUMMED}"]
    if contents.images.size <= memory_limit:
        return fit(InMemory(torch.from_numpy(_whole(path, contents)), *described, notices=notices), wanted)
    reader = Rows(path, wanted.fit(side, channels), contents.images, contents.sums)
    reader.fit.check_side(side, side, path.stem)
    shape = (reader.fit.channels, reader.fit.image_size)
    return Streamed(reader, count, shape, *described, notices=notices)


class Sums(NamedTuple):
    """Images to a block, and the CRC-32 of each block, uint32 (M,)."""

    rows: int
    blocks: np.ndarray

    def check(self, path: Path, block: int, images: np.ndarray) -> None:
        """Whether the ``images`` of a block are those that were written. Raises InputError if not."""
        if zlib.crc32(images.data) != int(self.blocks[block]):
            first, last = block * self.rows, block * self.rows + len(images) - 1
            raise InputError(
                f"{path}: damaged, of the images {first:,} to {last:,} the checksum is wrong; copy it again, or make it again"
            )


class _Contents(NamedTuple):
    images: Npy
    labels: Tensor | None
    class_names: list[str] | None
    sums: Sums | None


class Rows:
    """i ↦ image i, uint8 (C, S, S); picklable, for worker processes: each maps the file for itself."""

    def __init__(self, path: Path, fit: Fit, images: Npy, sums: Sums | None) -> None:
        self.path, self.fit, self.images, self.sums = path, fit, images, sums
        self._images: np.ndarray | None = None
        self._checked: set[int] = set()

    def __call__(self, index: int) -> Tensor:
        if self._images is None:
            self._images = np.memmap(self.path, np.uint8, "r", self.images.start, self.images.shape)
        if self.sums is not None and (block := index // self.sums.rows) not in self._checked:
            self.sums.check(self.path, block, self._images[block * self.sums.rows : (block + 1) * self.sums.rows])
            self._checked.add(block)
        image = np.array(self._images[index])  # a copy: the map is of a file
        if image.shape == (self.fit.channels, self.fit.image_size, self.fit.image_size) and not self.fit.pad:
            return torch.from_numpy(image)
        return self.fit(picture(image), f"{self.path.name}[{index}]")

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_images": None, "_checked": set()}  # pickled, a map would be the whole array


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
        self.rows = rows_of_a_block(fit.channels * fit.image_size**2)
        self.sums: list[int] = []
        self.file: BinaryIO = open(path, "wb")  # noqa: SIM115 (open until it is closed)
        self.close = self.file.close
        self.start = self.file.write(self._header(planned))

    def encode(self, pixels: Tensor) -> bytes:
        """uint8 (C, S, S) as bytes; may run in another thread."""
        return pixels.numpy().tobytes()

    def add(self, data: bytes, label: int | None) -> None:
        """The next image, as :meth:`encode` gave it."""
        self.file.write(data)
        if self.count % self.rows == 0:
            self.sums.append(0)
        self.sums[-1] = zlib.crc32(data, self.sums[-1])
        self.count += 1
        if label is not None:
            self.labels.append(label)

    def finish(self, class_names: list[str]) -> None:
        """Labels, names, checksums, and how many images there are in the end."""
        header, behind = self._header(self.count), io.BytesIO()
        assert len(header) == self.start, "NumPy leaves room in the header for another length"
        if class_names:
            np.save(behind, np.array(self.labels, np.int64))
            np.save(behind, np.array(class_names, np.str_))
        rest = zlib.crc32(behind.getvalue(), zlib.crc32(header))
        np.save(behind, np.array([self.rows, rest, *self.sums], np.uint32))
        self.file.write(behind.getvalue())
        self.file.seek(0)
        self.file.write(header)

    def _header(self, count: int) -> bytes:
        shape, header = (count, self.fit.channels, self.fit.image_size, self.fit.image_size), io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return header.getvalue()


def rows_of_a_block(size: int) -> int:
    """How many images of ``size`` bytes have one checksum together."""
    return max(1, BLOCK // size)


def _contents(path: Path) -> _Contents:
    """What is in the file, without its images. Everything but those is checked."""
    try:
        with open(path, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            images = read_header(file)
            shape = images.shape
            squares = len(shape) == 4 and shape[0] and shape[1] in (1, 3) and shape[2] == shape[3]
            if images.kind != "|u1" or not squares:
                raise InputError(
                    f"{path}: an array of {images.kind} of shape {shape}; images are uint8 (|u1) of shape (N, 1 or 3, S, S): "
                    "convert it, or make the file with logan data prepare"
                )
            if images.end > length:
                raise ValueError(f"cut off, {images.end - length:,} bytes are missing")
            return _Contents(images, *_behind(path, file, images, length))
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a .npy file ({error}); make or copy it again") from None


def _behind(
    path: Path, file: BinaryIO, images: Npy, length: int
) -> tuple[Tensor | None, list[str] | None, Sums | None]:
    """Labels, names of classes, and checksums; None where the file ends before. Of anything else, ValueError."""
    file.seek(0)
    rest = zlib.crc32(file.read(images.start))
    labels: Tensor | None = None
    names: list[str] | None = None
    at = images.end
    while at < length:
        file.seek(at)
        part = read_header(file)
        if part.end > length or len(part.shape) != 1:
            raise ValueError("cut off, or something else behind the images")
        if part.size > MOST_HELD or (part.kind[:2] == "<U" and part.shape[0] > MOST_NAMES):
            raise ValueError(f"{in_units(part.size)} behind the images, more than is read there")
        file.seek(at)
        header, data = file.read(part.start - at), file.read(part.size)
        if part.kind == "<i8" and labels is None and part.shape == images.shape[:1]:
            labels = torch.from_numpy(np.frombuffer(data, np.int64).copy())
        elif part.kind[:2] == "<U" and names is None and labels is not None and part.size:
            width = part.size // part.shape[0]
            cells = (data[i * width : (i + 1) * width] for i in range(part.shape[0]))
            names = [cell.decode("utf-32-le", "replace").rstrip("\0") for cell in cells]
        elif part.kind == "<u4" and (labels is None) == (names is None) and part.end == length:
            return labels, names, _sums(path, np.frombuffer(data, np.uint32), images, rest)
        else:
            raise ValueError("something else than labels and checksums behind the images")
        rest = zlib.crc32(data, zlib.crc32(header, rest))
        at = part.end
    if (labels is None) != (names is None):
        raise ValueError("cut off behind the labels")
    return labels, names, None


def _sums(path: Path, numbers: np.ndarray, images: Npy, rest: int) -> Sums:
    count, blocks = images.shape[0], numbers[2:]
    rows = int(numbers[0]) if len(numbers) else 0
    if rows < 1 or len(blocks) != -(-count // rows) or int(numbers[1]) != rest:
        raise InputError(f"{path}: damaged, the checksum of its labels is wrong; copy it again, or make it again")
    return Sums(rows, blocks)


def _whole(path: Path, contents: _Contents) -> np.ndarray:
    shape, sums = contents.images.shape, contents.sums
    images = np.empty(shape, np.uint8)
    rows = rows_of_a_block(images[0].size) if sums is None else sums.rows
    with open(path, "rb") as file:
        file.seek(contents.images.start)
        for start in range(0, len(images), rows):
            part = images[start : start + rows]
            if file.readinto(memoryview(part).cast("B")) < part.nbytes:  # type: ignore[arg-type]
                raise InputError(f"{path}: cut off while it was read; make or copy it again")
            if sums is not None:
                sums.check(path, start // rows, part)
    return images
