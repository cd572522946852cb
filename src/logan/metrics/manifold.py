"""Precision, recall, density and coverage: scores of fidelity and of variety, apart from each other."""

from __future__ import annotations

import torch
from torch import Tensor

from logan.devices import in_float64
from logan.metrics.distances import check_finite

NEIGHBOURS = 5
"""The larger of the two k below: so many other real images there must be."""
ROWS = 2048
"""Rows of a distance matrix that are in memory at a time."""
ROUNDING = 1e-9
"""Squared distances that differ by less than this part of them count as equal."""


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """Precision: the share of fakes within the real manifold; recall: of reals within the fake one.

    A set's manifold is the union of balls around its points, each reaching to the point's k-th nearest neighbour,
    borders included (Kynkäänniemi et al. 2019, equations 1 and 2, k = 3).

    Args:
        real, fake: features (n, F) with n > k.

    Raises:
        ValueError: too few points.

    Example:
        Of four fakes on a line two lie among the reals 0 … 4; all reals but the last two are within reach of a fake.

        >>> real, fake = torch.arange(5.0)[:, None], torch.tensor([[0.0], [1.0], [10.0], [10.5]])
        >>> precision_recall(real, fake, k=1)
        (0.5, 0.6)
    """
    real, fake = _shifted(real, fake)
    return _share_inside(fake, real, _radii(real, k)), _share_inside(real, fake, _radii(fake, k))


def density_coverage(real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Density: mean over fakes of (real balls that contain it)/k; coverage: share of real balls that hold a fake.

    Naeem et al. (2020), equations 3 and 4, k = 5, without the balls' borders, as in their code: so a set's density within
    itself is 1, if no two distances are equal. Density can be above 1.

    Args:
        real, fake: features (n, F), with more than k real ones.

    Raises:
        ValueError: too few points.

    Example:
        >>> real, fake = torch.arange(5.0)[:, None], torch.tensor([[0.0], [1.0], [10.0], [10.5]])
        >>> density_coverage(real, fake, k=1)  # balls of radius 1 without their borders
        (0.5, 0.4)
    """
    real, fake = _shifted(real, fake)
    radii = _radii(real, k)
    inside, covered = 0, torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for part in fake.split(ROWS):
        within = _squared(part, real) < radii * (1 - ROUNDING)
        inside += int(within.sum())
        covered |= within.any(0)
    return inside / (k * len(fake)), covered.cpu().double().mean().item()


def _shifted(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """In float64, and near the origin, where :func:`_squared` loses least."""
    check_finite(real, fake)
    real, fake = in_float64(real), in_float64(fake)
    return real - real.mean(0), fake - real.mean(0)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """‖a_i − b_j‖² as ‖a_i‖² + ‖b_j‖² − 2 a_i·b_j, a matrix product; less than its rounding error counts as 0."""
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    squared = lengths - 2 * (a @ b.T)
    return torch.where(squared > 1e-13 * a.shape[1] * lengths, squared, 0.0)


def _radii(points: Tensor, k: int) -> Tensor:
    """Squared distance of each point to its k-th nearest other point, (n,)."""
    if len(points) <= k:
        raise ValueError(f"a manifold of {k}-th nearest neighbours needs more than {k} points, not {len(points)}")
    # The nearest of all is the point itself, at distance 0.
    parts = [_squared(part, points).kthvalue(k + 1, dim=1).values for part in points.split(ROWS)]
    return torch.cat(parts)


def _share_inside(queries: Tensor, points: Tensor, radii: Tensor) -> float:
    inside = [(_squared(part, points) <= radii * (1 + ROUNDING)).any(1) for part in queries.split(ROWS)]
    return torch.cat(inside).cpu().double().mean().item()
