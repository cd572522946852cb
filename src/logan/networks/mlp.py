"""The two-layer GAN for points in the plane of F. Fleuret's lecture on GANs, and the same for small images.

G is Linear(latent_dim, 100) ReLU Linear(100, 2), D is Linear(2, 100) ReLU Linear(100, 1). The lecture's D ends with a
sigmoid; here scores are logits, and the sigmoid belongs to the loss.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from logan.networks.base import Discriminator, Generator
from logan.networks.layers import LabelConcat, LabelProjection, add_spectral_norm, stack
from logan.networks.spec import Spec

WIDTH = 100
DEPTH = 1


def build(spec: Spec) -> tuple[Generator, Discriminator]:
    """The pair, of any image size. ``depth`` is the number of hidden layers of each network."""
    return MlpGenerator(spec), MlpDiscriminator(spec)


class MlpGenerator(Generator):
    """Hidden layers, then a linear layer to C·H·W values: with tanh for images, without for points (size 1)."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        width = spec.width or WIDTH
        self.labels = LabelConcat(spec.num_classes, spec.latent_dim)
        self.hidden = hidden_layers(self.labels.out_dim, width, spec)
        self.output = nn.Linear(width, values_per_image(spec))

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        x = self.output(self.hidden(self.labels(z, labels)))
        x = x.view(z.shape[0], self.image_channels, self.image_size, self.image_size)
        return x if self.image_size == 1 else torch.tanh(x)


class MlpDiscriminator(Discriminator):
    """Hidden layers on the flattened image, then a linear layer to the score."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        width = spec.width or WIDTH
        self.hidden = hidden_layers(values_per_image(spec), width, spec)
        self.head = nn.Linear(width, 1)
        self.projection = LabelProjection(spec.num_classes, width)
        if spec.spectral_norm:
            add_spectral_norm(self)

    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        h = self.hidden(images.flatten(1))
        return self.projection(self.head(h).squeeze(1), h, labels)


def hidden_layers(in_features: int, width: int, spec: Spec) -> nn.Sequential:
    activation = spec.pick_activation("relu")
    sizes = [in_features] + [width] * (spec.depth or DEPTH)
    layers = (stack(linear=nn.Linear(a, b), activation=activation()) for a, b in itertools.pairwise(sizes))
    return stack(**{f"layer{i}": layer for i, layer in enumerate(layers, start=1)})


def values_per_image(spec: Spec) -> int:
    return spec.image_channels * spec.image_size**2
