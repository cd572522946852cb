"""Latent optimisation as a game of three players (appendix B.1 of Wu et al. 2019, equations 13–21).

The third player owns Δz, of each sample its own, and has the loss η L_G. SGA on this game couples θ_D and θ_G to Δz, and θ_D to
θ_G; latent optimisation keeps the former only, in an approximation. The stages from the one to the other are the forms of
:class:`ThreePlayer`, so that what each changes can be computed. With f(z) = D(G(z)):

| form | equations | the adjustments of θ ∈ {θ_D, θ_G} |
|---|---|---|
| ``game`` | 5, 13–16 | λ Aᵀξ of the three players, exactly |
| ``printed`` | 17, 18 | λγ (∂²f(z′)/∂z′∂θ)ᵀ ∂L/∂z′ + λ Aᵀξ of θ_D and θ_G alone |
| ``no-cross`` | 19, 20 | λγ (∂²f(z′)/∂z′∂θ)ᵀ ∂L/∂z′ |
| ``local`` | 21, and so 8 | λγ (∂²f(z)/∂z∂θ)ᵀ ∂L/∂z′: what gradient descent on z with α = λγ brings |

``printed`` is not what ``game`` computes: from equations 5, 14 and 16 follows λγη where 17 and 18 print λγ, since the third
player's entry of ξ has the factor η too (`docs/theory.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from logan.dynamics.adjustment import Adjustment, constant, require_strength
from logan.dynamics.field import Blocks, Field, Theta, add, pull
from logan.dynamics.gan import one_function
from logan.dynamics.sga import SGA
from logan.errors import check_choices
from logan.latent import LatentMethod, Moved
from logan.losses import Loss, mean
from logan.side_effects import frozen, no_side_effects
from logan.turns import STANDARD, Rules, call, in_precision, move, report_on, takes_rules, trainable

Form = Literal["game", "printed", "no-cross", "local"]


@dataclass(frozen=True)
class ThreePlayer(Adjustment):
    """SGA on the game of Δz, θ_D and θ_G, or one of the approximations on the way to LOGAN; see the module's table.

    The third player's Δz is the latent step's, as a constant (zero without a latent step); of z only the dimensions that
    the step optimises are Δz's. The gradients ξ are taken at z′. R_z, a function of the constant Δz, has no part in them.

    Attributes:
        strength: λ >= 0.
        eta: η, the weight of the third player's loss; None is 1/N for a batch of N, as in the paper.
        form: ``game``, ``printed``, ``no-cross`` or ``local``.
    """

    strength: float = 1.0
    eta: float | None = None
    form: Form = "printed"

    def __post_init__(self) -> None:
        require_strength("strength", self.strength)
        if self.eta is not None:
            require_strength("eta", self.eta)
        check_choices(self, form=Form)

    def of(self, field: Field) -> Blocks:
        """SGA's gradients of a field of any players: the form ``game``. The others need to know f."""
        return SGA(self.strength).of(field)

    def _at(self, batch: tuple[Any, ...], rules: Rules) -> tuple[Blocks, Blocks, Theta, dict[str, Tensor]]:
        with third_player(*batch, rules=rules) as table:
            return (*self._adjust(table), table.losses, table.report)

    def _adjust(self, table: ThirdPlayer) -> tuple[Blocks, Blocks]:
        """g* of D and G, and their ξ at the same z′."""
        eta = 1 / len(table.z_moved) if self.eta is None else self.eta
        if self.form == "game":
            three = table.game(eta)
            return self.of(three)[1:], three.xi[1:]
        two = table.two_players()
        adjusted = SGA(self.strength).of(two) if self.form == "printed" else constant(two.xi)
        at = table.z if self.form == "local" else table.z_moved
        by_d, by_g = table.latent_terms(at)
        weights = self.strength * (1 + eta) / 2, self.strength * (1 - eta) / 2
        return (*add(adjusted[:1], (by_d,), weights[0]), *add(adjusted[1:], (by_g,), weights[1])), two.xi


@dataclass(eq=False)
class ThirdPlayer:
    """The latents of one batch beside the two networks.

    Attributes:
        z, z_moved: (B, d), constants: before and after the latent step.
        moved: how many samples the step moves: the first, by the share of the batch; Δz of the others is 0.
        optimised: mask of what is Δz's, shaped like z: of the samples that are moved the dimensions that are optimised.
        f: θ_D, θ_G and latents, of the whole batch or of its first samples, to scores.
        scores: likewise, to the scores of the generated and of the real images.
        loss: the adversarial loss.
        parameters: (θ_D, θ_G).
        report: of the step's first pass.
    """

    z: Tensor
    z_moved: Tensor
    moved: int
    optimised: Tensor
    f: Callable[[Theta, Theta, Tensor], Tensor]
    scores: Callable[[Theta, Theta, Tensor], tuple[Tensor, Tensor]]
    loss: Loss
    parameters: Blocks
    report: dict[str, Tensor]
    losses: tuple[Tensor, ...] = ()

    def game(self, eta: float) -> Field:
        """The field of (Δz, θ_D, θ_G) at z′: equations 13 and 14."""

        def losses(delta: Theta, d: Theta, g: Theta) -> tuple[Tensor, ...]:
            fake, real = self.scores(d, g, self.z_moved + delta[0] * self.optimised)
            l_g = self.loss.generator(fake)
            return eta * len(fake) * l_g, self.loss.discriminator(real, fake), l_g

        start = torch.zeros_like(self.z_moved, requires_grad=True)
        field = Field(losses, ((start,), *self.parameters))
        self.losses = field.values[1:]
        return field

    def two_players(self) -> Field:
        """The field of (θ_D, θ_G) at z′, a constant."""

        def losses(d: Theta, g: Theta) -> tuple[Tensor, ...]:
            fake, real = self.scores(d, g, self.z_moved)
            return self.loss.discriminator(real, fake), self.loss.generator(fake)

        field = Field(losses, self.parameters)
        self.losses = field.values
        return field

    def latent_terms(self, at: Tensor) -> Blocks:
        """(∂²f(at)/∂z∂θ)ᵀ ∂L/∂z′ of D and of G, over the samples and the dimensions that are optimised.

        f(at) is a pass of the samples that are moved, as the latent step's is: with batch norm others would change it.
        """
        d, g = self.parameters
        n = self.moved
        moved = self.z_moved.clone().requires_grad_()
        scores = self.f(d, g, moved)
        by_d, by_g = (pull((mean(h, scores),), (moved,))[0] for h in (self.loss.fake, self.loss.fool))
        start = at[:n].clone().requires_grad_()
        (by_start,) = pull((self.f(d, g, start).sum(),), (start,), create_graph=True)
        return tuple(
            pull((by_start,), theta, ((by_z * self.optimised)[:n],))
            for theta, by_z in zip(self.parameters, (by_d, by_g), strict=True)
        )


@takes_rules
@contextmanager
def third_player(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    rules: Rules = STANDARD,
) -> Iterator[ThirdPlayer]:
    """Take the latent step, and set the table for three; arguments as in :func:`logan.turns.simultaneous`."""
    parameters = (tuple(trainable(discriminator)), tuple(trainable(generator)))
    with frozen(generator, discriminator):
        with in_precision(z, rules.autocast):  # first, as in simultaneous: a random choice of dimensions is drawn here
            moved = move(generator, discriminator, z, labels, rules).detach()
        with one_function(generator, discriminator, z.device) as at:

            def f(d: Theta, g: Theta, z: Tensor) -> Tensor:
                part = None if labels is None else labels[: len(z)]
                with at(d, g), in_precision(z, rules.autocast):
                    return call(discriminator, call(generator, z, part), part)

            def scores(d: Theta, g: Theta, z: Tensor) -> tuple[Tensor, Tensor]:
                with at(d, g), in_precision(z, rules.autocast):
                    fake = call(discriminator, call(generator, z, labels), labels)
                    with no_side_effects():
                        return fake, call(discriminator, real, labels)

            with torch.no_grad():
                report = report_on(moved, rules.latent, *scores(*parameters, moved.z))
            mask = _optimised(moved, rules.latent)
            yield ThirdPlayer(z.detach(), moved.z, len(moved.scores), mask, f, scores, rules.loss, parameters, report)


def _optimised(moved: Moved, latent: LatentMethod | None) -> Tensor:
    if latent is None:
        return torch.ones_like(moved.z)
    dimensions = (moved.gradient != 0).any(0).to(moved.z.dtype).expand_as(moved.gradient)
    return torch.cat([dimensions, torch.zeros_like(moved.z[len(dimensions) :])])
