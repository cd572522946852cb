"""What the networks share: named stacks, spectral normalisation, and the two ways in for labels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations


def count_parameters(module: nn.Module) -> int:
    """The number of parameters, those of batch norm included and running statistics not."""
    return sum(p.numel() for p in module.parameters())


def stack(**layers: nn.Module | None) -> nn.Sequential:
    """The layers one after another under their names, which become the keys of the state dict; None is skipped."""
    return nn.Sequential(OrderedDict((name, layer) for name, layer in layers.items() if layer is not None))


def add_spectral_norm(module: nn.Module, eps: float = 1e-12, without: Sequence[nn.Module] = ()) -> None:
    """Divide the weight of every convolution, linear layer and embedding by its largest singular value, in place.

    One power iteration per forward pass in training mode, none in evaluation mode (Miyato et al. 2018, Algorithm 1;
    CS-GAN's TensorFlow code also iterates at evaluation). Call it after the weights have their initial values: it
    starts with 15 iterations on them.

    Args:
        module: whose layers.
        eps: added where the vectors are normalised.
        without: layers that are left as they are.
    """
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)
    for layer in [m for m in module.modules() if isinstance(m, kinds) and m not in without]:
        parametrizations.spectral_norm(layer, n_power_iterations=1, eps=eps)


def init_orthogonal(module: nn.Module) -> None:
    """Orthogonal weights and biases of 0 (Saxe et al. 2014), as BigGAN has them; for ``apply``."""
    if isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding)):
        nn.init.orthogonal_(module.weight)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def init_xavier(module: nn.Module) -> None:
    """Uniform within ±√(6/(fan in + fan out)) and biases of 0 (Glorot & Bengio 2010), as SN-GAN and SAGAN have them."""
    if isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding)):
        nn.init.xavier_uniform_(module.weight)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def double(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 2H, 2W) by repeating every pixel."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


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
