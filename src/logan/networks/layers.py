"""What the networks share: named stacks, spectral normalisation, and the two ways in for labels."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations


def count_parameters(module: nn.Module) -> int:
    """The number of parameters, those of batch norm included and running statistics not."""
    return sum(p.numel() for p in module.parameters())


def stack(**layers: nn.Module | None) -> nn.Sequential:
    """The layers one after another under their names, which become the keys of the state dict; None is skipped."""
    return nn.Sequential(OrderedDict((name, layer) for name, layer in layers.items() if layer is not None))


def add_spectral_norm(module: nn.Module) -> None:
    """Divide the weight of every convolution, linear layer and embedding by its largest singular value, in place.

    One power iteration per forward pass in training mode, none in evaluation mode (Miyato et al. 2018, Algorithm 1;
    CS-GAN's TensorFlow code also iterates at evaluation). Call it after the weights have their initial values: it
    starts with 15 iterations on them.
    """
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)
    for layer in [m for m in module.modules() if isinstance(m, kinds)]:
        parametrizations.spectral_norm(layer, n_power_iterations=1)


class LabelConcat(nn.Module):
    """z (B, latent_dim) with the label's embedding behind it: (B, ``out_dim``). Without classes, z itself."""

    def __init__(self, num_classes: int, latent_dim: int) -> None:
        super().__init__()
        # 128 is BigGAN's shared embedding (Brock et al. 2018, App. B); longer than z it would drown z.
        embedding_dim = min(latent_dim, 128) if num_classes else 0
        self.out_dim = latent_dim + embedding_dim
        self.embedding = nn.Embedding(num_classes, embedding_dim) if num_classes else None

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        if self.embedding is None:
            return z
        return torch.cat([z, self.embedding(labels)], dim=1)


class LabelProjection(nn.Module):
    """score + ⟨embed(y), h⟩ (Miyato & Koyama 2018, eq. 9). Without classes, the score itself."""

    def __init__(self, num_classes: int, features: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes, features) if num_classes else None
        if self.embedding is not None:
            # So that at the start the product is of the size of the mean feature, like a linear layer's output.
            nn.init.normal_(self.embedding.weight, std=features**-0.5)

    def forward(self, score: Tensor, h: Tensor, labels: Tensor | None) -> Tensor:
        """The score (B,) of the features h (B, features) with the label's part added."""
        if self.embedding is None:
            return score
        return score + (self.embedding(labels) * h).sum(dim=1)
