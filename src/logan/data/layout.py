"""What the folders of an image collection mean: which images, which classes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import torch
from torch import Tensor

from logan.errors import InputError
from logan.foreign import Fields, damaged, load_json

from .bounds import MOST_JSON, MOST_SIDE
from .formats import OTHER_SUFFIXES, SUFFIXES
from .sources import Source

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "eval", "dev"),
    "test": ("test", "testing"),
}
"""What folders of the splits are called, in upper or lower case."""
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
    2. of train, val and test folders that are all there is, the split's is taken, whatever their spelling (:data:`SPLITS`);
    3. a StyleGAN ``dataset.json`` at the root gives the labels, or says that there are none;
    4. else, if every image is in one of two or more top-level folders, these are the classes.

    A few images beside such folders (fewer than folders, and than half as many as the images in them) are left out, and a notice
    says so, as it does of files of other formats and of folders without an image.

    Args:
        source: the files.
        title: what to call them in messages.
        split: "train", "val" or "test".

    Raises:
        InputError: no images, no such folder where "val" or "test" is asked for, or a ``dataset.json`` that does not fit them.
    """
    everything = source.names()
    notices = list(source.notices)
    files = [n for n in everything if n.lower().endswith(SUFFIXES) or PurePosixPath(n).name == LABELS_FILE]
    root, beside = _find_root(files, title, split, notices)
    names = [n for n in files if n.startswith(root) and n.lower().endswith(SUFFIXES) and n not in beside]
    if not names:
        others = sorted({PurePosixPath(n).suffix.lower() for n in everything if n.lower().endswith(OTHER_SUFFIXES)})
        instead = f", but {', '.join(others)}, which must be converted, to PNG say" if others else ""
        raise InputError(f"{title}: no images there ({', '.join(s[1:] for s in SUFFIXES)}){instead}")
    prepared = None
    if root + LABELS_FILE in files:
        labels, class_names, prepared = _listed_labels(source, names, root, title)
    else:
        labels, class_names = _folder_labels([n[len(root) :] for n in names])
        _notice_classes([n[len(root) :] for n in everything if n.startswith(root)], class_names, title, notices)
    _notice_other_formats([n for n in everything if n.startswith(root)], title, notices)
    return Layout(names, labels, class_names, notices, prepared)


def _find_root(files: list[str], title: str, split: str, notices: list[str]) -> tuple[str, set[str]]:
    """The folder in which the images or the classes lie, and the images beside folders that are left out."""
    root = ""
    found = split == "train"
    while True:
        here = [f[len(root) :] for f in files if f.startswith(root)]
        tops = {f.partition("/")[0] for f in here if "/" in f}
        loose = [f for f in here if "/" not in f]
        strays = 0 < len(loose) < len(tops) and 2 * len(loose) < len(here) - len(loose) and LABELS_FILE not in loose
        mixed = not tops or (bool(loose) and not strays)
        if strays:
            notices.append(f"{title}: left out {_count(loose, 'image')} beside the folders, such as {root}{loose[0]}")
        elif mixed and len(tops) > 1 and LABELS_FILE not in loose:
            notices.append(
                f"{title}: no classes, since {_count(loose, 'image')} are in no folder, such as {root}{loose[0]}; "
                "move them away if the folders are classes"
            )
        if not mixed and (folders := _splits(tops)) and split in folders:
            notices.append(f"{title}: taking '{folders[split]}' of the folders {', '.join(sorted(tops))}")
            tops, found, loose = {folders[split]}, True, []
        if mixed or loose or len(tops) > 1:
            if not found:
                raise InputError(f"{title}: no {split} images: there are no folders train and {split}")
            return root, {root + f for f in loose} if strays else set()
        root += f"{tops.pop()}/"


def _splits(folders: set[str]) -> dict[str, str]:
    """Splits to the folders that hold them, if all of ``folders`` do, one of them for training; else nothing."""
    known = {split: folder for folder in folders if (split := _split_of(folder))}
    return known if len(known) == len(folders) > 1 and "train" in known else {}


def _split_of(folder: str) -> str | None:
    return next((split for split, words in SPLITS.items() if folder.lower() in words), None)


def _like_splits(names: list[str], depth: int) -> set[str]:
    """A folder for each of the splits that folders at that depth have in their names, as ``train2017`` has and ``test_set``."""
    found: dict[str, str] = {}
    for folder in sorted({tuple(parts[: depth + 1]) for n in names if len(parts := n.split("/")) > depth + 1}):
        for word in re.split(r"[^a-z]+", folder[depth].lower()):
            if split := _split_of(word):
                found.setdefault(split, "/".join(folder))
    return set(found.values()) if len(found) > 1 else set()


def _folder_labels(names: list[str]) -> tuple[Tensor | None, list[str]]:
    tops = [name.partition("/")[0] for name in names]
    classes = sorted(set(tops))
    if len(classes) < 2 or any("/" not in name for name in names):
        return None, []
    number = {name: k for k, name in enumerate(classes)}
    return torch.tensor([number[top] for top in tops]), classes


def _notice_classes(names: list[str], classes: list[str], title: str, notices: list[str]) -> None:
    """What a person may have meant otherwise: folders that look like splits, and folders in which no image was found."""
    splits = [name for name in classes if _split_of(name) == "train"]
    if splits:
        notices.append(
            f"{title}: the folder {splits[0]} is taken for a class, since there are others that are no split; for splits, "
            "leave only folders called train, val and test"
        )
    elif len(found := sorted(_like_splits(names, 0))) > 1 or len(found := sorted(_like_splits(names, 1))) > 1:
        folders = ", ".join(found[:3])
        notices.append(
            f"{title}: folders such as {folders} look like the splits of a set, and all of them are trained on; for splits, "
            "put folders called train, val and test above those of the classes"
        )
    empty = sorted({name.partition("/")[0] for name in names if "/" in name} - set(classes)) if classes else []
    if empty:
        notices.append(f"{title}: no class of {_count(empty, 'folder')} without an image, such as {empty[0]}")


def _notice_other_formats(names: list[str], title: str, notices: list[str]) -> None:
    others = [name for name in names if name.lower().endswith(OTHER_SUFFIXES)]
    if others:
        notices.append(
            f"{title}: left out {_count(others, 'file')} of formats that are not read, such as {others[0]}; "
            "convert them, to PNG say"
        )


def _count(things: list[str], what: str) -> str:
    return f"{len(things):,} {what}{'s' * (len(things) > 1)}"


def _listed_labels(
    source: Source, names: list[str], root: str, title: str
) -> tuple[Tensor | None, list[str], tuple[int, int] | None]:
    """Labels from ``{"labels": [["00000/img00000000.png", 6], …]}``, the format of StyleGAN's ``dataset_tool.py``.

    ``logan data prepare`` adds the classes' names, and the size and channels that all images have.
    """
    where, advice = (
        f"{title}: {root}{LABELS_FILE}",
        "it is not of StyleGAN's format: mend or delete it",
    )
    data = source.read(root + LABELS_FILE, MOST_JSON + 4 * sum(map(len, names)))
    content = Fields(load_json(data, where, advice), where, advice)
    pairs = content.items("labels", default=None)
    prepared = content.group("prepared", default=None)
    known = None
    if prepared is not None:
        side = prepared.integer("image_size", least=1, most=MOST_SIDE)
        known = side, prepared.integer("channels", least=1, most=3)
        if known[1] == 2:
            damaged(where, "channels are 2, not 1 or 3", advice)
    if not pairs:
        return None, [], known
    table = _table(pairs, where, advice)
    missing = next((n for n in names if n[len(root) :] not in table), None)
    if missing is not None:
        raise InputError(f"{where} has no label for {missing}; add it, or delete {LABELS_FILE}")
    labels = [table[n[len(root) :]] for n in names]
    classes = content.words("classes", default=None)
    named = classes is not None and len(classes) > max(labels)
    return torch.tensor(labels), [str(k) for k in (classes if named else range(max(labels) + 1))], known


def _table(pairs: list[object], where: str, advice: str) -> dict[str, int]:
    table: dict[str, int] = {}
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            damaged(where, "a label that is not a pair of a file's name and a number", advice)
        name, label = pair[0].replace("\\", "/"), pair[1]
        if type(label) is not int or not 0 <= label < MOST_CLASSES:
            raise InputError(
                f"{where}: each label must be an integer from 0 to {MOST_CLASSES - 1}; that of {name[:80]} is not"
            )
        if table.setdefault(name, label) != label:
            raise InputError(
                f"{where} gives {name[:80]} both the label {table[name]} and the label {label}; keep the right one"
            )
    return table
