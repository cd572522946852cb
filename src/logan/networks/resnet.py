"""The residual pair that SN-GAN, SAGAN, BigGAN and BigGAN-deep have in common; in what they differ is a :class:`Style`.

Sources: pfnet-research/sngan_projection (Miyato & Koyama 2018), brain-research/self-attention-gan (Zhang et al. 2018), Brock et
al. (2018), appendix B, figure 15 and tables 4 to 6. The channels are in :mod:`logan.networks.layouts`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from logan.errors import InputError
from logan.networks.attention import SelfAttention
from logan.networks.base import Discriminator, Generator
from logan.networks.checkpointing import Checkpointed
from logan.networks.layers import LabelProjection, add_spectral_norm, double
from logan.networks.layouts import Layout
from logan.networks.norms import BatchNorm, ClassBatchNorm, ConditionalBatchNorm, MakeNorm, modulated
from logan.networks.spec import Spec

EMBEDDING = 128
"""Numbers that stand for a class, in BigGAN's generators (Brock et al. 2018, section 3.1)."""

Activation = Callable[[], nn.Module]


class GeneratorBlock(nn.Module):
    """norm · act · ↑2 · 3×3 · norm · act · 3×3, beside ↑2 · 1×1."""

    def __init__(self, before: int, after: int, make_norm: MakeNorm, activation: Activation) -> None:
        super().__init__()
        self.norm1, self.norm2 = make_norm(before), make_norm(after)
        self.activation1, self.activation2 = activation(), activation()
        self.conv1 = nn.Conv2d(before, after, 3, 1, 1)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1)
        self.skip = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        h = self.conv1(double(self.activation1(self.norm1(x, condition))))
        h = self.conv2(self.activation2(self.norm2(h, condition)))
        # a 1×1 convolution of repeated pixels is the repetition of its results, at a quarter of the work
        return h + double(self.skip(x))


class DiscriminatorBlock(nn.Module):
    """[act ·] 3×3 · act · 3×3 [· ↓2], beside 1×1 [· ↓2]. The first block sees the image, without an activation before."""

    def __init__(self, before: int, hidden: int, after: int, halve: bool, first: bool, activation: Activation) -> None:
        super().__init__()
        self.halve = halve
        self.activation1 = nn.Identity() if first else activation()
        self.activation2 = activation()
        self.conv1 = nn.Conv2d(before, hidden, 3, 1, 1)
        self.conv2 = nn.Conv2d(hidden, after, 3, 1, 1)
        self.skip = nn.Conv2d(before, after, 1) if halve or before != after else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(self.activation2(self.conv1(self.activation1(x))))
        h, x = (F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)) if self.halve else (h, x)
        # means and 1×1 convolutions change places freely; after the mean there is a quarter of the work
        return h + (x if self.skip is None else self.skip(x))


@dataclass(frozen=True)
class Style:
    """What makes one of the family.

    Attributes:
        width: channels of the narrowest layer, if none are asked for.
        condition: ``class``: a gain and bias per class, all of z in the first layer; ``chunks``: z in as many parts as there
            are layers to feed, each with the class's embedding beside it; ``whole``: all of z and the embedding for every layer.
        attention: from the image size to the size of the feature map with a non-local block; None for none.
        normed_g: spectral norm in G too.
        init: of all weights.
        eps: of batch norm, and of spectral norm.
        layouts: the channels, by image size.
        g_blocks, d_blocks: the blocks of one size. Those that change it are the last of G's, and the first of D's.
        d_input: whether D begins with a convolution of its own; else its first block sees the image.
    """

    width: int
    condition: Literal["class", "chunks", "whole"]
    attention: Callable[[int], int | None]
    normed_g: bool
    init: Callable[[nn.Module], None]
    eps: tuple[float, float]
    layouts: dict[int, Layout]
    g_blocks: Callable[[int, int, MakeNorm, Activation], list[nn.Module]] = lambda before, after, norm, activation: [
        GeneratorBlock(before, after, norm, activation)
    ]
    d_blocks: Callable[[int, int, bool, bool, Activation], list[nn.Module]] = lambda before, after, *rest: [
        DiscriminatorBlock(before, after, after, *rest)
    ]
    d_input: bool = False


def build(spec: Spec, style: Style) -> tuple[Generator, Discriminator]:
    """The pair of that style for 32, 64, 128 or 256.

    Raises:
        InputError: another size, ``depth``, or a latent that cannot be divided.
    """
    spec.check_convolutional(style.layouts)
    return ResnetGenerator(spec, style), ResnetDiscriminator(spec, style)


class ResnetGenerator(Generator, Checkpointed):
    """A linear layer to 4×4, blocks that double the size, then batch norm, activation and a 3×3 convolution to the image."""

    def __init__(self, spec: Spec, style: Style) -> None:
        super().__init__(spec)
        width, activation = spec.width or style.width, spec.pick_activation("relu")
        channels = [width * c for c in style.layouts[spec.image_size].g]
        self.condition = style.condition
        first, make_norm = self._conditions(spec, style, slots=len(channels))
        self.input = nn.Linear(first, channels[0] * 16)
        self.blocks = nn.ModuleList()
        self.attention_after: int | None = None
        for i, (before, after) in enumerate(itertools.pairwise(channels)):
            self.blocks.extend(style.g_blocks(before, after, make_norm, activation))
            if 8 * 2**i == style.attention(spec.image_size):
                self.attention_after, self.attention = len(self.blocks) - 1, SelfAttention(after)
        self.norm = BatchNorm(channels[-1], eps=style.eps[0])
        self.activation = activation()
        self.output = nn.Conv2d(channels[-1], spec.image_channels, 3, 1, 1)
        self.apply(style.init)
        for module in self.modules():
            if isinstance(module, ClassBatchNorm):
                module.begin()
        if style.normed_g and spec.spectral_norm is not False:
            # not on what stands for a class (BigGAN-PyTorch, BigGAN.py: which_embedding of its Generator)
            add_spectral_norm(self, style.eps[1], without=[m for m in self.modules() if isinstance(m, nn.Embedding)])

    def _conditions(self, spec: Spec, style: Style, slots: int) -> tuple[int, MakeNorm]:
        """Inputs of the first layer, and the maker of the blocks' norms."""
        eps = style.eps[0]
        self.embedding = None
        if style.condition == "class":
            if spec.num_classes:
                return spec.latent_dim, lambda c: ClassBatchNorm(c, spec.num_classes, eps)
            return spec.latent_dim, lambda c: BatchNorm(c, eps=eps)
        self.chunk, rest = divmod(spec.latent_dim, slots if style.condition == "chunks" else 1)
        if rest or not self.chunk:
            near = max(1, self.chunk) * slots
            raise InputError(
                f"{spec.name} at {spec.image_size}x{spec.image_size} divides z into {slots} parts; `latent_dim` "
                f"{spec.latent_dim} does not divide, {near} does"
            )
        if spec.num_classes:
            self.embedding = nn.Embedding(spec.num_classes, EMBEDDING)
        dim = self.chunk + (EMBEDDING if spec.num_classes else 0)
        return dim if style.condition == "whole" else self.chunk, lambda c: ConditionalBatchNorm(c, dim, eps)

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        first, *conditions = self._parts(z, labels)
        x = self.input(first).view(z.shape[0], -1, 4, 4)
        for i, (block, condition) in enumerate(zip(self.blocks, modulated(self.blocks, conditions), strict=True)):
            x = self.run(block, x, condition)
            if i == self.attention_after:
                x = self.run(self.attention, x)
        return torch.tanh(self.output(self.activation(self.norm(x))))

    def _parts(self, z: Tensor, labels: Tensor | None) -> list[Tensor | None]:
        """The first layer's input, and the condition of every block."""
        if self.condition == "class":
            return [z, *[labels] * len(self.blocks)]
        if self.condition == "whole":
            c = z if self.embedding is None else torch.cat([z, self.embedding(labels)], dim=1)
            return [c] * (1 + len(self.blocks))
        first, *chunks = z.split(self.chunk, dim=1)
        if self.embedding is None:
            return [first, *chunks]
        embedded = self.embedding(labels)
        return [first, *[torch.cat([chunk, embedded], dim=1) for chunk in chunks]]


class ResnetDiscriminator(Discriminator, Checkpointed):
    """Blocks that halve the size, activation, sum over all places, and a linear layer; the class enters by projection."""

    def __init__(self, spec: Spec, style: Style) -> None:
        super().__init__(spec)
        width, activation = spec.width or style.width, spec.pick_activation("relu")
        layout, size, inputs = style.layouts[spec.image_size], spec.image_size, spec.image_channels
        channels = [width * c for c in layout.d]
        self.input = nn.Conv2d(inputs, channels[0], 3, 1, 1) if style.d_input else None
        self.blocks = nn.ModuleList()
        self.attention_after: int | None = None
        steps = itertools.pairwise(channels if style.d_input else [inputs, *channels])
        for i, (before, after) in enumerate(steps):
            halve = i < layout.halving
            self.blocks.extend(style.d_blocks(before, after, halve, i == 0, activation))
            size = size // 2 if halve else size
            if halve and size == style.attention(spec.image_size):
                self.attention_after, self.attention = len(self.blocks) - 1, SelfAttention(after)
        self.activation = activation()
        self.head = nn.Linear(channels[-1], 1)
        self.projection = LabelProjection(spec.num_classes, channels[-1])
        self.apply(style.init)
        if spec.spectral_norm is not False:
            add_spectral_norm(self, style.eps[1])

    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        x = images if self.input is None else self.input(images)
        for i, block in enumerate(self.blocks):
            x = self.run(block, x)
            if i == self.attention_after:
                x = self.run(self.attention, x)
        h = self.activation(x).sum(dim=(2, 3))  # (B, C)
        return self.projection(self.head(h).squeeze(1), h, labels)
