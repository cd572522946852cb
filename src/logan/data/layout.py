"""What the folders of an image collection mean: which images, which classes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import torch
from torch import Tensor

from logan.errors import InputError

from .formats import SUFFIXES
from .sources import Source

SPLITS: tuple[set[str], ...] = ({"train", "test"}, {"train", "val"}, {"train", "val", "test"})
MOST_CLASSES = 100_000  # a larger label is an error in the file, not a class
LABELS_FILE = "dataset.json"


@dataclass
class Layout:
    """The images of a collection in sorted order, and their labels.

    ``names`` are complete names in the source; ``labels`` is int64 (N,), or None if the collection has no classes.
    """

    names: list[str]
    labels: Tensor | None = None
    class_names: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    prepared: tuple[int, int] | None = None
    """Side and channels that ``logan data prepare`` gave to every image; None where images must be looked at."""

    def keep(self, kept: list[int]) -> None:
        """Leave all but these images out."""
        self.names = [self.names[i] for i in kept]
        self.labels = None if self.labels is None else self.labels[kept]


def lay_out(source: Source, title: str, split: str = "train") -> Layout:
    """Finds images and classes. In this order:

    1. a single folder around everything is looked through, as a zipped folder has it;
    2. of train, val and test folders that are all there is, the split's is taken;
    3. a StyleGAN ``dataset.json`` at the root gives the labels, or says that there are none;
    4. else, if every image is in one of two or more top-level folders, these are the classes.

    Args:
        source: the files.
        title: what to call them in messages.
        split: "train", "val" or "test".

    Raises:
        InputError: no images, no such folder where "val" or "test" is asked for, or a ``dataset.json`` that does not fit them.
    """
    files = [n for n in source.names() if n.lower().endswith(SUFFIXES) or PurePosixPath(n).name == LABELS_FILE]
    root, notices = _find_root(files, title, split)
    names = [n for n in files if n.startswith(root) and n.lower().endswith(SUFFIXES)]
    if not names:
        raise InputError(f"{title}: no images there ({', '.join(s[1:] for s in SUFFIXES)})")
    prepared = None
    if root + LABELS_FILE in files:
        labels, class_names, prepared = _listed_labels(source, names, root, title)
    else:
        labels, class_names = _folder_labels([n[len(root) :] for n in names])
    return Layout(names, labels, class_names, notices, prepared)


def _find_root(files: list[str], title: str, split: str) -> tuple[str, list[str]]:
    root = ""
    notices: list[str] = []
    found = split == "train"
    while True:
        here = [f[len(root) :] for f in files if f.startswith(root)]
        tops = {f.partition("/")[0] for f in here}
        mixed = not here or any("/" not in f for f in here)
        if not mixed and tops in SPLITS and split in tops:
            notices.append(f"{title}: taking '{split}' of the folders {', '.join(sorted(tops))}")
            tops, found = {split}, True
        if mixed or len(tops) > 1:
            if not found:
                raise InputError(f"{title}: no {split} images: there are no folders train and {split}")
            return root, notices
        root += f"{tops.pop()}/"


def _folder_labels(names: list[str]) -> tuple[Tensor | None, list[str]]:
    tops = [name.partition("/")[0] for name in names]
    classes = sorted(set(tops))
    if len(classes) < 2 or any("/" not in name for name in names):
        return None, []
    number = {name: k for k, name in enumerate(classes)}
    return torch.tensor([number[top] for top in tops]), classes


def _listed_labels(
    source: Source, names: list[str], root: str, title: str
) -> tuple[Tensor | None, list[str], tuple[int, int] | None]:
    """Labels from ``{"labels": [["00000/img00000000.png", 6], …]}``, the format of StyleGAN's ``dataset_tool.py``.

    ``logan data prepare`` adds the classes' names, and the size and channels that all images have.
    """
    where = f"{title}: {root}{LABELS_FILE}"
    try:
        content = json.loads(source.read(root + LABELS_FILE))
        pairs = content.get("labels")
        table = {str(name).replace("\\", "/"): label for name, label in pairs or []}
        prepared = content.get("prepared")
        prepared = None if prepared is None else (int(prepared["image_size"]), int(prepared["channels"]))
        classes = content.get("classes")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(f"{where} is not of StyleGAN's format ({error}); mend or delete it") from error
    if not table:
        return None, [], prepared
    missing = next((n for n in names if n[len(root) :] not in table), None)
    if missing is not None:
        raise InputError(f"{where} has no label for {missing}; add it, or delete {LABELS_FILE}")
    labels = [table[n[len(root) :]] for n in names]
    if not all(type(k) is int and 0 <= k < MOST_CLASSES for k in labels):
        raise InputError(f"{where}: each label must be an integer from 0 to {MOST_CLASSES - 1}")
    named = isinstance(classes, list) and len(classes) > max(labels)
    return torch.tensor(labels), [str(k) for k in (classes if named else range(max(labels) + 1))], prepared
