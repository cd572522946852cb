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

import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from logan.cs_gan import CSStep
from logan.latent import LatentStep, Moved
from logan.losses import Loss, hinge
from logan.side_effects import held, no_side_effects, same_random_numbers_next

if TYPE_CHECKING:
    from logan.dynamics import Dynamics
    from logan.fast.engine import Engine

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
    latent: LatentStep | CSStep | None = None,
    autocast: torch.dtype | None = None,
    share: float = 1.0,
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
        share: the share of the batch whose latents are moved; the others stay at z, with Δz = 0.
    """
    with held(generator, discriminator):
        d_loss, g_loss, report = both_losses(
            generator, discriminator, real, z, labels, loss=loss, latent=latent, autocast=autocast, share=share
        )
        d_gradients = _gradients(d_loss, discriminator, retain_graph=True)
        g_gradients = _gradients(g_loss, generator)
    return Turn(d_loss, g_loss, d_gradients, g_gradients, report)


def both_losses(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    loss: Loss = hinge,
    latent: LatentStep | CSStep | None = None,
    autocast: torch.dtype | None = None,
    share: float = 1.0,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """L_D and L_G at one z′, with their graphs, and the report (arguments as in :func:`simultaneous`).

    To be called where both networks are held (:func:`logan.side_effects.held`) or frozen.
    """
    with in_precision(z, autocast):
        moved = move(generator, discriminator, z, labels, latent, share)
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
    d_loss = loss.discriminator(real_scores, fake_scores) + penalty_of(for_d, latent, "discriminator")
    g_loss = loss.generator(fool_scores) + penalty_of(for_g, latent, "generator")
    return d_loss, g_loss, report_on(moved, latent, fake_scores, real_scores)


def discriminator_turn(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    loss: Loss = hinge,
    latent: LatentStep | CSStep | None = None,
    autocast: torch.dtype | None = None,
    share: float = 1.0,
) -> Turn:
    """D's loss and gradients alone (arguments as in :func:`simultaneous`); G is left exactly as it was."""
    with held(discriminator), held(generator, move=False):
        with in_precision(z, autocast):
            moved = move(generator, discriminator, z, labels, latent, share)
            view = moved.seen_by("discriminator")
            with no_side_effects():
                fake = call(generator, view.z, labels)
                real_scores = call(discriminator, real, labels)
            fake_scores = call(discriminator, fake, labels)
        d_loss = loss.discriminator(real_scores, fake_scores) + penalty_of(view, latent, "discriminator")
        gradients = _gradients(d_loss, discriminator)
    return Turn(d_loss=d_loss, d_gradients=gradients, report=report_on(moved, latent, fake_scores, real_scores))


def generator_turn(
    generator: nn.Module,
    discriminator: nn.Module,
    z: Tensor,
    labels: Tensor | None = None,
    *,
    loss: Loss = hinge,
    latent: LatentStep | CSStep | None = None,
    autocast: torch.dtype | None = None,
    share: float = 1.0,
) -> Turn:
    """G's loss and gradients alone (arguments as in :func:`simultaneous`); D is left exactly as it was."""
    with held(generator), held(discriminator, move=False):
        with in_precision(z, autocast):
            moved = move(generator, discriminator, z, labels, latent, share)
            view = moved.seen_by("generator")
            fake = call(generator, view.z, labels)
            with no_side_effects():
                fake_scores = call(discriminator, fake, labels)
        g_loss = loss.generator(fake_scores) + penalty_of(view, latent, "generator")
        gradients = _gradients(g_loss, generator)
    return Turn(g_loss=g_loss, g_gradients=gradients, report=report_on(moved, latent, fake_scores))


EngineName = Literal["plain", "recorded", "compiled", "cuda-graph"]
RealBatches = Callable[[], tuple[Tensor, Tensor | None]]
Latents = Callable[[int], Tensor]


@dataclass
class Game:
    """Two networks, their optimisers, and the rule by which they take turns.

    Attributes:
        generator, discriminator: as in :func:`simultaneous`.
        g_optimiser, d_optimiser: any torch optimisers over the two networks' parameters.
        loss, latent, autocast: as in :func:`simultaneous`.
        engine: ``plain``: each step as it is written above; ``recorded``: the same step recorded once and played from the
            recording, faster (see :mod:`logan.fast`); ``compiled``: the recording handed to ``torch.compile``;
            ``cuda-graph``: the recording captured in a CUDA graph, where a turn's tensors live until the next turn. For
            all but ``plain`` the networks' structure must stay as it is.
        latent_every: take the latent step in every so many-th step; the others are ordinary.
        latent_share: the share of each batch whose latents are moved.
        steps_played: counts the steps, for ``latent_every``.
        announce: called with a sentence when the engine has to fall back to a plainer one; a warning by default.
        update: ``simultaneous`` (Algorithm 1), or ``alternating``: ``d_steps`` updates of D, each with real images and
            latents of its own, then one of G (CS-GAN, SN-GAN).
        d_steps: updates of D per update of G; alternating only.
        dynamics: how the gradients are adjusted, or the steps taken (:mod:`logan.dynamics`); simultaneous only.
        memory: what ``dynamics`` keeps between steps; part of a run's state.
    """

    generator: nn.Module
    discriminator: nn.Module
    g_optimiser: torch.optim.Optimizer
    d_optimiser: torch.optim.Optimizer
    loss: Loss = hinge
    latent: LatentStep | CSStep | None = None
    update: Literal["simultaneous", "alternating"] = "simultaneous"
    d_steps: int = 1
    dynamics: Dynamics | None = None
    autocast: torch.dtype | None = None
    engine: EngineName = "plain"
    latent_every: int = 1
    latent_share: float = 1.0
    steps_played: int = 0
    announce: Callable[[str], None] = warnings.warn
    memory: dict[str, list[Tensor]] = field(default_factory=dict)
    _engine: Engine | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.engine not in get_args(EngineName):
            raise ValueError(f"engine is one of {', '.join(get_args(EngineName))}, not {self.engine!r}")
        if self.latent_every < 1:
            raise ValueError(f"latent_every must be >= 1, not {self.latent_every}")
        if not 0 < self.latent_share <= 1:
            raise ValueError(f"latent_share must be in (0, 1], not {self.latent_share}")
        if self.update not in ("simultaneous", "alternating"):
            raise ValueError(f"update is 'simultaneous' or 'alternating', not {self.update!r}")
        if self.d_steps < 1:
            raise ValueError(f"d_steps must be >= 1, not {self.d_steps}")
        if self.update == "simultaneous" and self.d_steps != 1:
            raise ValueError(f"d_steps={self.d_steps} needs update='alternating': simultaneous updates are one to one")
        if self.update == "alternating" and self.dynamics is not None:
            raise ValueError("dynamics needs update='simultaneous': it adjusts both players' gradients at one point")

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
        latent = self.latent if self.steps_played % self.latent_every == 0 else None
        self.steps_played += 1
        if self.update == "simultaneous":
            real, labels = reals()
            return self._simultaneous(latent, real, latents(len(real)), labels)
        for _ in range(self.d_steps):
            real, labels = reals()
            d_turn = self._play(discriminator_turn, latent, real, latents(len(real)), labels)
            _apply(self.d_optimiser, self.discriminator, d_turn.d_gradients)
        g_turn = self._play(generator_turn, latent, latents(len(real)), labels)
        _apply(self.g_optimiser, self.generator, g_turn.g_gradients)
        return Turn(d_turn.d_loss, g_turn.g_loss, d_turn.d_gradients, g_turn.g_gradients, d_turn.report | g_turn.report)

    def _simultaneous(self, latent: LatentStep | CSStep | None, *inputs: Tensor | None) -> Turn:
        turn, rule = simultaneous, None
        if self.dynamics is not None:
            from logan.dynamics import UpdateRule

            if isinstance(self.dynamics, UpdateRule):
                rule = self.dynamics
            else:
                turn = self.dynamics
        if rule is None:
            played = self._play(turn, latent, *inputs)
            self._apply_both(played)
            return played
        players = (self.discriminator, self.generator)
        return rule.step(
            lambda: self._play(turn, latent, *inputs),
            self._apply_both,
            [p for player in players for p in trainable(player)],
            [b for player in players for b in player.buffers()],
            self.memory,
        )

    def _apply_both(self, turn: Turn) -> None:
        _apply(self.d_optimiser, self.discriminator, turn.d_gradients)
        _apply(self.g_optimiser, self.generator, turn.g_gradients)

    def _play(self, turn: Callable[..., Turn], latent: LatentStep | CSStep | None, *inputs: Tensor | None) -> Turn:
        """The one place where a fast path is chosen."""
        rules = {"loss": self.loss, "latent": latent, "autocast": self.autocast, "share": self.latent_share}
        if self.engine == "plain":
            return turn(self.generator, self.discriminator, *inputs, **rules)
        if self._engine is None:
            from logan.fast.engine import Engine  # the tracer takes a moment to import

            self._engine = Engine(self.generator, self.discriminator, self.engine, self.announce)
        return self._engine.play(turn, inputs, rules)


def call(network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    return network(x) if labels is None else network(x, labels)


def move(
    generator: nn.Module,
    discriminator: nn.Module,
    z: Tensor,
    labels: Tensor | None,
    latent: LatentStep | CSStep | None,
    share: float = 1.0,
) -> Moved:
    """The latent step on the first ``share`` of the batch; z itself for the rest, or without a latent step."""
    if latent is None:
        zero = torch.zeros_like(z)
        return Moved(z, zero, zero.sum(), zero.flatten(1)[:, 0], zero)
    n = max(1, round(share * len(z)))
    part = None if labels is None else labels[:n]
    step = latent.of(generator) if isinstance(latent, CSStep) else latent
    moved = step(lambda z: call(discriminator, call(generator, z, part), part), z[:n])
    return moved if n == len(z) else _beside(moved, z[n:])


def _beside(moved: Moved, rest: Tensor) -> Moved:
    """The moved latents and others that stay: R_z is a mean over all of them; scores and g are those of the moved."""
    n = len(moved.z)
    delta = torch.cat([moved.delta, torch.zeros_like(rest, dtype=moved.delta.dtype)])
    return replace(moved, z=torch.cat([moved.z, rest]), delta=delta, penalty=moved.penalty * (n / (n + len(rest))))


def penalty_of(view: Moved, latent: LatentStep | CSStep | None, player: str) -> Tensor | float:
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


def in_precision(z: Tensor, dtype: torch.dtype | None) -> AbstractContextManager:
    return nullcontext() if dtype is None else torch.autocast(z.device.type, dtype=dtype)


@torch.no_grad()
def report_on(
    moved: Moved, latent: LatentStep | CSStep | None, fake_scores: Tensor, real_scores: Tensor | None = None
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
