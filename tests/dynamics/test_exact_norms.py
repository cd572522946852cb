"""Normalisations written out: the same as torch's in all that torch's have right, and right in the third derivative too."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from logan import LatentStep
from logan.dynamics import gan_field
from logan.dynamics.exact_norms import exact_norms
from logan.dynamics.field import dot, flat
from logan.losses import wasserstein

from .small import F64


def norm(shape, dtype=F64, affine=True):
    torch.manual_seed(0)
    layer = (nn.BatchNorm1d if len(shape) < 4 else nn.BatchNorm2d)(shape[1], affine=affine, momentum=0.3).to(dtype)
    if affine:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    return layer, (torch.randn(*shape, dtype=F64) * 2 + 1).to(dtype).requires_grad_()


def exactly(layer, x):
    with exact_norms():
        return layer(x)


def derivatives(layer, x, order, play):
    """Of one number made of the layer's output: each is the gradient of a random direction's share of the last."""
    torch.manual_seed(1)
    wanted = [x, *layer.parameters()]
    value, out = (torch.tanh(play(layer, x)) * torch.randn_like(x)).sum(), []
    for _ in range(order):
        got = torch.autograd.grad(value, wanted, create_graph=True)
        out.append([g.detach() for g in got])
        value = sum((g * torch.randn_like(g)).sum() for g in got)
    return out


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 2, 3, 3)])
def test_it_is_torchs_batch_norm_up_to_the_second_derivative(shape, affine):
    layer, x = norm(shape, affine=affine)
    twin, _ = norm(shape, affine=affine)
    torch.testing.assert_close(exactly(layer, x), twin(x), rtol=1e-12, atol=1e-13)
    assert layer.state_dict().keys() == twin.state_dict().keys()
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(layer.state_dict()[name], value, rtol=1e-13, atol=1e-14)
    got, expected = derivatives(layer, x, 2, exactly), derivatives(twin, x, 2, lambda layer, x: layer(x))
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-11)


NORMS = {
    "batch": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [(6, 3), (3,), (3,)]),
    "batch of images": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [(3, 2, 2, 3), (2,), (2,)]),
    "layer": (lambda x, w, b: F.layer_norm(x, (3,), w, b), [(6, 3), (3,), (3,)]),
    "layer over two": (lambda x, w, b: F.layer_norm(x, (3, 5), w, b), [(4, 3, 5), (3, 5), (3, 5)]),
    "instance": (lambda x, w, b: F.instance_norm(x, None, None, w, b), [(4, 3, 5), (3,), (3,)]),
    "weight, dim 0": (lambda v, g: torch._weight_norm(v, g, 0), [(6, 3), (6, 1)]),
    "weight, dim 1": (lambda v, g: torch._weight_norm(v, g, 1), [(6, 3), (1, 3)]),
    "group": (lambda x, w, b: F.group_norm(x, 2, w, b), [(4, 4, 3), (4,), (4,)]),
    "batch, evaluation": (
        lambda x, w, b: F.batch_norm(x, torch.ones(3, dtype=F64), torch.full((3,), 2.0, dtype=F64), w, b),
        [(6, 3), (3,), (3,)],
    ),
}


@pytest.mark.parametrize("name", NORMS)
def test_three_derivatives_by_finite_differences(name):
    """Of tanh(the norm) in all its arguments together: each along one direction, against central differences of the last."""
    play, shapes = NORMS[name]
    torch.manual_seed(2)
    point = [torch.randn(s, dtype=F64) * 1.5 + 0.5 for s in shapes]
    weights = torch.randn(shapes[0], dtype=F64)
    directions = [[torch.randn_like(x) for x in point] for _ in range(3)]

    def derivative(at, order):
        at = [x.detach().requires_grad_() for x in at]
        with exact_norms():
            value = (torch.tanh(play(*at)) * weights).sum()
        for direction in directions[:order]:
            got = torch.autograd.grad(value, at, create_graph=True, materialize_grads=True)
            value = sum((g * d).sum() for g, d in zip(got, direction, strict=True))
        return value.detach()

    for order in (1, 2, 3):
        h, v = 1e-5, directions[order - 1]
        ahead, behind = ([x + s * h * d for x, d in zip(point, v, strict=True)] for s in (1, -1))
        expected = (derivative(ahead, order - 1) - derivative(behind, order - 1)) / (2 * h)
        torch.testing.assert_close(derivative(point, order), expected, rtol=1e-6, atol=1e-7)


LAYERS = {
    "layer": (lambda: nn.LayerNorm(5), (4, 3, 5)),
    "layer over two, plain": (lambda: nn.LayerNorm((3, 5), elementwise_affine=False), (4, 3, 5)),
    "layer without bias": (lambda: nn.LayerNorm(5, bias=False), (4, 5)),
    "instance": (lambda: nn.InstanceNorm1d(3, affine=True), (4, 3, 5)),
    "instance, tracked": (lambda: nn.InstanceNorm2d(3, momentum=0.3, track_running_stats=True), (4, 3, 5, 2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_they_are_torchs_up_to_the_second_derivative(name):
    make, shape = LAYERS[name]
    layer, twin = make().double(), make().double()
    torch.manual_seed(3)
    for own, other in zip(layer.parameters(), twin.parameters(), strict=True):
        own.data.normal_()
        other.data.copy_(own)
    x = (torch.randn(shape, dtype=F64) * 2 + 1).requires_grad_()
    torch.testing.assert_close(exactly(layer, x), twin(x), rtol=1e-12, atol=1e-13)
    for key, value in twin.state_dict().items():
        torch.testing.assert_close(layer.state_dict()[key], value, rtol=1e-13, atol=1e-14)
    got, expected = derivatives(layer, x, 2, exactly), derivatives(twin, x, 2, lambda layer, x: layer(x))
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-11)
    layer.eval()
    twin.eval()
    torch.testing.assert_close(exactly(layer, x), twin(x), rtol=1e-12, atol=1e-13)


def test_weight_norm_is_torchs():
    for make in (nn.utils.parametrizations.weight_norm, nn.utils.weight_norm):
        torch.manual_seed(4)
        layer = make(nn.Linear(3, 5).double(), dim=0)
        x = torch.randn(2, 3, dtype=F64)
        torch.testing.assert_close(exactly(layer, x), layer(x), rtol=1e-13, atol=1e-14)


def test_what_torch_refuses_stays_refused():
    x = torch.randn(4, 3, 5)
    for layer in (nn.LayerNorm(4), nn.InstanceNorm1d(3)):
        wrong = x if isinstance(layer, nn.LayerNorm) else x[:, :, :1]
        for play in (exactly, lambda layer, x: layer(x)):
            with pytest.raises((RuntimeError, ValueError)):
                play(layer, wrong)


@pytest.mark.parametrize(
    "make", [lambda: nn.LayerNorm(8), lambda: nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))]
)
def test_the_jacobian_of_a_field_through_such_a_norm(make):
    """Hv and Hᵀv of LOGAN's field, against central differences of ξ."""
    torch.manual_seed(5)
    g = nn.Sequential(nn.Linear(3, 8), make(), nn.Tanh(), nn.Linear(8, 2)).double()
    d = nn.Sequential(nn.Linear(2, 8), make(), nn.Tanh(), nn.Linear(8, 1)).double()
    real, z = torch.randn(6, 2, dtype=F64), torch.rand(6, 3, dtype=F64) - 0.5
    latent = LatentStep("ngd", alpha=0.5, beta=0.5, portion=1.0, bounds=None)

    def xi():
        with gan_field(g, d, real, z, loss=wasserstein, latent=latent) as (field, _):
            return torch.cat([x.detach().flatten() for x in flat(field.xi)])

    with gan_field(g, d, real, z, loss=wasserstein, latent=latent) as (field, _):
        v = field.like([torch.randn_like(x) for x in flat(field.players)])
        u = field.like([torch.randn_like(x) for x in flat(field.players)])
        along, back = field.times(v), field.transposed_times(u)
    h, places = 1e-6, flat(field.players)
    found = []
    for sign in (1, -1):
        for x, y in zip(places, flat(v), strict=True):
            x.data.add_(y, alpha=sign * h)
        found.append(xi())
        for x, y in zip(places, flat(v), strict=True):
            x.data.sub_(y, alpha=sign * h)
    expected = (found[0] - found[1]) / (2 * h)
    torch.testing.assert_close(torch.cat([x.flatten() for x in flat(along)]), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(dot(back, v), dot(u, along), rtol=1e-10, atol=1e-10)


def test_in_half_precision_the_statistics_are_wide():
    layer, x = norm((512, 2), torch.float32)
    half = (x.detach() + 100).bfloat16()
    y = exactly(layer, half)
    assert y.dtype == torch.bfloat16
    expected = F.batch_norm(half.float(), None, None, layer.weight, layer.bias, training=True)
    torch.testing.assert_close(y.float(), expected, rtol=0.02, atol=0.02)
    assert layer.running_mean.dtype == torch.float32


def test_evaluation_mode_and_single_values_are_left_to_torch():
    layer, x = norm((4, 3))
    layer.eval()
    assert torch.equal(exactly(layer, x), layer(x))
    layer.train()
    with pytest.raises(ValueError, match="more than 1 value"):
        exactly(layer, x[:1])
    twin = nn.BatchNorm1d(3, momentum=None, track_running_stats=False).double()
    torch.testing.assert_close(exactly(twin, x), twin(x), rtol=1e-12, atol=1e-13)
