"""BigGAN-deep (Brock et al. 2018, appendix B, table 7 to 9): bottleneck blocks, two per size, whose skips have no weights in G."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from logan.networks import biggan, resnet
from logan.networks.base import Discriminator, Generator
from logan.networks.layers import double
from logan.networks.norms import MakeNorm
from logan.networks.resnet import Activation
from logan.networks.spec import Spec


class GeneratorBottleneck(nn.Module):
    """norm · act · 1×1 to a quarter; norm · act [· ↑2] · 3×3; norm · act · 3×3; norm · act · 1×1. The skip drops channels."""

    def __init__(self, before: int, after: int, make_norm: MakeNorm, up: bool, activation: Activation) -> None:
        super().__init__()
        hidden = max(before // 4, 1)
        self.after, self.up = after, up
        self.norm1, self.norm2, self.norm3, self.norm4 = map(make_norm, (before, hidden, hidden, hidden))
        self.activation1, self.activation2, self.activation3, self.activation4 = (activation() for _ in range(4))
        self.conv1 = nn.Conv2d(before, hidden, 1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.conv3 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.conv4 = nn.Conv2d(hidden, after, 1)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        h = self.conv1(self.activation1(self.norm1(x, c)))
        h = self.activation2(self.norm2(h, c))
        h = self.conv2(double(h) if self.up else h)
        h = self.conv3(self.activation3(self.norm3(h, c)))
        h = self.conv4(self.activation4(self.norm4(h, c)))
        x = x[:, : self.after]
        return h + (double(x) if self.up else x)


class DiscriminatorBottleneck(nn.Module):
    """act · 1×1 to a quarter; act · 3×3; act · 3×3; act [· ↓2] · 1×1. The skip gets the channels it lacks from a 1×1."""

    def __init__(self, before: int, after: int, halve: bool, activation: Activation) -> None:
        super().__init__()
        hidden = max(after // 4, 1)
        self.halve = halve
        self.activation1, self.activation2, self.activation3, self.activation4 = (activation() for _ in range(4))
        self.conv1 = nn.Conv2d(before, hidden, 1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.conv3 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.conv4 = nn.Conv2d(hidden, after, 1)
        self.extra = nn.Conv2d(before, after - before, 1) if after > before else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.activation1(x))
        h = self.conv2(self.activation2(h))
        h = self.activation4(self.conv3(self.activation3(h)))
        h, x = (F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)) if self.halve else (h, x)
        return self.conv4(h) + (x if self.extra is None else torch.cat([x, self.extra(x)], dim=1))


def two_g(before: int, after: int, make_norm: MakeNorm, activation: Activation) -> list[nn.Module]:
    """One block that keeps size and channels, and one that changes them."""
    kept = GeneratorBottleneck(before, before, make_norm, False, activation)
    return [kept, GeneratorBottleneck(before, after, make_norm, True, activation)]


def two_d(before: int, after: int, halve: bool, _first: bool, activation: Activation) -> list[nn.Module]:
    """One block that changes size and channels, and one that keeps them."""
    changed = DiscriminatorBottleneck(before, after, halve, activation)
    return [changed, DiscriminatorBottleneck(after, after, False, activation)]


STYLE = replace(biggan.STYLE, width=128, condition="whole", g_blocks=two_g, d_blocks=two_d, d_input=True)
"""The 1e-4 of batch norm and of spectral norm are in huggingface/pytorch-pretrained-BigGAN, config.py:32."""


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for 32, 64, 128 or 256.

    At 128 with 1,000 classes G has 50,244,484 parameters for 128 latent dimensions and D 34,590,210 (the paper: 50.4 and 34.6
    million; its G has 128 output channels, of which three are used). Without classes the condition is z alone.

    Raises:
        InputError: another size, or ``depth``.
    """
    return resnet.build(spec, STYLE)
