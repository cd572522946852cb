"""The networks and the training images of a run folder, for a page about it."""

from __future__ import annotations

from pathlib import Path, PurePath

from logan.config import DataConfig
from logan.data import Dataset, Mixture
from logan.data.open import open_data
from logan.errors import InputError, first_line
from logan.report import looks
from logan.report.looks import Looks, Networks
from logan.report.neighbours import Gallery
from logan.sampling import Model, load, snapshot


def look_at(path: Path, device: str, pictures: bool = True) -> Looks:
    """What the latest snapshot of a run folder shows; its absence is no error, and neither is that of the data.

    Args:
        path: the run folder.
        device: ``auto``, ``cpu`` …
        pictures: False looks at nothing, for a page that is quick.
    """
    if not pictures:
        return looks.none("left out, as asked for")
    try:
        source = snapshot.find(path)
        model = load(source, device)
    except InputError as error:
        return looks.none(f"there are no networks to look at ({first_line(error)})")
    settings = model.info.config.data
    found = looks.look(of_model(model), None if points(model) else lambda: gallery(settings))
    found.data = f"“{PurePath(settings.data).name}”"
    return found


def of_model(model: Model) -> Networks:
    """A loaded snapshot as a page looks at it."""
    info = model.info
    return Networks(
        info.config, model.generator, model.discriminator, model.device, model.num_classes, tuple(info.class_names),
        info.images / 1000, points(model),
    )  # fmt: skip


def points(model: Model) -> bool:
    """Whether it makes points of a 2-D mixture."""
    return model.info.architecture["image_size"] == 1


def gallery(settings: DataConfig, data: Dataset | None = None) -> Gallery:
    """The training images that settings name, or ``data``, with the test images where there are any.

    Raises:
        InputError, OSError: if they are not there, or cannot be read.
    """
    train = data if data is not None else _open(settings, "train")
    held_out = None
    try:
        held_out = _open(settings, "test")
        if (held_out.channels, held_out.image_size) != (train.channels, train.image_size):
            held_out = None
    except (InputError, OSError):  # then training images are the yardstick
        pass
    return Gallery(train, held_out, settings.mirror)


def described(data: Dataset | Mixture) -> str:
    """A training set in words."""
    if isinstance(data, Mixture):
        return f"the mixture “{data.name}” of {len(data.centres)} Gaussians in the plane"
    colour = "grey" if data.channels == 1 else "colour"
    return f"{len(data):,} {colour} images of {data.image_size}×{data.image_size} pixels (“{data.name}”)"


def _open(settings: DataConfig, split: str) -> Dataset:
    found = open_data(
        settings.data, image_size=settings.image_size, channels=settings.channels, pad=settings.pad, skip_broken=True,
        memory_limit=0, split=split,
    )  # fmt: skip
    if isinstance(found, Mixture):
        raise InputError(f"{settings.data} is a mixture, not a set of images")
    return found
