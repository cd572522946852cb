"""Spectral normalisation sits on every weight of D, on none of G, and does what it says."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from .small import SMALL, make

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)


def weighted(net):
    return [m for m in net.modules() if isinstance(m, WEIGHTED)]


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("kind", SMALL)
def test_every_weight_of_d_comes_to_norm_one(kind, num_classes):
    G, D = make(kind, spectral_norm=True, num_classes=num_classes)
    for layer in weighted(D):
        assert parametrize.is_parametrized(layer, "weight")
        for _ in range(200):
            weight = layer.weight  # every look in training mode is one power iteration
        assert torch.linalg.matrix_norm(weight.detach().flatten(1), 2) == pytest.approx(1, abs=1e-3)
    assert not any(parametrize.is_parametrized(layer) for layer in weighted(G))


@pytest.mark.parametrize(("kind", "default"), [("points", False), ("dcgan", False), ("sndcgan", True)])
def test_default_and_off(kind, default):
    assert [parametrize.is_parametrized(m) for m in weighted(make(kind)[1])].count(not default) == 0
    assert not any(parametrize.is_parametrized(m) for m in weighted(make(kind, spectral_norm=False)[1]))


def test_dcgan_has_biases_in_the_place_of_batch_norm():
    _, plain = make("dcgan")
    _, normed = make("dcgan-sn")
    assert any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in normed.modules())
    assert all(m.bias is None for m in weighted(plain))
    assert all((m.bias == 0).all() for m in weighted(normed))


def test_one_iteration_per_pass_in_training_and_none_in_evaluation():
    _, D = make("sndcgan")
    images, u = torch.randn(2, 1, 16, 16), D.blocks.layer4.conv.parametrizations.weight[0]._u
    before = u.clone()
    D.eval()(images)
    assert torch.equal(u, before)
    layer = D.blocks.layer4.conv.parametrizations.weight
    matrix, v = layer.original.detach().flatten(1), layer[0]._v.clone()
    D.train()(images)
    torch.testing.assert_close(u, nn.functional.normalize(matrix @ v, dim=0))


def test_the_initial_weights_are_those_without_it():
    """The normalisation comes after the initialisation, and its own random vectors change no later weight."""
    _, plain = make("sndcgan", spectral_norm=False)
    _, normed = make("sndcgan")
    for a, b in zip(weighted(plain), weighted(normed), strict=True):
        assert torch.equal(a.weight, b.parametrizations.weight.original)
