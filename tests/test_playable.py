"""Optimisers that a game cannot ask for a step, and samples that are alone: refused before anything is done, by name."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from logan import LatentStep
from logan.errors import InputError
from logan.game import Game, simultaneous

OPTIMISERS = ("SGD", "Adam", "AdamW", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD", "NAdam", "RAdam", "Adamax")


def players(norm=None):
    """Points in the plane from four latents; ``norm`` is a layer in each of the networks named by its keys."""
    torch.manual_seed(0)
    norm = norm or {}
    g = nn.Sequential(nn.Linear(4, 8), norm.get("generator", nn.Identity()), nn.ReLU(), nn.Linear(8, 2))
    d = nn.Sequential(
        nn.Linear(2, 8), norm.get("discriminator", nn.Identity()), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0)
    )
    return g, d


def sgd(network):
    return torch.optim.SGD(network.parameters(), 0.1)


def play(g, d, n=8, **settings):
    game = Game(g, d, settings.pop("g_optimiser", None) or sgd(g), sgd(d), **settings)
    game.step(lambda: (torch.randn(n, 2), None), lambda m: torch.rand(m, 4))
    return game


def test_swapped_optimisers_are_noticed():
    g, d = players()
    of_g, of_d = (torch.optim.SGD(network.parameters(), 0.1) for network in (g, d))
    with pytest.raises(ValueError, match="none of the generator's parameters"):
        Game(g, d, of_d, of_g)
    with pytest.raises(ValueError, match="none of the discriminator's parameters"):
        Game(g, d, of_g, of_g)
    both = torch.optim.SGD([*g.parameters(), *d.parameters()], 0.1)
    Game(g, d, both, both)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_of_torch_that_play(name):
    g, d = players()
    before = copy.deepcopy(g)
    play(g, d, g_optimiser=getattr(torch.optim, name)(g.parameters(), lr=0.1))
    assert not torch.equal(g[0].weight, before[0].weight)


class Wanting(torch.optim.SGD):
    """One from elsewhere whose step is not complete without a closure."""

    def step(self, closure):
        return super().step(closure)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda p: torch.optim.LBFGS(p), "LBFGS wants a closure"),
        (lambda p: Wanting(p, 0.1), "Wanting wants a closure"),
        (lambda p: torch.optim.SparseAdam(list(p)), "sparse gradients alone"),
        (lambda p: torch.optim.Adam, "is a torch optimiser"),
        (lambda p: 1e-3, "is a torch optimiser"),
        (lambda p: None, "is a torch optimiser"),
    ],
)
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_optimisers_that_cannot(make, what, player):
    g, d = players()
    ours = {"generator": g, "discriminator": d}
    optimisers = [make(n.parameters()) if name == player else sgd(n) for name, n in ours.items()]
    with pytest.raises(InputError, match=what) as caught:
        Game(g, d, *optimisers)
    assert caught.value.field == f"{player[0]}_optimiser"


def test_an_optimiser_of_before_a_change():
    """weight_norm puts two parameters into the place of one, of which the optimiser has never heard."""
    g, d = players()
    of_g, of_d = sgd(g), sgd(d)
    nn.utils.parametrizations.weight_norm(g[0])
    with pytest.raises(InputError, match="lacks 2") as caught:
        Game(g, d, of_g, of_d)
    assert caught.value.field == "g_optimiser"
    Game(g, d, sgd(g), of_d)
    nn.utils.parametrizations.spectral_norm(d[0])  # whose parameter is the same
    Game(g, d, sgd(g), of_d)


def test_an_optimiser_of_a_part_and_of_more():
    """Both are meant: the rest of a network stays, and what is beside it is somebody else's."""
    g, d = players()
    Game(g, d, sgd(g[0]), sgd(d))
    Game(g, d, torch.optim.SGD([*g.parameters(), nn.Parameter(torch.zeros(1))], 0.1), sgd(d))


class Embedded(nn.Module):
    def __init__(self, sparse, sizes):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(sizes[0], 8), nn.Tanh(), nn.Linear(8, sizes[1]))
        self.table = nn.Embedding(3, sizes[0], sparse=sparse)

    def forward(self, x, labels):
        y = self.body(x + self.table(labels))
        return y.flatten() if y.shape[1] == 1 else y


@pytest.mark.parametrize("micro_batch", [None, 4])
@pytest.mark.parametrize("latent", [None, LatentStep("ngd")])
def test_sparse_embeddings_are_as_dense_ones(latent, micro_batch):
    def played(sparse):
        g, d = Embedded(sparse, (4, 2)), Embedded(sparse, (2, 1))
        adams = [torch.optim.Adam(n.parameters(), 0.1) for n in (g, d)]
        torch.manual_seed(1)
        labels = torch.arange(8) % 3
        Game(g, d, *adams, latent=latent, micro_batch=micro_batch).step(
            lambda: (torch.randn(8, 2), labels), lambda n: torch.rand(n, 4)
        )
        return [*g.parameters(), *d.parameters()]

    for one, two in zip(played(False), played(True), strict=True):
        torch.testing.assert_close(one, two)


NORMS = {"batch": lambda: nn.BatchNorm1d(8), "group": lambda: nn.GroupNorm(8, 8)}


@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize(
    ("n", "settings", "field"),
    [
        (9, {"micro_batch": 4}, "micro_batch"),
        (4, {"micro_batch": 1}, "micro_batch"),
        (1, {}, "reals"),
        (1, {"micro_batch": 4}, "reals"),
        (8, {"latent_share": 0.125}, "latent_share"),
        (16, {"latent_share": 0.125, "micro_batch": 8}, "latent_share"),
        (9, {"micro_batch": 4, "update": "alternating"}, "micro_batch"),
        (9, {"micro_batch": 4, "engine": "recorded"}, "micro_batch"),
    ],
)
def test_one_sample_to_normalise_over(n, settings, field, player):
    g, d = players({player: NORMS["batch"]()})
    before = [x.clone() for x in [*g.state_dict().values(), *d.state_dict().values()]]
    with pytest.raises(InputError, match="nothing to normalise over in one sample") as caught:
        play(g, d, n, latent=LatentStep("ngd"), **settings)
    assert caught.value.field == field
    for one, two in zip(before, [*g.state_dict().values(), *d.state_dict().values()], strict=True):
        assert torch.equal(one, two)


def test_group_norm_over_one_value_is_as_bad():
    with pytest.raises(InputError, match="normalise over"):
        play(*players({"generator": NORMS["group"]()}), 9, micro_batch=4)


@pytest.mark.parametrize(("n", "settings"), [(8, {"micro_batch": 4}), (10, {"micro_batch": 4}), (9, {})])
def test_two_are_enough(n, settings):
    play(*players({"generator": nn.BatchNorm1d(8), "discriminator": nn.BatchNorm1d(8)}), n, **settings)


def test_one_is_enough_without_batch_norm_in_evaluation_mode_and_over_pixels():
    play(*players(), 1)
    g, d = players({"generator": nn.BatchNorm1d(8)})
    g.eval()
    play(g, d, 9, micro_batch=4)
    g = nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    d = nn.Sequential(nn.Flatten(), nn.Linear(8, 1), nn.Flatten(0))
    Game(g, d, sgd(g), sgd(d)).step(lambda: (torch.randn(1, 2, 2, 2), None), lambda n: torch.rand(n, 4))


def test_asking_leaves_no_trace():
    """Neither in statistics nor in random numbers: dropout draws what it would have drawn."""
    g, d = players({"generator": nn.Dropout(0.5), "discriminator": nn.Dropout(0.5)})
    real, z = torch.randn(1, 2), torch.rand(1, 4)
    torch.manual_seed(2)
    expected = simultaneous(copy.deepcopy(g), copy.deepcopy(d), real, z)
    torch.manual_seed(2)
    found = Game(g, d, sgd(g), sgd(d)).step(lambda: (real, None), lambda n: z)
    assert torch.equal(expected.g_loss, found.g_loss)
    assert torch.equal(expected.d_loss, found.d_loss)
