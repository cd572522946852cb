"""BigGAN (Brock et al. 2018, appendix B, tables 4 to 6): wider, z in chunks to every block, one embedding for all layers."""

from __future__ import annotations

from dataclasses import replace

from logan.networks.base import Discriminator, Generator
from logan.networks.layers import init_orthogonal
from logan.networks.resnet import D_CHANNELS, Style
from logan.networks.resnet import build as build_resnet
from logan.networks.spec import Spec


def attention(size: int) -> int | None:
    """On feature maps of 64×64, at half the size of smaller images; none at 32, as in BigGAN-PyTorch's CIFAR script."""
    return None if size == 32 else min(64, size // 2)


STYLE = Style(
    width=96,
    condition="chunks",
    attention=attention,
    normed_g=True,
    wide_d=True,
    init=init_orthogonal,
    eps=(1e-4, 1e-4),
    d_channels=D_CHANNELS,
)


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for 32, 64, 128 or 256; the width is 96, and at 32 64. z is divided into equal parts, of which there are 4, 5, 6, 7:
    120 dimensions at 128.

    Raises:
        InputError: another size, ``depth``, or a latent that cannot be divided.
    """
    return build_resnet(spec, replace(STYLE, width=64) if spec.image_size == 32 else STYLE)
