"""The game of Δz, θ_D and θ_G, its Jacobian written out, and the way from it to LOGAN (appendix B.1, equations 13–21)."""

import copy

import pytest
import torch

from logan import LatentStep, losses, turns
from logan.dynamics import SGA, ThreePlayer, gan_field
from logan.dynamics.three_player import third_player

from .small import (
    F64,
    both,
    dense,
    draws,
    flat,
    of_parameters,
    plain_losses,
    players,
    relative,
    turn_vector,
)

LAMBDA = 0.6
LATENTS = {"no latent step": None, "ngd": LatentStep("ngd", alpha=0.7, beta=0.2, portion=0.7, penalty=0.0)}
LOSSES = pytest.mark.parametrize("loss", losses.LOSSES.values(), ids=losses.LOSSES)
BY_LATENT = pytest.mark.parametrize("latent", LATENTS.values(), ids=LATENTS)


def moved_of(g, d, z, latent):
    """z′ as a constant, and the mask of the dimensions that are Δz's."""
    if latent is None:
        return z, torch.ones_like(z)
    optimised = torch.zeros_like(z)
    optimised[:, : round(latent.portion * z.shape[1])] = 1
    return latent(lambda z: d(g(z)), z).z.detach(), optimised


class Written:
    """Equations 13 to 16 without logan's machinery: L = [η Σ_i L_G(z_i′), L_D, L_G], with Δz as the player 0."""

    def __init__(self, eta, loss, latent, n):
        self.g, self.d = players()
        self.real, z = draws(n)
        self.z_moved, self.mask = moved_of(self.g, self.d, z, latent)
        g_of, d_of = of_parameters(self.g), of_parameters(self.d)

        def losses_of(delta, theta_d, theta_g):
            fake = d_of(theta_d, g_of(theta_g, self.z_moved + delta[0] * self.mask))
            real = d_of(theta_d, self.real)
            return eta * loss.fool(fake).sum(), loss.discriminator(real, fake), loss.generator(fake)

        self.point = ((torch.zeros_like(z),), *both(self.g, self.d))
        self.xi, self.h = dense(losses_of, self.point)
        ends = torch.tensor([flat(player).numel() for player in self.point]).cumsum(0)
        self.parts = [slice(0, ends[0]), slice(ends[0], ends[1]), slice(ends[1], ends[2])]
        self.a = (self.h - self.h.T) / 2
        self.sga = self.xi + LAMBDA * self.a.T @ self.xi


@BY_LATENT
@LOSSES
@pytest.mark.parametrize(("n", "eta"), [(1, 0.3), (1, None), (4, 0.3), (4, None)])
def test_the_game_is_sga_of_three_players(n, eta, loss, latent):
    """form="game" is ξ + λAᵀξ, the rows of θ_D and θ_G, with the whole Jacobian of the three."""
    written = Written(1 / n if eta is None else eta, loss, latent, n)
    turn = ThreePlayer(LAMBDA, eta, "game")(written.g, written.d, *draws(n), loss=loss, latent=latent)
    expected = written.sga[written.parts[0].stop :]
    assert relative(turn_vector(turn), expected) < 1e-10


@BY_LATENT
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_equation_16(eta, latent):
    """N = 1, Wasserstein: A's blocks are ∓(1 + η)/2 ∂²f/∂Δz∂θ_D, (1 − η)/2 ∂²f/∂Δz∂θ_G and ∂²f/∂θ_D∂θ_G, zero within a player."""
    written = Written(eta, losses.wasserstein, latent, 1)
    g_of, d_of = of_parameters(written.g), of_parameters(written.d)

    def f(delta, theta_d, theta_g):  # one function for all three: its Hessian is symmetric
        value = d_of(theta_d, g_of(theta_g, written.z_moved + delta[0] * written.mask)).sum()
        return value, value, value

    gradient, hessian = dense(f, written.point)
    z, d, g = written.parts
    a, close = written.a, {"rtol": 1e-11, "atol": 1e-13}
    torch.testing.assert_close(a[z, d], -(1 + eta) / 2 * hessian[z, d], **close)
    torch.testing.assert_close(a[d, z], (1 + eta) / 2 * hessian[d, z], **close)
    torch.testing.assert_close(a[z, g], (1 - eta) / 2 * hessian[z, g], **close)
    torch.testing.assert_close(a[g, z], -(1 - eta) / 2 * hessian[g, z], **close)
    torch.testing.assert_close(a[d, g], hessian[d, g], **close)
    torch.testing.assert_close(a[g, d], -hessian[g, d], **close)
    for part in written.parts:
        torch.testing.assert_close(a[part, part], torch.zeros_like(a[part, part]), **close)
    assert hessian[z, d].norm() > 1e-2
    assert hessian[z, g].norm() > 1e-2
    torch.testing.assert_close(written.xi[z], -eta * gradient[z], **close)  # equation 14
    # Equations 17 and 18 follow from these with λγη, not λγ, in the first term.
    turn = ThreePlayer(LAMBDA, eta, "game")(written.g, written.d, *draws(1), loss=losses.wasserstein, latent=latent)
    by_z = gradient[z]
    want_d = written.xi[d] + LAMBDA * eta * (1 + eta) / 2 * hessian[z, d].T @ by_z - LAMBDA * a[d, g] @ written.xi[g]
    want_g = written.xi[g] - LAMBDA * eta * (1 - eta) / 2 * hessian[z, g].T @ by_z - LAMBDA * a[g, d] @ written.xi[d]
    torch.testing.assert_close(flat(turn.d_gradients), want_d, **close)
    torch.testing.assert_close(flat(turn.g_gradients), want_g, **close)


@BY_LATENT
def test_printed_equations_17_and_18_lack_the_factor_eta(latent):
    """The latent terms of "printed" are those of "game" divided by η: by_D and by_G below, computed from the whole Jacobian."""
    eta = 0.3
    written = Written(eta, losses.wasserstein, latent, 1)
    z, d, g = written.parts
    batch, rules = draws(1), {"loss": losses.wasserstein, "latent": latent}
    game, printed = (
        ThreePlayer(LAMBDA, eta, form)(written.g, written.d, *batch, **rules) for form in ("game", "printed")
    )
    latent_d, latent_g = (LAMBDA * written.a[z, part].T @ written.xi[z] for part in (d, g))
    cross_d, cross_g = LAMBDA * written.a[g, d].T @ written.xi[g], LAMBDA * written.a[d, g].T @ written.xi[d]
    close = {"rtol": 1e-11, "atol": 1e-13}
    torch.testing.assert_close(flat(game.d_gradients), written.xi[d] + latent_d + cross_d, **close)
    torch.testing.assert_close(flat(game.g_gradients), written.xi[g] + latent_g + cross_g, **close)
    torch.testing.assert_close(flat(printed.d_gradients), written.xi[d] + latent_d / eta + cross_d, **close)
    torch.testing.assert_close(flat(printed.g_gradients), written.xi[g] + latent_g / eta + cross_g, **close)
    assert relative(turn_vector(printed), turn_vector(game)) > 1e-3
    # with η = 1 the two are one
    game, printed = (
        ThreePlayer(LAMBDA, 1.0, form)(written.g, written.d, *batch, **rules) for form in ("game", "printed")
    )
    torch.testing.assert_close(turn_vector(printed), turn_vector(game), **close)


@BY_LATENT
@LOSSES
def test_what_the_forms_differ_by(loss, latent):
    """printed − no-cross is the two players' λAᵀξ at z′; no-cross and local are one where Δz = 0, and only there."""
    g, d = players()
    real, z = draws()
    z_moved, _ = moved_of(g, d, z, latent)
    turn = {
        form: turn_vector(ThreePlayer(LAMBDA, 0.2, form)(g, d, real, z, loss=loss, latent=latent))
        for form in ("printed", "no-cross", "local")
    }
    xi, h = dense(plain_losses(g, d, real, z_moved, loss), both(g, d))
    cross = LAMBDA * ((h - h.T) / 2).T @ xi
    torch.testing.assert_close(turn["printed"] - turn["no-cross"], cross, rtol=1e-10, atol=1e-12)
    if latent is None:
        torch.testing.assert_close(turn["no-cross"], turn["local"], rtol=1e-12, atol=1e-14)
    else:
        assert relative(turn["no-cross"], turn["local"]) > 1e-3
    assert relative(turn["no-cross"], xi) > 1e-3


@LOSSES
@pytest.mark.parametrize("extra", ["none", "spectral norm", "batch norm", "dropout"])
def test_local_is_equation_8(extra, loss):
    """local with λ, η = 0 and the latent step of α = λ/2 is what differentiating through that latent step yields."""
    strength = 0.8
    latent = LatentStep("gd", alpha=strength / 2, portion=0.5, penalty=0.0, bounds=None)
    g, d = players(extra)
    turn_of, results = {}, {}
    for name, method in (("eq. 8", turns.simultaneous), ("local", ThreePlayer(strength, 0.0, "local"))):
        torch.manual_seed(8)
        turn_of[name] = method(*copy.deepcopy((g, d)), *draws(), loss=loss, latent=latent)
        results[name] = turn_vector(turn_of[name])
    torch.testing.assert_close(results["local"], results["eq. 8"], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(turn_of["local"].d_loss, turn_of["eq. 8"].d_loss.detach())
    torch.testing.assert_close(turn_of["local"].g_loss, turn_of["eq. 8"].g_loss.detach())
    torch.manual_seed(8)
    stopped = LatentStep("gd", alpha=strength / 2, portion=0.5, penalty=0.0, bounds=None, stop_gradient="both")
    assert relative(turn_vector(turns.simultaneous(g, d, *draws(), loss=loss, latent=stopped)), results["local"]) > 1e-3


@LOSSES
def test_local_is_equation_8_where_a_share_of_the_batch_is_moved(loss):
    """Latents that are not moved have no Δz: no term of theirs."""
    latent = LatentStep("gd", alpha=0.4, portion=0.5, penalty=0.0, bounds=None)
    rules = {"loss": loss, "latent": latent, "share": 0.6}
    g, d = players()
    expected = turn_vector(turns.simultaneous(g, d, *draws(), **rules))
    local = turn_vector(ThreePlayer(0.8, 0.0, "local")(g, d, *draws(), **rules))
    torch.testing.assert_close(local, expected, rtol=1e-12, atol=1e-13)


@BY_LATENT
@LOSSES
def test_with_eta_of_one_over_n_the_generator_is_not_coupled_to_the_latents(loss, latent):
    """Δz and G share one loss then, (1/N) Σ L_G(z_i′), and a game with one loss has a symmetric Jacobian: that block of A is 0."""
    for n in (1, 2, 5):
        with third_player(*players(), *draws(n), loss=loss, latent=latent) as table:
            field = table.game(1 / n)
            _, h = dense(field.losses, field.players)
        a, sizes = (h - h.T) / 2, [flat(player).numel() for player in field.players]
        z, g = slice(0, sizes[0]), slice(sizes[0] + sizes[1], None)
        assert a[z, g].abs().max() < 1e-14
        assert h[z, g].abs().max() > 1e-3
        assert a[z, sizes[0] : sizes[0] + sizes[1]].abs().max() > 1e-3
        # so G's gradient is that of two players, while D's is not
        g_net, d_net = players()
        z_moved, _ = moved_of(g_net, d_net, draws(n)[1], latent)
        three = ThreePlayer(LAMBDA, None, "game")(g_net, d_net, *draws(n), loss=loss, latent=latent)
        two = SGA(LAMBDA)(g_net, d_net, draws(n)[0], z_moved, loss=loss)
        torch.testing.assert_close(flat(three.g_gradients), flat(two.g_gradients), rtol=1e-11, atol=1e-13)
        assert relative(flat(three.d_gradients), flat(two.d_gradients)) > 1e-4


@BY_LATENT
@pytest.mark.parametrize(("n", "eta"), [(1, 0.3), (2, 0.5), (5, 0.2), (5, 0.7)])
def test_the_latent_terms_of_a_batch(n, eta, latent):
    """ "game" has λη(1 ± ηN)/2 times a mean over the batch where "printed" has λ(1 ± η)/2: at η = 1/N λ/N for D, 0 for G."""
    g, d = players()
    real, z = draws(n)
    z_moved, _ = moved_of(g, d, z, latent)
    two = SGA(LAMBDA)(g, d, real, z_moved, loss=losses.wasserstein)
    exact, printed = (
        ThreePlayer(LAMBDA, eta, form)(g, d, real, z, loss=losses.wasserstein, latent=latent)
        for form in ("game", "printed")
    )
    for player, sign in (("d_gradients", 1), ("g_gradients", -1)):
        got, as_printed = (flat(getattr(turn, player)) - flat(getattr(two, player)) for turn in (exact, printed))
        expected = as_printed * eta * (1 + sign * eta * n) / (1 + sign * eta)
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-13)
        assert as_printed.norm() > 1e-4


def test_of_takes_any_field():
    g, d = players()
    with gan_field(g, d, *draws()) as (field, _):
        for got, expected in zip(ThreePlayer(0.3).of(field), SGA(0.3).of(field), strict=True):
            torch.testing.assert_close(flat(got), flat(expected), rtol=0, atol=0)
    assert flat(got).dtype == F64
