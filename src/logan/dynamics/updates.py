"""Methods that change how the optimisers' steps are taken, not the gradients: extragradient and optimistic updates.

They work with any torch optimiser; with plain gradient descent they are the methods of the textbooks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from logan.side_effects import same_random_numbers_next
from logan.side_effects.places import Values
from logan.turns import Turn

Play = Callable[[], Turn]
Apply = Callable[[Turn], None]
Memory = dict[str, list[Tensor]]


class UpdateRule:
    """How one step of both optimisers is taken; subclasses are frozen dataclasses that write :meth:`step`."""

    def step(self, play: Play, apply: Apply, parameters: list[Tensor], buffers: list[Tensor], memory: Memory) -> Turn:
        """Take one step.

        Args:
            play: the gradients at the present parameters, on the step's batch.
            apply: lets both optimisers step by a turn's gradients.
            parameters: of both players, in a fixed order.
            buffers: of both players.
            memory: what the rule keeps between steps; saved with the state of a run.
        """
        raise TypeError(f"{type(self).__name__} takes no step: write its method step")


@dataclass(frozen=True)
class Extragradient(UpdateRule):
    """θ_{t+½} = θ_t − η ξ(θ_t);  θ_{t+1} = θ_t − η ξ(θ_{t+½})  (Korpelevich 1976; for GANs Gidel et al. 2019).

    Both halves see the same batch. The half step is the optimiser's own, whose moments follow both gradients: with Adam this
    is Gidel et al.'s ExtraAdam (Algorithm 4), and costs two gradients a step. The half step leaves no other trace: batch-norm
    statistics and spectral-norm vectors move in the second half.
    """

    def step(self, play: Play, apply: Apply, parameters: list[Tensor], buffers: list[Tensor], memory: Memory) -> Turn:
        """Look ahead, come back, and go by what was seen."""
        before, buffers_before = Values(parameters), Values(buffers)
        with same_random_numbers_next(*(p.device for p in parameters)):  # as the second half draws
            apply(play())
        buffers_before.put_back()
        turn = play()
        before.put_back()
        apply(turn)
        return turn


@dataclass(frozen=True)
class Optimistic(UpdateRule):
    """θ_{t+1} = θ_t + 2Δ_t − Δ_{t−1}, with Δ_t the optimiser's step  (Daskalakis et al. 2018, equations 3 and 4).

    With plain gradient descent θ_{t+1} = θ_t − 2η ξ_t + η ξ_{t−1}; with Adam it is their Optimistic Adam (Algorithm 1). One
    gradient a step. The first step is the optimiser's own.
    """

    def step(self, play: Play, apply: Apply, parameters: list[Tensor], buffers: list[Tensor], memory: Memory) -> Turn:
        """Step, and add the change of the step since the last."""
        before, turn = Values(parameters), play()
        apply(turn)
        with torch.no_grad():
            now = [p - b for p, b in zip(parameters, before.copies, strict=True)]
            for p, change, last in zip(parameters, now, memory.get("last_step", now), strict=True):
                p.add_(change).sub_(last)
        memory["last_step"] = now
        return turn
