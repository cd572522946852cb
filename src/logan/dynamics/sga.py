"""Symplectic gradient adjustment (Balduzzi et al. 2018; equations 5 and 6 of Wu et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from logan.dynamics.adjustment import Adjustment, constant, require_strength
from logan.dynamics.field import Blocks, Field, add, dimension, dot

ALIGNMENT_EPSILON = 0.1
"""ε of Algorithm 1 of Balduzzi et al. (2018): in doubt, do not flip the sign."""


@dataclass(frozen=True)
class SGA(Adjustment):
    """g* = ξ + λ Aᵀξ with A = ½(H − Hᵀ), for any number of players.

    For the zero-sum GAN of equation 2 this is equation 6: D gets +λ (∂²f/∂θ_G∂θ_D)ᵀ ∂f/∂θ_G and G gets
    +λ (∂²f/∂θ_D∂θ_G)ᵀ ∂f/∂θ_D. Exact for every loss and network: Aᵀξ = ½(Hᵀξ − Hξ) by two Jacobian products.

    Attributes:
        strength: λ >= 0.
        align: choose λ's sign so that the adjustment leads to stable fixed points and away from unstable ones (Algorithm 1
            of Balduzzi et al. 2018): sign(⟨ξ, Hᵀξ⟩⟨Aᵀξ, Hᵀξ⟩/d + ε) with d parameters and ε = 0.1.
    """

    strength: float = 1.0
    align: bool = False

    def __post_init__(self) -> None:
        require_strength("strength", self.strength)

    def of(self, field: Field) -> Blocks:
        """g* of the field's players."""
        xi = constant(field.xi)
        by_transpose = field.transposed_times(xi)
        rotated = rotation(by_transpose, field.times(xi))
        strength = self.strength
        if self.align:
            strength = strength * alignment_sign(xi, rotated, by_transpose)  # type: ignore[assignment]
        return add(xi, rotated, strength)


def rotation(transposed: Blocks, straight: Blocks) -> Blocks:
    """Aᵀξ = ½(Hᵀξ − Hξ)."""
    return tuple(tuple(x / 2 for x in player) for player in add(transposed, straight, -1.0))


def alignment_sign(xi: Blocks, rotated: Blocks, by_transpose: Blocks) -> torch.Tensor:
    """+1 or −1; Hᵀξ is the gradient of ½‖ξ‖²."""
    product = dot(xi, by_transpose) * dot(rotated, by_transpose) / dimension(xi)
    return torch.where(product + ALIGNMENT_EPSILON < 0, -1.0, 1.0).to(product.dtype)
