"""Other devices' rules, played on this one: what their kernels return where a CPU's would return something else.

A CPU is more lenient than CUDA and MPS are: it returns gradients of weights that do not exist, and waits for nobody. What a
step relies on that only a CPU gives, :func:`device_rules` around it brings to light without the device. The rules are read
from torch's sources: ``native/cuda/Normalization.cu`` and ``.cuh`` and ``native/mps/operations/Normalization.mm``; those of
convolutions are a CPU's own (``native/ConvUtils.h``). docs/speed.md, "On which devices", says what follows from them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal
from unittest import mock

import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from logan.fast import casts, few_channels
from logan.side_effects import batched_norm

aten = torch.ops.aten

_BY_DEVICE: tuple[tuple[Any, str], ...] = (
    (batched_norm, "TOGETHER_ON"),
    (casts, "WIDE_SUMS_ON"),
    (few_channels, "PADDED_ON"),
)
"""Sets of devices on which the code does something else than on a CPU."""

RuledDevice = Literal["cuda", "mps"]


class DeviceRulesError(RuntimeError):
    """The device would have refused this operation, or made the host wait for it."""


@contextmanager
def device_rules(device: RuledDevice) -> Iterator[None]:
    """Inside, a CPU's kernels, and those for tensors without numbers, return what the named device's return.

    The kernels themselves are replaced, below autograd and below any tracer: a recording made inside is one that the device
    would have made, and plays there as here. What the code does on that device and not on a CPU, it does inside.

    Args:
        device: ``cuda`` (torch's own batch norm, as the fast operations call it) or ``mps``.

    Raises:
        DeviceRulesError: while inside, for what the device cannot do, and on CUDA for what reads a value back to the host: a
            CUDA graph cannot hold that.
    """
    rules, library = _BatchNorm(device), torch.library.Library("aten", "IMPL")
    # since torch 2.8 or so, and only then is it asked for
    over: Any = {"allow_override": True} if "allow_override" in signature(library.impl).parameters else {}
    FakeTensorMode.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that kernels are replaced
            for key in ("CPU", "Meta"):
                library.impl("native_batch_norm", rules.forward, key, **over)
                library.impl("native_batch_norm_backward", rules.backward, key, **over)
            # as which torch plays the first on tensors without numbers, unless it knows a decomposition
            library.impl("_native_batch_norm_legit.no_stats", rules.without_numbers, "Meta", **over)
        as_there: list[Any] = [mock.patch.object(*place, getattr(*place) | {"cpu"}) for place in _BY_DEVICE]
        with ExitStack() as stack:
            for patch in (*as_there, mock.patch.dict(decomposition_table), _Refusals(device)):
                stack.enter_context(patch)
            for overload in (aten.native_batch_norm.default, aten._native_batch_norm_legit.no_stats):
                decomposition_table.pop(overload, None)
            yield
    finally:
        library._destroy()
        FakeTensorMode.cache_clear()


class _Refusals(TorchDispatchMode):
    """What the device does not have."""

    def __init__(self, device: RuledDevice) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "mkldnn":
            raise DeviceRulesError(f"{self.device} has no {func}")
        if self.device == "cuda" and func in (aten._local_scalar_dense.default, aten.nonzero.default):
            raise DeviceRulesError(f"{func} waits for the device")
        result = func(*args, **(kwargs or {}))
        if self.device == "mps" and isinstance(result, Tensor) and result.dtype == torch.float64:
            raise DeviceRulesError(f"mps has no float64, which {func} returns")
        return result


@dataclass(frozen=True)
class _BatchNorm:
    """The kernels of one device. They compute with those of torch's newer batch norm, which are the same and not replaced."""

    device: RuledDevice

    def forward(
        self,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        training: bool,
        momentum: float,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Statistics in float32 at least on CUDA, in x's own type on MPS."""
        if not training:
            raise DeviceRulesError("the rules cover training mode only")
        if running_mean is None:
            y = aten._native_batch_norm_legit.no_stats(x, weight, bias, True, momentum, eps)[0]
            _, mean, r = aten._native_batch_norm_legit.no_stats(_wide(x), None, None, True, momentum, eps)
        else:
            args = running_mean, running_var, True, momentum, eps
            y = aten._native_batch_norm_legit.no_stats(x, weight, bias, *args[2:])[0]
            _, mean, r = aten._native_batch_norm_legit.default(_wide(x), None, None, *args)
        kept = _wide(x).dtype if self.device == "cuda" else x.dtype
        return y, mean.to(kept), r.to(kept)

    def without_numbers(
        self, x: Tensor, weight: Tensor | None, bias: Tensor | None, training: bool, momentum: float, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The shapes and types of the same."""
        kept = _wide(x).dtype if self.device == "cuda" else x.dtype
        mean = x.new_empty(x.shape[1], dtype=kept)
        return torch.empty_like(x), mean, torch.empty_like(mean)

    def backward(
        self,
        y_bar: Tensor,
        x: Tensor,
        weight: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        mean: Tensor,
        r: Tensor,
        training: bool,
        eps: float,
        mask: list[bool],
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Gradients of weight and bias: of the weight's type, and none without a weight."""
        on_cuda, lasts = self.device == "cuda", _channels_last(x) and _channels_last(y_bar)
        if on_cuda and not mean.dtype == r.dtype == _wide(x).dtype:
            raise DeviceRulesError("the statistics are read as float32")
        without = weight is None and any(mask[1:])
        if without and not (on_cuda and lasts):
            raise DeviceRulesError("gradients of a weight that is not there")
        w, reserve = None if weight is None else _wide(weight), x.new_empty(0, dtype=torch.uint8)
        if w is None and x.dtype != _wide(x).dtype:
            w = torch.ones_like(mean, dtype=_wide(x).dtype)  # a CPU reads the statistics in the weight's type
        x_bar, w_bar, b_bar = aten.batch_norm_backward.default(
            y_bar, x, w, None, None, _wide(mean), _wide(r), True, eps, [mask[0], True, True], reserve
        )
        if mask[0] and on_cuda and not lasts:
            x_bar = x_bar.contiguous()
        if without:
            w_bar, b_bar = mean.new_empty(0), mean.new_empty(0)
        elif weight is not None:
            w_bar, b_bar = w_bar.to(weight.dtype), b_bar.to(weight.dtype)
        return x_bar if mask[0] else None, w_bar if mask[1] else None, b_bar if mask[2] else None


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _channels_last(x: Tensor) -> bool:
    """Whether CUDA's batch norm takes its kernels for channels that lie beside each other."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return True
    return x.is_contiguous() and x.stride(1) == 1
