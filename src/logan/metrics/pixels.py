"""From images as networks make them to what detectors see: uint8, rounded to nearest, and never of an unknown range.

Between 2019 and 2020 the public CS-GAN code fed images in [0, 1] to an Inception network that expects [−1, 1], and its
scores were wrong for a year; here such images are refused.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from logan.errors import InputError

SLACK = 1e-3
"""How far beyond ±1 rounding in half precision may carry a tanh."""


def to_pixels(images: Tensor, *, from_generator: bool = False) -> Tensor:
    """Images (N, C, H, W) as uint8: round(127.5 (x + 1)) of floats in [−1, 1]; uint8 as it is.

    Args:
        images: uint8, or floating point in [−1, 1].
        from_generator: these come from a network that is known to end in tanh; then a set without any negative value is
            a set of bright pictures, and not, as it must be feared otherwise, one in [0, 1].

    Raises:
        InputError: floats outside [−1, 1] (in [0, 255], say), floats that are all ≥ 0 ([0, 1], probably), values that are
            not finite, another type, or another number of dimensions.

    Example:
        >>> to_pixels(torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3)).flatten().tolist()
        [0, 128, 255]
    """
    if images.ndim != 4:
        raise InputError(f"images to score must be of shape (N, C, H, W), not {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise InputError(f"images to score must be uint8, or floats in [-1, 1], not {images.dtype}")
    if images.numel():
        _check_range(images.amin().item(), images.amax().item(), from_generator)
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _check_range(low: float, high: float, from_generator: bool) -> None:
    if not (low >= -1 - SLACK and high <= 1 + SLACK):  # NaN fails too
        raise InputError(f"images to score must lie in [-1, 1], and these go from {low:g} to {high:g}; rescale them")
    if low >= 0 and not from_generator:
        raise InputError(
            f"images to score must lie in [-1, 1], and these go from {low:g} to {high:g}: they look like [0, 1]; "
            f"pass 2 * images - 1, or uint8"
        )


def resized(pixels: Tensor, side: int) -> Tensor:
    """uint8 (B, 1 or 3, H, W) to float32 (B, 3, side, side) in [0, 255]: Pillow's bicubic resampling, antialiased, not rounded.

    One matrix for the rows and one for the columns: the same on every device, whether or not it has a kernel for this, and no
    image's result depends on the others of its batch.
    """
    rows, columns = (_resampling(n, side).to(pixels.device) for n in pixels.shape[2:])
    x = (rows @ pixels.float() @ columns.T).clamp(0, 255)  # a cubic overshoots at edges
    return x.expand(-1, 3, -1, -1)


@lru_cache(maxsize=8)
def _resampling(n: int, side: int) -> Tensor:
    """The matrix (side, n) of bicubic resampling: what becomes of an identity that is resized along one of its axes."""
    return F.interpolate(
        torch.eye(n, dtype=torch.float32, device="cpu").view(1, 1, n, n), (side, n), mode="bicubic", antialias=True
    )[0, 0]
