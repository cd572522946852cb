"""Classes of images that are not in class folders, from a file: ImageNet's validation images."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from logan.errors import InputError, first_line
from logan.regular import open_regular, read_regular

from .bounds import MOST_MATLAB, MOST_TEXT, in_units, read_at_most
from .formats import SUFFIXES
from .layout import Layout
from .matlab import read_table

META = "meta.mat"
BOXES = re.compile(r"(n\d{8})\s+-?\d+(?:\s+(?:n\d{8}|-?\d+))*")
"""A synset, and the boxes of its objects: of Kaggle's classes only the synset counts."""


def take_labels(layout: Layout, path: Path) -> None:
    """Gives the images of ``layout`` the classes that ``path`` lists; classes are numbered in the order of their names.

    ``path`` is one of

    - lines of a file's name and a class, a comma, a tab or else the first space between: Kaggle's ``LOC_val_solution.csv``.
      A name may lack its suffix, or folders, if it still fits one image only. Lines that fit no image do no harm;
    - the devkit's ``ILSVRC2012_validation_ground_truth.txt``: one number per image, in the order of the images' names. The numbers
      are not those of the sorted synsets that training uses; ``meta.mat``, which lies beside that file, says which synset each is.

    Raises:
        InputError: it cannot be read, or does not fit the images.
    """
    try:
        with open_regular(path, through_links=True) as file:
            advice = "a line is needed for each image, and no more"
            text = read_at_most(file, MOST_TEXT, f"`labels` {path}", advice).decode(
                "utf-8-sig"
            )  # Excel puts a mark first
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"`labels` {path} cannot be read ({reason})") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    words = text.split()
    devkit = bool(words) and all(word.isdecimal() for word in words) and len(words) == len(text.strip().splitlines())
    classes = _by_number(layout, path, words) if devkit else _by_name(layout, path, text)
    layout.class_names = sorted(set(classes))
    number = {name: k for k, name in enumerate(layout.class_names)}
    layout.labels = torch.tensor([number[c] for c in classes])


class _Line(NamedTuple):
    number: int
    name: str
    label: str  # empty where the line has none

    def __str__(self) -> str:
        return f"line {self.number} (name {_short(self.name)}, class {_short(self.label)})"


def _by_name(layout: Layout, path: Path, text: str) -> list[str]:
    """The class of every image. The most exact match counts, so that ``a/1.png`` is not taken for ``b/1.png``."""
    lines = _lines(path, text)
    deepest = max((n.count("/") + 1 for n in layout.names), default=0)
    # a list may have been made in a folder above the images, or below: then only the last parts of the names agree
    keys: list[Callable[[str], str]] = [str, *(partial(_last_parts, count=k) for k in (0, *range(deepest, 0, -1)))]
    found: dict[str, str] = {}
    for key in keys:
        if len(found) < len(layout.names):
            _match(layout.names, lines, key, found, path)
    missing = next((n for n in layout.names if n not in found), None)
    if missing is not None:
        raise InputError(_no_class(missing, lines, path))
    return [found[n] for n in layout.names]


def _match(names: list[str], lines: list[_Line], key: Callable[[str], str], found: dict[str, str], path: Path) -> None:
    """Puts into ``found`` the classes of further images whose key is also a line's. Raises InputError for ambiguous keys."""
    images: dict[str, list[str]] = {}
    for name in names:
        images.setdefault(key(name), []).append(name)
    given: dict[str, list[_Line]] = {}
    for line in lines:
        if line.label and (k := key(line.name)) in images:
            given.setdefault(k, []).append(line)
    for k, (first, *more) in given.items():
        image = next((n for n in images[k] if n not in found), None)
        if image is None:
            continue
        other = next((line for line in more if line.label != first.label), None)
        if other is not None:
            raise InputError(
                f"`labels` {path}: both {first} and {other} fit {image}; "
                f"give it a single line that starts with its whole name"
            )
        if len(images[k]) > 1:
            raise InputError(
                f"`labels` {path}: {first} fits both {' and '.join(images[k][:2])}; "
                f"give each a line that starts with its whole name"
            )
        found[image] = first.label


def _last_parts(name: str, count: int) -> str:
    """The last ``count`` parts of a path, 0 for all, without a suffix of images: ``v.1`` is a name that only holds a dot."""
    stem, suffix = os.path.splitext(name.replace("\\", "/"))
    parts = (stem if suffix.lower() in SUFFIXES else stem + suffix).split("/")
    return "/".join([p for p in parts if p not in ("", ".")][-count:])


def _lines(path: Path, text: str) -> list[_Line]:
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                lines.append(_Line(number, *_name_and_class(line.strip())))
            except csv.Error as error:
                raise InputError(
                    f"`labels` {path}: line {number} cannot be read ({error}); mend its quotes: {_short(line)}"
                ) from None
    return lines


def _name_and_class(line: str) -> tuple[str, str]:
    """Both of a line; the class may be empty. Raises csv.Error."""
    delimiter = next((d for d in "\t," if d in line), None)
    if delimiter is None:
        name, _, label = line.partition(" ")
    else:  # each line by itself, so that an open quote does not swallow those below it
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))
        name, label = cells[0], cells[1] if len(cells) > 1 else ""
    label = label.strip()
    boxes = BOXES.fullmatch(label)
    return name.strip(), boxes[1] if boxes else label


def _no_class(image: str, lines: list[_Line], path: Path) -> str:
    """Why ``image`` has none, as far as the lines tell."""
    message = f"`labels` {path} has no class for {image}; "
    if not lines:
        return message + "it is empty"
    named = next((line for line in lines if _last_parts(line.name, 1) == _last_parts(image, 1)), None)
    line = named or lines[0]
    label = f"the class {_short(line.label)}" if line.label else "no class"
    return (
        f"{message}every line is a file's name and its class, with a comma, a tab or else the first space between; "
        f"line {line.number} was read as the name {_short(line.name)} and {label}"
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _by_number(layout: Layout, path: Path, numbers: list[str]) -> list[str]:
    if len(numbers) != len(layout.names):
        raise InputError(
            f"`labels` {path} has {len(numbers):,} numbers for {len(layout.names):,} images; take all images"
        )
    synsets = _synsets(path.with_name(META), path)
    unknown = next((n for n in numbers if len(n) > 9 or int(n) not in synsets), None)
    if unknown is not None:
        raise InputError(
            f"`labels` {path} has the number {unknown[:20]}, which {META} does not know; take those of one devkit"
        )
    return [synsets[int(n)] for n in numbers]


def _synsets(meta: Path, path: Path) -> dict[int, str]:
    """ILSVRC2012_ID ↦ WordNet ID."""
    instead = "or take LOC_val_solution.csv instead"
    if not meta.is_file():
        raise InputError(
            f"`labels` {path} needs {META} of the devkit beside it, which names its numbers; put it there, {instead}"
        )
    if meta.stat().st_size > MOST_MATLAB:
        raise InputError(
            f"{meta} is larger than the {in_units(MOST_MATLAB)} that are read of it; copy it again, {instead}"
        )
    try:
        rows = read_table(read_regular(meta, MOST_MATLAB, through_links=True), "synsets", ("ILSVRC2012_ID", "WNID"))
        return {int(number): str(synset) for number, synset in rows}
    except (OSError, ValueError, OverflowError) as error:  # a number that is none, or infinite
        raise InputError(f"{meta} cannot be read ({first_line(error)}); copy it again, {instead}") from None
