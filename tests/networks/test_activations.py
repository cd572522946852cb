"""A swap of the activation reaches every nonlinearity, down to the operators that run, and touches no other."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from .small import SMALL, make, nonlinearities

HIDDEN = {"points": (1, 1), "mlp": (2, 2), "dcgan": (2, 2), "dcgan-sn": (2, 2), "sndcgan": (3, 7)}
PUBLISHED = {
    "points": (("relu", None), ("relu", None)),
    "mlp": (("relu", None), ("relu", None)),
    "dcgan": (("relu", None), ("leaky_relu", 0.2)),
    "dcgan-sn": (("relu", None), ("leaky_relu", 0.2)),
    "sndcgan": (("relu", None), ("leaky_relu", 0.1)),
}
OPERATORS = {"relu": ("relu", None), "leaky-relu": ("leaky_relu", 0.2), "leaky-relu-0.1": ("leaky_relu", 0.1)}


def what_runs(G, D):
    z = torch.randn(3, G.latent_dim)
    return nonlinearities(G, z), nonlinearities(D, G(z).detach())


@pytest.mark.parametrize("kind", SMALL)
def test_none_keeps_the_published_ones(kind):
    in_g, in_d = what_runs(*make(kind))
    assert in_g == {PUBLISHED[kind][0]: HIDDEN[kind][0]}
    assert in_d == {PUBLISHED[kind][1]: HIDDEN[kind][1]}


@pytest.mark.parametrize("activation", OPERATORS)
@pytest.mark.parametrize("kind", SMALL)
def test_a_swap_reaches_all(kind, activation):
    G, D = make(kind, activation=activation)
    in_g, in_d = what_runs(G, D)
    assert in_g == {OPERATORS[activation]: HIDDEN[kind][0]}
    assert in_d == {OPERATORS[activation]: HIDDEN[kind][1]}


@pytest.mark.parametrize("activation", [None, *OPERATORS])
@pytest.mark.parametrize("kind", SMALL)
def test_every_one_is_a_module_and_none_is_in_place(kind, activation):
    for net, expected in zip(make(kind, activation=activation), HIDDEN[kind], strict=True):
        found = [m for m in net.modules() if isinstance(m, (nn.ReLU, nn.LeakyReLU))]
        assert len(found) == expected
        assert not any(m.inplace for m in found)


def test_the_swap_changes_no_weight():
    for net, swapped in zip(make("sndcgan"), make("sndcgan", activation="relu"), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(net.parameters(), swapped.parameters(), strict=True))


def test_the_counter_sees_a_hard_coded_relu():
    class HardCoded(nn.Module):
        def forward(self, x):
            return F.relu(F.leaky_relu(x, 0.2)).clamp(min=0)

    assert nonlinearities(HardCoded(), torch.randn(2, 3)) == {
        ("leaky_relu", 0.2): 1,
        ("relu", None): 1,
        ("clamp", None): 1,
    }
