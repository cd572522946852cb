"""A sum over ranks as a differentiable function, of any order.

With y = Σ_r x_r on every rank, and L = Σ_r L_r the sum of what the ranks differentiate, ∂L/∂x_r = Σ_s ∂L_s/∂y: the derivative of
the sum is the same sum, and so is the derivative of that. Every rank must ask for the same derivatives in the same order; the
game's steps do.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: str) -> Tensor:
        ctx.group = group
        # The functional collectives reach the tracer as ordinary operations, so that a recording may hold them;
        # torch.distributed.nn.functional writes in place, cannot be traced, and is deprecated since torch 2.12.
        summed = torch.ops._c10d_functional.all_reduce.default(x.contiguous(), "sum", group)
        return torch.ops._c10d_functional.wait_tensor.default(summed)

    @staticmethod
    def backward(ctx: Any, y_bar: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(y_bar, ctx.group), None


def sum_over_ranks(x: Tensor, group: str | None = None) -> Tensor:
    """Σ_r x_r over all ranks, on every rank; differentiable any number of times.

    Args:
        x: of the same shape and type on every rank.
        group: torch's name of the group of ranks; None for that of all of them.
    """
    if group is None:
        assert dist.group.WORLD is not None
        group = dist.group.WORLD.group_name
    return _Sum.apply(x, group)
