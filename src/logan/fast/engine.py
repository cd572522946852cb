"""Play the turns of a game from recordings, made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from logan import turns
from logan.distributed import World, across
from logan.errors import first_line
from logan.fast import EngineName, step
from logan.fast.cuda_graph import CudaGraph
from logan.fast.recording import CannotRecordError, Recording
from logan.side_effects.places import values_restored

TurnFunction = Callable[..., turns.Turn]

REARRANGED: dict[TurnFunction, TurnFunction] = {turns.simultaneous: step.simultaneous}
"""What is recorded for a turn, where that is not the turn itself."""


class Engine:
    """The turns of one pair of networks, recorded.

    A recording holds for one kind of turn, one set of rules, and one set of shapes, types and modes; another one is made
    when any of these changes. Where none can be made the turn is played as it is written, and ``announce`` says so once.

    Args:
        generator, discriminator: their structure must not change; their weights, buffers and modes may.
        kind: ``recorded``, ``compiled`` or ``cuda-graph``; see :class:`logan.game.Game`.
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
            recording = Recording(play, inputs, self.players, draws, onednn=self.kind != "compiled")
        except CannotRecordError as error:
            self.announce(f"playing without the fast path, same results: {error}")
            return None
        self._improve(recording, inputs)
        return recording

    def _improve(self, recording: Recording, inputs: Sequence[Tensor | None]) -> None:
        """Compile or capture the recording, and see at once whether that works here."""
        recorded = recording.run
        if self.kind == "compiled":
            recording.run = torch.compile(recorded, fullgraph=True, dynamic=False)
        elif self.kind == "cuda-graph":
            recording.run = CudaGraph(recorded, kept=len(recording.state()))
        else:
            return
        with values_restored(recording.state()):
            try:
                recording(*inputs)
            except Exception as error:  # compilers and drivers raise what they like
                reason = f"{type(error).__name__}: {first_line(error)}"
                self.announce(
                    f"playing from the recording as it is, same results: {self.kind} does not work here ({reason})"
                )
                recording.run = recorded
