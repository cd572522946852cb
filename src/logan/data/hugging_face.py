"""A set of Hugging Face's ``datasets`` as files and classes (extra: hf)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from logan.errors import InputError, not_installed

from .bounds import MOST_BYTES
from .dataset import BrokenImage
from .layout import Layout
from .sources import Folder, Source


def open_hugging_face(name: str, split: str) -> tuple[Source, Layout]:
    """The images of a set on the Hub, or of a folder that ``save_to_disk`` or ``load_dataset`` know.

    Args:
        name: ``ILSVRC/imagenet-1k``, or a path.
        split: ``train``, ``validation`` …

    Raises:
        InputError: ``datasets`` is not installed, there is no such set or split, or it has no images, or lacks classes for some.
    """
    try:
        import datasets
    except ImportError:
        raise not_installed("a set of Hugging Face (hf:…)", "datasets", "hf") from None
    if hasattr(datasets, "config"):
        datasets.config.HF_DATASETS_TRUST_REMOTE_CODE = False  # versions before 4 run a set's own loading script
    try:
        if (Path(name) / "state.json").exists() or (Path(name) / "dataset_dict.json").exists():
            loaded = datasets.load_from_disk(name)
            rows = loaded[split] if isinstance(loaded, datasets.DatasetDict) else loaded
        else:
            rows = datasets.load_dataset(name, split=split)
    except Exception as error:  # the Hub, the network and the file system each raise their own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"hf:{name}, split {split}, cannot be had ({reason})") from None
    images = [k for k, f in rows.features.items() if isinstance(f, datasets.Image)]
    if not images:
        raise InputError(f"hf:{name} has no column of images; its columns are {', '.join(rows.features)}")
    if not len(rows):
        raise InputError(f"hf:{name}, split {split}, has no rows: take another `split`")
    classes = [k for k, f in rows.features.items() if isinstance(f, datasets.ClassLabel)]
    rows = rows.cast_column(images[0], datasets.Image(decode=False))
    files = Rows(rows, images[0])
    if not classes:
        return files, Layout(files.names())
    given = list(rows[classes[0]][:])
    if None in given:
        raise InputError(
            f"hf:{name}, split {split}, has rows without a class (the first is row {given.index(None)}): "
            f"filter them out, or take another `split`"
        )
    labels = torch.tensor(given)
    if int(labels.min()) < 0:
        raise InputError(f"hf:{name}, split {split}, has images without a class (−1): take another `split`")
    return files, Layout(files.names(), labels, list(rows.features[classes[0]].names))


class Rows:
    """Rows of a set as files, whose names are their numbers."""

    def __init__(self, rows: Any, column: str) -> None:
        self.rows, self.column = rows, column
        self.notices: list[str] = []

    def names(self) -> list[str]:
        return [f"{i:08d}" for i in range(len(self.rows))]

    def size(self, name: str) -> int:
        """Not known before a row is read, which holds it in memory."""
        return 0

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        value = self.rows[int(name)][self.column]
        if value is None or (value["bytes"] is None and value["path"] is None):
            raise BrokenImage(f"{name}: the row has no image")
        if value["bytes"] is not None:
            return value["bytes"]
        try:
            path = Path(value["path"])
            if path.exists() and not path.is_file():
                raise BrokenImage(f"{path.name}: is not a file")  # a pipe would be waited for
            return Folder(path.parent).read(path.name, most)
        except BrokenImage as error:
            raise BrokenImage(f"{name}, {path.parent}/{error}") from error
