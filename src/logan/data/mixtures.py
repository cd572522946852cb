"""Gaussian mixtures in the plane: endless two-dimensional data whose every mode is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .counter import POINTS, blocks


@dataclass(frozen=True, eq=False)
class Mixture:
    """K equally likely isotropic Gaussians. A point is an "image" of 1×1 pixel and 2 channels.

    Args:
        name: what to call it in logs.
        centres: (K, 2), float32.
        std: standard deviation of each Gaussian along each axis.
    """

    name: str
    centres: Tensor
    std: float
    image_size: ClassVar[int] = 1
    channels: ClassVar[int] = 2
    notices: ClassVar[tuple[str, ...]] = ()  # as a Dataset has them
    broken: ClassVar[tuple[str, ...]] = ()

    @property
    def num_classes(self) -> int:
        return len(self.centres)

    @property
    def class_names(self) -> list[str]:
        return [str(k) for k in range(self.num_classes)]

    def draw(self, n: int, seed: int, position: int) -> tuple[Tensor, Tensor]:
        """Points ``position … position + n - 1`` of the endless sequence that belongs to ``seed``.

        A pure function of its arguments, point by point: point i is the same in whichever batch it comes.

        Returns:
            points, float32 (n, 2, 1, 1), and the labels of their modes, int64 (n,).
        """
        words = blocks(seed, POINTS, position, n)
        labels = torch.from_numpy((words[:, 0] % np.uint64(self.num_classes)).astype(np.int64))
        noise = torch.from_numpy(_normal_pairs(words[:, 1], words[:, 2]))
        points = self.centres[labels].double() + self.std * noise
        return points.float().reshape(n, 2, 1, 1), labels


def ring(modes: int = 8, radius: float = 2.0, std: float = 0.04) -> Mixture:
    """Gaussians on a circle.

    Source: Metz et al. 2017, "Unrolled generative adversarial networks", §3.1, for the eight modes on a circle; the
    width of the modes, 1/50 of the radius, is this project's. Not
    scaled into [−1, 1]: a discriminator with spectral norm is 1-Lipschitz, so the scale of the points decides how well
    it can tell them apart.
    """
    angles = [2 * math.pi * k / modes for k in range(modes)]
    centres = torch.tensor([(radius * math.cos(a), radius * math.sin(a)) for a in angles])
    return Mixture("ring", centres, std)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> Mixture:
    """side × side Gaussians on a square grid around the origin.

    Source: Srivastava et al. 2017, "VEEGAN", §4.1: spacing 2 and std 0.05.
    """
    reach = spacing * (side - 1) / 2
    line = torch.linspace(-reach, reach, side)
    return Mixture("grid", torch.cartesian_prod(line, line), std)


def _normal_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Standard normal pairs, float64 (n, 2), from two uint64 words each: the Box–Muller transform."""
    radius = np.sqrt(-2 * np.log(((a >> np.uint64(11)) + np.uint64(1)) * 2.0**-53))  # the + 1 keeps log away from 0
    angle = 2 * np.pi * ((b >> np.uint64(11)) * 2.0**-53)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
