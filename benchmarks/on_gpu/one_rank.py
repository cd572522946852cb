"""``torchrun … -m on_gpu.one_rank FILE``: batch norm's sums over a group of one rank, twice differentiated, beside those without.

``logan train`` as one rank makes no group, and so would not touch NCCL at all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from logan.bench.peak import seconds_of
from logan.devices import choose_device
from logan.distributed import World
from logan.distributed.batch_norm import statistics


def curvature(x: Tensor, mean: Tensor, variance: Tensor) -> list[Tensor]:
    """Mean, variance, a first derivative by x and the derivative of its square."""
    (first,) = torch.autograd.grad((variance.rsqrt() * mean.exp()).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    return [mean.detach(), variance.detach(), first.detach(), second.detach()]


def over_group(x: Tensor) -> list[Tensor]:
    """By sums over the group."""
    return curvature(x, *statistics(x, World()))


def alone(x: Tensor) -> list[Tensor]:
    """By torch's own."""
    return curvature(x, x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0))


def captured(x: Tensor) -> dict[str, Any]:
    """Whether the same can be captured in a CUDA graph, and replayed on other numbers."""
    try:
        for _ in range(2):
            over_group(x)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # NCCL has a thread that watches
            found = over_group(x)
        with torch.no_grad():
            x.copy_(torch.randn_like(x))
        graph.replay()
        return {"captured": True, "captured_error": worst(found, alone(x))}
    except Exception as error:
        return {"captured": False, "captured_reason": f"{type(error).__name__}: {error}"[:300]}


def worst(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest difference relative to a tensor's largest entry."""
    return max(
        ((a - b).abs().max() / b.abs().max()).item()
        for a, b in zip(found, (e.to(found[0].dtype) for e in expected), strict=True)
    )


def main(file: Path) -> None:
    """Join the group, compare, and write what came out."""
    device = choose_device("auto")
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend)
    torch.manual_seed(0)
    x = torch.randn(16, 8, 4, 4, device=device, dtype=torch.float64, requires_grad=True)
    found: dict[str, Any] = {"backend": backend, "difference": worst(over_group(x), alone(x))}
    found["ms"] = 1000 * min(seconds_of(lambda: over_group(x), device, 10) for _ in range(3))
    file.write_text(json.dumps(found), encoding="utf-8")
    if device.type == "cuda":
        file.write_text(json.dumps(found | captured(x)), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
