"""SN-GAN's residual networks (Miyato et al. 2018), with the projection discriminator (Miyato & Koyama 2018)."""

from __future__ import annotations

from logan.networks.base import Discriminator, Generator
from logan.networks.layers import init_xavier
from logan.networks.resnet import D_CHANNELS, Style
from logan.networks.resnet import build as build_resnet
from logan.networks.spec import Spec

STYLE = Style(
    width=64,
    condition="class",
    attention=lambda size: None,
    normed_g=False,
    wide_d=False,
    init=init_xavier,
    eps=(2e-5, 1e-12),  # chainer's batch norm
    d_channels=D_CHANNELS | {32: (2, 2, 2, 2)},
)


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for 32, 64, 128 or 256: at 128 1024 to 64 channels in G (``snresnet`` of pfnet/sngan_projection), at 32 those of
    CIFAR-10 (256 in G, 128 in D). No spectral norm in G.

    Raises:
        InputError: another size, or ``depth``.
    """
    return build_resnet(spec, STYLE)
