"""Batch norm whose derivatives of any order are right.

torch's own takes the batch's statistics for constants from the third derivative on, silently (pytorch/pytorch#186256, in 2.13
still). The Jacobian of LOGAN's field is made of third derivatives: one for the latent step, one for the gradients, one for the
method. The recorded step's batch norm (:mod:`logan.fast.operations`) ends with the second, and says so.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class ExactBatchNorm(TorchFunctionMode):
    """Inside, training-mode batch norm is written out, for autograd to differentiate as often as it is asked to."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.batch_norm:
            result = _batch_norm(*args, **(kwargs or {}))
            if result is not None:
                return result
        return func(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor | None:
    n = input.numel() // input.shape[1]
    if not training or n == 1:
        return None
    x = input.to(torch.promote_types(input.dtype, torch.float32))
    over = [0, *range(2, x.ndim)]
    mean = x.mean(over)
    centred = x - _per_channel(mean, x)
    variance = centred.square().mean(over)
    scale = torch.rsqrt(variance + eps)
    y = centred * _per_channel(scale if weight is None else scale * weight, x)
    if bias is not None:
        y = y + _per_channel(bias, x)
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((variance * (n / (n - 1))).to(running_var.dtype), momentum)
    return y.to(input.dtype)


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.view(1, -1, *[1] * (like.ndim - 2))
