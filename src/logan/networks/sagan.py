"""SAGAN (Zhang et al. 2018): SN-GAN's networks with self-attention at 32×32, and spectral norm in G too."""

from __future__ import annotations

from logan.networks.base import Discriminator, Generator
from logan.networks.layers import init_xavier
from logan.networks.resnet import D_CHANNELS, Style
from logan.networks.resnet import build as build_resnet
from logan.networks.spec import Spec

STYLE = Style(
    width=64,
    condition="class",
    attention=lambda size: min(32, size // 2),
    normed_g=True,
    wide_d=True,
    init=init_xavier,
    eps=(1e-5, 1e-12),
    d_channels=D_CHANNELS,
)


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for 32, 64, 128 or 256. The published one is that of 128, with attention on feature maps of 32×32 (section 4);
    at 32 they are of 16×16.

    Raises:
        InputError: another size, or ``depth``.
    """
    return build_resnet(spec, STYLE)
