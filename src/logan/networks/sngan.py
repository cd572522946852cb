"""SN-GAN's residual networks (Miyato et al. 2018), with the projection discriminator (Miyato & Koyama 2018)."""

from __future__ import annotations

import torch
from torch import nn

from logan.networks import resnet
from logan.networks.base import Discriminator, Generator
from logan.networks.layers import init_xavier
from logan.networks.layouts import SNGAN, no_attention
from logan.networks.resnet import Activation, DiscriminatorBlock, GeneratorBlock
from logan.networks.spec import Spec


def init(module: nn.Module) -> None:
    """Glorot's, and √2 times that in the 3×3 convolutions of the blocks (sngan_projection, resblocks.py)."""
    init_xavier(module)
    if isinstance(module, (GeneratorBlock, DiscriminatorBlock)):  # ``apply`` comes to a block after its layers
        with torch.no_grad():
            for conv in (module.conv1, module.conv2):
                conv.weight.mul_(2**0.5)


def narrow_d(before: int, after: int, halve: bool, first: bool, activation: Activation) -> list[nn.Module]:
    """One block, whose first convolution has as many channels as come in, but where that is the image."""
    return [DiscriminatorBlock(before, after if first else before, after, halve, first, activation)]


STYLE = resnet.Style(
    width=64,
    condition="class",
    attention=no_attention,
    normed_g=False,
    init=init,
    eps=(2e-5, 1e-12),  # chainer's batch norm
    layouts=SNGAN,
    d_blocks=narrow_d,
)


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for 32, 64, 128 or 256: at 128 1024 to 64 channels in G, at 32 those of CIFAR-10 (256 in G, 128 in D).

    No spectral norm in G. A gain and a bias per class in G's batch norms; plain batch norm without classes.

    Raises:
        InputError: another size, or ``depth``.
    """
    return resnet.build(spec, STYLE)
