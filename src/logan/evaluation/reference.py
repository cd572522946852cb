"""Features of real images, extracted once per detector and set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from logan import sealed
from logan.data import Dataset
from logan.errors import first_line
from logan.evaluation import cache
from logan.files import WriteError
from logan.metrics.detector import Detector, Features, extract
from logan.metrics.distances import FrechetStatistics

BATCH = 250
FORMAT = "logan-features-2"


@dataclass(frozen=True)
class Reference:
    """The real side of a comparison: features of ``len(features)`` images, their statistics, and a hash of the set and choice."""

    features: Features
    statistics: FrechetStatistics
    key: str = ""


def of_real(
    data: Dataset,
    count: int | None,
    detector: Detector,
    device: torch.device,
    say: Callable[[str], None] = lambda message: None,
) -> Reference:
    """Features of ``count`` images of a set (None: all), from the cache if they are there; which ones: :func:`chosen`.

    The key is the set as the networks see it, the detector's weights and the count. Real images are taken as they are:
    never mirrored. ``say`` is told if what is in the cache is damaged, and made again, or cannot be kept there.
    """
    indices = chosen(data, count)
    n = len(indices)
    key = f"{cache.key_of(data)[:32]}-{n}"
    path = cache.folder() / f"features-{detector.name}-{detector.sha256[:16]}-{key}.safetensors"
    features = None
    if path.exists():
        try:
            features = _cached(path, n)
        except (sealed.DamagedError, OSError) as error:
            say(f"{path} is damaged or of an older version ({first_line(error)}): the features are computed again")
    if features is None:
        detector.to(device)
        features = extract(detector, (data.batch(part)[0].to(device) for part in indices.split(BATCH)))
        if features.finite:
            try:
                sealed.write(path, FORMAT, {"features": features.features, "logits": features.logits})
            except WriteError as error:
                say(f"{error.problem}. The features of the real images are used, and not kept")
    return Reference(features, FrechetStatistics.of(features.features), key)


def _cached(path: Path, n: int) -> Features:
    """What :func:`of_real` kept of n images.

    Raises:
        logan.sealed.DamagedError, OSError: if it is not that.
    """
    text, tensors = sealed.read(path)
    if text != FORMAT or tensors.keys() != {"features", "logits"}:
        raise sealed.DamagedError("it holds something else")
    for name, value in tensors.items():
        least = 1 if name == "features" else 0  # a detector may have no classes
        if value.dtype != torch.float32 or value.ndim != 2 or len(value) != n or value.shape[1] < least:
            raise sealed.DamagedError(f"{name} are {value.dtype} {tuple(value.shape)}, not float32 ({n}, …)")
    features = Features(**tensors)
    if not features.finite:
        raise sealed.DamagedError("not all of its numbers are finite")
    return features


def chosen(data: Dataset, count: int | None) -> Tensor:
    """Which images stand for a set: all, or ``count`` of them.

    The first ones of a set that is shuffled, as CIFAR-10's and MNIST's files are (CS-GAN's code takes those). Folders come
    class by class, or by file name: of such sets they are drawn, the same ones every time.
    """
    n = len(data) if count is None else min(count, len(data))
    labels = getattr(data, "labels", None)
    in_order = labels is None or bool((labels.diff() >= 0).all())
    if n == len(data) or not in_order:
        return torch.arange(n)
    return torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:n]
