"""The fast operations against finite differences and torch's own, first and second derivatives, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from logan.bench.counting import count
from logan.fast.operations import Normalise, Rectify
from logan.fast.substitute import fast_operations

F64 = torch.float64


def leaf(*shape):
    return torch.randn(*shape, dtype=F64, requires_grad=True)


def fast(f):
    def inside(*args):
        with fast_operations():
            return f(*args)

    return inside


CONVOLUTIONS = {
    "1d": (F.conv1d, (2, 3, 7), (4, 3, 3), {"padding": 1}),
    "2d, stride 2": (F.conv2d, (2, 3, 6, 6), (4, 3, 4, 4), {"stride": 2, "padding": 1}),
    "2d, dilated, groups": (F.conv2d, (2, 4, 6, 6), (6, 2, 2, 2), {"dilation": 2, "groups": 2}),
    "3d": (F.conv3d, (2, 2, 3, 3, 3), (2, 2, 2, 2, 2), {}),
    "transposed 1d": (F.conv_transpose1d, (2, 3, 4), (3, 2, 3), {"stride": 2}),
    "transposed 2d": (F.conv_transpose2d, (2, 3, 3, 3), (3, 2, 4, 4), {"stride": 2, "padding": 1}),
    "transposed 2d, output padding, groups": (
        F.conv_transpose2d,
        (2, 4, 3, 3),
        (4, 2, 3, 3),
        {"stride": (2, 3), "output_padding": (1, 2), "groups": 2},
    ),
    "transposed 3d": (F.conv_transpose3d, (1, 2, 2, 2, 2), (2, 2, 2, 2, 2), {"stride": 2}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name):
    torch.manual_seed(0)
    function, x_shape, w_shape, geometry = CONVOLUTIONS[name]
    groups = geometry.get("groups", 1)
    out = w_shape[1] * groups if "transpose" in name else w_shape[0]
    x, w, b = leaf(*x_shape), leaf(*w_shape), leaf(out)

    def f(x, w, b):
        return function(x, w, b, **geometry)

    torch.testing.assert_close(fast(f)(x, w, b), f(x, w, b), rtol=1e-12, atol=1e-12)
    assert type(fast(f)(x, w, b).grad_fn).__name__ == "ConvolveBackward"  # the substitute was at work
    assert gradcheck(fast(f), (x, w, b))
    assert gradgradcheck(fast(f), (x, w, b))


def test_what_is_not_covered_runs_as_it_was():
    x, w = leaf(1, 2, 5, 5), leaf(2, 2, 3, 3)
    with fast_operations():
        same = F.conv2d(x, w, padding="same")
        unbatched = F.conv2d(x[0], w)
        rectified = x.detach().clone()
        F.relu(rectified, inplace=True)
        in_place = F.leaky_relu(x.detach().clone(), 0.1, inplace=True)
        evaluated = F.batch_norm(x, torch.zeros(2, dtype=F64), torch.ones(2, dtype=F64))
    torch.testing.assert_close(same, F.conv2d(x, w, padding="same"))
    torch.testing.assert_close(unbatched, F.conv2d(x[0], w))
    torch.testing.assert_close(rectified, F.relu(x.detach()))  # the argument itself was changed
    torch.testing.assert_close(in_place, F.leaky_relu(x.detach(), 0.1))
    torch.testing.assert_close(evaluated, x / (1 + 1e-5) ** 0.5)
    with fast_operations(), pytest.raises(ValueError, match="more than 1 value"):
        F.batch_norm(leaf(1, 3), None, None, training=True)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 2, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(shape, affine):
    torch.manual_seed(0)
    x = leaf(*shape)
    gamma, b = (leaf(3), leaf(3)) if affine else (None, None)

    def f(x, gamma, b):
        return F.batch_norm(x, None, None, gamma, b, training=True, eps=1e-2)

    torch.testing.assert_close(fast(f)(x, gamma, b), f(x, gamma, b), rtol=1e-12, atol=1e-12)
    assert gradcheck(fast(f), (x, gamma, b))
    assert gradgradcheck(fast(f), (x, gamma, b))  # through x̄, γ̄ and b̄ at once


def test_batch_norm_moves_its_statistics_as_torch_does():
    torch.manual_seed(0)
    x = leaf(8, 3, 4, 4)
    ours, theirs = [[torch.randn(3, dtype=F64), torch.rand(3, dtype=F64)] for _ in range(2)]
    for a, b in zip(ours, theirs, strict=True):
        a.copy_(b)
    with fast_operations():
        F.batch_norm(x, *ours, training=True, momentum=0.3)
    F.batch_norm(x, *theirs, training=True, momentum=0.3)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_batch_norm_differentiates_twice_only():
    x = leaf(6, 3)
    y, *_ = Normalise.apply(x, None, None, 1e-5)
    (g,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad((g**2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        h.sum().backward()


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
def test_rectifier(slope):
    torch.manual_seed(0)
    x = leaf(5, 4)
    f = fast(lambda x: F.leaky_relu(x, slope) if slope else F.relu(x))
    torch.testing.assert_close(f(x), F.leaky_relu(x, slope), rtol=0, atol=0)
    assert gradcheck(f, (x,))
    assert gradgradcheck(f, (x,))


def test_a_rectifier_has_no_second_derivative():
    """Nothing, not zeros: autograd then has nothing to propagate through the layers below."""
    x, w = leaf(5, 4), leaf(4, 4)
    y = Rectify.apply(x @ w, 0.1)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    v = torch.randn_like(g)
    assert torch.autograd.grad((g * v).sum(), x, allow_unused=True) == (None,)


def test_second_derivatives_of_a_convolution_are_convolutions_of_the_same_size():
    """torch's own double backward takes whole images for kernels; ours costs what the forward pass costs."""
    torch.manual_seed(0)
    x, w = torch.randn(8, 4, 16, 16, requires_grad=True), torch.randn(4, 4, 3, 3, requires_grad=True)
    forward = count(lambda: F.conv2d(x, w, padding=1)).flop

    def second():
        with fast_operations():
            y = F.conv2d(x, w, padding=1)
        (g,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        torch.autograd.grad(g.square().sum(), w)

    counted = count(second)
    assert counted.flop % forward == 0
    assert {name for name in counted.calls if "conv" in name} == {
        "aten.convolution.default",
        "aten.convolution_backward.default",
    }


def test_autocast_computes_in_the_narrow_type():
    x, w = torch.randn(2, 3, 5, 5, requires_grad=True), torch.randn(4, 3, 3, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16), fast_operations():
        y = F.conv2d(x, w)
    with torch.autocast("cpu", torch.bfloat16):
        expected = F.conv2d(x, w)
    assert y.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(y, expected)
    gradient = torch.autograd.grad(y.float().sum(), (x, w))
    assert [g.dtype for g in gradient] == [torch.float32, torch.float32]
