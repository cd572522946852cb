"""Batch norm written out: the same as torch's in all that torch's has right, and right in the third derivative too."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from logan.dynamics.batch_norm import ExactBatchNorm

from .small import F64


def norm(shape, dtype=F64, affine=True):
    torch.manual_seed(0)
    layer = (nn.BatchNorm1d if len(shape) < 4 else nn.BatchNorm2d)(shape[1], affine=affine, momentum=0.3).to(dtype)
    if affine:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    return layer, (torch.randn(*shape, dtype=F64) * 2 + 1).to(dtype).requires_grad_()


def exactly(layer, x):
    with ExactBatchNorm():
        return layer(x)


def derivatives(layer, x, order, play):
    """Of one number made of the layer's output: each is the gradient of a random direction's share of the last."""
    torch.manual_seed(1)
    wanted = [x, *layer.parameters()]
    value, out = (torch.tanh(play(layer, x)) * torch.randn_like(x)).sum(), []
    for _ in range(order):
        got = torch.autograd.grad(value, wanted, create_graph=True)
        out.append([g.detach() for g in got])
        value = sum((g * torch.randn_like(g)).sum() for g in got)
    return out


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 2, 3, 3)])
def test_it_is_torchs_batch_norm_up_to_the_second_derivative(shape, affine):
    layer, x = norm(shape, affine=affine)
    twin, _ = norm(shape, affine=affine)
    torch.testing.assert_close(exactly(layer, x), twin(x), rtol=1e-12, atol=1e-13)
    assert layer.state_dict().keys() == twin.state_dict().keys()
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(layer.state_dict()[name], value, rtol=1e-13, atol=1e-14)
    got, expected = derivatives(layer, x, 2, exactly), derivatives(twin, x, 2, lambda layer, x: layer(x))
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-11)


def test_the_third_derivative_by_finite_differences():
    """Of tanh(batch norm): along one direction, central differences of the second derivative."""
    layer, x = norm((6, 3))
    torch.manual_seed(2)
    weights, u, v = (torch.randn_like(x) for _ in range(3))

    def second(x, play):
        (first,) = torch.autograd.grad((torch.tanh(play(layer, x)) * weights).sum(), x, create_graph=True)
        return torch.autograd.grad((first * u).sum(), x, create_graph=True)[0]

    h = 1e-5
    expected = (second(x + h * v, exactly) - second(x - h * v, exactly)) / (2 * h)
    got = torch.autograd.grad((second(x, exactly) * v).sum(), x)[0]
    torch.testing.assert_close(got, expected.detach(), rtol=1e-5, atol=1e-7)


def test_in_half_precision_the_statistics_are_wide():
    layer, x = norm((512, 2), torch.float32)
    half = (x.detach() + 100).bfloat16()
    y = exactly(layer, half)
    assert y.dtype == torch.bfloat16
    expected = F.batch_norm(half.float(), None, None, layer.weight, layer.bias, training=True)
    torch.testing.assert_close(y.float(), expected, rtol=0.02, atol=0.02)
    assert layer.running_mean.dtype == torch.float32


def test_evaluation_mode_and_single_values_are_left_to_torch():
    layer, x = norm((4, 3))
    layer.eval()
    assert torch.equal(exactly(layer, x), layer(x))
    layer.train()
    with pytest.raises(ValueError, match="more than 1 value"):
        exactly(layer, x[:1])
    twin = nn.BatchNorm1d(3, momentum=None, track_running_stats=False).double()
    torch.testing.assert_close(exactly(twin, x), twin(x), rtol=1e-12, atol=1e-13)
