"""Sizes known from elsewhere, and the promise of `create`: shapes, ranges, attributes, state dicts."""

import copy

import pytest
import torch

from logan import networks

from .small import SMALL, make


@pytest.mark.parametrize(
    ("name", "options", "g_size", "d_size"),
    [
        ("mlp", {"image_size": 1, "image_channels": 2, "latent_dim": 8}, 1_102, 401),  # the lecture's 2-D GAN
        ("dcgan", {"image_size": 64, "latent_dim": 100}, 3_576_704, 2_765_568),  # pytorch/examples
        ("sndcgan", {"image_size": 32, "latent_dim": 128}, 3_812_355, 2_935_873),  # CS-GAN, one logit
        ("sndcgan", {"image_size": 32, "latent_dim": 128, "spectral_norm": False}, 3_812_355, 2_935_873),
    ],
)
def test_known_parameter_counts(name, options, g_size, d_size):
    G, D = networks.create(name, **options)
    assert (networks.count_parameters(G), networks.count_parameters(D)) == (g_size, d_size)


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize(
    ("name", "size", "width"),
    [("mlp", size, 4) for size in (1, 2, 7, 28)]
    + [("dcgan", size, 2) for size in (8, 14, 16, 28, 32, 56, 64, 128, 256)]
    + [("sndcgan", size, 2) for size in (16, 24, 32, 40, 48, 64)],
)
def test_shapes_and_ranges(name, size, width, num_classes):
    channels = 2 if size in (1, 14, 24) else 3
    G, D = networks.create(
        name, image_size=size, image_channels=channels, latent_dim=6, width=width, num_classes=num_classes
    )
    labels = torch.tensor([0, 2, 1]) if num_classes else None
    images = G(100 * torch.randn(3, 6), labels)
    assert images.shape == (3, channels, size, size)
    if size > 1:
        assert images.abs().max() <= 1
    scores = D(images, labels)
    assert scores.shape == (3,)
    assert scores.dtype == torch.float32
    assert (G.latent_dim, G.num_classes, G.image_size, G.image_channels) == (6, num_classes, size, channels)
    assert (D.num_classes, D.image_size, D.image_channels) == (num_classes, size, channels)


def test_points_are_not_bounded():
    G, _ = make("points")
    assert G(100 * torch.randn(50, 5)).abs().max() > 1


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_counts_the_hidden_layers_of_the_mlp(depth):
    G, D = make("points", depth=depth)
    assert [len(net.hidden) for net in (G, D)] == [depth, depth]


@pytest.mark.parametrize("kind", SMALL)
def test_one_sample_alone(kind):
    G, D = make(kind)
    G.eval(), D.eval()
    assert D(G(torch.randn(1, 5))).shape == (1,)


@pytest.mark.parametrize("kind", SMALL)
def test_in_evaluation_a_sample_does_not_depend_on_the_others(kind):
    G, D = make(kind)
    G.eval(), D.eval()
    z = torch.randn(4, 5)
    alone = torch.cat([D(G(z[i : i + 1])) for i in range(4)])
    torch.testing.assert_close(D(G(z)), alone)


@pytest.mark.parametrize("kind", SMALL)
def test_state_dict_and_copy_give_the_same_function(kind):
    G, D = make(kind, seed=0, num_classes=2)
    G2, D2 = make(kind, seed=1, num_classes=2)
    z, y = torch.randn(4, 5), torch.tensor([0, 1, 1, 0])
    D(G(z, y), y)  # statistics and singular vectors are part of the state
    G2.load_state_dict(G.state_dict()), D2.load_state_dict(D.state_dict())
    D3 = copy.deepcopy(D)
    for net in (G, D, G2, D2, D3):
        net.eval()
    assert torch.equal(D(G(z, y), y), D2(G2(z, y), y))
    assert torch.equal(D(G(z, y), y), D3(G(z, y), y))


def test_state_dict_keys_can_be_read():
    G, D = make("dcgan")
    assert {"blocks.size4.conv.weight", "blocks.size8.norm.weight", "output.weight"} <= set(G.state_dict())
    assert {"blocks.size8.conv.weight", "blocks.size4.norm.weight", "head.weight"} <= set(D.state_dict())
