"""Whether a generator has learnt its training images by heart: how near its samples come to them, pixel by pixel.

The distance of two images is the root of the mean squared difference of their pixels, in levels of 255. What is near? The yardstick
is how near *other* real images come: test images where the set has such, else training images to the rest of their set.
Distances in pixels see copies, and copies that are shifted or recoloured hardly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from logan.data import Dataset
from logan.errors import InputError

MOST_PIXELS = 100_000_000
"""Numbers that samples are compared with: all 32,500 first CIFAR-10 images; of larger sets, evenly chosen ones."""
MOST_DECODED = 1500
"""Images of a set that has to be decoded for it."""
YARDSTICK = 200
"""Real images whose own neighbours are the yardstick."""
FOUND = 3
"""Neighbours of a sample that are kept."""
_CHUNK = 2_000_000
"""Numbers that are float32 at a time."""


@dataclass(frozen=True)
class Nearest:
    """Samples with their nearest training images, the nearest of all first.

    Attributes:
        samples: (n, C, H, W) uint8.
        images: (n, FOUND, C, H, W) uint8, the nearest first.
        distances: (n, FOUND).
        yardstick: (m,), distances of real images to their nearest training image.
        held_out: whether those are test images; training images if not.
        compared, total: training images, of so many.
    """

    samples: Tensor
    images: Tensor
    distances: Tensor
    yardstick: Tensor
    held_out: bool
    compared: int
    total: int

    @property
    def closer(self) -> float:
        """The share of samples that are nearer to a training image than all but 5 % of the real images are."""
        if not len(self.yardstick):
            return 0.0
        return (self.distances[:, 0] < self.yardstick.quantile(0.05)).double().mean().item()


class Gallery:
    """Training images to compare with, and the yardstick, which is measured once.

    Args:
        data: the training set.
        held_out: test images of the same size, if there are any.
        mirror: the run saw mirrored images too.
    """

    def __init__(self, data: Dataset, held_out: Dataset | None = None, mirror: bool = False) -> None:
        self.mirror, self.total = mirror, len(data)
        self.pixels = _some(data, MOST_PIXELS // (data.channels * data.image_size**2))
        self.held_out = held_out is not None and len(held_out) > 0
        self._others = _some(held_out, YARDSTICK) if held_out is not None and self.held_out else None
        self._yardstick: Tensor | None = None

    def nearest(self, samples: Tensor) -> Nearest:
        """The nearest training images of samples (n, C, H, W) in [−1, 1].

        Raises:
            InputError: if they have another shape than the training images.
        """
        seen = ((samples.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        if seen.shape[1:] != self.pixels.shape[1:]:
            raise InputError(f"the training images are {_size(self.pixels)}, and the samples {_size(seen)}")
        distances, indices = self._search(seen, min(FOUND, len(self.pixels)))
        order = distances[:, 0].argsort()
        return Nearest(
            seen[order], self.pixels[indices[order]], distances[order], self.yardstick(), self.held_out,
            len(self.pixels), self.total,
        )  # fmt: skip

    def yardstick(self) -> Tensor:
        """Distances of real images to the nearest training image that is not themselves."""
        if self._yardstick is None:
            if self._others is not None and self._others.shape[1:] == self.pixels.shape[1:]:
                self._yardstick = self._search(self._others, 1)[0][:, 0]
            elif len(self.pixels) < 2:
                self._yardstick = torch.empty(0)
            else:
                own = torch.linspace(0, len(self.pixels) - 1, min(YARDSTICK, len(self.pixels))).long()
                self._yardstick = self._search(self.pixels[own], 1, without=own)[0][:, 0]
        return self._yardstick

    def _search(self, images: Tensor, k: int, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Distances (n, k) and indices of the k nearest training images; ``without``: of each image one that does not count."""
        sides = [images] if not self.mirror else [images, images.flip(3)]
        x = torch.cat([side.flatten(1) for side in sides]).float()
        best = torch.full((len(x), k), float("inf"))
        where = torch.zeros(len(x), k, dtype=torch.int64)
        rows = max(1, _CHUNK // x.shape[1])
        for start in range(0, len(self.pixels), rows):
            y = self.pixels[start : start + rows].flatten(1).float()
            squared = (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)
            if without is not None:
                at = torch.arange(start, start + len(y))
                squared = squared.masked_fill(without.repeat(len(sides))[:, None] == at, float("inf"))
            both, both_at = torch.cat([best, squared], 1), torch.cat([where, _numbers(start, y, len(x))], 1)
            best, chosen = both.topk(k, largest=False)
            where = both_at.gather(1, chosen)
        if self.mirror:
            n = len(images)
            best, where = torch.cat([best[:n], best[n:]], 1), torch.cat([where[:n], where[n:]], 1)
            best, where = _without_twins(best, where, k)
        return self._exact(images, where), where

    def _exact(self, images: Tensor, where: Tensor) -> Tensor:
        """Distances once more, without the loss of digits that |x|² + |y|² − 2xy has where images are nearly equal."""
        found = self.pixels[where].float()
        straight = (found - images[:, None].float()).flatten(2).square().mean(2)
        if self.mirror:
            turned = (found - images.flip(3)[:, None].float()).flatten(2).square().mean(2)
            straight = torch.minimum(straight, turned)
        return straight.sqrt()


def _without_twins(best: Tensor, where: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of each row, an image that was found from both sides once."""
    order = best.argsort(dim=1, stable=True)
    best, where = best.gather(1, order), where.gather(1, order)
    again = torch.stack([(where[:, :j] == where[:, j : j + 1]).any(1) for j in range(where.shape[1])], 1)
    order = best.masked_fill(again, float("inf")).argsort(dim=1, stable=True)[:, :k]
    return best.gather(1, order), where.gather(1, order)


def _numbers(start: int, y: Tensor, n: int) -> Tensor:
    return torch.arange(start, start + len(y)).expand(n, -1)


def _some(data: Dataset, most: int) -> Tensor:
    """uint8 (m, C, S, S) on the CPU: all images, or evenly chosen ones."""
    held = getattr(data, "images", None) is not None
    count = max(1, min(len(data), most, len(data) if held else MOST_DECODED))
    indices = torch.linspace(0, len(data) - 1, count).long()
    return torch.cat([data.batch(part)[0].cpu() for part in indices.split(256)])


def _size(images: Tensor) -> str:
    return "x".join(map(str, images.shape[1:]))
