"""One evaluation of the two-player game: both players' losses and gradients, as the paper writes them.

The plain, obviously right version: each loss is written as in the paper and differentiated by autograd.

:func:`simultaneous` is Algorithm 1 of Wu et al. (2019): one z, one z′, both losses, both gradients.
:func:`discriminator_turn` and :func:`generator_turn` are the two halves of alternating training. :mod:`logan.game` plays them.

A network's batch-norm statistics and spectral-norm vectors move exactly once per update of that network, in its pass at
z′, never in the latent step's own passes (see :mod:`logan.side_effects`). A discriminator with batch norm takes its
running statistics from its generated batch, so that in evaluation mode it is the f that the latent step saw.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from logan.errors import InputError
from logan.latent import LatentMethod, Moved
from logan.losses import Loss, hinge
from logan.second_order import gradients
from logan.second_order.differentiate import WITHOUT_SECOND_ORDER
from logan.side_effects import held, no_side_effects, same_random_numbers_next

T = TypeVar("T")
Gradients = list[Tensor | None]


@dataclass(frozen=True)
class Rules:
    """By what rules one evaluation of the game is played.

    Attributes:
        loss: the adversarial loss.
        latent: the latent step; None for the ordinary GAN (eq. 3).
        autocast: the type that the networks run in (bfloat16); None for the parameters' own.
        share: the share of the batch whose latents are moved, in (0, 1]; the others stay at z, with Δz = 0.

    Raises:
        InputError: for a field that is not what it should be.
    """

    loss: Loss = hinge
    latent: LatentMethod | None = None
    autocast: torch.dtype | None = None
    share: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise InputError(f"`loss` is one of logan.losses, such as hinge, not {self.loss!r}")
        if not (self.autocast is None or isinstance(self.autocast, torch.dtype)):
            raise InputError(f"`autocast` is a type such as torch.bfloat16, or None, not {self.autocast!r}")
        if self.latent is not None and (isinstance(self.latent, type) or not isinstance(self.latent, LatentMethod)):
            raise InputError(f"`latent` is a step such as logan.LatentStep('ngd'), or None, not {self.latent!r}")
        if not 0 < self.share <= 1:
            raise InputError(f"`share` must be in (0, 1], not {self.share}")


STANDARD = Rules()
_FIELDS = {f.name for f in fields(Rules)}


def takes_rules(function: Callable[..., T]) -> Callable[..., T]:
    """Let a function with a keyword ``rules`` take its fields as keywords too: ``simultaneous(G, D, real, z, latent=step)``."""

    @wraps(function)
    def with_fields(*args: Any, rules: Rules = STANDARD, **given: Any) -> T:
        changed = {name: given.pop(name) for name in _FIELDS & given.keys()}
        return function(*args, rules=replace(rules, **changed) if changed else rules, **given)

    return with_fields


@dataclass(frozen=True)
class Turn:
    """What one evaluation of the game yields; a player that did not play has no loss and no gradients.

    Attributes:
        d_loss, g_loss: scalars; R_z is part of the loss it enters.
        d_gradients, g_gradients: one entry per trainable parameter of D and G, in the order of ``parameters()``.
        report: detached scalars for logs: penalty R_z, ‖g‖², ‖Δz‖ and mean scores.
    """

    d_loss: Tensor | None = None
    g_loss: Tensor | None = None
    d_gradients: Gradients = field(default_factory=list)
    g_gradients: Gradients = field(default_factory=list)
    report: dict[str, Tensor] = field(default_factory=dict)


@takes_rules
def simultaneous(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    rules: Rules = STANDARD,
) -> Turn:
    """Both players' losses at one z′, each differentiated with respect to its own parameters, through the move (eq. 7, 8).

    Args:
        generator: z, or (z, labels), to images.
        discriminator: images, or (images, labels), to (B,) scores.
        real: (B, C, H, W) images in [−1, 1], or whatever D takes.
        z: (B, d) latents.
        labels: (B,) classes of both the real and the generated images, or None.
        rules: the loss, the latent step and so on; or any of its fields as keywords of their own.
    """
    with held(generator, discriminator):
        d_loss, g_loss, report = both_losses(generator, discriminator, real, z, labels, rules=rules)
        d_gradients = _gradients(d_loss, discriminator, retain_graph=True)
        g_gradients = _gradients(g_loss, generator)
    return Turn(d_loss, g_loss, d_gradients, g_gradients, report)


@takes_rules
def both_losses(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    rules: Rules = STANDARD,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """L_D and L_G at one z′, with their graphs, and the report (arguments as in :func:`simultaneous`).

    To be called where both networks are held (:func:`logan.side_effects.held`) or frozen.
    """
    with in_precision(z, rules.autocast):
        moved = move(generator, discriminator, z, labels, rules)
        for_d, for_g = moved.seen_by("discriminator"), moved.seen_by("generator")
        same_graph = for_g.z is for_d.z
        if not same_graph:  # one player's Δz is a constant: the same values, another graph
            with no_side_effects(), same_random_numbers_next(z.device):
                fool_scores = call(discriminator, call(generator, for_g.z, labels), labels)
        fake_scores = call(discriminator, call(generator, for_d.z, labels), labels)
        if same_graph:
            fool_scores = fake_scores
        with no_side_effects():
            real_scores = call(discriminator, real, labels)
    d_loss = rules.loss.discriminator(real_scores, fake_scores) + penalty_of(for_d, rules.latent, "discriminator")
    g_loss = rules.loss.generator(fool_scores) + penalty_of(for_g, rules.latent, "generator")
    return d_loss, g_loss, report_on(moved, rules.latent, fake_scores, real_scores)


@takes_rules
def discriminator_turn(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    rules: Rules = STANDARD,
) -> Turn:
    """D's loss and gradients alone (arguments as in :func:`simultaneous`); G is left exactly as it was."""
    with held(discriminator), held(generator, move=False):
        with in_precision(z, rules.autocast):
            moved = move(generator, discriminator, z, labels, rules)
            view = moved.seen_by("discriminator")
            with no_side_effects():
                fake = call(generator, view.z, labels)
                real_scores = call(discriminator, real, labels)
            fake_scores = call(discriminator, fake, labels)
        d_loss = rules.loss.discriminator(real_scores, fake_scores) + penalty_of(view, rules.latent, "discriminator")
        gradients = _gradients(d_loss, discriminator)
    return Turn(d_loss=d_loss, d_gradients=gradients, report=report_on(moved, rules.latent, fake_scores, real_scores))


@takes_rules
def generator_turn(
    generator: nn.Module,
    discriminator: nn.Module,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    rules: Rules = STANDARD,
) -> Turn:
    """G's loss and gradients alone (arguments as in :func:`simultaneous`); D is left exactly as it was."""
    with held(generator), held(discriminator, move=False):
        with in_precision(z, rules.autocast):
            moved = move(generator, discriminator, z, labels, rules)
            view = moved.seen_by("generator")
            fake = call(generator, view.z, labels)
            with no_side_effects():
                fake_scores = call(discriminator, fake, labels)
        g_loss = rules.loss.generator(fake_scores) + penalty_of(view, rules.latent, "generator")
        gradients = _gradients(g_loss, generator)
    return Turn(g_loss=g_loss, g_gradients=gradients, report=report_on(moved, rules.latent, fake_scores))


def call(network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    return network(x) if labels is None else network(x, labels)


def move(generator: nn.Module, discriminator: nn.Module, z: Tensor, labels: Tensor | None, rules: Rules) -> Moved:
    """The latent step on the first ``share`` of the batch; z itself for the rest, or without a latent step."""
    if rules.latent is None:
        zero = torch.zeros_like(z)
        return Moved(z, zero, zero.sum(), zero.flatten(1)[:, 0], zero)
    n = max(1, round(rules.share * len(z)))
    part = None if labels is None else labels[:n]
    step = rules.latent.of(generator)
    moved = step(lambda z: call(discriminator, call(generator, z, part), part), z[:n])
    return moved if n == len(z) else _beside(moved, z[n:])


def _beside(moved: Moved, rest: Tensor) -> Moved:
    """The moved latents and others that stay: R_z is a mean over all of them; scores and g are those of the moved."""
    n = len(moved.z)
    delta = torch.cat([moved.delta, torch.zeros_like(rest, dtype=moved.delta.dtype)])
    return replace(moved, z=torch.cat([moved.z, rest]), delta=delta, penalty=moved.penalty * (n / (n + len(rest))))


def penalty_of(view: Moved, latent: LatentMethod | None, player: str) -> Tensor | float:
    """R_z where it belongs: always in G's loss, in D's only by request."""
    if latent is None or latent.penalty == 0 or (player == "discriminator" and latent.penalty_in == "generator"):
        return 0.0
    return view.penalty


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that gradients are taken for, in the order of ``parameters()``."""
    return [p for p in network.parameters() if p.requires_grad]


def _gradients(loss: Tensor, network: nn.Module, retain_graph: bool = False) -> Gradients:
    found = gradients((loss,), trainable(network), retain_graph=retain_graph, way_out=WITHOUT_SECOND_ORDER)
    # Of embeddings with sparse=True: most optimisers take none, nor do sums over parts and ranks.
    return [x.to_dense() if x is not None and x.is_sparse else x for x in found]


def in_precision(z: Tensor, dtype: torch.dtype | None) -> AbstractContextManager:
    return nullcontext() if dtype is None else torch.autocast(z.device.type, dtype=dtype)


@torch.no_grad()
def report_on(
    moved: Moved, latent: LatentMethod | None, fake_scores: Tensor, real_scores: Tensor | None = None
) -> dict[str, Tensor]:
    report = {"fake_score": fake_scores.float().mean()}
    if real_scores is not None:
        report["real_score"] = real_scores.float().mean()
    if latent is not None:
        report["penalty"] = moved.penalty.detach()
        report["grad_z_squared"] = moved.gradient.flatten(1).square().sum(1).mean()
        n = len(moved.scores)  # of those that were moved
        report["delta_z"] = torch.linalg.vector_norm(moved.delta.detach()[:n].flatten(1), dim=1).mean()
        report["score_gain"] = (fake_scores.detach().flatten()[:n].float() - moved.scores.detach().float()).mean()
    return report
