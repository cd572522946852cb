"""Normalisations whose derivatives of any order are right.

torch's own batch, layer and instance norm take their statistics for constants from the third derivative on, silently
(pytorch/pytorch#186256, #175754; in 2.13 still), and its weight norm takes ‖v‖ for one from the second on. Group norm and RMS norm
are right, and so are all of them in evaluation mode. The Jacobian of a game is made of second derivatives, that of LOGAN's field of
third ones: one for the latent step, one for the gradients, one for the method. The recorded step's batch norm
(:mod:`logan.fast.operations`) ends with the second, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from logan.side_effects.substitution import BatchNorm, Substituting, move_statistics, per_channel


def exact_norms() -> Substituting:
    """Inside, these normalisations are written out, for autograd to differentiate as often as it is asked to."""
    return Substituting(WRITTEN_OUT)


def _batch_norm(*args: Any, **kwargs: Any) -> Tensor | None:
    """F.batch_norm's arguments; None for what is to be left to torch, as in the others."""
    norm = BatchNorm(*args, **kwargs)
    x = norm.input
    if not norm.training or norm.values == 1:
        return None
    y, mean, variance = _normalised(x, [0, *range(2, x.ndim)], norm.eps)
    norm.move(mean.flatten(), variance.flatten(), norm.values)
    return _scaled(y, *_affine(norm.weight, norm.bias, y)).to(x.dtype)


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor | None:
    """F.instance_norm's arguments. The running statistics follow the mean over the batch of each sample's."""
    n = input[0, 0].numel() if len(input) else 0
    if not use_input_stats or n <= 1:
        return None
    y, mean, variance = _normalised(input, range(2, input.ndim), eps)
    move_statistics(running_mean, running_var, mean.flatten(1).mean(0), variance.flatten(1).mean(0), n, momentum)
    return _scaled(y, *_affine(weight, bias, y)).to(input.dtype)


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor | None:
    """F.layer_norm's arguments."""
    n = len(normalized_shape)
    if n == 0 or tuple(input.shape[-n:]) != tuple(normalized_shape):
        return None  # torch says what is wrong
    y, _, _ = _normalised(input, range(-n, 0), eps)
    return _scaled(y, weight, bias).to(input.dtype)


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """torch._weight_norm's arguments: g v/‖v‖, with ‖v‖ over all dimensions but ``dim``."""
    return v * (g / torch.norm_except_dim(v, 2, dim))


def _normalised(x: Tensor, over: Sequence[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """(x − μ)/√(σ² + ε) with μ and σ² over some dimensions; and these two. In float32 at least."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = x.mean(tuple(over), keepdim=True)
    centred = x - mean
    variance = centred.square().mean(tuple(over), keepdim=True)
    return centred * torch.rsqrt(variance + eps), mean, variance


def _affine(weight: Tensor | None, bias: Tensor | None, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
    given = (weight, bias)
    return tuple(None if x is None else per_channel(x, like) for x in given)  # type: ignore[return-value]


def _scaled(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


WRITTEN_OUT: dict[Any, Callable[..., Tensor | None]] = {
    F.batch_norm: _batch_norm,
    F.instance_norm: _instance_norm,
    F.layer_norm: _layer_norm,
    torch._weight_norm: _weight_norm,
}
