"""Sums of products in one kernel: the same numbers, in the same order of memory."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from logan.bench.counting import count
from logan.fast import passes
from logan.fast.multiply_add import multiply_and_add

F64 = torch.float64


def last(*shape):
    return torch.randn(*shape, dtype=F64).contiguous(memory_format=torch.channels_last)


def rows(*shape):
    return torch.randn(*shape, dtype=F64)


def used_twice(a, b, c):
    product = a * b
    return product + c, product


def written(a, b, c):
    product = a * b
    result = product + c
    product.add_(1)
    return result


CASES = {
    "the product first": (lambda a, b, c: a * b + c, [rows(3, 4)] * 3, 1),
    "the product second": (lambda a, b, c: c + a * b, [rows(3, 4)] * 3, 1),
    "two products": (lambda a, b, c: a * b + c * a, [rows(3, 4)] * 3, 2),
    "a chain": (lambda a, b, c: a * b + c + b * c, [rows(3, 4)] * 3, 2),
    "per channel": (lambda a, b, c: a * b + c, [last(2, 3, 4, 4), rows(2, 3, 1, 1), rows(2, 3, 1, 1)], 1),
    "used twice": (used_twice, [rows(3, 4)] * 3, 2),
    "itself": (lambda a, b, c: (lambda p: p + p)(a * b), [rows(3, 4)] * 3, 2),
    "written into": (written, [rows(3, 4)] * 3, 3),
    "of two types": (lambda a, b, c: a * b + c, [rows(3, 4), rows(3, 4), rows(3, 4).float()], 2),
    "by a number": (lambda a, b, c: a * 2 + c, [rows(3, 4)] * 3, 2),
    "whole numbers": (lambda a, b, c: a * b + c, [torch.arange(4)] * 3, 2),
    "narrow": (lambda a, b, c: a * b + c, [rows(3, 4).bfloat16()] * 3, 2),
    "with a factor": (lambda a, b, c: torch.add(c, a * b, alpha=3), [rows(3, 4)] * 3, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_numbers_in_fewer_kernels(case):
    torch.manual_seed(0)
    f, inputs, kernels = CASES[case]
    inputs = [x.clone() for x in inputs]
    module = make_fx(f)(*inputs)
    multiply_and_add(module.graph, passes.Memory(module.graph).touches_written)
    module.graph.lint()
    module.recompile()
    expected, played = (g(*inputs) for g in (f, module))
    torch.testing.assert_close(played, expected, rtol=1e-14, atol=1e-14)
    for a, b in zip(*(x if isinstance(x, tuple | list) else [x] for x in (played, expected)), strict=True):
        assert a.stride() == b.stride()
    assert count(lambda: module(*inputs)).calls.total() == kernels
