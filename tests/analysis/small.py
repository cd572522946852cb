"""Games small enough to write their Jacobians down, and GANs small enough to form theirs."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from logan.dynamics import Field


def gan(sn=False, dtype=torch.float64, width=8, seed=0):
    """Tanh MLPs of 3 latent and 2 data dimensions; returns G, D, real (6, 2) and z (6, 3)."""
    torch.manual_seed(seed)
    norm = spectral_norm if sn else nn.Identity()
    g = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 2))
    d = nn.Sequential(
        norm(nn.Linear(2, width)), nn.Tanh(), norm(nn.Linear(width, width)), nn.Tanh(), nn.Linear(width, 1)
    )
    g, d = g.to(dtype), d.to(dtype)
    return g, d, torch.randn(6, 2, dtype=dtype), torch.rand(6, 3, dtype=dtype) * 2 - 1


def game(losses, *starts):
    return Field(losses, tuple((torch.as_tensor(x, dtype=torch.float64).requires_grad_(),) for x in starts))


def bilinear(c, n=1):
    """f = c·x·y in n independent planes, each with its own c; x minimises f and y maximises it."""
    c = torch.as_tensor(c, dtype=torch.float64).expand(n)
    return game(lambda x, y: ((c * x[0] * y[0]).sum(), -(c * x[0] * y[0]).sum()), torch.ones(n), torch.ones(n))


def potential_game(q):
    """Both players pay ½ vᵀQv of their joint vector v."""
    n = len(q) // 2

    def losses(x, y):
        v = torch.cat([x[0], y[0]])
        return (value := v @ q @ v / 2), value

    return game(losses, torch.ones(n), torch.ones(len(q) - n))
