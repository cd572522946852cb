"""Let networks as they are written compute with :mod:`logan.fast.operations`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from logan.fast.operations import Convolve, Geometry, Normalise, Rectify
from logan.second_order.fused import in_parts
from logan.side_effects.substitution import BatchNorm, Substituting


def fast_operations() -> Substituting:
    """Inside, convolutions, rectifiers and training-mode batch norm run as :mod:`logan.fast.operations`.

    Attention and recurrent layers run as in :func:`logan.second_order.twice_differentiable`, in parts that can be recorded.
    Every other function, and every form of these that the substitutes do not cover, runs as it always did.
    """
    return Substituting(_SUBSTITUTES)


PER_SIDE = ("stride", "padding", "dilation", "output_padding")
"""What a convolution has for each dimension, in the order of :class:`~logan.fast.operations.Geometry`."""


def _conv(dims: int, transposed: bool = False) -> Callable[..., Tensor | None]:
    """F.conv1d … F.conv3d, or their transposed forms, whose other arguments stand in another order."""
    order = ("stride", "padding", "output_padding", "groups", "dilation")
    names = order if transposed else ("stride", "padding", "dilation", "groups")

    def conv(input: Tensor, weight: Tensor, bias: Tensor | None = None, *given: Any, **named: Any) -> Tensor | None:
        g = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "groups": 1}
        g |= dict(zip(names, given, strict=False)) | named
        if isinstance(g["padding"], str) or input.ndim != dims + 2:
            return None
        stride, padding, dilation, output_padding = (_n(g[name], dims) for name in PER_SIDE)
        geometry = Geometry(stride, padding, dilation, transposed, output_padding, g["groups"])
        kind = input.device.type
        if torch.is_autocast_enabled(kind):
            narrow = torch.get_autocast_dtype(kind)
            input, weight, bias = input.to(narrow), weight.to(narrow), None if bias is None else bias.to(narrow)
        with torch.autocast(kind, enabled=False):
            return Convolve.apply(input, weight, bias, geometry)

    return conv


def _n(value: Any, dims: int) -> list[int]:
    values = [value] * dims if isinstance(value, int) else list(value)
    return values * dims if len(values) == 1 else values


def _relu(input: Tensor, inplace: bool = False) -> Tensor | None:
    return None if inplace else Rectify.apply(input, 0.0)


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor | None:
    return None if inplace or negative_slope < 0 else Rectify.apply(input, negative_slope)


def _batch_norm(*args: Any, **kwargs: Any) -> Tensor | None:
    norm = BatchNorm(*args, **kwargs)
    if not norm.training or norm.values == 1:
        return None
    y, mean, r = Normalise.apply(norm.input, norm.weight, norm.bias, norm.eps)
    if norm.running_var is not None:
        # r is float32 on a CPU and on CUDA; MPS's kernels, and stand-ins without numbers, keep x's type
        norm.move(mean, r.to(norm.running_var.dtype) ** -2 - norm.eps, norm.values)
    return y


def _grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """Zeros for what depends on an input by a rectifier's second derivative alone: in the graph as it is written there are such."""
    given = _GRAD.bind(outputs, inputs, *args, **kwargs).arguments
    if given.get("allow_unused") or given.get("materialize_grads"):
        return None
    return torch.autograd.grad(**{**given, "allow_unused": True, "materialize_grads": True})


_GRAD = signature(torch.autograd.grad)
_SUBSTITUTES: dict[Any, Callable[..., Tensor | None]] = {
    F.conv1d: _conv(1),
    F.conv2d: _conv(2),
    F.conv3d: _conv(3),
    F.conv_transpose1d: _conv(1, transposed=True),
    F.conv_transpose2d: _conv(2, transposed=True),
    F.conv_transpose3d: _conv(3, transposed=True),
    F.relu: _relu,
    torch.relu: _relu,
    F.leaky_relu: _leaky_relu,
    F.batch_norm: _batch_norm,
    torch.autograd.grad: _grad,
    **in_parts(onednn=False),
}
