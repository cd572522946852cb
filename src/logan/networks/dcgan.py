"""DCGAN (Radford et al. 2015) as in pytorch/examples, and its family at other sizes.

The 64×64 network is base 4 with four doublings; base·2^k gives the others, with a first and last kernel of base×base
and the width doubling with every halving of the image.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from logan.networks.base import Discriminator, Generator
from logan.networks.layers import LabelConcat, LabelProjection, add_spectral_norm, stack
from logan.networks.spec import Spec

WIDTH = 64
# size: (base, doublings)
SIZES = {base * 2**k: (base, k) for base, most in ((4, 6), (7, 3)) for k in range(1, most + 1)}


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for a size in ``SIZES``.

    ``spectral_norm=True`` gives D spectral normalisation and biases in the place of its batch norm (Miyato et al.
    2018): batch norm divides by the batch's deviation, and so undoes the bound that the normalised weights give.

    Raises:
        InputError: another size, or ``depth``, which follows from the size.
    """
    spec.check_convolutional(SIZES)
    return DcganGenerator(spec), DcganDiscriminator(spec)


class DcganGenerator(Generator):
    """Transposed convolutions from z, as a 1×1 image, to base×base and then doubling."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        base, k = SIZES[spec.image_size]
        width = spec.width or WIDTH
        widths = [width * 2**i for i in reversed(range(k))]  # 8w, 4w, 2w, w at 64×64
        activation = spec.pick_activation("relu")
        self.labels = LabelConcat(spec.num_classes, spec.latent_dim)
        blocks = {}
        for i, (before, after) in enumerate(itertools.pairwise([self.labels.out_dim, *widths])):
            window = (base, 1, 0) if i == 0 else (4, 2, 1)
            conv = nn.ConvTranspose2d(before, after, *window, bias=False)
            blocks[f"size{base * 2**i}"] = stack(conv=conv, norm=nn.BatchNorm2d(after), activation=activation())
        self.blocks = stack(**blocks)
        self.output = nn.ConvTranspose2d(width, spec.image_channels, 4, 2, 1, bias=False)
        self.apply(init_weights)

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        x = self.labels(z, labels)[:, :, None, None]  # (B, latent_dim, 1, 1)
        return torch.tanh(self.output(self.blocks(x)))


class DcganDiscriminator(Discriminator):
    """The generator mirrored: halving convolutions to base×base, then one base×base convolution to the score."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        base, k = SIZES[spec.image_size]
        width = spec.width or WIDTH
        spectral = bool(spec.spectral_norm)
        widths = [spec.image_channels] + [width * 2**i for i in range(k)]  # C, w, 2w, 4w, 8w at 64×64
        activation = spec.pick_activation("leaky-relu")
        blocks = {}
        for i, (before, after) in enumerate(itertools.pairwise(widths), start=1):
            conv = nn.Conv2d(before, after, 4, 2, 1, bias=spectral)
            normed = i > 1 and not spectral  # no batch norm on the image itself (Radford et al. 2015, §3)
            norm = nn.BatchNorm2d(after) if normed else None
            blocks[f"size{spec.image_size // 2**i}"] = stack(conv=conv, norm=norm, activation=activation())
        self.blocks = stack(**blocks)
        self.head = nn.Conv2d(widths[-1], 1, base, 1, 0, bias=spectral)
        self.projection = LabelProjection(spec.num_classes, widths[-1] * base**2)
        self.apply(init_weights)
        if spectral:
            add_spectral_norm(self)

    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        h = self.blocks(images)  # (B, 8w, base, base)
        return self.projection(self.head(h).flatten(), h.flatten(1), labels)


def init_weights(module: nn.Module) -> None:
    """pytorch/examples, dcgan/main.py: N(0, 0.02) for convolutions, N(1, 0.02) and 0 for batch norm."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)) and module.bias is not None:
        nn.init.zeros_(module.bias)
