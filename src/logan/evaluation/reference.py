"""Features of real images, extracted once per detector and set."""

from __future__ import annotations

from collections.abc import Iterator
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
    """The real side of a comparison: features of ``len(features)`` images, and their statistics."""

    features: Features
    statistics: FrechetStatistics


def of_real(
    data: Dataset, count: int | None, detector: Detector, device: torch.device, *, keep: bool = True
) -> Reference:
    """Features of the first ``count`` images of a set (None: all), from the cache if they are there.

    The key is the set as the networks see it, the detector's weights and the count. Real images are taken as they are:
    never mirrored.

    Args:
        keep: write them to the cache.
    """
    n = len(data) if count is None else min(count, len(data))
    name = f"features-{detector.name}-{detector.sha256[:16]}-{cache.key_of(data)[:32]}-{n}.safetensors"
    path = cache.folder() / name
    features = None
    if path.exists():
        try:
            features = Features(**load_file(path))
        except (SafetensorError, OSError, TypeError):
            path.unlink(missing_ok=True)
    if features is None or len(features) != n:
        detector.to(device)
        features = extract(detector, _batches(data, n, device))
        if keep:
            tensors = {"features": features.features, "logits": features.logits}
            write_atomically(path, lambda partial: save_file(tensors, partial))
    return Reference(features, FrechetStatistics.of(features.features))


def _batches(data: Dataset, n: int, device: torch.device) -> Iterator[Tensor]:
    for part in torch.arange(n).split(BATCH):
        yield data.batch(part)[0].to(device)
