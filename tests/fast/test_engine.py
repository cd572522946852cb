"""Whatever the engine, the same game: losses, gradients, reports, buffers and random numbers of the plain version."""

import copy
import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from logan import LatentStep, game, losses, networks, turns
from logan.bench.counting import count, peak_memory
from logan.fast import engine as engines
from logan.game import Game, Rules

F64 = torch.float64
NGD = LatentStep("ngd", alpha=0.9, beta=0.2, portion=0.75, penalty=0.4)
GD = LatentStep("gd", alpha=0.3, portion=0.75, penalty=0.4)


def pair(name="sndcgan", dtype=F64, classes=0):
    torch.manual_seed(1)
    settings = {
        "mlp": {"image_size": 4, "width": 12, "spectral_norm": True},
        "dcgan": {"image_size": 16, "width": 4},  # batch norm in D too
        "sndcgan": {"image_size": 16, "width": 4},
    }[name]
    g, d = networks.create(name, image_channels=1, latent_dim=6, num_classes=classes, **settings)
    return g.to(dtype), d.to(dtype)


def batch(g, dtype=F64, n=6, classes=0):
    torch.manual_seed(2)
    real = torch.rand(n, 1, g.image_size, g.image_size, dtype=dtype) * 2 - 1
    z = torch.rand(n, 6, dtype=dtype) * 2 - 1
    return real, z, torch.arange(n) % classes if classes else None


def both_ways(networks_, inputs, turn=game.simultaneous, kind="recorded", announce=pytest.fail, **rules):
    """The turn as it is written and by the engine, each on its own copy of the networks, twice in a row."""
    rules = Rules(**{"loss": losses.hinge, "latent": NGD} | rules)
    plain_pair, fast_pair = copy.deepcopy(networks_), copy.deepcopy(networks_)
    engine = engines.Engine(*fast_pair, kind, announce)
    engine.checking = False  # that is what is done here
    outcomes = []
    # a graph writes the next turn's results where it wrote this one's
    kept = copy.deepcopy if kind.endswith("graph") else lambda played: played
    for play in (
        lambda: turn(*plain_pair, *inputs, rules=rules),
        lambda: kept(engine.play(turn, inputs, rules)),
    ):
        torch.manual_seed(3)
        turns = [play(), play()]
        outcomes.append((turns, torch.get_rng_state()))
    states = [[*a.state_dict().values(), *b.state_dict().values()] for a, b in (plain_pair, fast_pair)]
    return outcomes[0], outcomes[1], states


def flat(gradients):
    return torch.cat([g.flatten() for g in gradients if g is not None])


def error(a, b):
    return ((a - b).norm() / b.norm()).item() if b.numel() else 0.0


def assert_same(networks_, inputs, tolerance=1e-10, **settings):
    (plain, plain_random), (fast, fast_random), (plain_state, fast_state) = both_ways(networks_, inputs, **settings)
    for p, f in zip(plain, fast, strict=True):
        for a, b in ((f.d_loss, p.d_loss), (f.g_loss, p.g_loss)):
            assert (a is None) == (b is None)
            if b is not None:
                torch.testing.assert_close(a, b.detach(), rtol=tolerance, atol=tolerance)
        for a, b in ((f.d_gradients, p.d_gradients), (f.g_gradients, p.g_gradients)):
            assert [x is None for x in a] == [x is None for x in b]
            if b:
                assert error(flat(a), flat(b)) < tolerance
        assert f.report.keys() == p.report.keys()
        for name in p.report:
            torch.testing.assert_close(f.report[name], p.report[name], rtol=tolerance, atol=tolerance)
    for a, b in zip(fast_state, plain_state, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
    assert torch.equal(plain_random, fast_random)


METHODS = {"none": None, "gd": GD, "ngd": NGD}
ABLATIONS = {
    f"stop {stop}, penalty in {player}": {"stop_gradient": stop, "penalty_in": player}
    for stop in ("none", "generator", "discriminator", "both")
    for player in ("generator", "both")
}


def crossed(chosen):
    """Losses with methods, which are at leisure but for the chosen ones: the engine knows zero-sum losses and all others."""
    pairs = [(loss, method) for loss in losses.LOSSES for method in METHODS]
    return [pytest.param(*pair, marks=() if pair in chosen else pytest.mark.slow) for pair in pairs]


BOTH_KINDS = [(loss, method) for loss in ("hinge", "wasserstein") for method in METHODS]


@pytest.mark.parametrize(("loss", "method"), crossed([*BOTH_KINDS, ("non-saturating", "ngd"), ("minimax", "ngd")]))
def test_simultaneous(loss, method):
    g, d = pair("mlp")
    assert_same((g, d), batch(g), loss=losses.get(loss), latent=METHODS[method])


@pytest.mark.parametrize("name", ["dcgan", "sndcgan"])
@pytest.mark.parametrize(("loss", "method"), crossed([("hinge", "ngd")]))
def test_simultaneous_of_convolutions(name, loss, method):
    g, d = pair(name)
    assert_same((g, d), batch(g), loss=losses.get(loss), latent=METHODS[method])


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize(("loss", "method"), crossed([("hinge", "ngd"), ("wasserstein", "ngd")]))
def test_ablations(loss, method, ablation):
    g, d = pair("mlp")
    assert_same((g, d), batch(g), loss=losses.get(loss), latent=replace(METHODS[method], **ABLATIONS[ablation]))


@pytest.mark.slow
@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("loss", ["hinge", "wasserstein"])
def test_ablations_of_convolutions(loss, ablation):
    g, d = pair("sndcgan")
    assert_same((g, d), batch(g), loss=losses.get(loss), latent=replace(NGD, **ABLATIONS[ablation]))


@pytest.mark.parametrize("name", ["mlp", pytest.param("sndcgan", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 3},
        {"bounds": None},
        {"bounds": "sphere"},
        {"subset": "random"},
        {"penalty": 0.0},
        {"method": "gd", "steps": 2, "subset": "random"},
    ],
    ids=str,
)
def test_forms_of_the_latent_step(changes, name):
    g, d = pair(name)
    assert_same((g, d), batch(g), latent=replace(NGD, **changes))


@pytest.mark.parametrize("name", ["mlp", pytest.param("sndcgan", marks=pytest.mark.slow)])
@pytest.mark.parametrize("share", [0.5, 0.3, 0.01])
@pytest.mark.parametrize("classes", [0, 3])
def test_a_share_of_the_batch_and_labels(share, classes, name):
    g, d = pair(name, classes=classes)
    assert_same((g, d), batch(g, classes=classes), share=share)


@pytest.mark.parametrize("turn", [game.discriminator_turn, game.generator_turn])
@pytest.mark.parametrize("name", ["mlp", "dcgan", pytest.param("sndcgan", marks=pytest.mark.slow)])
def test_alternating(turn, name):
    g, d = pair(name)
    real, z, labels = batch(g)
    inputs = (z, labels) if turn is game.generator_turn else (real, z, labels)
    assert_same((g, d), inputs, turn=turn)


@pytest.mark.parametrize("name", ["mlp", "dcgan", pytest.param("sndcgan", marks=pytest.mark.slow)])
def test_float32_and_channels_last(name):
    g, d = (n.to(memory_format=torch.channels_last) for n in pair(name, torch.float32))
    real, z, labels = batch(g, torch.float32)
    assert_same((g, d), (real.contiguous(memory_format=torch.channels_last), z, labels), tolerance=1e-5)


def test_bfloat16_is_as_close_to_float32_as_the_plain_version():
    g, d = pair("dcgan", dtype=torch.float32)
    exact = game.simultaneous(*copy.deepcopy((g, d)), *batch(g, torch.float32), rules=Rules(losses.hinge, NGD))
    (plain, _), (fast, _), _ = both_ways((g, d), batch(g, torch.float32), autocast=torch.bfloat16)
    for side in ("d_gradients", "g_gradients"):
        off = [error(flat(getattr(t[0], side)), flat(getattr(exact, side))) for t in (plain, fast)]
        assert 1e-4 < off[1] < max(2 * off[0], 0.05)
        assert all(x.dtype == torch.float32 for x in getattr(fast[0], side))
    assert fast[0].report["grad_z_squared"].dtype == torch.float32


def test_networks_of_ones_own():
    """Spectral norm by hooks, weight norm, instance norm, groups, in-place rectifiers, curved activations, frozen layers."""
    torch.manual_seed(0)
    g = nn.Sequential(
        nn.Linear(6, 32),
        nn.Unflatten(1, (8, 2, 2)),
        nn.BatchNorm2d(8, affine=False),
        nn.ReLU(inplace=True),
        nn.utils.parametrizations.weight_norm(nn.ConvTranspose2d(8, 4, 4, 2, 1)),
        nn.InstanceNorm2d(4, affine=True),
        nn.SiLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(4, 1, 3, padding="same"),
        nn.Tanh(),
    ).double()
    d = nn.Sequential(
        nn.utils.spectral_norm(nn.Conv2d(1, 4, 3, padding=1)),
        nn.GroupNorm(2, 4),
        nn.GELU(),
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 3, stride=2, groups=2)),
        nn.Softplus(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 1),
        nn.Flatten(0),
    ).double()
    g[8].weight.requires_grad_(False)
    real, z = torch.rand(6, 1, 8, 8, dtype=F64), torch.rand(6, 6, dtype=F64) - 0.5
    assert_same((g, d), (real, z, None))


class Deciding(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else 2 * x


@pytest.mark.parametrize(("layer", "reason"), [(nn.Dropout(0.5), "random numbers"), (Deciding(), "cannot be recorded")])
def test_what_cannot_be_recorded_is_played_as_it_is(layer, reason):
    torch.manual_seed(0)
    g = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 16)).double()
    d = nn.Sequential(nn.Linear(16, 8), layer, nn.Linear(8, 1), nn.Flatten(0)).double()
    said = []
    real, z = torch.rand(6, 16, dtype=F64), torch.rand(6, 6, dtype=F64) - 0.5
    assert_same((g, d), (real, z, None), tolerance=1e-15, announce=said.append)
    assert len(said) == 1  # two turns, one notice
    assert reason in said[0]


def test_recording_leaves_no_trace():
    g, d = pair("dcgan")
    before = copy.deepcopy([*g.state_dict().values(), *d.state_dict().values()])
    recorder = engines.Engine(g, d, "recorded", pytest.fail)
    rules = Rules(losses.hinge, NGD)
    inputs = batch(g)
    random = torch.get_rng_state()
    recorder._new(game.simultaneous, rules).entry(*inputs)
    assert all(
        torch.equal(a, b) for a, b in zip([*g.state_dict().values(), *d.state_dict().values()], before, strict=True)
    )
    assert torch.equal(random, torch.get_rng_state())
    assert all(p.grad is None for p in (*g.parameters(), *d.parameters()))


def make_game(engine, latent=NGD, **settings):
    torch.manual_seed(0)
    g, d = pair("mlp")
    return Game(
        g, d, torch.optim.Adam(g.parameters(), 1e-3), torch.optim.Adam(d.parameters(), 1e-3),
        latent=latent, engine=engine, **settings,
    )  # fmt: skip


def play(played, steps=6, sizes=(6,)):
    source = torch.Generator().manual_seed(5)
    reports = []
    for i in range(steps):
        n = sizes[i % len(sizes)]
        real = torch.rand(n, 1, 4, 4, dtype=F64, generator=source)
        turn = played.step(lambda: (real, None), lambda n: torch.rand(n, 6, dtype=F64, generator=source) * 2 - 1)  # noqa: B023
        reports.append(turn.report)
    return reports


@pytest.mark.parametrize(
    "settings", [{}, {"latent_every": 3}, {"latent_share": 0.5}, {"update": "alternating", "d_steps": 2}]
)
def test_games_stay_the_same_over_many_steps(settings):
    """Also as shapes, modes and frozen parameters change in between: another recording then."""
    plain, fast = make_game("plain", **settings), make_game("recorded", **settings)
    for each in (plain, fast):
        play(each, 4, sizes=(6, 5))
        each.generator.eval()
        play(each, 2)
        next(each.discriminator.parameters()).requires_grad_(False)
        play(each, 2)
    for a, b in zip(
        (*fast.generator.parameters(), *fast.discriminator.parameters()),
        (*plain.generator.parameters(), *plain.discriminator.parameters()),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_latent_every():
    """Steps 0, 3, 6 … are latent steps, wherever the count starts."""
    reports = play(make_game("plain", latent_every=3))
    assert ["penalty" in r for r in reports] == [True, False, False, True, False, False]
    reports = play(make_game("plain", latent_every=3, steps_played=1))
    assert ["penalty" in r for r in reports] == [False, False, True, False, False, True]


def test_latent_share_moves_the_first_of_the_batch():
    g, d = pair("mlp")
    real, z, _ = batch(g, n=8)
    moved = turns.move(g, d, z, None, Rules(latent=NGD, share=0.25))
    alone = NGD(lambda z: d(g(z)), z[:2])
    torch.testing.assert_close(moved.z, torch.cat([alone.z, z[2:]]))
    torch.testing.assert_close(moved.penalty, alone.penalty / 4)  # a mean over all eight, six of which did not move
    assert moved.scores.shape == (2,)
    turn = game.simultaneous(g, d, real, z, latent=NGD, share=0.25)
    torch.testing.assert_close(turn.report["delta_z"], alone.delta.norm(dim=1).mean())


def test_impossible_settings():
    for wrong in ({"latent_every": 0}, {"latent_share": 0.0}, {"latent_share": 1.5}, {"engine": "fast"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            make_game(**({"engine": "plain"} | wrong))


def test_falls_back_with_a_warning_by_default():
    played = make_game("recorded")
    played.discriminator.hidden.add_module("dropout", nn.Dropout(0.5))
    with pytest.warns(UserWarning, match="random numbers"):
        play(played, 2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_a_cuda_graph_without_cuda_falls_back():
    said = []
    g, d = pair("mlp")
    assert_same((g, d), batch(g), kind="cuda-graph", announce=said.append)
    assert len(said) == 1
    assert "cuda-graph does not work here" in said[0]


@pytest.mark.cuda
@pytest.mark.parametrize("kind", ["recorded", "cuda-graph"])
@pytest.mark.parametrize("name", ["mlp", "dcgan", "sndcgan"])
def test_on_cuda(name, kind):
    g, d = (n.cuda() for n in pair(name))
    real, z, _ = batch(g)
    inputs = (real.cuda(), z.cuda(), None)
    assert_same((g, d), inputs, kind=kind)
    rules = Rules(losses.hinge, NGD)
    recorder = engines.Engine(g, d, kind, pytest.fail)
    recorder.play(game.simultaneous, inputs, rules)
    recorder.checking = False
    torch.cuda.set_sync_debug_mode("error")  # nothing in a step waits for the device
    try:
        recorder.play(game.simultaneous, inputs, rules)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.slow
def test_compiled():
    """Compiled if this machine can, announced if it cannot; the same either way."""
    said = []
    g, d = pair("mlp")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same((g, d), batch(g), kind="compiled", announce=said.append)
    assert len(said) <= 1


def cifar_step(latent, engine, loss=losses.hinge, n=64):
    torch.manual_seed(0)
    g, d = networks.create("sndcgan", image_size=32, latent_dim=128)
    real, z = torch.rand(n, 3, 32, 32) * 2 - 1, torch.rand(n, 128) * 2 - 1
    rules = Rules(loss, latent)
    if engine == "plain":
        return lambda: game.simultaneous(g, d, real, z, rules=rules)
    recorder = engines.Engine(g, d, engine, pytest.fail)
    recorder.checking = False  # a check plays the plain code too
    recorder.play(game.simultaneous, (real, z, None), rules)
    return lambda: recorder.play(game.simultaneous, (real, z, None), rules)


# GFLOP of a step: of none and ngd, plain and recorded, and of ngd recorded in a zero-sum game.
OPERATIONS = {4: (8.54, 8.54, 23.81, 18.65, 16.96), 64: (136.6, 136.6, 380.9, 298.4, 271.3)}


@pytest.mark.parametrize("n", [4, pytest.param(64, marks=pytest.mark.slow)])
def test_operations_of_the_cifar_step(n):
    """In units of a forward pass: 3 of G and 7 of D for the baseline, 11 and 11 for LOGAN; 24 % less than autograd's.

    In a zero-sum game both players' passes back to z' are one.
    """
    steps = [(step, engine, losses.hinge) for step in (None, LatentStep()) for engine in ("plain", "recorded")]
    steps.append((LatentStep(), "recorded", losses.wasserstein))
    found = [count(cifar_step(*step, n)).flop / 1e9 for step in steps]
    assert found == pytest.approx(OPERATIONS[n], rel=5e-4)


@pytest.mark.slow
def test_memory_of_the_cifar_step():
    """At most 2.2 times the baseline's peak, weights and Adam's two moments included; as planned in tests/bench/test_plan.py."""
    g, d = networks.create("sndcgan", image_size=32, latent_dim=128)
    resident = 3 * 4 * networks.count_parameters(nn.ModuleList([g, d]))
    baseline, logan = (
        resident + peak_memory(cifar_step(step, "recorded"), torch.device("cpu")) for step in (None, LatentStep())
    )
    assert 1 < logan / baseline < 2.2
