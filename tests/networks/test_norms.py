"""Conditional batch norm and attention: what they are at the start, and their derivatives in float64."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from logan.networks.attention import SelfAttention
from logan.networks.biggan_deep import DiscriminatorBottleneck, GeneratorBottleneck
from logan.networks.layers import add_spectral_norm, init_orthogonal
from logan.networks.norms import BatchNorm, ClassBatchNorm, ConditionalBatchNorm, Modulations, modulated
from logan.networks.resnet import DiscriminatorBlock, GeneratorBlock

from .residual import batch, family

F64 = torch.float64


def plain(x, eps):
    return nn.BatchNorm2d(x.shape[1], eps=eps, affine=False).to(x.dtype)(x)


def conditional(channels=4, dim=6):
    torch.manual_seed(0)
    norm = ConditionalBatchNorm(channels, dim, 1e-4).apply(init_orthogonal).double()
    add_spectral_norm(norm, 1e-4)
    return norm


def test_conditional_batch_norm_is_plain_batch_norm_in_the_middle():
    """At c = 0, and in the mean of c and −c, whose gains are 1 ± W c: as the prior and the embedding are symmetric about 0."""
    norm = conditional()
    x, c = torch.randn(5, 4, 3, 3, dtype=F64), torch.randn(5, 6, dtype=F64)
    torch.testing.assert_close(norm(x, torch.zeros(5, 6, dtype=F64)), plain(x, 1e-4))
    there, back = norm(x, c), norm(x, -c)
    torch.testing.assert_close((there + back) / 2, plain(x, 1e-4))
    assert (there - back).abs().max() > 0.1


def test_conditional_batch_norm_is_its_formula():
    norm = conditional().eval()
    x, c = torch.randn(5, 4, 3, 3, dtype=F64), torch.randn(5, 6, dtype=F64)
    norm.norm.running_mean.normal_(), norm.norm.running_var.uniform_(0.5, 2)
    hat = (x - norm.norm.running_mean[:, None, None]) / (norm.norm.running_var[:, None, None] + 1e-4).sqrt()
    gain, bias = 1 + c @ norm.gain.weight.T, c @ norm.bias.weight.T
    torch.testing.assert_close(norm(x, c), gain[:, :, None, None] * hat + bias[:, :, None, None])
    assert norm.gain.bias is None
    assert norm.bias.bias is None


def test_gains_and_biases_at_once_are_those_one_by_one():
    """Values, and first and second derivatives for the condition and all weights; norms of other widths, and blocks between."""
    norms = [conditional(channels).eval() for channels in (4, 2, 4)]
    blocks = [nn.Sequential(norms[0], nn.ReLU()), nn.Sequential(norms[1]), nn.ReLU(), nn.Sequential(norms[2])]
    c, other = torch.randn(5, 6, dtype=F64, requires_grad=True), torch.randn(5, 6, dtype=F64)
    together = modulated(blocks, [c, other, c, c])
    assert together[0] is together[2] is together[3]
    assert set(together[0].of) == {norms[0], norms[2]}
    assert set(together[1].of) == {norms[1]}
    assert modulated([nn.ReLU()], [None]) == [None]
    xs = [torch.randn(5, n.norm.num_features, 2, 2, dtype=F64) for n in norms]
    leaves = [c, *[p for norm in norms for p in norm.parameters()]]

    def derivatives(conditions):
        ys = [norm(x, given) for norm, x, given in zip(norms, xs, conditions, strict=True)]
        first = torch.autograd.grad(sum((y**3).sum() for y in ys), leaves, create_graph=True)
        return [*ys, *first, *torch.autograd.grad(sum((g**2).sum() for g in first), leaves)]

    theirs = derivatives([c, other, c])
    torch.testing.assert_close(derivatives([together[0], together[1], together[3]]), theirs, rtol=1e-12, atol=1e-12)
    (only,) = modulated([nn.Sequential(*norms)], [c])
    assert isinstance(only, Modulations)


@pytest.mark.parametrize("name", ["sngan", "sagan"])
def test_class_batch_norm_begins_as_plain_batch_norm(name):
    G, _ = family(name)
    norms = [m for m in G.modules() if isinstance(m, ClassBatchNorm)]
    assert len(norms) == 6
    for norm in norms:
        x = torch.randn(4, norm.norm.num_features, 3, 3)
        torch.testing.assert_close(norm(x, torch.tensor([0, 2, 1, 2])), plain(x, norm.norm.eps))


def test_class_batch_norm_gives_every_class_its_own():
    norm = ClassBatchNorm(2, 3, 1e-5)
    norm.begin()
    with torch.no_grad():
        norm.gain.weight[1], norm.bias.weight[1] = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    x = torch.randn(3, 2, 4, 4)
    y, hat = norm(x, torch.tensor([0, 1, 2])), plain(x, 1e-5)
    torch.testing.assert_close(y[[0, 2]], hat[[0, 2]])
    torch.testing.assert_close(y[1], torch.stack([2 * hat[1, 0] + 3, 3 * hat[1, 1] + 4]))


def test_attention_begins_as_the_identity():
    torch.manual_seed(0)
    attention, x = SelfAttention(16), torch.randn(2, 16, 8, 8)
    assert attention.gamma.item() == 0
    assert torch.equal(attention(x), x)
    with torch.no_grad():
        attention.gamma.fill_(1.0)
    assert (attention(x) - x).abs().max() > 1e-3


def test_attention_is_its_formula():
    """Place by place, for one image: β_ij over the pooled places (Zhang et al. 2018, eq. 1-3)."""
    torch.manual_seed(0)
    attention, x = SelfAttention(16).double(), torch.randn(1, 16, 4, 6, dtype=F64)
    with torch.no_grad():
        attention.gamma.fill_(0.7)

    def pooled(conv):
        return conv(x).reshape(-1, 2, 2, 3, 2).amax(dim=(2, 4)).flatten(1)

    theta, phi, g = attention.theta(x)[0].flatten(1), pooled(attention.phi), pooled(attention.g)
    assert (theta.shape, phi.shape, g.shape) == ((2, 24), (2, 6), (8, 6))
    seen = torch.stack([g @ torch.softmax(theta[:, i] @ phi, 0) for i in range(24)], dim=1).reshape(1, 8, 4, 6)
    torch.testing.assert_close(attention(x), x + 0.7 * attention.o(seen))
    assert all(conv.bias is None for conv in (attention.theta, attention.phi, attention.g, attention.o))


def norm_of(channels):
    return ConditionalBatchNorm(channels, 3, 1e-4)


PARTS = {
    "conditional": (lambda: norm_of(4), (3, 4, 2, 2)),
    "attention": (lambda: SelfAttention(4), (2, 4, 4, 4)),
    "g block": (lambda: GeneratorBlock(3, 2, norm_of, nn.LeakyReLU), (3, 3, 2, 2)),
    "g bottleneck": (lambda: GeneratorBottleneck(4, 2, norm_of, True, nn.LeakyReLU), (3, 4, 2, 2)),
    "d block": (lambda: DiscriminatorBlock(2, 2, 3, True, False, nn.LeakyReLU), (2, 2, 4, 4)),
    "d bottleneck": (lambda: DiscriminatorBottleneck(2, 8, True, nn.LeakyReLU), (2, 2, 4, 4)),
}


@pytest.mark.parametrize("part", PARTS)
def test_twice_differentiable(part):
    torch.manual_seed(1)
    make, shape = PARTS[part]
    block = make().double()
    with torch.no_grad():
        for p in block.parameters():
            p.normal_(std=0.5)
    x = torch.randn(shape, dtype=F64, requires_grad=True)
    c = torch.randn(shape[0], 3, dtype=F64, requires_grad=True)
    inputs = (x, c) if part in ("conditional", "g block", "g bottleneck") else (x,)
    assert (torch.autograd.grad(block(*inputs).square().sum(), inputs)[0] != 0).any()
    assert gradcheck(block, inputs)
    assert gradgradcheck(block, inputs)


@pytest.mark.parametrize("name", ["biggan", "biggan-deep", "sagan"])
def test_scores_twice_in_z(name):
    """All of D(G(z)) at once, in training mode, attention switched on where there is one."""
    G, D = family(name, spectral_norm=False, width=1, activation="leaky-relu", latent_dim=4)
    for net in (G, D):
        net.double()
        for module in net.modules():
            if isinstance(module, SelfAttention):
                nn.init.constant_(module.gamma, 0.5)
    z, y = batch(G, 2, F64)
    z.requires_grad_()
    assert gradcheck(lambda z: D(G(z, y), y), (z,), fast_mode=True)
    assert gradgradcheck(lambda z: D(G(z, y), y), (z,), fast_mode=True, atol=1e-4)


def test_a_skip_without_weights():
    """G's bottleneck keeps the first channels, D's gets those that it lacks from a 1×1 convolution (BigGAN's figure 16)."""
    g, d = GeneratorBottleneck(8, 4, norm_of, True, nn.ReLU), DiscriminatorBottleneck(4, 8, True, nn.ReLU)
    for block in (g, d):
        nn.init.zeros_(block.conv4.weight), nn.init.zeros_(block.conv4.bias)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(g(x, torch.randn(2, 3)), x[:, :4].repeat_interleave(2, 2).repeat_interleave(2, 3))
    y = d(x[:, :4])
    small = x[:, :4].reshape(2, 4, 2, 2, 2, 2).mean(dim=(3, 5))
    torch.testing.assert_close(y[:, :4], small)
    torch.testing.assert_close(y[:, 4:], d.extra(small))


def test_plain_batch_norm_ignores_a_condition():
    torch.manual_seed(0)
    x = torch.randn(3, 4, 2, 2)
    assert torch.equal(BatchNorm(4)(x, torch.tensor([0, 1, 2])), nn.BatchNorm2d(4)(x))
