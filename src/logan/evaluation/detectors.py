"""The detector that a name means for a set of images."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import torch

from logan.data import Dataset
from logan.data.dataset import InMemory
from logan.errors import InputError
from logan.evaluation import cache
from logan.files import WriteError
from logan.metrics.classifier import FORMAT, check_teachable, load_classifier, save_classifier, train_classifier
from logan.metrics.detector import Detector
from logan.metrics.inception import InceptionDetector

NAMES = ("classifier", "inception")
MOST_IMAGES = 200_000
"""Of a streamed set the classifier learns from this many images at most; they must fit in memory."""

LITTLE = 1.5
"""Times the accuracy of guessing: a classifier that is no better has learnt nothing of what the images show."""


def _little(labels: torch.Tensor) -> float:
    """The accuracy below which a classifier is little better than guessing the largest class: :data:`LITTLE` times its share, or
    half of the way from there to 1 where that is less, as with a class of 95 images in 100."""
    chance = labels.bincount().max().item() / len(labels)
    return min(LITTLE * chance, (1 + chance) / 2)


def check(name: str, weights: str | None, labelled: bool, data_name: str) -> Detector | None:
    """Refuse what :func:`get` would refuse, before any work is done; the detector, unless it is a classifier without a file.

    Raises:
        InputError: the detector or its weights are missing, or the data have no labels to train a classifier on.
    """
    if name not in NAMES:
        raise InputError(f"`detector` is {' or '.join(NAMES)}, not {name!r}")
    if name == "inception":
        return InceptionDetector(weights)
    if weights is not None:
        return load_classifier(Path(weights).expanduser())
    if not labelled:
        raise InputError(
            f"`detector` classifier needs class labels, and {data_name} has none; use `detector` inception, "
            f"`detector_weights` FILE of a classifier that is there, or class folders"
        )
    return None


def get(
    name: str,
    weights: str | None,
    train: Dataset,
    *,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = lambda message: None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Detector:
    """The detector, on the CPU.

    Args:
        name: ``inception`` or ``classifier``.
        weights: the Inception weights file, or None for torch's cache; or a classifier's file from :mod:`.cache`.
        train: the *training* set, whose labels the classifier learns (from the cache if it did before; for the package's
            own digits it comes with the package).
        device: on which a classifier is trained.
        say: told what takes long.
        progress: called with the fraction of the classifier's training that is done.

    Raises:
        InputError: see :func:`check`.
    """
    there = check(name, weights, train.num_classes > 1, train.name)
    if there is not None:
        return there
    check_teachable(len(train), train.name)
    key = cache.key_of(train)
    shipped = files("logan.metrics") / "embedded" / f"classifier-{key[:16]}.safetensors"
    if shipped.is_file():
        with as_file(shipped) as path:
            return load_classifier(path)
    path = cache.folder() / f"{FORMAT}-{key[:32]}.safetensors"
    if path.exists():
        try:
            return load_classifier(path)
        except InputError as error:
            say(f"{error}: it is trained again")
    say(
        f"training a classifier on {train.name}, to score images with, once: it is kept in {path.parent}. "
        f"Without scores, none is needed: `metrics` none"
    )
    images, labels = _all_images(train)
    detector = train_classifier(images, labels, train.num_classes, device=device, progress=progress)
    try:
        save_classifier(path, detector)
    except WriteError as error:
        say(f"{error.problem}. The classifier is used, and not kept")
    guesses = detector.accuracy < _little(labels)
    note = "; warning: little more than chance, so scores by it say little about these images" if guesses else ""
    say(f"its accuracy on held-out images: {detector.accuracy:.1%}{note}")
    return detector


def _all_images(data: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    if isinstance(data, InMemory):
        assert data.labels is not None
        return data.images.cpu(), data.labels.cpu()
    chosen = torch.arange(0, len(data), -(-len(data) // MOST_IMAGES))
    parts = [data.batch(part) for part in chosen.split(256)]
    labels = [label for _, label in parts if label is not None]
    return torch.cat([images for images, _ in parts]), torch.cat(labels)
