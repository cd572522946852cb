"""Play the turns of a game from recordings, made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from logan import turns
from logan.distributed import World, across
from logan.fast import EngineName, gears, step
from logan.fast.recording import CannotRecordError, Recording

TurnFunction = Callable[..., turns.Turn]

REARRANGED: dict[TurnFunction, TurnFunction] = {turns.simultaneous: step.simultaneous}
"""What is recorded for a turn, where that is not the turn itself."""


class Engine:
    """The turns of one pair of networks, recorded.

    A recording holds for one kind of turn, one set of rules, and one set of shapes, types and modes; another one is made
    when any of these changes. Where none can be made the turn is played as it is written, and ``announce`` says so once.

    Args:
        generator, discriminator: their structure must not change; their weights, buffers and modes may.
        kind: ``recorded``, ``compiled``, ``cuda-graph`` or ``compiled-graph``; see :class:`logan.game.Game`.
        announce: called with a sentence when something falls back.
        world: the ranks over which batch norm normalises.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        kind: EngineName,
        announce: Callable[[str], None],
        world: World | None = None,
    ) -> None:
        self.world = World() if world is None else world
        self.players = (generator, discriminator)
        self.kind = kind
        self.announce = announce
        self._modules = [module for player in self.players for module in player.modules()]
        self._parameters = [p for player in self.players for p in player.parameters()]
        self._recordings: dict[Any, Recording | None] = {}

    def play(self, turn: TurnFunction, inputs: Sequence[Tensor | None], rules: turns.Rules) -> turns.Turn:
        """What ``turn(generator, discriminator, *inputs, rules=rules)`` returns, up to rounding."""
        recording = self.prepare(turn, inputs, rules)
        if recording is None:
            with across(self.world):
                return turn(*self.players, *inputs, rules=rules)
        return turns.Turn(*recording(*inputs))

    def prepare(self, turn: TurnFunction, inputs: Sequence[Tensor | None], rules: turns.Rules) -> Recording | None:
        """The turn's recording, made if there is none yet; None where none can be made."""
        kinds = tuple(None if x is None else (x.shape, x.dtype, x.device, x.stride()) for x in inputs)
        modes = tuple([m.training for m in self._modules]), tuple([p.requires_grad for p in self._parameters])
        key = (turn, rules, kinds, modes)
        if key not in self._recordings:
            self._recordings[key] = self._record(turn, inputs, rules)
        return self._recordings[key]

    def _record(self, turn: TurnFunction, inputs: Sequence[Tensor | None], rules: turns.Rules) -> Recording | None:
        function = REARRANGED.get(turn, turn)

        def play(*tensors: Tensor | None) -> tuple[Any, ...]:
            with across(self.world):  # innermost: before the fast path's own batch norm
                t = function(*self.players, *tensors, rules=rules)
            return t.d_loss, t.g_loss, t.d_gradients, t.g_gradients, t.report

        draws = int(rules.latent is not None and rules.latent.subset == "random")
        try:
            onednn = not self.kind.startswith("compiled")
            recording = Recording(play, inputs, self.players, draws, onednn)
        except CannotRecordError as error:
            self.announce(f"playing without the fast path, same results: {error}")
            return None
        gears.improve(recording, inputs, self.kind, self.announce)
        return recording
