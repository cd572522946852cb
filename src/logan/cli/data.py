"""``logan data prepare``: a large collection of images into one file that trains fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from logan.cli.parsing import parse
from logan.errors import InputError, did_you_mean

DESCRIPTION = """Crop, resize and pack images into an uncompressed zip, once, so that training reads them fast.

SOURCE: a folder or zip of images, in class folders or not; ImageNet as it comes (the ILSVRC folder, its train folder,
ILSVRC2012_img_train.tar, which is not unpacked); or hf:NAME, a set of Hugging Face's datasets (extra: hf). Files that cannot be
used are listed at the end; the rest is prepared."""
SHOWN = 20
"""Files that were left out, on the screen; all of them are in a file."""


@dataclass(frozen=True)
class PrepareArguments:
    """What ``logan data prepare`` takes."""

    source: Annotated[str, tyro.conf.Positional]
    """Where the images are."""
    destination: Annotated[str, tyro.conf.Positional]
    """The zip to make."""
    size: int = 128
    """Side of the images in pixels. Centre crop, Lanczos; smaller images are left out."""
    channels: Literal[1, 3] = 3
    """1 for grey, 3 for colour."""
    split: str = "train"
    """Which of folders called train, val and test (test takes the one that is there), or of a Hugging Face set."""
    labels: str | None = None
    """A file with lines of a file's name and its class, such as ImageNet's LOC_val_solution.csv."""
    limit: int | None = None
    """Only so many images, evenly spread."""
    workers: int | None = None
    """Threads that decode; one per core by default. The result is the same."""
    force: bool = False
    """Replace the destination if it is there."""


def main(args: Sequence[str]) -> int:
    """Run the command."""
    commands = {"prepare": _prepare}
    if not args or args[0] in ("-h", "--help"):
        print("logan data prepare  crop, resize and pack images into one file that trains fast")
        return 0
    if args[0] not in commands:
        raise InputError(f"unknown command {args[0]!r}{did_you_mean(args[0], list(commands))}; there is prepare")
    return commands[args[0]](args[1:])


def _prepare(args: Sequence[str]) -> int:
    from logan.data.prepare import prepare
    from logan.files import write_atomically
    from logan.training.watch import track

    given = parse(PrepareArguments, args, prog="logan data prepare", description=DESCRIPTION)
    destination = _destination(given)
    made = prepare(
        given.source,
        destination,
        size=given.size,
        channels=given.channels,
        split=given.split,
        labels=None if given.labels is None else Path(given.labels).expanduser(),
        limit=given.limit,
        threads=given.workers,
        progress=track,
    )
    for notice in made.notices:
        print(notice)
    classes = f" of {made.classes:,} classes" if made.classes else ""
    print(f"{destination}: {made.images:,} images{classes}, {given.size}x{given.size}; train with --data {destination}")
    if made.left_out:
        listed = destination.with_name(destination.name + ".left-out.txt")
        text = "\n".join(made.left_out) + "\n"
        write_atomically(listed, lambda partial: partial.write_text(text, encoding="utf-8"))
        print(f"left out {len(made.left_out):,} files (all of them in {listed}):")
        for line in made.left_out[:SHOWN]:
            print(f"  {line}")
    return 0


def _destination(given: PrepareArguments) -> Path:
    path = Path(given.destination).expanduser()
    if path.suffix.lower() != ".zip":
        raise InputError(f"the destination {path} must be a .zip")
    if path.exists() and not given.force:
        raise InputError(f"{path} is there already; pass --force to replace it, or another name")
    if not 1 <= given.size <= 8192:
        raise InputError(f"--size must be 1 to 8192, not {given.size}")
    for name in ("limit", "workers"):
        value = getattr(given, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} must be >= 1, not {value}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
