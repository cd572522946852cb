"""Other functions in the place of torch's for a while, in networks as they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Substituting(TorchFunctionMode):
    """Inside, substitutes are called in the place of functions such as ``torch.nn.functional.batch_norm``.

    Args:
        substitutes: by function, what is called with its arguments instead; it returns None for what it leaves to the function.
    """

    def __init__(self, substitutes: Mapping[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self.substitutes = substitutes

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        substitute = self.substitutes.get(func)
        result = None if substitute is None else substitute(*args, **kwargs)
        return func(*args, **kwargs) if result is None else result


class BatchNorm(NamedTuple):
    """The arguments of :func:`torch.nn.functional.batch_norm`, for its substitutes."""

    input: Tensor
    running_mean: Tensor | None
    running_var: Tensor | None
    weight: Tensor | None = None
    bias: Tensor | None = None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5

    @property
    def values(self) -> int:
        """How many there are of each channel."""
        return self.input.numel() // self.input.shape[1]

    def move(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """The running statistics; see :func:`move_statistics`."""
        move_statistics(self.running_mean, self.running_var, mean, variance, n, self.momentum)


@torch.no_grad()
def move_statistics(
    running_mean: Tensor | None, running_var: Tensor | None, mean: Tensor, variance: Tensor, n: int, momentum: float
) -> None:
    """Running statistics as torch's norms move them: towards μ and the unbiased σ²; None for those that are not kept.

    Args:
        running_mean, running_var: (C,), changed in place.
        mean, variance: (C,), of the batch; the variance is the biased one.
        n: values that they were taken over.
        momentum: the weight of the new values.
    """
    for running, new, factor in ((running_mean, mean, 1.0), (running_var, variance, n / (n - 1))):
        if running is not None:
            running.lerp_(new.detach().to(running.dtype) * factor, momentum)


def per_channel(values: Tensor, like: Tensor) -> Tensor:
    """(C,) numbers in the shape that multiplies ``like``, (B, C, …)."""
    return values.view(1, -1, *[1] * (like.ndim - 2))
