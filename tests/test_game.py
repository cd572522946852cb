"""Both players' gradients through z′: finite differences in float64, equation 8 term by term, and what a step updates."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from logan import LatentStep, game, losses
from logan.side_effects import held

F64 = torch.float64
STEPS = {
    "gd": LatentStep("gd", alpha=0.3, portion=0.75, penalty=0.4),
    "ngd": LatentStep("ngd", alpha=0.9, beta=0.2, portion=0.75, penalty=0.4),
}


def players(activation=nn.Tanh, batch_norm=False):
    """A small G and D in float64. Smooth activations, so that finite differences converge."""
    torch.manual_seed(3)
    norm = [nn.BatchNorm1d(7)] if batch_norm else []
    g = nn.Sequential(nn.Linear(4, 7), *norm, activation(), nn.Linear(7, 3)).double()
    d = nn.Sequential(nn.Linear(3, 6), activation(), nn.Linear(6, 1), nn.Flatten(0)).double()
    return g, d


def draws(n=5):
    torch.manual_seed(4)
    return torch.randn(n, 3, dtype=F64), (torch.rand(n, 4, dtype=F64) * 2 - 1) * 0.5


def numeric(value, network, h=1e-5):
    """Central differences of ``value()`` with respect to every parameter of ``network``, as one vector."""
    out = []
    with torch.no_grad():
        for p in network.parameters():
            flat = p.view(-1)
            for i in range(flat.numel()):
                old = flat[i].item()
                flat[i] = old + h
                up = float(value())
                flat[i] = old - h
                down = float(value())
                flat[i] = old
                out.append((up - down) / (2 * h))
    return torch.tensor(out, dtype=F64)


def flat(gradients):
    return torch.cat([g.flatten() for g in gradients])


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def losses_at(g, d, real, z, loss, latent, frozen=None):
    """(L_D, L_G) as numbers; ``frozen`` = (z′, R_z): held constant instead of recomputed."""
    with torch.enable_grad():
        if frozen is None:
            moved = latent(lambda z: d(g(z)), z)
            z1, penalty = moved.z, moved.penalty
        else:
            z1, penalty = frozen
        fake = d(g(z1))
        l_d = loss.discriminator(d(real), fake) + (penalty if latent.penalty_in == "both" else 0)
        return l_d.item(), (loss.generator(fake) + penalty).item()


@pytest.mark.parametrize("stop", ["none", "generator", "discriminator", "both"])
@pytest.mark.parametrize("method", STEPS)
@pytest.mark.parametrize("loss", losses.LOSSES.values(), ids=losses.LOSSES)
def test_gradients_agree_with_finite_differences(loss, method, stop):
    """Relative error < 1e-6, for every loss, method and stop-gradient; and the second-order term is really there."""
    g, d = players()
    real, z = draws()
    latent = replace(STEPS[method], stop_gradient=stop)
    turn = game.simultaneous(g, d, real, z, loss=loss, latent=latent)
    moved = latent(lambda z: d(g(z)), z)
    constant = (moved.z.detach(), moved.penalty.detach())
    for player, index, network, gradients in (
        ("discriminator", 0, d, turn.d_gradients),
        ("generator", 1, g, turn.g_gradients),
    ):
        through = numeric(lambda i=index: losses_at(g, d, real, z, loss, latent)[i], network)
        detached = numeric(lambda i=index: losses_at(g, d, real, z, loss, latent, frozen=constant)[i], network)
        stopped = stop in (player, "both")
        assert relative(flat(gradients), detached if stopped else through) < 1e-6
        assert relative(through, detached) > 1e-3  # the term is not small, so the line above can fail


@pytest.mark.parametrize("method", STEPS)
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("penalty_in", ["generator", "both"])
def test_several_steps_and_penalty_in_both(method, steps, penalty_in):
    g, d = players()
    real, z = draws()
    latent = replace(STEPS[method], steps=steps, penalty_in=penalty_in, penalty=2.0)
    turn = game.simultaneous(g, d, real, z, loss=losses.wasserstein, latent=latent)
    for index, network, gradients in ((0, d, turn.d_gradients), (1, g, turn.g_gradients)):
        expected = numeric(lambda i=index: losses_at(g, d, real, z, losses.wasserstein, latent)[i], network)
        assert relative(flat(gradients), expected) < 1e-6
    other = replace(latent, penalty_in="both" if penalty_in == "generator" else "generator")
    swapped = game.simultaneous(g, d, real, z, loss=losses.wasserstein, latent=other)
    assert relative(flat(swapped.d_gradients), flat(turn.d_gradients)) > 1e-3
    assert relative(flat(swapped.g_gradients), flat(turn.g_gradients)) < 1e-12


def test_batch_norm_in_training_mode_and_leaky_relu():
    """Batch statistics couple the samples in f; the gradients are still exact. Leaky ReLU: exact away from its kinks."""
    g, d = players(nn.LeakyReLU, batch_norm=True)
    real, z = draws()
    latent = STEPS["ngd"]
    turn = game.simultaneous(g, d, real, z, latent=latent)
    for index, network, gradients in ((0, d, turn.d_gradients), (1, g, turn.g_gradients)):
        expected = numeric(lambda i=index: losses_at(g, d, real, z, losses.hinge, latent)[i], network, h=1e-6)
        assert relative(flat(gradients), expected) < 1e-6


@pytest.mark.parametrize("method", STEPS)
def test_alternating_turns_have_the_same_gradients(method):
    g, d = players()
    real, z = draws()
    for stop in ("none", "generator", "discriminator", "both"):
        latent = replace(STEPS[method], stop_gradient=stop)
        both = game.simultaneous(g, d, real, z, latent=latent)
        d_turn = game.discriminator_turn(g, d, real, z, latent=latent)
        g_turn = game.generator_turn(g, d, z, latent=latent)
        torch.testing.assert_close(flat(d_turn.d_gradients), flat(both.d_gradients), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(flat(g_turn.g_gradients), flat(both.g_gradients), rtol=1e-12, atol=1e-14)
        assert d_turn.g_gradients == g_turn.d_gradients == []


class Bilinear:
    """f(z) = θ_Dᵀ Θ_G z: G(z) = Θ_G z, D(x) = θ_Dᵀ x. With u = Θ_Gᵀ θ_D, g = u for every z."""

    def __init__(self):
        torch.manual_seed(5)
        self.g = nn.Linear(4, 3, bias=False).double()
        self.d = nn.Sequential(nn.Linear(3, 1, bias=False), nn.Flatten(0)).double()
        self.theta_g, self.theta_d = self.g.weight.detach(), self.d[0].weight.detach()[0]
        self.u = self.theta_g.T @ self.theta_d
        self.real, self.z = torch.zeros(6, 3, dtype=F64), torch.rand(6, 4, dtype=F64) - 0.5
        self.z_mean = self.z.mean(0)

    def turn(self, latent):
        return game.simultaneous(self.g, self.d, self.real, self.z, loss=losses.wasserstein, latent=latent)


def test_equation_8_term_by_term_gd():
    """∂f(z′)/∂θ + α (∂²f/∂z∂θ)ᵀ ∂f/∂z′, each term by itself, for both players."""
    game_, alpha = Bilinear(), 0.3
    u, theta_d, theta_g = game_.u, game_.theta_d, game_.theta_g
    latent = LatentStep("gd", alpha=alpha, portion=1.0, penalty=0.0, bounds=None)
    first_d, first_g = theta_g @ (game_.z_mean + alpha * u), -torch.outer(theta_d, game_.z_mean + alpha * u)
    second_d, second_g = alpha * theta_g @ u, -alpha * torch.outer(theta_d, u)
    for stop, want_d, want_g in (
        ("none", first_d + second_d, first_g + second_g),
        ("generator", first_d + second_d, first_g),
        ("discriminator", first_d, first_g + second_g),
        ("both", first_d, first_g),
    ):
        turn = game_.turn(replace(latent, stop_gradient=stop))
        torch.testing.assert_close(turn.d_gradients[0][0], want_d, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(turn.g_gradients[0], want_g, rtol=1e-12, atol=1e-14)


def test_equation_7_with_natural_gradient_and_penalty():
    """f(z′) = θ_DᵀΘ_G z + α s/(β + s) with s = ‖u‖², and R_z = w α² s/(β + s)²: derivatives by hand."""
    game_, alpha, beta, w = Bilinear(), 0.9, 0.4, 3.0
    u, theta_d, theta_g = game_.u, game_.theta_d, game_.theta_g
    s = u @ u
    latent = LatentStep("ngd", alpha=alpha, beta=beta, portion=1.0, penalty=w, bounds=None)
    turn = game_.turn(latent)
    gain = 2 * alpha * beta / (beta + s) ** 2  # d/ds of α s/(β+s), times ∂s/∂· = 2 …
    ridge = 2 * w * alpha**2 * (beta - s) / (beta + s) ** 3
    want_d = theta_g @ game_.z_mean + gain * theta_g @ u
    want_g = -torch.outer(theta_d, game_.z_mean) + (ridge - gain) * torch.outer(theta_d, u)
    torch.testing.assert_close(turn.d_gradients[0][0], want_d, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(turn.g_gradients[0], want_g, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(turn.report["grad_z_squared"], s)
    torch.testing.assert_close(turn.report["delta_z"], alpha * s.sqrt() / (beta + s))


def test_without_latent_step_it_is_the_ordinary_gan():
    g, d = players()
    real, z = draws()
    turn = game.simultaneous(g, d, real, z, loss=losses.hinge)
    l_d = losses.hinge.discriminator(d(real), d(g(z)))
    l_g = losses.hinge.generator(d(g(z)))
    torch.testing.assert_close(flat(turn.d_gradients), flat(torch.autograd.grad(l_d, list(d.parameters()))))
    torch.testing.assert_close(flat(turn.g_gradients), flat(torch.autograd.grad(l_g, list(g.parameters()))))


def test_what_a_turn_reports():
    """R_z, ‖g‖², ‖Δz‖, and f(z′) − f(z), each a mean over the batch."""
    g, d = players()
    real, z = draws()
    step = LatentStep("ngd", alpha=0.5, bounds=None)
    moved = step(lambda z: d(g(z)), z)
    report = game.simultaneous(g, d, real, z, latent=step).report
    expected = {
        "penalty": moved.penalty,
        "grad_z_squared": moved.gradient.square().sum(1).mean(),
        "delta_z": moved.delta.norm(dim=1).mean(),
        "score_gain": (d(g(moved.z)) - d(g(z))).mean(),
        "real_score": d(real).mean(),
        "fake_score": d(g(moved.z)).mean(),
    }
    assert report.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(report[name].double(), value.detach(), rtol=1e-5, atol=1e-7)


def conv_players():
    """With everything that moves: batch norm in G and D, spectral norm in D."""
    torch.manual_seed(0)
    sn = nn.utils.parametrizations.spectral_norm
    g = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3), nn.Tanh())
    d = nn.Sequential(sn(nn.Linear(3, 6)), nn.BatchNorm1d(6), nn.LeakyReLU(0.1), sn(nn.Linear(6, 1)), nn.Flatten(0))
    return g, d


def make_game(update="simultaneous", d_steps=1, latent=None):
    g, d = conv_players()
    return game.Game(
        g,
        d,
        torch.optim.SGD(g.parameters(), lr=0.1),
        torch.optim.SGD(d.parameters(), lr=0.1),
        latent=latent,
        update=update,
        d_steps=d_steps,
    )


def feed(batch=16):
    return (lambda: (torch.rand(batch, 3) * 2 - 1, None)), (lambda n: torch.rand(n, 4) * 2 - 1)


@pytest.mark.parametrize("stop", ["none", "generator"])
@pytest.mark.parametrize("steps", [1, 4])
def test_statistics_and_vectors_move_once_per_step(stop, steps):
    latent = LatentStep(stop_gradient=stop, steps=steps)
    played, alone = make_game(latent=latent), make_game()
    torch.manual_seed(1)
    real, z = feed()[0]()[0], feed()[1](16)
    vectors = copy.deepcopy(played.discriminator)
    turn = played.step(lambda: (real, None), lambda n: z)
    assert played.generator[1].num_batches_tracked == 1
    assert played.discriminator[1].num_batches_tracked == 1
    # the one power iteration that an ordinary pass makes
    vectors(torch.zeros(2, 3))
    for name in ("_u", "_v"):
        got = getattr(played.discriminator[0].parametrizations.weight[0], name)
        assert torch.equal(got, getattr(vectors[0].parametrizations.weight[0], name))
    # G's running statistics are those of the pass at z′
    with held(alone.generator, alone.discriminator):
        moved = latent(lambda z: alone.discriminator(alone.generator(z)), z)
        hidden = alone.generator[0](moved.z)
    torch.testing.assert_close(played.generator[1].running_mean, 0.1 * hidden.mean(0))
    assert turn.d_loss.isfinite()


@pytest.mark.parametrize("norm", ["dropout", "batch norm"])
def test_the_ablations_share_values_and_differ_in_gradients_only(norm):
    """Whatever is stopped, both players' losses are values of one f at one z′, with the same dropout mask."""

    def losses_with(stop):
        torch.manual_seed(6)
        extra = nn.Dropout(0.5) if norm == "dropout" else nn.BatchNorm1d(6)
        g, d = players()
        d = nn.Sequential(d[0], extra.double(), *d[1:])
        torch.manual_seed(7)
        latent = replace(STEPS["ngd"], stop_gradient=stop)
        turn = game.simultaneous(g, d, *draws(), loss=losses.wasserstein, latent=latent)
        return turn.d_loss, turn.g_loss, torch.get_rng_state(), turn.g_gradients[0]

    free = losses_with("none")
    for stop in ("generator", "discriminator", "both"):
        stopped = losses_with(stop)
        assert torch.equal(stopped[0], free[0])
        assert torch.equal(stopped[1], free[1])
        assert torch.equal(stopped[2], free[2])
        assert torch.equal(stopped[3], free[3]) == (stop == "discriminator")


def test_alternating_moves_each_network_once_per_update_of_it():
    played = make_game("alternating", d_steps=3, latent=LatentStep())
    calls = {"reals": 0, "latents": 0}
    reals, latents = feed()

    def counted_reals():
        calls["reals"] += 1
        return reals()

    def counted_latents(n):
        calls["latents"] += 1
        return latents(n)

    played.step(counted_reals, counted_latents)
    assert played.generator[1].num_batches_tracked == 1
    assert played.discriminator[1].num_batches_tracked == 3
    assert calls == {"reals": 3, "latents": 4}


def test_each_turn_updates_its_own_player_only():
    g, d = conv_players()
    real, z = torch.rand(8, 3), torch.rand(8, 4)
    before_g, before_d = copy.deepcopy(g.state_dict()), copy.deepcopy(d.state_dict())
    game.discriminator_turn(g, d, real, z, latent=LatentStep())
    assert all(torch.equal(v, before_g[k]) for k, v in g.state_dict().items())
    d.load_state_dict(before_d)
    game.generator_turn(g, d, z, latent=LatentStep())
    assert all(torch.equal(v, before_d[k]) for k, v in d.state_dict().items())


def test_both_updates_use_the_gradients_before_either():
    """Simultaneous means that G's gradient is taken at the old D."""
    played = make_game(latent=LatentStep())
    g, d = copy.deepcopy(played.generator), copy.deepcopy(played.discriminator)
    real, z = torch.rand(8, 3), torch.rand(8, 4)
    turn = game.simultaneous(g, d, real, z, latent=LatentStep())
    played.step(lambda: (real, None), lambda n: z)
    for network, old, gradients in (
        (played.generator, g, turn.g_gradients),
        (played.discriminator, d, turn.d_gradients),
    ):
        for new, p, gradient in zip(network.parameters(), old.parameters(), gradients, strict=True):
            torch.testing.assert_close(new, p - 0.1 * gradient)


def test_frozen_parameters_are_left_out():
    played = make_game(latent=LatentStep())
    played.discriminator[0].parametrizations.weight.original.requires_grad_(False)
    kept = played.discriminator[0].parametrizations.weight.original.clone()
    played.step(*feed())
    assert torch.equal(played.discriminator[0].parametrizations.weight.original, kept)


def test_autocast_gradients_are_close_and_wide():
    g, d = (network.float() for network in players())
    real, z = torch.randn(256, 3), torch.rand(256, 4) * 2 - 1
    full = game.simultaneous(g, d, real, z, latent=LatentStep(beta=1.0))
    half = game.simultaneous(g, d, real, z, latent=LatentStep(beta=1.0), autocast=torch.bfloat16)
    assert all(x.dtype == torch.float32 for x in half.g_gradients + half.d_gradients)
    assert 0 < relative(flat(half.d_gradients), flat(full.d_gradients)) < 0.05
    assert 0 < relative(flat(half.g_gradients), flat(full.g_gradients)) < 0.05


def test_impossible_games():
    with pytest.raises(ValueError, match="alternating"):
        make_game("simultaneous", d_steps=2)
    with pytest.raises(ValueError, match="update"):
        make_game("together")
    with pytest.raises(ValueError, match="d_steps"):
        make_game("alternating", d_steps=0)
    with pytest.raises(ValueError, match="LatentStep"):
        make_game("simultaneous", latent="ngd")


def test_step_says_that_it_takes_functions():
    real, z = draws()
    played = make_game("simultaneous")
    for arguments in ((real, z), (lambda: (real, None), z)):
        with pytest.raises(TypeError, match="step takes functions"):
            played.step(*arguments)
    assert played.steps_played == 0
