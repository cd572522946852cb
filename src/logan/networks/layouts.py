"""Channels of the residual networks by image size, in multiples of the width, and where attention sits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """The pair for one image size.

    Attributes:
        g: channels at 4×4, and after every doubling of the size.
        d: channels after every block, or pair of blocks (biggan-deep: after the first convolution, and after every pair).
        halving: how many of D's blocks (or pairs), from the first on, halve the size; the others keep it.
    """

    g: tuple[int, ...]
    d: tuple[int, ...]
    halving: int


BIGGAN = {
    32: Layout((4, 4, 4, 4), (4, 4, 4, 4), 2),
    64: Layout((16, 16, 8, 4, 2), (1, 2, 4, 8, 16), 4),
    128: Layout((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5),
    256: Layout((16, 16, 8, 8, 4, 2, 1), (1, 2, 4, 8, 8, 16, 16), 6),
}
"""Brock et al. (2018), tables 4, 5, 7 and 8 for 128 and 256; 64 and 32 (CIFAR-10) as in ajbrock/BigGAN-PyTorch, BigGAN.py."""

SNGAN = BIGGAN | {
    32: Layout((4, 4, 4, 4), (2, 2, 2, 2), 2),
    64: Layout((16, 8, 4, 2, 1), (1, 2, 4, 8, 16), 5),
}
"""pfnet-research/sngan_projection: 32 is Miyato et al. (2018), table 4, in multiples of 64; 128 and 256 are as BigGAN's."""


def no_attention(size: int) -> int | None:
    """SN-GAN."""
    return None


def sagan_attention(size: int) -> int | None:
    """On feature maps of 32×32 (Zhang et al. 2018, table 1), or of half the size of smaller images."""
    return min(32, size // 2)


def biggan_attention(size: int) -> int | None:
    """On feature maps of 64×64, or of half the size of smaller images; none at 32, as in BigGAN-PyTorch's script for CIFAR-10."""
    return None if size == 32 else min(64, size // 2)
