"""BigGAN (Brock et al. 2018, appendix B, tables 4 to 6): wider, z in chunks to every block, one embedding for all layers."""

from __future__ import annotations

from dataclasses import replace

from logan.networks import resnet
from logan.networks.base import Discriminator, Generator
from logan.networks.layers import init_orthogonal
from logan.networks.layouts import BIGGAN, biggan_attention
from logan.networks.spec import Spec

STYLE = resnet.Style(
    width=96,
    condition="chunks",
    attention=biggan_attention,
    normed_g=True,
    init=init_orthogonal,
    eps=(1e-4, 1e-4),
    layouts=BIGGAN,
)


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for 32, 64, 128 or 256; the width is 96, at 32 64 (BigGAN-PyTorch's script for CIFAR-10).

    z is divided into equal chunks, one for the first layer and one for every block: 4, 5, 6 or 7 by size, so 120 dimensions at
    128 and 140 at 256 are 20 per chunk, as published. A latent that does not divide is refused; BigGAN-PyTorch leaves the rest out.
    Without classes a block's condition is its chunk alone.

    At 128 with 1,000 classes and latent 120 G has 70,433,988 parameters and D 87,982,370.

    Raises:
        InputError: another size, ``depth``, or a latent that cannot be divided.
    """
    return resnet.build(spec, replace(STYLE, width=64) if spec.image_size == 32 else STYLE)
