"""A small step of every preset: its networks, narrow, at 32×32 pixels at most, its loss, and a latent step."""

from dataclasses import replace

import torch

from logan import networks
from logan.bench.steps import stand_in
from logan.config.presets import PRESETS

SMALL_WIDTH = 4


def players_of(preset, precision="float32", latent=None, device="cpu", batch=4):
    """(G, D), (real, z, labels), rules; all on a device, in the order of memory that training gives them.

    ``latent`` None is the preset's own method, or ngd where it has none.
    """
    config = PRESETS[preset]()
    method = latent or (config.latent.latent if config.latent.latent != "none" else "ngd")
    config = replace(
        config,
        game=replace(config.game, precision=precision),
        latent=replace(config.latent, latent=method),
    )
    n, data = config.networks, stand_in(config)
    own = n.network == "mlp"
    size, classes = data.image_size if own else 32, 4 if config.data.conditional else 0
    torch.manual_seed(1)
    players = networks.create(
        n.network,
        image_size=size,
        image_channels=data.channels,
        latent_dim=n.latent_dim if own else 16,
        num_classes=classes,
        width=n.width if own else SMALL_WIDTH,
        depth=n.depth,
        activation=n.activation,
        spectral_norm=n.spectral_norm,
    )
    order = torch.channels_last
    players = [p.to(device).to(memory_format=order).train() for p in players]
    real = torch.rand(batch, data.channels, size, size, device=device).contiguous(memory_format=order) * 2 - 1
    z = torch.rand(batch, n.latent_dim if own else 16, device=device) * 2 - 1
    labels = torch.arange(batch, device=device) % classes if classes else None
    return players, (real, z, labels), config.rules()
