"""The vector field of a differentiable game, and products with its Jacobian (Balduzzi et al. 2018).

n players with parameters θ_1 … θ_n and losses L_1 … L_n have the *simultaneous gradient* ξ = (∂L_1/∂θ_1, …, ∂L_n/∂θ_n)
(equation 3 of Wu et al. 2019), which in general is the gradient of no function. Its Jacobian H = ∇ξ is therefore not
symmetric: H = S + A, where S = ½(H + Hᵀ) is the part of a potential game and A = ½(H − Hᵀ) the rotation.

H has as many rows as there are parameters, so it is never formed. One product with Hᵀ is one backward pass through the
backward pass; one product with H is a backward pass through that (:meth:`Field.times`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from logan.second_order import gradients

Theta = tuple[Tensor, ...]
"""One player's parameters."""
Blocks = tuple[Theta, ...]
"""One vector of the size of all parameters, by player and tensor: a gradient, or a direction."""
Losses = Callable[..., Sequence[Tensor]]


@dataclass(eq=False)
class Field:
    """ξ and its Jacobian at one point, for one batch.

    Attributes:
        losses: called with one tuple of tensors per player; returns one scalar per player. Called with the same tensors
            it must return the same values.
        players: the point: one tuple of tensors per player, each with ``requires_grad``.
    """

    losses: Losses
    players: Blocks

    @cached_property
    def values(self) -> Theta:
        """L_1 … L_n, scalars."""
        return tuple(self.losses(*self.players))

    @cached_property
    def xi(self) -> Blocks:
        """ξ, the simultaneous gradient, with its graph."""
        again = partial(self.losses, *self.players)
        return tuple(
            pull((value,), player, create_graph=True, again=again)
            for value, player in zip(self.values, self.players, strict=True)
        )

    def gradient(self, of: Tensor, player: int, create_graph: bool = False) -> Theta:
        """∂of/∂θ_player of a scalar with a graph."""
        return pull((of,), self.players[player], create_graph=create_graph)

    def transposed_times(self, v: Blocks) -> Blocks:
        """Hᵀv: one backward pass through ξ."""
        return self.like(pull(flat(self.xi), flat(self.players), flat(v)))

    def times(self, v: Blocks) -> Blocks:
        """Hv. Hᵀu is linear in u, and its derivative with respect to u, taken backwards with v, is Hv."""
        u = tuple(torch.zeros_like(x, requires_grad=True) for x in flat(self.players))
        return self.like(pull(pull(flat(self.xi), flat(self.players), u, create_graph=True), u, flat(v)))

    def like(self, tensors: Iterable[Tensor]) -> Blocks:
        """A flat sequence of tensors, by player."""
        rest = iter(tensors)
        return tuple(tuple(next(rest) for _ in player) for player in self.players)


def pull(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Sequence[Tensor] | None = None,
    create_graph: bool = False,
    again: Callable[[], object] | None = None,
) -> Theta:
    """Σ_k cotangent_kᵀ ∂output_k/∂input for each input: zero where nothing depends on it. The graph is kept.

    ``again`` and what is raised: as in :func:`logan.second_order.gradients`.
    """
    found: list[Tensor | None] = [None] * len(inputs)
    live = [i for i, y in enumerate(outputs) if y.requires_grad]
    if live:
        weights = None if cotangents is None else [cotangents[i] for i in live]
        found = gradients(
            [outputs[i] for i in live], inputs, weights, retain_graph=True, create_graph=create_graph, again=again
        )
    return tuple(torch.zeros_like(x) if y is None else y for x, y in zip(inputs, found, strict=True))


def flat(blocks: Blocks) -> Theta:
    """All tensors of all players, one after another."""
    return tuple(x for player in blocks for x in player)


def add(a: Blocks, b: Blocks, scale: float | Tensor = 1.0) -> Blocks:
    """a + scale · b."""
    return tuple(tuple(x + scale * y for x, y in zip(p, q, strict=True)) for p, q in zip(a, b, strict=True))


def dot(a: Blocks, b: Blocks) -> Tensor:
    """⟨a, b⟩, a scalar."""
    return torch.stack([(x * y).sum() for x, y in zip(flat(a), flat(b), strict=True)]).sum()


def dimension(blocks: Blocks) -> int:
    """How many numbers there are."""
    return sum(x.numel() for x in flat(blocks))
