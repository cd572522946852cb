"""A turn of the game in parts: gradients of a batch that does not fit in memory at once, accumulated.

The losses are means over samples, so a turn on n samples is the mean of turns on its parts, weighted by their sizes: as long
as a sample's score depends on no other sample. Batch norm in training mode breaks that: it normalises over each part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from logan.distributed import World
from logan.side_effects import frozen, same_random_numbers_next
from logan.turns import Gradients, Turn


def in_parts(
    play: Callable[..., Turn],
    inputs: Sequence[Tensor | None],
    size: int,
    moving: Sequence[nn.Module],
    same_draws: bool = False,
) -> Turn:
    """``play(*inputs)``, on ``size`` samples at a time.

    Args:
        play: one evaluation of the game on a batch; tensors of the same leading length in, a :class:`~logan.turns.Turn` out.
        inputs: tensors (B, …), or None.
        size: samples per part; the last part may have fewer.
        moving: the networks that the turn updates. Their spectral-norm vectors move once, before the first part, as they
            do for a batch in one piece.
        same_draws: let every part find torch's global random generators in the same state: for a random subset of latent
            dimensions, which is one choice for the whole batch. (Dropout in the networks then repeats itself, too.)
    """
    first = next(x for x in inputs if x is not None)
    n = len(first)
    if n <= size:
        return play(*inputs)
    total: Turn | None = None
    with frozen(*moving):
        for start in range(0, n, size):
            part = [None if x is None else x[start : start + size] for x in inputs]
            weight = min(size, n - start) / n
            again = same_draws and start + size < n
            with same_random_numbers_next(first.device) if again else nullcontext():
                # No name for the part's turn: it would live on, gradients and all, while the next part is played.
                total = _begun(play(*part), weight) if total is None else _plus(total, play(*part), weight)
    assert total is not None
    return total


def over_ranks(turn: Turn, world: World) -> Turn:
    """The turn with its gradients averaged over the ranks, in one message per type of number."""
    if world.size == 1:
        return turn
    n = len(turn.d_gradients)
    together = world.all_reduce_mean([*turn.d_gradients, *turn.g_gradients])
    return replace(turn, d_gradients=together[:n], g_gradients=together[n:])


@torch.no_grad()
def _begun(turn: Turn, factor: float) -> Turn:
    """``turn`` times ``factor``, in tensors of its own: a CUDA graph writes the next part's into those of this one."""
    scaled = [None if x is None else x.detach() * factor for x in (turn.d_loss, turn.g_loss)]
    for gradients in (turn.d_gradients, turn.g_gradients):
        for i, gradient in enumerate(gradients):
            # one at a time: the list then lets go of the gradient that is scaled
            gradients[i] = None if gradient is None else gradient.detach() * factor
    report = {name: value * factor for name, value in turn.report.items()}
    return Turn(scaled[0], scaled[1], turn.d_gradients, turn.g_gradients, report)


@torch.no_grad()
def _plus(total: Turn, turn: Turn, factor: float) -> Turn:
    """``total`` + ``turn`` times ``factor``, in ``total``'s tensors."""
    return Turn(
        _sum(total.d_loss, turn.d_loss, factor),
        _sum(total.g_loss, turn.g_loss, factor),
        _added(total.d_gradients, turn.d_gradients, factor),
        _added(total.g_gradients, turn.g_gradients, factor),
        {name: value + turn.report[name] * factor for name, value in total.report.items()},
    )


def _added(total: Gradients, more: Gradients, factor: float) -> Gradients:
    return [_sum(a, b, factor) for a, b in zip(total, more, strict=True)]


def _sum(a: Tensor | None, b: Tensor | None, factor: float) -> Tensor | None:
    if b is None:
        return a
    return b.detach() * factor if a is None else a.add_(b.detach(), alpha=factor)
