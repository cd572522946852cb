"""Other devices' rules, played on this one: what their kernels return where a CPU's would return something else.

A CPU is more lenient than CUDA and MPS are: it returns gradients of weights that do not exist, and waits for nobody. What a
step relies on that only a CPU gives, a :class:`DeviceRules` around it brings to light without the device. The rules are read
from torch's sources: ``native/cuda/Normalization.cu`` and ``.cuh``, ``native/ConvUtils.h``, ``native/Convolution.cpp`` and
``native/mps/operations/Normalization.mm``. docs/speed.md, "On which devices", says what follows from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

RuledDevice = Literal["cuda", "mps"]

_HOST_READS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default}
_CONVOLUTION = (aten.convolution.default, aten.convolution_backward.default)


class DeviceRulesError(RuntimeError):
    """The device would have refused this operation, or made the host wait for it."""


class DeviceRules(TorchDispatchMode):
    """Inside, operations on any device return what the named device's kernels return, as far as the two differ.

    It has to be entered outside a tracer, which then notes what the device would have computed.

    Args:
        device: ``cuda`` (cuDNN's convolutions, torch's own batch norm) or ``mps``.

    Raises:
        DeviceRulesError: while inside, for what the device cannot do, and on CUDA for what reads a value back to the host: a
            CUDA graph cannot hold that.
    """

    def __init__(self, device: RuledDevice) -> None:
        super().__init__()
        self.device = device
        self._rules: dict[Any, Callable[..., Any]] = {
            aten.native_batch_norm.default: self._batch_norm,
            aten.native_batch_norm_backward.default: self._batch_norm_backward,
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "mkldnn":
            raise DeviceRulesError(f"{self.device} has no {func}")
        if self.device == "cuda" and func in _HOST_READS:
            raise DeviceRulesError(f"{func} waits for the device")
        rule = self._rules.get(func)
        result = func(*args, **kwargs) if rule is None else rule(*args, **kwargs)
        if self.device == "cuda" and func in _CONVOLUTION:
            x, w = args[1:3] if func is _CONVOLUTION[1] else args[:2]
            return _each(result, lambda t: _in_order(t, _convolution_order(x, w)))
        if self.device == "mps" and isinstance(result, Tensor) and result.dtype == torch.float64:
            raise DeviceRulesError(f"mps has no float64, which {func} returns")
        return result

    def _batch_norm(
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
        """Statistics: float32 at least on CUDA, x's own type on MPS."""
        wide = torch.promote_types(x.dtype, torch.float32)
        _, mean, r = aten.native_batch_norm.default(
            x.to(wide), None, None, running_mean, running_var, training, momentum, eps
        )
        kept = wide if self.device == "cuda" else x.dtype
        y = aten.native_batch_norm.default(x, weight, bias, None, None, training, momentum, eps)[0]
        order = _suggested(x)
        return _in_order(y, order), mean.to(kept), r.to(kept)

    def _batch_norm_backward(
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
        wide = torch.promote_types(x.dtype, torch.float32)
        on_cuda, lasts = self.device == "cuda", (_channels_last(x), _channels_last(y_bar))
        if on_cuda and not mean.dtype == r.dtype == wide:
            raise DeviceRulesError("the statistics are read as float32")
        without = weight is None and any(mask[1:])
        if without and not (on_cuda and all(lasts)):
            raise DeviceRulesError("gradients of a weight that is not there")
        x_bar, w_bar, b_bar = aten.native_batch_norm_backward.default(
            y_bar,
            x,
            None if weight is None else weight.to(wide),
            running_mean,
            running_var,
            mean.to(wide),
            r.to(wide),
            training,
            eps,
            mask,
        )
        if mask[0]:
            order = _suggested(x) if not on_cuda or all(lasts) else torch.contiguous_format
            x_bar = _in_order(x_bar, order)
        if without:
            return x_bar, mean.new_empty(0), mean.new_empty(0)
        kinds = None if weight is None else weight.dtype
        return x_bar, w_bar.to(kinds) if mask[1] else None, b_bar.to(kinds) if mask[2] else None


def _convolution_order(x: Tensor, w: Tensor) -> torch.memory_format:
    """cuDNN's choice: channels-last if either is, and never in float64 (``cudnn_conv_suggest_memory_format``)."""
    if torch.float64 in (x.dtype, w.dtype) or w.ndim != 4:
        return torch.contiguous_format
    last = torch.channels_last in (_suggested(x), _suggested(w))
    return torch.channels_last if last else torch.contiguous_format


def _suggested(x: Tensor) -> torch.memory_format:
    """As torch's ``suggest_memory_format``: channels-last if the strides say so and only so."""
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _channels_last(x: Tensor) -> bool:
    """Whether CUDA's batch norm takes its kernels for channels that lie beside each other."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return True
    return x.is_contiguous() and x.stride(1) == 1


def _in_order(x: Tensor, order: torch.memory_format) -> Tensor:
    """A tensor in that order of memory, with the strides that a kernel gives a new one."""
    return x.contiguous() if x.ndim != 4 else torch.empty_like(x, memory_format=order).copy_(x)


def _each(result: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(result, Tensor):
        return change(result)
    return tuple(change(t) if isinstance(t, Tensor) and t.ndim > 1 else t for t in result)
