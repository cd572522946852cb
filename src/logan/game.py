"""The game of the two players: networks, optimisers, and the rule by which they take turns.

:class:`Game` plays steps. What one evaluation of the game is, its losses and its gradients, stands in :mod:`logan.turns`, whose
turns can be reached from here too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from logan.accumulation import in_parts, over_ranks
from logan.distributed import World, across
from logan.dynamics import Adjustment, Dynamics, UpdateRule
from logan.errors import InputError, check_choices
from logan.fast import EngineName
from logan.latent import LatentMethod
from logan.losses import Loss, hinge
from logan.memory_order import in_order_of
from logan.playable import Where, check_alone, check_optimiser
from logan.turns import Rules, Turn, discriminator_turn, generator_turn, simultaneous, trainable

if TYPE_CHECKING:
    from logan.fast.engine import Engine

Update = Literal["simultaneous", "alternating"]
RealBatches = Callable[[], tuple[Tensor, Tensor | None]]
Latents = Callable[[int], Tensor]


@dataclass
class Game:
    """Two networks, their optimisers, and the rule by which they take turns.

    Attributes:
        generator, discriminator: as in :func:`simultaneous`.
        g_optimiser, d_optimiser: torch optimisers over the two networks' parameters, any whose step takes no closure.
        loss, latent, autocast: as in :func:`simultaneous`.
        engine: ``plain``: each step as it is written in :mod:`logan.turns`; ``recorded``: the same step recorded once and
            played from the recording, faster (see :mod:`logan.fast`); ``compiled``: the recording handed to ``torch.compile``;
            ``cuda-graph``: the recording captured in a CUDA graph, where a turn's tensors live until the next turn;
            ``compiled-graph``: compiled, and then captured. For
            all but ``plain`` the networks' structure must stay as it is.
        latent_every: take the latent step in every so many-th step; the others are ordinary.
        latent_share: the share of each batch whose latents are moved: the first of it, and with ``micro_batch`` or several
            ranks the first of each part.
        steps_played: counts the steps, for ``latent_every``.
        announce: called with a sentence when the engine has to fall back to a plainer one; a warning by default.
        update: ``simultaneous`` (Algorithm 1), or ``alternating``: ``d_steps`` updates of D, each with real images and
            latents of its own, then one of G (CS-GAN, SN-GAN).
        d_steps: updates of D per update of G; alternating only.
        dynamics: how the gradients are adjusted, or the steps taken (:mod:`logan.dynamics`); simultaneous only.
        memory: what ``dynamics`` keeps between steps; part of a run's state.
        micro_batch: samples that are in memory at a time; the gradients of a larger batch are accumulated
            (:mod:`logan.accumulation`). None for the whole batch.
        world: the ranks that play together, each on its slice of the batch. Gradients are averaged over them, and batch norm
            in training mode normalises over all of them (:mod:`logan.distributed`).

    Example:
        >>> from logan import LatentStep, networks
        >>> g, d = networks.create("mlp", image_size=1, image_channels=2, latent_dim=4, width=16)
        >>> adams = torch.optim.Adam(g.parameters(), 1e-3), torch.optim.Adam(d.parameters(), 1e-3)
        >>> game = Game(g, d, *adams, latent=LatentStep("ngd"), engine="recorded")
        >>> turn = game.step(lambda: (torch.randn(8, 2, 1, 1), None), lambda n: 2 * torch.rand(n, 4) - 1)
        >>> sorted(turn.report)
        ['delta_z', 'fake_score', 'grad_z_squared', 'penalty', 'real_score', 'score_gain']
    """

    generator: nn.Module
    discriminator: nn.Module
    g_optimiser: torch.optim.Optimizer
    d_optimiser: torch.optim.Optimizer
    loss: Loss = hinge
    latent: LatentMethod | None = None
    update: Update = "simultaneous"
    d_steps: int = 1
    dynamics: Dynamics | None = None
    autocast: torch.dtype | None = None
    engine: EngineName = "plain"
    latent_every: int = 1
    latent_share: float = 1.0
    steps_played: int = 0
    announce: Callable[[str], None] = warnings.warn
    memory: dict[str, list[Tensor]] = field(default_factory=dict)
    micro_batch: int | None = None
    world: World = field(default_factory=World)
    _engine: Engine | None = field(default=None, init=False, repr=False)
    _alone_is_fine: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        check_choices(self, engine=EngineName, update=Update)
        _ = self.rules
        check_turns(
            update=self.update,
            d_steps=self.d_steps,
            dynamics=self.dynamics,
            latent_every=self.latent_every,
            micro_batch=self.micro_batch,
            ranks=self.world.size,
        )
        check_optimiser("g_optimiser", self.g_optimiser, "generator", self.generator)
        check_optimiser("d_optimiser", self.d_optimiser, "discriminator", self.discriminator)

    @property
    def rules(self) -> Rules:
        """Those of a step with the latent step."""
        try:
            return Rules(self.loss, self.latent, self.autocast, self.latent_share)
        except InputError as error:
            raise error.renamed({"share": "latent_share"}) from None

    @property
    def real_batches_per_step(self) -> int:
        """How many batches of real images one :meth:`step` consumes."""
        return self.d_steps

    def step(self, reals: RealBatches, latents: Latents) -> Turn:
        """Play one step.

        Args:
            reals: returns the next real batch, images (B, C, H, W) and labels (B,) or None.
            latents: n to n fresh latents, (n, d).

        As in ``game.step(lambda: (next(images), None), lambda n: 2 * torch.rand(n, d) - 1)``.

        Returns:
            The losses and report of the step (alternating: those of the last turn of each player).

        Raises:
            TypeError: if one of them is no function.
        """
        if not (callable(reals) and callable(latents)):
            raise TypeError(
                "step takes functions, since it may need several batches: step(lambda: (images, labels or None), "
                "lambda n: n latents); for one batch that is there already, see logan.game.simultaneous"
            )
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

    def __getstate__(self) -> dict[str, Any]:
        """For copies: recordings belong to these very networks."""
        return vars(self) | {"_engine": None}

    def play_by(self, engine: EngineName) -> None:
        """Go on with another engine, whose recordings are made anew."""
        self.engine, self._engine = engine, None

    @property
    def is_recorded(self) -> bool:
        """Whether every turn that was played so far is played from a recording now."""
        return self._engine is not None and None not in self._engine.recordings

    def check_next(self) -> None:
        """Play the next step also as it is written, and compare.

        A fast engine does so by itself at steps 1, 2, 4, … 1,024, and at every 4,096th.
        """
        if self._engine is not None:
            self._engine.check_next()

    def _simultaneous(self, latent: LatentMethod | None, *inputs: Tensor | None) -> Turn:
        rule = self.dynamics
        if not isinstance(rule, UpdateRule):
            played = self._play(simultaneous if rule is None else rule, latent, *inputs)
            self._apply_both(played)
            return played
        players = (self.discriminator, self.generator)
        return rule.step(
            lambda: self._play(simultaneous, latent, *inputs),
            self._apply_both,
            [p for player in players for p in trainable(player)],
            [b for player in players for b in player.buffers()],
            self.memory,
        )

    def _apply_both(self, turn: Turn) -> None:
        _apply(self.d_optimiser, self.discriminator, turn.d_gradients)
        _apply(self.g_optimiser, self.generator, turn.g_gradients)

    def _play(self, turn: Callable[..., Turn], latent: LatentMethod | None, *inputs: Tensor | None) -> Turn:
        """One turn on the batch of this rank, in parts if it must be; its gradients are means over all ranks."""
        n = len(next(x for x in inputs if x is not None))
        self._check_share(n)
        self._check_alone(n, latent is not None, *inputs[-2:])
        latent = None if latent is None else latent.for_batch(n * self.world.size)
        rules = Rules(self.loss, latent, self.autocast, self.latent_share)
        if self.micro_batch is None:
            played = self._evaluate(turn, rules, *inputs)
        else:
            moving = {discriminator_turn: (self.discriminator,), generator_turn: (self.generator,)}
            players = moving.get(turn, (self.discriminator, self.generator))
            same_draws = latent is not None and latent.subset == "random"
            played = in_parts(partial(self._evaluate, turn, rules), inputs, self.micro_batch, players, same_draws)
        return over_ranks(played, self.world)

    def _check_share(self, n: int) -> None:
        """Of every part the first ``latent_share`` is moved: it must be a whole number, or another share of the batch would be."""
        part = min(n, self.micro_batch or n)
        if self.latent_share < 1 and (part < n or self.world.size > 1):
            for size in {part, n % part or part}:
                check_share(self.latent_share, size)

    def _check_alone(self, n: int, moving: bool, z: Tensor | None, labels: Tensor | None) -> None:
        """Of a part of one sample, whether both networks can be asked for it; several ranks normalise over theirs together."""
        part = min(n, self.micro_batch or n)
        size = min(part, n % part or part)
        moved = max(1, round(self.latent_share * size)) if moving else size
        if moved == 1 and not self._alone_is_fine and self.world.size == 1 and z is not None:
            where = Where(n, self.micro_batch, size, self.latent_share)
            check_alone(self.generator, self.discriminator, z[:1], None if labels is None else labels[:1], where)
            self._alone_is_fine = True

    def _evaluate(self, turn: Callable[..., Turn], rules: Rules, *inputs: Tensor | None) -> Turn:
        """The one place where a fast path is chosen."""
        if self.engine == "plain":
            with across(self.world):
                return turn(self.generator, self.discriminator, *inputs, rules=rules)
        from logan.fast.engine import Engine  # the tracer takes a moment to import

        players = (self.generator, self.discriminator)
        if self._engine is None or not self._engine.belongs_to(players, self.engine, self.world):
            self._engine = Engine(*players, self.engine, lambda text: self.announce(text), self.world)
        return self._engine.play(turn, inputs, rules)


def check_turns(
    *,
    update: str,
    d_steps: int,
    dynamics: Dynamics | None,
    latent_every: int,
    micro_batch: int | None,
    ranks: int,
) -> None:
    """Refuse what no :class:`Game` can be played by; the arguments are its attributes, and the size of its world.

    Raises:
        InputError: naming the attribute.
    """
    if dynamics is not None and not isinstance(dynamics, Adjustment | UpdateRule):
        raise InputError(f"`dynamics` is a method such as logan.dynamics.SGA(), or None, not {dynamics!r}")
    for name, value in (("d_steps", d_steps), ("latent_every", latent_every), ("micro_batch", micro_batch)):
        if value is not None and value < 1:
            raise InputError(f"`{name}` must be >= 1, not {value}")
    if update == "simultaneous" and d_steps != 1:
        raise InputError(f"`d_steps` {d_steps} needs `update` alternating: simultaneous updates are one to one")
    if update == "alternating" and dynamics is not None:
        raise InputError("`dynamics` needs `update` simultaneous: it adjusts both gradients at one point")
    if isinstance(dynamics, Adjustment) and (micro_batch is not None or ranks > 1):
        raise InputError(
            "`dynamics` needs the whole batch on one device in one piece, one rank and no `micro_batch`: products of a Jacobian "
            "and a gradient are not means over parts of the batch"
        )


def check_share(share: float, part: int) -> None:
    """Refuse a share that is no whole number of a part's latents (InputError)."""
    if abs(share * part - round(share * part)) > 1e-9:
        raise InputError(f"`latent_share` {share:g} is no whole number of the {part} samples in memory at a time")


def _apply(optimiser: torch.optim.Optimizer, network: nn.Module, gradients: Iterable[Tensor | None]) -> None:
    for parameter, gradient in zip(trainable(network), gradients, strict=True):
        parameter.grad = None if gradient is None else in_order_of(parameter, gradient)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
