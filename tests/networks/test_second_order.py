"""First and second derivatives against finite differences, in float64: LOGAN's losses contain a gradient."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call
from torch.nn.utils import parametrize

from .small import SMALL, make


def pair(kind, train, **changes):
    G, D = make(kind, **changes)
    for net in (G, D):
        net.double().train(train)
        with torch.no_grad():
            for p in net.parameters():  # away from DCGAN's tiny weights, where finite differences see nothing
                p.add_(0.2 * torch.randn_like(p))
    return G, D


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("num_classes", [0, 2])
@pytest.mark.parametrize("kind", SMALL)
def test_scores_twice_in_z(kind, train, num_classes):
    G, D = pair(kind, train, num_classes=num_classes)
    labels = torch.tensor([0, 1]) if num_classes else None
    z = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)

    def f(z):
        return D(G(z, labels), labels)

    assert (torch.autograd.grad(f(z).sum(), z)[0] != 0).all()  # no dead network, on which every check passes
    with parametrize.cached():  # else each of the many calls is another power iteration, and so another function
        assert gradcheck(f, (z,), fast_mode=True)
        assert gradgradcheck(f, (z,), fast_mode=True, atol=1e-4)


@pytest.mark.parametrize("kind", SMALL)
def test_gradient_in_z_differentiates_in_the_weights(kind):
    """The path of LOGAN's equations 7 and 8: ∂/∂θ of ‖∂f/∂z‖², through spectral norm's own σ(θ) as well."""
    G, D = pair(kind, train=False)
    z = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    names = [[name for name, _ in net.named_parameters()] for net in (G, D)]
    split = len(names[0])

    def squared_gradient(*weights):
        g_weights = dict(zip(names[0], weights[:split], strict=True))
        d_weights = dict(zip(names[1], weights[split:], strict=True))
        scores = functional_call(D, d_weights, (functional_call(G, g_weights, (z,)),))
        (g,) = torch.autograd.grad(scores.sum(), z, create_graph=True)
        return g.square().sum()

    weights = [p.detach().clone().requires_grad_() for net in (G, D) for p in net.parameters()]
    used = torch.autograd.grad(squared_gradient(*weights), weights, allow_unused=True)
    # Biases may have none: between its kinks a ReLU network is linear.
    assert all((g != 0).any() for w, g in zip(weights, used, strict=True) if w.ndim > 1)
    assert gradcheck(squared_gradient, weights, fast_mode=True, atol=1e-4)
