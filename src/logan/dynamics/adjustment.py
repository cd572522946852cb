"""What the methods that adjust the gradient have in common: each is a drop-in for :func:`logan.turns.simultaneous`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from logan.dynamics.field import Blocks, Field, Theta, add, dot
from logan.dynamics.gan import gan_field
from logan.errors import InputError
from logan.turns import STANDARD, Rules, Turn, takes_rules


class Adjustment:
    """A rule ξ ↦ g* for the gradients that both players follow; subclasses are frozen dataclasses that write :meth:`of`.

    Called like :func:`logan.turns.simultaneous`, it returns a :class:`~logan.game.Turn` with the adjusted gradients. Give it
    to ``logan.game.Game(dynamics=…)``, or call it in a loop of your own.
    """

    def of(self, field: Field) -> Blocks:
        """The adjusted gradients of any differentiable game, one tuple of tensors per player."""
        raise TypeError(f"{type(self).__name__} adjusts nothing: write its method of(field)")

    @takes_rules
    def __call__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        real: Tensor,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        rules: Rules = STANDARD,
    ) -> Turn:
        """One step's gradients of a GAN on one batch; arguments as in :func:`logan.turns.simultaneous`.

        The turn's report has ``adjustment`` too: ‖g* − ξ‖/‖ξ‖, which says whether the strength fits. Far above 1, the players
        follow the adjustment and not their losses.
        """
        adjusted, xi, values, report = self._at((generator, discriminator, real, z, labels), rules)
        d, g = constant(adjusted)
        d_loss, g_loss = (value.detach() for value in values)
        return Turn(d_loss, g_loss, [*d], [*g], {**report, "adjustment": relative_size(adjusted, xi)})

    def _at(self, batch: tuple[Any, ...], rules: Rules) -> tuple[Blocks, Blocks, Theta, dict[str, Tensor]]:
        """g*, ξ and the losses of D and G, and the report."""
        with gan_field(*batch, rules=rules) as (field, report):
            return self.of(field), field.xi, field.values, report


@torch.no_grad()
def relative_size(adjusted: Blocks, xi: Blocks) -> Tensor:
    """‖g* − ξ‖/‖ξ‖ of all players together; 0 where ξ is."""
    change = add(adjusted, xi, -1.0)
    return (dot(change, change) / dot(xi, xi).clamp_min(torch.finfo(xi[0][0].dtype).tiny)).sqrt()


def require_strength(name: str, value: float) -> None:
    """Refuse what no step size or weight can be."""
    if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
        raise InputError(f"`{name}` must be a finite number >= 0, not {value!r}")


def constant(blocks: Blocks) -> Blocks:
    """The same values without their graph."""
    return tuple(tuple(x.detach() for x in player) for player in blocks)
