"""Any folder or zip file of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from logan.errors import InputError

from .dataset import BrokenImage, InMemory, Streamed
from .formats import load_decoders
from .images import Fit, Header, Wanted, decode, read_header
from .layout import LABELS_FILE, Layout, lay_out
from .parallel import Progress, Result, in_order
from .sources import Source, open_source, with_file

MEMORY_LIMIT = 2 * 2**30
FEW = 10
"""One image in so many may be left out for being small, when a size is suggested."""
SMALL = 160 * 160  # pixels; measured on 2 cores: with smaller images, threads lose more to Python's lock than they win


def load_images(
    path: Path,
    wanted: Wanted,
    *,
    skip_broken: bool,
    memory_limit: int,
    progress: Progress | None,
    split: str,
    skip_small: bool = False,
) -> InMemory | Streamed:
    """Reads a folder or zip file of images of the formats in :mod:`logan.data.formats`, at any depth.

    Every file is checked before this returns (those of ``logan data prepare`` were, when it made them): decoded, if the
    whole set fits into ``memory_limit``; else by its header and checksums, and decoded when its turn comes.
    :func:`logan.data.layout.lay_out` says where classes come from, :class:`logan.data.images.Fit` how an image becomes
    a square; the arguments are those of :func:`logan.data.open_data`.

    Raises:
        InputError: nothing there, no images, broken or too small images, or images of several sizes.
    """
    load_decoders()
    source = open_source(path)
    layout = lay_out(source, str(path), split)
    headers, broken = _read_headers(source, layout, skip_broken, progress)
    side = 0 if wanted.image_size else _common_size(layout.names, headers, str(path), wanted.pad)
    fit = wanted.fit(side, 1 if all(h.grey for h in headers) else 3)
    headers, left_out = _without_small(headers, layout, fit, skip_small)
    reader = Reader(source, layout.names, fit, None if layout.prepared is None else layout.prepared[0])
    name = path.resolve().name if path.is_dir() else path.stem
    count, notices = len(headers), [*layout.notices, *left_out]
    if count * fit.channels * fit.image_size**2 > memory_limit:
        described = (layout.labels, name, layout.class_names)
        shape = (fit.channels, fit.image_size)
        return Streamed(reader, count, shape, *described, skip_broken=skip_broken, notices=notices, broken=broken)
    images = torch.empty(count, fit.channels, fit.image_size, fit.image_size, dtype=torch.uint8)

    def fill(index: int) -> int:
        images[index] = reader(index)
        return index

    threads = 1 if sum(h.width * h.height for h in headers) < SMALL * count else None
    kept, late = _without_broken(fill, layout, "decoding images", skip_broken, progress, threads)
    images = images[kept] if late else images
    return InMemory(images, layout.labels, name, layout.class_names, notices=notices, broken=sorted(broken + late))


def _read_headers(
    source: Source, layout: Layout, skip_broken: bool, progress: Progress | None
) -> tuple[list[Header], list[str]]:
    """Of all images, and the names of broken ones; those that ``logan data prepare`` made are not looked at again."""
    if layout.prepared is not None:
        side, kind = layout.prepared
        return [Header(side, side, kind == 1)] * len(layout.names), []
    names = layout.names
    return _without_broken(
        lambda i: with_file(source, names[i], read_header), layout, "checking images", skip_broken, progress
    )


def _without_small(headers: list[Header], layout: Layout, fit: Fit, skip: bool) -> tuple[list[Header], list[str]]:
    """The headers of images that are large enough, which alone stay in ``layout``; and a line about the others."""
    small = _smaller(headers, fit)
    if not small:
        return headers, []
    if not skip or len(small) == len(headers):
        raise InputError(_about_small(layout.names, headers, small, fit))
    left_out = _left_out([layout.names[i] for i in small], fit)
    kept = [i for i in range(len(headers)) if i not in set(small)]
    layout.keep(kept)
    return [headers[i] for i in kept], [left_out]


@dataclass
class Reader:
    """i ↦ image i, uint8 (C, S, S); picklable, for worker processes."""

    source: Source
    names: list[str]
    fit: Fit
    side: int | None = None
    """Of every image, where ``logan data prepare`` says so; images are not looked at before, then."""

    def __call__(self, index: int) -> Tensor:
        name = self.names[index]
        image = with_file(self.source, name, decode)
        if self.side is not None and image.size != (self.side, self.side):
            said = f"{self.side}×{self.side}; prepare the set again"
            raise BrokenImage(f"{name}: {image.width}×{image.height} pixels where {LABELS_FILE} says {said}")
        return self.fit(image, name)


def _without_broken(
    work: Callable[[int], Result],
    layout: Layout,
    description: str,
    skip_broken: bool,
    progress: Progress | None,
    threads: int | None = None,
) -> tuple[list[Result], list[str]]:
    """What ``work`` makes of all images but the broken ones, and the names of those, which then leave the layout."""

    def attempt(index: int) -> Result | BrokenImage:
        try:
            return work(index)
        except BrokenImage as error:
            return BrokenImage(str(error))  # the error itself would keep the file, by way of its traceback

    results = list(in_order(attempt, len(layout.names), description, progress, threads))
    broken = {name: r for name, r in zip(layout.names, results, strict=True) if isinstance(r, BrokenImage)}
    if broken:
        first = next(iter(broken.values()))
        if not skip_broken:
            count = f"{len(broken)} of {len(results)} images are broken, the first is " if len(broken) > 1 else ""
            raise InputError(f"{count}{first}; `skip_broken` goes on without")
        if len(broken) == len(results):
            raise InputError(f"every image is broken; the first is {first}")
        layout.keep([i for i, r in enumerate(results) if not isinstance(r, BrokenImage)])
    return [r for r in results if not isinstance(r, BrokenImage)], list(broken)


def _smaller(headers: list[Header], fit: Fit) -> list[int]:
    """Which images are smaller than is asked for: pixels are not invented unasked."""
    return [i for i, h in enumerate(headers) if min(h.width, h.height) < fit.inner and not fit.enlarge]


def _about_small(names: list[str], headers: list[Header], small: list[int], fit: Fit) -> str:
    first, most = headers[small[0]], min(min(h.width, h.height) for h in headers) + 2 * fit.pad
    which = f"{names[small[0]]} is {first.width}×{first.height} pixels"
    if len(small) > 1:
        which = f"{len(small):,} of {len(names):,} images are too small, the first: {which}"
    without = f"`skip_small` leaves {'it' if len(small) == 1 else 'them'} out, or "
    return (
        f"{which}, smaller than the size asked for ({fit.inner}): {without if len(small) < len(names) else ''}"
        f"pass a smaller `image_size` (at most {most}), or larger images; logan data prepare can enlarge"
    )


def _left_out(names: list[str], fit: Fit, shown: int = 5) -> str:
    named = ", ".join(names[:shown]) + (", …" if len(names) > shown else "")
    return f"left out {len(names):,} image{'s' * (len(names) > 1)} smaller than {fit.inner} pixels: {named}"


def _common_size(names: list[str], headers: list[Header], title: str, pad: int) -> int:
    first = headers[0]
    odd = next(((n, h) for n, h in zip(names, headers, strict=True) if not h.width == h.height == first.width), None)
    if odd is not None:
        name, header = odd
        sides = sorted(min(h.width, h.height) for h in headers)
        smallest, most = sides[0], sides[len(sides) // FEW]
        few = sum(side < most for side in sides)
        instead = f", or {most + 2 * pad} with `skip_small`, which leaves {few:,} of {len(sides):,} out" if few else ""
        raise InputError(
            f"{title}: the images are not all squares of one size ({name} is {header.width}×{header.height}): "
            f"pass `image_size`, at most {smallest + 2 * pad}{instead}"
        )
    return first.width
