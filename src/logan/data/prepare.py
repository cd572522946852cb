"""Make a large collection of images into one file that trains fast: ``logan data prepare``.

The result is a zip (:mod:`logan.data.zip_pack`), which other code bases read too, or an array (:mod:`logan.data.array`), which
opens at once however many images it holds.
"""

from __future__ import annotations

import shutil
import warnings
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from logan.errors import InputError
from logan.files import size_text, write_atomically
from logan.unfinished import remove_abandoned

from .array import SUFFIX, ArrayPack
from .images import Fit, decode
from .labels_file import take_labels
from .layout import Layout, lay_out
from .misplaced import check_is_data
from .parallel import Progress, in_order
from .sources import Source, open_source, with_file
from .zip_pack import ZipPack

SUFFIXES = (".zip", SUFFIX)
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
    enlarge: bool = False,
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
            ``hf:FOLDER``, with ``:SPLIT`` or not, for a set of Hugging Face's ``datasets`` (extra: hf).
        destination: the ``.zip`` or ``.npy`` to be written; it appears when it is complete.
        size: side of the images in pixels; crop and filter are those of :class:`logan.data.images.Fit`.
        channels: 1 or 3.
        enlarge: take images that are smaller than ``size`` too, and enlarge them; else they are left out.
        split: of folders called train, val and test, or of a Hugging Face set.
        labels: a file with classes, for images that are not in class folders; see :func:`logan.data.labels_file.take_labels`.
        limit: take only so many, evenly spread.
        threads: that decode; None for one per core.
        progress: as :func:`logan.data.open_data` takes it.

    Raises:
        InputError: an argument that cannot be, nothing there, no place on the disk, or not one image that can be used.
    """
    if destination.suffix.lower() not in SUFFIXES or destination.is_dir():
        raise InputError(f"the destination {destination} must be a file called {' or '.join(SUFFIXES)}", "destination")
    if not 1 <= size <= 8192:
        raise InputError(f"`size` must be 1 to 8192, not {size}")
    if channels not in (1, 3):
        raise InputError(f"`channels` must be 1 or 3, not {channels}")
    for name, count in (("limit", limit), ("workers", threads)):
        if count is not None and count < 1:
            raise InputError(f"`{name}` must be >= 1, not {count}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    files, layout = _open(source, split)
    if labels is not None:
        take_labels(layout, labels)
    if limit is not None:
        n = len(layout.names)
        layout.keep(sorted({i * n // limit for i in range(limit)}) if limit < n else list(range(n)))
    remove_abandoned(destination.parent, destination.name)
    fit = Fit(size, channels, enlarge=enlarge)
    _check_room(destination.parent, len(layout.names), fit)
    packer = _Packer(files, layout, fit, ArrayPack if destination.suffix.lower() == SUFFIX else ZipPack)
    with warnings.catch_warnings():  # of damaged EXIF data, which ImageNet has; their images are whole
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        write_atomically(destination, lambda partial: packer.pack(partial, threads, progress))
    return Prepared(packer.count, len(layout.class_names), packer.left_out, layout.notices)


@dataclass
class _Packer:
    files: Source
    layout: Layout
    fit: Fit
    kind: type[ZipPack] | type[ArrayPack]
    left_out: list[str] = field(default_factory=list)
    count: int = 0

    def pack(self, path: Path, threads: int | None, progress: Progress | None) -> None:
        names = self.layout.names
        labels = [None] * len(names) if self.layout.labels is None else self.layout.labels.tolist()
        with closing(self.kind(path, self.fit, len(names))) as pack:
            results = in_order(
                lambda i: self._encoded(names[i], pack), len(names), "preparing images", progress, threads
            )
            with closing(results):  # at an interruption the threads must end before the file goes
                for label, result in zip(labels, results, strict=True):
                    if isinstance(result, str):
                        self.left_out.append(result)
                    else:
                        pack.add(result, label)
            if not pack.count:
                raise InputError(f"not one image can be used; the first is {self.left_out[0]}")
            pack.finish(self.layout.class_names)
            self.count = pack.count

    def _encoded(self, name: str, pack: ZipPack | ArrayPack) -> bytes | str:
        """An image as it is packed, or why there is none."""
        try:
            image = with_file(self.files, name, decode)
        except InputError as error:
            return str(error)
        size = self.fit.image_size
        if min(image.size) < size and not self.fit.enlarge:
            return f"{name} is {image.width}×{image.height} pixels, smaller than `size` {size} (`enlarge` takes it too)"
        return pack.encode(self.fit(image, name))


def _open(source: str, split: str) -> tuple[Source, Layout]:
    if source.startswith("hf:"):
        from .hugging_face import open_hugging_face

        name = source.removeprefix("hf:")
        if ":" in name and not Path(name).exists():
            name, _, split = name.rpartition(":")
        if not name or not split:
            raise InputError(
                f"{source}: give hf:NAME or hf:FOLDER, with :SPLIT or not, such as hf:ILSVRC/imagenet-1k:validation"
            )
        return open_hugging_face(name, split)
    check_is_data(source)
    path = Path(source).expanduser()
    files = open_source(path)
    return files, lay_out(files, str(path), split)


def _check_room(folder: Path, count: int, fit: Fit) -> None:
    size = fit.image_size
    needed, free = count * (size * size * fit.channels + HEADER), shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder} has {size_text(free)} free, and {count:,} images of {size}×{size} take "
            f"{size_text(needed)}: choose another place, or a smaller `size`"
        )
