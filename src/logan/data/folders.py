"""Any folder or zip file of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from logan.errors import InputError

from .dataset import BrokenImage, InMemory, Streamed
from .images import Fit, Header, decode, read_header
from .layout import Layout, lay_out
from .parallel import Progress, in_order
from .sources import Source, open_source

MEMORY_LIMIT = 2 * 2**30
SMALL = 160 * 160  # pixels; measured on 2 cores: with smaller images, threads lose more to Python's lock than they win


def load_images(
    path: str | Path,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    pad: int = 0,
    skip_broken: bool = False,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
    split: str = "train",
) -> InMemory | Streamed:
    """Reads a folder or zip file of png, jpg, jpeg, bmp, webp, tif, tiff, gif and ppm images, at any depth.

    Every file is checked before this returns (those of ``logan data prepare`` were, when it made them): decoded, if the
    whole set fits into ``memory_limit``; else by its header and checksums, and decoded when its turn comes.
    :func:`logan.data.layout.lay_out` says where classes come from, :class:`logan.data.images.Fit` how an image becomes
    a square.

    Args:
        path: the folder or the zip file.
        image_size: side of the images in pixels, border included; None if all are squares of one size already.
        channels: 1 or 3; None for 1 if all images are grey, else 3.
        pad: width of a black border on each side, in pixels.
        skip_broken: leave broken images out, and list them in ``.broken``.
        memory_limit: the most bytes that decoded images may take to be held in memory.
        progress: ``progress(iterable, description, total)``, to show a bar.
        split: which of the folders "train" and "test" to take, where these are all there is.

    Raises:
        InputError: nothing there, no images, broken or too small images, or images of several sizes.
    """
    path = Path(path)
    Image.init()  # loads Pillow's plug-ins now, not from several threads at once
    source = open_source(path)
    layout = lay_out(source, str(path), split)
    if layout.prepared is None:
        headers, broken = _scan(source, layout, skip_broken, progress)
    else:  # by `logan data prepare`, which looked at every image
        side, kind = layout.prepared
        headers, broken = [Header(side, side, kind == 1)] * len(layout.names), []
    channels = channels or (1 if all(h.grey for h in headers) else 3)
    fit = Fit(image_size or _common_size(layout.names, headers, str(path), pad), channels, pad)
    for image, header in zip(layout.names, headers, strict=True):
        fit.check_side(header.width, header.height, image)
    name = path.resolve().name if path.is_dir() else path.stem
    reader = Reader(source, layout.names, fit)
    if len(headers) * channels * fit.image_size**2 > memory_limit:
        return Streamed(
            reader,
            len(headers),
            (channels, fit.image_size),
            layout.labels,
            name,
            layout.class_names,
            skip_broken=skip_broken,
            notices=layout.notices,
            broken=broken,
        )
    pixels = sum(h.width * h.height for h in headers) / len(headers)
    threads = 1 if pixels < SMALL else None
    images, late = _decode_all(reader, layout, skip_broken, progress, threads)
    broken = sorted(broken + late)
    return InMemory(images, layout.labels, name, layout.class_names, notices=layout.notices, broken=broken)


@dataclass
class Reader:
    """i ↦ image i, uint8 (C, S, S); picklable, for worker processes."""

    source: Source
    names: list[str]
    fit: Fit

    def __call__(self, index: int) -> Tensor:
        name = self.names[index]
        return self.fit(decode(self.source.read(name), name), name)


def _scan(
    source: Source, layout: Layout, skip_broken: bool, progress: Progress | None
) -> tuple[list[Header], list[str]]:
    def header(index: int) -> Header | BrokenImage:
        name = layout.names[index]
        try:
            return read_header(source.read(name), name)
        except BrokenImage as error:
            return error

    results = list(in_order(header, len(layout.names), "checking images", progress))
    broken = _drop_broken(layout, {i: r for i, r in enumerate(results) if isinstance(r, BrokenImage)}, skip_broken)
    return [r for r in results if isinstance(r, Header)], broken


def _decode_all(
    reader: Reader, layout: Layout, skip_broken: bool, progress: Progress | None, threads: int | None
) -> tuple[Tensor, list[str]]:
    count, fit = len(layout.names), reader.fit
    images = torch.empty(count, fit.channels, fit.image_size, fit.image_size, dtype=torch.uint8)

    def fill(index: int) -> BrokenImage | None:
        try:
            images[index] = reader(index)
        except BrokenImage as error:
            return error
        return None

    results = in_order(fill, count, "decoding images", progress, threads)
    faults = {i: r for i, r in enumerate(results) if r is not None}
    good = torch.tensor([i not in faults for i in range(count)])
    broken = _drop_broken(layout, faults, skip_broken)
    return images[good] if broken else images, broken


def _drop_broken(layout: Layout, faults: dict[int, BrokenImage], skip_broken: bool) -> list[str]:
    """Takes broken images out of the layout, if that is wished, and returns their names."""
    if not faults:
        return []
    first = next(iter(faults.values()))
    if not skip_broken:
        count = f"{len(faults)} of {len(layout.names)} images are broken, the first is " if len(faults) > 1 else ""
        raise InputError(f"{count}{first}; `skip_broken` goes on without")
    if len(faults) == len(layout.names):
        raise InputError(f"every image is broken; the first is {first}")
    broken = [layout.names[i] for i in faults]
    kept = [i for i in range(len(layout.names)) if i not in faults]
    layout.names = [layout.names[i] for i in kept]
    layout.labels = None if layout.labels is None else layout.labels[kept]
    return broken


def _common_size(names: list[str], headers: list[Header], title: str, pad: int) -> int:
    first = headers[0]
    odd = next(((n, h) for n, h in zip(names, headers, strict=True) if not h.width == h.height == first.width), None)
    if odd is not None:
        name, header = odd
        smallest = min(min(h.width, h.height) for h in headers)
        raise InputError(
            f"{title}: the images are not all squares of one size ({name} is {header.width}×{header.height}): "
            f"pass `image_size`, at most {smallest + 2 * pad}"
        )
    return first.width + 2 * pad
