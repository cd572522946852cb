"""Scores of points against a mixture of Gaussians whose modes are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

REACH = 3.0
"""Standard deviations around a mode within which a point is of high quality (Srivastava et al. 2017, VEEGAN, section 4.1)."""

FAIR_SHARE = 0.1
"""Part of its fair share n/K that a mode must hold to be covered. With VEEGAN's own rule (one point) strays decide."""


@dataclass(frozen=True)
class ModeScores:
    """What points say about a mixture of K equally likely modes.

    Attributes:
        modes: modes that hold at least ``FAIR_SHARE`` · n/K points of high quality (and at least one).
        quality: share of the points that lie within ``REACH`` standard deviations of a mode.
        reverse_kl: KL(p ‖ uniform) in nats, p the shares of the high-quality points over the modes; ln K if all are in one
            mode, and +∞ if there are none.
    """

    modes: int
    quality: float
    reverse_kl: float


def score_modes(points: Tensor, centres: Tensor, std: float) -> ModeScores:
    """Assign each point to its nearest centre and count.

    Args:
        points: (n, 2) or (n, 2, 1, 1); a point that is not finite is of no quality.
        centres: (K, 2).
        std: standard deviation of every Gaussian along each axis.

    Raises:
        ValueError: no points.

    Example:
        >>> centres = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
        >>> score_modes(torch.tensor([[0.1, 0.0], [0.0, 0.2], [5.0, 0.0], [0.0, 0.0]]), centres, std=0.1)
        ModeScores(modes=1, quality=0.75, reverse_kl=0.6931471805599453)
    """
    xy = points.detach().flatten(1).cpu().double()
    if not len(xy):
        raise ValueError("there are no points to score")
    distance, nearest = torch.cdist(xy.nan_to_num(math.inf), centres.cpu().double()).min(1)
    good = distance <= REACH * std
    counts = torch.bincount(nearest[good], minlength=len(centres))
    p = counts.double() / counts.sum().clamp(min=1)
    held = p[p > 0]
    kl = float((held * (held * len(centres)).log()).sum()) if len(held) else math.inf
    least = max(1.0, FAIR_SHARE * len(xy) / len(centres))
    return ModeScores(int((counts >= least).sum()), good.double().mean().item(), max(kl, 0.0))
