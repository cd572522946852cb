"""What a detector is, and running one over many images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from logan.metrics.pixels import to_pixels


class Detector(Protocol):
    """A fixed network that turns images into features, in which distributions are compared.

    Attributes:
        name: ``inception``, ``classifier`` …; part of every result.
        sha256: of its weights, 64 hexadecimal digits; part of every result.
        size: of its weights, in bytes; part of every result.
    """

    name: str
    sha256: str
    size: int

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images (B, C, H, W) to features (B, F) and logits (B, K), float32, on the images' device; K = 0 without classes."""
        ...

    def to(self, device: torch.device) -> object:
        """Move the weights; returns the detector."""
        ...


@dataclass(frozen=True)
class Features:
    """What a detector says about a set of n images.

    Attributes:
        features: (n, F), float32, on the CPU.
        logits: (n, K), float32, on the CPU.
    """

    features: Tensor
    logits: Tensor

    def __len__(self) -> int:
        return len(self.features)

    def first(self, n: int) -> Features:
        """The first n of them."""
        return Features(self.features[:n], self.logits[:n])

    @property
    def finite(self) -> bool:
        """False for a generator that has diverged: such a set has no score."""
        return bool(torch.isfinite(self.features).all() and torch.isfinite(self.logits).all())


@torch.no_grad()
def extract(detector: Detector, batches: Iterable[Tensor], *, from_generator: bool = False) -> Features:
    """Features of all the images in ``batches``.

    Args:
        detector: moved to where the images are before.
        batches: uint8, or floats in [−1, 1], (B, C, H, W) each; see :func:`~logan.metrics.pixels.to_pixels`.
        from_generator: as there.
    """
    features, logits = [], []
    for images in batches:
        lost = images.is_floating_point() and not torch.isfinite(images).all()
        if lost:
            images = images.nan_to_num().clamp(-1, 1)  # its features are then marked as what they are
        f, k = (x.float().cpu() for x in detector(to_pixels(images, from_generator=from_generator or lost)))
        features.append(torch.full_like(f, torch.nan) if lost else f)
        logits.append(torch.full_like(k, torch.nan) if lost else k)
    return Features(torch.cat(features), torch.cat(logits))
