"""The residual networks: sizes known from elsewhere, all image sizes, with classes and without, and what goes where."""

import pytest
import torch
from torch import nn

from logan import networks
from logan.networks.attention import SelfAttention
from logan.networks.biggan_deep import DiscriminatorBottleneck, GeneratorBottleneck
from logan.networks.resnet import DiscriminatorBlock, GeneratorBlock

from .residual import FAMILY, LATENT, batch, family


@pytest.mark.parametrize(
    ("name", "size", "latent_dim", "classes", "g_size", "d_size"),
    [
        ("biggan-deep", 128, 128, 1000, 50_244_484, 34_590_210),  # Brock et al. 2018: 50.4 and 34.6 million
        ("biggan-deep", 128, 256, 1000, 59_714_436, 34_590_210),  # LOGAN's latent
        ("biggan", 128, 120, 1000, 70_433_988, 87_982_370),  # BigGAN-PyTorch: 70.43 and 87.98 million
        ("sagan", 128, 128, 1000, 42_078_852, 39_463_618),  # together 81.5 million: Brock et al. 2018, table 1
        ("sngan", 128, 128, 1000, 41_996_931, 30_041_857),  # counted by hand below
        ("sngan", 32, 128, 0, 4_276_739, 1_053_825),
    ],
)
def test_known_parameter_counts(name, size, latent_dim, classes, g_size, d_size):
    with torch.device("meta"):  # spectral norm adds no parameters, and takes long to set up
        pair = networks.create(name, image_size=size, latent_dim=latent_dim, num_classes=classes, spectral_norm=False)
    assert tuple(map(networks.count_parameters, pair)) == (g_size, d_size)


def test_sngan_by_hand():
    """The layers of sngan_projection's ResNetGenerator and SNResNetProjectionDiscriminator at 128, one by one."""

    def conv(i, o, k):
        return i * o * k * k + o

    g = [16, 16, 8, 4, 2, 1]
    d = [1, 2, 4, 8, 16, 16]
    total_g = 128 * 16 * 1024 + 16 * 1024 + 2 * 64 + conv(64, 3, 3)
    for a, b in zip([64 * c for c in g], [64 * c for c in g[1:]], strict=False):
        total_g += conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1) + 2 * 1000 * (a + b)
    total_d = conv(3, 64, 3) + conv(64, 64, 3) + conv(3, 64, 1) + 1024 + 1 + 1000 * 1024
    for a, b in zip([64 * c for c in d], [64 * c for c in d[1:]], strict=False):
        total_d += conv(a, a, 3) + conv(a, b, 3) + (conv(a, b, 1) if (a, b) != (1024, 1024) else 0)
    assert (total_g, total_d) == (41_996_931, 30_041_857)


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("size", LATENT)
@pytest.mark.parametrize("name", FAMILY)
def test_shapes_and_ranges(name, size, num_classes):
    # spectral norm is set up slowly, and changes no shape; at 32 it stays
    G, D = family(name, size, num_classes=num_classes, width=1, spectral_norm=None if size == 32 else False)
    z, labels = batch(G, 2)
    images = G(100 * z, labels)
    assert images.shape == (2, 2, size, size)
    assert images.abs().max() <= 1
    scores = D(images, labels)
    assert scores.shape == (2,)
    assert scores.isfinite().all()
    assert (G.latent_dim, G.num_classes, D.image_size, D.image_channels) == (LATENT[size], num_classes, size, 2)
    assert any("embedding" in k or ".gain." in k for k in G.state_dict()) == (num_classes > 0 or "big" in name)
    assert any("embedding" in k for k in D.state_dict()) == (num_classes > 0)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("sngan", {32: None, 64: None, 128: None, 256: None}),
        ("sagan", {32: 16, 64: 32, 128: 32, 256: 32}),
        ("biggan", {32: None, 64: 32, 128: 64, 256: 64}),
        ("biggan-deep", {32: None, 64: 32, 128: 64, 256: 64}),
    ],
)
def test_where_attention_is(name, sizes):
    for size, expected in sizes.items():
        with torch.device("meta"):
            pair = family(name, size, width=1, spectral_norm=False)
            z, labels = batch(pair[0], 2)
            seen = []
            for net in pair:
                for module in net.modules():
                    if isinstance(module, SelfAttention):
                        module.register_forward_pre_hook(lambda m, inputs, seen=seen: seen.append(inputs[0].shape[-1]))
            pair[1](pair[0](z, labels), labels)
        assert seen == ([expected] * 2 if expected else [])


@pytest.mark.parametrize("name", ["biggan", "biggan-deep"])
def test_the_order_of_blocks_and_attention_at_128(name):
    """Brock et al. (2018), tables 4 and 7: sizes and channels behind every block, in multiples of the width."""
    with torch.device("meta"):
        G, D = family(name, 128, width=8, spectral_norm=False)
        z, labels = batch(G, 2)
        trail = []
        kinds = (GeneratorBlock, GeneratorBottleneck, DiscriminatorBlock, DiscriminatorBottleneck, SelfAttention)
        for net in (G, D):
            for module in net.modules():
                if isinstance(module, kinds):
                    module.register_forward_hook(
                        lambda m, _, y: trail.append(
                            "A" if isinstance(m, SelfAttention) else (y.shape[2], y.shape[1] // 8)
                        )
                    )
        D(G(z, labels), labels)
    if name == "biggan":
        g = [(8, 16), (16, 8), (32, 4), (64, 2), "A", (128, 1)]
        d = [(64, 1), "A", (32, 2), (16, 4), (8, 8), (4, 16), (4, 16)]
    else:
        g = [(4, 16), (8, 16), (8, 16), (16, 8), (16, 8), (32, 4), (32, 4), (64, 2), "A", (64, 2), (128, 1)]
        d = [(64, 2), (64, 2), "A", (32, 4), (32, 4), (16, 8), (16, 8), (8, 16), (8, 16), (4, 16), (4, 16)]
    assert trail == g + d


@pytest.mark.parametrize("name", FAMILY)
def test_in_evaluation_a_sample_does_not_depend_on_the_others(name):
    G, D = family(name)
    z, y = batch(G, 4)
    D(G(z, y), y)
    G.eval(), D.eval()
    alone = torch.cat([D(G(z[i : i + 1], y[i : i + 1]), y[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(D(G(z, y), y), alone)


@pytest.mark.parametrize("name", FAMILY)
def test_labels_and_latents_count(name):
    G, D = family(name)
    if name in ("sngan", "sagan"):  # γ and β of all classes begin alike
        with torch.no_grad():
            for p in G.parameters():
                p.add_(0.1 * torch.randn_like(p))
    z, y = batch(G)
    images = G(z, y)
    for other in (G(z, y.roll(1)), G(z.roll(1, 1), y)):
        assert (images - other).abs().amax(dim=(1, 2, 3)).min() > 1e-4
    assert (D(images, y) - D(images, y.roll(1))).abs().min() > 1e-6


def test_state_dict_and_copy_give_the_same_function():
    for name in FAMILY:
        (G, D), (G2, D2) = family(name, seed=0), family(name, seed=1)
        z, y = batch(G)
        D(G(z, y), y)
        G2.load_state_dict(G.state_dict()), D2.load_state_dict(D.state_dict())
        for net in (G, D, G2, D2):
            net.eval()
        assert torch.equal(D(G(z, y), y), D2(G2(z, y), y))


def test_no_batch_norm_but_torchs_own():
    """What replaces batch norm for several devices looks for nn.BatchNorm2d."""
    for name in FAMILY:
        G, D = family(name, spectral_norm=False)
        norms = [m for m in G.modules() if isinstance(m, nn.BatchNorm2d)]
        keepers = {k.rpartition(".")[0] for k in G.state_dict() if k.endswith("running_mean")}
        assert len(norms) == len(keepers) > 0
        assert {m.eps for m in norms} == {"sngan": {2e-5}, "sagan": {1e-5}}.get(name, {1e-4})
        assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())
