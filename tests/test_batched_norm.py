"""Spectral norm of equal layers at once is torch's own: weights, vectors, first and second derivatives, in float64."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.parametrizations import spectral_norm

from logan import networks, turns
from logan.fast.engine import Engine
from logan.latent import LatentStep
from logan.losses import hinge
from logan.side_effects import batched_norm, frozen, held, no_side_effects
from logan.turns import Rules


@pytest.fixture
def together(monkeypatch):
    """Call it to treat a CPU's weights as those of other devices, or not."""

    def choose(on):
        monkeypatch.setattr(batched_norm, "TOGETHER_ON", {"cpu"} if on else set())

    return choose


KINDS = {
    "linear": lambda: nn.Linear(5, 6),
    "embedding": lambda: nn.Embedding(5, 6),
    "convolution": lambda: nn.Conv2d(3, 4, 3),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "1×1": lambda: nn.Conv2d(3, 4, 1),
    "1d": lambda: nn.Conv1d(3, 4, 3),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, 3),
}


def layers(make, n=3, **settings):
    torch.manual_seed(0)
    return nn.ModuleList(spectral_norm(make().double(), **settings) for _ in range(n))


def derivatives(stack):
    """Weights, and first and second derivatives of something curved of them; the vectors afterwards."""
    originals = [layer.parametrizations.weight.original for layer in stack]
    with held(stack):
        weights = [layer.weight for layer in stack]
        first = torch.autograd.grad(sum((w**3).sum() for w in weights), originals, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), originals)
    return weights, first, second, list(stack.buffers())


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("settings", [{}, {"n_power_iterations": 3, "eps": 1e-2}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 3])
def test_the_same_numbers(n, kind, settings, order, together):
    one = layers(KINDS[kind], n, **settings).to(memory_format=order)
    other = copy.deepcopy(one)
    together(True)
    covered = sum(len(members) for _, members in batched_norm.groups([one]))
    assert covered == (
        0 if kind == "transposed" and order == torch.contiguous_format else n
    )  # no matrix without a copy
    ours = derivatives(one)
    together(False)
    theirs = derivatives(other)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for a, b in zip(ours[0], theirs[0], strict=True):
        assert [s for s, n in zip(a.stride(), a.shape, strict=True) if n > 1] == [
            s for s, n in zip(b.stride(), b.shape, strict=True) if n > 1
        ]


def test_what_differs_is_apart(together):
    together(True)
    stack = nn.ModuleList(
        [
            *layers(KINDS["linear"], 2),
            *layers(KINDS["linear"], 2, eps=1e-3),
            *layers(KINDS["linear"], 1, n_power_iterations=2),
            *layers(KINDS["convolution"], 2),
            *layers(lambda: nn.Linear(6, 5), 1),
        ]
    )
    assert [len(members) for _, members in batched_norm.groups([stack])] == [2, 2, 1, 2, 1]
    assert [len(members) for _, members in batched_norm.groups([stack, stack])] == [2, 2, 1, 2, 1]


def test_each_network_for_itself(together):
    """Gradients for one network's weights must not go through the other one's."""
    together(True)
    one, other = layers(KINDS["linear"]), layers(KINDS["linear"])
    assert [len(members) for _, members in batched_norm.groups([one, other])] == [3, 3]
    with held(one, other):
        y = (one[0].weight * other[0].weight).sum()
        z = (other[1].weight ** 2).sum()
    assert torch.autograd.grad(z, one[0].parametrizations.weight.original, allow_unused=True) == (None,)
    assert torch.autograd.grad(y, one[0].parametrizations.weight.original)[0].abs().sum() > 0


def spoil(layer, how):
    rule = layer.parametrizations.weight[0]
    if how == "evaluation":
        rule.eval()
    elif how == "hook":
        rule.register_forward_hook(lambda *args: None)
    elif how == "another rule on top":
        parametrize.register_parametrization(layer, "weight", nn.Identity())
    elif how == "own class":
        rule.__class__ = type("Own", (type(rule),), {})
    elif how == "weight norm":
        parametrize.remove_parametrizations(layer, "weight")
        parametrizations.weight_norm(layer)


@pytest.mark.parametrize("how", ["evaluation", "hook", "another rule on top", "own class", "weight norm"])
def test_what_is_not_plainly_torchs_is_computed_as_it_was(how, together):
    together(True)
    stack = layers(KINDS["linear"], 3)
    spoil(stack[0], how)
    assert [n.part for _, members in batched_norm.groups([stack]) for n in members] == [stack[1], stack[2]]
    other = copy.deepcopy(stack)
    with held(stack):
        ours = [layer.weight for layer in stack]
    together(False)
    with held(other):
        theirs = [layer.weight for layer in other]
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(list(stack.buffers()), list(other.buffers()), rtol=1e-12, atol=1e-12)


def test_vectors_move_in_place_when_they_should_and_only_then(together):
    together(True)
    stack, x = layers(KINDS["linear"]), torch.ones(2, 5).double()
    before = [(b, b.clone()) for b in stack.buffers()]

    def moved():
        return [not torch.equal(b, was) for b, was in before]

    with held(stack, move=False):
        fixed = stack[0](x)
        assert torch.equal(stack[0](x), fixed)  # one set of weights inside
    assert not any(moved())
    with no_side_effects(), held(stack):
        assert not torch.equal(stack[0].parametrizations.weight[0]._u, before[0][1])
    assert not any(moved())
    with held(stack):
        assert torch.equal(stack[0](x), fixed)
    assert all(moved())
    assert all(b is was for b, (was, _) in zip(stack.buffers(), before, strict=True))
    held_at = [b.clone() for b in stack.buffers()]
    with frozen(stack):
        stack[0](x)
    assert not any(torch.equal(b, was) for b, was in zip(stack.buffers(), held_at, strict=True))


@pytest.mark.parametrize("engine", [None, "recorded"])
def test_a_step_of_a_network_of_equal_layers(engine, together):
    torch.manual_seed(0)
    pair = networks.create("mlp", image_size=4, latent_dim=6, width=8, depth=3, spectral_norm=True)
    pair = [p.double() for p in pair]
    real, z = torch.rand(3, 3, 4, 4).double(), torch.rand(3, 6).double()
    rules = Rules(loss=hinge, latent=LatentStep("ngd", alpha=0.9, beta=0.1, portion=1.0))
    outcomes = []
    for on in (True, False):
        together(on)
        players = copy.deepcopy(pair)
        assert bool(batched_norm.groups(players)) == on
        if engine is None or not on:
            turn = turns.simultaneous(*players, real, z, rules=rules)
        else:
            turn = Engine(*players, engine, pytest.fail).play(turns.simultaneous, (real, z, None), rules)
        outcomes.append([[*turn.d_gradients, *turn.g_gradients], [b for p in players for b in p.buffers()]])
    torch.testing.assert_close(*outcomes, rtol=1e-9, atol=1e-9)
