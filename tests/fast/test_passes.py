"""The passes over recorded operations: shorter, and still the same function, also where tensors are written into."""

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from logan.fast import passes


def recorded(f, *args):
    torch.manual_seed(0)
    return make_fx(f)(*args)


def names(module):
    return [str(n.target).split(".")[1] for n in module.graph.nodes if n.op == "call_function"]


def simplified(f, *args):
    module = recorded(f, *args)
    passes.simplify(module)
    return module


def test_equal_operations_are_computed_once():
    def f(x, w):
        return (x @ w).relu() + (x @ w).sin(), (x @ w).relu()

    x, w = torch.randn(3, 4), torch.randn(4, 5)
    module = simplified(f, x, w)
    assert sorted(names(module)) == ["add", "mm", "relu", "sin"]
    torch.testing.assert_close(module(x, w), f(x, w))


def test_arguments_of_different_types_are_different():
    def f(x):
        return x.sum(0, keepdim=True), x.sum(0, keepdim=False), torch.add(x, 1), torch.add(x, 1.0)

    x = torch.arange(6).view(2, 3)
    module = simplified(f, x)
    for got, expected in zip(module(x), f(x), strict=True):
        assert got.dtype == expected.dtype
        assert torch.equal(got, expected)


def test_reads_before_and_after_a_write_are_kept_apart():
    def f(buffer, x):
        before = buffer * 2
        buffer.add_(x)
        view = buffer.view(-1)
        view.mul_(3)
        return before, buffer * 2

    def fresh():
        return torch.ones(2, 2), torch.full((2, 2), 5.0)

    module = simplified(f, *fresh())
    buffer, x = fresh()
    other, _ = fresh()
    for got, expected in zip(module(buffer, x), f(other, x), strict=True):
        assert torch.equal(got, expected)
    assert torch.equal(buffer, other)  # also what is written into an argument


def test_writes_into_tensors_that_nobody_reads_are_removed():
    def f(buffer, x):
        copy = buffer.clone()
        copy.add_(x).mul_(2)  # of no consequence
        kept = buffer.clone()
        kept.add_(1)
        return kept * x

    x = torch.ones(3)
    module = simplified(f, torch.zeros(3), x)
    assert sorted(names(module)) == ["add_", "clone", "mul"]
    assert torch.equal(module(torch.zeros(3), x), torch.ones(3))


def test_results_written_through_out_arguments():
    def f(buffer, x):
        torch.mul(x, 2, out=buffer)
        return buffer + 1

    module = simplified(f, torch.zeros(3), torch.ones(3))
    buffer = torch.zeros(3)
    assert torch.equal(module(buffer, torch.ones(3)), torch.full((3,), 3.0))
    assert torch.equal(buffer, torch.full((3,), 2.0))


def test_constants_are_computed_beforehand():
    def f(x):
        mask = torch.arange(3) < 2
        seed = torch.ones_like(x.sum()).expand(3) / 3
        return torch.where(mask, x * seed, x), -seed

    x = torch.randn(3)
    module = simplified(f, x)
    assert sorted(names(module)) == ["mul", "neg", "where"]
    torch.testing.assert_close(module(x), f(x))
    module(x)[1].zero_()  # a result is its receiver's
    torch.testing.assert_close(module(x), f(x))


def test_idle_operations_are_dropped():
    def f(x):
        y = x.detach().view(2, 3).t().t().sin() * 1 + 0
        return torch.relu(y**1).expand(2, 3)

    x = torch.randn(2, 3)
    module = simplified(f, x)
    assert names(module) == ["sin", "relu"]
    assert torch.equal(module(x), x.sin().relu())


def test_copies_of_what_is_written_into_stay_copies():
    """x · 1 is x only as long as nobody writes into x: not for buffers, nor for weights, which the optimiser moves."""

    def f(buffer, weight):
        before = buffer * 1
        buffer.add_(1)
        inner = weight + 2
        kept = inner + 0
        inner.mul_(5)
        return before, weight * 1, kept

    weight = torch.ones(3)
    module = simplified(f, torch.zeros(3), weight)
    before, copy, kept = module(torch.zeros(3), weight)
    assert torch.equal(before, torch.zeros(3))
    assert torch.equal(kept, torch.full((3,), 3.0))
    weight.add_(1)
    assert torch.equal(copy, torch.ones(3))


def test_changes_of_type_are_not_idle():
    def f(x):
        return torch.add(x, 0.0), x * 1.0

    x = torch.arange(3)
    assert [r.dtype for r in simplified(f, x)(x)] == [torch.float32, torch.float32]


def test_large_products_go_to_onednn(monkeypatch):
    def f(x, w, b):
        return torch.addmm(b, x, w.t()), x.t() @ x

    args = torch.randn(32, 16), torch.randn(24, 16), torch.randn(24)
    assert "_linear_pointwise" not in names(simplified(f, *args))  # too small to pay
    monkeypatch.setattr(passes, "ONEDNN_FROM", 1)
    module = simplified(f, *args)
    if torch.backends.mkldnn.is_available():
        assert names(module).count("_linear_pointwise") == 2
    torch.testing.assert_close(module(*args), f(*args))
    double = [a.double() for a in args]
    assert "_linear_pointwise" not in names(simplified(f, *double))


def test_random_numbers_are_drawn_as_often_as_before():
    def f(x):
        return torch.rand_like(x), torch.rand_like(x), torch.rand(3)

    module = recorded(f, torch.zeros(3))
    assert len(passes.random_operations(module.graph)) == 3
    passes.simplify(module)
    a, b, c = module(torch.zeros(3))
    assert not torch.equal(a, b)
    assert not torch.equal(c, module(torch.zeros(3))[2])  # not a constant either
