"""Conditional networks: the label counts, in both players, and unconditional ones pay nothing for it."""

import pytest
import torch

from logan.networks import count_parameters
from logan.networks.layers import LabelConcat, LabelProjection

from .small import SMALL, make


@pytest.mark.parametrize("kind", SMALL)
def test_the_label_changes_the_output(kind):
    G, D = make(kind, num_classes=3)
    G.eval(), D.eval()
    z = torch.randn(1, 5).expand(3, 5)
    labels = torch.arange(3)
    images = G(z, labels)
    assert not torch.allclose(images[0], images[1])
    assert not torch.allclose(images[1], images[2])
    scores = D(images[:1].expand_as(images), labels)
    assert len(scores.unique()) == 3
    assert torch.allclose(D(images, labels).flip(0), D(images.flip(0), labels.flip(0)), atol=1e-6)


@pytest.mark.parametrize("kind", SMALL)
def test_every_class_learns_from_its_own_samples_only(kind):
    G, D = make(kind, num_classes=3)
    labels = torch.tensor([0, 2, 0])
    D(G(torch.randn(3, 5), labels), labels).sum().backward()
    grad = G.labels.embedding.weight.grad
    assert grad[1].abs().sum() == 0
    assert grad[0].abs().sum() > 0
    table = dict(D.projection.named_parameters())
    assert all(p.grad.abs().sum() > 0 for p in table.values())


def test_projection_is_the_inner_product():
    projection = LabelProjection(3, 4)
    h, score, labels = torch.randn(2, 4), torch.randn(2), torch.tensor([2, 0])
    rows = projection.embedding.weight
    expected = torch.stack([score[0] + rows[2] @ h[0], score[1] + rows[0] @ h[1]])
    torch.testing.assert_close(projection(score, h, labels), expected)


@pytest.mark.parametrize(("latent_dim", "embedding_dim"), [(5, 5), (128, 128), (300, 128)])
def test_the_embedding_is_no_longer_than_z(latent_dim, embedding_dim):
    concat = LabelConcat(10, latent_dim)
    z = torch.randn(2, latent_dim)
    out = concat(z, torch.tensor([3, 4]))
    assert out.shape == (2, concat.out_dim) == (2, latent_dim + embedding_dim)
    assert torch.equal(out[:, :latent_dim], z)


@pytest.mark.parametrize("kind", SMALL)
def test_unconditional_networks_have_no_label_parameters(kind):
    for plain, labelled in zip(make(kind), make(kind, num_classes=3), strict=True):
        assert not any("labels" in name or "projection" in name for name, _ in plain.named_parameters())
        assert count_parameters(plain) < count_parameters(labelled)
