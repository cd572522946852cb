"""Classes of images that are not in class folders, from a file: ImageNet's validation images."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

import torch

from logan.errors import InputError

from .layout import Layout

META = "meta.mat"


def take_labels(layout: Layout, path: Path) -> None:
    """Gives the images of ``layout`` the classes that ``path`` lists; classes are numbered in the order of their names.

    ``path`` is one of

    - lines of a file's name (with or without suffix) and a class, a comma or a space between: Kaggle's ``LOC_val_solution.csv``;
    - the devkit's ``ILSVRC2012_validation_ground_truth.txt``: one number per image, in the order of the images' names. The numbers
      are not those of the sorted synsets that training uses; ``meta.mat``, which lies beside that file, says which synset each is.

    Raises:
        InputError: it cannot be read, or does not fit the images.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"--labels {path} cannot be read ({reason})") from None
    words = text.split()
    devkit = bool(words) and all(word.isdecimal() for word in words) and len(words) == len(text.strip().splitlines())
    classes = _by_number(layout, path, words) if devkit else _by_name(layout, path, text)
    layout.class_names = sorted(set(classes))
    number = {name: k for k, name in enumerate(layout.class_names)}
    layout.labels = torch.tensor([number[c] for c in classes])


def _by_name(layout: Layout, path: Path, text: str) -> list[str]:
    table = {}
    for row in filter(None, csv.reader(text.splitlines())):
        name, _, rest = (row[0] + " " + row[1] if len(row) > 1 else row[0]).strip().partition(" ")
        table[PurePosixPath(name).stem] = rest.split()[0] if rest.split() else ""
    missing = next((n for n in layout.names if not table.get(PurePosixPath(n).stem)), None)
    if missing is not None:
        raise InputError(f"--labels {path} has no class for {missing}; every line is a file's name and its class")
    return [table[PurePosixPath(n).stem] for n in layout.names]


def _by_number(layout: Layout, path: Path, numbers: list[str]) -> list[str]:
    if len(numbers) != len(layout.names):
        raise InputError(
            f"--labels {path} has {len(numbers):,} numbers for {len(layout.names):,} images; take all images"
        )
    synsets = _synsets(path.with_name(META), path)
    unknown = next((n for n in numbers if int(n) not in synsets), None)
    if unknown is not None:
        raise InputError(
            f"--labels {path} has the number {unknown}, which {META} does not know; take those of one devkit"
        )
    return [synsets[int(n)] for n in numbers]


def _synsets(meta: Path, path: Path) -> dict[int, str]:
    """ILSVRC2012_ID ↦ WordNet ID."""
    instead = "or take LOC_val_solution.csv instead"
    if not meta.is_file():
        raise InputError(
            f"--labels {path} needs {META} of the devkit beside it, which names its numbers; put it there, {instead}"
        )
    try:
        from scipy.io import loadmat
    except ImportError:
        raise InputError(
            f"{META} needs scipy, the extra 'analysis': pip install 'logan-gan[analysis]', {instead}"
        ) from None
    try:
        rows = loadmat(meta, squeeze_me=True)["synsets"]
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
    except Exception as error:  # scipy raises whatever a damaged file makes it stumble over
        raise InputError(
            f"{meta} cannot be read ({' '.join(str(error).split())[:200]}); copy it again, {instead}"
        ) from None
