"""Buffers moved together: the same numbers in the same tensors."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from logan.bench.counting import count
from logan.fast import passes
from logan.fast.buffers import move_together


def moves(a, b, c, n, m, x):
    a.lerp_(x * 2, 0.1)
    b.lerp_(x[0], 0.1)
    n.add_(1)
    c.lerp_(x[1], 0.1)
    m.add_(1)
    return x + 1


def other_weight(a, b, c, n, m, x):
    a.lerp_(x, 0.1)
    b.lerp_(x[0], 0.2)
    n.add_(1)
    m.add_(2)
    return x


def read_afterwards(a, b, c, n, m, x):
    a.lerp_(x, 0.1)
    b.lerp_(x[0], 0.1)
    return a * 2, b.lerp_(x[0], 0.1)


def written_twice(a, b, c, n, m, x):
    b.lerp_(x[0], 0.1)
    b.lerp_(x[1], 0.1)
    n.add_(1)
    n.add_(m)
    return x


@pytest.mark.parametrize(("f", "kernels"), [(moves, 4), (other_weight, 4), (read_afterwards, 4), (written_twice, 4)])
def test_the_same_numbers_in_the_same_tensors(f, kernels):
    torch.manual_seed(0)
    x = torch.randn(2, 3)
    before = [torch.randn(2, 3), torch.randn(3), torch.randn(3), torch.tensor(4), torch.tensor(7)]

    def copies():
        return [t.clone() for t in before]

    module = make_fx(f)(*copies(), x)
    move_together(module.graph)
    passes.drop_unused(module.graph)
    module.graph.lint()
    module.recompile()
    ours, theirs = copies(), copies()
    torch.testing.assert_close(module(*ours, x), f(*theirs, x), rtol=0, atol=0)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    assert count(lambda: module(*copies(), x)).calls.total() - len(before) == kernels
