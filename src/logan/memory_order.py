"""The order in which the entries of tensors lie in memory."""

from __future__ import annotations

import torch
from torch import Tensor


def in_order_of(parameter: Tensor, gradient: Tensor) -> Tensor:
    """The gradient with its entries in the parameter's order, as torch's own accumulation into ``.grad`` leaves them.

    CUDA's fused optimisers take nothing else: not even where the two differ only in the strides of dimensions of size 1, along
    which nobody ever goes. Those cost nothing here; what does lie in another order is copied.

    Args:
        parameter: (…). One that is not dense, or with entries that share a place, has no such order.
        gradient: (…), of the same shape.

    Example:
        >>> weight = torch.zeros(8, 1, 3, 3).to(memory_format=torch.channels_last)
        >>> in_order_of(weight, torch.zeros(8, 1, 3, 3)).stride() == weight.stride()
        True
    """
    if not gradient.layout == parameter.layout == torch.strided:  # sparse ones have no order
        return gradient
    if gradient.stride() == parameter.stride() or not _is_dense(parameter):
        return gradient
    along = [d for d, n in enumerate(parameter.shape) if n > 1]
    if all(gradient.stride(d) == parameter.stride(d) for d in along):
        return gradient.as_strided(parameter.shape, parameter.stride())
    return gradient.new_empty_strided(parameter.shape, parameter.stride()).copy_(gradient)


def _is_dense(x: Tensor) -> bool:
    """Whether every place in its stretch of memory belongs to one entry."""
    size = 1
    for stride, n in sorted((s, n) for s, n in zip(x.stride(), x.shape, strict=True) if n > 1):
        if stride != size:
            return False
        size *= n
    return True
