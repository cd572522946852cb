"""The methods in a logan.game.Game: recorded as well as plain, with the optimisers, and what a step leaves behind."""

import copy

import pytest
import torch

from logan import LatentStep, game, losses, networks, turns
from logan.dynamics import METHODS, Extragradient, Optimistic, UpdateRule, create

from .small import draws, flat, players

LATENTS = {"plain": None, "latent step": LatentStep(alpha=0.5)}
PAIRS = {
    "mlp": {"name": "mlp", "image_size": 1, "image_channels": 2, "latent_dim": 5, "width": 8},
    "sndcgan": {"name": "sndcgan", "image_size": 16, "image_channels": 1, "latent_dim": 5, "width": 4},
}
OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3, betas=(0.5, 0.9)),
}


def build(pair, dynamics, engine="plain", optimiser="sgd", **rules):
    torch.manual_seed(0)
    g, d = (n.double() for n in (networks.create(**PAIRS[pair]) if pair in PAIRS else players(pair)))
    said = []
    make = OPTIMISERS[optimiser]
    played = game.Game(
        g,
        d,
        make(g.parameters()),
        make(d.parameters()),
        engine=engine,
        dynamics=dynamics,
        announce=said.append,
        **rules,
    )
    return played, said


def run(played, steps=3, n=4):
    """Some steps on random batches; the last turn."""
    torch.manual_seed(1)
    g, shape, latent_dim = played.generator, (2,), 3
    if isinstance(g, networks.Generator):
        shape, latent_dim = (g.image_channels, g.image_size, g.image_size), 5
    for _ in range(steps):
        real, z = (torch.rand(n, *shape) * 2 - 1).double(), (torch.rand(n, latent_dim) * 2 - 1).double()
        turn = played.step(lambda x=real: (x, None), lambda _, x=z: x)
    return turn


def made(name):
    return create(name, d_steps=2 if name == "unrolled" else None)


def state(played):
    return [t for network in (played.generator, played.discriminator) for t in network.state_dict().values()]


# Recording a method on convolutions takes seconds: two are quick enough for every run. On mlp, those with a latent step are.
QUICK = [("sndcgan", "consensus", "plain"), ("sndcgan", "extragradient", "plain"), ("mlp", "sga", "plain")]
QUICK += [("mlp", name, "latent step") for name in METHODS if name != "sga"]
ALL = [(pair, name, latent) for pair in PAIRS for name in METHODS for latent in LATENTS]


@pytest.mark.parametrize(
    ("pair", "name", "latent"),
    [pytest.param(*c, marks=() if c in QUICK else pytest.mark.slow) for c in ALL],
)
def test_recorded_and_plain_are_one(pair, name, latent):
    """Three steps in float64 agree to 1e-10, buffers included; and the recording is really used: nothing falls back."""
    results = {}
    for engine in ("plain", "recorded"):
        played, said = build(pair, made(name), engine, latent=LATENTS[latent], loss=losses.hinge)
        turn = run(played)
        assert said == []
        results[engine] = [*state(played), turn.d_loss.detach(), turn.g_loss.detach(), *turn.report.values()]
    assert list(map(bool, played._engine.recordings)) == [True]
    for got, want in zip(results["recorded"], results["plain"], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "falls_back"), [("sga", False), ("unrolled", True)])
def test_a_random_subset_where_a_step_makes_several_passes(name, falls_back):
    """A recording would draw another subset in each pass of unrolling: it is refused, and said. The game goes on the same."""
    results = []
    for engine in ("plain", "recorded"):
        played, said = build("mlp", made(name), engine, latent=LatentStep(subset="random"))
        run(played)
        results.append(state(played))
    assert ["randperm" in text for text in said] == [True] * falls_back
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("extragradient", "optimistic")])
def test_a_game_steps_by_the_adjusted_gradients(name):
    played, _ = build("batch norm", create(name), latent=LATENTS["latent step"])
    before = copy.deepcopy((played.generator, played.discriminator))
    real, z = draws()
    turn = create(name)(*before, real, z, latent=LATENTS["latent step"])
    returned = played.step(lambda: (real, None), lambda _: z)
    for network, old, gradients in (
        (played.generator, before[0], turn.g_gradients),
        (played.discriminator, before[1], turn.d_gradients),
    ):
        for p, q, gradient in zip(network.parameters(), old.parameters(), gradients, strict=True):
            torch.testing.assert_close(p, q - 0.05 * gradient, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(returned.d_loss, turn.d_loss)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("extra", ["batch norm", "spectral norm", "dropout"])
def test_extragradient_with_any_optimiser(extra, optimiser):
    """Parameters and optimisers' states are those of: step, keep the moments, return, step by what was seen.

    Buffers and random numbers are those of the second half alone, and both halves see the same dropout masks.
    """
    played, _ = build(extra, Extragradient(), optimiser=optimiser)
    other, _ = build(extra, None, optimiser=optimiser)
    real, z = draws()
    for seed in range(3):
        torch.manual_seed(seed)
        turn = played.step(lambda: (real, None), lambda _: z)
        random_state = torch.get_rng_state()
        pair = (other.generator, other.discriminator)
        start = copy.deepcopy([network.state_dict() for network in pair])
        torch.manual_seed(seed)
        other.step(lambda: (real, None), lambda _: z)
        for network, saved in zip(pair, start, strict=True):
            network.load_state_dict({**saved, **dict(network.named_parameters())})  # the buffers go back
        torch.manual_seed(seed)
        seen = turns.simultaneous(*pair, real, z)
        assert torch.equal(torch.get_rng_state(), random_state)
        buffers = [dict(network.named_buffers()) for network in pair]
        for network, saved, moved in zip(pair, start, buffers, strict=True):
            network.load_state_dict({**saved, **moved})
        other._apply_both(seen)
        torch.testing.assert_close(turn.g_loss, seen.g_loss, rtol=1e-12, atol=0)
        for got, want in zip(state(played), state(other), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-13)
    compare_optimisers(played, other)
    if optimiser == "adam":
        assert next(iter(played.g_optimiser.state.values()))["step"] == 6  # two halves, three steps
    assert played.memory == {}


def compare_optimisers(a, b):
    for x, y in ((a.g_optimiser, b.g_optimiser), (a.d_optimiser, b.d_optimiser)):
        torch.testing.assert_close(x.state_dict()["state"], y.state_dict()["state"], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_optimistic_with_any_optimiser(optimiser):
    """θ ← θ + 2Δ_t − Δ_{t−1} with the optimiser's own steps Δ; the memory is Δ_t, and enough to go on from."""
    played, _ = build("spectral norm", Optimistic(), optimiser=optimiser)
    other, _ = build("spectral norm", None, optimiser=optimiser)
    real, z = draws()
    last = None
    for _ in range(3):
        played.step(lambda: (real, None), lambda _: z)
        parameters = [*other.discriminator.parameters(), *other.generator.parameters()]
        before = [p.detach().clone() for p in parameters]
        other.step(lambda: (real, None), lambda _: z)
        change = [p.detach() - b for p, b in zip(parameters, before, strict=True)]
        with torch.no_grad():
            for p, b, now, old in zip(parameters, before, change, last or change, strict=True):
                p.copy_(b + 2 * now - old)
        last = change
        torch.testing.assert_close(played.memory["last_step"], change, rtol=1e-9, atol=1e-14)
        for got, want in zip(state(played), state(other), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-13)
    compare_optimisers(played, other)
    assert played.memory.keys() == {"last_step"}
    resumed, forgetful = copy.deepcopy(played), copy.deepcopy(played)
    forgetful.memory.clear()
    for each in (played, resumed, forgetful):
        each.step(lambda: (real, None), lambda _: z)
    assert all(torch.equal(a, b) for a, b in zip(state(played), state(resumed), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(state(played), state(forgetful), strict=True))


def test_steps_without_latent_step_have_none_for_the_method_either():
    """latent_every = 2: every other step is the method on the ordinary game."""
    every, _ = build("none", create("sga"), latent=LATENTS["latent step"], latent_every=2)
    real, z = draws()
    assert "delta_z" in every.step(lambda: (real, None), lambda _: z).report
    pair = copy.deepcopy((every.generator, every.discriminator))
    turn = every.step(lambda: (real, None), lambda _: z)
    assert "delta_z" not in turn.report
    torch.testing.assert_close(flat(turn.g_gradients), flat(create("sga")(*pair, real, z).g_gradients))


@pytest.mark.parametrize("name", METHODS)
def test_alternating_updates_have_no_dynamics(name):
    with pytest.raises(ValueError, match="`dynamics` needs `update` simultaneous"):
        build("none", create(name), update="alternating")


def test_a_rule_must_write_its_step():
    with pytest.raises(TypeError, match="write its method step"):
        run(build("none", UpdateRule())[0], steps=1)
