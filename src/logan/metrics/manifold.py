"""Precision, recall, density and coverage: scores of fidelity and of variety, apart from each other."""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURS = 5
"""The larger of the two k below: so many other real images there must be."""
ROWS = 2048
"""Rows of a distance matrix that are in memory at a time."""


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """Precision: the share of fakes within the real manifold; recall: of reals within the fake one.

    A set's manifold is the union of balls around its points, each reaching to the point's k-th nearest neighbour
    (Kynkäänniemi et al. 2019, equations 1 and 2, k = 3).

    Args:
        real, fake: features (n, F) with n > k.

    Raises:
        ValueError: too few points.
    """
    real, fake = real.double(), fake.double()
    return _share_inside(fake, real, _radii(real, k)), _share_inside(real, fake, _radii(fake, k))


def density_coverage(real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Density: mean over fakes of (real balls that contain it)/k; coverage: share of real balls that hold a fake.

    Naeem et al. (2020), equations 3 and 4, k = 5. Density can be above 1.

    Args:
        real, fake: features (n, F), with more than k real ones.

    Raises:
        ValueError: too few points.
    """
    real, fake = real.double(), fake.double()
    radii = _radii(real, k)
    inside, covered = 0, torch.zeros(len(real), dtype=torch.bool)
    for part in fake.split(ROWS):
        within = torch.cdist(part, real, compute_mode="donot_use_mm_for_euclid_dist") <= radii
        inside += int(within.sum())
        covered |= within.any(0)
    return inside / (k * len(fake)), covered.double().mean().item()


def _radii(points: Tensor, k: int) -> Tensor:
    """Distance of each point to its k-th nearest other point, (n,)."""
    if len(points) <= k:
        raise ValueError(f"a manifold of {k}-th nearest neighbours needs more than {k} points, not {len(points)}")
    # The nearest of all is the point itself, at distance 0.
    parts = [
        torch.cdist(part, points, compute_mode="donot_use_mm_for_euclid_dist").kthvalue(k + 1, dim=1).values
        for part in points.split(ROWS)
    ]
    return torch.cat(parts)


def _share_inside(queries: Tensor, points: Tensor, radii: Tensor) -> float:
    inside = [
        (torch.cdist(part, points, compute_mode="donot_use_mm_for_euclid_dist") <= radii).any(1)
        for part in queries.split(ROWS)
    ]
    return torch.cat(inside).double().mean().item()
