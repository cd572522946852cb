"""The source distribution p(z)."""

from __future__ import annotations

import torch
from torch import Tensor


def draw(prior: str, n: int, latent_dim: int, generator: torch.Generator, trunc: float = 1.0) -> Tensor:
    """n latents, (n, latent_dim), on the generator's device: w = s·z (section 5.4), z ~ U(−1, 1) or N(0, 1).

    Args:
        prior: ``uniform`` or ``normal``.
        generator: the only source of randomness.
        trunc: the truncation s in [0, 1]; 1 leaves the prior as it is.
    """
    if prior == "uniform":
        z = torch.rand(n, latent_dim, generator=generator, device=generator.device) * 2 - 1
    elif prior == "normal":
        z = torch.randn(n, latent_dim, generator=generator, device=generator.device)
    else:
        raise ValueError(f"prior is 'uniform' or 'normal', not {prior!r}")
    return z * trunc if trunc != 1 else z
