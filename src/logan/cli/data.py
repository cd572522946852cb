"""``logan data``: prepare a large collection of images for training, and look at what a data set holds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from logan import errors
from logan.cli.arguments import free_place
from logan.cli.command import Command
from logan.cli.parsing import dispatch, parse
from logan.errors import InputError
from logan.files import WriteError, write_text

PREPARE = """Crop, resize and pack images into one file, once, so that training reads them fast.

SOURCE: a folder or zip of images, in class folders or not; ImageNet as it comes (the ILSVRC folder, its train folder,
ILSVRC2012_img_train.tar, which is not unpacked); or hf:NAME[:SPLIT], a set of Hugging Face's datasets (extra: hf). Files that
cannot be used are listed at the end; the rest is prepared."""
INFO = "Say what a data set holds: anything that --data of logan train takes, except for points."
SHOWN = 20
"""Files that were left out, or classes, on the screen."""


@dataclass(frozen=True)
class PrepareArguments:
    """What ``logan data prepare`` takes."""

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Where the images are."""
    destination: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DESTINATION")]
    """What to make: a .zip of PNGs, which StyleGAN's code reads too; or a .npy, which opens at once and is mapped into memory."""
    size: int = 128
    """Side of the images in pixels. Centre crop, Lanczos; smaller images are left out."""
    enlarge: bool = False
    """Take smaller images too, and enlarge them."""
    channels: Literal[1, 3] = 3
    """1 for grey, 3 for colour."""
    split: str = "train"
    """Which of folders called train, val and test, or of a Hugging Face set."""
    labels: str | None = None
    """A file with the classes: lines of a file's name and its class, as in ImageNet's LOC_val_solution.csv, or the devkit's
    ILSVRC2012_validation_ground_truth.txt."""
    limit: int | None = None
    """Only so many images, evenly spread."""
    workers: int | None = None
    """Threads that decode; one per core by default. The result is the same."""
    force: bool = False
    """Replace the destination if it is there."""


@dataclass(frozen=True)
class InfoArguments:
    """What ``logan data info`` takes."""

    path: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """A word such as digits, or a path."""
    image_size: int | None = None
    """Side to bring the images to, if they have several."""
    skip_broken: bool = False
    """Leave broken images out."""
    skip_small: bool = False
    """Leave out images that are smaller than --image-size."""
    split: str = "train"
    """Which of folders called train, val and test."""
    sheet: str | None = None
    """A PNG to make, with a row for each of the first 20 classes, or the first 64 images if there are none."""
    force: bool = False
    """Replace the sheet if it is there."""


PREPARE_COMMAND = Command(
    "data prepare",
    PrepareArguments,
    PREPARE,
    examples=(
        ("data prepare photos photos64.zip --size 64", "crop, resize and pack a folder"),
        ("data prepare ILSVRC imagenet128.npy --size 128", "ImageNet as it comes, into a file that opens at once"),
    ),
)
INFO_COMMAND = Command(
    "data info",
    InfoArguments,
    INFO,
    examples=(("data info photos.zip --image-size 64 --sheet photos.png", "what is in it, and a picture of it"),),
)
COMMANDS = (PREPARE_COMMAND, INFO_COMMAND)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    return dispatch("logan data", ((PREPARE_COMMAND, _prepare), (INFO_COMMAND, _info)), args)


def _prepare(args: Sequence[str]) -> int:
    from logan.data.prepare import prepare
    from logan.training.watch import track

    given = parse(PREPARE_COMMAND, args)
    destination = free_place(given.destination, "destination", given.force)
    made = prepare(
        given.source,
        destination,
        size=given.size,
        channels=given.channels,
        enlarge=given.enlarge,
        split=given.split,
        labels=None if given.labels is None else Path(given.labels).expanduser(),
        limit=given.limit,
        threads=given.workers,
        progress=track,
    )
    for notice in made.notices:
        print(errors.wording(notice))
    classes = f" of {made.classes:,} classes" if made.classes else ""
    print(f"{destination}: {made.images:,} images{classes}, {given.size}x{given.size}; train with --data {destination}")
    _list_left_out(destination, [errors.wording(line) for line in made.left_out])
    return 0


def _list_left_out(destination: Path, left_out: list[str]) -> None:
    listed = destination.with_name(destination.name + ".left-out.txt")
    if not left_out:
        listed.unlink(missing_ok=True)  # that of the file which was replaced
        return
    where = f"all of them in {listed}"
    try:
        write_text(listed, "\n".join(left_out) + "\n")
    except WriteError as error:  # the set itself is whole
        with suppress(OSError):
            listed.unlink(missing_ok=True)
        where = f"the first of them here alone: {error.problem}"
    print(f"left out {len(left_out):,} file{'s' * (len(left_out) > 1)} ({where}):")
    for line in left_out[:SHOWN]:
        print(f"  {line}")


def _info(args: Sequence[str]) -> int:
    from logan.data import InMemory, Mixture, open_data
    from logan.training.watch import track

    given = parse(INFO_COMMAND, args)
    sheet = None if given.sheet is None else free_place(given.sheet, "sheet", given.force)
    data = open_data(
        given.path, image_size=given.image_size, skip_broken=given.skip_broken, skip_small=given.skip_small,
        split=given.split, progress=track,
    )  # fmt: skip
    if isinstance(data, Mixture):
        raise InputError(f"{given.path} is points in the plane, drawn anew for every batch; give a set of images")
    where = "held in memory" if isinstance(data, InMemory) else "read from disk as training goes on"
    kind = {1: "grey", 3: "colour"}.get(data.channels, f"{data.channels} channels")
    print(f"{data.name}: {len(data):,} images, {data.image_size}x{data.image_size}, {kind}, {where}")
    for line in [*data.notices, *(f"left out, broken: {name}" for name in data.broken[:SHOWN])]:
        print(errors.wording(line))
    if data.labels is None:
        print("no classes")
    else:
        counts = data.labels.bincount(minlength=data.num_classes).tolist()
        print(f"{data.num_classes:,} classes of {min(counts):,} to {max(counts):,} images")
        for k, (name, count) in enumerate(zip(data.class_names[:SHOWN], counts, strict=False)):
            print(f"  {k:<4d} {name:<20} {count:,}")
        if data.num_classes > SHOWN:
            print(f"  … and {data.num_classes - SHOWN:,} more")
    if sheet is not None:
        _save_sheet(sheet, data)
    return 0


def _save_sheet(path: Path, data: Any) -> None:
    """Ten images of each of the first classes, a row each; or the first images."""
    import torch

    from logan.report.pictures import save_picture

    columns = 8
    indices = torch.arange(min(64, len(data)))
    if data.labels is not None:
        rows = [(data.labels == k).nonzero()[:, 0].cpu() for k in range(min(SHOWN, data.num_classes))]
        rows = [row for row in rows if len(row)]
        columns = min(10, *map(len, rows)) if len(rows) > 1 else min(10, len(rows[0]))
        indices = torch.cat([row[:columns] for row in rows])
    save_picture(path, data.batch(indices)[0].float() / 127.5 - 1, columns=columns)
    print(f"{path}: {len(indices)} images, {columns} in a row")
