"""Count the operations of a piece of code as they reach torch's kernels, and the memory that it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_ONEDNN_LINEAR = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


class Operations(TorchDispatchMode):
    """Counts what is called inside ``with``, backward passes included.

    Attributes:
        flop: floating-point operations of matrix products and convolutions, two per multiplication with addition; what is
            done element by element is not counted.
        calls: how often each kernel was called; views, which call none, are left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not func.is_view:
            self.calls[str(func)] += 1
        packet = func._overloadpacket
        if packet in flop_registry:
            self.flop += flop_registry[packet](*args, **kwargs, out_val=result)
        elif packet is _ONEDNN_LINEAR:
            x, w = args[0], args[1]
            self.flop += 2 * x.numel() * w.shape[0]
        return result


def count(step: Callable[[], object]) -> Operations:
    """The operations of one call."""
    with Operations() as operations:
        step()
    return operations


def peak_memory(step: Callable[[], object], device: torch.device) -> int:
    """The most bytes that one call has allocated at any moment, beyond what is allocated before it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = profiler.profiler.kineto_results.events()
    return max(accumulate((e.nbytes() for e in events if e.name() == "[memory]"), initial=0))


def bytes_of(tensors: Iterable[Tensor | None]) -> int:
    """The bytes of all tensors together."""
    return sum(t.nbytes for t in tensors if t is not None)


def kernels_launched(step: Callable[[], object]) -> int:
    """Kernels that one call starts on the CUDA device."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        step()
        torch.cuda.synchronize()
    events = profiler.profiler.kineto_results.events()
    return sum(e.device_type() == DeviceType.CUDA for e in events)
