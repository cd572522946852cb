"""The simultaneous game step with its shared parts shared: the source of the recorded step.

The same losses and gradients as :func:`logan.turns.simultaneous`, by the chain rule of equation 7 split at z′: with
u = ∂L/∂z′ for fixed networks, dL/dθ = ∂L/∂θ + uᵀ dz′/dθ. Several of the backward passes asked for here run through the
same operations; a recording computes those once (:func:`logan.fast.passes.merge_equal`). Those are the passes to z′
and to the weights, and for zero-sum losses, where L_G = −L_D at z′, those of both players.

The order is chosen for memory too: the passes back to z′ come before the second derivatives, the real images last.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from logan.losses import mean
from logan.second_order import gradients
from logan.second_order.differentiate import WITHOUT_SECOND_ORDER
from logan.side_effects import held, no_side_effects
from logan.turns import Gradients, Rules, Turn, call, in_precision, move, penalty_of, report_on, trainable


def simultaneous(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    rules: Rules,
) -> Turn:
    """A rearrangement of :func:`logan.turns.simultaneous`, to be recorded: run as it is, it would be slower."""
    with held(generator, discriminator):
        with in_precision(z, rules.autocast):
            moved = move(generator, discriminator, z, labels, rules)
            for_d, for_g = moved.seen_by("discriminator"), moved.seen_by("generator")
            at = moved.z.detach().requires_grad_(moved.z.requires_grad)
            images = call(generator, at, labels)
            shown = images.detach().requires_grad_()
            fake_scores = call(discriminator, shown * 1, labels)  # which may write into it, as it may not into a leaf
        fake_loss = mean(rules.loss.fake, fake_scores)
        # L_G = sign · fool_loss + R_z; a zero-sum game asks for the very derivatives that D's part asks for
        fool_loss, sign = (fake_loss, -1.0) if rules.loss.zero_sum else (mean(rules.loss.fool, fake_scores), 1.0)
        d_penalty = penalty_of(for_d, rules.latent, "discriminator")
        g_penalty = penalty_of(for_g, rules.latent, "generator")
        # All passes back through D(G(z′)) first: what they need can then go before the second derivatives come.
        by_fake, by_fool = _gradient(fake_loss, shown), _gradient(fool_loss, shown)
        d_roots = [(fake_loss, None), *_through(for_d.z, images, by_fake, at), *_through_penalty(d_penalty, 1.0)]
        g_roots = [(images, by_fool), *_through(for_g.z, images, by_fool, at), *_through_penalty(g_penalty, sign)]
        g_gradients = _gradients(generator, g_roots)
        with in_precision(z, rules.autocast), no_side_effects():
            real_scores = call(discriminator, real, labels)
        real_loss = mean(rules.loss.real, real_scores)
        d_gradients = _gradients(discriminator, [(real_loss, None), *d_roots])
    if sign < 0:
        g_gradients = [None if g is None else -g for g in g_gradients]
    d_loss, g_loss = real_loss + fake_loss + d_penalty, sign * fool_loss + g_penalty
    return Turn(d_loss, g_loss, d_gradients, g_gradients, report_on(moved, rules.latent, fake_scores, real_scores))


Root = tuple[Tensor, Tensor | None]
"""Something to differentiate, and the cotangent to begin with: None for 1."""


def _through(z_moved: Tensor, images: Tensor, by_images: Tensor, at: Tensor) -> list[Root]:
    """uᵀ dz′/dθ with u = ∂L/∂z′; nothing where z′ is a constant."""
    return [(z_moved, _gradient(images, at, by_images))] if z_moved.requires_grad else []


def _gradient(y: Tensor, x: Tensor, cotangent: Tensor | None = None) -> Tensor:
    return torch.autograd.grad(y, x, cotangent, retain_graph=True)[0]


def _through_penalty(penalty: Tensor | float, sign: float) -> list[Root]:
    if not isinstance(penalty, Tensor) or not penalty.requires_grad:
        return []
    return [(penalty, torch.full_like(penalty, sign))]


def _gradients(network: nn.Module, roots: list[Root]) -> Gradients:
    """The sum of the roots' gradients, in one backward pass."""
    outputs, cotangents = zip(*roots, strict=True)
    return gradients(outputs, trainable(network), cotangents, retain_graph=True, way_out=WITHOUT_SECOND_ORDER)
