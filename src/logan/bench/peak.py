"""How fast this machine can compute at best, measured by what steps are made of."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from logan.devices import synchronize


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of the faster of a large matrix product and a large convolution."""
    n, channels, size = (2048, 256, 16) if device.type == "cpu" else (8192, 512, 64)
    a = torch.randn(n, n, device=device).to(dtype)
    x = torch.randn(64, channels, size, size, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
    w = torch.randn(channels, channels, 3, 3, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
    product = 2 * n**3 / shortest(lambda: a @ a, device)
    convolution = 2 * x.numel() * channels * 9 / shortest(lambda: F.conv2d(x, w, padding=1), device)
    return max(product, convolution)


@torch.no_grad()
def shortest(call: Callable[[], object], device: torch.device, repeats: int = 10) -> float:
    """Seconds of the shortest of several calls."""
    return min([seconds_of(call, device) for _ in range(repeats + 2)][2:])


def seconds_of(call: Callable[[], object], device: torch.device, calls: int = 1) -> float:
    """Seconds of each of some calls in a row."""
    synchronize(device)
    start = time.perf_counter()
    for _ in range(calls):
        call()
    synchronize(device)
    return (time.perf_counter() - start) / calls
