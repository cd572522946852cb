"""The small SN-DCGAN of CS-GAN's code (deepmind-research/cs_gan/nets.py), on which LOGAN's CIFAR-10 scores stand.

Its D is narrower than the SN-DCGAN of SN-GAN's authors: 64, 64, 128, 128, 256, 256, 512 and not 64, 128, …, 512. One
logit here where that code has two: only their difference enters its loss.
"""

from __future__ import annotations

import math
import sys

import torch
from torch import Tensor, nn

from logan.networks.base import Discriminator, Generator
from logan.networks.layers import LabelConcat, LabelProjection, add_spectral_norm, stack
from logan.networks.spec import Spec

WIDTH = 64
# (channels in widths, kernel, stride) of D's convolutions; nets.py:60-87
D_LAYERS = [(1, 3, 1), (1, 4, 2), (2, 3, 1), (2, 4, 2), (4, 3, 1), (4, 4, 2), (8, 3, 1)]


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for a size that is a multiple of 8 from 16 on. Spectral normalisation of D is on unless refused.

    ``spectral_norm=False`` is ODE-GAN's choice (main_ode.py:216).

    Raises:
        InputError: another size, or ``depth``, which is fixed.
    """
    spec.check_convolutional(range(16, sys.maxsize, 8), "multiples of 8 from 16 on, like 32")
    return SndcganGenerator(spec), SndcganDiscriminator(spec)


class SndcganGenerator(Generator):
    """A linear layer to size/8, three doublings with batch norm, and a 3×3 convolution to the image (nets.py:33-57)."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        width = spec.width or WIDTH
        self.base = spec.image_size // 8
        self.labels = LabelConcat(spec.num_classes, spec.latent_dim)
        self.input = nn.Linear(self.labels.out_dim, 8 * width * self.base**2)  # neither norm nor activation behind it
        activation = spec.pick_activation("relu")
        blocks = {}
        for i in range(1, 4):
            channels = 8 * width // 2**i
            blocks[f"size{self.base * 2**i}"] = stack(
                conv=nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1),
                # Sonnet's decay of 0.999 is torch's momentum of 0.001 (batch_norm_v2.py:41-58).
                norm=nn.BatchNorm2d(channels, eps=1e-3, momentum=0.001),
                activation=activation(),
            )
        self.blocks = stack(**blocks)
        self.output = nn.ConvTranspose2d(width, spec.image_channels, 3, 1, 1)
        self.apply(init_weights)

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        x = self.input(self.labels(z, labels)).view(z.shape[0], -1, self.base, self.base)  # (B, 8w, H/8, W/8)
        return torch.tanh(self.output(self.blocks(x)))


class SndcganDiscriminator(Discriminator):
    """Seven convolutions, each with its activation, and a linear layer on the flattened features (nets.py:60-87)."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        width = spec.width or WIDTH
        activation = spec.pick_activation("leaky-relu-0.1")
        blocks, channels = {}, spec.image_channels
        for i, (widths, kernel, stride) in enumerate(D_LAYERS, start=1):
            conv = nn.Conv2d(channels, widths * width, kernel, stride, 1)
            blocks[f"layer{i}"] = stack(conv=conv, activation=activation())
            channels = widths * width
        self.blocks = stack(**blocks)
        features = channels * (spec.image_size // 8) ** 2
        self.head = nn.Linear(features, 1)
        self.projection = LabelProjection(spec.num_classes, features)
        self.apply(init_weights)
        if spec.spectral_norm is not False:
            add_spectral_norm(self)

    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        h = self.blocks(images).flatten(1)  # (B, 8w·H/8·W/8)
        return self.projection(self.head(h).squeeze(1), h, labels)


def init_weights(module: nn.Module) -> None:
    """Sonnet's default: a normal of σ = 1/√fan_in cut off at ±2σ, and biases 0 (conv.py:296-304, basic.py:123-126)."""
    if not isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        return
    weight = module.weight
    # A transposed convolution keeps its input channels first. Sonnet counts k·k·C_in for it too (conv.py:1118-1120).
    inputs = weight.shape[0] if isinstance(module, nn.ConvTranspose2d) else weight.shape[1]
    sigma = 1 / math.sqrt(inputs * math.prod(weight.shape[2:]))
    nn.init.trunc_normal_(weight, std=sigma, a=-2 * sigma, b=2 * sigma)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
