"""Play the turns of a game from recordings, made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from logan import turns
from logan.distributed import World, across
from logan.fast import EngineName, step
from logan.fast.kept import Kept
from logan.fast.recorded import Recorded
from logan.fast.recording import Recording

TurnFunction = Callable[..., turns.Turn]

REARRANGED: dict[TurnFunction, TurnFunction] = {turns.simultaneous: step.simultaneous}
"""What is recorded for a turn, where that is not the turn itself."""


class Engine:
    """The turns of one pair of networks, recorded, each as a :class:`~logan.fast.recorded.Recorded` function.

    A recording holds for one kind of turn, one set of rules, one set of shapes and types, and for what the networks keep as
    attributes, modes among them; another one is made when any of these changes. Where none can be made, or one is found wrong,
    the turn is played as it is written, and ``announce`` says so once.

    Args:
        generator, discriminator: the players.
        kind: any engine but ``plain``; see :class:`logan.game.Game`.
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
        self.checking = True
        """Whether plays are compared; what measures a play switches it off."""
        self._announce_to = announce
        self._said: set[str] = set()
        self._turns: dict[TurnFunction, Kept[Recorded]] = {}

    def play(self, turn: TurnFunction, inputs: Sequence[Tensor | None], rules: turns.Rules) -> turns.Turn:
        """What ``turn(generator, discriminator, *inputs, rules=rules)`` returns, up to rounding."""
        recorded = self._of(turn, rules)
        if recorded is None:
            return turns.Turn(**self._as_written(turn, rules)(*inputs))
        recorded.checking = self.checking
        return turns.Turn(**recorded(*inputs))

    def _of(self, turn: TurnFunction, rules: turns.Rules) -> Recorded | None:
        """What plays the turn by these rules; None where nothing should be recorded for them."""
        kept = self._turns.setdefault(turn, Kept())
        try:
            recorded = kept.get(rules)
        except TypeError:
            self._announce("playing without the fast path: its loss or its latent step has no hash")
            return None
        if recorded is None and kept.wants(rules):
            recorded = self._new(turn, rules)
            kept.add(rules, recorded)
        elif recorded is None and kept.waited == 3:
            self._announce(
                "playing without the fast path: the loss or the latent step changes too often for a recording"
            )
        return recorded

    def belongs_to(self, players: tuple[nn.Module, nn.Module], kind: EngineName, world: World) -> bool:
        """Whether it was made for these."""
        return (
            self.players[0] is players[0]
            and self.players[1] is players[1]
            and self.kind == kind
            and self.world is world
        )

    def check_next(self) -> None:
        """Compare every recording with the plain code when it is next played."""
        for recorded in self._all():
            recorded.check_next()

    @property
    def recordings(self) -> list[Recording | None]:
        """All that there are; None for what is played as it is written."""
        return [recording for recorded in self._all() for recording in recorded.recordings]

    def _all(self) -> list[Recorded]:
        return [recorded for kept in self._turns.values() for recorded in kept.entries.values()]

    def _new(self, turn: TurnFunction, rules: turns.Rules, proving: bool = False) -> Recorded:
        names: dict[str, Any] = {"generator": self.players[0], "discriminator": self.players[1]}
        weights = [{id(p) for p in player.parameters()} for player in self.players]
        apart = not weights[0] & weights[1]  # the rearranged step takes each player's derivatives for itself
        return Recorded(
            self._as_written(turn, rules),
            names | {"loss": rules.loss, "latent step": rules.latent, "turn": turn},
            announce=self._announce,
            kind=self.kind,
            rearranged=self._as_written(REARRANGED.get(turn, turn) if apart else turn, rules),
            random_operations=int(rules.latent is not None and rules.latent.subset == "random"),
            world=self.world,
            wide=None if proving else lambda: self._new(turn, replace(rules, autocast=None), proving=True),
            proving=proving,
        )

    def _as_written(self, turn: TurnFunction, rules: turns.Rules) -> Callable[..., dict[str, Any]]:
        def play(*inputs: Tensor | None) -> dict[str, Any]:
            with across(self.world):  # innermost: before the fast path's own batch norm
                return vars(turn(*self.players, *inputs, rules=rules))

        return play

    def _announce(self, text: str) -> None:
        if text not in self._said:  # by one turn or another
            self._said.add(text)
            self._announce_to(text)
