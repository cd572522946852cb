"""Fewer casts, the same bits."""

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from logan.bench.counting import count
from logan.fast import casts, passes
from logan.fast.casts import cast_less

BF16 = torch.bfloat16


def narrow(*shape):
    return torch.randn(*shape).to(BF16)


def recorded(f, *inputs):
    module = make_fx(f)(*inputs)
    passes.drop_idle(module.graph)
    passes.merge_equal(module.graph)
    cast_less(module.graph, passes.Memory(module.graph).touches_written)
    passes.drop_unused(module.graph)
    module.recompile()
    module.graph.lint()
    return module


def written(x, y):
    wide = x.float()
    sum_ = wide + y
    wide.add_(1)
    return sum_, wide


CASES = {
    "sum of many": (lambda a, b, c: a.float() + b.float() + c.float(), (narrow(3, 4), narrow(3, 4), narrow(3, 4)), 1),
    "with a wide one": (lambda a, b: a.float() * b, (narrow(3, 4), torch.randn(3, 4)), 0),
    "broadcast": (lambda a, b: b - a.float(), (narrow(4), torch.randn(3, 4)), 0),
    "a wide scalar does not say how wide": (lambda a, b: a.float() * b, (narrow(3, 4), torch.tensor(3.0)), 1),
    "narrowing": (lambda a, b: a.to(BF16) + b, (torch.randn(3), narrow(3)), 1),
    "double": (lambda a, b: a.double() / b, (torch.randn(3), torch.rand(3).double() + 1), 0),
    "summed up": (lambda a: a.float().sum([0, 2], keepdim=True), (narrow(300, 4, 5),), 0),
    "with a type already": (lambda a: a.float().sum([0], dtype=torch.float64), (narrow(3, 4),), 1),
    "stacked": (lambda *xs: torch.stack([x.float() for x in xs], 1), (narrow(3), narrow(3), narrow(3)), 1),
    "concatenated": (lambda *xs: torch.cat([x.float() for x in xs]), (narrow(3, 2), narrow(1, 2)), 1),
    "used apart too": (lambda a, b: (torch.stack([a.float(), b.float()]), a.float()), (narrow(3), narrow(3)), 2),
    "of two types": (lambda a, b: torch.cat([a.float(), b.float()]), (narrow(3), torch.randn(3).half()), 2),
    "parts": (lambda a: [x.to(BF16) for x in (a * 2).unbind()], (torch.randn(3, 4, 2),), 1),
    "transposed parts": (
        lambda a: [x.to(BF16).permute(0, 2, 1, 3) for x in (a * 2).split([1, 2])],
        (torch.randn(3, 4, 2, 2),),
        1,
    ),
    "too few parts": (lambda a: [x.to(BF16) for x in (a * 2).unbind()[:2]], (torch.randn(9, 4),), 2),
    "parts of an argument": (lambda a, b: [*[x.to(BF16) for x in a.unbind()], b], (torch.randn(2, 4), narrow(2)), 2),
    "strided parts": (lambda a: [x.to(BF16) for x in (a * 2).unbind(1)], (torch.randn(4, 2),), 2),
    "written into": (written, (narrow(3, 4), torch.randn(3, 4)), 1),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_with_fewer_casts(case):
    torch.manual_seed(0)
    f, inputs, left = CASES[case]
    module = recorded(f, *inputs)
    expected = f(*inputs)
    played = module(*inputs)
    torch.testing.assert_close(played, expected, rtol=0, atol=0)
    assert [x.stride() for x in played] == [x.stride() for x in expected]
    assert casts_of(module, *inputs) == left


@pytest.mark.parametrize("on", [True, False])
def test_a_sum_that_is_cast_is_made_in_the_wide_type_where_that_is_free(on, monkeypatch):
    monkeypatch.setattr(casts, "WIDE_SUMS_ON", {"cpu"} if on else set())
    torch.manual_seed(0)
    x = narrow(300, 4)

    def f(x):
        return x.sum([0]).float(), x.sum([1]), x.sum([1]).double()

    module = recorded(f, x)
    assert casts_of(module, x) == (1 if on else 2)  # the last sum is wanted as it is, too
    total, *others = module(x)
    torch.testing.assert_close(others, list(f(x)[1:]), rtol=0, atol=0)
    exact = x.double().sum(0)
    torch.testing.assert_close(total.double(), exact, rtol=1e-6 if on else 1e-2, atol=0)
    assert total.dtype == torch.float32


def test_a_second_derivative_under_autocast():
    """What it is for: weights that are parts of one stacked tensor, and gradients that are sums of casts."""
    torch.manual_seed(0)
    x, stacked = torch.randn(5, 4), torch.randn(3, 4, 4)

    def f(x, w):
        with torch.enable_grad():
            w, x = w.detach().requires_grad_(), x.detach().requires_grad_()
            with torch.autocast("cpu", BF16):
                h = x
                for part in (w * 1.5).unbind():
                    h = nn.functional.leaky_relu(nn.functional.linear(h, part), 0.2)
            (g,) = torch.autograd.grad(h.float().square().sum(), x, create_graph=True)
            return torch.autograd.grad(g.square().sum() + h.float().sum(), (w, x))

    module = recorded(f, x, stacked)
    torch.testing.assert_close(module(x, stacked), f(x, stacked), rtol=0, atol=0)
    assert casts_of(module, x, stacked) < casts_of(f, x, stacked) * 0.7


def casts_of(play, *inputs):
    return count(lambda: play(*inputs)).calls["aten._to_copy.default"]
