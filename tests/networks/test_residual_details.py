"""Activations, initial weights, spectral norm, chunks of z and refusals of the residual networks."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import parametrize

from logan import networks
from logan.errors import InputError
from logan.networks.layers import add_spectral_norm
from logan.networks.norms import ConditionalBatchNorm

from .residual import FAMILY, LATENT, batch, family

WEIGHTED = (nn.Conv2d, nn.Linear, nn.Embedding)

# Activations, and the one way in which the traced graph has them.

HIDDEN = {"sngan": (7, 8), "sagan": (7, 8), "biggan": (7, 8), "biggan-deep": (25, 25)}
"""At 32: two (deep: four) per block and one at the end; the first block of D, which sees the image, has one less."""
RECTIFIERS = ("relu", "threshold", "clamp", "hardtanh", "elu", "gelu", "silu", "prelu")


def rectifiers(function, *inputs):
    """Operators of the traced graph that may be nonlinearities, each with its slope."""
    graph = make_fx(function)(*inputs).graph
    return [
        (n.target.overloadpacket.__name__, *n.args[1:])
        for n in graph.nodes
        if n.op == "call_function" and any(word in str(n.target) for word in RECTIFIERS)
    ]


def traced(name, activation):
    # without spectral norm, whose power iteration clamps a norm
    G, D = family(name, activation=activation, spectral_norm=False)
    z, y = batch(G)
    images = G(z, y).detach()
    return G, D, rectifiers(lambda z: G(z, y), z), rectifiers(lambda x: D(x, y), images)


@pytest.mark.parametrize("name", FAMILY)
def test_a_swap_leaves_no_relu_in_any_module_or_function(name):
    G, D, in_g, in_d = traced(name, "leaky-relu")
    assert in_g == [("leaky_relu", 0.2)] * HIDDEN[name][0]
    assert in_d == [("leaky_relu", 0.2)] * HIDDEN[name][1]
    for net in (G, D):
        assert not any(isinstance(m, nn.ReLU) for m in net.modules())
        assert not any(m.inplace for m in net.modules() if isinstance(m, nn.LeakyReLU))


@pytest.mark.parametrize("name", FAMILY)
def test_the_published_ones_are_relu(name):
    _, _, in_g, in_d = traced(name, None)
    assert in_g == [("relu",)] * HIDDEN[name][0]
    assert in_d == [("relu",)] * HIDDEN[name][1]


def test_the_trace_shows_a_hard_coded_relu():
    """BigGAN-PyTorch's D has one in every block (BigGANdeep.py:317)."""
    _, D = family("biggan-deep", activation="leaky-relu", spectral_norm=False)
    block = D.blocks[1]
    whole = block.forward
    block.forward = lambda x: whole(F.relu(x))
    found = rectifiers(lambda x: D(x, torch.tensor([0, 1])), torch.randn(2, 2, 32, 32))
    assert found.count(("relu",)) == 1
    block.forward = lambda x: whole(x.clamp(min=0))
    found = rectifiers(lambda x: D(x, torch.tensor([0, 1])), torch.randn(2, 2, 32, 32))
    assert [f[0] for f in found].count("clamp") + [f[0] for f in found].count("clamp_min") == 1


# Initial weights.


@pytest.mark.parametrize("name", ["biggan", "biggan-deep"])
def test_all_weights_begin_orthogonal(name):
    for net in family(name, width=4, spectral_norm=False):
        layers = [m for m in net.modules() if isinstance(m, WEIGHTED)]
        assert len(layers) > 10
        for layer in layers:
            matrix = layer.weight.detach().flatten(1)
            tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
            torch.testing.assert_close(tall.T @ tall, torch.eye(tall.shape[1]), atol=1e-5, rtol=0)
            assert getattr(layer, "bias", None) is None or (layer.bias == 0).all()


def limit(layer):
    """Glorot's √(6/(fan in + fan out))."""
    o, i, *k = layer.weight.shape
    return math.sqrt(6 / ((o + i) * math.prod(k)))


@pytest.mark.parametrize(("name", "gain"), [("sngan", 2**0.5), ("sagan", 1.0)])
def test_glorot(name, gain):
    G, D = family(name, width=8, spectral_norm=False)
    for net in (G, D):
        for key, layer in net.named_modules():
            if isinstance(layer, WEIGHTED) and not key.endswith((".gain", ".bias")):
                wide = gain if key.endswith(("conv1", "conv2")) else 1.0
                assert layer.weight.abs().max() / limit(layer) <= wide * 1.00001
                if layer.weight.numel() > 500:
                    assert layer.weight.abs().max() / limit(layer) > wide * 0.98


# Spectral norm.


def normed(net):
    return {
        key for key, m in net.named_modules() if isinstance(m, WEIGHTED) and parametrize.is_parametrized(m, "weight")
    }


def weighted(net):
    return {key for key, m in net.named_modules() if isinstance(m, WEIGHTED)}


@pytest.mark.parametrize("name", FAMILY)
def test_which_layers_are_normed(name):
    G, D = family(name)
    assert normed(D) == weighted(D)
    embeddings = {key for key, m in G.named_modules() if isinstance(m, nn.Embedding)}
    assert normed(G) == (set() if name == "sngan" else weighted(G) - embeddings)
    assert (len(embeddings), len(weighted(D) & {"projection.embedding"})) == (1 if "big" in name else 12, 1)
    for net in family(name, spectral_norm=False):
        assert normed(net) == set()


@pytest.mark.parametrize("name", FAMILY)
def test_the_largest_singular_value_comes_to_one(name):
    for net in family(name):
        with torch.no_grad():
            for p in net.parameters():
                p.copy_(torch.randn_like(p))
        layers = [m for m in net.modules() if isinstance(m, WEIGHTED) and parametrize.is_parametrized(m)]
        for layer in layers:
            for _ in range(300):
                weight = layer.weight  # one power iteration per look
            value = torch.linalg.matrix_norm(weight.detach().flatten(1), 2)
            assert value == pytest.approx(1, abs=0.02)


def test_the_eps_of_spectral_norm():
    in_g, in_d = (
        {
            name: {
                m.parametrizations.weight[0].eps for m in family(name)[i].modules() if parametrize.is_parametrized(m)
            }
            for name in FAMILY
        }
        for i in (0, 1)
    )
    assert in_g == {"sngan": set(), "sagan": {1e-12}, "biggan": {1e-4}, "biggan-deep": {1e-4}}
    assert in_d == {"sngan": {1e-12}, "sagan": {1e-12}, "biggan": {1e-4}, "biggan-deep": {1e-4}}


def test_one_can_leave_layers_out():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    add_spectral_norm(net, without=[net[0]])
    assert [parametrize.is_parametrized(m) for m in net] == [False, True]


# z and the class.


def conditions_of(G, z, y):
    """What the first layer and the conditional batch norms are given."""
    seen = []
    handles = [G.input.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))]
    for module in G.modules():
        if isinstance(module, ConditionalBatchNorm):
            handles.append(module.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[1].condition)))
    G(z, y)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("size", LATENT)
def test_biggan_gives_every_block_its_chunk(size):
    slots = {32: 4, 64: 5, 128: 6, 256: 7}[size]
    G, _ = family("biggan", size, spectral_norm=False, width=1)
    z, y = batch(G, 2)
    first, *rest = conditions_of(G, z, y)
    assert torch.equal(first, z[:, :2])
    assert len(rest) == 2 * (slots - 1)
    embedded = G.embedding(y)
    assert embedded.shape == (2, 128)
    for i, c in enumerate(rest):
        block = i // 2
        assert torch.equal(c, torch.cat([z[:, 2 + 2 * block : 4 + 2 * block], embedded], dim=1))
    plain, _ = family("biggan", size, spectral_norm=False, width=1, num_classes=0)
    assert [c.shape for c in conditions_of(plain, z, None)] == [(2, 2)] * (2 * slots - 1)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_biggan_deep_gives_all_of_z_and_the_class_to_all(num_classes):
    G, _ = family("biggan-deep", num_classes=num_classes)
    z, y = batch(G)
    c = torch.cat([z, G.embedding(y)], dim=1) if num_classes else z
    seen = conditions_of(G, z, y)
    assert len(seen) == 1 + 4 * 6
    assert all(torch.equal(s, c) for s in seen)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_size": 48}, "biggan cannot make images of size 48; it can make 32, 64, 128, 256"),
        ({"name": "biggan-deep", "image_size": 512}, "biggan-deep cannot make images of size 512"),
        ({"name": "sngan", "image_size": 28}, "sngan cannot make images of size 28"),
        ({"name": "sagan", "depth": 2}, "'sagan' has no option `depth`"),
        ({"name": "biggan-deep", "depth": 2}, "'biggan-deep' has no option `depth`"),
        ({"latent_dim": 256}, "divides z into 6 parts; `latent_dim` 256 does not divide, 252 does"),
        ({"latent_dim": 4}, "`latent_dim` 4 does not divide, 6 does"),
        ({"name": "biggan-dep"}, "did you mean 'biggan-deep'"),
    ],
)
def test_impossible_requests(changes, words):
    with pytest.raises(InputError) as error:
        networks.create(**({"name": "biggan", "image_size": 128, "latent_dim": 120, "width": 1} | changes))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", FAMILY)
def test_labels_that_do_not_fit(name):
    G, D = family(name)
    for net, inputs in ((G, torch.zeros(3, G.latent_dim)), (D, torch.zeros(3, 2, 32, 32))):
        for labels, words in ((None, "conditional on 3 classes"), (torch.zeros(2, dtype=torch.long), "shape")):
            with pytest.raises(InputError, match=words):
                net(inputs, labels)
