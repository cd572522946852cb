"""SGA against ξ + λAᵀξ with the whole Jacobian written out, equation 6 by hand, and the sign that alignment chooses."""

import copy

import pytest
import torch

from logan import LatentStep, losses, turns
from logan.dynamics import SGA, Field, gan_field

from .small import (
    F64,
    blocks_like,
    both,
    dense,
    draws,
    flat,
    numeric_jacobian,
    plain_losses,
    players,
    relative,
    turn_vector,
    vector,
)

LATENTS = {"plain": None, "latent step": LatentStep("gd", alpha=0.3, portion=0.7, penalty=0.4)}
EXTRAS = ["none", "spectral norm", "batch norm"]


@pytest.mark.parametrize("latent", LATENTS.values(), ids=LATENTS)
@pytest.mark.parametrize("loss", [losses.hinge, losses.non_saturating, losses.wasserstein], ids=lambda x: x.name)
@pytest.mark.parametrize("extra", EXTRAS)
def test_sga_is_its_formula_with_the_whole_jacobian(extra, loss, latent):
    """Relative error < 1e-9; and products with H and Hᵀ, for a vector of its own, likewise."""
    rules = {"loss": loss, "latent": latent}
    g, d = players(extra)
    with gan_field(*copy.deepcopy((g, d)), *draws(), **rules) as (field, _):
        xi, h = dense(field.losses, field.players)
        torch.manual_seed(6)
        v = torch.randn_like(xi)
        blocks = blocks_like(v, field.players)
        assert relative(vector(field.times(blocks)), h @ v) < 1e-9
        assert relative(vector(field.transposed_times(blocks)), h.T @ v) < 1e-9
    a = (h - h.T) / 2
    turn = SGA(0.8)(*copy.deepcopy((g, d)), *draws(), **rules)
    assert relative(turn_vector(turn), xi + 0.8 * a.T @ xi) < 1e-9
    assert relative(xi, turn_vector(turn)) > 1e-3
    simultaneous = turns.simultaneous(*copy.deepcopy((g, d)), *draws(), **rules)
    assert relative(turn_vector(simultaneous), xi) < 1e-12


@pytest.mark.parametrize("latent", LATENTS.values(), ids=LATENTS)
@pytest.mark.parametrize("extra", EXTRAS)
def test_the_jacobian_is_that_of_simultaneous_by_finite_differences(extra, latent):
    """Nothing of logan.dynamics is in the expected value: central differences of turns.simultaneous's gradients."""
    g, d = players(extra, hidden=3)
    rules = {"loss": losses.non_saturating, "latent": latent}
    if extra == "spectral norm":  # at a fixed point of the power iteration, its vectors do not depend on the weights
        for _ in range(200):
            d(draws()[0])

    def turn(g, d):
        hold(d)
        return turns.simultaneous(g, d, *draws(), **rules)

    h = numeric_jacobian(turn, g, d)
    hold(d)
    xi = turn_vector(turns.simultaneous(*copy.deepcopy((g, d)), *draws(), **rules))
    adjusted = turn_vector(SGA(0.8)(g, d, *draws(), **rules))
    assert relative(adjusted, xi + 0.8 * ((h - h.T) / 2).T @ xi) < 1e-6


def hold(d):
    """Spectral-norm vectors stay where they are: H is the Jacobian at fixed vectors, as it is within one step."""
    for module in d.modules():
        if hasattr(module, "_u"):
            module.eval()


@pytest.mark.parametrize("with_real", [False, True], ids=["equation 2", "with real images"])
def test_equation_6_by_hand(with_real):
    """Zero-sum: D gets +λ (∂²f/∂θ_G∂θ_D)ᵀ ∂f/∂θ_G and G gets +λ (∂²f/∂θ_D∂θ_G)ᵀ ∂f/∂θ_D, f the mean score of fakes.

    Equation 2 leaves the real images out. With them, the last ∂f/∂θ_D is D's whole gradient.
    """
    g, d = players()
    real, z = draws()
    at = plain_losses(g, d, real, z)
    theta_d, theta_g = both(g, d)
    f = -at(theta_d, theta_g)[1]
    by_d, by_g = (torch.autograd.grad(f, theta, create_graph=True) for theta in (theta_d, theta_g))
    mixed = torch.stack([flat(torch.autograd.grad(x, theta_d, retain_graph=True)) for x in flat(by_g)])  # ∂²f/∂θ_G∂θ_D
    by_d, by_g = flat(by_d).detach(), flat(by_g).detach()
    if with_real:
        by_d = flat(torch.autograd.grad(at(theta_d, theta_g)[0], theta_d))
        got = turn_vector(SGA(0.6)(g, d, real, z, loss=losses.wasserstein))
    else:
        field = Field(lambda d, g: [-at(d, g)[1], at(d, g)[1]], (theta_d, theta_g))
        got = vector(SGA(0.6).of(field)).detach()
    expected = torch.cat([by_d + 0.6 * mixed.T @ by_g, -by_g + 0.6 * mixed @ by_d])
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-13)


def test_three_players():
    """Any number of players, each with terms of its own."""
    torch.manual_seed(7)
    theta = tuple((torch.randn(n, dtype=F64, requires_grad=True),) for n in (2, 3, 4))
    m = [torch.randn(9, 9, dtype=F64) for _ in theta]

    def losses_of(*players):
        v = torch.cat([x for player in players for x in player])
        return [torch.tanh(w @ v).square().sum() + (v @ w @ v) for w in m]

    xi, h = dense(losses_of, theta)
    got = vector(SGA(0.4).of(Field(losses_of, theta)))
    assert relative(got, xi + 0.4 * ((h - h.T) / 2).T @ xi) < 1e-12


class Rotating:
    """L_1 = ½a x² + cxy, L_2 = ½a y² − cxy: H = [[a, c], [−c, a]], stable at 0 if and only if a > 0.

    Hᵀξ = aξ + Aᵀξ, ⟨ξ, Hᵀξ⟩ = a‖ξ‖², ⟨Aᵀξ, Hᵀξ⟩ = c²‖ξ‖²: Algorithm 1 takes the sign of ac²‖ξ‖⁴/2 + 0.1.
    """

    def __init__(self, a, c):
        self.a, self.c = a, c

    def field(self, v):
        x, y = (part.clone().requires_grad_() for part in v)

        def losses_of(first, second):
            (x,), (y,) = first, second
            return self.a * x * x / 2 + self.c * x * y, self.a * y * y / 2 - self.c * x * y

        return Field(losses_of, ((x,), (y,)))

    def at_distance(self, product):
        """A point where |a|c²‖ξ‖⁴/2 is ``product``; ‖ξ‖² = (a² + c²)‖v‖²."""
        xi_squared = (2 * product / (abs(self.a) * self.c**2)) ** 0.5
        direction = torch.tensor([0.6, 0.8], dtype=F64)
        return direction * (xi_squared / (self.a**2 + self.c**2)) ** 0.5

    def adjustment(self, method, v):
        field = self.field(v)
        return vector(method.of(field)).detach().flatten() - vector(field.xi).detach().flatten()


@pytest.mark.parametrize(
    ("a", "product", "sign"),
    [(-0.5, 0.11, -1), (-0.5, 0.09, 1), (-0.5, 50.0, -1), (0.5, 0.09, 1), (0.5, 0.11, 1), (0.5, 50.0, 1)],
)
def test_alignment_flips_the_sign_exactly_where_algorithm_1_does(a, product, sign):
    """At an unstable fixed point −1, but within ε = 0.1 of doubt +1; at a stable one always +1. The size is the same."""
    rotating = Rotating(a, c=1.5)
    v = rotating.at_distance(product)
    plain = rotating.adjustment(SGA(0.7), v)
    aligned = rotating.adjustment(SGA(0.7, align=True), v)
    assert plain.norm() > 0.1
    torch.testing.assert_close(aligned, sign * plain, rtol=1e-12, atol=1e-14)


def test_the_product_is_divided_by_the_number_of_parameters():
    """d copies of one game: ⟨ξ, Hᵀξ⟩⟨Aᵀξ, Hᵀξ⟩ is d² times as large, and so d times after the division."""
    one = Rotating(-0.5, c=1.5)
    for copies, product, sign in ((4, 0.09 / 4, 1), (4, 0.11 / 4, -1)):
        v = one.at_distance(product)
        field = one.field(torch.stack([x.expand(copies) for x in v]))
        losses_of = field.losses
        field.losses = lambda *players, of=losses_of: [x.sum() for x in of(*players)]
        added = vector(SGA(1.0, align=True).of(field)) - vector(field.xi)
        expected = sign * vector(SGA(1.0).of(field)) - sign * vector(field.xi)
        torch.testing.assert_close(added, expected, rtol=1e-12, atol=1e-14)


def test_aligned_sga_leaves_an_unstable_fixed_point_that_plain_sga_is_drawn_to():
    ends = {}
    for align in (False, True):
        rotating, v = Rotating(-0.5, c=1.5), torch.tensor([0.6, 0.8], dtype=F64)
        for _ in range(100):
            v = v - 0.05 * vector(SGA(1.0, align=align).of(rotating.field(v))).detach().flatten()
        ends[align] = v.norm()
    assert ends[False] < 0.1
    assert ends[True] > 10


def test_alignment_on_a_gan():
    """The sign computed from the whole Jacobian, on batches where it is either."""
    signs = set()
    for seed, scale in ((0, 2.0), (1, 2.0), (10, 2.0), (11, 2.0), (13, 2.0)):
        g, d = players()
        torch.manual_seed(seed)
        real, z = torch.randn(4, 2, dtype=F64), torch.randn(4, 3, dtype=F64)
        with torch.no_grad():
            for p in [*g.parameters(), *d.parameters()]:
                p.copy_(torch.randn_like(p) * scale / 2)
        xi, h = dense(plain_losses(g, d, real, z, losses.non_saturating), both(g, d))
        rotated = ((h - h.T) / 2).T @ xi
        product = (xi @ h.T @ xi) * (rotated @ h.T @ xi) / len(xi)
        sign = 1 if product + 0.1 >= 0 else -1
        signs.add(sign)
        turn = SGA(0.5, align=True)(g, d, real, z, loss=losses.non_saturating)
        assert relative(turn_vector(turn), xi + 0.5 * sign * rotated) < 1e-9
    assert signs == {1, -1}
