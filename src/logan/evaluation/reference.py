"""Features of real images, extracted once per detector and set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from logan.data import Dataset
from logan.evaluation import cache
from logan.files import write_atomically
from logan.metrics.detector import Detector, Features, extract
from logan.metrics.distances import FrechetStatistics

BATCH = 250


@dataclass(frozen=True)
class Reference:
    """The real side of a comparison: features of ``len(features)`` images, their statistics, and a hash of the set and choice."""

    features: Features
    statistics: FrechetStatistics
    key: str = ""


def of_real(data: Dataset, count: int | None, detector: Detector, device: torch.device) -> Reference:
    """Features of ``count`` images of a set (None: all), from the cache if they are there; which ones: :func:`chosen`.

    The key is the set as the networks see it, the detector's weights and the count. Real images are taken as they are:
    never mirrored.
    """
    indices = chosen(data, count)
    n = len(indices)
    key = f"{cache.key_of(data)[:32]}-{n}"
    path = cache.folder() / f"features-{detector.name}-{detector.sha256[:16]}-{key}.safetensors"
    features = None
    if path.exists():
        try:
            features = Features(**load_file(path))
        except (SafetensorError, OSError, TypeError):
            path.unlink(missing_ok=True)
    if features is None or len(features) != n:
        detector.to(device)
        features = extract(detector, (data.batch(part)[0].to(device) for part in indices.split(BATCH)))
        tensors = {"features": features.features, "logits": features.logits}
        write_atomically(path, lambda partial: save_file(tensors, partial))
    return Reference(features, FrechetStatistics.of(features.features), key)


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
