"""A turn of the game in parts: gradients of a batch that does not fit in memory at once, accumulated.

The losses are means over samples, so a turn on n samples is the mean of turns on its parts, weighted by their sizes: as long
as a sample's score depends on no other sample. Batch norm in training mode breaks that: it normalises over each part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

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
            share = min(size, n - start) / n
            again = same_draws and start + size < n
            with same_random_numbers_next(first.device) if again else nullcontext():
                turn = _times(play(*part), share)
            total = turn if total is None else _plus(total, turn)
    assert total is not None
    return total


@torch.no_grad()
def _times(turn: Turn, factor: float) -> Turn:
    def scaled(x: Tensor | None) -> Tensor | None:
        return None if x is None else x.detach() * factor

    return Turn(
        scaled(turn.d_loss),
        scaled(turn.g_loss),
        [scaled(g) for g in turn.d_gradients],
        [scaled(g) for g in turn.g_gradients],
        {name: value * factor for name, value in turn.report.items()},
    )


@torch.no_grad()
def _plus(total: Turn, turn: Turn) -> Turn:
    """In place where that saves memory: in the gradients."""
    return Turn(
        _sum(total.d_loss, turn.d_loss),
        _sum(total.g_loss, turn.g_loss),
        _added(total.d_gradients, turn.d_gradients),
        _added(total.g_gradients, turn.g_gradients),
        {name: value + turn.report[name] for name, value in total.report.items()},
    )


def _added(total: Gradients, more: Gradients) -> Gradients:
    return [_sum(a, b) for a, b in zip(total, more, strict=True)]


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return a if b is None else b
    return a.add_(b)
