"""Kernels by what they do, and how many chains they make."""

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from logan.bench.kernel_groups import Kernels


def kernels_of(f, *shapes):
    with FakeTensorMode():
        inputs = [torch.randn(shape) for shape in shapes]
        with Kernels() as kernels:
            f(*inputs)
    return kernels


def test_groups():
    def f(x, w):
        y = F.conv2d(x, w).bfloat16().float().view(2, -1).t().contiguous()
        return (y @ y.t()).relu().sum(), torch.empty(3), x[0].detach().permute(2, 1, 0)

    kernels = kernels_of(f, (2, 3, 4, 4), (5, 3, 3, 3))
    assert kernels.by_group() == {
        "convolution": 1, "matrix product": 1, "reduction": 1, "elementwise": 1, "casts": 2, "layout": 1,
    }  # fmt: skip
    assert kernels.total == 7


CHAINS = {
    "one chain": (lambda x, y: ((x * 2).sin() + y).cos(), 1),
    "two ends": (lambda x, y: (x.sin().cos(), x.cos()), 2),
    "cut by a product": (lambda x, y: (x.sin() @ y.t()).cos(), 3),
    "a sum at its end": (lambda x, y: (x * y).sum(0).sin(), 2),
    "two sums over one": (lambda x, y: ((z := x * y).sum(0), z.sum(1)), 1),
    "needed before and after": (lambda x, y: (z := x.sin()) * (z @ y.t()).sum(), 4),
    "another shape": (lambda x, y: (x[0].sin() + x).cos(), 2),
    "in place": (lambda x, y: x.sin().add_(y).mul_(2), 1),
}


@pytest.mark.parametrize("case", CHAINS)
def test_chains(case):
    f, fused = CHAINS[case]
    assert kernels_of(f, (3, 4), (3, 4)).fused() == fused
