"""Coordinates in which a prior is normal: z = T(u) with u ~ N(0, I).

A walk in u never leaves the prior's support, and needs no reflection at its walls: what is in proportion to p(z)
exp(h(z)) in z is in proportion to N(u) exp(h(T(u))) in u, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from logan.errors import InputError

Prior = Literal["uniform", "normal", "sphere"]
"""U(−1, 1)ᵈ, N(0, I), and the uniform distribution on the unit sphere (CS-GAN)."""
EDGE = 1 - 2.0**-24
"""Latents at ±1 themselves have no coordinate; the largest that has one in float32."""


def check_prior(prior: str) -> None:
    """Refuse what is no prior (InputError)."""
    if prior not in get_args(Prior):
        raise InputError(f"`prior` is one of {', '.join(get_args(Prior))}, not {prior!r}")


def to_normal(z: Tensor, prior: str) -> Tensor:
    """u with T(u) = z, (B, d), float64.

    U(−1, 1): u = √2 erf⁻¹(z), elementwise. The sphere: u = √d z; every u on the ray has this z.
    """
    z = z.double()
    if prior == "uniform":
        return math.sqrt(2) * torch.erfinv(z.clamp(-EDGE, EDGE))
    return z if prior == "normal" else z * math.sqrt(z.shape[1])


def from_normal(u: Tensor, prior: str) -> Tensor:
    """T(u): erf(u/√2) for U(−1, 1), u for N(0, I), u/‖u‖ for the sphere; differentiable."""
    if prior == "uniform":
        return torch.erf(u / math.sqrt(2))
    return u if prior == "normal" else u / u.norm(dim=1, keepdim=True).clamp(min=1e-12)


def keep_within(prior: str) -> Callable[[Tensor], Tensor]:
    """z to the nearest z that the prior has: clipped to [−1, 1], as it is, or projected to the sphere."""
    if prior == "uniform":
        return lambda z: z.clamp(-1, 1)
    if prior == "normal":
        return lambda z: z
    return lambda z: z / z.norm(dim=1, keepdim=True).clamp(min=1e-12)
