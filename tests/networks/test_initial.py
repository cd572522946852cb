"""Initial weights and batch norm settings, as the sources have them."""

import math

import pytest
import torch
from torch import nn

from logan import networks

from .small import SMALL, make


def test_dcgan():
    torch.manual_seed(0)
    for net in networks.create("dcgan", image_size=32, latent_dim=50, width=32):
        convs = torch.cat(
            [m.weight.detach().flatten() for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
        )
        assert convs.mean().abs() < 2e-4
        assert convs.std() == pytest.approx(0.02, rel=0.02)
        norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
        scales = torch.cat([m.weight.detach() for m in norms])
        assert scales.mean() == pytest.approx(1, abs=0.01)
        assert scales.std() == pytest.approx(0.02, rel=0.3)
        assert all((m.bias == 0).all() and m.eps == 1e-5 and m.momentum == 0.1 for m in norms)
        assert not any("conv.bias" in key for key in net.state_dict())


def fan_in(module):
    """Computed from the layer's own attributes, not from the weight's shape."""
    if isinstance(module, nn.Linear):
        return module.in_features
    return module.in_channels * module.kernel_size[0] * module.kernel_size[1]


def test_sndcgan():
    torch.manual_seed(0)
    G, D = networks.create("sndcgan", image_size=16, latent_dim=64, width=16, spectral_norm=False)
    layers = [m for net in (G, D) for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))]
    assert len(layers) == 5 + 8
    in_sigmas = [layer.weight.detach() * math.sqrt(fan_in(layer)) for layer in layers]
    for layer, weight in zip(layers, in_sigmas, strict=True):
        assert weight.abs().max() <= 2 + 1e-5
        assert (layer.bias == 0).all()
        if weight.numel() > 4000:
            # The variance of a normal cut off at ±2σ: 1 − 4φ(2)/(2Φ(2) − 1) = 0.774.
            assert weight.std() == pytest.approx(math.sqrt(0.7737), rel=0.03)
            assert weight.abs().max() > 1.9
    assert [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)] == [16, 16, 32, 32, 64, 64, 128]
    norms = [m for m in G.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [(m.num_features, m.eps, m.momentum) for m in norms] == [(c, 1e-3, 0.001) for c in (64, 32, 16)]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())


@pytest.mark.parametrize("kind", SMALL)
def test_the_seed_decides(kind):
    once, again, other = (torch.cat([p.flatten() for p in make(kind, seed)[1].parameters()]) for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
