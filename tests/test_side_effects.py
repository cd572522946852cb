"""The latent step leaves no trace, on networks that this project did not write."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from logan import LatentStep, losses
from logan.side_effects import held, no_side_effects
from logan.turns import simultaneous


class OwnSpectralNorm(nn.Module):
    """A home-made layer, with its singular vector in a buffer or in a frozen parameter, moved at every forward."""

    def __init__(self, frozen_parameter: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 8))
        if frozen_parameter:
            self.u = nn.Parameter(torch.randn(6, 1), requires_grad=False)
        else:
            self.register_buffer("u", torch.randn(6))

    def forward(self, x):
        with torch.no_grad():
            v = nn.functional.normalize(self.weight.t() @ self.u.flatten(), dim=0)
            self.u.data = nn.functional.normalize(self.weight @ v, dim=0).view_as(self.u)
        return x @ (self.weight / torch.dot(self.u.flatten(), self.weight @ v)).t()


class Checkpointed(nn.Module):
    """Runs its layers again in the backward pass."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return checkpoint(self.layers, x, use_reentrant=False)


def discriminators():
    new_sn, old_sn = nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm
    return {
        "parametrised": nn.Sequential(new_sn(nn.Linear(8, 6)), nn.LeakyReLU(), new_sn(nn.Linear(6, 1))),
        "hook": nn.Sequential(old_sn(nn.Linear(8, 6)), nn.LeakyReLU(), old_sn(nn.Linear(6, 1))),
        "own, buffer": nn.Sequential(OwnSpectralNorm(False), nn.LeakyReLU(), nn.Linear(6, 1)),
        "own, frozen parameter": nn.Sequential(OwnSpectralNorm(True), nn.LeakyReLU(), nn.Linear(6, 1)),
        "batch norm": nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.LeakyReLU(), nn.Linear(6, 1)),
        "checkpointed": Checkpointed(new_sn(nn.Linear(8, 6)), nn.BatchNorm1d(6), nn.LeakyReLU(), nn.Linear(6, 1)),
        "dropout": nn.Sequential(nn.Linear(8, 6), nn.Dropout(0.5), nn.LeakyReLU(), nn.Linear(6, 1)),
    }


def generator():
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8))


def state(*modules):
    return [{k: v.clone() for k, v in m.state_dict().items()} for m in modules]


def same(a, b):
    return all(torch.equal(x[k], y[k]) for x, y in zip(a, b, strict=True) for k in x)


@pytest.mark.parametrize("name", discriminators())
@pytest.mark.parametrize("steps", [1, 3])
def test_the_step_leaves_no_trace(name, steps):
    torch.manual_seed(0)
    g, d = generator(), discriminators()[name]
    z, before, random = torch.rand(5, 4), state(g, d), torch.get_rng_state()
    LatentStep(steps=steps)(lambda z: d(g(z)), z)
    assert same(before, state(g, d))
    assert torch.equal(random, torch.get_rng_state())
    d(g(z))
    if name != "dropout":
        assert not same(before, state(g, d))  # an ordinary pass does move them: the test above can fail


@pytest.mark.parametrize("name", discriminators())
def test_the_next_pass_is_the_same_function(name):
    """f(z) inside the step equals D(G(z)) evaluated next: same singular vectors, same dropout mask."""
    torch.manual_seed(0)
    g, d = generator(), discriminators()[name]
    z = torch.rand(5, 4)
    moved = LatentStep()(lambda z: d(g(z)), z)
    assert torch.equal(moved.scores, d(g(z)).flatten())


def test_state_is_put_back_after_an_error():
    d = discriminators()["batch norm"]
    before = state(d)

    def broken(z):
        d(z)
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        LatentStep()(broken, torch.rand(4, 8))
    assert same(before, state(d))
    d(torch.rand(4, 8))
    assert not same(before, state(d))  # the hook is gone


def test_graphs_of_earlier_passes_stay_valid():
    d = discriminators()["batch norm"]
    first = d(torch.rand(4, 8)).sum()
    with no_side_effects():
        second = d(torch.rand(4, 8)).sum()
    (first + second).backward()
    assert d[0].weight.grad.isfinite().all()


@pytest.mark.parametrize("name", ["parametrised", "hook"])
def test_held_moves_once_on_entry_and_not_inside(name):
    torch.manual_seed(0)
    d = discriminators()[name]
    once = copy.deepcopy(d)
    x = torch.rand(3, 8)
    expected = once(x)  # one ordinary pass: one power iteration
    with held(d):
        first, second = d(x), d(x)
    assert torch.equal(first, second)
    assert torch.equal(first, expected)
    assert same(state(d), state(once))
    assert d.training
    assert all(m.training for m in d.modules())


@pytest.mark.parametrize("name", ["parametrised", "hook"])
def test_held_without_move_leaves_the_vectors(name):
    torch.manual_seed(0)
    d = discriminators()[name]
    vectors = {k: v.clone() for k, v in d.named_buffers()}
    with held(d, move=False):
        assert torch.equal(d(torch.ones(1, 8)), d(torch.ones(1, 8)))
    assert all(torch.equal(v, vectors[k]) for k, v in d.named_buffers())


def test_held_weights_carry_their_graph():
    d = discriminators()["parametrised"]
    with held(d):
        d(torch.rand(3, 8)).sum().backward()
    assert d[0].parametrizations.weight.original.grad.abs().sum() > 0


@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm])
@pytest.mark.parametrize("move", [True, False])
def test_held_weights_are_those_of_vectors_advanced_once(norm, move):
    """By the hook and by the parametrisation alike; with ``move=False`` the vectors are afterwards where they were."""
    torch.manual_seed(0)
    layer = norm(nn.Linear(8, 6))
    for vector in vectors(layer):  # not settled: another power iteration makes a difference
        vector.copy_(nn.functional.normalize(torch.randn_like(vector), dim=0))
    advanced = copy.deepcopy(layer)
    x, before = torch.randn(5, 8), state(layer)
    expected = advanced(x)  # one power iteration
    with held(layer, move=move):
        assert torch.equal(layer(x), expected)
        assert torch.equal(layer(x), expected)
    assert layer.training
    assert same(before, state(layer)) is not move
    if move:
        assert same(state(advanced), state(layer))


def test_held_advances_every_hook_of_a_module():
    torch.manual_seed(0)
    cell = nn.LSTMCell(3, 4)
    for name in ("weight_ih", "weight_hh"):
        nn.utils.spectral_norm(cell, name)
    before, once = state(cell)[0], copy.deepcopy(cell)
    once(torch.randn(2, 3))
    with held(cell):
        assert cell(torch.randn(2, 3))[0].shape == (2, 4)
    after = state(cell)[0]
    assert all(not torch.equal(before[f"{name}_u"], after[f"{name}_u"]) for name in ("weight_ih", "weight_hh"))
    assert same([after], state(once))


def vectors(layer):
    if hasattr(layer, "weight_u"):
        return layer.weight_u, layer.weight_v
    return layer.parametrizations.weight[0]._u, layer.parametrizations.weight[0]._v


class Iterating(nn.Linear):
    """A home-made spectral norm: a power iteration at every forward, as BigGAN-PyTorch has it, unless it is to be ``still``."""

    still = False

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("u", nn.functional.normalize(torch.randn(self.out_features), dim=0))
        self.register_buffer("v", torch.zeros(self.in_features))

    def forward(self, x):
        if not self.still:
            with torch.no_grad():
                self.v.copy_(nn.functional.normalize(self.weight.t() @ self.u, dim=0))
                self.u.copy_(nn.functional.normalize(self.weight @ self.v, dim=0))
        return nn.functional.linear(x, self.weight / (self.u @ self.weight @ self.v), self.bias)


def error_of_a_home_made_norm(passes, seed):
    """How far D's gradient is from that of one D which stays the same, after so many ordinary passes."""
    torch.manual_seed(seed)
    g, d = generator(), nn.Sequential(Iterating(8, 6), nn.LeakyReLU(), Iterating(6, 1))
    real, z = torch.randn(16, 8), torch.rand(16, 4) * 2 - 1
    for _ in range(passes):
        d(real)
    twin = copy.deepcopy(d)
    turn = simultaneous(g, d, real, z, loss=losses.wasserstein)
    fake = twin(g(z).detach())
    twin[0].still = twin[2].still = True
    loss = losses.wasserstein.discriminator(twin(real), fake)
    expected = torch.autograd.grad(loss, [*twin.parameters()])
    flat = [torch.cat([x.flatten() for x in gradients]) for gradients in (turn.d_gradients, expected)]
    return ((flat[0] - flat[1]).norm() / flat[1].norm()).item()


def test_a_home_made_norm_judges_real_images_by_its_next_vectors():
    """The limit that `held` documents: plain at fresh vectors, and all but gone once they have settled."""
    fresh, settled = ([error_of_a_home_made_norm(n, seed) for seed in range(5)] for n in (0, 20))
    assert min(fresh) > 0.1
    assert max(fresh) < 0.45
    assert max(settled) < 0.01
