"""A GAN's mini-batch as a game of two players: the :class:`~logan.dynamics.field.Field` of θ_D and θ_G.

Player 0 is D, player 1 is G, in the order of equation 3. The losses are those of :func:`logan.turns.both_losses`, latent step
included: with one, ξ is LOGAN's own field (equation 8), and its Jacobian LOGAN's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import torch
from torch import Tensor, nn

from logan.dynamics.exact_norms import exact_norms
from logan.dynamics.field import Field, Theta
from logan.second_order import twice_differentiable
from logan.side_effects import frozen, no_side_effects, same_random_numbers_next
from logan.side_effects.places import Replaced
from logan.turns import STANDARD, Rules, both_losses, takes_rules, trainable

DISCRIMINATOR, GENERATOR = 0, 1
"""The players' places in a field."""

At = Callable[[Theta, Theta], AbstractContextManager[None]]


@takes_rules
@contextmanager
def gan_field(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    rules: Rules = STANDARD,
) -> Iterator[tuple[Field, dict[str, Tensor]]]:
    """The game on one batch (arguments as in :func:`logan.turns.simultaneous`), and the report of its first pass."""
    with one_function(generator, discriminator, z.device) as at:
        report: dict[str, Tensor] = {}

        def losses(theta_d: Theta, theta_g: Theta) -> tuple[Tensor, Tensor]:
            with at(theta_d, theta_g):
                d_loss, g_loss, said = both_losses(generator, discriminator, real, z, labels, rules=rules)
            if not report:
                report.update(said)
            return d_loss, g_loss

        field = Field(losses, (tuple(trainable(discriminator)), tuple(trainable(generator))))
        _ = field.values  # the first pass
        yield field, report


@contextmanager
def one_function(generator: nn.Module, discriminator: nn.Module, device: torch.device) -> Iterator[At]:
    """Let D and G be one fixed function of their parameters; yields ``at``, to make a pass at given parameters in.

    Spectral-norm vectors move once, on entry; batch-norm statistics once, in the first pass. Later passes draw the random
    numbers that the first has drawn (dropout, a random subset of z). Layers that run again in the backward pass (activation
    checkpointing) would run with other parameters there: not for passes away from the networks' own.
    """
    with frozen(generator, discriminator):
        first, cpu = True, torch.get_rng_state()
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        mps = torch.mps.get_rng_state() if device.type == "mps" else None

        @contextmanager
        def at(theta_d: Theta, theta_g: Theta) -> Iterator[None]:
            nonlocal first
            with ExitStack() as stack:
                stack.enter_context(parameters_replaced(discriminator, theta_d))
                stack.enter_context(parameters_replaced(generator, theta_g))
                stack.enter_context(exact_norms())
                stack.enter_context(twice_differentiable())
                if not first:
                    stack.enter_context(no_side_effects())
                    stack.enter_context(same_random_numbers_next(device))
                    torch.set_rng_state(cpu)
                    if cuda is not None:
                        torch.cuda.set_rng_state(cuda, device)
                    if mps is not None:
                        torch.mps.set_rng_state(mps)
                first = False
                yield

        yield at


@contextmanager
def parameters_replaced(network: nn.Module, theta: Theta) -> Iterator[None]:
    """Let ``network`` compute with ``theta`` in the places of its trainable parameters, which may be any tensors."""
    new = {id(p): t for p, t in zip(trainable(network), theta, strict=True) if p is not t}
    with Replaced() as replaced:
        for module in network.modules():
            for name, p in module._parameters.items():
                if id(p) in new:
                    replaced.put((module._parameters, name), new[id(p)])
        yield
