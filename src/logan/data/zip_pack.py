"""Images as an uncompressed zip of uncompressed PNGs, as StyleGAN's ``dataset_tool.py`` lays them out."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from torch import Tensor

from .images import Fit, picture
from .layout import LABELS_FILE


class ZipPack:
    """Writes such a file, image by image: ``00000/img00000000.png``, … and ``dataset.json``.

    Args:
        path: where.
        fit: size and channels of the images.
        planned: how many there will be at most; a zip need not know.
    """

    def __init__(self, path: Path, fit: Fit, planned: int = 0) -> None:
        self.fit, self.count = fit, 0
        self.pairs: list[tuple[str, int]] = []
        self.archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)
        self.close = self.archive.close

    def encode(self, pixels: Tensor) -> bytes:
        """uint8 (C, S, S) as a PNG; may run in another thread."""
        data = io.BytesIO()
        picture(pixels.numpy()).save(data, format="png", compress_level=0)  # to be read many times, and written once
        return data.getvalue()

    def add(self, data: bytes, label: int | None) -> None:
        """The next image, as :meth:`encode` gave it."""
        name = f"{self.count // 1000:05d}/img{self.count:08d}.png"
        self.archive.writestr(_entry(name), data)
        self.count += 1
        if label is not None:
            self.pairs.append((name, label))

    def finish(self, class_names: list[str]) -> None:
        """StyleGAN's labels; and for us the names of the classes, and what every image is."""
        description = {
            "labels": self.pairs or None,
            "classes": class_names,
            "prepared": {"image_size": self.fit.image_size, "channels": self.fit.channels},
        }
        self.archive.writestr(_entry(LABELS_FILE), json.dumps(description))


def _entry(name: str) -> zipfile.ZipInfo:
    """Without a date: the same images make the same file."""
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
