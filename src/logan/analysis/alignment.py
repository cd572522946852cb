"""Do latent optimisation's second-order terms point where those of SGA do? (Sections 3.1 and B.1 of Wu et al. 2019.)

The paper finds equations 6 (SGA) and 8 (LOGAN) "strikingly similar", and derives 8 from 19 and 20 by the approximation 21.
:func:`alignments` computes the adjustments of θ_D and θ_G that these equations add to ξ, on one batch, and compares:

* ``logan``: (∂z′/∂θ)ᵀ ∂L/∂z′, what training adds: the step's clipping included, and of natural gradient descent the
  derivative of α/(β + ‖g‖²) too. R_z has no part in it, and a player whose Δz is a constant has no adjustment;
* ``local``: (∂²f(z)/∂z∂θ)ᵀ ∂L/∂z′, equation 8's terms: ``logan`` for plain gradient descent with α = 1;
* ``no-cross``: (∂²f(z′)/∂z′∂θ)ᵀ ∂L/∂z′, those of equations 19 and 20 with λγ = 1;
* ``sga``: Aᵀξ of the ordinary game of D and G at z (equation 6, and exact for every loss).

All are exact, and none is a difference of gradients, which would cost digits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import Tensor, nn

from logan.devices import in_float64
from logan.dynamics.adjustment import constant
from logan.dynamics.field import Blocks, Theta, pull
from logan.dynamics.gan import DISCRIMINATOR, GENERATOR
from logan.dynamics.sga import rotation
from logan.dynamics.three_player import ThirdPlayer, third_player
from logan.latent import Moved, Player, Scores
from logan.losses import mean
from logan.side_effects import on_copies_of_state, same_random_numbers_next
from logan.turns import STANDARD, Rules, takes_rules

Compare = Callable[[Tensor, Tensor], Tensor]
Step = Callable[[Scores, Tensor], Moved]
"""f and z to the move, as a LatentStep is called."""


@takes_rules
def alignments(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    rules: Rules = STANDARD,
) -> dict[str, Tensor]:
    """Compare the adjustments of one batch. The networks, their modes, and the random numbers stay as they are.

    Args:
        generator, discriminator, real, z, labels, rules: as in :func:`logan.game.simultaneous`; with a latent step.
            Of a batch of B the first round(share · B) latents are moved; the others have Δz = 0 and no part in any
            adjustment but ``sga``, and dilute the losses' means as they do in training.

    Returns:
        float64 scalars; each of θ_D and θ_G together, and with ``_d`` and ``_g`` of one of the two:

        * ``logan_sga_cosine``: of ``logan`` and ``sga``;
        * ``logan_local_cosine``: of ``logan`` and ``local``: 1 for gradient descent that nothing clips. With natural
          gradient descent ‖Δz‖ falls where ‖g‖² > β, and then the part of ``logan`` that acts along g is turned around;
        * ``local_cosine``: of ``local`` and ``no-cross``;
        * ``local_error``: ‖local − no-cross‖ / ‖no-cross‖: how wrong approximation 21 is. It vanishes like Δz.

        A cosine with the vector 0, such as of a player whose gradient is stopped, is NaN: 0 would say "orthogonal", and
        there is no direction to compare. ``local_error`` is NaN if both vectors are 0, infinite if only ``no-cross`` is.
    """
    if rules.latent is None:
        raise ValueError("there is nothing to align without a latent step; pass latent=logan.LatentStep(…)")
    with torch.enable_grad(), on_copies_of_state(generator, discriminator), ExitStack() as stack:
        with same_random_numbers_next(z.device):
            table = stack.enter_context(third_player(generator, discriminator, real, z, labels, rules=rules))
        with same_random_numbers_next(z.device):  # from the same state again: a random subset of z is the same
            moved = moved_with_graph(table, rules.latent.of(generator))
        table = replace(table, z_moved=moved.z.detach())
        logan, sga = through_the_move(table, moved), rotation_at_z(table)
        local, no_cross = table.latent_terms(table.z), table.latent_terms(table.z_moved)
    return (
        _by_player("logan_sga_cosine", cosine, logan, sga)
        | _by_player("logan_local_cosine", cosine, logan, local)
        | _by_player("local_cosine", cosine, local, no_cross)
        | _by_player("local_error", relative_distance, local, no_cross)
    )


def moved_with_graph(table: ThirdPlayer, step: Step) -> Moved:
    """The latent step of the samples that are moved, as a function of the parameters; z of the others beside it."""
    d, g = table.parameters
    n = table.moved
    moved = step(lambda z: table.f(d, g, z), table.z[:n])
    return replace(moved, z=torch.cat([moved.z, table.z[n:]]))


def through_the_move(table: ThirdPlayer, moved: Moved) -> Blocks:
    """(∂z′/∂θ)ᵀ ∂L/∂z′ of D and of G: f(z′) has constant parameters here, so that z′ is the only way to θ."""
    d, g = constant(table.parameters)

    def of(player: Player, place: int) -> Theta:
        per_sample = table.loss.fake if player == "discriminator" else table.loss.fool
        value = mean(per_sample, table.f(d, g, moved.seen_by(player).z))
        return pull((value,), table.parameters[place])

    return of("discriminator", DISCRIMINATOR), of("generator", GENERATOR)


def rotation_at_z(table: ThirdPlayer) -> Blocks:
    """Aᵀξ of the ordinary game, at z."""
    field = replace(table, z_moved=table.z).two_players()
    xi = constant(field.xi)
    return rotation(field.transposed_times(xi), field.times(xi))


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """⟨a, b⟩ / ‖a‖‖b‖ of vectors (n,); NaN if one of them is 0."""
    a, b = (x / torch.linalg.vector_norm(x) for x in (a, b))
    return a @ b


def relative_distance(a: Tensor, b: Tensor) -> Tensor:
    """‖a − b‖ / ‖b‖ of vectors (n,)."""
    return torch.linalg.vector_norm(a - b) / torch.linalg.vector_norm(b)


def _by_player(name: str, compare: Compare, a: Blocks, b: Blocks) -> dict[str, Tensor]:
    d, g = DISCRIMINATOR, GENERATOR
    parts = {"": (a[d] + a[g], b[d] + b[g]), "_d": (a[d], b[d]), "_g": (a[g], b[g])}
    return {name + suffix: compare(_vector(x), _vector(y)) for suffix, (x, y) in parts.items()}


def _vector(tensors: Theta) -> Tensor:
    """(n,) float64: squares of small gradients do not vanish in it."""
    return in_float64(torch.cat([x.detach().flatten() for x in tensors]))
