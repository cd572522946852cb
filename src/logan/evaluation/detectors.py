"""The detector that a name means for a set of images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import get_args

import torch

from logan.config.groups import Detectors
from logan.data import Dataset
from logan.data.dataset import InMemory
from logan.errors import InputError
from logan.evaluation import cache
from logan.evaluation.names import Metric
from logan.files import WriteError
from logan.metrics import dinov2, efficientnet_lite0
from logan.metrics.classifier import FORMAT, LEAST, check_teachable, load_classifier, save_classifier, train_classifier
from logan.metrics.detector import Detector
from logan.metrics.inception import InceptionDetector

NAMES = get_args(Detectors)
MOST_IMAGES = 200_000
"""Of a streamed set the classifier learns from this many images at most; they must fit in memory."""

LITTLE = 1.5
"""Times the accuracy of guessing: a classifier that is no better has learnt nothing of what the images show."""


class NotTrainedError(Exception):
    """A classifier would have to be trained, which takes minutes, and may not be now."""


class NoDetectorError(InputError):
    """``auto`` found nothing to score these images with."""


def resolved(name: str, weights: str | None, train: Dataset) -> str:
    """What ``auto`` means for a training set: the classifier where there are labels that it can learn, else efficientnet-lite0.

    Weights without a detector's name are those of a classifier.

    Raises:
        NoDetectorError: there are no labels, and the package with efficientnet-lite0's weights is not installed.
    """
    if name != "auto":
        return name
    if weights is not None or (train.num_classes > 1 and len(train) >= LEAST):
        return "classifier"
    if efficientnet_lite0.installed():
        return efficientnet_lite0.NAME
    few = f"only {len(train)} images with" if train.num_classes > 1 else "no"
    raise NoDetectorError(
        f"{train.name} has {few} class labels; without them, scores need the extra 'detector': {efficientnet_lite0.INSTALL} "
        f"(or `detector` dinov2 or inception, with a file of weights)",
        "detector",
    )


def _little(labels: torch.Tensor) -> float:
    """The accuracy below which a classifier is little better than guessing the largest class: :data:`LITTLE` times its share, or
    half of the way from there to 1 where that is less, as with a class of 95 images in 100."""
    chance = labels.bincount().max().item() / len(labels)
    return min(LITTLE * chance, (1 + chance) / 2)


def check(name: str, weights: str | None, train: Dataset, metrics: Sequence[Metric] = ()) -> Detector | None:
    """Refuse what :func:`get` would refuse, before any work is done; the detector, unless it is a classifier without a file.

    Raises:
        InputError: the detector or its weights are missing or are not those that were asked for, the data have no labels to
            train a classifier on, or a metric asks for classes that the detector does not have.
    """
    if name not in NAMES:
        raise InputError(f"`detector` is one of {', '.join(NAMES)}, not {name!r}")
    name = resolved(name, weights, train)
    of_classes = [m.name for m in metrics if m.kind == "is"]
    if name == dinov2.NAME and of_classes:
        raise InputError(
            f"{of_classes[0]} is a score of classes, of which `detector` {name} has none; use fid, kid and pr",
            "metrics",
        )
    weights = None if weights is None else _pinned(weights)
    if name == efficientnet_lite0.NAME:
        if weights is not None:
            raise InputError(
                f"`detector_weights` has no place with `detector` {name}, whose weights its package brings; leave it out"
            )
        return efficientnet_lite0.EfficientNetLite0Detector()
    if name == dinov2.NAME:
        return dinov2.DinoV2Detector(weights)
    if name == "inception":
        return InceptionDetector(weights)
    if weights is not None:
        return load_classifier(Path(weights).expanduser())
    if train.num_classes < 2:
        raise InputError(
            f"`detector` classifier needs class labels, and {train.name} has none; use `detector` efficientnet-lite0 or another, "
            f"`detector_weights` FILE of a classifier that is there, or class folders"
        )
    return None


def _pinned(weights: str) -> str:
    """The file of ``FILE`` or ``FILE@SHA256``.

    Raises:
        InputError: if the file is not the one with that sha256.
    """
    path, _, pin = weights.rpartition("@")
    if not path or not re.fullmatch("[0-9a-fA-F]{64}", pin):
        return weights
    try:
        with open(Path(path).expanduser(), "rb") as file:
            found = hashlib.sha256()
            while part := file.read(2**24):
                found.update(part)
    except OSError as error:
        raise InputError(f"`detector_weights` {path} cannot be read ({error.strerror})") from None
    if found.hexdigest() != pin.lower():
        raise InputError(f"`detector_weights` {path} has the sha256 {found.hexdigest()}, not {pin}")
    return path


def get(
    name: str,
    weights: str | None,
    train: Dataset,
    *,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = lambda message: None,
    progress: Callable[[float], None] = lambda fraction: None,
    may_train: bool = True,
) -> Detector:
    """The detector, on the CPU.

    Args:
        name: one of :data:`NAMES`.
        weights: ``FILE`` or ``FILE@SHA256``: DINOv2's or Inception's weights, None for torch's cache; or a classifier's file from
            :mod:`.cache`.
        train: the *training* set, whose labels the classifier learns (from the cache if it did before; for the package's
            own digits it comes with the package).
        device: on which a classifier is trained.
        say: told what takes long.
        progress: called with the fraction of the classifier's training that is done.
        may_train: whether a classifier may be trained now.

    Raises:
        InputError: see :func:`check`.
        NotTrainedError: if it may not, and would have to be.
    """
    there = check(name, weights, train)
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
    if not may_train:
        raise NotTrainedError
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
