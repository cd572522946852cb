"""Small networks of the residual family. At 32 only sagan has attention; at 64 biggan and biggan-deep have it too."""

import torch

from logan import networks

FAMILY = ("sngan", "sagan", "biggan", "biggan-deep")
LATENT = {32: 8, 64: 10, 128: 12, 256: 14}
"""Two dimensions for each of biggan's chunks."""


def family(name, size=32, seed=0, **changes):
    torch.manual_seed(seed)
    options = {"image_size": size, "image_channels": 2, "latent_dim": LATENT[size], "width": 2, "num_classes": 3}
    return networks.create(name, **(options | changes))


def batch(G, n=3, dtype=None):
    """Latents and labels for G, or None."""
    z = torch.rand(n, G.latent_dim, dtype=dtype) * 2 - 1
    return z, torch.arange(n) % G.num_classes if G.num_classes else None
