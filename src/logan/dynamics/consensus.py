"""Consensus optimisation (Mescheder et al. 2017), and the one-sided penalty of ODE-GAN (Qin et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

from logan.dynamics.adjustment import Adjustment, constant, require_strength
from logan.dynamics.field import Blocks, Field, add
from logan.dynamics.gan import DISCRIMINATOR, GENERATOR


@dataclass(frozen=True)
class Consensus(Adjustment):
    """g* = ξ + γ ∇½‖ξ‖² = ξ + γ Hᵀξ (Mescheder et al. 2017, equation 8), for any number of players.

    It pulls all players to where no gradient is left, be it an equilibrium or not.

    Attributes:
        strength: γ >= 0.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        require_strength("strength", self.strength)

    def of(self, field: Field) -> Blocks:
        """g* of the field's players."""
        xi = constant(field.xi)
        return add(xi, field.transposed_times(xi), self.strength)


@dataclass(frozen=True)
class GradientPenalty(Adjustment):
    """D's gradient + w ∂‖∂L_G/∂θ_G‖²/∂θ_D; G's gradient as it is (Qin et al. 2020, as in cs_gan/main_ode.py, lines 108–144).

    It keeps D from becoming steep for G. The Runge–Kutta steps and the plain gradient descent of that paper are another
    matter, and not part of it.

    Attributes:
        strength: w >= 0; 0.02 in the authors' code.
    """

    strength: float = 0.02

    def __post_init__(self) -> None:
        require_strength("strength", self.strength)

    def of(self, field: Field) -> Blocks:
        """The gradients of D (player 0) and G (player 1)."""
        g_norm = sum(x.square().sum() for x in field.xi[GENERATOR])
        penalty = field.gradient(g_norm, DISCRIMINATOR)  # type: ignore[arg-type]
        xi = constant(field.xi)
        return tuple(x + self.strength * y for x, y in zip(xi[DISCRIMINATOR], penalty, strict=True)), xi[GENERATOR]
