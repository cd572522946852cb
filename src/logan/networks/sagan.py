"""SAGAN (Zhang et al. 2018): SN-GAN's networks with self-attention at 32×32, and spectral norm in G too."""

from __future__ import annotations

from logan.networks import resnet
from logan.networks.base import Discriminator, Generator
from logan.networks.layers import init_xavier
from logan.networks.layouts import BIGGAN, sagan_attention
from logan.networks.spec import Spec

STYLE = resnet.Style(
    width=64,
    condition="class",
    attention=sagan_attention,
    normed_g=True,
    init=init_xavier,
    eps=(1e-5, 1e-12),
    layouts=BIGGAN,
)


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for 32, 64, 128 or 256. The published one is that of 128; the other sizes have BigGAN's channels.

    Only the class conditions the batch norms, and all of z enters the first layer. At 128 with 1,000 classes G and D have 81.5
    million parameters together, as table 1 of Brock et al. (2018) says of its SA-GAN.

    Raises:
        InputError: another size, or ``depth``.
    """
    return resnet.build(spec, STYLE)
