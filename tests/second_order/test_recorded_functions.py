"""What docs/second-order.md says of `record`: functions of people who have no GAN."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from logan.fast import record
from logan.second_order import twice_differentiable

from .small import F64


def penalty_of(net):
    """The squared input gradient of ``net``'s sum, and its derivatives by the weights."""

    def step(x):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        value = g.square().sum()
        return value.detach(), torch.autograd.grad(value, list(net.parameters()), allow_unused=True)

    return step


def check(step, x, net, announce=pytest.fail, plays=4):
    fast = record(step, [x], [net], announce=announce)
    for _ in range(plays):
        torch.testing.assert_close(fast(x), step(x))
        x = x * 0.9
    return fast


def test_a_residual_of_a_differential_equation():
    """Δu = f for a network u: its loss holds second derivatives by x, its gradients third ones."""
    torch.manual_seed(0)
    u = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)).to(F64)

    def step(x):
        x = x.detach().requires_grad_()
        (slopes,) = torch.autograd.grad(u(x).sum(), x, create_graph=True)
        laplacian = sum(
            torch.autograd.grad(slopes[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1])
        )
        loss = (laplacian - x.prod(1)).square().mean()
        return loss.detach(), torch.autograd.grad(loss, list(u.parameters()), allow_unused=True)

    assert all(check(step, torch.randn(7, 2, dtype=F64), u).recordings)


def test_attention_of_ones_own():
    torch.manual_seed(0)
    net = nn.TransformerEncoderLayer(8, 2, 16, 0.0, F.silu, batch_first=True).to(F64)
    penalty = penalty_of(net)

    def step(x):
        with twice_differentiable():
            return penalty(x)

    assert all(check(step, torch.randn(2, 3, 8, dtype=F64), net).recordings)


def test_weights_may_move_between_calls():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8, bias=False), nn.BatchNorm1d(8), nn.Softplus(), nn.Linear(8, 1, bias=False)).to(
        F64
    )
    step, x = penalty_of(net), torch.randn(5, 3, dtype=F64)
    fast = record(step, [x], [net], announce=pytest.fail)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        _, gradients = fast(x)
        torch.testing.assert_close(gradients, step(x)[1])
        for p, g in zip(net.parameters(), gradients, strict=True):
            p.grad = g
        optimiser.step()


def test_weights_that_only_a_rectifiers_second_derivative_reaches():
    """Theirs is zero in the function, and must not be missing in the recording."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1, bias=False)).to(F64)

    def step(x):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        return torch.autograd.grad(g.square().sum(), list(net.parameters()))

    x = torch.randn(5, 3, dtype=F64)
    assert torch.equal(step(x)[1], torch.zeros(8, dtype=F64))
    assert all(check(step, x, net).recordings)


def decides(x):
    return (x * 2 if x.sum() > 0 else x).tanh()


UNRECORDABLE = {
    "a value decides": decides,
    "a shape by value": lambda x: x[x > 0].tanh(),
    "numbers leave torch": lambda x: x * x.detach().mean().item(),
    "numpy": lambda x: x.tanh() * float(x.detach().numpy().max()),
    "dropout": lambda x: F.dropout(x.tanh(), 0.5),
}


@pytest.mark.parametrize("name", UNRECORDABLE)
def test_what_cannot_be_recorded_is_said_and_played_as_it_is(name):
    net, said = nn.Linear(3, 3).to(F64), []
    step = penalty_of(nn.Sequential(net, Called(UNRECORDABLE[name])))
    x = torch.randn(4, 3, dtype=F64)
    fast = record(step, [x], [net], announce=said.append)
    results = []
    for play in (fast, step, fast):
        torch.manual_seed(1)
        results.append(play(x))
    for result in results[1:]:
        torch.testing.assert_close(results[0], result)
    assert len(said) == 1
    assert said[0].startswith("playing without the fast path: ")


class Called(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_a_third_derivative_through_batch_norm_is_caught():
    """The fast batch norm ends with the second; what is left out shows in the first play, and the function is played."""
    torch.manual_seed(0)
    net, said = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)).to(F64), []

    def step(x):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        (h,) = torch.autograd.grad(g.square().sum(), x, create_graph=True)
        return torch.autograd.grad(h.square().sum(), list(net.parameters()), allow_unused=True)

    check(step, torch.randn(5, 3, dtype=F64), net, said.append)
    assert len(said) == 1
