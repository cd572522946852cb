"""Unrolled GANs (Metz et al. 2017; equations 22–25 of Wu et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from logan.dynamics.adjustment import Adjustment, constant, require_strength
from logan.dynamics.field import Blocks, Field, Theta, pull
from logan.dynamics.gan import DISCRIMINATOR, GENERATOR
from logan.errors import InputError


@dataclass(frozen=True)
class Unrolled(Adjustment):
    """Each player follows the gradient of its loss after the other has taken k more steps, differentiated through those.

    For G: θ_D⁰ = θ_D, θ_D^{j+1} = θ_D^j − α ∂L_D(θ_D^j, θ_G)/∂θ_D, and G's gradient is the total derivative
    dL_G(θ_D^k(θ_G), θ_G)/dθ_G. With k = 1 in the zero-sum game that is equation 24. Likewise D, through k steps of G
    (equation 25). Where L_D = −L_G, to first order in α, that is SGA with λ = 2α (equation 23;
    `tests/dynamics/test_unrolled.py`); with real images in L_D, which G does not see, G's terms differ from SGA's already there
    (`docs/theory.md`). The k steps are those of plain gradient descent, on the same batch, whatever the game's optimiser.

    Attributes:
        d_steps: steps of D that G looks ahead; 0: G's own gradient.
        g_steps: steps of G that D looks ahead; 0, as Metz et al. have it.
        rate: α >= 0, the step size of the look-ahead.
    """

    d_steps: int = 5
    g_steps: int = 0
    rate: float = 0.1

    def __post_init__(self) -> None:
        require_strength("rate", self.rate)
        for name in ("d_steps", "g_steps"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 0):
                raise InputError(f"`{name}` must be a whole number >= 0, not {value!r}")

    def of(self, field: Field) -> Blocks:
        """The gradients of D (player 0) and G (player 1)."""
        return (
            self._foresee(field, DISCRIMINATOR, other=GENERATOR, steps=self.g_steps),
            self._foresee(field, GENERATOR, other=DISCRIMINATOR, steps=self.d_steps),
        )

    def _foresee(self, field: Field, player: int, other: int, steps: int) -> Theta:
        if steps == 0:
            return constant(field.xi)[player]
        point = list(field.players)
        gradient = field.xi[other]  # the first step's, which is there already
        for j in range(steps):
            if j > 0:
                again = partial(field.losses, *point)
                gradient = pull((again()[other],), point[other], create_graph=True, again=again)
            point[other] = tuple(x - self.rate * g for x, g in zip(point[other], gradient, strict=True))
        return field.gradient(field.losses(*point)[player], player)
