"""Batch norm over the batch of all ranks ("cross-replica"), differentiable any number of times.

torch's own SyncBatchNorm has a hand-written backward pass that cannot be differentiated; the latent step needs that. Here
the statistics are sums over ranks (:func:`logan.distributed.sums.sum_over_ranks`) in ordinary operations, and the derivatives
follow from those.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from logan.distributed.sums import sum_over_ranks
from logan.distributed.world import World
from logan.side_effects.substitution import BatchNorm, Substituting, per_channel


def across(world: World) -> AbstractContextManager[Any]:
    """Inside, training-mode batch norm of any network takes its statistics from the batches of all ranks together.

    No module is replaced: it is the function :func:`torch.nn.functional.batch_norm` that changes, so networks of your own
    take part. All ranks must have batches of one size, and call the same layers in the same order.
    """
    return nullcontext() if world.size == 1 else Substituting({F.batch_norm: partial(_in_training, world)})


def _in_training(world: World, *args: Any, **kwargs: Any) -> Tensor | None:
    """F.batch_norm's arguments; None where the running statistics are used, which all ranks have alike."""
    norm = BatchNorm(*args, **kwargs)
    if not norm.training:
        return None
    x = norm.input
    mean, variance = statistics(x, world)
    norm.move(mean, variance, norm.values * world.size)
    scale = (variance + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    wide = torch.promote_types(x.dtype, torch.float32)
    y = torch.addcmul(per_channel(shift.to(wide), x), x.to(wide), per_channel(scale.to(wide), x))
    return y.to(x.dtype)


def statistics(x: Tensor, world: World) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (C,), float64, of x (B, C, …) over the batches of all ranks, in one sum over ranks.

    σ² = mean_r(σ_r² + μ_r²) − μ²; on (C,) numbers in float64, where that difference loses nothing that float32 had.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    dims = [0, *range(2, x.ndim)]
    own_mean = x.mean(dims).double()
    own_variance = _Variance.apply(x, dims).double()
    summed = sum_over_ranks(torch.stack([own_mean, own_variance + own_mean.square()]), world.group) / world.size
    mean = summed[0]
    return mean, summed[1] - mean.square()


class _Variance(Function):
    """The biased variance (C,) of x. Autograd's own keeps x − μ beside x, which is as large; torch.var is slow on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dims: list[int]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.dims = dims
        return (x - x.mean(dims, keepdim=True)).square_().mean(dims)

    @staticmethod
    def backward(ctx: Any, v_bar: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        # v̄ · 2/N · (x − μ), in another operation than above: a recording merges equal ones, and keeps what they share.
        scale = v_bar * (2 * x.shape[1] / x.numel())
        shift = -scale * x.mean(ctx.dims)
        return torch.addcmul(per_channel(shift, x), x, per_channel(scale, x)), None
