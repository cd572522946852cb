"""Small players with one layer of interest in D or in G, and every way to take a LOGAN gradient of them."""

import torch
from torch import nn

from logan import LatentStep, losses, turns
from logan.cs_gan import CSStep, give_step_size
from logan.game import Game

F64 = torch.float64
STEP = LatentStep("ngd", alpha=0.9, beta=0.2, portion=0.75, penalty=0.4, bounds=None)


def players(layer: nn.Module, where: str, dtype=F64):
    """G: 4 latents to 8 numbers, D: those to a score; smooth, with ``layer`` (8 numbers to 8) at 1 of the one or the other."""
    torch.manual_seed(1)
    g = nn.Sequential(nn.Linear(4, 8), layer if where == "g" else nn.Identity(), nn.Tanh(), nn.Linear(8, 8))
    d = nn.Sequential(
        nn.Linear(8, 8), layer if where == "d" else nn.Identity(), nn.SiLU(), nn.Linear(8, 1), nn.Flatten(0)
    )
    return g.to(dtype), d.to(dtype)


def batch(dtype=F64, n=3):
    torch.manual_seed(2)
    return torch.randn(n, 8, dtype=dtype), torch.rand(n, 4, dtype=dtype) * 2 - 1


def game_of(g, d, latent, engine="plain", announce=lambda said: None, **settings):
    optimisers = (torch.optim.SGD(x.parameters(), 0.0) for x in (g, d))
    return Game(g, d, *optimisers, latent=latent, engine=engine, announce=announce, **settings)


def played(g, d, real, z, latent, engine, **settings):
    return game_of(g, d, latent, engine, **settings).step(lambda: (real, None), lambda n: z)


WAYS = {
    "step": lambda g, d, real, z, latent: latent(lambda z: d(g(z)), z),
    "simultaneous": lambda g, d, real, z, latent: turns.simultaneous(g, d, real, z, latent=latent),
    "discriminator": lambda g, d, real, z, latent: turns.discriminator_turn(g, d, real, z, latent=latent),
    "generator": lambda g, d, real, z, latent: turns.generator_turn(g, d, z, latent=latent),
    "plain": lambda g, d, real, z, latent: played(g, d, real, z, latent, "plain"),
    "recorded": lambda g, d, real, z, latent: played(g, d, real, z, latent, "recorded"),
    "alternating": lambda g, d, real, z, latent: played(g, d, real, z, latent, "recorded", update="alternating"),
    "cs": lambda g, d, real, z, latent: turns.simultaneous(
        give_step_size(g), d, real, z, latent=CSStep(stop_gradient=latent.stop_gradient), loss=losses.non_saturating
    ),
}
"""All that take the latent step and, but for "step", differentiate through it."""
