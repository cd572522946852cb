"""Make a large collection of images into one file that trains fast: ``logan data prepare``.

The result is an uncompressed zip of uncompressed PNGs of one size with a ``dataset.json``, as StyleGAN's ``dataset_tool.py``
makes them, so other code bases read it too.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from PIL import Image

from logan.errors import InputError
from logan.files import write_atomically

from .images import PIL_MODES, Fit, decode
from .layout import LABELS_FILE, Layout, lay_out
from .parallel import Progress, in_order
from .sources import Source, open_source

HEADER = 2048
"""Bytes of a PNG and of its entries in a zip, beside the pixels."""


@dataclass(frozen=True)
class Prepared:
    """What was made.

    Attributes:
        images, classes: how many.
        left_out: name and reason of every file that is not in it.
        notices: lines for people.
    """

    images: int
    classes: int
    left_out: list[str]
    notices: list[str]


def prepare(
    source: str,
    destination: Path,
    *,
    size: int,
    channels: int = 3,
    split: str = "train",
    labels: Path | None = None,
    limit: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Crop, resize and pack all images of ``source``. The same bytes come out however many ``threads`` there are.

    Args:
        source: a folder or zip of images, in class folders or not, such as ImageNet's ``ILSVRC`` or its ``train``; a tar file of
            images or of tar files, such as ``ILSVRC2012_img_train.tar``, which is not unpacked; or ``hf:NAME`` or
            ``hf:FOLDER`` for a set of Hugging Face's ``datasets`` (extra: hf).
        destination: the zip to be written; it appears when it is complete.
        size: side of the images in pixels; crop and filter are those of :class:`logan.data.images.Fit`.
        channels: 1 or 3.
        split: of folders called train, val and test, or of a Hugging Face set.
        labels: lines of a file name and its class, for images that are not in class folders: ``LOC_val_solution.csv`` of ImageNet.
        limit: take only so many, evenly spread.
        threads: that decode; None for one per core.
        progress: as :func:`logan.data.open_data` takes it.

    Raises:
        InputError: nothing there, no place on the disk, or not one image that can be used.
    """
    files, layout = _open(source, split)
    if labels is not None:
        _take_labels(layout, labels)
    if limit is not None:
        _spread(layout, limit)
    needed = len(layout.names) * (size * size * channels + HEADER)
    free = shutil.disk_usage(destination.parent).free
    if needed > free:
        raise InputError(
            f"{destination.parent} has {free / 2**30:.1f} GiB free, and {len(layout.names):,} images of {size}×{size} take "
            f"{needed / 2**30:.1f} GiB: choose another place, or a smaller --size"
        )
    left_out: list[str] = []
    pack = _Packer(files, layout, Fit(size, channels), left_out)
    write_atomically(destination, lambda partial: pack(partial, threads, progress))
    return Prepared(pack.count, len(layout.class_names), left_out, layout.notices)


class _Packer:
    def __init__(self, source: Source, layout: Layout, fit: Fit, left_out: list[str]) -> None:
        self.source, self.layout, self.fit, self.left_out = source, layout, fit, left_out
        self.count = 0

    def __call__(self, path: Path, threads: int | None, progress: Progress | None) -> None:
        pairs: list[tuple[str, int]] = []
        labels = self.layout.labels
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            results = in_order(self._png, len(self.layout.names), "preparing images", progress, threads)
            for i, result in enumerate(results):
                if isinstance(result, str):
                    self.left_out.append(result)
                    continue
                name = f"{self.count // 1000:05d}/img{self.count:08d}.png"
                archive.writestr(_entry(name), result)
                if labels is not None:
                    pairs.append((name, int(labels[i])))
                self.count += 1
            if not self.count:
                raise InputError(f"not one image can be used; the first is {self.left_out[0]}")
            archive.writestr(_entry(LABELS_FILE), json.dumps(self._description(pairs)))

    def _png(self, index: int) -> bytes | str:
        """The image, or why there is none."""
        name = self.layout.names[index]
        try:
            pixels = self.fit(decode(self.source.read(name), name), name)
        except InputError as error:  # broken, or smaller than the size
            return str(error)
        picture = Image.fromarray(pixels.permute(1, 2, 0).squeeze(2).numpy(), PIL_MODES[self.fit.channels])
        data = io.BytesIO()
        picture.save(data, format="png", compress_level=0)  # to be read many times, and written once
        return data.getvalue()

    def _description(self, pairs: list[tuple[str, int]]) -> dict[str, Any]:
        return {
            "labels": pairs or None,
            "classes": self.layout.class_names,
            "prepared": {"image_size": self.fit.image_size, "channels": self.fit.channels},
        }


def _entry(name: str) -> zipfile.ZipInfo:
    """Without a date: the same images make the same file."""
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def _open(source: str, split: str) -> tuple[Source, Layout]:
    if source.startswith("hf:"):
        from .hugging_face import open_hugging_face

        return open_hugging_face(source.removeprefix("hf:"), split)
    path = Path(source).expanduser()
    files = open_source(path)
    return files, lay_out(files, str(path), split)


def _take_labels(layout: Layout, path: Path) -> None:
    """Classes by name from lines of a file's name (with or without suffix) and a class, with a comma or a space between."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--labels {path} cannot be read ({error})") from None
    table = {}
    for row in rows:
        name, _, rest = (row[0] + " " + row[1] if len(row) > 1 else row[0]).strip().partition(" ")
        table[PurePosixPath(name).stem] = rest.split()[0] if rest.split() else ""
    missing = next((n for n in layout.names if not table.get(PurePosixPath(n).stem)), None)
    if missing is not None:
        raise InputError(f"--labels {path} has no class for {missing}; every line is a file's name and its class")
    classes = [table[PurePosixPath(n).stem] for n in layout.names]
    layout.class_names = sorted(set(classes))
    number = {name: k for k, name in enumerate(layout.class_names)}
    layout.labels = torch.tensor([number[c] for c in classes])


def _spread(layout: Layout, limit: int) -> None:
    n = len(layout.names)
    kept = sorted({i * n // limit for i in range(min(limit, n))}) if limit < n else list(range(n))
    layout.names = [layout.names[i] for i in kept]
    layout.labels = None if layout.labels is None else layout.labels[kept]
