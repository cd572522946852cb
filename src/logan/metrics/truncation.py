"""Truncation curves: FID against IS as the latents shrink (section 5.4, Figures 3b and 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02)
"""Truncations s from none to the paper's last, 0.02."""


@dataclass(frozen=True)
class Point:
    """One truncation level of one generator: s, its FID and its IS."""

    trunc: float
    fid: float
    inception_score: float


def match(curve: Sequence[Point], *, fid: float | None = None, inception_score: float | None = None) -> Point:
    """The point of a curve that comes nearest to a FID or to an IS: how the paper chooses A, B (FID) and C, D (IS).

    Raises:
        ValueError: not exactly one of the two was given, or the curve is empty.

    Example:
        >>> match([Point(1.0, fid=20.0, inception_score=5.0), Point(0.5, fid=30.0, inception_score=7.0)], fid=28.0)
        Point(trunc=0.5, fid=30.0, inception_score=7.0)
    """
    if (fid is None) == (inception_score is None) or not curve:
        raise ValueError("match needs a curve, and either a FID or an IS")
    if fid is not None:
        return min(curve, key=lambda p: abs(p.fid - fid))
    return min(curve, key=lambda p: abs(p.inception_score - inception_score))  # type: ignore[operator]
