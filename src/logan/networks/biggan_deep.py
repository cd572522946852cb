"""BigGAN-deep (Brock et al. 2018, appendix B, table 7 to 9): bottleneck blocks, two per size, whose skips have no weights in G."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from logan.networks.activations import pick_activation
from logan.networks.attention import SelfAttention
from logan.networks.base import Discriminator, Generator
from logan.networks.checkpointing import Checkpointed
from logan.networks.layers import LabelProjection, add_spectral_norm, double, init_orthogonal
from logan.networks.layouts import BIGGAN, biggan_attention, check_size
from logan.networks.norms import BatchNorm, ConditionalBatchNorm
from logan.networks.resnet import EMBEDDING, Activation
from logan.networks.spec import Spec

WIDTH = 128
EPS = 1e-4
"""Of batch norm and of spectral norm (huggingface/pytorch-pretrained-BigGAN, config.py:32)."""


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair for 32, 64, 128 or 256.

    At 128 with 1,000 classes G has 50,244,484 parameters for 128 latent dimensions and D 34,590,210 (the paper: 50.4 and 34.6
    million; its G has 128 output channels, of which three are used). Without classes the condition is z alone.

    Raises:
        InputError: another size, or ``depth``.
    """
    spec.refuse("depth")
    check_size(spec)
    return BigGANDeepGenerator(spec), BigGANDeepDiscriminator(spec)


class BigGANDeepGenerator(Generator, Checkpointed):
    """c = [z, embedding of the class] feeds a linear layer to 4×4 and every batch norm; two blocks per size."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        width, activation = spec.width or WIDTH, pick_activation(spec.activation, "relu")
        channels = [width * c for c in BIGGAN[spec.image_size].g]
        self.embedding = nn.Embedding(spec.num_classes, EMBEDDING) if spec.num_classes else None
        dim = spec.latent_dim + (EMBEDDING if spec.num_classes else 0)
        self.input = nn.Linear(dim, channels[0] * 16)
        self.blocks = nn.ModuleList()
        self.attention_after: int | None = None
        for i, (before, after) in enumerate(itertools.pairwise(channels)):
            self.blocks.append(GeneratorBottleneck(before, before, dim, False, activation))
            self.blocks.append(GeneratorBottleneck(before, after, dim, True, activation))
            if 8 * 2**i == biggan_attention(spec.image_size):
                self.attention_after, self.attention = 2 * i + 1, SelfAttention(after)
        self.norm = BatchNorm(channels[-1], eps=EPS)
        self.activation = activation()
        self.output = nn.Conv2d(channels[-1], spec.image_channels, 3, 1, 1)
        self.apply(init_orthogonal)
        if spec.spectral_norm is not False:
            add_spectral_norm(self, EPS, without=[m for m in self.modules() if isinstance(m, nn.Embedding)])

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        c = z if self.embedding is None else torch.cat([z, self.embedding(labels)], dim=1)
        x = self.input(c).view(z.shape[0], -1, 4, 4)
        for i, block in enumerate(self.blocks):
            x = self.run(block, x, c)
            if i == self.attention_after:
                x = self.run(self.attention, x)
        return torch.tanh(self.output(self.activation(self.norm(x))))


class GeneratorBottleneck(nn.Module):
    """norm · act · 1×1 to a quarter; norm · act [· ↑2] · 3×3; norm · act · 3×3; norm · act · 1×1. The skip drops channels."""

    def __init__(self, before: int, after: int, condition_dim: int, up: bool, activation: Activation) -> None:
        super().__init__()
        hidden = max(before // 4, 1)
        self.after, self.up = after, up
        self.norm1 = ConditionalBatchNorm(before, condition_dim, EPS)
        self.norm2, self.norm3, self.norm4 = (ConditionalBatchNorm(hidden, condition_dim, EPS) for _ in range(3))
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


class BigGANDeepDiscriminator(Discriminator, Checkpointed):
    """A 3×3 convolution, two blocks per size, activation, sum over all places, linear layer; the class by projection."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        width, activation = spec.width or WIDTH, pick_activation(spec.activation, "relu")
        layout, size = BIGGAN[spec.image_size], spec.image_size
        channels = [width * c for c in layout.d]
        self.input = nn.Conv2d(spec.image_channels, channels[0], 3, 1, 1)
        self.blocks = nn.ModuleList()
        self.attention_after: int | None = None
        for i, (before, after) in enumerate(itertools.pairwise(channels)):
            self.blocks.append(DiscriminatorBottleneck(before, after, i < layout.halving, activation))
            self.blocks.append(DiscriminatorBottleneck(after, after, False, activation))
            size = size // 2 if i < layout.halving else size
            if i < layout.halving and size == biggan_attention(spec.image_size):
                self.attention_after, self.attention = 2 * i + 1, SelfAttention(after)
        self.activation = activation()
        self.head = nn.Linear(channels[-1], 1)
        self.projection = LabelProjection(spec.num_classes, channels[-1])
        self.apply(init_orthogonal)
        if spec.spectral_norm is not False:
            add_spectral_norm(self, EPS)

    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        x = self.input(images)
        for i, block in enumerate(self.blocks):
            x = self.run(block, x)
            if i == self.attention_after:
                x = self.run(self.attention, x)
        h = self.activation(x).sum(dim=(2, 3))  # (B, C)
        return self.projection(self.head(h).squeeze(1), h, labels)


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
