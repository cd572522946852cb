"""Unrolled gradients: the unrolled graph written independently, finite differences, and the distance to SGA (eq. 22–25)."""

import copy

import pytest
import torch

from logan import LatentStep, losses, turns
from logan.dynamics import SGA, Unrolled

from .small import blocks_like, both, draws, flat, plain_losses, players, relative, turn_vector

ALPHA = 0.3


def look_ahead(at, mover, moving, staying, k, rate):
    """The moving player's parameters after k plain steps on its own loss, with their graph."""
    for _ in range(k):
        pair = (moving, staying) if mover == 0 else (staying, moving)
        step = torch.autograd.grad(at(*pair)[mover], moving, create_graph=True)
        moving = [p - rate * g for p, g in zip(moving, step, strict=True)]
    return moving


def surrogates(at, d_steps, g_steps, rate):
    """θ_D, θ_G ↦ (L_D(θ_D, θ_G^k(θ_D)), L_G(θ_D^k(θ_G), θ_G))."""

    def value(theta_d, theta_g):
        ahead_g = look_ahead(at, 1, theta_g, theta_d, g_steps, rate)
        ahead_d = look_ahead(at, 0, theta_d, theta_g, d_steps, rate)
        return at(theta_d, ahead_g)[0], at(ahead_d, theta_g)[1]

    return value


STEPS = [(1, 0), (3, 0), (0, 1), (0, 3), (1, 1), (3, 2)]


@pytest.mark.parametrize(("d_steps", "g_steps"), STEPS)
@pytest.mark.parametrize("loss", losses.LOSSES.values(), ids=losses.LOSSES)
def test_it_is_the_gradient_through_the_unrolled_graph(loss, d_steps, g_steps):
    g, d = players()
    real, z = draws()
    value = surrogates(plain_losses(g, d, real, z, loss), d_steps, g_steps, ALPHA)
    theta_d, theta_g = both(g, d)
    expected = torch.cat(
        [
            flat(torch.autograd.grad(value(theta_d, theta_g)[0], theta_d)),
            flat(torch.autograd.grad(value(theta_d, theta_g)[1], theta_g)),
        ]
    )
    turn = Unrolled(d_steps, g_steps, ALPHA)(g, d, real, z, loss=loss)
    torch.testing.assert_close(turn_vector(turn), expected, rtol=1e-10, atol=1e-12)
    now = plain_losses(g, d, real, z, loss)(theta_d, theta_g)
    torch.testing.assert_close(torch.stack([turn.d_loss, turn.g_loss]), torch.stack(now).detach())


@pytest.mark.parametrize("extra", ["none", "batch norm", "spectral norm"])
@pytest.mark.parametrize(("d_steps", "g_steps"), [(1, 1), (3, 3)])
def test_finite_differences_of_the_unrolled_losses(d_steps, g_steps, extra):
    """Central differences of L_G(θ_D^k(θ_G), θ_G) and L_D(θ_D, θ_G^k(θ_D)), relative error < 1e-6.

    The steps of the look-ahead are game.simultaneous's own gradients, so that nothing of logan.dynamics is in the value.
    """
    g, d = players(extra)
    real, z = draws()
    d(real)  # moves spectral-norm vectors off their start
    for module in d.modules():
        if hasattr(module, "_u"):
            module.eval()
    theta = both(g, d)
    size = [sum(p.numel() for p in player) for player in theta]

    def turn_at(v):
        twin_g, twin_d = copy.deepcopy((g, d))
        with torch.no_grad():
            for player, values in zip(both(twin_g, twin_d), blocks_like(v, theta), strict=True):
                for p, x in zip(player, values, strict=True):
                    p.copy_(x)
        return turns.simultaneous(twin_g, twin_d, real, z, loss=losses.non_saturating)

    def value(v, player, steps):
        other = slice(0, size[0]) if player == 1 else slice(size[0], None)
        v = v.clone()
        for _ in range(steps):
            v[other] -= ALPHA * turn_vector(turn_at(v))[other]
        turn = turn_at(v)
        return (turn.d_loss, turn.g_loss)[player].item()

    start, h = torch.cat([flat(player) for player in theta]).detach(), 1e-5
    numeric = torch.zeros_like(start)
    for i in range(len(start)):
        player = int(i >= size[0])
        change = torch.zeros_like(start)
        change[i] = h
        steps = (g_steps, d_steps)[player]
        numeric[i] = (value(start + change, player, steps) - value(start - change, player, steps)) / (2 * h)
    turn = Unrolled(d_steps, g_steps, ALPHA)(*copy.deepcopy((g, d)), real, z, loss=losses.non_saturating)
    assert relative(flat(turn.d_gradients), numeric[: size[0]]) < 1e-6
    assert relative(flat(turn.g_gradients), numeric[size[0] :]) < 1e-6
    assert relative(turn_vector(turn_at(start)), numeric) > 1e-2


def distances(alphas, difference):
    g, d = players()
    real, z = draws()
    return torch.tensor([difference(g, d, real, z, losses.wasserstein, alpha).norm().item() for alpha in alphas])


def to_sga(g, d, real, z, loss, alpha):
    unrolled = Unrolled(1, 1, alpha)(g, d, real, z, loss=loss)
    sga = SGA(2 * alpha)(g, d, real, z, loss=loss)
    return turn_vector(unrolled) - turn_vector(sga)


def to_plain(g, d, real, z, loss, alpha):
    unrolled = Unrolled(1, 1, alpha)(g, d, real, z, loss=loss)
    return turn_vector(unrolled) - turn_vector(turns.simultaneous(g, d, real, z, loss=loss))


def test_equations_23_to_25_without_real_images():
    """The zero-sum game of equation 2: unrolling once, with rate α, is SGA with λ = 2α up to O(α²).

    The real images are where D's score is constant (D of zeros without biases), so that L_D = f and L_G = −f.
    """
    alphas = [0.04, 0.02, 0.01, 0.005]
    errors = distances(alphas, lambda g, d, real, z, loss, a: to_sga(g, without_bias(d), 0 * real, z, loss, a))
    ratios = errors[:-1] / errors[1:]
    assert ((ratios > 3.8) & (ratios < 4.2)).all()
    plain = distances(alphas, lambda g, d, real, z, loss, a: to_plain(g, without_bias(d), 0 * real, z, loss, a))
    ratios = plain[:-1] / plain[1:]
    assert ((ratios > 1.9) & (ratios < 2.1)).all()  # the first-order term is there


def without_bias(d):
    with torch.no_grad():
        d[0].bias.zero_()
    d[0].bias.requires_grad_(False)
    return d


def test_with_real_images_unrolling_is_not_sga_to_first_order():
    """The part of L_D that does not depend on G breaks the zero sum: D's own step enters G's look-ahead, and half of SGA's term.

    To first order G's gradient becomes ξ_G − α (∂²L_G/∂θ_D∂θ_G)ᵀ ξ_D − α (∂²L_D/∂θ_G∂θ_D)ᵀ ∂L_G/∂θ_D: SGA has ξ_D in both.
    """
    alphas = [0.04, 0.02, 0.01, 0.005]
    errors = distances(alphas, to_sga)
    ratios = errors[:-1] / errors[1:]
    assert ((ratios > 1.9) & (ratios < 2.2)).all()
    errors = distances(alphas, to_first_order)
    ratios = errors[:-1] / errors[1:]
    assert ((ratios > 3.8) & (ratios < 4.2)).all()


def to_first_order(g, d, real, z, loss, alpha):
    at = plain_losses(g, d, real, z, loss)
    theta_d, theta_g = both(g, d)
    l_d, l_g = at(theta_d, theta_g)
    own_d, own_g = (
        torch.autograd.grad(l_d, theta_d, create_graph=True),
        torch.autograd.grad(l_g, theta_g, create_graph=True),
    )
    of_g, of_d = (
        torch.autograd.grad(l_g, theta_d, create_graph=True),
        torch.autograd.grad(l_d, theta_g, create_graph=True),
    )
    d_change = torch.autograd.grad(inner(of_d, own_g), theta_d, retain_graph=True)
    g_change = torch.autograd.grad(inner(of_g, own_d), theta_g, retain_graph=True)
    expected = torch.cat([flat(own_d) - alpha * flat(d_change), flat(own_g) - alpha * flat(g_change)])
    return turn_vector(Unrolled(1, 1, alpha)(g, d, real, z, loss=loss)) - expected


def inner(a, b):
    """⟨a, b⟩; its gradient is both terms of the product rule."""
    return flat(a) @ flat(b)


@pytest.mark.parametrize("latent", [None, LatentStep()], ids=["plain", "latent step"])
def test_no_steps_or_no_rate_is_the_plain_gradient(latent):
    rules = {"loss": losses.hinge, "latent": latent}
    g, d = players("spectral norm")
    plain = turns.simultaneous(*copy.deepcopy((g, d)), *draws(), **rules)
    for method in (Unrolled(0, 0, 0.5), Unrolled(4, 3, 0.0)):
        turn = method(*copy.deepcopy((g, d)), *draws(), **rules)
        torch.testing.assert_close(turn_vector(turn), turn_vector(plain), rtol=1e-12, atol=1e-14)
    one_sided = Unrolled(3, 0, 0.5)(*copy.deepcopy((g, d)), *draws(), **rules)
    torch.testing.assert_close(flat(one_sided.d_gradients), flat(plain.d_gradients), rtol=1e-12, atol=1e-14)
    assert relative(flat(one_sided.g_gradients), flat(plain.g_gradients)) > 1e-2
