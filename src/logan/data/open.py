"""One word or path to a data set, or the settings that name one."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Literal

from PIL import Image

from logan.config.groups import DataConfig
from logan.errors import InputError, did_you_mean

from .array import SUFFIX, load_array
from .cifar import find_cifar, load_cifar
from .dataset import InMemory, Streamed
from .digits import load_digits
from .fit import fit
from .folders import MEMORY_LIMIT, load_images
from .idx import find_idx, load_idx
from .images import Wanted
from .misplaced import BUILT_IN, check_is_data
from .mixtures import Mixture, grid, ring
from .parallel import Progress


def open_data(
    source: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    pad: int = 0,
    skip_broken: bool = False,
    skip_small: bool = False,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
    split: str = "train",
) -> InMemory | Streamed | Mixture:
    """Opens ``digits``, ``ring``, ``grid``, or what is at a path; the kind is recognised by what is there.

    A path may be a folder, zip file or uncompressed tar file of images, a ``.npy`` file of ``logan data prepare``, a
    folder of idx files (MNIST, Fashion-MNIST) or one of them, or CIFAR-10 in its python or binary version, as a folder or
    tar archive. A folder of your own called ``digits`` is ``./digits``.

    Args:
        source: the word or path.
        image_size: side of the images in pixels, border included; None keeps the size they have.
        channels: 1 (luminance) or 3; None keeps what they have; for folders, 1 if all images are grey, else 3.
        pad: width of a black border on each side, in pixels; Fashion-MNIST with 2 has 32×32.
        skip_broken: leave broken images of a folder or zip file out, and list them in ``.broken``.
        skip_small: leave images of a folder or zip file out that are smaller than asked for, and say so in ``.notices``.
        memory_limit: folders, zip and ``.npy`` files that would take more bytes decoded are streamed.
        progress: ``progress(iterable, description, total)``, to show a bar while a folder or zip file is read.
        split: "train", or "test" for CIFAR-10, idx folders, and folders or zip files with folders train and test.

    Raises:
        InputError: nothing there, not a known kind, damaged, or images smaller than asked for.
    """
    if pad < 0:
        raise InputError(f"`pad` must be at least 0, not {pad}")
    if image_size is not None and image_size - 2 * pad < 1:
        raise InputError(f"`image_size` {image_size} leaves no pixel for {source} inside a border of {pad}")
    check_is_data(source)
    if source in ("ring", "grid"):
        mixture = ring() if source == "ring" else grid()
        if (image_size, channels, pad) not in [(a, b, 0) for a in (None, 1) for b in (None, 2)]:
            raise InputError(f"{source} is points in the plane: leave `image_size`, `channels` and `pad` away")
        return mixture
    if channels not in (None, 1, 3):
        raise InputError(f"`channels` must be 1 or 3, not {channels}")
    wanted = Wanted(image_size, channels, pad)
    fixed = _fixed_size(source, split)
    if fixed is not None:
        return fit(fixed, wanted)
    path = Path(source).expanduser()
    if path.suffix.lower() == SUFFIX and path.is_file():
        if split != "train":
            raise InputError(f"{source}: no {split} images: a {SUFFIX} file holds one split; give that of the other")
        return load_array(path, wanted, memory_limit)
    with warnings.catch_warnings():  # of Pillow, about images that have too many pixels for us as well
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return load_images(
            path, wanted, skip_broken=skip_broken, skip_small=skip_small, memory_limit=memory_limit, progress=progress,
            split=split,
        )  # fmt: skip


def open_configured(
    settings: DataConfig, split: Literal["train", "test"] = "train", progress: Progress | None = None
) -> InMemory | Streamed | Mixture:
    """The images that the settings name, at the size and with the channels that they ask for; as :func:`open_data`."""
    return open_data(
        settings.data,
        image_size=settings.image_size,
        channels=settings.channels,
        pad=settings.pad,
        skip_broken=settings.skip_broken,
        skip_small=settings.skip_small,
        progress=progress,
        split=split,
    )


def _fixed_size(source: str, split: str) -> InMemory | None:
    """Digits, idx or CIFAR-10; None if it must be a folder or zip file of images."""
    if source == "digits":
        if split != "train":
            raise InputError("digits has no test images")
        return load_digits()
    path = Path(source).expanduser()
    if not path.exists():
        if source == path.name and not path.suffix and os.sep not in source:
            known = ", ".join(BUILT_IN)
            raise InputError(f"no data called {source!r}{did_you_mean(source, BUILT_IN)}: give {known}, or a path")
        raise InputError(f"{source}: no such file or folder")
    if path.is_file() and ("idx3-ubyte" in path.name):
        if split != "train":
            raise InputError(f"{path}: a single file has no test images; give its folder")
        return load_idx(path)
    if path.is_dir() and find_idx(path) is not None:
        return load_idx(path, split)
    if find_cifar(path) is not None:
        return load_cifar(path, split)
    return None
