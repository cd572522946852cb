"""One step of the two-player game: the gradients of both players, and the update rules built on them.

The plain, obviously right version: each loss is written as in the paper and differentiated by autograd.

:func:`simultaneous` is Algorithm 1 of Wu et al. (2019): one z, one z′, both losses, both gradients.
:func:`discriminator_turn` and :func:`generator_turn` are the two halves of alternating training.
:class:`Game` owns the optimisers and plays steps.

A network's batch-norm statistics and spectral-norm vectors move exactly once per update of that network, in its pass at
z′, never in the latent step's own passes (see :mod:`logan.side_effects`). A discriminator with batch norm takes its
running statistics from its generated batch, so that in evaluation mode it is the f that the latent step saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from logan.latent import LatentStep, Moved
from logan.losses import Loss, hinge
from logan.side_effects import held, no_side_effects, same_random_numbers_next

Gradients = list[Tensor | None]


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


def simultaneous(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    loss: Loss = hinge,
    latent: LatentStep | None = None,
    autocast: torch.dtype | None = None,
) -> Turn:
    """Both players' losses at one z′, each differentiated with respect to its own parameters, through the move (eq. 7, 8).

    Args:
        generator: z, or (z, labels), to images.
        discriminator: images, or (images, labels), to (B,) scores.
        real: (B, C, H, W) images in [−1, 1], or whatever D takes.
        z: (B, d) latents.
        labels: (B,) classes of both the real and the generated images, or None.
        loss: the adversarial loss.
        latent: the latent step; None for the ordinary GAN (eq. 3).
        autocast: run the networks in this type (bfloat16); None for the parameters' own.
    """
    with held(generator, discriminator):
        with _autocast(z, autocast):
            moved = _move(generator, discriminator, z, labels, latent)
            for_d, for_g = moved.seen_by("discriminator"), moved.seen_by("generator")
            same_graph = for_g.z is for_d.z
            if not same_graph:  # one player's Δz is a constant: the same values, another graph
                with no_side_effects(), same_random_numbers_next(z.device):
                    fool_scores = _call(discriminator, _call(generator, for_g.z, labels), labels)
            fake_scores = _call(discriminator, _call(generator, for_d.z, labels), labels)
            if same_graph:
                fool_scores = fake_scores
            with no_side_effects():
                real_scores = _call(discriminator, real, labels)
        d_loss = loss.discriminator(real_scores, fake_scores) + _penalty(for_d, latent, "discriminator")
        g_loss = loss.generator(fool_scores) + _penalty(for_g, latent, "generator")
        d_gradients = _gradients(d_loss, discriminator, retain_graph=True)
        g_gradients = _gradients(g_loss, generator)
    return Turn(d_loss, g_loss, d_gradients, g_gradients, _report(moved, latent, fake_scores, real_scores))


def discriminator_turn(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    loss: Loss = hinge,
    latent: LatentStep | None = None,
    autocast: torch.dtype | None = None,
) -> Turn:
    """D's loss and gradients alone (arguments as in :func:`simultaneous`); G is left exactly as it was."""
    with held(discriminator), held(generator, move=False):
        with _autocast(z, autocast):
            moved = _move(generator, discriminator, z, labels, latent)
            view = moved.seen_by("discriminator")
            with no_side_effects():
                fake = _call(generator, view.z, labels)
                real_scores = _call(discriminator, real, labels)
            fake_scores = _call(discriminator, fake, labels)
        d_loss = loss.discriminator(real_scores, fake_scores) + _penalty(view, latent, "discriminator")
        gradients = _gradients(d_loss, discriminator)
    return Turn(d_loss=d_loss, d_gradients=gradients, report=_report(moved, latent, fake_scores, real_scores))


def generator_turn(
    generator: nn.Module,
    discriminator: nn.Module,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    loss: Loss = hinge,
    latent: LatentStep | None = None,
    autocast: torch.dtype | None = None,
) -> Turn:
    """G's loss and gradients alone (arguments as in :func:`simultaneous`); D is left exactly as it was."""
    with held(generator), held(discriminator, move=False):
        with _autocast(z, autocast):
            moved = _move(generator, discriminator, z, labels, latent)
            view = moved.seen_by("generator")
            fake = _call(generator, view.z, labels)
            with no_side_effects():
                fake_scores = _call(discriminator, fake, labels)
        g_loss = loss.generator(fake_scores) + _penalty(view, latent, "generator")
        gradients = _gradients(g_loss, generator)
    return Turn(g_loss=g_loss, g_gradients=gradients, report=_report(moved, latent, fake_scores))


RealBatches = Callable[[], tuple[Tensor, Tensor | None]]
Latents = Callable[[int], Tensor]


@dataclass
class Game:
    """Two networks, their optimisers, and the rule by which they take turns.

    Attributes:
        generator, discriminator: as in :func:`simultaneous`.
        g_optimiser, d_optimiser: any torch optimisers over the two networks' parameters.
        loss, latent, autocast: as in :func:`simultaneous`.
        update: ``simultaneous`` (Algorithm 1), or ``alternating``: ``d_steps`` updates of D, each with real images and
            latents of its own, then one of G (CS-GAN, SN-GAN).
        d_steps: updates of D per update of G; alternating only.
    """

    generator: nn.Module
    discriminator: nn.Module
    g_optimiser: torch.optim.Optimizer
    d_optimiser: torch.optim.Optimizer
    loss: Loss = hinge
    latent: LatentStep | None = None
    update: Literal["simultaneous", "alternating"] = "simultaneous"
    d_steps: int = 1
    autocast: torch.dtype | None = None

    def __post_init__(self) -> None:
        if self.update not in ("simultaneous", "alternating"):
            raise ValueError(f"update is 'simultaneous' or 'alternating', not {self.update!r}")
        if self.d_steps < 1:
            raise ValueError(f"d_steps must be >= 1, not {self.d_steps}")
        if self.update == "simultaneous" and self.d_steps != 1:
            raise ValueError(f"d_steps={self.d_steps} needs update='alternating': simultaneous updates are one to one")

    @property
    def real_batches_per_step(self) -> int:
        """How many batches of real images one :meth:`step` consumes."""
        return self.d_steps

    def step(self, reals: RealBatches, latents: Latents) -> Turn:
        """Play one step.

        Args:
            reals: returns the next real batch, images (B, C, H, W) and labels (B,) or None.
            latents: n to n fresh latents, (n, d).

        Returns:
            The losses and report of the step (alternating: those of the last turn of each player).
        """
        if self.update == "simultaneous":
            real, labels = reals()
            turn = simultaneous(*self._players, real, latents(len(real)), labels, **self._rules)
            _apply(self.d_optimiser, self.discriminator, turn.d_gradients)
            _apply(self.g_optimiser, self.generator, turn.g_gradients)
            return turn
        for _ in range(self.d_steps):
            real, labels = reals()
            d_turn = discriminator_turn(*self._players, real, latents(len(real)), labels, **self._rules)
            _apply(self.d_optimiser, self.discriminator, d_turn.d_gradients)
        g_turn = generator_turn(*self._players, latents(len(real)), labels, **self._rules)
        _apply(self.g_optimiser, self.generator, g_turn.g_gradients)
        return Turn(d_turn.d_loss, g_turn.g_loss, d_turn.d_gradients, g_turn.g_gradients, d_turn.report | g_turn.report)

    @property
    def _players(self) -> tuple[nn.Module, nn.Module]:
        return self.generator, self.discriminator

    @property
    def _rules(self) -> dict:
        return {"loss": self.loss, "latent": self.latent, "autocast": self.autocast}


def _call(network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    return network(x) if labels is None else network(x, labels)


def _move(
    generator: nn.Module, discriminator: nn.Module, z: Tensor, labels: Tensor | None, latent: LatentStep | None
) -> Moved:
    if latent is None:
        zero = torch.zeros_like(z)
        return Moved(z, zero, zero.sum(), zero.flatten(1)[:, 0], zero)
    return latent(lambda z: _call(discriminator, _call(generator, z, labels), labels), z)


def _penalty(view: Moved, latent: LatentStep | None, player: str) -> Tensor | float:
    """R_z where it belongs: always in G's loss, in D's only by request."""
    if latent is None or latent.penalty == 0 or (player == "discriminator" and latent.penalty_in == "generator"):
        return 0.0
    return view.penalty


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that gradients are taken for, in the order of ``parameters()``."""
    return [p for p in network.parameters() if p.requires_grad]


def _gradients(loss: Tensor, network: nn.Module, retain_graph: bool = False) -> Gradients:
    return list(torch.autograd.grad(loss, trainable(network), retain_graph=retain_graph, allow_unused=True))


def _apply(optimiser: torch.optim.Optimizer, network: nn.Module, gradients: Iterable[Tensor | None]) -> None:
    for parameter, gradient in zip(trainable(network), gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def _autocast(z: Tensor, dtype: torch.dtype | None) -> AbstractContextManager:
    return nullcontext() if dtype is None else torch.autocast(z.device.type, dtype=dtype)


@torch.no_grad()
def _report(
    moved: Moved, latent: LatentStep | None, fake_scores: Tensor, real_scores: Tensor | None = None
) -> dict[str, Tensor]:
    report = {"fake_score": fake_scores.float().mean()}
    if real_scores is not None:
        report["real_score"] = real_scores.float().mean()
    if latent is not None:
        report["penalty"] = moved.penalty.detach()
        report["grad_z_squared"] = moved.gradient.flatten(1).square().sum(1).mean()
        report["delta_z"] = torch.linalg.vector_norm(moved.delta.detach().flatten(1), dim=1).mean()
        report["score_gain"] = (fake_scores.detach().flatten().float() - moved.scores.detach().float()).mean()
    return report
