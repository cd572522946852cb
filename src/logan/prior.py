"""The source distribution p(z)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from logan.devices import in_float64
from logan.errors import InputError

NORMAL_REACH = 2.0
"""The threshold that s = 1 would be, in standard deviations."""


def draw(prior: str, n: int, latent_dim: int, generator: torch.Generator, trunc: float = 1.0) -> Tensor:
    """n latents, (n, latent_dim), on the generator's device, truncated to s.

    U(−1, 1): w = s·z (section 5.4). N(0, 1): every element that falls outside ±2s is drawn again (Brock et al. 2018,
    section 3.1, whose thresholds go up to 2), for s < 1.

    Args:
        prior: ``uniform`` or ``normal``.
        generator: the only source of randomness.
        trunc: the truncation s in [0, 1]; 1 leaves the prior as it is.
    """
    check_trunc(trunc)
    if prior == "uniform":
        z = torch.rand(n, latent_dim, generator=generator, device=generator.device) * 2 - 1
        return z * trunc if trunc != 1 else z
    if prior != "normal":
        raise InputError(f"`prior` is 'uniform' or 'normal', not {prior!r}")
    z = torch.randn(n, latent_dim, generator=generator, device=generator.device)
    return z if trunc == 1 else _within(z, NORMAL_REACH * trunc)


def check_trunc(trunc: float) -> None:
    """Refuse what is no truncation (InputError)."""
    if not 0 <= trunc <= 1:
        raise InputError(f"`trunc` must be in [0, 1], not {trunc}")


def _within(z: Tensor, threshold: float) -> Tensor:
    """N(0, 1) given |z| ≤ t: what drawing again until it fits comes to, with one draw (through the distribution function)."""
    u = torch.erf(in_float64(z) / math.sqrt(2))  # uniform on (−1, 1)
    return (math.sqrt(2) * torch.erfinv(u * math.erf(threshold / math.sqrt(2)))).to(z)
