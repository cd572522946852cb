"""Every adjustment as a drop-in for one evaluation of the game: what it returns, and the traces that it leaves."""

import copy

import pytest
import torch
from torch import nn

from logan import LatentStep, losses, turns
from logan.cs_gan import CSStep, give_step_size
from logan.dynamics import SGA, Consensus, GradientPenalty, ThreePlayer, Unrolled

from .small import draws, flat, players, relative, turn_vector

METHODS = {
    "sga": SGA(0.7),
    "sga-aligned": SGA(0.7, align=True),
    **{f"three-player {form}": ThreePlayer(0.7, form=form) for form in ("game", "printed", "no-cross", "local")},
    "consensus": Consensus(0.2),
    "unrolled": Unrolled(3, 2, 0.2),
    "gradient-penalty": GradientPenalty(0.3),
}
IDLE = {
    "sga": SGA(0),
    "sga-aligned": SGA(0, align=True),
    **{f"three-player {form}": ThreePlayer(0, form=form) for form in ("game", "printed", "no-cross", "local")},
    "consensus": Consensus(0),
    "unrolled": Unrolled(3, 2, 0),
    "gradient-penalty": GradientPenalty(0),
}
LATENTS = {
    "plain": None,
    "gd": LatentStep("gd", alpha=0.3),
    "random subset": LatentStep(subset="random", steps=2),
}
EXTRAS = ["none", "batch norm", "spectral norm", "dropout"]
BY_METHOD = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
BY_LATENT = pytest.mark.parametrize("latent", LATENTS.values(), ids=LATENTS)
BY_EXTRA = pytest.mark.parametrize("extra", EXTRAS)


def play(turn, pair, latent=None, loss=losses.non_saturating, batch=None, **rules):
    """The turn on copies of a pair, from one random state; the turn, the copies, and the random state afterwards."""
    g, d = copy.deepcopy(pair)
    torch.manual_seed(11)
    return turn(g, d, *(batch or draws()), loss=loss, latent=latent, **rules), (g, d), torch.get_rng_state()


def without_move_terms(method, latent):
    """The latent step that :func:`turns.simultaneous` is to be given: the third player's Δz is a constant."""
    if latent is None or not isinstance(method, ThreePlayer):
        return latent
    return LatentStep(**{**latent.__dict__, "stop_gradient": "both", "penalty": 0.0})


@BY_LATENT
@BY_EXTRA
@pytest.mark.parametrize("method", IDLE.values(), ids=IDLE)
def test_at_strength_zero_it_is_simultaneous(method, extra, latent):
    """Losses, gradients and report, to 1e-12. Each network has everything that moves or draws."""
    pair = players(extra)
    turn, *_ = play(method, pair, latent)
    expected, *_ = play(turns.simultaneous, pair, without_move_terms(method, latent))
    torch.testing.assert_close(turn_vector(turn), turn_vector(expected), rtol=1e-12, atol=1e-13)
    for name in ("d_loss", "g_loss"):
        got, want = getattr(turn, name), getattr(expected, name)
        torch.testing.assert_close(got, want.detach(), rtol=1e-12, atol=0)
        assert not got.requires_grad
    assert not any(x.requires_grad for x in turn.d_gradients + turn.g_gradients)
    assert turn.report.pop("adjustment") < 1e-12
    compare_reports(turn.report, expected.report)


@BY_METHOD
def test_the_size_of_the_adjustment(method):
    """‖g* − ξ‖/‖ξ‖, from the gradients with and without it; 0 where nobody has a gradient."""
    pair, latent = players("batch norm"), LATENTS["gd"]
    adjusted, xi = (
        turn_vector(play(m, pair, step)[0])
        for m, step in ((method, latent), (turns.simultaneous, without_move_terms(method, latent)))
    )
    report = play(method, pair, latent)[0].report
    assert report["adjustment"].item() == pytest.approx(relative(adjusted, xi), rel=1e-9)
    assert not report["adjustment"].requires_grad
    constant = losses.Loss("constant", *[lambda scores: 0 * scores] * 3)
    assert play(method, pair, loss=constant)[0].report["adjustment"] == 0


def compare_reports(got, want):
    assert got.keys() == want.keys()
    for name in got.keys() - {"penalty"}:  # of a step with other weights, see without_move_terms
        torch.testing.assert_close(got[name], want[name], rtol=1e-6, atol=1e-7)
        assert not got[name].requires_grad


@BY_LATENT
@BY_EXTRA
@BY_METHOD
def test_traces_are_those_of_one_simultaneous_turn(method, extra, latent):
    """Parameters stay; buffers move once; as many random numbers are drawn; and modes and parameters are put back."""
    pair = players(extra)
    turn, after, state = play(method, pair, latent)
    expected, after_one, state_of_one = play(turns.simultaneous, pair, latent)
    assert torch.equal(state, state_of_one)
    moved = 0
    for network, one, before in zip(after, after_one, pair, strict=True):
        for got, want, old in zip(network.buffers(), one.buffers(), before.buffers(), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-13, atol=1e-14)
            moved += not torch.equal(got, old)
        for (name, got), (_, old) in zip(network.named_parameters(), before.named_parameters(), strict=True):
            assert torch.equal(got, old)
            assert got.grad is None
            assert isinstance(got, nn.Parameter), name
        assert all(module.training for module in network.modules())
        assert [*network.state_dict()] == [*before.state_dict()]
    assert (moved > 0) == (extra in ("batch norm", "spectral norm"))
    for got, want in ((turn.d_gradients, expected.d_gradients), (turn.g_gradients, expected.g_gradients)):
        assert [(x.shape, x.dtype) for x in got] == [(x.shape, x.dtype) for x in want]
        assert isinstance(got, list)
    assert relative(turn_vector(turn), turn_vector(expected)) > 1e-3  # and it did adjust


@BY_METHOD
def test_an_exception_leaves_the_networks_as_they_were(method):
    """Parameters that were replaced for a pass come back."""
    pair = players("spectral norm")
    names = [[name for name, _ in network.named_parameters()] for network in pair]
    with pytest.raises(RuntimeError):
        method(*pair, draws()[0][:, :1], draws()[1])  # images of another size
    assert [[name for name, _ in network.named_parameters()] for network in pair] == names
    assert all(p.is_leaf for network in pair for p in network.parameters())
    assert all(module.training for network in pair for module in network.modules())


@pytest.mark.parametrize("latent", [None, LATENTS["gd"]], ids=["plain", "gd"])
@BY_METHOD
def test_the_order_of_the_batch_does_not_matter(method, latent):
    real, z = draws(6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    turn, *_ = play(method, players(), latent, batch=(real, z))
    permuted, *_ = play(method, players(), latent, batch=(real[order], z[order]))
    torch.testing.assert_close(turn_vector(permuted), turn_vector(turn), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "three-player game"])
def test_two_copies_of_the_batch_are_the_batch(name):
    """All losses are means; η = 1/N alone knows how large the batch is (and the exact third player, test_three_player.py)."""
    method = ThreePlayer(0.7, 0.2, METHODS[name].form) if "three-player" in name else METHODS[name]
    real, z = draws()
    turn, *_ = play(method, players(), LATENTS["gd"])
    twice, *_ = play(method, players(), LATENTS["gd"], batch=(torch.cat([real, real]), torch.cat([z, z])))
    torch.testing.assert_close(turn_vector(twice), turn_vector(turn), rtol=1e-11, atol=1e-13)


@BY_METHOD
def test_frozen_parameters_are_left_out(method):
    pair = players()
    pair[0][0].weight.requires_grad_(False)
    turn, *_ = play(method, pair, LATENTS["gd"])
    assert len(turn.g_gradients) == 3
    expected, *_ = play(turns.simultaneous, pair, LATENTS["gd"])
    assert [x.shape for x in turn.g_gradients] == [x.shape for x in expected.g_gradients]


@BY_METHOD
def test_a_parameter_that_nothing_depends_on_has_no_adjustment(method):
    g, d = players()
    d.register_parameter("unused", nn.Parameter(torch.ones(2).double()))
    turn, *_ = play(method, (g, d))
    expected, *_ = play(method, players())
    place = [name for name, _ in d.named_parameters()].index("unused")
    assert torch.equal(turn.d_gradients.pop(place), torch.zeros(2).double())
    torch.testing.assert_close(turn_vector(turn), turn_vector(expected))


@pytest.mark.parametrize("name", ["sga", "consensus", "three-player printed", "unrolled"])
def test_parameters_that_are_shared(name):
    """One tensor in two places is one parameter: a network with shared weights is one with their gradients added."""
    torch.manual_seed(0)

    def build(shared):
        torch.manual_seed(5)
        d = nn.Sequential(
            nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1), nn.Flatten(0)
        ).double()
        if shared:
            d[2].weight = d[0].weight
        else:
            d[2].weight.data.copy_(d[0].weight)
        return players()[0], d

    shared, *_ = play(METHODS[name], build(True))
    assert len(shared.d_gradients) == 5
    plain, *_ = play(turns.simultaneous, build(True))
    separate, *_ = play(turns.simultaneous, build(False))
    torch.testing.assert_close(plain.d_gradients[0], separate.d_gradients[0] + separate.d_gradients[2])
    idle, *_ = play(IDLE[name], build(True))
    torch.testing.assert_close(turn_vector(idle), turn_vector(plain), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("hooked", [False, True], ids=["cs-gan's step", "hook-based spectral norm"])
@pytest.mark.parametrize("name", ["sga", "consensus", "unrolled", "three-player local"])
def test_other_steps_and_norms(name, hooked):
    """The learned step size is a parameter of G like any other; torch's older spectral norm moves once, too."""
    g, d = players()
    if hooked:
        for layer in (d[0], d[2]):
            nn.utils.spectral_norm(layer)
        latent = LATENTS["gd"]
    else:
        give_step_size(g)
        latent = CSStep()
    idle, after, _ = play(IDLE[name], (g, d), latent)
    one, after_one, _ = play(turns.simultaneous, (g, d), latent)
    if name != "three-player local":
        torch.testing.assert_close(turn_vector(idle), turn_vector(one), rtol=1e-12, atol=1e-13)
    for got, want in zip(after[1].buffers(), after_one[1].buffers(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-13, atol=1e-14)
    adjusted, *_ = play(METHODS[name], (g, d), latent)
    assert relative(turn_vector(adjusted), turn_vector(idle)) > 1e-4


@BY_METHOD
def test_it_works_on_labels_and_under_autocast(method):
    """Class labels reach both networks; bfloat16 changes the gradients a little."""

    class Labelled(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network, self.embed = network, nn.Embedding(3, next(network.parameters()).shape[1])

        def forward(self, x, labels):
            return self.network(x + self.embed(labels).to(x.dtype))

    torch.manual_seed(0)
    pair = tuple(Labelled(network.float()) for network in players())
    real, z = (torch.randn(64, 2), torch.rand(64, 3) * 2 - 1)
    labels = torch.arange(64) % 3
    full, *_ = play(method, pair, LATENTS["gd"], batch=(real, z, labels))
    other, *_ = play(method, pair, LATENTS["gd"], batch=(real, z, 0 * labels))
    half, *_ = play(method, pair, LATENTS["gd"], batch=(real, z, labels), autocast=torch.bfloat16)
    assert len(full.d_gradients) == len([*pair[1].parameters()])
    assert relative(turn_vector(other), turn_vector(full)) > 1e-2
    assert all(x.dtype == torch.float32 for x in half.d_gradients + half.g_gradients)
    assert 0 < relative(flat(half.g_gradients), flat(full.g_gradients)) < 0.1
